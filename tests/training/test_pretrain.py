"""Training on a small data set: what enters the loss, what the stages may see, and that they go on after a stop."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import small_runs
import torch
import toys
from transformers import TrainerCallback, TrainerState

from star import ROOT
from star.data.loading import load_dataset
from star.errors import UserError
from star.student.model import Checkpoint
from star.student.vocabulary import build_tokenizer, words_of
from star.trace.steps import parse
from training import pretrain, sft
from training.lib import loss, manifest, start
from training.lib.config import Config, load_config
from training.lib.corpus import (
    FORMS,
    PROMPT,
    RANK,
    TOOL,
    WRITTEN,
    Sequence,
    encode,
    item_tokens,
    load_trajectories,
    permute_entities,
    perturb_counts,
    swap_candidates,
)
from training.lib.device import compiles, device_for, mixed, native_bf16


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return small_runs.make(tmp_path_factory.mktemp("runs"))


def test_trajectories_parse_and_kept_means_first(config: Config) -> None:
    frame = load_trajectories(Path(config.runs) / "trajectories")
    data = load_dataset("demo")
    held = data.held_out
    for row in frame.iter_rows(named=True):
        trace = parse(row["trace"].split(), row["shelf"])
        assert (trace.ranking[0] == row["target"]) == row["kept"]
        assert f"<i{row['target']}>" not in row["prompt"].split("<candidates>")[0].split()
        assert row["reader"] not in held
    assert 0.05 < frame["kept"].mean() < 0.95


def test_roles_cover_what_they_should(config: Config) -> None:
    words = words_of(load_dataset("demo").catalog, 2000)
    vocabulary = {word: n for n, word in enumerate(words)}
    row = load_trajectories(Path(config.runs) / "trajectories").row(0, named=True)
    sequence = encode(row["prompt"], row["trace"], vocabulary, row["guide"], row["target"])
    spelled = [words[t] for t in sequence.tokens]
    roles = sequence.roles
    assert (roles == PROMPT).sum() == len(row["prompt"].split())
    assert [spelled[n] for n in np.flatnonzero(roles == RANK)] == [f"<i{row['target']}>"]
    tool = [spelled[n] for n in np.flatnonzero(roles == TOOL)]
    assert (
        tool.count("<tool_response>")
        == tool.count("</tool_response>")
        == spelled.count("<tool_response>")
        > 0
    )
    written = [spelled[n] for n in np.flatnonzero(roles == WRITTEN)]
    assert (
        "<plan>" in written and written[-1] == "<eos>" and not {"<tool_response>", "<history>"} & set(written)
    )
    assert sequence.soft.sum() == pytest.approx(1, abs=1e-5) and len(sequence.candidates) == len(row["guide"])


def test_other_counts_are_the_same_wherever_they_are_quoted(config: Config) -> None:
    changed, strengths = Counter[str](), Counter[str]()
    for row in load_trajectories(Path(config.runs) / "trajectories").iter_rows(named=True):
        new = perturb_counts(row["trace"], 2000, np.random.default_rng(row["reader"]))
        before, after = (parse(t.split(), row["shelf"]) for t in (row["trace"], new))
        assert after.ranking == before.ranking
        said = [c for s in after.steps if s.type == "tool_response" for c in s.claims]
        for step, old in zip(after.steps, before.steps, strict=True):
            assert (step.type, step.name, step.arguments) == (old.type, old.name, old.arguments)
            for claim, was in zip(step.claims, old.claims, strict=True):
                assert (claim.kind, claim.subject, claim.anchor) == (was.kind, was.subject, was.anchor)
                assert claim.label == was.label and (
                    claim.kind == "similar" or claim.strength == was.strength
                )
                strengths[claim.kind] += claim.strength != was.strength
                if claim.kind != "opinion":
                    assert claim in said, "a quotation has other numbers than the line it quotes"
                if claim.kind == "co_read" and claim.anchor is not None:
                    assert 5 <= claim.numbers["both"] <= claim.numbers["of"] <= 2000
                    assert 0.1 <= claim.numbers["lift"] <= 99
                elif claim.kind == "similar":
                    assert 5 <= claim.numbers.get("both", 5) <= claim.numbers["of"] == was.numbers["of"]
                else:
                    assert claim == was
                changed[claim.kind] += claim.numbers != was.numbers
    assert changed["co_read"] > 100 and changed["similar"] > 100 and strengths["similar"] > 50


def test_other_counts_are_words_that_the_student_has(config: Config) -> None:
    words = set(words_of(load_dataset("demo").catalog, 800))
    for row in load_trajectories(Path(config.runs) / "trajectories").iter_rows(named=True):
        assert set(perturb_counts(row["trace"], 800, np.random.default_rng(row["at"])).split()) <= words


def test_other_items_stand_everywhere_in_place_of_the_same_one(config: Config) -> None:
    words = words_of(load_dataset("demo").catalog, 2000)
    vocabulary = {word: n for n, word in enumerate(words)}
    items, rng = item_tokens(vocabulary), np.random.default_rng(0)
    assert [words[token] for token in items] == [f"<i{n}>" for n in range(len(load_dataset("demo").catalog))]
    for row in load_trajectories(Path(config.runs) / "trajectories").iter_rows(named=True):
        before = encode(row["prompt"], row["trace"], vocabulary, row["guide"], row["target"])
        after = permute_entities(before, items, rng)
        pairs = set(zip(before.tokens.tolist(), after.tokens.tolist(), strict=True))
        assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs})
        assert {old for old, new in pairs if old == new} >= {old for old, _ in pairs if old not in items}
        assert sum(old != new for old, new in pairs) > 10
        assert {new for old, new in pairs if old in items} <= set(items.tolist())
        assert set(zip(before.candidates.tolist(), after.candidates.tolist(), strict=True)) <= pairs
        assert (after.roles == before.roles).all() and (after.soft == before.soft).all()
        parse([words[token] for token in after.tokens[(before.roles == PROMPT).sum() : -1]], row["shelf"])


def test_exchanged_candidates_take_each_others_evidence_and_no_more(config: Config) -> None:
    words = words_of(load_dataset("demo").catalog, 2000)
    vocabulary = {word: n for n, word in enumerate(words)}
    rng = np.random.default_rng(0)
    for row in load_trajectories(Path(config.runs) / "trajectories").iter_rows(named=True):
        before = encode(row["prompt"], row["trace"], vocabulary, row["guide"], row["target"])
        after = swap_candidates(before, rng)
        to = dict(zip(before.candidates.tolist(), after.candidates.tolist(), strict=True))
        assert set(to) == set(to.values()) and sum(old != new for old, new in to.items()) > 10
        assert [to.get(old, old) for old in before.tokens.tolist()] == after.tokens.tolist()
        assert (after.roles == before.roles).all() and (after.soft == before.soft).all() and not after.real
        shelf = before.tokens[: words_before(before)]
        assert (after.tokens[: len(shelf)] == shelf).all(), "the shelf stays as it was"
        parse([words[token] for token in after.tokens[(before.roles == PROMPT).sum() : -1]], row["shelf"])


def words_before(sequence: Sequence) -> int:
    """How many words a prompt has before its candidates."""
    return int((sequence.roles == PROMPT).sum()) - len(sequence.candidates)


def first_of(config: Config) -> tuple[list[str], dict[str, int], Sequence]:
    """The words of a student, each with its token, and the first trajectory as tokens."""
    words = words_of(load_dataset("demo").catalog, 2000)
    vocabulary = {word: n for n, word in enumerate(words)}
    row = load_trajectories(Path(config.runs) / "trajectories").row(0, named=True)
    return words, vocabulary, encode(row["prompt"], row["trace"], vocabulary, row["guide"], row["target"])


def test_naming_an_item_outside_the_context_is_a_loss(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, vocabulary, sequence = first_of(config)
    model = pretrain.new_model(words, 32, 1, 2, 64, 0)
    mask = loss.mask_of(item_tokens(vocabulary), len(words))
    report = loss.loss_of(model, [sequence], np.random.default_rng(0), mask)[1]
    tokens = torch.from_numpy(sequence.tokens.astype(np.int64))
    with torch.no_grad():
        p = model(input_ids=tokens[None]).logits[0].float().softmax(-1)
    end = int(np.flatnonzero(sequence.roles == RANK)[0])
    named = [n for n in range(1, end) if sequence.roles[n] == WRITTEN and words[tokens[n]].startswith("<i")]
    there = tokens.unique()
    inside = there[mask[there]]
    expected = [float(torch.log(p[n - 1, mask].sum() / p[n - 1, inside].sum())) for n in named]
    assert len(named) > 5 and report["strange"] == pytest.approx(np.mean(expected), rel=1e-3)
    assert report["strange"] > 1, "a fresh model names anything"


def test_ranking_an_item_again_is_a_loss(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    words, vocabulary, sequence = first_of(config)
    model = pretrain.new_model(words, 32, 1, 2, 64, 0)
    mask = loss.mask_of(item_tokens(vocabulary), len(words))
    start = int(np.flatnonzero(sequence.roles == RANK)[0])
    ranked = [n for n in range(start, len(sequence.tokens)) if words[sequence.tokens[n]].startswith("<i")]
    assert len(ranked) == 5

    whole, report = loss.loss_of(model, [sequence], np.random.default_rng(0), mask)
    tokens = torch.from_numpy(sequence.tokens.astype(np.int64))
    with torch.no_grad():
        p = model(input_ids=tokens[None]).logits[0].float().softmax(-1)
    expected = [-float(torch.log1p(-p[n - 1, tokens[start:n]].sum())) for n in ranked[1:]]
    assert report["again"] == pytest.approx(np.mean(expected), rel=1e-3) and report["again"] > 0
    monkeypatch.setattr(loss, "AGAIN", 1000 * loss.AGAIN)
    assert loss.loss_of(model, [sequence], np.random.default_rng(0), mask)[0] > whole


def test_candidates_are_ranked_at_the_end_of_the_prompt_where_the_items_are_real(config: Config) -> None:
    words, vocabulary, sequence = first_of(config)
    model = pretrain.new_model(words, 32, 1, 2, 64, 0)
    items = item_tokens(vocabulary)
    with torch.no_grad():
        prompt = torch.from_numpy(sequence.tokens[sequence.roles == PROMPT].astype(np.int64))
        last = model(input_ids=prompt[None]).logits[0, -1].float()
        p = last[torch.from_numpy(sequence.candidates.astype(np.int64))].softmax(-1)
    at = int(np.flatnonzero(sequence.candidates == sequence.tokens[sequence.roles == RANK])[0])
    guide = -(torch.from_numpy(sequence.soft) * p.log()).sum()
    expected = loss.GUIDE * guide - (1 - loss.GUIDE) * p[at].log()
    other = permute_entities(sequence, items, np.random.default_rng(0))

    def report(batch: list[Sequence]) -> dict[str, float]:
        mask = loss.mask_of(items, len(words))
        return loss.loss_of(model, batch, np.random.default_rng(0), mask)[1]

    assert report([sequence])["prior"] == pytest.approx(float(expected), rel=1e-3)
    assert report([other, sequence])["prior"] == pytest.approx(float(expected), rel=1e-3)
    assert report([other])["prior"] == 0


def test_ranking_is_not_learned_behind_other_numbers(config: Config) -> None:
    """With other items and other numbers alike the guide says nothing; behind the numbers that were found it does."""
    words, vocabulary, sequence = first_of(config)
    model = pretrain.new_model(words, 32, 1, 2, 64, 0)
    items = item_tokens(vocabulary)
    mask = loss.mask_of(items, len(words))
    other = permute_entities(sequence, items, np.random.default_rng(0))

    def value(counted: bool, soft: np.ndarray) -> float:
        batch = [dataclasses.replace(other, counted=counted, soft=soft)]
        return loss.loss_of(model, batch, np.random.default_rng(0), mask)[0].item()

    elsewhere = np.roll(sequence.soft, 1)
    assert value(False, sequence.soft) == value(False, elsewhere)
    assert value(True, sequence.soft) != value(True, elsewhere)


@pytest.mark.parametrize("form", FORMS)
def test_forms_leave_steps_out(config: Config, form: str) -> None:
    vocabulary = {word: n for n, word in enumerate(words_of(load_dataset("demo").catalog, 2000))}
    row = load_trajectories(Path(config.runs) / "trajectories").row(0, named=True)
    words = list(vocabulary)
    sequence = encode(row["prompt"], row["trace"], vocabulary, row["guide"], row["target"], form)
    spelled = [words[t] for t in sequence.tokens]
    for step in ("plan", "tool_call", "tool_response", "reflection"):
        assert (f"<{step}>" in spelled) == (step not in FORMS[form])
    assert (sequence.roles == RANK).sum() == 1 and spelled[-1] == "<eos>"
    assert spelled[np.flatnonzero(sequence.roles == RANK)[0]] == f"<i{row['target']}>"


@pytest.mark.parametrize("renumbered", [0.0, 1.0])
def test_labels_of_a_real_batch_leave_out_prompt_and_tools(config: Config, renumbered: float) -> None:
    """And the first of the ranking behind other numbers than were found."""
    config = dataclasses.replace(config, renumbered=renumbered)
    words = words_of(load_dataset("demo").catalog, 2000)
    tokenizer = build_tokenizer(words)
    rows, share = sft.kept_rows(config, tokenizer.get_vocab())
    assert rows and 0 < share < 1
    model = pretrain.new_model(words, 32, 1, 2, 64, 0)
    batch = next(iter(sft.trainer_for(config, model, tokenizer, rows, 2).get_train_dataloader()))
    inside = 0
    for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        place = word = None
        for token, label in zip(ids, labels, strict=True):
            last, word = word, words[token]
            place = (
                "prompt"
                if word == "<history>"
                else None
                if word == "<plan>"
                else "tool"
                if word == "<tool_response>"
                else place
            )
            if place or word == "<pad>" or (last == "<recommend>" and renumbered):
                assert label == sft.IGNORED, f"{word} ({place}) is in the loss"
                inside += 1
            else:
                assert label == token
            place = None if word == "</tool_response>" else place
    assert inside > 100


def test_pretraining_goes_on_after_a_stop_and_sft_writes_a_checkpoint(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "SAVE_EVERY", 0.0)
    before = torch.get_num_threads()
    pretrain.train(config, 0.05)
    state = torch.load(Path(config.runs) / "pretrain" / "state.pt", weights_only=True)
    pretrain.train(config, 0.1)
    later = torch.load(Path(config.runs) / "pretrain" / "state.pt", weights_only=True)
    assert later["step"] > state["step"] > 0
    assert later["optimizers"][1]["state"][0]["step"] == later["step"]
    monkeypatch.setattr("sys.argv", ["sft", "--config", str(small_runs.written(config)), "--max-steps", "2"])
    sft.main()
    torch.set_num_threads(before)
    done = Checkpoint.load(config.out)
    assert (
        done.about["stages"]["sft"]["steps"] == 2
        and done.about["stages"]["pretrain"]["steps"] == later["step"]
    )


def test_pretraining_reads_as_many_sequences_as_it_is_told(config: Config) -> None:
    before = torch.get_num_threads()
    few = dataclasses.replace(
        config,
        runs=f"{config.runs}-few",
        trajectories=str(config.trajectory_folder),
        pretrain_sequences=5 * config.pretrain_batch,
    )
    folder = pretrain.train(few)
    torch.set_num_threads(before)
    stage = json.loads((folder / "star.json").read_text("utf-8"))["stages"]["pretrain"]
    assert (stage["steps"], stage["sequences"]) == (5, few.pretrain_sequences)


def test_the_rate_falls_to_zero_in_every_cycle() -> None:
    def at(*done: float, step: int = 1000) -> list[float]:
        return [round(pretrain.rate_at(share, step, 2), 3) for share in done]

    assert at(0, 0.2, 0.25, 0.375, 0.4999) == [1, 1, 1, 0.5, 0]
    assert at(0.5, 0.75, 0.875, 0.9999) == [1, 1, 0.5, 0]
    assert at(0, 0.6, step=99) == [0.5, 0.5], "the first steps rise to it"
    assert pretrain.rate_at(0.75, 1000, 1) == 0.5


def test_a_start_is_taken_over_word_by_word(tmp_path: Path) -> None:
    before = Checkpoint.load(str(toys.save_checkpoint(tmp_path / "before")))
    words = [*before.words[::-1], "~100003", "~7", "new"]
    model = pretrain.new_model(words, 32, 1, 2, 64, 1)
    table = model.model.embed_tokens.weight
    fresh = table[-3:].clone()
    start.take_over(model, words, before)
    old, new = before.model.model, model.model
    assert torch.equal(new.embed_tokens.weight[:-3].flip(0), old.embed_tokens.weight)
    assert torch.equal(new.embed_tokens.weight[-1], fresh[-1]) and "100003" not in before.words
    assert torch.equal(new.embed_tokens.weight[-3], fresh[0])
    seven = old.embed_tokens.weight[before.vocabulary["7"]]
    assert torch.cosine_similarity(new.embed_tokens.weight[-2], seven, 0) > 0.5
    assert torch.equal(new.layers[0].mlp.up_proj.weight, old.layers[0].mlp.up_proj.weight)
    assert model.lm_head.weight is new.embed_tokens.weight
    with pytest.raises(UserError, match="leave `start` out"):
        start.take_over(pretrain.new_model(words, 16, 1, 2, 64, 1), words, before)


def test_config_errors_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_config(str(tmp_path / "none.yaml"))
    (tmp_path / "odd.yaml").write_text("dataset: demo\nruns: r\nout: o\nlayerz: 3\n")
    with pytest.raises(UserError, match="layerz"):
        load_config(str(tmp_path / "odd.yaml"))
    (tmp_path / "form.yaml").write_text("dataset: demo\nruns: r\nout: o\nform: short\n")
    with pytest.raises(UserError, match="form 'short'"):
        load_config(str(tmp_path / "form.yaml"))
    (tmp_path / "shares.yaml").write_text("dataset: demo\nruns: r\nout: o\nnegatives: [1, x, 0]\n")
    with pytest.raises(UserError, match=r"negatives \[1, 'x', 0\]; expected list\[float, float, float\]"):
        load_config(str(tmp_path / "shares.yaml"))
    with pytest.raises(UserError, match="no trajectories"):
        load_trajectories(tmp_path)


class Steps(TrainerCallback):
    """The steps that a trainer takes, broken off before `stop` as by a kill: without a word to anyone."""

    def __init__(self, stop: int | None) -> None:
        self.taken: list[int] = []
        self.stop = stop

    def on_step_begin(self, args: object, state: TrainerState, control: object, **_: object) -> None:
        if state.global_step == self.stop:
            raise KeyboardInterrupt
        self.taken.append(state.global_step)


def test_sft_goes_on_after_a_stop_to_the_same_weights(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last save is whole, and beside it lies one that was broken off within."""
    monkeypatch.setattr(sft, "SAVE_EVERY", 1)
    monkeypatch.setattr(sft, "LOG_EVERY", 1)
    pretrained = tmp_path / "pretrain" / "model"
    before = torch.get_num_threads()
    pretrain.train(
        dataclasses.replace(config, runs=str(tmp_path), trajectories=str(config.trajectory_folder)), 0.02
    )
    make = sft.trainer_for

    def run(
        name: str, stop: int | None = None
    ) -> tuple[dict[str, torch.Tensor], dict[str, object], list[int]]:
        runs = tmp_path / name
        shutil.copytree(pretrained, runs / "pretrain" / "model", dirs_exist_ok=True)
        made = dataclasses.replace(
            config, runs=str(runs), out=str(runs / "out"), trajectories=str(config.trajectory_folder)
        )
        steps = Steps(stop)

        def watched(*given: object) -> object:
            trainer = make(*given)  # type: ignore[arg-type]
            trainer.add_callback(steps)
            return trainer

        monkeypatch.setattr(sft, "trainer_for", watched)
        monkeypatch.setattr(
            "sys.argv", ["sft", "--config", str(small_runs.written(made)), "--max-steps", "4"]
        )
        sft.main()
        done = Checkpoint.load(made.out)
        return dict(done.model.state_dict()), done.about["stages"]["sft"], steps.taken

    whole, stage, _ = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("stopped", stop=2)
    folder = tmp_path / "stopped" / "sft"
    assert [save.name for save in folder.glob("checkpoint-*")] == ["checkpoint-2"]
    shutil.copytree(folder / "checkpoint-2", folder / "checkpoint-3")
    (folder / "checkpoint-3" / "trainer_state.json").unlink()
    (folder / "checkpoint-3" / "optimizer.pt").write_bytes(b"half a fi")
    later, again, steps = run("stopped")
    torch.set_num_threads(before)
    assert steps == [2, 3] and again == stage and stage["loss"] > 0
    assert all(torch.equal(whole[name], later[name]) for name in whole)


