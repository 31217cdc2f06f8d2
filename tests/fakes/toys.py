"""A graph small enough to count by hand, tools over the larger made-up data set, and tiny students.

The hand-counted graph has 20 readers of 8 books:

    6 readers read 0, 1, 2    5 read 0, 3    4 read 0, 4    5 read 5, 6    nobody reads 7

Books 0, 1, 2 are volumes 1, 2, 3 of one series by one author; 3 and 4 are by another.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import reading
import torch
from safetensors.torch import save_file

from star.data.catalog import Catalog, Item
from star.data.interactions import Interactions
from star.evidence.graph import Graph
from star.evidence.tools import Attributes, Tools
from star.mars.run import Run, run
from star.student.checkpoint import FORM
from star.student.network import shapes_of

torch.set_num_threads(1)  # more threads slow tiny models down

BY_HAND = [[0, 1, 2]] * 6 + [[0, 3]] * 5 + [[0, 4]] * 4 + [[5, 6]] * 5


def hand_catalog() -> Catalog:
    items = [
        Item(f"h{n}", f"Volume {n + 1}", ("Ann",), 2000 + n, "Saga", n + 1.0, ("epic",)) for n in range(3)
    ]
    items += [Item(f"h{n}", f"Book {n}", ("Bob",), 2000 + n, genres=("crime", "noir")) for n in (3, 4)]
    items += [Item(f"h{n}", f"Book {n}", (), None, genres=("verse",)) for n in (5, 6, 7)]
    return Catalog(tuple(items))


def hand_tools(
    history: list[int], candidates: list[int], reader: int | None = None, histories: list[list[int]] = BY_HAND
) -> Tools:
    interactions = Interactions.from_histories(histories, 8)
    graph = Graph.build(interactions, np.arange(len(interactions)))
    catalog = hand_catalog()
    return Tools(graph, catalog, Attributes.of(catalog), history, candidates, reader)


def reading_tools(seed: int, graph: Graph | None = None, shelf: int | None = None) -> Tools:
    """Tools of a test reader of `reading`, bound to a history and 20 candidates drawn by seed."""
    rng = np.random.default_rng(seed)
    data = reading.dataset()
    history = data.interactions.history(int(rng.choice(reading.parts().test))).astype(np.int64)
    known = history[: shelf or int(rng.integers(1, len(history)))]
    target = history[len(known) : len(known) + 1]
    unread = np.setdiff1d(np.arange(reading.BOOKS), history)
    drawn = rng.choice(unread, 20 - len(target), replace=False)
    candidates = rng.permutation(np.concatenate([target, drawn]))
    return Tools(graph or reading.graph(), data.catalog, Attributes.of(data.catalog), known, candidates)


def mars(seed: int) -> tuple[Tools, Run]:
    """One run of the teacher on `reading`."""
    tools = reading_tools(seed)
    return tools, run(tools, seed)


def save_checkpoint(folder: Path, layers: int = 1, seed: int = 0) -> Path:
    """A random student, which writes what nobody said."""
    config = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_theta": 10_000.0},
    }
    drawn = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.ones(shape) if "norm" in name else torch.randn(shape, generator=drawn) * 0.1
        for name, shape in shapes_of(config).items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "star.json").write_text(json.dumps({"form": FORM, "stages": {}}), "utf-8")
    return folder
