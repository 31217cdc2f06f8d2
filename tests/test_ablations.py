"""Ablations: each student differs in one thing, goes through the stages, and stands in one table with the others."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest
import small_runs

from star.errors import UserError
from star.rankers import check
from star.student.model import Checkpoint
from training import ablations
from training.config import Config, load_config


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    made = small_runs.make(tmp_path_factory.mktemp("runs"))
    return dataclasses.replace(made, start="assets/models/demo", sft_rows=8, sft_passes=1)


def test_each_differs_from_the_full_student_in_one_thing(config: Config, tmp_path: Path) -> None:
    full = ablations.variant(config, "full", 7.0)
    assert full.start is None and full.pretrain_minutes == 7.0
    for name, changes in ablations.VARIANTS.items():
        other = ablations.variant(config, name, 7.0)
        differing = {
            f.name
            for f in dataclasses.fields(Config)
            if getattr(full, f.name) != getattr(other, f.name) and f.name not in ("runs", "out")
        }
        assert differing == set(changes) and len(changes) == (name != "full")
        other = dataclasses.replace(other, runs=str(tmp_path / name))
        assert load_config(str(ablations.prepare(other, Path(config.runs) / "trajectories"))) == other
        assert list((tmp_path / name / "trajectories").glob("fold*.parquet"))


def test_students_are_made_once_and_compared_with_the_full_one(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def here(given: list[str], check: bool) -> None:
        """The stage in this process: nothing is imported anew."""
        stage = given[2]
        ran.append(stage)
        with monkeypatch.context() as patch:
            patch.setattr("sys.argv", given[2:])
            importlib.import_module(stage).main()

    monkeypatch.setattr("subprocess.run", here)
    arguments = ["ablations", "--config", str(small_runs.written(config)), "--minutes", "0.02"]
    monkeypatch.setattr("sys.argv", [*arguments, "--only", "full,no-trace,no-pretraining"])
    ablations.main()
    assert ran == ["training.pretrain", "training.sft"] * 3
    said = capsys.readouterr().out.splitlines()[-1]
    folder = f"{config.runs}/ablations"
    assert f"--model {folder}/full/checkpoint" in said
    methods = said.split("--methods ")[1].split(" --")[0].split(",")
    assert methods == [
        "mars",
        "star",
        *(f"star:{folder}/{n}/checkpoint" for n in ("no-trace", "no-pretraining")),
    ]
    assert check(methods) == methods
    stages = {
        n: Checkpoint.load(f"{folder}/{n}/checkpoint").about["stages"] for n in ("full", "no-pretraining")
    }
    assert stages["full"]["pretrain"]["steps"] > 0 == stages["no-pretraining"]["pretrain"]["steps"]
    ablations.main()
    assert len(ran) == 6, "finished students were made again"


def test_an_unknown_ablation_is_one_line(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["ablations", "--config", str(small_runs.written(config)), "--only", "tea"]
    )
    with pytest.raises(UserError, match="no ablation tea; expected full, seed-1"):
        ablations.main()
