"""Universes and their lists: evidence as the tools state it, no reader in a graph that is read, and one command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import listed
import numpy as np
import pytest
import reading

from star.data import tasks as T
from star.errors import UserError
from star.evidence.graph import Graph
from star.evidence.tools import Attributes, Tools
from star.student.vocabulary import read
from training import trajectories
from training.lib import lists as made
from training.lib.catalogues import read_lists
from training.lib.config import Config
from training.lib.sequences import answer, lists_from
from training.lib.universes import universe

OF_A_TASK = {name: np.int32(0) for name in ("target", "length", "scenario", "kind", "reader")}


@pytest.fixture(scope="module", autouse=True)
def quick(few_trees: None) -> Iterator[None]:
    with reading.quick():
        yield


def test_a_universe_is_what_its_seed_says_and_another_seed_gives_another() -> None:
    data, again, other = (universe(listed.SMALL + more) for more in (0, 0, 1))
    assert np.array_equal(again.interactions.items, data.interactions.items)
    assert [item.title for item in again.catalog] == [item.title for item in data.catalog]
    assert len(other.catalog) != len(data.catalog) or len(other.interactions) != len(data.interactions)


@pytest.mark.parametrize("scenario", ["classic", "user_cold_start", "short_term"])
def test_lists_say_what_the_student_reads_of_the_tools(scenario: str) -> None:
    """Word for word, for every call: with the caps of strengths, and silent where the tools are."""
    data = listed.small()
    attributes, (graph, signals) = Attributes.of(data.catalog), listed.fitted()
    asked = T.make_tasks(data.interactions, np.arange(listed.HELD), scenario, "uniform", graph.counts)[:6]
    every = [
        Tools(graph, data.catalog, attributes, t.history, t.candidates, None, signals) for t in asked
    ]
    kept = made.stacked([made.evidence(tools) | OF_A_TASK for tools in every])
    lists = lists_from(kept)
    words = 0
    for row, tools in enumerate(every):
        items = tools.candidates.tolist()
        slots = {item: n for n, item in enumerate(items, 1)}
        for call in made.VARIANTS:
            claims = [e.claim for line in tools.call(*call).lines for e in line]
            heard = answer(lists, row, np.arange(len(items)), call)
            expected = read(claims, slots)
            assert [w for slot in sorted(heard) for w in heard[slot]] == expected.words
            assert [slot for slot in sorted(heard) for _ in heard[slot]] == expected.slots
            words += len(expected)
        found = dict(zip(made.RAW, kept["raw"][row, : len(items)].T, strict=True))
        np.testing.assert_allclose(found["latest"], tools.parts("latest").sum(0), rtol=1e-4, atol=1e-6)
    assert words > 200


def test_a_reader_of_the_lists_is_in_no_graph_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Graph, int]] = []
    computing = made.evidence

    def watched(tools: Tools) -> made.Row:
        assert tools.reader is not None
        seen.append((tools.graph, tools.reader))
        return computing(tools)

    monkeypatch.setattr(made, "evidence", watched)
    for fold in range(2):
        made.of_fold(listed.small(), fold, folds=2, each=1)
    assert len(seen) > 15
    assert all(graph.position(reader) is None for graph, reader in seen)


def test_soft_targets_of_one_half_come_from_the_other() -> None:
    stored = listed.stored()
    half = np.arange(len(stored["target"])) % 2
    soft = trajectories.softened(stored, half, raw=True)
    assert np.allclose(soft.sum(1), 1) and soft.shape == stored["raw"].shape[:2]
    changed = {**stored, "target": np.where(half == 0, (stored["target"] + 1) % 20, stored["target"])}
    other = trajectories.softened(changed, half, raw=True)
    assert np.array_equal(soft[half == 0], other[half == 0]) and not np.allclose(soft[half == 1], other[half == 1])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(trajectories, "HELD", 40)
    monkeypatch.setattr(trajectories, "EACH", 2)
    monkeypatch.setattr(trajectories, "VALIDATED", 2)
    monkeypatch.setattr(trajectories, "load_dataset", lambda name: listed.small())
    monkeypatch.setattr(trajectories, "universe", lambda seed: listed.small())
    made_once = cache(partial(trajectories.of_universe, 0))
    monkeypatch.setattr(trajectories, "of_universe", lambda seed: made_once())
    return Config(
        runs=str(tmp_path), out=str(tmp_path / "out"), universes=2, datasets=("small:2:2",), validation=("small",)
    )


def test_lists_are_made_once_and_read_with_their_weights(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    trajectories.make(config)
    before = {file.name: file.stat().st_mtime_ns for file in config.list_folder.glob("*.npz")}
    trajectories.make(config)
    assert before == {file.name: file.stat().st_mtime_ns for file in config.list_folder.glob("*.npz")}
    shutil.copy(config.list_folder / "valid-small.npz", config.list_folder / "valid-other.npz")
    train, valid = read_lists(replace(config, validation=("small", "other")))
    assert [(c.name, c.weight) for c in train] == [("small", 1.0), ("universe-0", 0.5), ("universe-1", 0.5)]
    assert valid.keys() == {"small", "other"} and len(valid["small"].target) > 20
    assert all(np.allclose(c.lists.soft.sum(1), 1) for c in train)
    changed = replace(config, datasets=("small:3:2",))
    with pytest.raises(UserError, match=r"made with \[2, 2\]"):
        trajectories.make(changed)
    assert json.loads((config.list_folder / "settings.json").read_text("utf-8")) == {"small": [2, 2]}


def test_missing_lists_are_named(config: Config) -> None:
    with pytest.raises(UserError, match=r"data-small-0\.npz does not exist; .* python -m training\.trajectories"):
        read_lists(config)
