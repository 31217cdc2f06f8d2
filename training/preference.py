"""DPO or KTO on annotators' answers, by TRL, into a checkpoint of its own.

    star annotations export --format trl …      (writes the folder that `data` names)
    python -m training.preference --config training/configs/preference.yaml
    star serve --model runs/preference/checkpoint

The texts of an export become the student's own words (`training/lib/answers.py`). Traces of MARS or of other systems cannot
be turned; they are counted and left out. The loss covers the shortlist and the reflection, which the student draws. The
ranking is made by a second reading, so a preference in wording leaves it to the words. A LoRA adapter learns, and is merged
into the checkpoint at the end. With the adapter off, the model is the reference.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset as Rows
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from transformers import PrinterCallback

from star.annotation.exchange.export import read_manifest
from star.annotation.exchange.preferences import Label, Preference, load_labels, load_preferences
from star.errors import UserError, command
from star.student.checkpoint import FORM, checkpoint_folder, fingerprint, read_about
from star.student.vocabulary import END
from training.lib.answers import answer_of
from training.lib.causal import CausalStudent, adapter, ids_of, keep_own_forward, merged, text_of, tokenizer
from training.lib.config import STRICT, Float, at_least, load_config
from training.lib.network import save_tensors

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # raised by TRL's own settings
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer  # type: ignore[attr-defined]


@dataclass(frozen=True, config=STRICT)
class PreferenceConfig:
    """Settings of one preference run."""

    model: str
    """Checkpoint to start from: a folder, or a name under assets/models."""
    data: str
    """Folder of an export for TRL."""
    out: str
    """Folder of the checkpoint; its logs go to `tensorboard` in it."""
    method: Literal["dpo", "kto"] = "dpo"
    """`dpo` learns from pairs, `kto` from single traces with a label."""
    beta: Float = 1.0
    """Penalty for moving away from the checkpoint. If raters prefer a trace with odds e^d, the optimum moves the pair's
    log-probabilities d / beta apart (arXiv 2305.18290, eq. 5)."""
    anchor: Float = 1.0
    """Weight of the preferred trace's log-likelihood per word (RPO, arXiv 2404.19733), which keeps preferred traces from
    becoming unlikely together with the others; KTO does not use it."""
    lr: Float = 1e-3
    """Highest learning rate."""
    batch: int = 8
    """Pairs, or single traces, per step."""
    passes: int = 1
    """Passes over the rows."""
    rank: int = 16
    """Rank of the LoRA adapter."""
    seed: int = 0
    """Seed of the rows' order and of the adapter's first weights."""
    threads: int = 1
    """CPU threads."""

    @model_validator(mode="after")
    def _possible(self) -> PreferenceConfig:
        # KTO compares each trace with another one of its batch.
        at_least(self, {"batch": 2 if self.method == "kto" else 1, "passes": 1, "rank": 1, "threads": 1})
        return self


def pairs(rows: Sequence[Preference]) -> tuple[dict[str, list[Any]], Counter[str]]:
    """Pairs as the columns of TRL's DPO, and why pairs were left out.

    The prompt is what both traces begin with: all up to `<shortlist>`, or less where they asked for other tools.
    """
    out: dict[str, list[Any]] = {"prompt": [], "chosen": [], "rejected": []}
    left: Counter[str] = Counter()
    for row in rows:
        try:
            one, other = (answer_of(row.prompt, text) for text in (row.chosen, row.rejected))
        except ValueError as error:
            left[str(error)] += 1
            continue
        if one.words == other.words:
            left["both traces say the same"] += 1
            continue
        first, second = ids_of(one.prefix, one.slots), ids_of(other.prefix, other.slots)
        shared = next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
        out["prompt"].append(_text(first[:shared]))
        out["chosen"].append(_text(first[shared:] + ids_of(one.words)))
        out["rejected"].append(_text(second[shared:] + ids_of(other.words)))
    return out, left


def singles(rows: Sequence[Label]) -> tuple[dict[str, list[Any]], Counter[str]]:
    """Single traces as the columns of TRL's KTO, and why traces were left out."""
    out: dict[str, list[Any]] = {"prompt": [], "completion": [], "label": []}
    left: Counter[str] = Counter()
    for row in rows:
        try:
            answer = answer_of(row.prompt, row.completion)
        except ValueError as error:
            left[str(error)] += 1
            continue
        out["prompt"].append(_text(ids_of(answer.prefix, answer.slots)))
        out["completion"].append(_text(ids_of(answer.words)))
        out["label"].append(row.label)
    return out, left


