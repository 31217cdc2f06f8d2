"""The graph of a large data set is counted once, mapped into memory afterwards, and counted again when the data change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reading

from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.data.tasks import split
from star.evidence import graph as graph_module
from star.evidence import keeping
from star.evidence.graph import Graph


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many readers each graph had that was counted; every data set is large."""
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    monkeypatch.setattr(keeping, "MAPPED", 1)
    sizes: list[int] = []
    build = Graph.build

    def counting(interactions: Interactions, rows: np.ndarray) -> Graph:
        sizes.append(len(rows))
        return build(interactions, rows)

    monkeypatch.setattr(Graph, "build", counting)
    return sizes


def graph_of(data: Dataset) -> Graph:
    return keeping.training_graph(data, split(data.interactions))


def test_counted_once_and_then_mapped(counted: list[int]) -> None:
    data, size = reading.dataset(), len(reading.parts().train)
    first, again = graph_of(data), graph_of(data)
    assert counted == [size]
    assert isinstance(again.interactions.items.base, np.memmap)
    items = np.arange(again.n_items)
    for found, expected in zip(again.pairs(items, items, 3), first.pairs(items, items, 3), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_counted_again_when_the_data_change_and_the_old_files_go(counted: list[int], tmp_path: Path) -> None:
    data = reading.dataset()
    graph_of(data)
    items = data.interactions.items.copy()
    first = int(data.interactions.indptr[reading.parts().train[0]])
    items[[first, first + 1]] = items[[first + 1, first]]  # one reader read two books the other way round
    changed = replace(data, interactions=replace(data.interactions, items=items))
    found = graph_of(changed)
    assert len(counted) == 2 and len(list((tmp_path / ".cache").glob("graph-*"))) == 1
    every = np.arange(found.n_items)
    expected = Graph.build(changed.interactions, reading.parts().train)
    np.testing.assert_array_equal(found.after(every, every), expected.after(every, every))


def test_a_damaged_file_is_counted_again(
    counted: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph_of(reading.dataset())
    file = next((tmp_path / ".cache").glob("graph-*/following.npy"))
    file.write_bytes(file.read_bytes()[:200])
    graph_of(reading.dataset())
    assert len(counted) == 2 and "made again" in capsys.readouterr().err


def test_a_small_data_set_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    graph_of(reading.dataset())
    assert not (tmp_path / ".cache").exists()


def test_co_reading_of_a_large_graph_is_an_estimate_that_leaves_the_reader_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact, rng = reading.graph(), np.random.default_rng(0)
    weights = rng.random((exact.n_items, 2)).astype(np.float32)
    monkeypatch.setattr(graph_module, "SAMPLED", len(exact.interactions.items) // 3)
    sampled = Graph(exact.interactions, exact.rows)
    again = Graph.from_arrays(sampled.arrays(), reading.dataset().interactions)
    third = np.arange(0, exact.n_readers, 3)
    for position in (None, 0, 3, 4):
        reader = None if position is None else int(exact.rows[position])
        others = [row for row in third.tolist() if row != position]
        expected = 3 * Graph.build(exact.interactions, np.array(others)).co_reading(weights)
        for graph in (sampled, again):
            np.testing.assert_allclose(graph.co_reading(weights, reader), expected, rtol=1e-5)
