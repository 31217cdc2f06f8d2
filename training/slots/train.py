"""Train the slot student on kept lists of many catalogues.

python -m training.slots.train --lists FILE --out FOLDER --minutes 30
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from star.errors import UserError, command
from star.student.checkpoint import SLOTS, read_about
from training.lib.muon import Muon
from training.slots.measure import hit_mean, ranks
from training.slots.network import WEIGHTS, SlotStudent, losses, save
from training.slots.sequences import Lists, bounds_of, lists_from, make


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lists", required=True, help="folder of the lists")
    parser.add_argument("--out", required=True, help="folder of the checkpoint")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=60.0, help="end after so many")
    parser.add_argument("--batch", type=int, default=16, help="lists a step")
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure-every", type=int, default=1_000)
    parser.add_argument("--start", help="folder of a checkpoint to go on from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train, valid = read_lists(Path(args.lists))
    model = SlotStudent(args.hidden, args.layers, 4, 2 * args.hidden, args.seed)
    if args.start:
        stored = load_file(Path(args.start) / "model.safetensors")
        model.load_state_dict({name: value.float() for name, value in stored.items()})
    inside = [p for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("body")]
    outside = [p for name, p in model.named_parameters() if not (p.ndim == 2 and name.startswith("body"))]
    optimisers = [
        Muon(inside, lr=args.rate, weight_decay=0.01),
        torch.optim.AdamW(outside, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    rng = np.random.default_rng(args.seed)
    share = np.array([weight for weight, _ in train])
    share = share / share.sum()
    stages = dict(read_about(Path(args.start))["stages"]) if args.start else {}
    stage = "train" + (f"-{len(stages) + 1}" if stages else "")
    settings = ("batch", "rate", "minutes", "seed", "threads")
    stages[stage] = {"catalogues": len(train), **{name: vars(args)[name] for name in settings}}
    begun, seen, out = time.monotonic(), dict[str, list[np.ndarray]](), Path(args.out)
    for step in range(args.steps):
        done = max(step / args.steps, (time.monotonic() - begun) / 60 / args.minutes)
        if done >= 1:
            break
        rate = args.rate * min(1.0, (step + 1) / 100) * min(1.0, (1 - done) / 0.7)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        pairs = []
        for _ in range(args.batch):
            lists = train[int(rng.choice(len(train), p=share))][1]
            pairs.append(make(lists, int(rng.integers(len(lists.target))), rng))
        for batch in zip(*pairs, strict=True):
            found = losses(model, list(batch))
            sum(WEIGHTS[kind] * value[0] for kind, value in found.items()).backward()
            for kind, value in found.items():
                seen.setdefault(kind, []).append(value.detach().numpy())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        if (step + 1) % 100 == 0:
            means = {kind: [round(float(v), 3) for v in np.mean(values, 0)] for kind, values in seen.items()}
            print(step + 1, round((time.monotonic() - begun) / 60, 1), json.dumps(means), flush=True)
            seen = {}
        stages[stage]["steps"] = step + 1
        if (step + 1) % args.measure_every == 0:
            keep(model, out, stages, valid)
    keep(model, out, stages, valid)


def read_lists(folder: Path) -> tuple[list[tuple[float, Lists]], dict[str, Lists]]:
    """Weight and lists of each catalogue, and the lists of validation readers by data set.

    Raises:
        UserError: the folder lacks lists.
    """
    found = sorted(folder.glob("data-*.npz"))
    soft_files = sorted(folder.glob("soft-universes-*.npz"))
    if not found or not soft_files:
        raise UserError(
            f"{folder} has no lists; make them with python -m training.slots.prepare --out {folder}"
        )
    train, valid = [], {}
    for file in found:
        name = file.stem.removeprefix("data-")
        stored = arrays(file)
        bounds = bounds_of(stored)
        train.append(
            (1 / len(found), lists_from(stored, arrays(folder / f"soft-{name}.npz")["soft"], bounds))
        )
        if (folder / f"valid-{name}.npz").is_file():
            valid[name] = lists_from(arrays(folder / f"valid-{name}.npz"), None, bounds)
    soft = arrays(soft_files[-1])
    ends = np.cumsum(soft["of"])
    for seed, end in enumerate(ends):
        own = soft["soft"][end - soft["of"][seed] : end]
        train.append((1 / len(ends), lists_from(arrays(folder / f"universe-{seed}.npz"), own)))
    return train, valid


def arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)


def keep(model: SlotStudent, out: Path, stages: dict[str, Any], valid: dict[str, Lists]) -> None:
    """Measure on the validation readers and write the checkpoint."""
    found = {
        name: {kind: round(hit_mean(lists, rank), 4) for kind, rank in ranks(model, lists).items()}
        for name, lists in valid.items()
    }
    *_, last = stages.values()
    last["validation"] = found
    print("validation", last["steps"], json.dumps(found), flush=True)
    save(model, out, {"form": SLOTS, "stages": stages})


if __name__ == "__main__":
    command(main)
