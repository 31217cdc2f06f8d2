"""Candidates: the books worth ranking for one shelf, by taking turns between single retrieval signals.

With fitted signals, shelves of `SHORT` books and more are served by a weighted sum of logarithms of the signals instead.

Only the graph is asked; a reader it holds is taken out first, so nothing they read later can come back. Candidates
for a person keep the rules of `hygiene.py`; candidates for training and for lists of twenty do not.

Recall of the next book on goodbooks' 200 validation readers, 1,000 targets per scenario (`star evaluate
--dataset goodbooks --split valid` prints it as `retrieval`): 20/50/100 candidates hold .29/.38/.46 of the
targets with the full history and .30/.41/.53 with three books known. The best single signal (`recent`) has
.25/.34/.43 and .30/.41/.53, one turn for each of the five .28/.38/.44 and .30/.42/.54: among mixtures the
turns hardly matter.
"""

from __future__ import annotations

import numpy as np

from star.evidence.graph import Graph
from star.evidence.hygiene import Hygiene
from star.evidence.signals import KNOWN, LATEST, Signals
from star.evidence.tools import Attributes

RECENT = 10  # last books that the recent signals look back on
ASKED = 50  # most similar readers
SMOOTH = 5  # added to both counts of a read-next cosine, so that one coincidence does not lift a rare book

TURNS = ("follow", "recent", "readers", "follow", "recent", "related", "all")
"""Whose turn it is to name the next book, over and over; a book already named is skipped."""
FITTED_TURNS = ("after", "follow", "after", "recent", "readers", "after", "related", "all")
"""The same with fitted signals, for shelves of fewer than `SHORT` books."""

LOGARITHMS = ("recent", "follow", "readers", "all", "whole", "last 3", "last 1", "after")
RELATED = ("popularity", "author", "series", "next", "close")
SHORT = 8  # for shelves of fewer books the turns find more than the weights do
FITS = 1  # level of strength from which a description makes a candidate: weak
LISTED = 250  # best items of each signal that are compared
FLOOR = 0.02  # a signal below this share of its 20th best value says nothing
UNREAD = 10  # among so many candidates one may be an item with too few readers for the graph


WEIGHTS = {
    "recent": 0.2,
    "follow": 0.23,
    "readers": 0.03,
    "all": -0.03,
    "whole": 0.78,
    "last 3": 0.05,
    "last 1": 0.07,
    "after": 0.41,
    "popularity": -0.56,
    "author": 0.31,
    "series": -0.06,
    "next": 1.32,
    "close": 0.79,
}
"""With fitted signals: what the logarithm of each signal is worth, and what being related is. Fitted by
`training/studies/tune_retrieval.py` on lists of training readers."""


