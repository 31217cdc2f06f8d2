"""Trains students of one recipe that each differ in one setting or in the seed.

    python -m training.studies.ablations --config training/configs/ablations.yaml --only seed-0,seed-1,no-trace

Seeds go through pretraining, SFT, on-policy training and GRPO, to tell the gain of a stage from chance. Without GRPO,
`seed-0` equals the result of `training/run.sh` for a config with seed 0. Ablations have seed 0 and go through pretraining
alone, for equal minutes: a student without traces reads shorter sequences, and more of them. They are compared with `seed-0`
after pretraining. `no-pretraining` has a longer SFT alone and is compared with `seed-0` after SFT.

The trajectories must exist. Each student is copied after each stage to `after/STAGE`, once. Several processes can share
the students (`--only`), and a run can stop between two stages (`--until`). `training.studies.compare` ranks them all.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from star.errors import UserError, command
from training.lib.config import Config, load_config, save_config

STAGES = ("pretrain", "sft", "onpolicy", "grpo")
SEEDS: dict[str, dict[str, Any]] = {f"seed-{n}": {"seed": n} for n in range(3)}
WHOLE = "seed-0"
"""The full student, to which ablations are compared."""
ABLATIONS: dict[str, dict[str, Any]] = {
    "no-trace": {"form": "no-trace"},
    "no-tools": {"form": "no-tools"},
    "no-reflection": {"form": "no-reflection"},
    "no-pretraining": {"pretrain_minutes": 0.0, "sft_rows": 1_000_000, "sft_passes": 4, "sft_lr": 1e-3},
    "vectors": {"vectors": True},
}
"""Ablation → changed fields of the config; the seed is 0."""
STUDENTS = SEEDS | {name: {"seed": 0, **changes} for name, changes in ABLATIONS.items()}


def last_stage(name: str) -> str:
    """A student's last stage."""
    if name in SEEDS:
        return STAGES[-1]
    return "sft" if name == "no-pretraining" else "pretrain"


def stages_of(name: str) -> tuple[str, ...]:
    """A student's stages, in order."""
    return STAGES[: STAGES.index(last_stage(name)) + 1]


def variant(config: Config, name: str) -> Config:
    """The config of one student, under `ablations/` in the config's runs; all students share the trajectories."""
    folder = Path(config.runs) / "ablations" / name
    return dataclasses.replace(
        config,
        runs=str(folder),
        out=str(folder / "checkpoint"),
        trajectories=str(config.trajectory_folder),
        **STUDENTS[name],
    )


def after(config: Config, stage: str) -> Path:
    """Folder of a student's copy after a stage."""
    return Path(config.runs) / "after" / stage


def finished(config: Config, stage: str) -> bool:
    return (after(config, stage) / "star.json").is_file()


def prepare(config: Config) -> Path:
    """Create a student's folder with its config; returns the config's file."""
    folder = Path(config.runs)
    folder.mkdir(parents=True, exist_ok=True)
    return save_config(config, folder / "config.yaml")


def keep(config: Config, stage: str) -> None:
    """Copy the student's present state; the copy is renamed when complete."""
    source = Path(config.runs) / stage / "model" if stage == "pretrain" else Path(config.out)
    kept = after(config, stage)
    part = kept.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    part.rename(kept)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument(
        "--only",
        required=True,
        help="with commas: seed-0, seed-1, seed-2, no-trace, no-tools, no-reflection, no-pretraining, vectors",
    )
    parser.add_argument(
        "--until", choices=STAGES, default=STAGES[-1], help="last stage, where it is an earlier one"
    )
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := set(names) - set(STUDENTS):
        raise UserError(f"there is no student {', '.join(sorted(unknown))}; expected {', '.join(STUDENTS)}")
    config = load_config(args.config)
    if not config.trajectory_folder.is_dir():
        raise UserError(
            f"there are no trajectories in {config.trajectory_folder}; run python -m training.trajectories --config "
            f"{args.config} first"
        )
    for name in names:
        student = variant(config, name)
        file = prepare(student)
        for stage in stages_of(name)[: STAGES.index(args.until) + 1]:
            if finished(student, stage):
                continue
            print(f"{name}: {stage}", file=sys.stderr, flush=True)
            try:
                subprocess.run([sys.executable, "-m", f"training.{stage}", "--config", str(file)], check=True)
            except subprocess.CalledProcessError as error:  # the stage has printed the reason
                sys.exit(error.returncode)
            keep(student, stage)


if __name__ == "__main__":
    command(main)
