"""Baselines without a language model: chance, popularity, item-kNN, user-kNN, EASE.

A ranker never reads a task's target. Equal scores are ordered at random by task and seed, not by position in the list.

Settings were chosen on 200 validation readers of goodbooks (1,000 tasks per cell, scenarios classic and user_cold_start,
uniform and matched negatives). Mean hit rates: user-kNN with 50/100/200/400 readers .626/.641/.647/.647. EASE with λ
100/400/800/1600/3200 and the last ten books counted four times .605/.649/.668/.674/.670; counted once, λ up to 800,
.590/.628/.646. Item-kNN over the last 5/10/20 books .685/.689/.691, over all books .655.
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
NEIGHBOURS = 200  # neighbourhood size of user-kNN: most similar readers
RIDGE = 1_600.0  # EASE's λ
EMPHASIS = 3.0  # EASE counts each of the last ten books 1 + EMPHASIS times


@dataclass(frozen=True)
class ByScore:
    """A ranker by one score per candidate."""

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
    """The order as given. Candidates are shuffled, so a result other than chance's reveals a fault of the protocol."""
    return -np.arange(len(task.candidates), dtype=np.float64)


def by_chance(task: Task) -> np.ndarray:
    """Equal scores: a random order."""
    return np.zeros(len(task.candidates))


def popularity(graph: Graph) -> Score:
    """Number of readers of the candidate."""
    return lambda task: graph.counts[list(task.candidates)].astype(np.float64)


def centre(graph: Graph) -> Score:
    """Nearness to the list's median log popularity; it would detect negatives drawn around the target."""

    def score(task: Task) -> np.ndarray:
        logs = np.log1p(graph.counts[list(task.candidates)])
        return -np.abs(logs - np.median(logs))

    return score


def itemknn(graph: Graph, window: int | None = None) -> Score:
    """Mean co-reading cosine with the shelf H, or with its last `window` books.

    score(j) = 1/|H| · Σ_{i in H} co_ij / sqrt(n_i n_j) (Sarwar et al. 2001, without a cut-off of neighbours).
    """
    root = np.sqrt(np.maximum(graph.counts, 1))

    def score(task: Task) -> np.ndarray:
        shelf = np.array(task.history if window is None else task.history[-window:], dtype=np.int64)
        candidates = np.array(task.candidates, dtype=np.int64)
        if not len(shelf):
            return np.zeros(len(candidates))
        both = graph.both(shelf, candidates) / root[shelf][:, None]
        return both.mean(0) / root[candidates]

    return score


def userknn(graph: Graph, neighbours: int = NEIGHBOURS) -> Score:
    """Share of the most similar readers (idf-weighted cosine) who read the candidate, weighted by similarity."""

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
    P = (I - Xᵀ (XXᵀ + λI)⁻¹ X) / λ (Woodbury); seconds instead of half a minute.
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
    """Score Σ_{i in H} w_i B_ij with w_i = 1 + `emphasis` for the last ten books, 1 for the others."""
    weights = ease_weights(graph, ridge)

    def score(task: Task) -> np.ndarray:
        if not task.history:
            return np.zeros(len(task.candidates))
        w = np.ones(len(task.history), dtype=np.float32)
        w[-RECENT:] += emphasis
        return w @ weights[np.ix_(task.history, task.candidates)]

    return score
