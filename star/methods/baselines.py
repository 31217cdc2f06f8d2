"""Rankers without a trained language model: the floor and the bar that MARS and STAR are measured against.

A ranker sees a `Task` without looking at its target. Equal scores are put in a random order that depends on
the task and the seed, never on the position in the list, so nobody gains from where the target happens to
stand.

Chosen on goodbooks' 200 validation readers (1,000 tasks per cell, mean hit rate over classic and three
books known, uniform and matched): user-kNN 50/100/200/400 readers .626/.641/.647/.647; EASE, λ
100/400/800/1600/3200 with the last ten books counted four times .605/.649/.668/.674/.670, counted once
.590/.628/.646 up to 800; item-kNN over the last 5/10/20 books .685/.689/.691, over all .655.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from star.data.tasks import Task
from star.evidence.graph import Graph
from star.ranking import Ranked, Score, best_first

RECENT = 10  # last books
NEIGHBOURS = 200  # most similar readers that user-kNN asks
RIDGE = 1_600.0  # EASE's λ
EMPHASIS = 3.0  # EASE counts each of the last ten books 1 + EMPHASIS times


@dataclass(frozen=True)
class ByScore:
    """Ranks by one score per candidate."""

    name: str
    score: Score
    seed: int = 0

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        out = []
        for task in tasks:
            start = time.perf_counter()
            order = best_first(task, self.score(task), self.seed)
            out.append(Ranked(order, time.perf_counter() - start))
        return out


def unchanged(task: Task) -> np.ndarray:
    """The order as given: candidates are shuffled, so anything but chance is a fault of the protocol."""
    return -np.arange(len(task.candidates), dtype=np.float64)


def by_chance(task: Task) -> np.ndarray:
    """Nothing but ties."""
    return np.zeros(len(task.candidates))


def popularity(graph: Graph) -> Score:
    """Readers of the candidate."""
    return lambda task: graph.counts[list(task.candidates)].astype(np.float64)


def centre(graph: Graph) -> Score:
    """Nearness to the list's median log popularity: would betray negatives drawn around the target."""

    def score(task: Task) -> np.ndarray:
        logs = np.log1p(graph.counts[list(task.candidates)])
        return -np.abs(logs - np.median(logs))

    return score


def itemknn(graph: Graph, window: int | None = None) -> Score:
    """Mean cosine of co-reading with the shelf, or with its last `window` books.

    score(j) = 1/|H| · Σ_{i in H} co_ij / sqrt(n_i n_j) (Sarwar et al. 2001, without a cut-off of neighbours).
    """
    root = np.sqrt(np.maximum(graph.counts, 1))

    def score(task: Task) -> np.ndarray:
        shelf = np.array(task.history if window is None else task.history[-window:], dtype=np.int64)
        candidates = np.array(task.candidates, dtype=np.int64)
        if not len(shelf):
            return np.zeros(len(candidates))
        both = graph.co[np.ix_(shelf, candidates)] / root[shelf][:, None]
        return both.mean(0) / root[candidates]

    return score


def userknn(graph: Graph, neighbours: int = NEIGHBOURS) -> Score:
    """Share of the most similar readers (idf-weighted cosine) who read it, weighted by similarity."""

    def score(task: Task) -> np.ndarray:
        history = np.array(task.history, dtype=np.int64)
        readers, weight = graph.similar_readers(history, neighbours, task.reader)
        if not len(readers):
            return np.zeros(len(task.candidates))
        read = graph.matrix[readers][:, list(task.candidates)]
        return np.asarray(weight @ read, dtype=np.float64) / weight.sum()

    return score


def ease_weights(graph: Graph, ridge: float) -> np.ndarray:
    """EASE's item-to-item matrix B, float32 (I, I), diagonal 0 (Steck 2019, arXiv 1905.03375).

    P = (XᵀX + λI)⁻¹ and B_ij = -P_ij / P_jj. With fewer readers than items the inverse is taken over readers:
    P = (I - Xᵀ (XXᵀ + λI)⁻¹ X) / λ (Woodbury), seconds instead of half a minute.
    """
    x = graph.matrix
    if x.shape[0] < x.shape[1]:
        inner = np.linalg.inv((x @ x.T).toarray().astype(np.float64) + ridge * np.eye(x.shape[0]))
        b = x.T @ (x.T @ inner.astype(np.float32)).T  # Xᵀ K X, since K is symmetric
        diagonal = (1 - np.diagonal(b)) / ridge
        b /= ridge * diagonal
    else:
        p = np.linalg.inv((x.T @ x).toarray().astype(np.float64) + ridge * np.eye(x.shape[1]))
        b = (-p / np.diagonal(p)).astype(np.float32)
    np.fill_diagonal(b, 0)
    return np.ascontiguousarray(b, dtype=np.float32)


def ease(graph: Graph, ridge: float = RIDGE, emphasis: float = EMPHASIS) -> Score:
    """Σ_{i in H} w_i B_ij, w_i = 1, or 1 + `emphasis` for the last ten books."""
    weights = ease_weights(graph, ridge)

    def score(task: Task) -> np.ndarray:
        if not task.history:
            return np.zeros(len(task.candidates))
        w = np.ones(len(task.history), dtype=np.float32)
        w[-RECENT:] += emphasis
        return w @ weights[np.ix_(task.history, task.candidates)]

    return score
