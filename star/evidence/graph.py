"""The user–item graph and the counts its tools read: co-reading, read-next, similar readers.

Everything is sparse: readers by item and items by reader, in reading order. Counts of pairs are taken from the readers of
the items asked about, exactly, when they are asked for; no table of items × items exists, so a catalogue has no largest
size. A graph never holds the readers it is asked about: test and validation readers are left out, training readers are
served by the graph of the other folds (`crossfit`), so counts look in training as they do when serving.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from star.data.interactions import Interactions

MARKED = 5_000_000  # readers × anchors from which bits of readers are compared instead
AT_ONCE = 64  # anchors whose readers are marked at a time
BITS = 2**26  # readers × items that are marked at a time, in bytes
SAMPLED = 6_000_000
"""Interactions that co-reading with the whole catalogue is summed over: of a larger graph, those of every second, third, …
reader. `training/studies/sample_readers.py` measures what that costs."""
NEXT_WINDOW = 3  # a book counts as read next when it is among the three that follow


@dataclass(frozen=True)
class Graph:
    """Readers × items of one part of a data set.

    Attributes:
        interactions: the readers in this graph (and only they).
        rows: int64 (U,), each reader's row in the data set the graph was cut from.
    """

    interactions: Interactions
    rows: np.ndarray

    @classmethod
    def build(cls, interactions: Interactions, rows: np.ndarray) -> Graph:
        """The graph of the readers `rows` of a data set; it has their order, not their times and ratings."""
        rows = np.asarray(rows, dtype=np.int64)
        return cls(replace(interactions, times=None, ratings=None).subset(rows), rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that `from_arrays` needs to have the same graph again without counting."""
        return {
            "rows": self.rows,
            "indptr": self.interactions.indptr,
            "items": self.interactions.items,
            "sorted_items": self.matrix.indices,
            "starts": self.by_item.indptr,
            "readers": self.by_item.indices,
            "following": self._following_books,
            "sampled_starts": self._sampled.indptr,
            "sampled_readers": self._sampled.indices,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], interactions: Interactions) -> Graph:
        """The graph of `arrays`, which may be memory-mapped, cut from the data set's `interactions`."""
        users = tuple(map(interactions.users.__getitem__, arrays["rows"].tolist()))
        n_items = interactions.n_items
        graph = cls(Interactions(users, arrays["indptr"], arrays["items"], n_items), arrays["rows"])
        ones = np.ones(len(arrays["items"]), np.float32)  # of both matrices; nobody writes into them
        matrix = sp.csr_matrix((ones, arrays["sorted_items"], arrays["indptr"]), (len(users), n_items))
        by_item = sp.csr_matrix((ones, arrays["readers"], arrays["starts"]), (n_items, len(users)))
        matrix.has_sorted_indices = by_item.has_sorted_indices = True
        graph.__dict__.update(matrix=matrix, by_item=by_item, _following_books=arrays["following"])
        readers, starts = arrays["sampled_readers"], arrays["sampled_starts"]
        sampled = sp.csr_matrix((ones[: len(readers)], readers, starts), (n_items, graph._sample_size))
        graph.__dict__["_sampled"] = sampled
        return graph

    @property
    def n_readers(self) -> int:
        return len(self.interactions)

    @property
    def n_items(self) -> int:
        return self.interactions.n_items

    @cached_property
    def counts(self) -> np.ndarray:
        """Readers of each item, int64 (I,)."""
        return np.bincount(self.interactions.items, minlength=self.n_items)

    def most_read(self, most: int) -> np.ndarray:
        """The most read items, at most so many, as sorted rows; items without readers are never among them."""
        read = np.flatnonzero(self.counts)
        return np.sort(read[np.lexsort((read, -self.counts[read]))][:most])

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """Binary readers × items."""
        return self.interactions.matrix

    @cached_property
    def by_item(self) -> sp.csr_matrix:
        """Binary items × readers, float32."""
        return self.matrix.T.tocsr()

    @property
    def _step(self) -> int:
        """1: co-reading is summed over all readers; n: over every n-th. The split has put them into a random order."""
        return max(1, len(self.interactions.items) // SAMPLED)

    @property
    def _sample_size(self) -> int:
        return -(-self.n_readers // self._step)

    @cached_property
    def _sampled(self) -> sp.csr_matrix:
        """`by_item` of every `_step`-th reader, items × readers of the sample."""
        return self.by_item if self._step == 1 else self.matrix[:: self._step].T.tocsr()

    @cached_property
    def _following_books(self) -> np.ndarray:
        """The book that each interaction's reader read 1, 2, … NEXT_WINDOW places later, -1: none, int32 (NEXT_WINDOW, N).

        Interactions are ordered by item, then reader, as in `by_item`.
        """
        indptr, items = self.interactions.indptr, self.interactions.items
        shape = (self.n_readers, self.n_items)
        # Scipy orders by item in one pass; sorting takes ten times as long.
        places = sp.csr_matrix((np.arange(len(items)), items, indptr), shape).tocsc().data
        after = np.full((NEXT_WINDOW, len(items)), -1, np.int32)
        left = np.repeat(indptr[1:], np.diff(indptr))[places] - places - 1
        for step in range(1, NEXT_WINDOW + 1):
            inside = left >= step
            after[step - 1, inside] = items[places[inside] + step]
        return after

    def _rows(self, items: np.ndarray, of: sp.csr_matrix | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Where the readers of these items lie in `by_item.indices` (or those `of` another), item after item, and how many
        each has."""
        indptr = (self.by_item if of is None else of).indptr
        starts = indptr[items].astype(np.int64)
        lengths = indptr[items + 1] - starts
        return np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum()), lengths

    def without(self, reader: int | None) -> np.ndarray:
        """Readers of each item with the data set's reader `reader` left out, int64 (I,)."""
        own = self.position(reader)
        if own is None:
            return self.counts
        counts = self.counts.copy()
        counts[self.interactions.history(own)] -= 1
        return counts

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
        return self.both(anchors, items, reader), self.after(anchors, items, reader)

    def both(self, anchors: np.ndarray, items: np.ndarray, reader: int | None = None) -> np.ndarray:
        """Readers of both, int64 (anchors, items), without `reader`'s own row. On the diagonal: the item's readers."""
        anchors, items = np.asarray(anchors, np.int64), np.asarray(items, np.int64)
        shared = np.zeros((len(anchors), len(items)), np.int64)
        readers = int(self.counts[items].sum())
        for first in range(0, len(anchors), AT_ONCE):
            some = anchors[first : first + AT_ONCE]
            count = self._both_by_bits if readers * len(some) > MARKED else self._both_by_marks
            shared[first : first + AT_ONCE] = count(some, items)
        own = self.position(reader)
        if own is not None:
            row = self.interactions.history(own)
            shared -= np.isin(anchors, row)[:, None] & np.isin(items, row)[None]
        return shared

    def _both_by_marks(self, anchors: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Readers of both, int64 (anchors, items): every reader of an item looks up whether they read the anchors."""
        shared = np.zeros((len(anchors), len(items)), np.int64)
        places, lengths = self._rows(items)
        filled = np.flatnonzero(lengths)
        if len(filled):
            readers, starts = self.by_item.indices[places], np.cumsum(lengths) - lengths
            taken, sizes = self._rows(anchors)
            read = np.zeros((self.n_readers, len(anchors)), np.bool_)
            read[self.by_item.indices[taken], np.repeat(np.arange(len(anchors)), sizes)] = True
            sums = np.add.reduceat(read[readers], starts[filled], axis=0, dtype=np.int64)
            shared[:, filled] = sums.T
        return shared

    def _both_by_bits(self, anchors: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Readers of both, int64 (anchors, items), from one bit for each reader: does not grow with the items' readers."""
        asked, shared = self._bits(anchors), np.zeros((len(anchors), len(items)), np.int64)
        step = max(1, BITS // max(self.n_readers, 1))
        for first in range(0, len(items), step):
            some = items[first : first + step].tobytes()
            last = self._last_bits
            if last is None or last[0] != some:  # a query asks for the same candidates with several windows
                last = some, self._bits(items[first : first + step])
                self.__dict__["_last_bits"] = last  # one assignment, so that threads may share the graph
            for row, anchor in enumerate(asked):
                shared[row, first : first + step] = np.bitwise_count(last[1] & anchor).sum(1, dtype=np.int64)
        return shared

    @cached_property
    def _last_bits(self) -> tuple[bytes, np.ndarray] | None:
        """The items whose bits were asked for last, and these bits."""
        return None

    def _bits(self, items: np.ndarray) -> np.ndarray:
        """The readers of each item as bits, uint64 (items, U / 64)."""
        marked = np.zeros((len(items), -(-self.n_readers // 64) * 64), np.bool_)
        starts, readers = self.by_item.indptr, self.by_item.indices
        for row, item in zip(marked, items.tolist(), strict=True):
            row[readers[starts[item] : starts[item + 1]]] = True
        return np.packbits(marked, axis=1, bitorder="little").view(np.uint64)

    def after(self, anchors: np.ndarray, items: np.ndarray, reader: int | None = None) -> np.ndarray:
        """Readers who read the item among the NEXT_WINDOW books after the anchor, int64 (anchors, items)."""
        column = np.full(self.n_items, -1)
        distinct, back = np.unique(np.asarray(items), return_inverse=True)
        column[distinct] = np.arange(len(distinct))
        who, following = self._following(anchors, reader)
        to = column[following]
        counts = np.bincount(
            who[to >= 0] * len(distinct) + to[to >= 0], minlength=len(anchors) * len(distinct)
        )
        return counts.reshape(len(anchors), len(distinct))[:, back]

    def _following(self, anchors: np.ndarray, reader: int | None) -> tuple[np.ndarray, np.ndarray]:
        """All steps from an anchor to one of the NEXT_WINDOW books after it: the anchor's position in `anchors`, (S,), and
        the book, (S,); `reader`'s own steps left out."""
        taken, lengths = self._rows(np.asarray(anchors, np.int64))
        who, own = np.repeat(np.arange(len(lengths)), lengths), self.position(reader)
        if own is not None:
            others = self.by_item.indices[taken] != own
            who, taken = who[others], taken[others]
        steps = []
        for following in self._following_books:
            book = following[taken]
            steps.append((who[book >= 0], book[book >= 0]))
        return np.concatenate([w for w, _ in steps]), np.concatenate([b for _, b in steps])

    def co_reading(self, weights: np.ndarray, reader: int | None = None) -> np.ndarray:
        """Σ_i weights_i · (readers of i and j) for every item j.

        A graph of more than `SAMPLED` interactions estimates it: n times the sum over every n-th reader.

        Args:
            weights: (I, K), K weightings of the items at once.

        Returns:
            float32 (I, K), without `reader`'s own row.
        """
        own, sampled, step = self.position(reader), self._sampled, self._step
        out = np.zeros(weights.shape, np.float32)
        for column in range(weights.shape[1]):
            used = np.flatnonzero(weights[:, column])
            places, lengths = self._rows(used, sampled)
            each = np.repeat(weights[used, column], lengths)
            reached = np.bincount(sampled.indices[places], each, minlength=self._sample_size)
            if own is not None and own % step == 0:
                reached[own // step] = 0
            out[:, column] = sampled @ (step * reached.astype(np.float32))
        return out

    def read_next(self, anchors: np.ndarray, weights: np.ndarray, reader: int | None = None) -> np.ndarray:
        """Σ_a weights_a · (readers who read j soon after a) for every item j, float (I,), without `reader`'s own row."""
        who, following = self._following(anchors, reader)
        return np.bincount(following, weights=np.asarray(weights)[who], minlength=self.n_items)

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

    def _overlap(self, items: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """`matrix @ vector` of a vector that is zero outside `items`, sorted: the same sums in the same order."""
        if 2 * self.counts[items].sum() > len(self.interactions.items):
            return np.asarray(self.matrix @ vector)
        return np.asarray(self.by_item[items].T @ vector[items])

    def similar_readers(
        self, history: np.ndarray, n: int, reader: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The n readers nearest to a history by idf-weighted cosine, without `reader` itself.

        Returns:
            positions in this graph (m,) with m <= n, and their similarity (m,), best first; readers who share
            nothing are left out.
        """
        asked = np.asarray(history).tobytes(), n, reader
        last = self._last_similar
        if last is None or last[0] != asked:  # retrieval and tools ask the same
            last = asked, self._similar_readers(history, n, reader)
            self.__dict__["_last_similar"] = last
        return last[1]

    @cached_property
    def _last_similar(self) -> tuple[tuple[bytes, int, int | None], tuple[np.ndarray, np.ndarray]] | None:
        """The last question for similar readers, with its answer."""
        return None

    def _similar_readers(
        self, history: np.ndarray, n: int, reader: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        own = self.position(reader)
        idf, norms = self._weights if own is None else self._weighing(own)
        vector = np.zeros(self.n_items, dtype=np.float32)
        vector[history] = idf[history] ** 2
        overlap = self._overlap(np.unique(history), vector)
        similarity = overlap / np.maximum(norms * np.sqrt(vector.sum() + 1e-9), 1e-9)
        others = np.arange(self.n_readers)
        if own is not None:
            # Cut out, not set to zero: ties then break as in a graph that never held the reader.
            others, similarity = np.delete(others, own), np.delete(similarity, own)
        n = min(n, int((similarity > 0).sum()))
        if n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        top = np.argpartition(-similarity, n - 1)[:n]
        top = top[np.argsort(-similarity[top], kind="stable")]
        return others[top], similarity[top]


def crossfit(
    interactions: Interactions, train: np.ndarray, folds: np.ndarray
) -> Iterator[tuple[np.ndarray, Graph]]:
    """For every fold: its readers (rows of the data set) and the graph of all the other training readers.

    Args:
        train: rows of the training readers, (T,).
        folds: fold of each of them, (T,).
    """
    for fold in np.unique(folds):
        yield train[folds == fold], Graph.build(interactions, train[folds != fold])
