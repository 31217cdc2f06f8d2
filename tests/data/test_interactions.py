"""Interactions: a part of the readers has their rows, in the order asked for."""

from __future__ import annotations

import numpy as np
import pytest

from star.data.interactions import Interactions


def whole() -> Interactions:
    """Four readers with 3, 0, 1 and 2 items; every value says its place."""
    return Interactions(
        users=("a", "b", "c", "d"),
        indptr=np.array([0, 3, 3, 4, 6]),
        items=np.array([5, 3, 1, 4, 0, 2], np.int32),
        n_items=6,
        times=np.arange(6) * 10,
        ratings=np.arange(6, dtype=np.float32) / 2,
    )


@pytest.mark.parametrize(
    "rows", [[0, 1, 2, 3], [3, 0], [1], [2, 2, 1, 0, 3, 0], [], np.array([3, 1], np.int32)]
)
def test_subset_has_each_reader_as_the_whole_has(rows):
    given, part = whole(), whole().subset(np.array(rows))
    assert part.users == tuple(given.users[row] for row in rows)
    assert part.indptr.dtype == np.int64 and part.indptr[0] == 0 and part.indptr[-1] == len(part.items)
    assert part.items.dtype == np.int32 and part.ratings.dtype == np.float32 and part.n_items == 6
    for new, old in enumerate(rows):
        places = slice(given.indptr[old], given.indptr[old + 1])
        assert part.history(new).tolist() == given.history(old).tolist()
        assert part.times_of(new).tolist() == given.times_of(old).tolist()
        at = slice(part.indptr[new], part.indptr[new + 1])
        assert part.ratings[at].tolist() == given.ratings[places].tolist()


def test_subset_without_times_and_ratings_has_none():
    given = whole()
    bare = Interactions(given.users, given.indptr, given.items, given.n_items).subset(np.array([2, 0]))
    assert bare.times is None and bare.ratings is None
    assert bare.items.tolist() == [4, 5, 3, 1]
