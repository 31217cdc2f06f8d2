"""Training stages from a shell: a mistake in what was given is one line on stderr and exit status 2, no traceback."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from star import ROOT

CONFIG = ("trajectories", "sft", "grpo", "preference", "simulated_raters")
FILES = {
    file.stem: file
    for file in [*(ROOT / "training").rglob("*.py"), ROOT / "docs" / "build.py"]
    if "__main__" in file.read_text("utf-8")
}
DATASET = ("tune_mars", "tune_retrieval", "tune_baselines", "fit_demo", "check_demo", "scale_stages", "sample_readers")
OUT = ("scale",)
NOTHING = ("fit_read_after",)  # takes no option


def said_by(
    stage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *given: str
) -> str:
    """What `python -m training.STAGE …` says when it stops."""
    monkeypatch.setattr("sys.argv", [stage, *given])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(FILES[stage]), run_name="__main__")
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and err.startswith("star: ") and err.count("\n") == 1 and not out, err
    return err


def test_every_stage_is_here() -> None:
    """Each has a name of its own, and is tried below."""
    names = [file.stem for file in (ROOT / "training").rglob("*.py") if "__main__" in file.read_text("utf-8")]
    assert len(names) == len(set(names))
    assert FILES.keys() == {*CONFIG, *DATASET, *OUT, *NOTHING, "build"}


@pytest.mark.parametrize("stage", CONFIG)
def test_a_missing_config(
    stage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_by(stage, capsys, monkeypatch, "--config", "training/configs/none.yaml")
    assert "'training/configs/none.yaml' does not exist; there are: training/configs/demo.yaml" in said


@pytest.mark.parametrize("stage", DATASET)
def test_a_missing_data_set(
    stage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "'none'" in said_by(stage, capsys, monkeypatch, "--dataset", "none")


@pytest.mark.parametrize(
    ("stage", "text", "expected"),
    [
        ("sft", "a: [1\nb: 2", "is not YAML"),
        ("sft", "runs: {here}\nout: {here}/out\nsft_rate: fast\n", "sft_rate 'fast'; expected float"),
        ("sft", "runs: {here}\nout: {here}/out\nheads: 0\n", "has heads 0; expected at least 1"),
        ("sft", "runs: {here}\nout: {here}/out\nsft_minutes: 0\n", "has sft_minutes 0.0; expected at least 0.001"),
        ("grpo", "runs: {here}\nout: {here}/out\ngrpo_group: 1\n", "has grpo_group 1; expected at least 2"),
        ("preference", "model: star\ndata: {here}\nout: {here}/o\nmethod: kto\nbatch: 1\n", "has batch 1; expected"),
        ("sft", "runs: {here}\nout: {here}/out\n", "python -m training.trajectories"),
        ("trajectories", "runs: {here}\nout: {here}/out\nvalidation: [nothing]\n", "'nothing'"),
        ("grpo", "runs: {here}\nout: {here}/out\n", "run python -m training.sft"),
    ],
)
def test_what_a_config_names_is_not_there(
    stage: str,
    text: str,
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "config.yaml").write_text(text.format(here=tmp_path), "utf-8")
    assert expected in said_by(stage, capsys, monkeypatch, "--config", str(tmp_path / "config.yaml"))


def test_a_log_is_not_written_over_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letters.txt").write_text("mine", "utf-8")
    assert "letters.txt" in said_by("scale", capsys, monkeypatch, "--out", str(tmp_path))
    assert "--rows 0" in said_by("scale", capsys, monkeypatch, "--out", str(tmp_path / "log"), "--rows", "0")
    assert [file.name for file in tmp_path.iterdir()] == ["letters.txt"]


def test_a_method_without_a_grid(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no grid of 'odd'" in said_by("tune_baselines", capsys, monkeypatch, "--methods", "als,odd")


def test_a_table_without_its_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = "<!-- table: none -->\n<!-- end -->\n"
    (tmp_path / "README.md").write_text(readme, "utf-8")
    monkeypatch.setattr("star.ROOT", tmp_path)
    assert "evaluation/none.json" in said_by("build", capsys, monkeypatch)
    assert (tmp_path / "README.md").read_text("utf-8") == readme
