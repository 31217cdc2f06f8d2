"""A graph small enough to count by hand, tools over the larger made-up data set, and tiny students.

The hand-counted graph has 20 readers of 8 books:

    6 readers read 0, 1, 2    5 read 0, 3    4 read 0, 4    5 read 5, 6    nobody reads 7

Books 0, 1, 2 are volumes 1, 2, 3 of one series by one author; 3 and 4 are by another.
"""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import reading
import torch

from star.data.catalog import Catalog, Item, title_marks
from star.data.interactions import Interactions
from star.evidence.graph import Graph
from star.evidence.tools import Attributes, Tools
from star.mars.run import Run, run
from star.student.model import Checkpoint, new_model
from star.student.vocabulary import build_tokenizer, words_of

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


@cache
def words() -> list[str]:
    return words_of(reading.dataset().catalog, int(reading.graph().counts.max()))


def save_checkpoint(folder: Path, layers: int = 1, without: int = 0, seed: int = 0) -> Path:
    """A random student over `reading`, which knows all items but the last `without`."""
    new_model(words(), 32, layers, 2, 64, seed).save_pretrained(folder)
    build_tokenizer(words()).save_pretrained(folder)
    ids = [item.id for item in reading.dataset().catalog]
    items = reading.dataset().catalog[: len(ids) - without]
    about = {"dataset": "reading", "items": ids[: len(ids) - without], "titles": title_marks(items)}
    (folder / "star.json").write_text(json.dumps(about), "utf-8")
    return folder


class Parrot:
    """Replaces the network: the likeliest next word depends on the last word alone, by a table.

    For a word that is not in the table it is `otherwise`; among items, those early in the vocabulary come first.
    """

    def __init__(self, checkpoint: Checkpoint, table: dict[str, str], otherwise: str) -> None:
        vocabulary = checkpoint.vocabulary
        self.config, self.device = checkpoint.model.config, checkpoint.model.device
        self.base = -torch.arange(len(vocabulary), dtype=torch.float32) / len(vocabulary)
        self.next = torch.full((len(vocabulary),), vocabulary[otherwise])
        for word, following in table.items():
            self.next[vocabulary[word]] = vocabulary[following]

    def __call__(self, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        logits = self.base.repeat(len(input_ids), 1, 1).clone()
        logits[torch.arange(len(input_ids)), 0, self.next[input_ids[:, -1]]] += 20
        return SimpleNamespace(logits=logits)


GOOD = {
    "<plan>": "</plan>", "</plan>": "<tool_call>", "<tool_call>": "item_cf", "item_cf": "5",
    "5": "</tool_call>",
    "</tool_response>": "<reflection>", "<reflection>": "evidence", "evidence": "is", "is": "thin",
    "thin": ";",
    ";": "</reflection>", "</reflection>": "<recommend>",
}  # fmt: skip


def parrot(checkpoint: Checkpoint, table: dict[str, str], otherwise: str = "<plan>") -> Checkpoint:
    return dataclasses.replace(checkpoint, model=Parrot(checkpoint, table, otherwise))  # type: ignore[arg-type]
