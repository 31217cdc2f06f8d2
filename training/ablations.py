"""Ablations and seeds: students of one recipe that differ in one thing each, trained alike, for one table.

    python -m training.ablations --config training/configs/demo.yaml --minutes 20

Each goes through pretraining (so many minutes of wall clock, whatever its form: a student without a trace reads shorter
sequences and sees more of them) and SFT, from scratch, on the config's trajectories, which must stand already. Students
that are finished are not made again, so several processes can share them out with `--only`. At the end the command that
compares them is printed: in it `star` is the student that nothing was taken from.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

from star.errors import UserError, command
from training.config import Config, load_config, save_config

FULL = "full"
VARIANTS: dict[str, dict[str, Any]] = {
    FULL: {},
    "seed-1": {"seed": 1},
    "seed-2": {"seed": 2},
    "no-reflection": {"form": "no-reflection"},
    "no-tools": {"form": "no-tools"},
    "no-trace": {"form": "no-trace"},
    "no-pretraining": {"pretrain_minutes": 0.0},
}
"""What each changes in the config."""
STAGES = ("pretrain", "sft")


def variant(config: Config, name: str, minutes: float) -> Config:
    """The config of one student, under `ablations/` in the config's runs."""
    folder = Path(config.runs) / "ablations" / name
    changed = {"start": None, "pretrain_minutes": minutes, **VARIANTS[name]}
    return dataclasses.replace(config, runs=str(folder), out=str(folder / "checkpoint"), **changed)


def finished(config: Config) -> bool:
    return (Path(config.out) / "star.json").is_file()


def prepare(config: Config, trajectories: Path) -> Path:
    """Make a student's folder with its config and a link to the trajectories; returns the config's file."""
    folder = Path(config.runs)
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "trajectories"
    if not link.exists():
        link.symlink_to(trajectories.resolve(), target_is_directory=True)
    return save_config(config, folder / "config.yaml")


def comparison(configs: dict[str, Config], dataset: str, full: str) -> str:
    """What compares those that are finished with the one that nothing was taken from."""
    others = [f"star:{c.out}" for name, c in configs.items() if name != FULL and finished(c)]
    return (
        f"star evaluate --dataset {dataset} --model {full} --methods {','.join(['mars', 'star', *others])} "
        f"--tasks 200 --json assets/evaluation/ablations-{dataset}.json"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="of pretraining, for each (default 20)")
    parser.add_argument("--only", help=f"some of {','.join(VARIANTS)}")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(VARIANTS)
    if unknown := set(names) - set(VARIANTS):
        raise UserError(f"there is no ablation {', '.join(sorted(unknown))}; expected {', '.join(VARIANTS)}")
    config = load_config(args.config)
    trajectories = Path(config.runs) / "trajectories"
    if not trajectories.is_dir():
        raise UserError(
            f"no trajectories in {trajectories}; run python -m training.trajectories --config {args.config} first"
        )
    configs = {name: variant(config, name, args.minutes) for name in VARIANTS}
    for name in names:
        if finished(configs[name]):
            continue
        file = prepare(configs[name], trajectories)
        for stage in STAGES:
            print(f"{name}: {stage}", file=sys.stderr, flush=True)
            try:
                subprocess.run([sys.executable, "-m", f"training.{stage}", "--config", str(file)], check=True)
            except subprocess.CalledProcessError as error:  # the stage has said why
                sys.exit(error.returncode)
    print(comparison(configs, config.dataset, configs[FULL].out))


if __name__ == "__main__":
    command(main)
