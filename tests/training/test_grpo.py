"""GRPO by TRL: what a rollout gives the trainer, the loss beside the formula, and a run from start to checkpoint."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import listed
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from star.errors import UserError
from star.student.network import Checkpoint
from star.student.vocabulary import VOCABULARY
from training import grpo
from training.lib.catalogues import Catalogue
from training.lib.config import Config
from training.lib.network import losses
from training.lib.sequences import make

V = VOCABULARY


@pytest.fixture
def config(tmp_path: Path) -> Config:
    listed.save_student(tmp_path / "runs" / "sft")
    return Config(
        runs=str(tmp_path / "runs"), out=str(tmp_path / "out"), grpo_steps=2, grpo_lists=2, grpo_group=3, grpo_rank=4,
        grpo_measured=6,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def stored(monkeypatch: pytest.MonkeyPatch) -> list[Catalogue]:
    catalogues = [Catalogue("small", 1.0, listed.lists())]
    monkeypatch.setattr(grpo, "read_lists", lambda config: (catalogues, {"small": listed.lists()}))
    return catalogues


def test_prompts_are_lists_drawn_by_weight(stored: list[Catalogue]) -> None:
    two = [dataclasses.replace(stored[0], weight=3.0), dataclasses.replace(stored[0], weight=1.0)]
    found = [prompt.split() for prompt in grpo.prompts(two, 400, 0)]
    assert 0.68 < np.mean([number == "0" for number, _ in found]) < 0.82
    rows = {int(row) for _, row in found}
    assert max(rows) < len(stored[0].lists.target) and len(rows) > 50
    assert grpo.prompts(two, 400, 0) != grpo.prompts(two, 400, 1)


def rolled(config: Config, stored: list[Catalogue], step: int = 0) -> tuple[grpo.Answers, dict[str, list[Any]], Any]:
    trainer = grpo.trainer_for(config, stored)
    trainer.state = SimpleNamespace(global_step=step)  # type: ignore[assignment]
    return trainer.made, trainer.made(["0 4"] * 3 + ["0 9"] * 3, trainer), trainer


def test_a_rollout_has_tokens_masks_and_rewards(config: Config, stored: list[Catalogue]) -> None:
    made, out, _ = rolled(config, stored)
    assert [rollout.row for _, rollout in made.fresh] == [4, 4, 4, 9, 9, 9]
    assert out["prompt_ids"][0] == out["prompt_ids"][2] != out["prompt_ids"][3]
    assert {len(values) for values in out.values() if values} == {6}
    for ids, mask, (_, rollout) in zip(out["completion_ids"], out["env_mask"], made.fresh, strict=True):
        assert [token % len(V) for token in ids] == rollout.words.words
        assert len(mask) == len(ids) and mask[-1] == 0 and sum(mask) == sum(a is not None for a in rollout.allowed)
        assert mask[: len(rollout.said)] == [1] * len(rollout.said)
    assert len(set(out["outcome"])) > 1 and max(out["truth"]) <= 0 and max(out["length"]) < -30
    again, other = rolled(config, stored)[1], rolled(config, stored, 1)[1]
    assert again["completion_ids"] == out["completion_ids"] != other["completion_ids"], "a resumed run draws the same"


def test_the_loss_is_the_advantage_of_chosen_words_and_the_two_terms(config: Config, stored: list[Catalogue]) -> None:
    made, out, trainer = rolled(config, stored)
    trainer.current_gradient_accumulation_steps = 1
    advantages = torch.tensor([1.0, -0.5, -0.5, 0.2, 0.0, -0.2])

    def padded(rows: list[list[int]], left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(map(len, rows))
        whole = [[0] * (longest - len(r)) + r if left else r + [0] * (longest - len(r)) for r in rows]
        seen = [[0] * (longest - len(r)) + [1] * len(r) if left else [1] * len(r) + [0] * (longest - len(r)) for r in rows]
        return torch.tensor(whole), torch.tensor(seen)

    prompt_ids, prompt_mask = padded(out["prompt_ids"], True)
    completion_ids, completion_mask = padded(out["completion_ids"], False)
    tool_mask, _ = padded(out["env_mask"], False)
    inputs = {
        "prompt_ids": prompt_ids, "prompt_mask": prompt_mask, "completion_ids": completion_ids,
        "completion_mask": completion_mask, "tool_mask": tool_mask, "advantages": advantages,
        "num_items_in_batch": tool_mask.sum(),
    }  # fmt: skip
    fresh = made.fresh
    first = float(trainer._compute_loss(trainer.model, inputs).detach())
    alone = float(trainer._compute_loss(trainer.model, inputs).detach())  # the two terms join once for each step
    expected = -(advantages * tool_mask.sum(1)).sum() / tool_mask.sum()  # ratios are 1 before the first step
    assert alone == pytest.approx(float(expected), abs=1e-4)
    rng = np.random.default_rng([config.seed, 0, 1])
    student = trainer.model.get_base_model().student
    ranked = losses(student, grpo.second_readings(fresh[::2], rng))["rank"][0]
    ruled = losses(student, [make(lists, rollout.row, rng)[0] for lists, rollout in fresh[::3]])
    terms = ranked + config.grpo_kept * sum(value[0] for value in ruled.values())
    assert first - alone == pytest.approx(float(terms.detach()), abs=1e-4)


def test_answers_become_shorter_where_only_shortness_is_rewarded(config: Config, stored: list[Catalogue]) -> None:
    config = dataclasses.replace(
        config, grpo_steps=9, grpo_lists=1, grpo_group=8, grpo_rate=4e-2, grpo_weights=(0.0, 0.0, 0.0, 1.0)
    )
    trainer = grpo.trainer_for(config, stored)

    def without_other_terms(prompts: list[str], asking: Any) -> dict[str, list[Any]]:
        out = trainer.made(prompts, asking)
        trainer.made.fresh = []
        return out

    trainer.rollout_func = without_other_terms
    trainer.train()
    length = [-entry["rewards/length/mean"] for entry in trainer.state.log_history if "reward" in entry]
    assert np.mean(length[-3:]) < np.mean(length[:3]) - 1


def test_a_run_leaves_a_checkpoint_and_goes_on_where_it_stopped(config: Config, stored: list[Catalogue]) -> None:
    stages = grpo.train(config)
    written = json.loads((Path(config.out) / "star.json").read_text("utf-8"))
    assert written == {"form": "slots", "stages": json.loads(json.dumps(stages))} and set(stages) == {"sft", "grpo"}
    assert set(stages["grpo"]["validation"]["after"]["small"]) == {"mean", "true", "words"}
    Checkpoint.load(Path(config.out))
    before, after = (load_file(folder / "model.safetensors") for folder in (config.sft_folder, Path(config.out)))
    assert before.keys() == after.keys()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved and all("proj" in name for name in moved), "the adapter is on the linear layers"
    longer = dataclasses.replace(config, grpo_steps=3)
    trainer = grpo.trainer_for(longer, stored)
    trainer.train(resume_from_checkpoint=grpo.get_last_checkpoint(str(Path(config.runs) / "grpo")))
    own = [entry["step"] for entry in trainer.state.log_history if "reward" in entry]
    assert own == [1, 2, 3] and trainer.state.global_step == 3


def test_without_steps_the_checkpoint_of_sft_is_the_result(config: Config) -> None:
    grpo.train(dataclasses.replace(config, grpo_steps=0))
    for name in ("model.safetensors", "config.json", "star.json"):
        assert (Path(config.out) / name).read_bytes() == (config.sft_folder / name).read_bytes()


def test_an_unfinished_sft_is_refused(config: Config) -> None:
    (config.sft_folder / "state.pt").touch()
    with pytest.raises(UserError, match=r"training\.sft"):
        grpo.train(config)