class Retriever:
    """history → candidates. Read-only after construction, so one may serve many threads."""

    def __init__(
        self,
        graph: Graph,
        attributes: Attributes,
        signals: Signals | None = None,
        hygiene: Hygiene | None = None,
    ) -> None:
        """
        Args:
            signals: fitted over the same graph. None: as the evaluation draws its retrieved negatives.
            hygiene: the rules that candidates keep; None: none.
        """
        self.graph = graph
        self.attributes = attributes
        self.fitted = signals
        self.hygiene = hygiene

    def __call__(self, history: np.ndarray, n: int, reader: int | None = None) -> np.ndarray:
        """The n best candidates for a shelf, among those that keep the rules.

        Args:
            history: item rows, oldest first, (H,); may be empty.
            n: how many, at most.
            reader: row in the data set; if the graph holds this reader, their row does not count.

        Returns:
            int64 (m,), best first, without repeats, m ≤ n; fewer than n only where no more items are admissible.
        """
        if self.hygiene is None:
            return self.ranked(history, n, reader)
        history = np.asarray(history, dtype=np.int64)
        shelf, size = history.tolist(), len(self.graph.counts)
        scores = self.signals(history, reader)
        for depth in (3 * n, size):  # the rules leave about three quarters
            found = self._order(scores, history, depth, reader)
            found = np.array(self.hygiene.admissible(shelf, found.tolist(), n)[0], dtype=np.int64)
            if len(found) >= n or depth >= size:
                break
        return found[:n]

    def ranked(self, history: np.ndarray, n: int, reader: int | None = None) -> np.ndarray:
        """The n best items for a shelf by the signals alone.

        Args:
            history: item rows, oldest first, (H,); may be empty.
            n: how many; at most all items that are not on the shelf.
            reader: row in the data set; if the graph holds this reader, their row does not count.

        Returns:
            int64 (m,), best first, without repeats, m = min(n, I - distinct items of the history). Where all
            signals are silent (an unknown shelf) the most read books fill up.
        """
        history = np.asarray(history, dtype=np.int64)
        return self._order(self.signals(history, reader), history, n, reader)

    def _order(
        self, scores: dict[str, np.ndarray], history: np.ndarray, n: int, reader: int | None
    ) -> np.ndarray:
        """`ranked`, from the `signals` of the shelf."""
        counts = self.graph.without(reader)
        free = np.ones(len(counts), dtype=bool)
        free[history] = False
        n = min(n, int(free.sum()))
        if self.fitted is not None and len(history) >= SHORT:
            chosen = self._compared(scores, counts, free, n)
        else:
            lists = {name: _best(np.where(free, score, 0), n) for name, score in scores.items()}
            turns = TURNS if self.fitted is None else FITTED_TURNS
            chosen = _take_turns([lists[name] for name in turns if name in lists], n)
        if len(chosen) < n:
            by_popularity = np.lexsort((np.arange(len(counts)), -counts))
            rest = by_popularity[free[by_popularity]]
            chosen = [*chosen, *rest[~np.isin(rest, chosen)][: n - len(chosen)].tolist()]
        return np.array(chosen, dtype=np.int64)

    def signals(self, history: np.ndarray, reader: int | None = None) -> dict[str, np.ndarray]:
        """Each signal's score of every item, (I,), zero where it has nothing to say; none for an empty shelf.

        `recent`, `all`: mean cosine of co-reading with the last ten books, with all of them. `follow`:
        read-next cosine with the last ten, the latest weighing most. `readers`: similarity-weighted share
        among the 50 most similar readers. `related`: next volumes, then their series, then the same authors.
        """
        if not len(history):
            return {}
        graph, counts = self.graph, self.graph.without(reader)
        root = np.sqrt(np.maximum(counts, 1)).astype(np.float32)
        recent = history[-RECENT:]
        weights = np.zeros((len(counts), 2), np.float32)
        weights[recent, 0] = 1 / (root[recent] * len(recent))
        weights[history, 1] = 1 / (root[history] * len(history))
        near = graph.co_reading(weights, reader) / root[:, None]
        recency = 1 / np.arange(len(recent), 0, -1)
        smooth = np.sqrt(counts + SMOOTH)
        readers, weight = graph.similar_readers(history, ASKED, reader)
        shared = weight @ graph.matrix[readers] if len(readers) else np.zeros(len(counts), np.float32)
        scores = {
            "recent": near[:, 0],
            "all": near[:, 1],
            "follow": graph.read_next(recent, recency / smooth[recent], reader) / smooth,
            "readers": np.asarray(shared, dtype=np.float32),
            "related": self._related(history, counts),
        }
        if self.fitted is not None:
            own = graph.position(reader)
            mine = None if own is None else graph.interactions.history(own)
            scores |= {kind: self.fitted[kind].scores(history, mine) for kind in ("whole", "about")}
            scores["after"] = self.fitted.after.chances(history)
            for n in LATEST.values():
                scores[f"last {n}"] = self.fitted.whole.scores(history[-n:], mine)
        return scores

    def features(
        self, scores: dict[str, np.ndarray], counts: np.ndarray, free: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The items that some signal lists among its best, (m,), and what is weighed of each: `LOGARITHMS`, then
        `RELATED`, (m, F).

        Args:
            scores: `signals` of a shelf.
            counts: readers of every item without the one asked about, (I,).
            free: bool (I,), items that may be retrieved.
        """
        related = scores["related"]
        listed = [_best(np.where(free, scores[name], 0), LISTED) for name in (*LOGARITHMS, "related")]
        items = np.unique(np.concatenate([np.array(each, np.int64) for each in listed]))
        columns = []
        for name in LOGARITHMS:
            values = scores[name][items]
            scale = max(float(np.sort(values)[-min(20, len(values))]), 1e-9) if len(values) else 1.0
            columns.append(np.log(np.maximum(values / scale, FLOOR)))
        kin = np.floor(related[items])
        columns += [
            np.log(np.maximum(counts[items], 1)),
            *(kin >= level for level in (1, 2, 3)),
            related[items] - kin,
        ]
        return items, np.stack(columns, axis=1).astype(np.float64)

    def _compared(
        self, scores: dict[str, np.ndarray], counts: np.ndarray, free: np.ndarray, n: int
    ) -> list[int]:
        """The best items by the weighted sum of the logarithms of their signals. Items with too few readers for the graph
        take one place in `UNREAD`, the best by description first."""
        assert self.fitted is not None
        items, found = self.features(scores, counts, free)
        total = found @ np.array([WEIGHTS[name] for name in (*LOGARITHMS, *RELATED)])
        best = items[np.lexsort((items, -total))].tolist()
        fits = scores["about"] >= self.fitted.bounds["about"][FITS]
        unread = free & fits & (counts < KNOWN)
        told = _best(np.where(unread, scores["about"], 0), n // UNREAD)
        best = [item for item in best if item not in told][: n - len(told)]
        for place, item in enumerate(told, 1):
            best.insert(min(place * UNREAD - 1, len(best)), item)
        return best

    def _related(self, history: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """3 next volume, 2 same series, 1 same author; decimals: recency on the shelf and popularity."""
        a = self.attributes
        score = np.zeros(len(counts))
        closeness = 0.5 * (np.arange(len(history)) + 1) / len(history)
        for ids, base in ((a.author, 1.0), (a.series, 2.0)):
            latest = np.zeros(max(int(ids.max(initial=-1)) + 1, 1))
            np.maximum.at(latest, ids[history][ids[history] >= 0], closeness[ids[history] >= 0])
            near = np.where(ids >= 0, latest[ids], 0)
            score = np.where(near > 0, base + near, score)
        numbered = history[(a.series[history] >= 0) & ~np.isnan(a.volume[history])]
        furthest = np.full(max(int(a.series.max(initial=-1)) + 1, 1), np.nan)
        np.fmax.at(furthest, a.series[numbered], a.volume[numbered])
        following = (a.series >= 0) & (a.volume == furthest[a.series] + 1)
        score += np.where(following, 1.0, 0)
        return np.where(score > 0, score + 0.4 * counts / max(int(counts.max(initial=0)), 1), 0)


def _best(score: np.ndarray, n: int) -> list[int]:
    """Items with a positive score, best first, at most n."""
    n = min(n, int((score > 0).sum()))
    if n == 0:
        return []
    top = np.argpartition(-score, n - 1)[:n]
    return top[np.lexsort((top, -score[top]))].tolist()


def _take_turns(lists: list[list[int]], n: int) -> list[int]:
    """Round-robin over the lists (one list may have several turns), without repeats, at most n."""
    pointers = {id(each): iter(each) for each in lists}
    chosen: dict[int, None] = {}
    waiting = list(lists)
    while waiting and len(chosen) < n:
        for each in list(waiting):
            item = next((i for i in pointers[id(each)] if i not in chosen), None)
            if item is None:
                waiting = [other for other in waiting if other is not each]
                continue
            chosen[item] = None
            if len(chosen) == n:
                break
    return list(chosen)
