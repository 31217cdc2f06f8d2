"""DPO or KTO on annotators' answers, by TRL, into a LoRA adapter of a checkpoint.

    star annotations export --format trl …      (writes the folder that `data` names)
    python -m training.preference --config training/configs/preference.yaml
    star serve --model runs/preference/adapter

The reference model is the checkpoint with the adapter switched off. The loss covers the words that the model drew. Tool
answers, arguments of calls and the end of a trace are outside it: the decoder writes or constrains them. So is the ranking,
unless `learn_ranking` is true, so that preferences in wording do not change the ranking. TRL computes all its terms over
`completion_mask`; the collator here narrows that mask.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset as Rows
from peft import LoraConfig
from pydantic.dataclasses import dataclass
from transformers import PrinterCallback

from star.annotation.exchange.export import in_items_of, read_manifest
from star.annotation.exchange.preferences import Label, Preference, load_labels, load_preferences
from star.errors import UserError, command
from star.student.checkpoint import MODELS, checkpoint_folder, fingerprint
from star.student.model import Checkpoint
from star.student.vocabulary import EOS, UNKNOWN
from training.lib.config import STRICT, Float, load_config


@dataclass(frozen=True, config=STRICT)
class PreferenceConfig:
    """Settings of one preference run."""

    model: str
    """Checkpoint to start from: a folder, or a name under assets/models."""
    data: str
    """Folder of an export for TRL."""
    out: str
    """Folder of the adapter; its logs go to `tensorboard` in it."""
    method: Literal["dpo", "kto"] = "dpo"
    """`dpo` learns from pairs, `kto` from single traces with a label."""
    beta: Float = 1.0
    """Penalty for moving away from the checkpoint. If raters prefer a trace with odds e^d, the optimum moves the pair's
    log-probabilities d / beta apart (arXiv 2305.18290, eq. 5). At 0.1 a small model unlearned the grammar."""
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
    learn_ranking: bool = False
    """Whether the loss includes the ranked items: for preferences in items rather than in wording."""
    seed: int = 0
    """Seed of the rows' order and of the adapter's first weights."""
    threads: int = 1
    """CPU threads."""


def drawn(tokens: torch.Tensor, words: dict[str, int], learn_ranking: bool) -> torch.Tensor:
    """Which tokens the model drew, as in `training/lib/rollouts.py`.

    Args:
        tokens: (B, L) prompt and completion, padded.
        words: the vocabulary.

    Returns:
        bool (B, L); the caller masks the prompt.
    """
    put = torch.tensor([words[w] for w in ("</recommend>", EOS)])
    out = torch.ones_like(tokens, dtype=torch.bool)
    for row, sequence in enumerate(tokens.tolist()):
        tool = call = ranking = False
        before = -1
        for place, token in enumerate(sequence):
            tool = tool or token == words["<tool_response>"]
            call = (call or before == words["<tool_call>"]) and before != words["</tool_call>"]
            ranking = ranking or before == words["<recommend>"]
            argument = call and before != words["<tool_call>"]
            out[row, place] = not (tool or argument or (ranking and not learn_ranking))
            tool = tool and token != words["</tool_response>"]
            before = token
    return out & ~torch.isin(tokens, put)


def pairs(rows: Sequence[Preference], items: Sequence[str], checkpoint: Checkpoint) -> dict[str, list[Any]]:
    """Pairs as the columns of TRL's DPO."""
    return {
        "prompt": in_own_words([row.prompt for row in rows], items, checkpoint),
        "chosen": in_own_words([row.chosen for row in rows], items, checkpoint),
        "rejected": in_own_words([row.rejected for row in rows], items, checkpoint),
    }


def singles(rows: Sequence[Label], items: Sequence[str], checkpoint: Checkpoint) -> dict[str, list[Any]]:
    """Single traces as the columns of TRL's KTO."""
    return {
        "prompt": in_own_words([row.prompt for row in rows], items, checkpoint),
        "completion": in_own_words([row.completion for row in rows], items, checkpoint),
        "label": [row.label for row in rows],
    }


