"""Supervised fine-tuning on MARS's kept trajectories, by TRL's SFTTrainer.

    python -m training.sft --config training/configs/goodbooks.yaml

Kept trajectories are those in which MARS ranked the item really read next first. They come from the SFT folds, which
pretraining has not seen. Prompt and tool responses are outside the loss (labels −100). Saves every 100 steps; a stopped run
continues from its last save. The checkpoint (bf16 safetensors) is written to the config's `out`, curves to TensorBoard
under `runs/`. Of a big base, the rows of the new tokens and LoRA are trained. Several GPUs:

    accelerate launch --config_file training/accelerate.yaml -m training.sft --config FILE
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import torch
from datasets import Dataset as Rows
from transformers import AutoTokenizer

from star.data import tasks as T
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.student.vocabulary import grammar_of
from training.lib import bases
from training.lib.config import Config, load_config
from training.lib.corpus import (
    RANK,
    WRITTEN,
    encode,
    item_tokens,
    perturb_counts,
    scan_trajectories,
    sometimes_others,
)
from training.lib.device import device_for, native_bf16, processes

IGNORED = -100  # the label that cross-entropy ignores
LOG_EVERY, SAVE_EVERY = 10, 100  # steps; multiples, so that no log entry falls between two saves


def kept_rows(config: Config, vocabulary: dict[str, int]) -> tuple[list[dict[str, list[int]]], float]:
    """Kept trajectories of the SFT folds as token ids and labels, and the share of kept ones in these folds."""
    data = load_dataset(config.dataset)
    split = T.split(data.interactions)
    readers = split.train[np.isin(split.folds, config.sft_folds)].tolist()
    of_folds = scan_trajectories(config.trajectory_folder).filter(pl.col("reader").is_in(readers))
    share = of_folds.select(pl.col("kept").mean()).collect().item()
    kept = of_folds.filter(pl.col("kept")).select("prompt", "trace", "guide").collect()
    rng = np.random.default_rng(config.seed)
    largest = max(int(word[1:]) for word in vocabulary if re.match(r"/\d+\Z", word))
    rows, items = [], item_tokens(vocabulary)
    for at in rng.permutation(len(kept))[: config.sft_rows]:
        prompt, trace, guide = kept.row(int(at))
        other = rng.random() < config.renumbered
        if other:
            trace = perturb_counts(trace, largest, rng)
        sequence = encode(prompt, trace, vocabulary, guide, form=config.form)
        sequence = sometimes_others(sequence, (config.renamed, config.exchanged), items, rng)
        written = sequence.roles == WRITTEN
        if not other:  # no ranking is learned after a count perturbation, as in pretraining
            written |= sequence.roles == RANK
        rows.append(
            {
                "input_ids": sequence.tokens.tolist(),
                "labels": np.where(written, sequence.tokens, IGNORED).tolist(),
            }
        )
    return rows, share


def trainer_for(
    config: Config,
    model: torch.nn.Module,
    tokenizer: object,
    rows: list[dict[str, list[int]]],
    max_steps: int,
):  # type: ignore[no-untyped-def]
    """TRL's trainer over tokenised rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # raised by SFTConfig itself
        from trl import SFTConfig, SFTTrainer

        settings = SFTConfig(
            output_dir=str(Path(config.runs) / "sft"),
            max_steps=max_steps,
            per_device_train_batch_size=config.sft_batch,
            learning_rate=config.sft_lr,
            lr_scheduler_type="cosine",
            warmup_steps=20,
            weight_decay=0.0,
            seed=config.seed,
            bf16=native_bf16(device_for(config.threads)),
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
            logging_steps=max(1, min(LOG_EVERY, max_steps)),
            save_steps=SAVE_EVERY,
            save_total_limit=1,
            report_to=["tensorboard"],
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            dataloader_num_workers=0,
            train_sampling_strategy="group_by_length",
        )
        return SFTTrainer(
            model=model, args=settings, train_dataset=Rows.from_list(rows), processing_class=tokenizer
        )


def last_save(folder: Path) -> str | None:
    """The trainer's last complete save, from which training continues; None: no such save.

    The trainer writes `trainer_state.json` last, so a save without it is incomplete.
    """
    for save in sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]), reverse=True):
        try:
            json.loads((save / "trainer_state.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        return str(save)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--max-steps", type=int, help="fewer steps than the config's passes over the rows")
    args = parser.parse_args()
    config = load_config(args.config)
    device_for(config.threads)
    source = Path(config.runs) / "pretrain" / "model"
    if not (source / "star.json").is_file():
        raise UserError(
            f"no pretrained model in {source}; run python -m training.pretrain --config {args.config} first"
        )
    if not config.sft_rows:
        shutil.copytree(source, config.out, dirs_exist_ok=True)
        print(f"sft_rows is 0: {config.out} holds the pretrained model")
        return
    model = bases.trainable(source, bases.dtype_for(config.base))
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    rows, share = kept_rows(config, grammar_of(tokenizer))
    steps = min(args.max_steps or 10**9, config.sft_passes * len(rows) // (config.sft_batch * processes()))
    trainer = trainer_for(config, model, tokenizer, rows, steps)
    trainer.train(resume_from_checkpoint=last_save(Path(config.runs) / "sft"))
    if not trainer.is_world_process_zero():
        return
    # From the log history, which saves hold: the trainer's own mean covers only the steps since its last start.
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    out = Path(config.out)
    about = json.loads((source / "star.json").read_text("utf-8"))
    rounds = sum(
        stage.startswith("sft") for stage in about["stages"]
    )  # above 0 if the start has been through SFT
    about["stages"]["sft" + (f"-{rounds + 1}" if rounds else "")] = {
        "rows": len(rows),
        "kept_share": round(share, 4),
        "steps": steps,
        "loss": round(float(np.mean(losses)), 4),
    }
    bases.save(trainer.model.to(torch.bfloat16), out)
    tokenizer.save_pretrained(out)
    (out / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    print(json.dumps(about["stages"]))


if __name__ == "__main__":
    command(main)
