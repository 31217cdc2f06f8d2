"""Dataset: what is saved comes back, a failed save changes nothing, and a bad name says what there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from star.data import dataset
from star.data.catalog import Catalog, Item
from star.data.dataset import Dataset, checksum
from star.data.interactions import Interactions
from star.data.loading import load_dataset
from star.errors import UserError

FULL = Item("7", "Émile & co", ("A", "B"), -750, "Cycle", 2.5, ("fantasy", "ya"), "a short theme")
BARE = Item("x", "Bare")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


def make(name: str = "toy", **columns: np.ndarray) -> Dataset:
    """Two readers of two items."""
    interactions = Interactions(
        users=("u1", "ü2"),
        indptr=np.array([0, 2, 3]),
        items=np.array([1, 0, 1], np.int32),
        n_items=2,
        **columns,
    )
    return Dataset(name, Catalog((FULL, BARE)), interactions, {"title": "Toy", "simulated": False})


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"times": np.array([5, 6, -7])},
        {"ratings": np.array([0.5, 5, 3], np.float32)},
        {"times": np.array([5, 6, 7]), "ratings": np.array([1, 2, 3], np.float32)},
    ],
)
def test_round_trip(home, columns):
    made = make(**columns)
    made.save(home / "toy")
    back = load_dataset("toy")
    assert back.catalog == made.catalog
    assert back.interactions.users == made.interactions.users
    assert back.interactions.indptr.dtype == np.int64 and back.interactions.items.dtype == np.int32
    assert [back.interactions.history(row).tolist() for row in (0, 1)] == [[1, 0], [1]]
    for name in ("times", "ratings"):
        given, read = columns.get(name), getattr(back.interactions, name)
        assert (read is None) if given is None else (read.tolist() == given.tolist())
    assert back.manifest["title"] == "Toy"


def test_manifest_holds_name_and_checksum(home):
    make().save(home / "toy")
    manifest = json.loads((home / "toy" / "manifest.json").read_text("utf-8"))
    assert manifest["name"] == "toy"
    assert manifest["checksum"] == checksum(home / "toy" / "interactions.parquet")


def test_save_replaces_and_leaves_nothing_beside(home):
    make().save(home / "toy")
    first = (home / "toy" / "interactions.parquet").read_bytes()
    make(times=np.array([1, 2, 3])).save(home / "toy")
    assert (home / "toy" / "interactions.parquet").read_bytes() != first
    assert [path.name for path in home.iterdir()] == ["toy"]


def test_failed_save_leaves_the_old_one(home):
    make().save(home / "toy")
    before = {path.name: path.read_bytes() for path in (home / "toy").iterdir()}
    broken = make()
    broken.manifest["title"] = object()  # not JSON: fails last, when both tables are written
    with pytest.raises(TypeError):
        broken.save(home / "toy")
    assert {path.name: path.read_bytes() for path in (home / "toy").iterdir()} == before
    assert [path.name for path in home.iterdir()] == ["toy"]


def test_names(home):
    assert dataset.names() == ["demo"], "also before the folder exists"
    make("b").save(home / "b")
    make("a").save(home / "a")
    (home / ".a.tmp").mkdir()
    (home / ".a.tmp" / "manifest.json").write_text("{}")
    assert dataset.names() == ["demo", "a", "b"]


def test_unknown_name_says_what_there_is(home):
    make().save(home / "toy")
    with pytest.raises(UserError, match=r"no data set 'nope'.*demo, toy"):
        load_dataset("nope")
