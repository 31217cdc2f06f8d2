"""Ablations: each student differs in one thing, goes through the stages, and stands in one table with the others."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import small_runs

from star.errors import UserError
from star.evaluation.pooling import Outcome
from star.evaluation.tabular import markdown
from star.ranking import Ranked
from star.student.model import Checkpoint
from training.lib.config import Config, load_config
from training.studies import ablations, compare


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    made = small_runs.make(tmp_path_factory.mktemp("runs"))
    return dataclasses.replace(made, sft_rows=8, sft_passes=1, pretrain_minutes=0.02)


def test_each_differs_from_the_whole_student_in_what_it_says(config: Config, tmp_path: Path) -> None:
    whole = ablations.variant(dataclasses.replace(config, seed=5), ablations.WHOLE)
    assert whole.seed == 0
    for name, changes in ablations.STUDENTS.items():
        other = ablations.variant(config, name)
        differing = {
            f.name
            for f in dataclasses.fields(Config)
            if getattr(whole, f.name) != getattr(other, f.name) and f.name not in ("runs", "out")
        }
        assert differing == {n for n in changes if n != "seed" or changes[n] != 0}
        other = dataclasses.replace(other, runs=str(tmp_path / name))
        assert load_config(str(ablations.prepare(other))) == other
        assert list(other.trajectory_folder.glob("fold*.parquet"))


def test_students_are_made_once_kept_after_every_stage_and_compared(
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
    file = str(small_runs.written(config))
    arguments = ["ablations", "--config", file, "--until", "sft", "--only"]
    names = "seed-0,seed-1,no-trace,no-pretraining"
    monkeypatch.setattr("sys.argv", [*arguments, "seed-0,no-trace"])
    ablations.main()
    assert ran == ["training.pretrain", "training.sft", "training.pretrain"]
    monkeypatch.setattr("sys.argv", [*arguments, names])
    ablations.main()
    assert ran[3:] == ["training.pretrain", "training.sft"] * 2, "finished students were made again"

    def stages(name: str) -> dict[str, dict[str, float]]:
        return Checkpoint.load(str(ablations.after(ablations.variant(config, name), "sft"))).about["stages"]

    assert stages("seed-1")["pretrain"]["steps"] > 0 and "sft" in stages("seed-1")
    assert stages("no-pretraining")["pretrain"]["steps"] == 0
    assert stages("no-pretraining")["sft"]["steps"] > stages("seed-0")["sft"]["steps"]

    out = Path(config.runs) / "compared.json"
    monkeypatch.setattr("sys.argv", ["compare", "--config", file, "--tasks", "2", "--json", str(out)])
    capsys.readouterr()
    compare.main()
    document = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text("utf-8")) == document
    assert [(r["student"], r["stage"]) for r in document["rows"]] == [
        ("mars", ""),
        ("seed-0", "pretrain"),
        ("seed-0", "sft"),
        ("seed-1", "pretrain"),
        ("seed-1", "sft"),
        ("no-trace", "pretrain"),
        ("no-pretraining", "sft"),
    ]
    assert [(p["what"], p["of"]) for p in document["paired"]] == [
        ("sft - pretrain", "seed-0"),
        ("sft - pretrain", "seed-1"),
        ("sft - pretrain", compare.MEAN),
        ("pretrain - mars", compare.MEAN),
        ("sft - mars", compare.MEAN),
        ("no-trace", "less seed-0, pretrain"),
        ("no-pretraining", "less seed-0, sft"),
    ]
    assert "| no-pretraining | less seed-0, sft |" in markdown(compare.shown(document))


def test_an_unknown_ablation_is_one_line(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["ablations", "--config", str(small_runs.written(config)), "--only", "tea"]
    )
    with pytest.raises(UserError, match="no student tea; expected seed-0, seed-1"):
        ablations.main()


def outcome(ranks: list[int]) -> list[Outcome]:
    return [Outcome(np.array(ranks), np.arange(len(ranks)), [Ranked((), 0.0)] * len(ranks))]


def test_stages_are_compared_per_seed_and_in_the_mean() -> None:
    """Mean hit rate: 1 at rank 1, 2/3 at ranks 2 and 3, 1/3 at 4 and 5, else 0."""
    made = {
        ("mars", ""): outcome([1, 9]),
        ("seed-0", "pretrain"): outcome([9, 9]),
        ("seed-1", "pretrain"): outcome([9, 9]),
        ("seed-0", "sft"): outcome([1, 9]),
        ("seed-1", "sft"): outcome([1, 1]),
        ("no-trace", "pretrain"): outcome([1, 9]),
    }
    found = {(p["what"], p["of"]): p for p in compare.pairs(made, 0)}
    assert found["sft - pretrain", "seed-0"]["difference"] == 0.5
    assert found["sft - pretrain", "seed-1"]["difference"] == 1.0
    assert found["sft - pretrain", compare.MEAN]["difference"] == 0.75
    assert found["sft - mars", compare.MEAN]["difference"] == 0.25
    assert found["pretrain - mars", compare.MEAN]["difference"] == -0.5
    assert found["no-trace", "less seed-0, pretrain"]["difference"] == 0.5
    low, high = found["sft - mars", compare.MEAN]["ci"]["difference"]
    assert (low, high) == (0.0, 0.5), "the reader whose target the teacher misses is drawn never or twice"
    assert found["sft - pretrain", "seed-1"]["ci"]["difference"] == [1.0, 1.0]
