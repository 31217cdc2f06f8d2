"""What tests of training share: a tiny student, lists of one small universe, and answers to readers of the demo."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import reading

from star.annotation.exchange.export import prompt_of
from star.data import tasks as T
from star.data.dataset import Dataset
from star.data.simulator import load_demo
from star.evidence.fitting import fit_signals
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.signals import Signals
from star.evidence.tools import Attributes, Tools
from star.student.generation import GenerationState, write_all
from star.student.network import Checkpoint
from training.lib import lists as made
from training.lib.network import Student, save
from training.lib.sequences import Lists, lists_from
from training.lib.universes import universe

SMALL = 2  # a seed whose universe is small
READERS = 300
HELD = 60  # readers of it whose lists are made


@cache
def small() -> Dataset:
    """The first readers of a small universe: its signals are fitted in a second."""
    whole = universe(SMALL)
    return replace(whole, interactions=whole.interactions.subset(np.arange(READERS)))


@cache
def fitted() -> tuple[Graph, Signals]:
    """The graph of the small universe without those held back, and its signals."""
    data = small()
    graph = Graph.build(data.interactions, np.arange(HELD, len(data.interactions)))
    with reading.quick():
        return graph, fit_signals(graph, data.catalog, Attributes.of(data.catalog))


@cache
def stored() -> dict[str, np.ndarray]:
    """Lists of the small universe, as they are kept."""
    graph, signals = fitted()
    return made.stacked(list(made.lists_of(graph, small(), signals, np.arange(HELD), 12, 0)))


@cache
def lists() -> Lists:
    return lists_from(stored())


def student(seed: int = 0) -> Student:
    """An untrained one: it follows the grammar, and writes what nobody said."""
    return Student(32, 2, 2, 64, seed)


def save_student(folder: Path, seed: int = 0) -> Path:
    save(student(seed), folder, {"form": "slots", "stages": {"sft": {}}})
    return folder


@cache
def tools() -> tuple[Tools, ...]:
    """Tools for tasks of the demo's test readers; their shelves are of several lengths."""
    data = load_demo()
    parts = T.split(data.interactions)
    graph, attributes = Graph.build(data.interactions, parts.train[:400]), Attributes.of(data.catalog)
    with reading.quick():
        signals = fit_signals(graph, data.catalog, attributes)
    retriever = Retriever(graph, attributes)
    tasks = [
        task
        for scenario in ("classic", "user_cold_start")
        for task in T.make_tasks(data.interactions, parts.test, scenario, "uniform", graph.counts, retriever, 4)
    ]
    return tuple(
        Tools(graph, data.catalog, attributes, t.history, t.candidates, t.reader, signals) for t in tasks
    )


def answered(checkpoint: Checkpoint, draw: int = 0) -> list[tuple[str, GenerationState]]:
    """Prompt and finished answer for each of `tools`."""
    states = [GenerationState(checkpoint, each, draw=draw) for each in tools()]
    asked = [prompt_of(s.tools.history.tolist(), s.candidates) for s in states]
    write_all(states)
    return list(zip(asked, states, strict=True))
