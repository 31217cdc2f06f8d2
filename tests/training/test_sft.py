"""Sequences that are learned from, a training that learns to point, and a run that goes on where it was stopped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import listed
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from star.errors import UserError
from star.student.network import Checkpoint
from star.student.vocabulary import SLOTS, VOCABULARY, plan
from training import sft
from training.lib.catalogues import Catalogue
from training.lib.config import Config
from training.lib.muon import Muon
from training.lib.network import Student, losses
from training.lib.sequences import make


def test_sequences_say_what_the_lists_hold() -> None:
    v, lists = VOCABULARY, listed.lists()
    for row in range(0, len(lists.target), 5):
        a, b = make(lists, row, np.random.default_rng(row))
        for sequence in (a, b):
            assert all(0 <= p < len(sequence) - 1 for p, _, _ in sequence.hard)
            assert all(np.isclose(q.sum(), 1) for _, q, _ in sequence.soft)
            for word, slot in zip(sequence.words, sequence.slots, strict=True):
                assert (v.slot_of(word) or slot) == slot
        end = a.words.index(v.number["<end>"])
        written = a.words[a.words.index(v.number["<reflection>"]) + 1 : end]
        assert sorted(written) == sorted(b.words[1 : b.words.index(v.number["<recommend>"])])


def test_slots_are_drawn_at_random_so_no_place_in_the_list_tells_the_target() -> None:
    lists = listed.lists()
    firsts = {int(np.argmax(make(lists, 0, np.random.default_rng(seed))[0].soft[0][1])) for seed in range(40)}
    assert len(firsts) > 10


def test_a_plan_asks_nothing_twice() -> None:
    for shelf in (1, 2, 3, 4, 5, 10, 30):
        calls = plan(shelf)
        assert len(calls) == len(set(calls)) <= 7
        assert SLOTS == 20


def test_a_short_training_learns_to_point() -> None:
    torch.manual_seed(0)
    lists, model = listed.lists(), Student(48, 2, 4, 96, 0)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("body")]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and name.startswith("body"))]
    optimisers = [Muon(matrices, lr=5e-3, weight_decay=0.0), torch.optim.AdamW(others, lr=5e-3)]
    rng, seen = np.random.default_rng(0), []
    for _ in range(90):
        batch = [make(lists, int(rng.integers(len(lists.target))), rng)[0] for _ in range(8)]
        found = losses(model, batch)
        found["point"][0].backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        seen.append(float(found["point"][1].detach()))
    assert np.mean(seen[-20:]) > 0.3 > 3 * np.mean(seen[:10])  # by chance one in twenty


# the stage


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    lists = listed.lists()
    few = dataclasses.replace(lists, **{name: value[::12] for name, value in vars(lists).items()})
    monkeypatch.setattr(sft, "read_lists", lambda config: ([Catalogue("small", 1.0, lists)], {"small": few}))
    return Config(
        runs=str(tmp_path), out=str(tmp_path / "out"), hidden=32, layers=1, heads=2, sft_steps=4, sft_batch=2,
        sft_measured=2,
    )  # fmt: skip


def test_a_run_leaves_a_checkpoint_and_is_not_repeated(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    stages = sft.train(config)
    assert stages["sft"]["steps"] == 4 and stages["sft"]["validation"]["small"].keys() == {"heard", "words"}
    Checkpoint.load(config.sft_folder)
    assert json.loads((config.sft_folder / "star.json").read_text("utf-8")) == {"form": "slots", "stages": stages}
    capsys.readouterr()
    assert sft.train(config) == stages and "delete it" in capsys.readouterr().out


def test_a_stopped_run_goes_on_as_if_unbroken(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sft, "WARM", 1)
    sft.train(dataclasses.replace(config, runs=str(tmp_path / "whole")))
    stepping = sft.step

    def failing(run: sft.Run, *rest: object) -> None:
        if run.steps == 3:
            raise KeyboardInterrupt
        stepping(run, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sft, "step", failing)
    with pytest.raises(KeyboardInterrupt):
        sft.train(config)
    assert (config.sft_folder / "state.pt").is_file()
    monkeypatch.setattr(sft, "step", stepping)
    assert sft.train(config)["sft"]["steps"] == 4 and not (config.sft_folder / "state.pt").is_file()
    one, other = (load_file(f / "model.safetensors") for f in (config.sft_folder, tmp_path / "whole" / "sft"))
    assert all(torch.allclose(one[name].float(), other[name].float(), atol=2e-3) for name in one)
    untrained = Student(32, 1, 2, 64, 0).state_dict()
    assert not torch.allclose(one["table"].float(), untrained["table"], atol=2e-3)


def test_a_damaged_start_is_one_line(config: Config, tmp_path: Path) -> None:
    start = listed.save_student(tmp_path / "start")
    (start / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(UserError, match=r"model\.safetensors"):
        sft.train(dataclasses.replace(config, start=str(start)))


def test_a_start_gives_the_weights_and_the_stages_before(config: Config, tmp_path: Path) -> None:
    start = listed.save_student(tmp_path / "start")
    stages = sft.train(dataclasses.replace(config, start=str(start), sft_rate=0.0))
    assert list(stages) == ["sft", "sft-2"]
    one, other = (load_file(folder / "model.safetensors") for folder in (start, config.sft_folder))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
