"""Training on own traces for real, from the shipped demo checkpoint: ten steps of GRPO with rewards that differ and a mask
that is right; ranking behind own traces."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import small_runs
import torch
from safetensors.torch import load_file

from star.dataset import Dataset
from star.errors import UserError
from star.student.model import MODELS, Checkpoint
from training import grpo, onpolicy, rollouts
from training.config import Config
from training.corpus import RANK, encode, load_trajectories
from training.manifest import difficulty


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    made = small_runs.make(tmp_path_factory.mktemp("grpo"), readers=16)
    shutil.copytree(MODELS / "demo", made.out, ignore=shutil.ignore_patterns("adapter"))
    return dataclasses.replace(made, grpo_rows=30, grpo_steps=10)


def test_difficulty_and_mix() -> None:
    assert [difficulty(rank) for rank in (0, 1, 4, 5, 19)] == [
        "easy",
        "medium",
        "medium",
        "hard",
        "hard",
    ]
    frame = pl.DataFrame({"rank": np.repeat([0, 2, 9], 100), "id": np.arange(300)})
    rows = grpo.draw_rows(frame, 100, 0)
    assert rows["rank"].value_counts().sort("rank")["count"].to_list() == [30, 40, 30]
    assert rows["id"].n_unique() == 100
    assert rows.equals(grpo.draw_rows(frame, 100, 0)) and not rows.equals(grpo.draw_rows(frame, 100, 1))
    assert grpo.draw_rows(frame.filter(pl.col("rank") == 0), 100, 0).height == 30


def test_ten_steps(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = grpo.trainer_for(config, Path(config.out), 10)
    sample = trainer.rollout_func
    seen: list[dict[str, list[object]]] = []
    monkeypatch.setattr(
        trainer, "rollout_func", lambda *args: seen.append(sample(*args)) or seen[-1], raising=True
    )
    before = {n: p.detach().clone() for n, p in trainer.model.named_parameters() if p.requires_grad}
    assert before and all("lora" in name for name in before)
    trainer.train()
    assert any(not torch.equal(p, before[n]) for n, p in trainer.model.named_parameters() if p.requires_grad)

    words = Checkpoint.load(config.out).words
    masked, arguments = 0, 0
    for batch in seen:
        for tokens, mask in zip(batch["completion_ids"], batch["env_mask"], strict=True):
            assert len(tokens) == len(mask)  # type: ignore[arg-type]
            inside = False
            for token, own in zip(tokens, mask, strict=True):  # type: ignore[call-overload]
                inside = inside or (words[token] == "<tool_response>" and not own)
                assert not (inside and own), "what a tool said is in the loss"
                arguments += words[token] in ("10", "50") and not inside and not own
                masked += inside
                inside = inside and words[token] != "</tool_response>"
    assert masked > 500 and arguments > 20

    outcome = np.array([r for batch in seen for r in batch["outcome"]])
    form = np.array([r for batch in seen for r in batch["format"]])
    assert len(outcome) == 10 * 8 and len(set(outcome.tolist())) >= 3 and 0.1 < outcome.mean() < 0.95
    assert form.max() == 1
    logged = trainer.state.log_history
    assert {"reward", "frac_reward_zero_std", "entropy", "watch/copied", "watch/readable"} <= set().union(
        *logged
    )


def test_training_sees_the_probabilities_that_were_drawn_from(config: Config) -> None:
    trainer = grpo.trainer_for(config, Path(config.out), 1)
    sample = trainer.rollout_func
    prompts = list(sample.tools)[:3]
    batch = sample(prompts, trainer)
    checkpoint = sample.checkpoint
    for prompt, ids, tokens, mask in zip(
        prompts, batch["prompt_ids"], batch["completion_ids"], batch["env_mask"], strict=True
    ):
        whole = torch.tensor([ids + tokens])
        with torch.no_grad():
            logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
                trainer.model, whole, torch.ones_like(whole), len(tokens), compute_entropy=True
            )
            plain = checkpoint.model(input_ids=whole).logits[0, len(ids) - 1 : -1].log_softmax(-1)
        at = tokens.index(checkpoint.vocabulary["<recommend>"]) + 1
        candidates = ids[ids.index(checkpoint.vocabulary["<candidates>"]) + 1 :]
        for place, token in enumerate(tokens):
            if not mask[place]:
                continue
            if at <= place < at + 5:
                left = [c for c in candidates if c not in tokens[at:place]]
                expected = plain[place, token] - plain[place, left].logsumexp(0)
                assert entropies[0, place] <= np.log(len(left)) + 1e-4
            else:
                expected = plain[place, token]
            assert logps[0, place] == pytest.approx(float(expected), abs=1e-3)
        assert len(candidates) == 20 and prompt in sample.target


def test_adapter_is_written_and_training_goes_on(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    file = small_runs.written(config)
    base = load_file(Path(config.out) / "model.safetensors")
    for steps in ("2", "3"):
        monkeypatch.setattr("sys.argv", ["grpo", "--config", str(file), "--max-steps", steps])
        shutil.rmtree(Path(config.runs) / "grpo", ignore_errors=steps == "2")
        grpo.main()
    assert (Path(config.out) / "adapter" / "adapter_model.safetensors").is_file()
    after = load_file(Path(config.out) / "model.safetensors")
    assert all(torch.equal(base[name], after[name]) for name in base)
    assert Checkpoint.load(config.out).about["stages"]["grpo"]["steps"] == 3


def test_targets_are_no_part_of_what_the_tools_read(config: Config) -> None:
    frame = load_trajectories(Path(config.runs) / "trajectories").head(20)
    tools = rollouts.tools_of(config, Dataset.load("demo"), frame)
    for row in frame.iter_rows(named=True):
        own = tools[row["prompt"]]
        assert row["target"] in own.candidates and row["target"] not in own.history
        assert own.graph.position(row["reader"]) is None


def test_ranking_is_learned_behind_own_traces(config: Config, tmp_path: Path) -> None:
    source = tmp_path / "copy"
    shutil.copytree(MODELS / "demo", source, ignore=shutil.ignore_patterns("adapter"))
    about = json.loads((source / "star.json").read_text("utf-8"))
    about["stages"].pop("onpolicy", None)
    (source / "star.json").write_text(json.dumps(about), "utf-8")
    config = dataclasses.replace(config, out=str(source), own_rows=16, own_passes=1, sft_batch=8)
    before = load_file(source / "model.safetensors")
    onpolicy.train(config, source)
    after = load_file(source / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in before)
    own = pl.read_parquet(Path(config.runs) / "onpolicy" / "part0.parquet")
    theirs = dict(load_trajectories(Path(config.runs) / "trajectories").select("prompt", "trace").iter_rows())
    assert any(theirs[prompt] != trace for prompt, trace in own.select("prompt", "trace").iter_rows())
    done = Checkpoint.load(str(source))
    assert done.about["stages"]["onpolicy"]["traces"] == own["readable"].sum() > 8
    with pytest.raises(UserError, match="has been through this stage"):
        sys_argv = ["onpolicy", "--config", str(small_runs.written(config))]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", sys_argv)
            onpolicy.main()


def test_only_the_ranking_behind_own_words_is_learned(config: Config) -> None:
    row = load_trajectories(Path(config.runs) / "trajectories").row(0, named=True)
    checkpoint = Checkpoint.load(str(MODELS / "demo"))
    whole = encode(row["prompt"], row["trace"], checkpoint.vocabulary, row["guide"], row["target"])
    roles = onpolicy.ranking_only(whole).roles
    spelled = [checkpoint.words[t] for t in whole.tokens]
    start = spelled.index("<recommend>") + 1
    assert (roles[:start] == onpolicy.UNTRAINED).all() and (roles[start:] != onpolicy.UNTRAINED).all()
    assert roles[start] == RANK and spelled[start] == f"<i{row['target']}>"
