"""Candidate lists with the evidence of every candidate, from one data set.

The readers of the lists are in no graph and in no fit that the evidence is read from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from star.data import tasks as T
from star.data.dataset import Dataset
from star.evidence.graph import Graph, crossfit
from star.evidence.retrieval import Retriever
from star.evidence.signals import Signals
from star.evidence.tools import Attributes
from star.methods.fusion import came_by_itself, relations, signal_columns

RAW = (
    "pull5", "pull10", "pull20", "next5", "next10", "next20", "similar30", "similar50",
    "whole", "whole3", "whole1", "after", "about", "readers",
)  # fmt: skip
RELATED = ("series", "sequel", "author")
WIDTH = T.NEGATIVES + 1


def evidence(
    graph: Graph, dataset: Dataset, attributes: Attributes, signals: Signals, task: T.Task
) -> tuple[np.ndarray, np.ndarray]:
    """Values of every signal, float32 (20, RAW), nan in places without candidate; relations, int8 (20, RELATED)."""
    found = signal_columns(graph, dataset, attributes, task, signals)
    shelf, items = np.array(task.history, np.int64), np.array(task.candidates, np.int64)
    raw = np.full((WIDTH, len(RAW)), np.nan, np.float32)
    raw[: len(items)] = np.stack([found[name] for name in RAW], 1)
    related = np.zeros((WIDTH, len(RELATED)), np.int8)
    related[: len(items)] = np.minimum(relations(attributes, shelf, items), 3)
    return raw, related


def lists_of(
    graph: Graph, dataset: Dataset, signals: Signals, readers: np.ndarray, each: int, seed: int,
    scenarios: Sequence[str] = T.SCENARIOS, kinds: Sequence[str] = T.NEGATIVE_KINDS, draws: int = 1,
) -> Iterator[tuple]:  # fmt: skip
    """(raw, related, target's column, length of the shelf, scenario, kind, reader) of at most `each` tasks of every cell."""
    attributes = Attributes.of(dataset.catalog)
    retriever = Retriever(graph, attributes)
    for scenario, kind in T.cells(scenarios, kinds):
        tasks = T.make_tasks(
            dataset.interactions, readers, scenario, kind, graph.counts, retriever, each, draws, seed
        )
        for task in tasks:
            if kind == "retrieved" and draws == 1 and not came_by_itself(dataset, retriever, task):
                continue
            raw, related = evidence(graph, dataset, attributes, signals, task)
            yield (
                raw, related, task.candidates.index(task.target), len(task.history),
                T.SCENARIOS.index(scenario), T.NEGATIVE_KINDS.index(kind), task.reader,
            )  # fmt: skip


def stacked(rows: list[tuple]) -> dict[str, np.ndarray]:
    raw, related, target, length, scenario, kind, reader = zip(*rows, strict=True)
    return {
        "raw": np.stack(raw), "related": np.stack(related), "target": np.array(target, np.int16),
        "length": np.array(length, np.int32), "scenario": np.array(scenario, np.int8), "kind": np.array(kind, np.int8),
        "reader": np.array(reader, np.int32),
    }  # fmt: skip


def of_folds(dataset: Dataset, each: int, seed: int = 0, folds: int | None = None) -> dict[str, np.ndarray]:
    """Lists of training readers, each from the evidence of the other folds; `each` tasks a cell and fold."""
    split = T.split(dataset.interactions)
    of = split.folds % (folds or T.FOLDS)
    rows = []
    for inside, graph in crossfit(dataset.interactions, split.train, of):
        signals = Signals.fit(graph, dataset.catalog)
        shuffled = np.random.default_rng([seed, int(inside[0])]).permutation(inside)
        rows += list(lists_of(graph, dataset, signals, shuffled, each, seed))
    return stacked(rows)
