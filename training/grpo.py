"""Group-relative policy optimisation (GRPO, arXiv 2402.03300) after SFT, by TRL's GRPOTrainer.

    python -m training.grpo --config training/configs/demo.yaml

Each list is answered several times, words drawn by their probabilities. An answer's advantage is its reward less the mean of
its group, without division by the spread (Dr. GRPO, arXiv 2503.20783). Rewards are the outcome, the truth of the claims, the
coverage of the picks, and the words spent (`training/lib/rewards.py`). Two more terms join TRL's loss. The second reading
learns from soft targets on the same answers. A small supervised loss on a rule's words keeps the language from drifting.

A LoRA adapter learns; it is merged into the checkpoint in the config's `out`. A stopped run goes on from its last save in
`grpo` of `runs`. With `grpo_steps: 0` the checkpoint of SFT becomes `out` as it is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset as Rows
from transformers import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from star.errors import UserError, command
from star.student.checkpoint import FORM, read_about
from star.student.generation import reread
from star.student.network import Checkpoint
from training.lib.answers import Rollout, false_statements, rollouts
from training.lib.catalogues import Catalogue, read_lists
from training.lib.causal import CausalStudent, adapter, ids_of, keep_own_forward, merged, snapshot, tokenizer
from training.lib.config import Config, load_config
from training.lib.measure import answers
from training.lib.network import losses, save_tensors
from training.lib.rewards import coverage_reward, length_reward, outcome_reward, truth_reward
from training.lib.sequences import Lists, make
from training.lib.sequences import Sequence as Written
from training.lib.sequences import reread as second_reading

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # raised by TRL's own settings
    from trl import GRPOConfig, GRPOTrainer  # type: ignore[attr-defined]

REWARDS = ("outcome", "truth", "coverage", "length")
SETTINGS = ("grpo_lists", "grpo_group", "grpo_rate", "grpo_rank", "grpo_outcome", "grpo_weights", "seed", "threads")


def prompts(catalogues: Sequence[Catalogue], count: int, seed: int) -> list[str]:
    """`count` lists as `CATALOGUE ROW`, drawn by the catalogues' weights; `Answers` makes the real prompt of each."""
    rng = np.random.default_rng(seed)
    share = np.array([catalogue.weight for catalogue in catalogues])
    numbers = rng.choice(len(catalogues), size=count, p=share / share.sum()).tolist()
    return [f"{number} {rng.integers(len(catalogues[number].lists.target))}" for number in numbers]


class Answers:
    """TRL's rollout function: answers of the student as it is now, with their rewards."""

    def __init__(self, catalogues: Sequence[Catalogue], config: Config) -> None:
        self.catalogues, self.config = catalogues, config
        self.fresh: list[tuple[Lists, Rollout]] = []
        """Answers whose second reading has not been trained on yet."""

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, list[Any]]:
        """
        Args:
            prompts: as `prompts` makes them, each repeated for every answer of its group.
        """
        checkpoint = snapshot(trainer.model)
        # By the step, so that a resumed run draws what an unbroken one would have drawn.
        rng = np.random.default_rng([self.config.seed, trainer.state.global_step])
        groups = [prompt.split() for prompt in prompts[:: self.config.grpo_group]]
        self.fresh = []
        out: dict[str, list[Any]] = defaultdict(list)
        for number, row in groups:
            lists = self.catalogues[int(number)].lists
            for rollout in rollouts(checkpoint, lists, [int(row)], self.config.grpo_group, rng):
                self.fresh.append((lists, rollout))
                out["prompt_ids"].append(ids_of(rollout.prefix, len(rollout.order)))
                out["completion_ids"].append(ids_of(rollout.words))
                out["env_mask"].append([int(allowed is not None) for allowed in rollout.allowed])
                shares = reread(checkpoint, rollout.said, 1)
                for name, value in rewards(rollout, lists, shares, self.config.grpo_outcome).items():
                    out[name].append(value)
        return {**out, "logprobs": None}  # type: ignore[dict-item]


def rewards(rollout: Rollout, lists: Lists, shares: Sequence[float], by: str) -> dict[str, float]:
    """The rewards of an answer, by name.

    Args:
        shares: probability of each discussed slot at the first place, by the second reading.
        by: as `outcome_reward`.
    """
    slots = [paragraph.slot for paragraph in rollout.paragraphs]
    ranking = [slot for _, slot in sorted(zip(shares, slots, strict=True), key=lambda pair: -pair[0])]
    soft = lists.soft[rollout.row, rollout.order].astype(np.float64)
    target = int(np.flatnonzero(rollout.order == lists.target[rollout.row])[0]) + 1
    stated = {p.slot: len(p.stated) for p in rollout.paragraphs}
    false = {p.slot: false_statements(rollout.heard, p) for p in rollout.paragraphs}
    return {
        "outcome": outcome_reward(ranking, target, (soft / soft.sum()).tolist(), by),
        "truth": truth_reward(false),
        "coverage": coverage_reward(ranking, stated, false),
        "length": length_reward(len(rollout.words)),
    }


