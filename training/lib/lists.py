"""Candidate lists with the evidence of every candidate, from one data set, as the tools state it.

The readers of the lists are in no graph and in no fit that the evidence is read from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from star.data import tasks as T
from star.data.dataset import Dataset
from star.evidence.claims import STRENGTHS
from star.evidence.fitting import fit_signals
from star.evidence.graph import Graph, crossfit
from star.evidence.retrieval import Retriever
from star.evidence.signals import Signals
from star.evidence.tools import ASKED, FITTED, WINDOWS, Attributes, Tools, places
from star.methods.fusion import came_by_itself
from star.student.vocabulary import MOST_BOOKS, STATES

Call = tuple[str, tuple[int, ...]]
VARIANTS: dict[Call, tuple[str, ...]] = {
    **{("item_cf", (w,)): (f"pull{w}", f"next{w}") for w in WINDOWS},
    **{("user_cf", (a,)): (f"similar{a}",) for a in ASKED},
    **{call: (kind,) for call, kind in FITTED.items()},
}
"""Columns of `RAW` that each call states."""
RAW = (*(name for names in VARIANTS.values() for name in names), "readers")
RELATED = ("series", "sequel", "author")
WIDTH = T.NEGATIVES + 1
Row = dict[str, np.ndarray]


def evidence(tools: Tools) -> Row:
    """What the tools find for every candidate and what they state of it.

    Returns:
        raw: float32 (20, RAW), values of the signals, nan in places without candidate; level, place: int8 (20, RAW), the
        strength stated (0: nothing is stated) and the place, 0 without candidate; related: int8 (20, RELATED).
    """
    found: dict[str, np.ndarray] = {}
    for window in WINDOWS:
        _, _, found[f"pull{window}"], found[f"next{window}"] = tools.pulls(window)
    for asked in ASKED:
        found[f"similar{asked}"] = tools.similar_share(asked)[1]
    found |= {kind: tools.parts(kind).sum(0) for kind in FITTED.values()}
    found["readers"] = np.array([tools.readers(item) for item in tools.candidates.tolist()])
    n = len(tools.candidates)
    raw = np.full((WIDTH, len(RAW)), np.nan, np.float32)
    raw[:n] = np.stack([found[name] for name in RAW], 1)
    level, place = np.zeros((2, WIDTH, len(RAW)), np.int8)
    place[:n] = np.stack([places(found[name]) for name in RAW], 1)
    related = np.zeros((WIDTH, len(RELATED)), np.int8)
    row = {item: at for at, item in enumerate(tools.candidates.tolist())}
    for call, names in VARIANTS.items():
        column = {kind: RAW.index(name) for kind, name in zip(STATES[call], names, strict=False)}
        for claim in (evidence.claim for line in tools.call(*call).lines for evidence in line):
            at = row.get(-1 if claim.subject is None else claim.subject, -1)
            if claim.kind == "series":
                related[at, :2] = 1, claim.label == "sequel"
            elif claim.kind == "author":
                related[at, 2] = min(int(claim.numbers["books"]), MOST_BOOKS)
            elif claim.kind in column and claim.strength is not None:
                level[at, column[claim.kind]] = STRENGTHS.index(claim.strength) + 1
    return {"raw": raw, "level": level, "place": place, "related": related}


def lists_of(
    graph: Graph, dataset: Dataset, signals: Signals, readers: np.ndarray, each: int, seed: int,
    scenarios: Sequence[str] = T.SCENARIOS, kinds: Sequence[str] = T.NEGATIVE_KINDS, draws: int = 1,
) -> Iterator[Row]:  # fmt: skip
    """Evidence, target's column, length of the shelf, scenario, kind and reader of at most `each` tasks of every cell.

    Args:
        signals: fitted over the graph, with the bounds of their strengths.
    """
    attributes = Attributes.of(dataset.catalog)
    retriever = Retriever(graph, attributes)
    for scenario, kind in T.cells(scenarios, kinds):
        tasks = T.make_tasks(
            dataset.interactions, readers, scenario, kind, graph.counts, retriever, each, draws, seed
        )
        for task in tasks:
            if kind == "retrieved" and draws == 1 and not came_by_itself(dataset, retriever, task):
                continue
            tools = Tools(
                graph, dataset.catalog, attributes, task.history, task.candidates, task.reader, signals
            )
            yield evidence(tools) | {
                "target": np.array(task.candidates.index(task.target), np.int16),
                "length": np.array(len(task.history), np.int32),
                "scenario": np.array(T.SCENARIOS.index(scenario), np.int8),
                "kind": np.array(T.NEGATIVE_KINDS.index(kind), np.int8),
                "reader": np.array(task.reader, np.int32),
            }


def stacked(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def of_fold(
    dataset: Dataset, fold: int, folds: int, each: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Lists of the training readers of one fold, from the evidence of the other folds; at most `each` tasks a cell."""
    split = T.split(dataset.interactions)
    inside, graph = next(islice(crossfit(dataset.interactions, split.train, split.folds % folds), fold, None))
    signals = fit_signals(graph, dataset.catalog, Attributes.of(dataset.catalog))
    shuffled = np.random.default_rng([seed, int(inside[0])]).permutation(inside)
    return stacked(list(lists_of(graph, dataset, signals, shuffled, each, seed)))
