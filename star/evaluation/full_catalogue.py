"""Rank of each reader's last book among all unread books of the catalogue, rather than among twenty candidates.

Baselines score the catalogue without the shelf. Rankers of lists (fusion, MARS, STAR) reorder the first retrieved books,
shuffled as on the page; the other retrieved books follow in their order. A target that retrieval misses has no rank. With
one target per reader, recall@k is the hit rate.

A retriever with the rules of a list (`star/evidence/hygiene.py`) applies them to every method. A target that they drop has
no rank; an item that takes another's place has that item's rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from star.data.interactions import Interactions
from star.data.tasks import Task, positions
from star.errors import UserError
from star.evaluation import metrics, rules
from star.evaluation.pooling import rounded
from star.evidence.hygiene import Hygiene
from star.evidence.retrieval import Retriever
from star.methods.baselines import ByScore
from star.methods.registry import BASELINES
from star.ranking import Ranker

DEEPEST = 50  # ranks evaluated
LONGEST = 100  # retrieved books that may be reordered
FLOORS = ("unchanged", "random", "centre")  # they check the protocol of twenty candidates
RERANKERS = ("fusion", "mars", "star")  # by the part of the name before a colon

METRICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "recall@10": lambda ranks: metrics.hit_rate(ranks, 10),
    "recall@50": lambda ranks: metrics.hit_rate(ranks, 50),
    "ndcg@10": lambda ranks: metrics.ndcg(ranks, 10),
    "ndcg@50": lambda ranks: metrics.ndcg(ranks, 50),
}
COMPARED = "ndcg@10"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class HeldOutReader:
    """One reader: the known history, the next book, and the retrieved books, best first."""

    reader: int
    history: tuple[int, ...]
    target: int
    found: tuple[int, ...]

    def task(self, candidates: Sequence[int]) -> Task:
        return Task(self.reader, self.history, self.target, tuple(candidates), "classic", "catalogue")


def full_catalogue(
    lineup: Sequence[Ranker],
    interactions: Interactions,
    readers: np.ndarray,
    retriever: Retriever,
    depth: int,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Recall and NDCG at 10 and 50 of retrieval, of the baselines and of the rerankers.

    Args:
        readers: rows of `interactions`, none of them in the retriever's graph.
        depth: number of retrieved books to reorder.

    Returns:
        n, depth, items (size of the catalogue); rows (per method the means and their `ci`, readers resampled); paired
        (differences of NDCG@10 on the same readers); hygiene (items that break a rule, by method; None without rules).

    Raises:
        UserError: a depth beyond the longest list that the rankers take.
    """
    check_depth(depth)
    counts = retriever.graph.counts
    shelves: list[HeldOutReader] = []
    plain: list[HeldOutReader] = []  # the same without the retriever's rules
    for reader in readers.tolist():
        history = interactions.history(reader)
        for start, stop, at in positions(history, None, "classic", counts)[:1]:
            known = history[start:stop].astype(np.int64)
            for these, find in ((shelves, retriever), (plain, retriever.ranked)):
                found = tuple(find(known, max(depth, DEEPEST)).tolist())
                these.append(HeldOutReader(reader, tuple(known.tolist()), int(history[at]), found))
    ranks = {"retrieval": np.array([place(shelf.found, shelf.target) for shelf in shelves])}
    lists: dict[str, rules.Pair] = {"retrieval": ([s.found for s in plain], [s.found for s in shelves])}
    asked = [ranker for ranker in lineup if ranker.name not in FLOORS]
    for done, ranker in enumerate(asked):
        progress(f"{ranker.name}, whole catalogue", done, len(asked))
        reranks = ranker.name.split(":")[0] in RERANKERS
        name = f"retrieval + {ranker.name}" if reranks else ranker.name
        if retriever.hygiene is None:
            ranks[name] = (
                reordered(ranker, shelves, depth, seed)
                if reranks
                else ranked(ranker, shelves, len(counts), seed)
            )
            continue
        if reranks:
            lists[name] = (orders(ranker, plain, depth, seed), orders(ranker, shelves, depth, seed))
        else:
            lists[name] = _with_rules(ranker, shelves, retriever.hygiene, len(counts), seed)
        ranks[name] = np.array(
            [place(each, shelf.target) for each, shelf in zip(lists[name][1], shelves, strict=True)]
        )
    who = np.array([shelf.reader for shelf in shelves])
    return {
        "n": len(shelves),
        "depth": depth,
        "items": len(counts),
        "rows": [_row(name, each, who, seed) for name, each in ranks.items()],
        "paired": [_pair(one, two, ranks, who, seed) for one, two in _pairs(ranks)],
        "hygiene": rules.table(
            retriever.hygiene, [s.history for s in shelves], [s.target for s in shelves], lists
        ),
    }


def check_depth(depth: int) -> None:
    if not 1 <= depth <= LONGEST:
        raise UserError(f"{depth} retrieved books were to be reordered; expected 1 to {LONGEST}")


