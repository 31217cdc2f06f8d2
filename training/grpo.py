"""Group-relative policy optimisation of a LoRA adapter by TRL's GRPOTrainer (arXiv 2602.09829).

    python -m training.grpo --config training/configs/goodbooks.yaml

The page's decoder samples a group of completions per task. Two parts are outside the loss (`env_mask` 0): tools' answers,
which the model does not draw, and arguments of calls, which the decoder constrains. The ranking is drawn among the
candidates; the training pass uses the same mask and temperature. A trace that breaks the grammar earns no outcome reward.

Tasks come from the SFT folds, easy : medium : hard = 3 : 4 : 3 by the rank that MARS gave the item really read next. Logged:
shares of valid traces and of copied rankings, groups without variance, entropy, length. A stopped run continues from its
last save. The adapter is written to `adapter/` in the config's `out`. Several GPUs: `accelerate launch`, as for SFT
(`training/sft.py`).
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from datasets import Dataset as Rows
from peft import LoraConfig

from star.data import tasks as T
from star.data.loading import load_dataset
from star.data.tasks import MIX, difficulty
from star.errors import UserError, command
from star.student.model import Checkpoint
from star.trace.grammar import ITEM
from training.lib import bases
from training.lib.config import Config, load_config
from training.lib.corpus import scan_trajectories
from training.lib.device import device_for, processes, rank
from training.lib.rollouts import Rollouts, mask_ranking, tools_of
from training.sft import last_save

REWARDS = ("format", "outcome", "grounding")


def draw_rows(frame: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
    """n trajectories in random order, easy : medium : hard = 3 : 4 : 3; fewer if a class is too small."""
    rng = np.random.default_rng(seed)
    classes = np.array([difficulty(rank) for rank in frame["rank"]])
    chosen: list[int] = []
    for name, share in MIX.items():
        chosen += rng.permutation(np.flatnonzero(classes == name))[: round(n * share)].tolist()
    return frame[rng.permutation(np.array(chosen, dtype=np.int64)).tolist()]


def _reward(name: str) -> Callable[..., list[float]]:
    """A reward function for TRL that returns what the rollout computed."""

    def reward(completions: Sequence[str], **fields: Any) -> list[float]:
        return list(fields[name])

    reward.__name__ = name
    return reward


def trainer_for(config: Config, source: Path, max_steps: int):  # type: ignore[no-untyped-def]
    """TRL's trainer over the tasks, with `Rollouts` as the source of completions."""
    checkpoint = Checkpoint.load(str(source), adapter=False, dtype=bases.dtype_for(config.base))
    data = load_dataset(config.dataset)
    split = T.split(data.interactions)
    readers = split.train[np.isin(split.folds, config.sft_folds)].tolist()
    frame = (
        scan_trajectories(config.trajectory_folder)
        .filter(pl.col("reader").is_in(readers))
        .select("reader", "at", "shelf", "target", "rank", "prompt")
        .collect()
    )
    frame = draw_rows(frame.unique("prompt", maintain_order=True), config.grpo_rows, config.seed)
    rollouts = Rollouts(
        checkpoint,
        tools_of(config, data, frame),
        dict(zip(frame["prompt"], frame["target"], strict=True)),
        config.grpo_temperature,
        config.grpo_outcome,
        np.random.default_rng(config.seed + rank()),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # raised by TRL's own settings, and `rollout_func` is experimental
        from trl import GRPOConfig, GRPOTrainer

        settings = GRPOConfig(
            output_dir=str(Path(config.runs) / "grpo"),
            max_steps=max_steps,
            per_device_train_batch_size=config.grpo_batch,
            gradient_accumulation_steps=max(
                1, config.grpo_tasks * config.grpo_group // (config.grpo_batch * processes())
            ),
            num_generations=config.grpo_group,
            learning_rate=config.grpo_lr,
            lr_scheduler_type="cosine",
            warmup_steps=5,
            beta=config.grpo_kl,
            epsilon_high=0.28,
            temperature=config.grpo_temperature,
            reward_weights=list(config.grpo_weights),
            multi_objective_aggregation="normalize_then_sum",
            max_completion_length=1024,
            seed=config.seed,
            bf16=False,  # the decoder's cache takes one type; the network is small
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
            logging_steps=1,
            save_steps=10,
            save_total_limit=1,
            report_to=["tensorboard"],
            disable_dropout=True,
        )

        class MaskedGRPO(GRPOTrainer):  # type: ignore[misc]
            """Computes log-probabilities under the mask of the decoder."""

            def _get_per_token_logps_and_entropies(  # type: ignore[no-untyped-def]
                self,
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size=None,
                compute_entropy=False,
                **_,
            ):
                logps, entropies = [], []
                for part, seen in zip(
                    input_ids.split(batch_size or len(input_ids)),
                    attention_mask.split(batch_size or len(input_ids)),
                    strict=True,
                ):
                    output = model(input_ids=part, attention_mask=seen, logits_to_keep=logits_to_keep + 1)
                    logits = output.logits[:, :-1].float() / self.temperature
                    if barred:  # as in the decoder
                        logits[..., silent.to(part.device)] = torch.finfo(logits.dtype).min
                    masked = mask_ranking(logits, part, words, items.to(part.device))
                    all_of = masked.log_softmax(-1)
                    logps.append(all_of.gather(-1, part[:, -logits_to_keep:, None])[..., 0])
                    if compute_entropy:
                        entropies.append(-(all_of.exp() * all_of).sum(-1).detach())
                return torch.cat(logps), torch.cat(entropies) if compute_entropy else None, None

        words = checkpoint.vocabulary
        items = torch.tensor([bool(ITEM.match(word)) for word in checkpoint.words])
        silent = torch.ones(len(items), dtype=torch.bool)
        silent[checkpoint.spoken] = False
        barred = bool(silent.any())
        return MaskedGRPO(
            model=checkpoint.model,
            args=settings,
            reward_funcs=[_reward(name) for name in REWARDS],
            train_dataset=Rows.from_dict({"prompt": frame["prompt"].to_list()}),
            processing_class=checkpoint.tokenizer,
            peft_config=LoraConfig(
                r=config.grpo_rank,
                lora_alpha=2 * config.grpo_rank,
                lora_dropout=0.0,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
            rollout_func=rollouts,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--max-steps", type=int, help="instead of the config's grpo_steps")
    args = parser.parse_args()
    config = load_config(args.config)
    device_for(config.threads)
    source = Path(config.out)
    if not (source / "star.json").is_file():
        raise UserError(f"no checkpoint in {source}; run python -m training.sft --config {args.config} first")
    steps = args.max_steps or config.grpo_steps
    trainer = trainer_for(config, source, steps)
    trainer.train(resume_from_checkpoint=last_save(Path(config.runs) / "grpo"))
    if not trainer.is_world_process_zero():
        return
    trainer.model.to(torch.bfloat16).save_pretrained(source / "adapter", save_embedding_layers=False)
    about = json.loads((source / "star.json").read_text("utf-8"))
    history = [entry for entry in trainer.state.log_history if "reward" in entry]
    about["stages"]["grpo"] = {
        "steps": steps,
        "tasks": steps * config.grpo_tasks,
        "group": config.grpo_group,
        "reward_first": round(float(np.mean([e["reward"] for e in history[:10]])), 4),
        "reward_last": round(float(np.mean([e["reward"] for e in history[-10:]])), 4),
    }
    (source / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    print(json.dumps(about["stages"]))


if __name__ == "__main__":
    command(main)