def second_readings(made: Sequence[tuple[Lists, Rollout]], rng: np.random.Generator) -> list[Written]:
    """The second reading of each answer, with the soft target among what it discusses."""
    out = []
    for lists, rollout in made:
        sequence = second_reading(rollout.said, [int(slot) for slot in rng.permutation(list(rollout.said))])
        weights = np.zeros(len(rollout.order))
        inside = [slot - 1 for slot in rollout.said]
        weights[inside] = lists.soft[rollout.row, rollout.order][inside].astype(np.float64) + 1e-6
        sequence.choose(int(weights.argmax()) + 1, weights, "rank")
        out.append(sequence)
    return out


class StudentTrainer(GRPOTrainer):
    """TRL's trainer, with the second reading and the rule's words in the loss."""

    made: Answers

    def _compute_loss(self, model: torch.nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs)
        if not (fresh := self.made.fresh):
            return loss
        self.made.fresh = []  # once for each step, however many passes it takes
        rng = np.random.default_rng([self.made.config.seed, self.state.global_step, 1])
        student = self.accelerator.unwrap_model(model).get_base_model().student
        ranked = losses(student, second_readings(fresh[::2], rng))["rank"][0]
        one_each = fresh[:: self.made.config.grpo_group]
        ruled = losses(student, [make(lists, rollout.row, rng)[0] for lists, rollout in one_each])
        self._metrics["train"]["rank"].append(float(ranked.detach()))
        return loss + ranked + self.made.config.grpo_kept * sum(value[0] for value in ruled.values())


def _reward(name: str) -> Callable[..., list[float | None]]:
    """A reward function for TRL that returns what the rollout computed."""

    def reward(completions: Sequence[str], **fields: Any) -> list[float | None]:
        return list(fields[name])

    reward.__name__ = name
    return reward


def trainer_for(config: Config, catalogues: Sequence[Catalogue]) -> Any:
    """TRL's trainer over lists of these catalogues, from the checkpoint of SFT."""
    made, answered = Answers(catalogues, config), config.grpo_lists * config.grpo_group
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `rollout_func` is experimental
        settings = GRPOConfig(
            output_dir=str(Path(config.runs) / "grpo"),
            max_steps=config.grpo_steps,
            per_device_train_batch_size=answered,
            num_generations=config.grpo_group,
            learning_rate=config.grpo_rate,
            lr_scheduler_type="linear",
            warmup_steps=min(10, config.grpo_steps // 10),
            weight_decay=0.0,
            adam_beta2=0.95,
            beta=0.0,
            loss_type="bnpo",  # the mean over all words that were chosen
            scale_rewards="none",
            reward_weights=list(config.grpo_weights),
            max_completion_length=512,
            seed=config.seed,
            bf16=False,
            use_cpu=True,  # the answers are written by the network of `star/`, which is for a CPU
            gradient_checkpointing=False,
            logging_steps=1,
            save_steps=max(1, min(50, config.grpo_steps // 10)),
            save_total_limit=1,
            report_to=["tensorboard"],
            disable_tqdm=True,
            dataloader_num_workers=0,
        )
        trainer = StudentTrainer(
            model=CausalStudent.load(config.sft_folder),
            args=settings,
            reward_funcs=[_reward(name) for name in REWARDS],
            train_dataset=Rows.from_dict(
                {"prompt": prompts(catalogues, config.grpo_steps * config.grpo_lists, config.seed)}
            ),
            processing_class=tokenizer(),
            peft_config=adapter(config.grpo_rank),
            rollout_func=made,
        )
    trainer.made = made
    trainer.remove_callback(PrinterCallback)
    return keep_own_forward(trainer)


def train(config: Config) -> dict[str, Any]:
    """Train and write the checkpoint to `out`.

    Returns:
        the stages in its `star.json`.

    Raises:
        UserError: SFT has not ended, or there are no lists.
    """
    source, out = config.sft_folder, Path(config.out)
    if not (source / "star.json").is_file() or (source / "state.pt").is_file():
        raise UserError(f"no finished checkpoint in {source}; run python -m training.sft with the same config first")
    if config.grpo_steps == 0:
        shutil.copytree(source, out, dirs_exist_ok=True)
        return dict(read_about(out)["stages"])
    catalogues, valid = read_lists(config)
    before = _measured(Checkpoint.load(source), valid, config)
    trainer = trainer_for(config, catalogues)
    folder = Path(config.runs) / "grpo"
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)) if folder.is_dir() else None)
    after = _measured(snapshot(trainer.model), valid, config)
    history = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    stage = {
        "steps": trainer.state.global_step,
        **{name.removeprefix("grpo_"): getattr(config, name) for name in SETTINGS},
        "reward_first": round(float(np.mean(history[:10])), 4),
        "reward_last": round(float(np.mean(history[-10:])), 4),
        "validation": {"before": before, "after": after},
    }
    stages = {**read_about(source)["stages"], "grpo": stage}
    sizes = trainer.model.get_base_model().student.sizes()
    save_tensors(merged(trainer.model), sizes, out, {"form": FORM, "stages": stages})
    return stages


def _measured(checkpoint: Checkpoint, valid: dict[str, Lists], config: Config) -> dict[str, dict[str, float]]:
    return {name: answers(checkpoint, lists, config.grpo_measured) for name, lists in valid.items()}


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
    print(json.dumps(train(config)))


if __name__ == "__main__":
    command(main)
