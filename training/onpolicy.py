"""Training on expert-corrected on-policy rollouts, between SFT and GRPO.

    python -m training.onpolicy --config training/configs/goodbooks.yaml
    python -m torch.distributed.run --standalone --nproc-per-node 2 -m training.onpolicy --config FILE

In pretraining and SFT the ranking is conditioned on MARS's words. In serving it is conditioned on the student's own words,
which quote other candidates and contain errors. Here the student therefore samples traces for tasks of the SFT folds, with
the page's decoder. An expert corrects them, as in DAgger (Ross et al. 2011, arXiv 1011.0686). The tools correct quotations
(`training/lib/correction.py`). The item really read next and the distillation teacher's soft labels correct the ranking.

The other half of every batch are MARS's trajectories for other tasks of these folds, with the item really read next first
in the ranking. They need not be kept ones (`training/trajectories.py`): from kept ones alone the student would learn to
trust whatever its reflection names first. Their written words have only a tool's weight in the loss, so that the student
keeps its own wording (training/LOG.md).

Rollouts are saved in parts, and a stopped run continues with the next part. Several processes share the parts and average
their gradients.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from star.data import tasks as T
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.student.decoding import GenerationState, write_many
from star.student.model import Checkpoint
from star.trace.grammar import TraceError
from training.lib import bases
from training.lib.config import Config, load_config
from training.lib.corpus import (
    TOOL,
    WRITTEN,
    Sequence,
    encode,
    item_tokens,
    load_trajectories,
    perturb_counts,
    sometimes_others,
)
from training.lib.correction import expert_corrected
from training.lib.device import (
    all_there,
    average_gradients,
    device_for,
    mixed,
    processes,
    rank,
    share_of,
    together,
)
from training.lib.loss import loss_of, mask_of
from training.lib.rollouts import tools_of
from training.pretrain import batches

PART = 500  # traces generated together, one saved part


def rollouts(
    config: Config, checkpoint: Checkpoint, rows: pl.DataFrame, folder: Path, temperature: float
) -> pl.DataFrame:
    """`rows` with expert-corrected rollouts instead of MARS's traces; unfinished ones are left out.

    Column `changed`: number of corrected lines of a trace.
    """
    data = load_dataset(config.dataset)
    tools, items = tools_of(config, data, rows), checkpoint.match(data.catalog)
    folder.mkdir(parents=True, exist_ok=True)
    parts = list(enumerate(range(0, len(rows), PART)))[rank() :: processes()]
    for nth, at in tqdm(parts, desc="rollouts", mininterval=5, disable=rank() > 0):
        shard = folder / f"part{nth}.parquet"
        if shard.exists():
            continue
        part = rows[at : at + PART]
        writers = [GenerationState(checkpoint, items, tools[prompt]) for prompt in part["prompt"]]
        seeds = np.random.default_rng([config.seed, nth]).integers(2**31, size=len(part)).tolist()
        write_many(writers, seeds, temperature)
        right = [_corrected(writer) for writer in writers]
        made = part.with_columns(
            pl.Series("trace", [" ".join(r[0]) if r else "" for r in right]),
            pl.Series("changed", [r[1] if r else None for r in right], dtype=pl.Int64),
        )
        made.write_parquet(shard.with_suffix(".part"))
        shard.with_suffix(".part").rename(shard)
    all_there()
    whole = pl.concat([pl.read_parquet(shard) for shard in sorted(folder.glob("part*.parquet"))])
    return whole.filter(pl.col("changed").is_not_null())


def _corrected(writer: GenerationState) -> tuple[list[str], int] | None:
    try:
        return None if writer.broken else expert_corrected(writer.words, len(writer.tools.history))
    except TraceError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument(
        "--again", action="store_true", help="one more round, with other tasks of the same folds"
    )
    args = parser.parse_args()
    config = load_config(args.config)
    together()
    source = Path(config.out)
    if not (source / "star.json").is_file():
        raise UserError(f"no checkpoint in {source}; run python -m training.sft --config {args.config} first")
    left = config.own_rounds - rounds_of(source)
    if left < 1 and not args.again:
        raise UserError(
            f"{source} has been through this stage; run python -m training.sft again before it, or give --again for a "
            "further round"
        )
    for _ in range(max(1, left)):
        train(config, source)


def rounds_of(source: Path) -> int:
    """Number of on-policy rounds of a checkpoint."""
    return sum(
        stage.startswith("onpolicy")
        for stage in json.loads((source / "star.json").read_text("utf-8"))["stages"]
    )


def train(config: Config, source: Path) -> None:
    """One round: rollouts, then `own_passes` over them; at the end the checkpoint in `source` is replaced."""
    device, dtype = device_for(config.threads), bases.dtype_for(config.base)
    checkpoint = Checkpoint.load(str(source), adapter=False, dtype=dtype)
    checkpoint.model.to(device)
    split = T.split(load_dataset(config.dataset).interactions)
    frame = load_trajectories(config.trajectory_folder).unique("prompt", maintain_order=True)
    frame = frame.filter(pl.Series([split.fold_of[r] in config.sft_folds for r in frame["reader"]]))
    again = rounds_of(source) > 0
    stage = "onpolicy" + (f"-{rounds_of(source) + 1}" if again else "")
    rate = config.own_lr * (2 / 3 if again else 1)
    rng = np.random.default_rng([config.seed, rounds_of(source)])
    half = config.sft_batch // 2
    shuffled = rng.permutation(len(frame))
    many = min(config.own_rows, len(frame) // 2)
    chosen, others = np.sort(shuffled[:many]), frame[shuffled[many : 2 * many].tolist()]
    warmth = 0.0 if again else config.own_temperature
    own = rollouts(config, checkpoint, frame[chosen.tolist()], Path(config.runs) / stage, warmth)
    if len(own) < half:
        raise UserError(
            f"{len(own)} of {many} on-policy rollouts are valid after correction, expected a batch of {half} at least; "
            f"pretrain {source} longer"
        )
    vocabulary = checkpoint.vocabulary
    largest = max(int(word[1:]) for word in vocabulary if re.match(r"/\d+\Z", word))

    def sequences(rows: pl.DataFrame) -> list[Sequence]:
        made = []
        for prompt, trace, guide, target in rows.select("prompt", "trace", "guide", "target").iter_rows():
            other = rng.random() < config.renumbered
            said = perturb_counts(trace, largest, rng) if other else trace
            made.append(replace(encode(prompt, said, vocabulary, guide, target), counted=not other))
        return made

    ours = sequences(own)
    theirs = [  # weighted like a tool's words: the student keeps its own wording
        replace(s, roles=np.where(s.roles == WRITTEN, TOOL, s.roles).astype(np.uint8))
        for s in sequences(others)
    ]
    student = bases.trainable(source, dtype).to(device).train()
    model = bases.network(student)
    moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
    tokens = item_tokens(vocabulary)
    items = mask_of(tokens, model.config.vocab_size).to(device)
    optimizer = torch.optim.AdamW(moving, lr=rate, weight_decay=0.0, betas=(0.9, 0.98))
    steps = config.own_passes * len(ours) // half
    writer = SummaryWriter(Path(config.runs) / stage / "tensorboard") if rank() == 0 else None

    def stream(some: list[Sequence]) -> Iterator[list[Sequence]]:
        return batches(
            some,
            half,
            rng,
            lambda n, rng: sometimes_others(some[n], (config.renamed, config.exchanged), tokens, rng),
        )

    streams = [stream(ours), stream(theirs)]  # equal in all processes, which share each batch
    draws = np.random.default_rng([config.seed, rounds_of(source), 1 + rank()])
    averages: dict[str, float] = {}
    bar = tqdm(range(steps), desc="onpolicy", mininterval=10, disable=rank() > 0)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20) * 0.5 * (1 + np.cos(np.pi * step / steps))
        batch = [sequence for some in streams for sequence in share_of(next(some))]
        with mixed(device):
            loss, report = loss_of(model, batch, draws, items)
        loss.backward()
        if processes() > 1:
            average_gradients(moving)
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        for key, value in report.items():
            averages[key] = 0.98 * averages.get(key, value) + 0.02 * value
        if step % 20 == 0:
            bar.set_postfix({key: f"{value:.3f}" for key, value in averages.items()})
            for key, value in averages.items() if writer is not None else ():
                writer.add_scalar(key, value, step)
    if rank() > 0:
        return all_there()
    about = json.loads((source / "star.json").read_text("utf-8"))
    about["stages"][stage] = {
        "traces": len(ours),
        "mended_lines": int(own["changed"].sum()),
        "steps": steps,
    }
    bases.save(student.eval().to(torch.bfloat16), source)
    (source / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    print(json.dumps(about["stages"]))
    all_there()


if __name__ == "__main__":
    command(main)
