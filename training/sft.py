"""Supervised training on candidate lists of many catalogues, before GRPO.

    python -m training.sft --config training/configs/demo.yaml

The student learns to copy what its paragraphs quote and to point to the first candidate of a signal. It shortlists and
ranks as the distillation teacher does. Muon trains the matrices, AdamW everything else. The loop is our own: the loss mixes
words with distributions over slots (`training/lib/network.py`), which TRL's SFTTrainer has no place for. A stopped run goes
on from its last measurement; delete `sft` in the config's `runs` to train again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from star.errors import command
from star.student.checkpoint import FORM, checkpoint_folder, read_about
from star.student.network import Checkpoint
from training.lib.catalogues import Catalogue, read_lists
from training.lib.config import Config, load_config
from training.lib.measure import hit_mean, ranks
from training.lib.muon import Muon
from training.lib.network import WEIGHTS, Student, losses, save
from training.lib.sequences import Lists, make

SETTINGS = ("sft_batch", "sft_rate", "sft_minutes", "sft_steps", "seed", "threads")
WARM = 100  # steps until the rate is at its highest
FALL = 0.7  # share of the run, at its end, over which the rate falls to zero


@dataclass
class Run:
    """A run between two steps; `minutes` were spent on `steps`."""

    model: Student
    optimisers: list[torch.optim.Optimizer]
    rng: np.random.Generator
    stages: dict[str, Any]
    steps: int = 0
    minutes: float = 0.0
    seen: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """Kind of loss → loss and share of right choices since the last line of the log."""

    @property
    def stage(self) -> dict[str, Any]:
        """What `star.json` says of this stage, the last one."""
        *_, last = self.stages.values()
        return dict(last)

    def save(self, file: Path) -> None:
        """Everything that a later run needs to go on from here."""
        state = {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "rng": json.dumps(self.rng.bit_generator.state),
            "stages": json.dumps(self.stages),
            "steps": self.steps,
            "minutes": self.minutes,
        }
        part = file.with_suffix(".part")
        torch.save(state, part)
        part.replace(file)

    def load(self, file: Path) -> None:
        state = torch.load(file, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimiser, own in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.stages = json.loads(state["stages"])
        self.steps, self.minutes = state["steps"], state["minutes"]


def begun(config: Config, catalogues: int) -> Run:
    """A run at its first step.

    Raises:
        UserError: `start` is no checkpoint.
    """
    model, stages = Student(config.hidden, config.layers, config.heads, 2 * config.hidden, config.seed), {}
    if config.start:
        folder = checkpoint_folder(config.start)
        Checkpoint.load(folder)  # checks its files
        model, stages = Student.load(folder), dict(read_about(folder).get("stages", {}))
    inside = [p for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("body")]
    outside = [p for name, p in model.named_parameters() if not (p.ndim == 2 and name.startswith("body"))]
    optimisers = [
        Muon(inside, lr=config.sft_rate, weight_decay=0.01),
        torch.optim.AdamW(outside, lr=config.sft_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    settings = {name.removeprefix("sft_"): getattr(config, name) for name in SETTINGS}
    stages["sft" + (f"-{len(stages) + 1}" if stages else "")] = {"catalogues": catalogues, **settings}
    return Run(model, optimisers, np.random.default_rng(config.seed), stages)


def step(run: Run, train: list[Catalogue], rate: float, batch: int) -> None:
    """One step on lists of catalogues drawn by their weights."""
    for optimiser in run.optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
    share = np.array([catalogue.weight for catalogue in train])
    pairs = []
    for _ in range(batch):
        lists = train[int(run.rng.choice(len(train), p=share / share.sum()))].lists
        pairs.append(make(lists, int(run.rng.integers(len(lists.target))), run.rng))
    for sequences in zip(*pairs, strict=True):
        found = losses(run.model, list(sequences))
        sum(WEIGHTS[kind] * value[0] for kind, value in found.items()).backward()  # type: ignore[union-attr]
        for kind, value in found.items():
            run.seen.setdefault(kind, []).append(value.detach().numpy())
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimiser in run.optimisers:
        optimiser.step()
        optimiser.zero_grad()
    run.steps += 1


def train(config: Config) -> dict[str, Any]:
    """Train and write the checkpoint to `sft` in `runs`.

    Returns:
        the stages in its `star.json`.

    Raises:
        UserError: no lists, or `start` is no checkpoint.
    """
    out, state = config.sft_folder, config.sft_folder / "state.pt"
    if (out / "star.json").is_file() and not state.is_file():
        print(f"{out} is trained; delete it to train again", flush=True)
        return dict(read_about(out)["stages"])
    catalogues, valid = read_lists(config)
    run = begun(config, len(catalogues))
    if state.is_file():
        run.load(state)
    since, before = time.monotonic(), run.minutes
    while True:
        run.minutes = before + (time.monotonic() - since) / 60
        done = max(run.steps / config.sft_steps, run.minutes / config.sft_minutes)
        if done >= 1:
            break
        rate = config.sft_rate * min(1.0, (run.steps + 1) / WARM) * min(1.0, (1 - done) / FALL)
        step(run, catalogues, rate, config.sft_batch)
        if run.steps % 100 == 0:
            means = {kind: [round(float(v), 3) for v in np.mean(values, 0)] for kind, values in run.seen.items()}
            print(run.steps, round(run.minutes, 1), json.dumps(means), flush=True)
            run.seen = {}
        if run.steps % config.sft_measured == 0:
            out.mkdir(parents=True, exist_ok=True)
            run.save(state)  # first: a checkpoint without it is a finished one
            keep(run, out, valid)
    keep(run, out, valid)
    state.unlink(missing_ok=True)
    return run.stages


def keep(run: Run, out: Path, valid: dict[str, Lists]) -> None:
    """Measure on the validation readers and write the checkpoint."""
    found = {
        name: {kind: round(hit_mean(lists, rank), 4) for kind, rank in ranks(run.model, lists).items()}
        for name, lists in valid.items()
    }
    run.stages[list(run.stages)[-1]] = {**run.stage, "steps": run.steps, "validation": found}
    print("validation", run.steps, json.dumps(found), flush=True)
    save(run.model, out, {"form": FORM, "stages": run.stages})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting instead of the file's"
    )
    args = parser.parse_args()
    config: Config = load_config(args.config, instead=args.set)
    torch.set_num_threads(config.threads)
    train(config)


if __name__ == "__main__":
    command(main)
