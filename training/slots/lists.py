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
from star.evidence.signals import RECENT, Signals
from star.evidence.tools import Attributes, Tools
from star.methods.fusion import _relations, came_by_itself

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
    tools = Tools(graph, dataset.catalog, attributes, task.history, task.candidates, task.reader)
    shelf, items = tools.history, tools.candidates
    pulls = [tools.pulls(window)[2:] for window in (5, 10, 20)]
    columns = [p[0] for p in pulls] + [p[1] for p in pulls]
    columns += [tools.similar_share(asked)[1] for asked in (30, 50)]
    columns += [signals.whole.parts(shelf, items).sum(0)]
    columns += [signals.whole.parts(shelf[-n:], items).sum(0) for n in (3, 1)]
    columns += [signals.after.parts(shelf, items).sum(0), signals.about.parts(shelf[-RECENT:], items).sum(0)]
    columns += [graph.counts[items]]
    raw = np.full((WIDTH, len(RAW)), np.nan, np.float32)
    raw[: len(items)] = np.stack(columns, 1)
    related = np.zeros((WIDTH, len(RELATED)), np.int8)
    related[: len(items)] = np.minimum(_relations(attributes, shelf, items), 3)
    return raw, related


def lists_of(
    graph: Graph, dataset: Dataset, signals: Signals, readers: np.ndarray, each: int, seed: int,
    scenarios: Sequence[str] = T.SCENARIOS, kinds: Sequence[str] = T.NEGATIVE_KINDS, draws: int = 1,
) -> Iterator[tuple]:  # fmt: skip
    """(raw, related, target's column, length of the shelf, scenario, kind) of at most `each` tasks of every cell."""
    attributes = Attributes.of(dataset.catalog)
    retriever = Retriever(graph, attributes)
    for scenario, kind in T.cells(scenarios, kinds):
        try:
            tasks = T.make_tasks(
                dataset.interactions, readers, scenario, kind, graph.counts, retriever, each, draws, seed
            )
        except StopIteration:
            continue
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