def _text(tokens: Sequence[int]) -> str:
    """Ends in a space unless it ends the trace, since TRL joins prompt and completion without one."""
    text = text_of(tokens)
    return text if text.endswith(f"{END}@0") else text + " "


def trainer_for(config: PreferenceConfig, columns: dict[str, list[Any]]) -> Any:
    """TRL's trainer over these rows."""
    dpo = config.method == "dpo"
    own: dict[str, Any] = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, config.anchor]} if dpo else {}
    steps = max(1, config.passes * len(columns["prompt"]) // config.batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings: Any = (DPOConfig if dpo else KTOConfig)(
            output_dir=str(Path(config.out) / "tensorboard"),
            max_steps=steps,
            per_device_train_batch_size=config.batch,
            learning_rate=config.lr,
            lr_scheduler_type="cosine",
            warmup_steps=min(10, steps // 10),
            weight_decay=0.0,
            beta=config.beta,
            seed=config.seed,
            bf16=False,  # bf16 is too coarse for a difference of sums of log-probabilities
            use_cpu=True,  # the student's words and what the grammar allows are on the CPU
            gradient_checkpointing=False,
            max_length=None,
            precompute_ref_log_probs=False,
            logging_steps=1,
            save_strategy="no",
            report_to=["tensorboard"],
            disable_tqdm=True,
            dataloader_num_workers=0,
            disable_dropout=True,
            **own,
        )
        trainer = (DPOTrainer if dpo else KTOTrainer)(
            model=CausalStudent.load(checkpoint_folder(config.model)),
            args=settings,
            train_dataset=Rows.from_dict(columns),
            processing_class=tokenizer(),
            peft_config=adapter(config.rank),
        )
    trainer.remove_callback(PrinterCallback)  # standard output holds one JSON document
    return keep_own_forward(trainer)


def train(config: PreferenceConfig) -> dict[str, Any]:
    """Train and write the merged checkpoint with its `star.json` to `out`; the one to start from stays as it is.

    Returns:
        the content of `star.json`.

    Raises:
        UserError: no checkpoint, no export, or too few rows for this method.
    """
    source, folder, out = checkpoint_folder(config.model), Path(config.data), Path(config.out)
    if out.resolve() == source.resolve():
        raise UserError(f"out {config.out} is the checkpoint to start from; name another folder")
    dataset, _ = read_manifest(folder)
    rows = load_preferences(folder) if config.method == "dpo" else load_labels(folder)
    columns, left = pairs(rows) if config.method == "dpo" else singles(rows)  # type: ignore[arg-type]
    kept = len(columns["prompt"])
    why = "; ".join(f"{count} × {reason}" for reason, count in left.most_common(3)) or "none was left out"
    if kept < config.batch:
        raise UserError(
            f"export {folder} has {kept} rows for {config.method}; at least {config.batch} are needed ({why})"
        )
    if left:
        print(f"{sum(left.values())} of {len(rows)} rows are left out: {why}", file=sys.stderr)
    torch.manual_seed(config.seed)
    trainer = trainer_for(config, columns)
    trainer.train()
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    stage = {
        "from": fingerprint(config.model),
        "dataset": dataset,
        "rows": kept,
        "left_out": sum(left.values()),
        "annotators": len({row.annotator for row in rows}),
        "rubrics": sorted({row.rubric for row in rows}),
        "beta": config.beta,
        "steps": trainer.state.global_step,
        "loss_first": round(float(np.mean([entry["loss"] for entry in history[:10]])), 4),
        "loss_last": round(float(np.mean([entry["loss"] for entry in history[-10:]])), 4),
    }
    if config.method == "dpo":
        accuracies = [entry["rewards/accuracies"] for entry in history[-10:]]
        stage["accuracy_last"] = round(float(np.mean(accuracies)), 4)
    about = {"form": FORM, "stages": {**read_about(source)["stages"], config.method: stage}}
    save_tensors(merged(trainer.model), trainer.model.get_base_model().student.sizes(), out, about)
    return about


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting instead of the file's"
    )
    args = parser.parse_args()
    config = load_config(args.config, PreferenceConfig, args.set)
    torch.set_num_threads(config.threads)
    print(json.dumps(train(config)))


if __name__ == "__main__":
    command(main)
