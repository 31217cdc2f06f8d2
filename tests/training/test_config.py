"""Configs are read strictly, changed from the command line, and refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from star import ROOT
from star.errors import UserError
from training.lib.config import Config, load_config
from training.preference import PreferenceConfig

NO_SIZES = ("small", "small:0:2", "small:2:1", "small:2:11", "small:2", ":2:2")
CONFIGS = sorted((ROOT / "training" / "configs").glob("*.yaml"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_is_one(file: Path) -> None:
    kind = PreferenceConfig if file.stem.startswith("preference") else Config
    assert load_config(str(file), kind).out.startswith("runs/")


def test_a_setting_can_take_the_place_of_the_files(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("runs: a\nout: b\nsft_rate: 1e-3\ngrpo_weights: [1, 2, 3, 4]\n", "utf-8")
    read = load_config(str(file), instead=["sft_minutes=5", "datasets=[small:2:2]", "out=c"])
    assert (read.sft_rate, read.sft_minutes, read.out) == (1e-3, 5.0, "c")
    assert read.sizes == {"small": (2, 2)} and read.grpo_weights == (1, 2, 3, 4)
    assert read.list_folder == Path("a/lists") and read.sft_folder == Path("a/sft")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("universes=1", "at least 2"),
        ("heads=5", "5 heads for width 96"),
        ("sft_rate=fast", "sft_rate 'fast'; expected float"),
        ("grpo_outcome=mrr", "expected ndcg or tiers"),
        ("batch=3", "batch, which is none of"),
        ("out=", "out None; expected str"),
        *((f"datasets=[{text!r}]", "NAME:TASKS:FOLDS") for text in NO_SIZES),
    ],
)
def test_what_cannot_be_is_refused(change: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("runs: a\nout: b\n", "utf-8")
    with pytest.raises(UserError, match=expected) as error:
        load_config(str(file), instead=[change])
    assert "\n" not in str(error.value)
