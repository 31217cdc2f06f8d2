"""The study of a simulated rater: drawn answers differ, the rater picks the shorter one, and the document has both sides."""

from __future__ import annotations

import json
from pathlib import Path

import listed
import numpy as np
import pytest
import reading

from star.student.network import Checkpoint
from star.trace.steps import parse
from training.preference import PreferenceConfig
from training.studies import simulated_raters as study


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return listed.save_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def asked() -> study.Asked:
    with reading.quick():
        return study.Asked.of(listed.small(), np.arange(listed.HELD, listed.READERS), np.arange(listed.HELD), 4)


def test_drawn_answers_differ_and_can_be_read(source: Path, asked: study.Asked) -> None:
    checkpoint = Checkpoint.load(source)
    one, other, again, likeliest = (study.answers(checkpoint, asked, seed) for seed in (0, 1, 0, None))
    assert [s.words for s in one] == [s.words for s in again] != [s.words for s in other]
    for state in one:
        trace = parse(state.words, len(state.tools.history))
        assert len(trace.ranking) == 5
    plans = [s.words[: s.words.index("</plan>")] for s in one]
    assert plans == [s.words[: s.words.index("</plan>")] for s in likeliest], "a plan is not drawn"


def test_the_rater_picks_the_shorter_answer(source: Path, asked: study.Asked) -> None:
    checkpoint = Checkpoint.load(source)
    sides = [study.answers(checkpoint, asked, seed) for seed in (0, 1)]
    kept = pytest.MonkeyPatch()
    kept.setattr(study, "ERRS", 0.0)
    brought = study.campaign(asked, "hash", sides, np.random.default_rng(0))
    kept.undo()
    assert len(brought.written) == 2 * len(asked.tasks) and brought.comparisons
    for pick in brought.comparisons:
        left, right = (study.reflected(side[int(pick.record[1:])]) for side in sides)
        assert pick.choice == ("left" if left < right else "right")


def test_the_experiment_measures_both_checkpoints(
    source: Path, tmp_path: Path, asked: study.Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "load_dataset", lambda name: listed.small())
    monkeypatch.setattr(study.Asked, "of", lambda *_: asked)  # signals are fitted once
    config = PreferenceConfig(str(source), str(tmp_path / "export"), str(tmp_path / "out"), batch=2, lr=1e-2, rank=4)
    found = study.experiment(config, 4, 4)
    assert found["tasks"] == len(asked.tasks) and found["training"]["rows"] == found["pairs"] > 0
    for name in ("words", "hr_mean"):
        row = found["unseen"][name]
        assert row["difference"] == pytest.approx(row["after"] - row["before"], abs=1e-3)
        assert row["ci"][0] <= row["difference"] <= row["ci"][1]
    json.dumps(found)
