"""The fixed split of readers, and ranking tasks of one target among 1 + 19 candidates.

Split: readers with at least `MIN_BOOKS` books are shuffled with `SPLIT_SEED`. The first 400 are test readers, the next 200
validation readers. All others train, in `FOLDS` folds. Nothing that is fitted sees a test reader; choices are made on
validation readers.

Scenarios (those of AgentRecBench, arXiv 2505.19623): which books before the target are known, and which books are targets.
`classic`          all books before the target; targets are the reader's last five books
`user_cold_start`  the reader's first three books; targets are the five after them
`item_cold_start`  all books before the target; targets are the last five books that 3 to 10 training readers read
`long_term`        the books of the three months before the target; targets as in `classic`
`short_term`       the books of the week before the target; targets as in `classic`
Without times, the last 30 books replace the three months and the last 5 replace the week.

Negatives: books that the reader never read.
`uniform`    drawn from the catalogue
`matched`    drawn from the target's popularity bin
`retrieved`  the candidates that the page would show, with the target added
A popularity bin holds books of consecutive popularity ranks. Bins are fixed before any target is known, since a window
centred on the target would reveal it.

`item_cold_start` has matched negatives only. They have 3 to 10 training readers like the target, or its rarity would reveal
it. If the bin has too few such books, they are drawn from the whole bin. Candidates are shuffled per task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from star.data.interactions import Interactions

SPLIT_SEED = 20_260_209
TEST_READERS = 400
VALID_READERS = 200
MIN_BOOKS = 10
FOLDS = 10
TARGETS = 5
NEGATIVES = 19
COLD_KNOWN = 3
BIN = 500

COLD_READERS = (3, 10)
DAY = 86_400
SPANS = {"long_term": (91 * DAY, 30), "short_term": (7 * DAY, 5)}  # seconds; books where there are no times

SCENARIOS = ("classic", "user_cold_start", "item_cold_start", "long_term", "short_term")
NEGATIVE_KINDS = ("uniform", "matched", "retrieved")
MIX = {"easy": 0.3, "medium": 0.4, "hard": 0.3}
"""Share of each difficulty where tasks are drawn by it (arXiv 2602.09829)."""

Retrieve = Callable[[np.ndarray, int], np.ndarray]
"""history (item rows), n → the n best candidates of the catalogue, history left out."""


@dataclass(frozen=True)
class Task:
    """One ranking question. `history` oldest first, `candidates` shuffled and holding `target` once."""

    reader: int
    history: tuple[int, ...]
    target: int
    candidates: tuple[int, ...]
    scenario: str
    negatives: str
    draw: int = 0


@dataclass(frozen=True)
class Split:
    """Rows of the data set's readers. `folds`: fold of each training reader, same length as `train`."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    folds: np.ndarray

    @cached_property
    def fold_of(self) -> dict[int, int]:
        """Training reader (row) → fold."""
        return dict(zip(self.train.tolist(), self.folds.tolist(), strict=True))

    def part(self, name: str) -> np.ndarray:
        """`test` or `valid` rows."""
        return {"test": self.test, "valid": self.valid}[name]


