"""Training on own traces for real, from the shipped demo checkpoint: steps of GRPO with rewards that differ and a mask
that is right; ranking behind own traces."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import small_runs
import torch
from safetensors.torch import load_file

from star import ROOT
from star.data.loading import load_dataset
from star.data.tasks import difficulty
from star.errors import UserError
from star.recommend.recommendation import Query
from star.recommend.recommender import Star, answer
from star.student.decoding import GenerationState
from star.student.model import MODELS, Checkpoint
from star.trace.grammar import TraceError
from training import grpo, onpolicy
from training.lib import rollouts
from training.lib.config import Config
from training.lib.corpus import load_trajectories
from training.lib.correction import expert_corrected

STEPS = 10


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


def test_steps(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = grpo.trainer_for(config, Path(config.out), STEPS)
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
    assert masked > 50 * STEPS and arguments > 2 * STEPS

    outcome = np.array([r for batch in seen for r in batch["outcome"]])
    form = np.array([r for batch in seen for r in batch["format"]])
    assert len(outcome) == STEPS * 8 and len(set(outcome.tolist())) >= 3 and 0.1 < outcome.mean() < 0.95
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
                expected = plain[at, token] - plain[at, left].logsumexp(0)  # settled at the first place
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
    star = Star(load_dataset("demo"), config.out)
    query = Query(tuple(star.serving.dataset.interactions.history(0)[:9].tolist()), adapter=False)
    assert star.adapter == "grpo" and Checkpoint.load(config.out, adapter=False).adapter is None
    plain = answer(Star(load_dataset("demo"), str(MODELS / "demo")), query)
    off = answer(star, query)
    assert off.text == plain.text and off.checkpoint.endswith("without grpo")


def test_targets_are_no_part_of_what_the_tools_read(config: Config) -> None:
    frame = load_trajectories(Path(config.runs) / "trajectories").head(20)
    tools = rollouts.tools_of(config, load_dataset("demo"), frame)
    for row in frame.iter_rows(named=True):
        own = tools[row["prompt"]]
        assert row["target"] in own.candidates and row["target"] not in own.history
        assert own.graph.position(row["reader"]) is None


def test_own_traces_are_learned_from(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "copy"
    shutil.copytree(MODELS / "demo", source, ignore=shutil.ignore_patterns("adapter"))
    about = json.loads((source / "star.json").read_text("utf-8"))
    about["stages"] = {k: v for k, v in about["stages"].items() if not k.startswith("onpolicy")}
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
    assert done.about["stages"]["onpolicy"]["traces"] == own["changed"].count() > 8

    def main(config: Config) -> None:
        monkeypatch.setattr("sys.argv", ["onpolicy", "--config", str(small_runs.written(config))])
        onpolicy.main()

    with pytest.raises(UserError, match="has been through this stage"):
        main(config)
    assert onpolicy.rounds_of(source) == 1
    main(dataclasses.replace(config, own_rounds=2))
    assert (
        list(Checkpoint.load(str(source)).about["stages"])[-1] == "onpolicy-2"
        and onpolicy.rounds_of(source) == 2
    )
    assert (Path(config.runs) / "onpolicy-2" / "part0.parquet").is_file()


def test_own_traces_go_on_after_a_stop(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands is not written again, and the whole is what an undisturbed run writes."""
    checkpoint = Checkpoint.load(str(MODELS / "demo"), adapter=False)
    frame = load_trajectories(config.trajectory_folder).unique("prompt", maintain_order=True).head(12)
    monkeypatch.setattr(onpolicy, "PART", 4)
    whole = onpolicy.rollouts(config, checkpoint, frame, tmp_path / "whole", 1.0)
    write, parts, most = onpolicy.write_many, [], 1

    def counts(writers: list[GenerationState], *rest: object) -> None:
        if len(parts) == most:
            raise KeyboardInterrupt
        parts.append(len(writers))
        write(writers, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(onpolicy, "write_many", counts)
    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        onpolicy.rollouts(config, checkpoint, frame, folder, 1.0)
    (folder / "part1.part").write_bytes(b"left by a process that was killed")
    assert [file.name for file in folder.glob("*.parquet")] == ["part0.parquet"]
    parts.clear()
    most = 3
    assert onpolicy.rollouts(config, checkpoint, frame, folder, 1.0).equals(whole)
    assert parts == [4, 4] and len(whole) > 6


def test_two_processes_learn_from_own_traces(config: Config, tmp_path: Path) -> None:
    """Started with torch.distributed.run: shared batches, one checkpoint."""
    source, runs = tmp_path / "copy", tmp_path / "runs"
    shutil.copytree(MODELS / "demo", source, ignore=shutil.ignore_patterns("adapter"))
    about = json.loads((source / "star.json").read_text("utf-8"))
    about["stages"] = {k: v for k, v in about["stages"].items() if not k.startswith("onpolicy")}
    (source / "star.json").write_text(json.dumps(about), "utf-8")
    runs.mkdir()
    config = dataclasses.replace(
        config,
        out=str(source),
        runs=str(runs),
        trajectories=str(config.trajectory_folder),
        own_rows=16,
        own_passes=1,
        sft_batch=8,
    )
    before = load_file(source / "model.safetensors")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "training.onpolicy", "--config", str(small_runs.written(config))],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    stage = Checkpoint.load(str(source)).about["stages"]["onpolicy"]
    assert stage["traces"] > 8 and stage["steps"] == stage["traces"] // 4
    after = load_file(source / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_student_that_writes_nothing_readable_is_told_of(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, runs = tmp_path / "copy", tmp_path / "runs"
    shutil.copytree(MODELS / "demo", source, ignore=shutil.ignore_patterns("adapter"))
    shutil.copytree(Path(config.runs) / "trajectories", runs / "trajectories")
    monkeypatch.setattr(onpolicy, "_corrected", lambda writer: None)
    kept = (source / "model.safetensors").read_bytes()
    config = dataclasses.replace(config, out=str(source), runs=str(runs), own_rows=4, sft_batch=4)
    with pytest.raises(UserError, match=r"0 of 4 on-policy rollouts .* expected a batch of 2 at least; pretrain"):
        onpolicy.train(config, source)
    assert (source / "model.safetensors").read_bytes() == kept


def test_quotations_are_set_right() -> None:
    told = "<plan> take the last 10 books ; </plan> <tool_call> item_cf 10 </tool_call> <tool_response> "
    told += "<i1> good author_2 x3 14 /531 <i9> <i1> ; <i2> weak few <i2> ; </tool_response> "
    told += (
        "<tool_call> user_cf 30 </tool_call> <tool_response> <i1> similar_fair 7/30 <i1> ; </tool_response> "
    )
    right = (
        "both point to <i1> ; <i1> good author_2 x3 14 /531 <i9> ; <i1> similar_fair 7/30 ; <i2> weak few ;"
    )
    end = "</reflection> <recommend> <i2> <i1> </recommend>"
    cases = {
        right: 0,
        right.replace("/531", "/530"): 1,
        right.replace("7/30", "7"): 1,
        right.replace("<i2> weak few", "<i2> <i2> <i2>"): 1,
        right + " strong few ; <i3> weak few ;": 2,
        right + " <i2> similar_weak few ; <i1> similar_fair 7/30 ;": 2,
        right + " <i1> similar": 0,
    }
    for said, count in cases.items():
        words, changed = expert_corrected(f"{told}<reflection> {said} {end}".split(), 12)
        assert " ".join(words) == f"{told}<reflection> {right} {end}", said
        assert changed == count, said
    with pytest.raises(TraceError):
        expert_corrected(f"{told}<reflection> {right}".split(), 12)


def test_teachers_traces_need_no_mending(config: Config) -> None:
    for row in load_trajectories(Path(config.runs) / "trajectories").iter_rows(named=True):
        assert expert_corrected(row["trace"].split(), row["shelf"]) == (row["trace"].split(), 0)