def place(order: Sequence[int], target: int) -> float:
    """Rank of the target, from 1; infinite: not in the order."""
    return order.index(target) + 1.0 if target in order else np.inf


def reordered(ranker: Ranker, shelves: Sequence[HeldOutReader], depth: int, seed: int) -> np.ndarray:
    """Ranks of the targets (n,) after the first `depth` retrieved books are reordered.

    Lists without the target are not reordered: its rank does not depend on their order.
    """
    depth = min(depth, getattr(ranker, "most", depth))
    places = np.array([place(shelf.found, shelf.target) for shelf in shelves])
    within = np.flatnonzero(places <= depth)
    asked = [shelves[n] for n in within.tolist()]
    places[within] = [
        place(order, shelf.target)
        for shelf, order in zip(asked, orders(ranker, asked, depth, seed), strict=True)
    ]
    return places


def orders(ranker: Ranker, shelves: Sequence[HeldOutReader], depth: int, seed: int) -> list[tuple[int, ...]]:
    """The retrieved items of each shelf, the first `depth` of them reordered, or as many as the ranker takes."""
    depth = min(depth, getattr(ranker, "most", depth))
    asked = [shelf for shelf in shelves if shelf.found]
    tasks = [
        shelf.task(np.random.default_rng([seed, shelf.reader]).permutation(shelf.found[:depth]).tolist())
        for shelf in asked
    ]
    answers = ranker.rank(tasks) if tasks else []
    made = {
        shelf.reader: (*answer.order, *shelf.found[depth:])
        for shelf, answer in zip(asked, answers, strict=True)
    }
    return [made.get(shelf.reader, ()) for shelf in shelves]


def ranked(ranker: Ranker, shelves: Sequence[HeldOutReader], n_items: int, seed: int) -> np.ndarray:
    """Ranks of the targets (n,) among all items that are not on the shelf; equal scores in random order."""
    places = []
    for shelf in shelves:
        free = np.ones(n_items, dtype=bool)
        free[list(shelf.history)] = False
        candidates = np.flatnonzero(free)
        task = shelf.task(candidates.tolist())
        if isinstance(ranker, ByScore):
            scores = ranker.score(task)
            own = scores[int(np.searchsorted(candidates, shelf.target))]
            ties = np.random.default_rng([seed, shelf.reader]).integers(int((scores == own).sum()))
            places.append(1.0 + float((scores > own).sum() + ties))
        else:
            places.append(place(ranker.rank([task])[0].order, shelf.target))
    return np.array(places)


def _with_rules(
    ranker: Ranker, shelves: Sequence[HeldOutReader], hygiene: Hygiene, n_items: int, seed: int
) -> tuple[list[Sequence[int]], list[Sequence[int]]]:
    """The first `DEEPEST` items of each shelf, without the rules and with them; equal scores in random order."""
    plain: list[Sequence[int]] = []
    kept: list[Sequence[int]] = []
    for shelf in shelves:
        free = np.ones(n_items, dtype=bool)
        free[list(shelf.history)] = False
        task = shelf.task(np.flatnonzero(free).tolist())
        if isinstance(ranker, ByScore):
            ties = np.random.default_rng([seed, shelf.reader]).random(len(task.candidates))
            order = np.array(task.candidates)[np.lexsort((ties, -ranker.score(task)))].tolist()
        else:
            order = list(ranker.rank([task])[0].order)
        plain.append(order[:DEEPEST])
        kept.append(hygiene.admissible(shelf.history, order, at_most=DEEPEST)[0])
    return plain, kept


def _row(name: str, ranks: np.ndarray, readers: np.ndarray, seed: int) -> dict[str, Any]:
    values = {metric: of(ranks) for metric, of in METRICS.items()}
    return {
        "method": name,
        **{metric: rounded(value.mean()) for metric, value in values.items()},
        "ci": {m: rounded(*metrics.bootstrap_mean(value, readers, seed)) for m, value in values.items()},
    }


def _pairs(ranks: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """Each reranker against retrieval; STAR against MARS, fusion and the best baseline."""
    pairs = [(name, "retrieval") for name in ranks if name.startswith("retrieval +")]
    star = "retrieval + star"
    if star in ranks:
        rivals = [f"retrieval + {name}" for name in ("mars", "fusion")]
        best = max(
            (name for name in BASELINES if name in ranks),
            key=lambda name: METRICS[COMPARED](ranks[name]).mean(),
            default=None,
        )
        pairs += [(star, rival) for rival in (*rivals, best) if rival in ranks]
    return pairs


def _pair(one: str, two: str, ranks: dict[str, np.ndarray], readers: np.ndarray, seed: int) -> dict[str, Any]:
    a, b = (METRICS[COMPARED](ranks[name]) for name in (one, two))
    return {
        "method": one,
        "against": two,
        "metric": COMPARED,
        "difference": rounded(a.mean() - b.mean()),
        "ci": rounded(*metrics.bootstrap_pair(a, b, readers, seed)["difference"]),
    }
