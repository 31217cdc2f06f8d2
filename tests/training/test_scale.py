"""The synthetic log is as long-tailed as it says, the same for a seed, and in a form that is imported."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import reading

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


def test_a_row_without_evidence_is_left_out_of_its_table():
    start = {"seconds": 7.0, "cpu_seconds": 3.0, "peak_gib": 1.5}
    found = {
        "graph_seconds": 12.0,
        "signals_seconds": 90.0,
        "starts": {key: start for key in ("first", "second", "serve", "recommend")},
        "query": {"seconds": [0.1234, 0.2], "cpu_seconds": [0.05, 0.1]},
        "kept_gib": 2.0,
    }
    row = {"rows": 25_000_000, "items": 59_138, "measured": "2026-11-29"}
    head, ruler, *lines = scale.evidence_table([row, {**row, "evidence": found}]).splitlines()
    assert head.count("|") == ruler.count("|") == lines[0].count("|") and len(lines) == 1
    assert "| 25 M | 59,138 | 12 | 90 |" in lines[0] and "| 123 | 50 | 200 |" in lines[0]


def test_the_page_that_is_measured_opens(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    reading.dataset().save(tmp_path / "small")
    monkeypatch.setattr("sys.argv", ["-c", "small"])
    exec(compile(scale._SERVE, "the page", "exec"), {})
