"""What takes long is kept for the next run: anew where anything it depends on changed, and never an error."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from star import cache, simulator
from star.cache import kept
from star.interactions import Interactions


class Maker:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> dict[str, np.ndarray]:
        self.made += 1
        return {"a": np.arange(3)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


def test_made_once_for_each_key_and_anew_where_the_file_is_damaged(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make = Maker()
    for key in ("one", "one", "two", "one"):
        assert kept("thing", key, make)["a"].tolist() == [0, 1, 2]
    assert make.made == 2 and capsys.readouterr().err == ""
    file = home / ".cache" / "thing-one.npz"
    for damage in (file.read_bytes()[:-30], b"", b"no arrays"):
        file.write_bytes(damage)
        assert kept("thing", "one", make)["a"].tolist() == [0, 1, 2]
        assert "made again" in capsys.readouterr().err
    assert make.made == 5 and kept("thing", "one", make) and make.made == 5


def test_a_folder_that_is_full_or_not_to_be_written_is_no_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(handle: object, **arrays: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    make = Maker()
    with monkeypatch.context() as patch:
        patch.setattr(cache.np, "savez", full)
        assert kept("thing", "one", make)["a"].tolist() == [0, 1, 2]
    assert "not kept" in capsys.readouterr().err and list((home / ".cache").iterdir()) == []
    (home / "file").write_text("no folder", "utf-8")
    monkeypatch.setenv("STAR_DATA", str(home / "file"))
    assert kept("thing", "one", make)["a"].tolist() == [0, 1, 2] and make.made == 2


def test_the_demo_is_simulated_anew_where_its_figures_or_catalogue_changed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def simulate(figures: object) -> Interactions:
        runs.append(1)
        return Interactions.from_histories([[0, 1]] * simulator.N_READERS, 5)

    monkeypatch.setattr(simulator, "simulate", simulate)
    monkeypatch.setattr(simulator.Figures, "load", lambda **_: None)
    catalog = simulator.read_catalog()
    first, second = (simulator._simulated(catalog) for _ in range(2))
    assert len(runs) == 1 and first.users[:2] == ("r0001", "r0002") and len(first) == simulator.N_READERS
    assert first.users == second.users and first.items.tolist() == second.items.tolist()
    assert first.items.dtype == np.int32 and first.indptr.dtype == np.int64
    other = tmp_path / "figures.npz"
    other.write_bytes(simulator.FIGURES.read_bytes() + b"\0")
    monkeypatch.setattr(simulator, "FIGURES", other)
    simulator._simulated(catalog)
    monkeypatch.setattr(simulator, "SEED", 1)
    simulator._simulated(catalog)
    assert len(runs) == 3
