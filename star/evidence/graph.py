"""The user–item graph with the statistics its tools read: co-reading, read-next, similar readers.

Pair statistics are computed once (dense, uint16, items × items), so a look-up is an index. A graph never holds the
readers it is asked about: test and validation readers are left out, training readers are served by the graph of the
other folds (`crossfit`), so counts look in training as they do when serving.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from star.data.interactions import Interactions
from star.errors import UserError

NEXT_WINDOW = 3  # a book counts as read next when it is among the three that follow
MAX_ITEMS = 16_000  # two dense uint16 matrices of this size take 1 GiB


@dataclass(frozen=True)
class Graph:
    """Readers × items, with pair counts.

    Attributes:
        interactions: the readers in this graph (and only they).
        rows: int64 (U,), each reader's row in the data set the graph was cut from.
        co: uint16 (I, I), readers of both items, symmetric, diagonal = readers of the item.
        nxt: uint16 (I, I), nxt[i, j] = readers who read j among the NEXT_WINDOW books after i.
    """

    interactions: Interactions
    rows: np.ndarray
    co: np.ndarray
    nxt: np.ndarray

    @classmethod
    def build(cls, interactions: Interactions, rows: np.ndarray) -> Graph:
        """The graph of the readers `rows` of a data set.

        Raises:
            UserError: more than 16,000 items or 65,535 readers of one item.
        """
        part = interactions.subset(rows)
        co, nxt = _pair_counts(part)
        return cls(part, np.asarray(rows, dtype=np.int64), co, nxt)

    @property
    def n_readers(self) -> int:
        return len(self.interactions)

    @cached_property
    def counts(self) -> np.ndarray:
        """Readers of each item, int64 (I,)."""
        return np.diagonal(self.co).astype(np.int64)

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """Binary readers × items."""
        return self.interactions.matrix

    def _weighing(self, own: int | None) -> tuple[np.ndarray, np.ndarray]:
        """idf of every item (I,) and weighted length of every reader's row (U,), the reader at `own` not counted."""
        counts = self.counts.copy()
        if own is not None:
            counts[self.interactions.history(own)] -= 1
        readers = self.n_readers - (own is not None)
        idf = np.log1p(readers / np.maximum(counts, 1)).astype(np.float32)
        return idf, np.sqrt(self.matrix @ idf**2)

    @cached_property
    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        return self._weighing(None)

    @cached_property
    def _row_of(self) -> dict[int, int]:
        return {int(row): position for position, row in enumerate(self.rows)}

    def position(self, reader: int | None) -> int | None:
        """Where the data set's reader stands in this graph, None if it is not in it."""
        return None if reader is None else self._row_of.get(reader)

    def pairs(
        self, anchors: np.ndarray, items: np.ndarray, reader: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Readers of both and read-next counts, each int64 (anchors, items), without `reader`'s own row."""
        both = self.co[np.ix_(anchors, items)].astype(np.int64)
        after = self.nxt[np.ix_(anchors, items)].astype(np.int64)
        own = self.position(reader)
        if own is not None:
            row = self.interactions.history(own)
            place = np.full(self.interactions.n_items, -1)
            place[row] = np.arange(len(row))
            a, b = place[anchors][:, None], place[items][None]
            mine = (a >= 0) & (b >= 0)
            both -= mine
            after -= mine & (b > a) & (b <= a + NEXT_WINDOW)
        return both, after

    def similar_readers(
        self, history: np.ndarray, n: int, reader: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The n readers nearest to a history by idf-weighted cosine, without `reader` itself.

        Returns:
            positions in this graph (m,) with m <= n, and their similarity (m,), best first; readers who share
            nothing are left out.
        """
        own = self.position(reader)
        idf, norms = self._weights if own is None else self._weighing(own)
        vector = np.zeros(self.interactions.n_items, dtype=np.float32)
        vector[history] = idf[history] ** 2
        overlap = self.matrix @ vector
        similarity = overlap / np.maximum(norms * np.sqrt(vector.sum() + 1e-9), 1e-9)
        others = np.arange(self.n_readers)
        if (
            own is not None
        ):  # cut out, not set to zero: ties then break as in a graph that never held the reader
            others, similarity = np.delete(others, own), np.delete(similarity, own)
        n = min(n, int((similarity > 0).sum()))
        if n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        top = np.argpartition(-similarity, n - 1)[:n]
        top = top[np.argsort(-similarity[top], kind="stable")]
        return others[top], similarity[top]


def _pair_counts(part: Interactions) -> tuple[np.ndarray, np.ndarray]:
    if part.n_items > MAX_ITEMS:
        raise UserError(
            f"the catalogue has {part.n_items} items, the graph takes {MAX_ITEMS}; "
            "import again with a higher --min-item-readers"
        )
    matrix = part.matrix
    counts = np.asarray(matrix.sum(axis=0)).ravel()
    if counts.size and counts.max() > np.iinfo(np.uint16).max:
        raise UserError(
            f"one item has {int(counts.max())} readers, the graph takes 65,535; sample readers on import"
        )
    co = (matrix.T @ matrix).astype(np.uint16).toarray()
    nxt = np.zeros_like(co)
    items, lengths = part.items, np.diff(part.indptr)
    owner = np.repeat(np.arange(len(part)), lengths)
    for step in range(1, NEXT_WINDOW + 1):
        same = owner[:-step] == owner[step:]
        np.add.at(nxt, (items[:-step][same], items[step:][same]), 1)
    return co, nxt


def crossfit(
    interactions: Interactions, train: np.ndarray, folds: np.ndarray
) -> Iterator[tuple[np.ndarray, Graph]]:
    """For every fold: its readers (rows of the data set) and the graph of all the other training readers.

    Args:
        train: rows of the training readers, (T,).
        folds: fold of each of them, (T,).
    """
    whole_co, whole_nxt = _pair_counts(interactions.subset(train))
    for fold in np.unique(folds):
        inside, outside = train[folds == fold], train[folds != fold]
        co, nxt = _pair_counts(interactions.subset(inside))
        yield inside, Graph(interactions.subset(outside), outside, whole_co - co, whole_nxt - nxt)