def test_without_rows_sft_hands_the_pretrained_model_on(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dataclasses.replace(config, runs=str(tmp_path), out=str(tmp_path / "out"), sft_rows=0)
    (tmp_path / "pretrain" / "model").mkdir(parents=True)
    (tmp_path / "pretrain" / "model" / "star.json").write_text("{}", "utf-8")
    monkeypatch.setattr("sys.argv", ["sft", "--config", str(small_runs.written(made))])
    sft.main()
    assert (tmp_path / "out" / "star.json").read_text("utf-8") == "{}"


CONFIGS = sorted(
    p for p in (ROOT / "training" / "configs").glob("*.yaml") if not p.stem.startswith("preference")
)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_configs_of_the_repository_fit_together(file: Path) -> None:
    made = load_config(str(file))
    assert made.runs.startswith("runs/") and made.out.startswith(("runs/", "assets/models/"))
    assert made.hidden % made.heads == 0
    of_a_step = made.grpo_tasks * made.grpo_group
    assert of_a_step % made.grpo_batch == 0 and made.grpo_batch % made.grpo_group == 0
    assert set(made.sft_folds) < set(range(10))
    if made.trajectories:  # those of another config, made with the same settings
        others = [o for o in map(load_config, map(str, CONFIGS)) if not o.trajectories]
        (makes,) = [o for o in others if o.trajectory_folder == made.trajectory_folder]
        assert all(getattr(makes, name) == getattr(made, name) for name in manifest.SETTINGS)


@pytest.mark.parametrize(
    ("amx", "own", "expected"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_bf16_only_where_the_cpu_has_it_and_compiled_only_where_a_compiler_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amx: bool, own: bool, expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: own)
    with mixed(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert (product.dtype == torch.bfloat16) == expected
    assert native_bf16(torch.device("cuda"))
    assert compiles(torch.device("cuda"))
    compiler = tmp_path / "g++"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert compiles(torch.device("cpu")) == expected
    monkeypatch.setenv("CXX", str(tmp_path / "another"))
    assert not compiles(torch.device("cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="of the CPU")
def test_numbers_that_slow_a_cpu_down_are_zero() -> None:
    small = torch.full((4,), 1e-30)
    torch.set_flush_denormal(False)
    assert (small * 1e-10 > 0).all()
    assert device_for(1).type == "cpu"
    assert (small * 1e-10 == 0).all() and (small * 1e-7 > 0).all()
