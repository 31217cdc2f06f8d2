"""The synthetic log is as long-tailed as it says, the same for a seed, and in a form that is imported."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from star.data.importers import import_dataset
from training.studies import scale


def test_a_log_has_the_rows_asked_for_each_pair_once_and_a_long_tail():
    made = scale.log(200_000, seed=1)
    assert all(len(column) == 200_000 for column in made.values())
    pairs = made["user"].astype(np.int64) * (scale.ITEMS + 1) + made["item"]
    assert len(np.unique(pairs)) == len(pairs)
    readers = np.unique(made["user"], return_counts=True)[1]
    items = np.sort(np.unique(made["item"], return_counts=True)[1])[::-1]
    assert readers[:-1].min() >= scale.FEWEST and readers.max() > 10 * np.median(readers)
    assert items[0] > 0.15 * len(readers) and np.median(items) <= 3
    again, other = scale.log(200_000, seed=1), scale.log(200_000, seed=2)
    assert all((made[name] == again[name]).all() for name in made)
    assert not (made["item"] == other["item"]).all()


@pytest.mark.parametrize("kind", scale.KINDS)
def test_every_kind_is_imported_and_is_the_same_log(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    monkeypatch.setattr(scale, "PART", 2_000)
    scale.write(tmp_path / "log", 5_000, 3, kind)
    form = "movielens" if kind == "movielens" else "table"
    made = import_dataset(form, tmp_path / "log", "log", 1, 1)
    rows = scale.log(5_000, 3)
    assert len(made.interactions) == len(np.unique(rows["user"]))
    expected = pl.DataFrame(rows).sort("user", "time").filter(pl.col("user") == 1)["time"]
    assert made.interactions.times_of(0).tolist() == expected.to_list()
