"""A folder of Parquet parts is the table that its files are in the order of their numbers."""

from __future__ import annotations

from importlib import import_module  # the package has a function of the module's name
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_sources import histories, load

from star.data import dataset
from star.data.importers.build import _first_of_pair, _places, _reading_order
from star.errors import UserError

TABLE = pl.DataFrame(
    {
        "user": ["u2", "u1", "u2", "u1", "u3", "u2"],
        "item": ["b", "a", "a", "c", "b", "b"],
        "rating": [5.0, 4.0, 3.0, 2.0, 1.0, 2.0],
    }
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    return dataset.home()


def parted(folder: Path, frame: pl.DataFrame, names: list[str]) -> Path:
    """The rows of a frame dealt out in order to files of these names."""
    for nth, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        size = -(-len(frame) // len(names))
        frame.slice(nth * size, size).write_parquet(file)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["part-00000-abc.snappy.parquet", "part-00001-abc.snappy.parquet", "part-00002-abc.snappy.parquet"],
        ["part.8.parquet", "part.9.parquet", "part.10.parquet"],
        ["data_0.parquet", "data_1.parquet", "data_2.parquet"],
    ],
)
def test_a_folder_of_parts_is_its_rows_in_order(tmp_path, names):
    folder = parted(tmp_path / "log", TABLE, names)
    (folder / "_SUCCESS").touch()
    (folder / "_metadata").write_bytes(b"PAR1")
    (folder / ".part-00000.parquet.crc").write_bytes(b"crc")
    (folder / ".hidden.parquet").write_bytes(b"x")
    (folder / "_temporary").mkdir()
    (folder / "_temporary" / "part-9.parquet").write_bytes(b"x")
    TABLE.write_parquet(tmp_path / "one.parquet")
    whole = load("table", tmp_path / "one.parquet")
    data = load("table", folder)
    assert histories(data) == histories(whole) == {"u1": ["a", "c"], "u2": ["b", "a"], "u3": ["b"]}
    assert data.interactions.ratings.tolist() == whole.interactions.ratings.tolist()
    assert data.manifest["counts"] == whole.manifest["counts"]
    assert data.manifest["title"] == "log"


def test_the_keys_of_partition_folders_are_columns(tmp_path):
    for user in ("7", "10"):
        folder = tmp_path / "log" / f"user={user}"
        parted(folder, pl.DataFrame({"item": ["a", "b"]}), ["part-0.parquet"])
    assert histories(load("table", tmp_path / "log")) == {"7": ["a", "b"], "10": ["a", "b"]}


def test_parts_that_do_not_fit_together_are_named(tmp_path):
    folder = parted(tmp_path / "log", TABLE, ["part-0.parquet", "part-1.parquet"])
    TABLE.with_columns(pl.col("rating").cast(pl.String)).write_parquet(folder / "part-1.parquet")
    with pytest.raises(
        UserError, match=r"part-1\.parquet: column 'rating' is of the type string, but .* float64"
    ):
        load("table", folder)
    TABLE.drop("rating").write_parquet(folder / "part-1.parquet")
    with pytest.raises(UserError, match=r"part-1\.parquet: column 'rating' is missing, but"):
        load("table", folder)
    (folder / "part-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"part-1\.parquet is not a Parquet file"):
        load("table", folder)


def test_tables_of_their_own_in_one_folder_are_not_taken_for_one(tmp_path):
    folder = parted(tmp_path / "log", TABLE, ["films.parquet", "games.parquet"])
    with pytest.raises(UserError, match=r"not named as parts of one table \(films.parquet, games.parquet\)"):
        load("table", folder)


def test_a_part_without_rows_is_passed_and_a_folder_without_any_is_refused(tmp_path):
    folder = parted(tmp_path / "log", TABLE, ["part-0.parquet"])
    TABLE.clear().write_parquet(folder / "part-1.parquet")
    assert len(load("table", folder).interactions) == 3
    TABLE.clear().write_parquet(folder / "part-0.parquet")
    with pytest.raises(UserError, match="has no rows"):
        load("table", folder)
    with pytest.raises(UserError, match="has no column item; it has user"):
        load("table", parted(tmp_path / "other", TABLE.select("user"), ["part-0.parquet"]))


@pytest.mark.parametrize("piece", [1, 7, 1_000])
def test_the_first_of_each_pair_is_kept_whatever_the_pieces(monkeypatch, piece):
    monkeypatch.setattr(import_module("star.data.importers.build"), "_PIECE", piece)
    rng = np.random.default_rng(piece)
    user, item = np.sort(rng.integers(0, 20, 500)), rng.integers(0, 15, 500)
    seen, expected = set(), []
    for pair in zip(user.tolist(), item.tolist(), strict=True):
        expected.append(pair not in seen)
        seen.add(pair)
    assert _first_of_pair(user.astype(np.int32), item.astype(np.int32), 15).tolist() == expected
    # So many items that a pair and its place do not fit into one number.
    assert _first_of_pair(user.astype(np.int32), item.astype(np.int32), 2**54).tolist() == expected


@pytest.mark.parametrize("factor", [1, 2**60])
def test_reading_order_is_by_reader_and_time_then_row(factor):
    rng = np.random.default_rng(0)
    user, time = rng.integers(0, 5, 200), rng.integers(-3, 4, 200) * factor
    events = pl.DataFrame({"user": user.astype(np.int32), "time": time})
    order = events.select(_reading_order(events)).to_series().to_list()
    assert order == sorted(range(200), key=lambda row: (user[row], time[row]))


@pytest.mark.parametrize("ids", [[5, 3, 5, 4], [2**62, -(2**62), 0, 0], ["b", "a", "10", "b"]])
def test_places_are_those_among_the_sorted_ids(ids):
    values, place = _places(pl.Series(ids))
    assert values.to_list() == sorted(set(ids)) and place.dtype == pl.Int32
    assert values.gather(place).to_list() == ids