def in_own_words(texts: Sequence[str], items: Sequence[str], checkpoint: Checkpoint) -> list[str]:
    """Texts with the checkpoint's item numbers; each ends in a space, since TRL joins prompt and completion without one."""
    place = {id: number for number, id in enumerate(checkpoint.about["items"])}
    return [in_items_of(text, items, place, UNKNOWN) + " " for text in texts]


def trainer_for(config: PreferenceConfig, checkpoint: Checkpoint, columns: dict[str, list[Any]]):  # type: ignore[no-untyped-def]
    """TRL's trainer over these rows, with the loss on drawn words alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # raised by TRL's own settings
        from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
        from trl.trainer.dpo_trainer import DataCollatorForPreference
        from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

    words, learn = checkpoint.vocabulary, config.learn_ranking

    def narrowed(batch: dict[str, Any]) -> dict[str, Any]:
        for kind in ("", "KL_"):
            if f"{kind}completion_mask" in batch:
                batch[f"{kind}completion_mask"] *= drawn(batch[f"{kind}input_ids"], words, learn)
        return batch

    class Pairs(DataCollatorForPreference):  # type: ignore[misc]
        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            return narrowed(super().torch_call(examples))

    class Singles(DataCollatorForUnpairedPreference):  # type: ignore[misc]
        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            return narrowed(super().torch_call(examples))

    dpo = config.method == "dpo"
    own = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, config.anchor]} if dpo else {}
    steps = max(1, config.passes * len(columns["prompt"]) // config.batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = (DPOConfig if dpo else KTOConfig)(
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
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
            max_length=None,
            precompute_ref_log_probs=False,  # TRL's cache ignores the narrowed mask
            logging_steps=1,
            save_strategy="no",
            report_to=["tensorboard"],
            disable_tqdm=True,
            dataloader_num_workers=0,
            disable_dropout=True,
            **own,
        )
        pad = checkpoint.tokenizer.pad_token_id
        return (DPOTrainer if dpo else KTOTrainer)(
            model=checkpoint.model,
            args=settings,
            data_collator=(Pairs if dpo else Singles)(pad_token_id=pad),
            train_dataset=Rows.from_dict(columns),
            processing_class=checkpoint.tokenizer,
            peft_config=LoraConfig(
                r=config.rank,
                lora_alpha=2 * config.rank,
                lora_dropout=0.0,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
        )


def train(config: PreferenceConfig) -> dict[str, Any]:
    """Train and write the adapter with its `star.json` to `out`; the checkpoint stays as it is.

    Returns:
        the content of `star.json`.

    Raises:
        UserError: no checkpoint, no export, an export of another data set, or too few rows for this method.
    """
    source = checkpoint_folder(config.model)
    folder = Path(config.data)
    dataset, items = read_manifest(folder)
    rows: list[Preference] | list[Label] = (
        load_preferences(folder) if config.method == "dpo" else load_labels(folder)
    )
    checkpoint = Checkpoint.load(config.model)
    if not set(items) & set(checkpoint.about["items"]):
        raise UserError(
            f"export {folder} is of data set {dataset!r}, of which checkpoint {config.model!r} knows no item; "
            "take a checkpoint of that data set"
        )
    if len(rows) < config.batch:
        raise UserError(
            f"export {folder} has {len(rows)} rows for {config.method}; at least {config.batch} are needed"
        )
    torch.manual_seed(config.seed)
    columns = (pairs if config.method == "dpo" else singles)(rows, items, checkpoint)  # type: ignore[operator]
    trainer = trainer_for(config, checkpoint, columns)
    trainer.remove_callback(PrinterCallback)  # standard output holds one JSON document
    trainer.train()
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    stage = {
        "rows": len(rows),
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
    out = Path(config.out)
    trainer.model.to(torch.bfloat16).save_pretrained(out)
    about = {
        "adapter_of": source.name if source.parent == MODELS else str(source.resolve()),
        "fingerprint": fingerprint(config.model),
        "dataset": checkpoint.about["dataset"],
        "stages": {config.method: stage},
    }
    (out / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return about


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    args = parser.parse_args()
    config = load_config(args.config, PreferenceConfig)
    torch.set_num_threads(config.threads)
    print(json.dumps(train(config)))


if __name__ == "__main__":
    command(main)
