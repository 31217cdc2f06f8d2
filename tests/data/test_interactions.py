"""Interactions: a part of the readers has their rows, in the order asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reading

from star.data import parquet
from star.data.interactions import Interactions
from star.data.loading import load_dataset


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


@pytest.fixture
def large(tmp_path, monkeypatch):
    """Every data set is large; the saved one has odd ids."""
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    monkeypatch.setattr(parquet, "MAPPED", 1)
    data = reading.dataset()
    users = tuple(f"é{n}\n" if n % 2 else "" if n == 0 else f"用{n}" for n in range(len(data.interactions)))
    times = np.arange(len(data.interactions.items))
    data = replace(data, interactions=replace(data.interactions, users=users, times=times))
    data.save(tmp_path / "large")
    return data


def test_a_large_data_set_is_read_once_and_then_mapped(large, monkeypatch):
    first = load_dataset("large").interactions
    monkeypatch.setattr(parquet, "_arrays", lambda *_: pytest.fail("the table was read again"))
    again = load_dataset("large").interactions
    assert isinstance(again.items.base, np.memmap) and isinstance(again.times.base, np.memmap)
    for found in (first, again):
        assert found.users == large.interactions.users and found.ratings is None
        for name in ("indptr", "items", "times"):
            kept, expected = getattr(found, name), getattr(large.interactions, name)
            assert kept.tolist() == expected.tolist() and kept.dtype == expected.dtype, name


def test_a_large_data_set_that_changes_is_read_again(large, tmp_path):
    load_dataset("large")
    turned = large.interactions.subset(np.arange(len(large.interactions))[::-1])
    replace(large, interactions=turned).save(tmp_path / "large")
    found = load_dataset("large").interactions
    assert found.users == turned.users and found.items.tolist() == turned.items.tolist()
    assert len(list((tmp_path / ".cache").iterdir())) == 1
