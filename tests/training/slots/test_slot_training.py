"""Universes, their lists, the sequences made of them, and a training that learns to point."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from star.data import tasks as T
from star.data.dataset import Dataset
from star.errors import UserError
from star.evidence.graph import Graph
from star.evidence.signals import Signals
from star.evidence.tools import Attributes, Tools
from star.student.slots import SLOTS, VOCABULARY, plan
from training.lib.muon import Muon
from training.slots import lists as made
from training.slots import prepare, train
from training.slots.network import SlotStudent, losses
from training.slots.sequences import Lists, lists_from, make
from training.slots.universes import universe

SMALL = 2  # a seed whose universe is small


@pytest.fixture(scope="module")
def data() -> Dataset:
    return universe(SMALL)


@pytest.fixture(scope="module")
def stored(data: Dataset) -> dict[str, np.ndarray]:
    held = np.arange(60)
    graph = Graph.build(data.interactions, np.arange(60, len(data.interactions)))
    return made.stacked(list(made.lists_of(graph, data, Signals.fit(graph, data.catalog), held, 12, 0)))


@pytest.fixture(scope="module")
def lists(stored: dict[str, np.ndarray]) -> Lists:
    return lists_from(stored)


def test_a_universe_is_what_its_seed_says_and_another_seed_gives_another(data: Dataset) -> None:
    again = universe(SMALL)
    assert np.array_equal(again.interactions.items, data.interactions.items)
    assert [item.title for item in again.catalog] == [item.title for item in data.catalog]
    other = universe(SMALL + 1)
    assert len(other.catalog) != len(data.catalog) or len(other.interactions) != len(data.interactions)


def test_evidence_is_what_the_tools_compute(data: Dataset) -> None:
    graph = Graph.build(data.interactions, np.arange(60, len(data.interactions)))
    signals, attributes = Signals.fit(graph, data.catalog), Attributes.of(data.catalog)
    (task, *_) = T.make_tasks(data.interactions, np.arange(60), "classic", "uniform", graph.counts)
    raw, _ = made.evidence(graph, data, attributes, signals, task)
    tools = Tools(graph, data.catalog, attributes, task.history, task.candidates, None, signals)
    columns = dict(zip(made.RAW, raw[: len(task.candidates)].T, strict=True))
    np.testing.assert_allclose(columns["pull20"], tools.pulls(20)[2], rtol=1e-5)
    np.testing.assert_allclose(columns["after"], tools.parts("after").sum(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(columns["whole3"], tools.parts("latest").sum(0), rtol=1e-4, atol=1e-6)


def test_a_reader_of_the_lists_is_in_no_graph_that_is_read(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Graph, int]] = []
    computing = made.evidence

    def watched(graph: Graph, dataset: Dataset, attributes: Attributes, signals: Signals, task: T.Task):  # type: ignore[no-untyped-def]
        seen.append((graph, task.reader))
        return computing(graph, dataset, attributes, signals, task)

    monkeypatch.setattr(made, "evidence", watched)
    made.of_folds(data, each=2, folds=2)
    assert len(seen) > 20
    assert all(graph.position(reader) is None for graph, reader in seen)


def test_sequences_say_what_the_lists_hold(lists: Lists) -> None:
    v = VOCABULARY
    for row in range(0, len(lists.target), 5):
        a, b = make(lists, row, np.random.default_rng(row))
        for sequence in (a, b):
            assert all(0 <= p < len(sequence) - 1 for p, _, _ in sequence.hard)
            assert all(np.isclose(q.sum(), 1) for _, q, _ in sequence.soft)
            for word, slot in zip(sequence.words, sequence.slots, strict=True):
                assert (v.slot_of(word) or slot) == slot
        end = a.words.index(v.number["<end>"])
        written = list(
            zip(a.words[a.words.index(v.number["<reflection>"]) : end], a.slots[:end], strict=False)
        )
        assert sorted(w for w, _ in written[1:]) == sorted(
            b.words[1 : b.words.index(v.number["<recommend>"])]
        )


def test_slots_are_drawn_anew_so_no_place_in_the_list_tells_the_target(lists: Lists) -> None:
    firsts = {int(np.argmax(make(lists, 0, np.random.default_rng(seed))[0].soft[0][1])) for seed in range(40)}
    assert len(firsts) > 10


def test_a_short_training_learns_to_point(lists: Lists) -> None:
    torch.manual_seed(0)
    model = SlotStudent(48, 2, 4, 96, 0)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("body")]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and name.startswith("body"))]
    optimisers = [Muon(matrices, lr=5e-3, weight_decay=0.0), torch.optim.AdamW(others, lr=5e-3)]
    rng, seen = np.random.default_rng(0), []
    for _ in range(110):
        batch = [make(lists, int(rng.integers(len(lists.target))), rng)[0] for _ in range(8)]
        found = losses(model, batch)
        found["point"][0].backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        seen.append(float(found["point"][1].detach()))
    assert np.mean(seen[-20:]) > 0.3 > 3 * np.mean(seen[:10])  # by chance one in twenty


def test_lists_are_made_and_a_student_is_trained_by_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from star.student.slot_network import SlotCheckpoint

    monkeypatch.setattr(prepare, "HELD", 40)
    monkeypatch.setattr(prepare, "EACH", 3)
    monkeypatch.setattr(prepare, "load_dataset", lambda name: universe(SMALL))
    monkeypatch.setattr(prepare, "universe", lambda seed: universe(SMALL))
    folder, out = tmp_path / "lists", tmp_path / "checkpoint"
    names = ["--datasets", "small:2:2", "--validation", "small"]
    monkeypatch.setattr("sys.argv", ["prepare", "--out", str(folder), "--universes", "2", *names])
    prepare.main()
    soft = train.arrays(folder / "soft-small.npz")["soft"]
    assert np.allclose(soft.sum(1), 1)
    short = ["--steps", "3", "--hidden", "32", "--layers", "1", "--batch", "2"]
    monkeypatch.setattr("sys.argv", ["train", "--lists", str(folder), "--out", str(out), *short])
    train.main()
    assert "validation" in capsys.readouterr().out
    assert json.loads((out / "star.json").read_text())["form"] == "slots"
    SlotCheckpoint.load(out)


def test_a_folder_without_lists_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training\.slots\.prepare"):
        train.read_lists(tmp_path)


def test_a_plan_asks_nothing_twice() -> None:
    for shelf in (1, 2, 3, 4, 5, 10, 30):
        calls = plan(shelf)
        assert len(calls) == len(set(calls)) <= 7
        assert SLOTS == 20


@pytest.mark.parametrize("given", ["small", "small:0:2", "small:2:1", "small:2:11", "small:2", ":2:2"])
def test_data_sets_of_another_form_are_refused(given: str) -> None:
    with pytest.raises(UserError, match="NAME:TASKS:FOLDS"):
        prepare.sizes(given)