def split(interactions: Interactions) -> Split:
    """The fixed split of a data set; it depends on the readers' ids alone, not on their order on disk.

    Small data sets (fewer than 2,000 eligible readers) give a fifth to test and a tenth to validation.
    """
    by_id = np.array(
        sorted(range(len(interactions)), key=lambda row: interactions.users[row]), dtype=np.int64
    )
    order = np.random.default_rng(SPLIT_SEED).permutation(by_id)
    long_enough = np.diff(interactions.indptr)[order] >= MIN_BOOKS
    eligible, short = order[long_enough], order[~long_enough]
    n_test = min(TEST_READERS, len(eligible) // 5)
    n_valid = min(VALID_READERS, len(eligible) // 10)
    train = np.concatenate([eligible[n_test + n_valid :], short])
    return Split(train, eligible[n_test : n_test + n_valid], eligible[:n_test], np.arange(len(train)) % FOLDS)


def popularity_bins(counts: np.ndarray) -> list[np.ndarray]:
    """Items in bins of consecutive popularity ranks: 500 wide, or a twelfth of a small catalogue."""
    order = np.lexsort((np.arange(len(counts)), -counts))
    width = min(BIN, max(40, len(counts) // 12))
    edges = list(range(0, len(order), width))
    if len(order) - edges[-1] < width // 2 and len(edges) > 1:
        edges.pop()
    return [order[a:b] for a, b in zip(edges, [*edges[1:], len(order)], strict=True)]


def positions(
    history: np.ndarray, times: np.ndarray | None, scenario: str, counts: np.ndarray
) -> list[tuple[int, int, int]]:
    """(start, stop, target) for one history: books `start` to `stop` are given, books[target] is asked.

    Args:
        history: item rows, oldest first, (n,).
        times: seconds, (n,), or None.
        counts: readers per item in the training graph, (I,).
    """
    length = len(history)
    if scenario == "user_cold_start":
        return [(0, COLD_KNOWN, t) for t in range(COLD_KNOWN, min(COLD_KNOWN + TARGETS, length))]
    late = range(length - 1, COLD_KNOWN - 1, -1)
    if scenario == "item_cold_start":
        fewest, most = COLD_READERS
        rare = [t for t in late if fewest <= counts[history[t]] <= most]
        return [(0, t, t) for t in rare[:TARGETS]]
    if scenario == "classic":
        return [(0, t, t) for t in late[:TARGETS]]
    seconds, books = SPANS[scenario]
    if times is None:
        return [(max(0, t - books), t, t) for t in late[:TARGETS]]
    starts = [(int(np.searchsorted(times[:t], times[t] - seconds)), t) for t in late[:TARGETS]]
    return [(start, t, t) for start, t in starts if start < t]


def draw_negatives(
    kind: str,
    target: int,
    seen: np.ndarray,
    known: np.ndarray,
    bins: list[np.ndarray],
    n_items: int,
    retrieve: Retrieve | None,
    rng: np.random.Generator,
    among: np.ndarray | None = None,
) -> np.ndarray:
    """19 (or fewer in a tiny catalogue) items the reader never read, int64.

    Args:
        among: items to prefer (bool, one per item): negatives are of these alone if there are enough.
    """
    banned = np.zeros(n_items, dtype=bool)
    banned[seen] = True
    banned[target] = True
    if kind == "retrieved":
        if retrieve is None:
            raise ValueError("retrieved negatives need a retriever")
        found = retrieve(known, NEGATIVES + 1 + len(seen))
        return found[~banned[found]][:NEGATIVES]
    pool = np.arange(n_items) if kind == "uniform" else next(b for b in bins if target in b)
    pool = pool[~banned[pool]]
    if among is not None and among[pool].sum() >= NEGATIVES:
        pool = pool[among[pool]]
    return rng.choice(pool, size=min(NEGATIVES, len(pool)), replace=False)


def make_tasks(
    interactions: Interactions,
    readers: np.ndarray,
    scenario: str,
    negatives: str,
    counts: np.ndarray,
    retrieve: Retrieve | None = None,
    limit: int | None = None,
    draws: int = 3,
    seed: int = 0,
) -> list[Task]:
    """Tasks of one cell (scenario × negatives), one per reader first, then the second target of each, and so on.

    Args:
        counts: readers per item in the training graph (I,), for the popularity bins.
        limit: the largest number of tasks.
        draws: draws of negatives per target; `retrieved` has one.
    """
    bins = popularity_bins(counts)
    fewest, most = COLD_READERS
    among = (fewest <= counts) & (counts <= most) if scenario == "item_cold_start" else None
    places = [
        positions(interactions.history(int(r)), interactions.times_of(int(r)), scenario, counts)
        for r in readers
    ]
    rounds = [(t, d) for d in range(1 if negatives == "retrieved" else draws) for t in range(TARGETS)]
    tasks: list[Task] = []
    for nth, draw in rounds:
        for reader, place in zip(readers, places, strict=True):
            if nth >= len(place) or (limit is not None and len(tasks) >= limit):
                continue
            start, stop, at = place[nth]
            history = interactions.history(int(reader))
            known = history[start:stop]
            rng = np.random.default_rng(
                [
                    SPLIT_SEED,
                    seed,
                    int(reader),
                    at,
                    draw,
                    NEGATIVE_KINDS.index(negatives),
                    SCENARIOS.index(scenario),
                ]
            )
            target = int(history[at])
            others = draw_negatives(
                negatives, target, history, known, bins, interactions.n_items, retrieve, rng, among
            )
            candidates = rng.permutation(np.append(others, target))
            tasks.append(
                Task(
                    int(reader),
                    tuple(int(i) for i in known),
                    target,
                    tuple(int(c) for c in candidates),
                    scenario,
                    negatives,
                    draw,
                )
            )
    return tasks


def difficulty(rank: int) -> str:
    """Difficulty of a task, by the rank (from 0) that the teacher gives the target."""
    return "easy" if rank == 0 else "medium" if rank < 5 else "hard"


def cells(
    scenarios: Sequence[str] = SCENARIOS, negatives: Sequence[str] = NEGATIVE_KINDS
) -> list[tuple[str, str]]:
    """All scenario × negatives pairs asked for, in table order; `item_cold_start` has matched negatives only."""
    return [(s, n) for s in scenarios for n in negatives if s != "item_cold_start" or n == "matched"]
