"""Ablations and seeds: students of one recipe that differ in one thing each, trained alike, for one table.

    python -m training.ablations --config training/configs/ablations.yaml --only full,no-trace,no-tools
    python -m training.ablations --config training/configs/goodbooks.yaml --only seed-0,seed-1,seed-2

Ablations go through pretraining from the config's `start` (so many minutes of wall clock, whatever their form: a student
without a trace reads shorter sequences and sees more of them). Seeds go through what comes behind the config's own
pretraining: SFT, own traces, GRPO, so that what each stage brings is told from chance; `seed-0` up to own traces is what
`training/run.sh` makes. Trajectories, and for seeds the pretraining, must stand already. What stands after a stage is kept
in `after/STAGE` and not made again, so several processes can share the students out with `--only`. `training.compare` ranks
them all.
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
from training.config import Config, load_config, save_config

FULL = "full"
ABLATIONS: dict[str, dict[str, Any]] = {
    FULL: {},
    "no-trace": {"form": "no-trace"},
    "no-tools": {"form": "no-tools"},
    "no-reflection": {"form": "no-reflection"},
    "no-vectors": {"vectors": False},
}
"""What each changes in the config."""
SEEDS: dict[str, dict[str, Any]] = {f"seed-{n}": {"seed": n} for n in range(3)}
STUDENTS = ABLATIONS | SEEDS
PRETRAINED = "pretrain"
STAGES = ("sft", "onpolicy", "grpo")  # of the seeds, behind the pretraining that they share


def stages_of(name: str) -> tuple[str, ...]:
    """The stages that a student goes through, in order."""
    return STAGES if name in SEEDS else (PRETRAINED,)


def variant(config: Config, name: str) -> Config:
    """The config of one student, under `ablations/` in the config's runs."""
    folder = Path(config.runs) / "ablations" / name
    return dataclasses.replace(config, runs=str(folder), out=str(folder / "checkpoint"), **STUDENTS[name])


def after(config: Config, stage: str) -> Path:
    """Where a student is kept as it was after a stage."""
    return Path(config.runs) / "after" / stage


def finished(config: Config, stage: str) -> bool:
    return (after(config, stage) / "star.json").is_file()


def prepare(config: Config, runs: Path, shared: tuple[str, ...]) -> Path:
    """Make a student's folder with its config and links to what it shares with the run; returns the config's file."""
    folder = Path(config.runs)
    folder.mkdir(parents=True, exist_ok=True)
    for name in shared:
        if not (link := folder / name).exists():
            link.symlink_to((runs / name).resolve(), target_is_directory=True)
    return save_config(config, folder / "config.yaml")


def keep(config: Config, stage: str) -> None:
    """Copy the student as it is now; the copy gets its name when it is whole."""
    source = Path(config.runs) / PRETRAINED / "model" if stage == PRETRAINED else Path(config.out)
    kept = after(config, stage)
    part = kept.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    part.rename(kept)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--only", required=True, help=f"some of {','.join(STUDENTS)}")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="last stage of the seeds")
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := set(names) - set(STUDENTS):
        raise UserError(f"there is no student {', '.join(sorted(unknown))}; expected {', '.join(STUDENTS)}")
    config = load_config(args.config)
    runs = Path(config.runs)
    for name in names:
        shared = ("trajectories", PRETRAINED) if name in SEEDS else ("trajectories",)
        for part in shared:
            if not (runs / part).is_dir():
                raise UserError(
                    f"{name} needs {runs / part}; run python -m training.{part} --config {args.config} first"
                )
        student = variant(config, name)
        file = prepare(student, runs, shared)
        for stage in stages_of(name):
            if stage in STAGES[STAGES.index(args.until) + 1 :]:
                break
            if finished(student, stage):
                continue
            print(f"{name}: {stage}", file=sys.stderr, flush=True)
            try:
                subprocess.run([sys.executable, "-m", f"training.{stage}", "--config", str(file)], check=True)
            except subprocess.CalledProcessError as error:  # the stage has said why
                sys.exit(error.returncode)
            keep(student, stage)


if __name__ == "__main__":
    command(main)
