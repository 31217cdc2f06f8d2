"""Histories of readers in reading order, as a users × items CSR structure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from star.errors import UserError


@dataclass(frozen=True)
class Interactions:
    """Histories of all readers, oldest book first.

    Attributes:
        users: reader ids, length U.
        indptr: int64 (U + 1,); reader u's books are items[indptr[u]:indptr[u + 1]].
        items: int32 (N,), catalogue rows, in reading order, each at most once per reader.
        n_items: I, the size of the catalogue.
        times: int64 seconds since 1970 (N,), or None where the source has only an order.
        ratings: float32 (N,), or None.
    """

    users: tuple[str, ...]
    indptr: np.ndarray
    items: np.ndarray
    n_items: int
    times: np.ndarray | None = None
    ratings: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.users)

    def history(self, user: int) -> np.ndarray:
        """Items of one reader (by row), oldest first, int32."""
        return self.items[self.indptr[user] : self.indptr[user + 1]]

    def times_of(self, user: int) -> np.ndarray | None:
        """Times of these reads, int64 seconds; None if the source has only an order."""
        return None if self.times is None else self.times[self.indptr[user] : self.indptr[user + 1]]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {user: row for row, user in enumerate(self.users)}

    def row(self, user: str) -> int:
        """Row of the reader with this id.

        Raises:
            UserError: no such reader.
        """
        try:
            return self._rows[user]
        except KeyError:
            raise UserError(
                f"reader {user!r} is not among the {len(self)} readers; ids run like {', '.join(self.users[:3])}"
            ) from None

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """Binary users × items matrix, float32, sorted indices."""
        data = np.ones(len(self.items), dtype=np.float32)
        matrix = sp.csr_matrix((data, self.items.copy(), self.indptr.copy()), shape=(len(self), self.n_items))
        matrix.sort_indices()
        return matrix

    def subset(self, rows: np.ndarray) -> Interactions:
        """Only these readers (row numbers), in the order given."""
        rows = np.asarray(rows, dtype=np.int64)
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # Where each reader's books move from, less where they move to.
        take = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return Interactions(
            users=tuple(map(self.users.__getitem__, rows.tolist())),
            indptr=indptr,
            items=self.items[take],
            n_items=self.n_items,
            times=None if self.times is None else self.times[take],
            ratings=None if self.ratings is None else self.ratings[take],
        )

    @classmethod
    def from_histories(
        cls, histories: list[list[int]] | list[np.ndarray], n_items: int, users: list[str] | None = None
    ) -> Interactions:
        """Build from one sequence of item rows per reader, oldest first."""
        lengths = [len(h) for h in histories]
        items = (
            np.concatenate([np.asarray(h, dtype=np.int32) for h in histories])
            if histories
            else np.zeros(0, np.int32)
        )
        return cls(
            users=tuple(users) if users is not None else tuple(f"u{n}" for n in range(1, len(histories) + 1)),
            indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            items=items.astype(np.int32),
            n_items=n_items,
        )
