"""Preferences into a checkpoint: which words are in the loss, that it is learned, and that the result answers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import listed
import numpy as np
import pytest
import torch
import toys
from safetensors.torch import load_file

from star.annotation.exchange import export, preferences
from star.annotation.exchange.export import Export, TraceRow
from star.annotation.exchange.rows import Comparison
from star.errors import UserError, command
from star.student.checkpoint import fingerprint
from star.student.generation import GenerationState, write_all
from star.student.network import Checkpoint
from star.student.vocabulary import SHORTLIST, VOCABULARY
from training import preference
from training.lib.answers import answer_of
from training.lib.causal import CausalStudent, ids_of
from training.lib.config import load_config
from training.preference import PreferenceConfig

V = VOCABULARY
SETTINGS = {"batch": 2, "passes": 6, "lr": 1e-2, "rank": 4}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return listed.save_student(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Export:
    """Answers of two untrained students to the same queries; the one with fewer words is preferred. One pair is of MARS."""
    other = listed.save_student(tmp_path_factory.mktemp("models") / "other", seed=1)
    sides = [listed.answered(Checkpoint.load(folder)) for folder in (source, other)]
    written, comparisons = [], []
    for n, pair in enumerate(zip(*sides, strict=True)):
        for system, (asked, state) in zip("ab", pair, strict=True):
            written.append(TraceRow("demo", f"q{n}", system, "hash", asked, " ".join(state.words)))
        choice = "left" if pair[0][1].generated < pair[1][1].generated else "right"
        comparisons.append(Comparison(f"q{n}", "a", "b", f"rater{n % 2}", choice, 9.0, "trace@1"))  # type: ignore[arg-type]
    tools, _ = toys.mars(0)
    asked = export.prompt_of(tools.history.tolist(), tools.candidates.tolist())
    for seed, system in enumerate("ab"):
        words = toys.run(tools, seed).words()
        written.append(TraceRow("demo", "mars", system, "", asked, f"{' '.join(words)}"))
    comparisons.append(Comparison("mars", "a", "b", "rater0", "left", 9.0, "trace@1"))
    items = tuple(item.id for item in listed.tools()[0].catalog)
    return Export("demo", items, tuple(written), (), tuple(comparisons))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, source: Path, brought: Export) -> PreferenceConfig:
    runs = tmp_path_factory.mktemp("runs")
    preferences.save_trl(brought, runs / "export")
    return PreferenceConfig(str(source), str(runs / "export"), str(runs / "checkpoint"), **SETTINGS)


def trainer_of(config: PreferenceConfig) -> Any:
    folder = Path(config.data)
    if config.method == "dpo":
        columns, _ = preference.pairs(preferences.load_preferences(folder))
    else:
        columns, _ = preference.singles(preferences.load_labels(folder))
    return preference.trainer_for(config, columns)


def test_traces_of_another_system_are_counted_and_left_out(config: PreferenceConfig) -> None:
    rows = preferences.load_preferences(Path(config.data))
    columns, left = preference.pairs(rows)
    assert len(columns["prompt"]) == len(rows) - 1 and sum(left.values()) == 1
    columns, left = preference.singles(preferences.load_labels(Path(config.data)))
    assert len(columns["prompt"]) == 2 * (len(rows) - 1) and sum(left.values()) == 2


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_only_what_the_student_drew_counts_in_a_real_batch(config: PreferenceConfig, method: str) -> None:
    trainer = trainer_of(dataclasses.replace(config, method=method))  # type: ignore[arg-type]
    batch = next(iter(trainer.get_train_dataloader()))
    for kind in ("", "KL_") if method == "kto" else ("",):
        tokens, mask = batch[f"{kind}input_ids"], batch[f"{kind}completion_mask"]
        labels = tokens.masked_fill(mask == 0, -100)
        with torch.no_grad():
            found = trainer.model(input_ids=tokens, attention_mask=tokens != 0, labels=labels, fused_lm_head=True)
        for ids, costs in zip(tokens.tolist(), found.log_probs.tolist(), strict=True):
            begin = [token % len(V) for token in ids].index(V.number[SHORTLIST])
            assert not any(costs[:begin]), "words of the plan or of a tool are in the loss"
            assert sum(cost < 0 for cost in costs[begin:]) > 20


def by_hand(model: CausalStudent, prompt: str, completion: str) -> float:
    """Log-probability of a trace's answer."""
    answer = answer_of(prompt, completion)
    tokens = torch.tensor([ids_of(answer.prefix, answer.slots) + ids_of(answer.words)])
    with torch.no_grad():
        return float(model(tokens, labels=tokens).log_probs.sum())


def test_the_loss_is_that_of_the_paper(config: PreferenceConfig) -> None:
    """DPO, arXiv 2305.18290, equation 7, with the anchor of RPO."""
    trainer = trainer_of(config)
    torch.manual_seed(0)
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.05)  # an adapter that has learned something, or all is zero
    batch = next(iter(trainer.get_train_dataloader()))
    loss = float(trainer.compute_loss(trainer.model, batch).detach())
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    given = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}
    with torch.no_grad():
        policy = trainer.model(**given).log_probs
        with trainer.model.disable_adapter():
            reference = trainer.model(**given).log_probs
    chosen, rejected = (policy - reference).sum(1).chunk(2)
    count = (labels[: len(labels) // 2, 1:] != -100).sum()
    expected = -torch.nn.functional.logsigmoid(config.beta * (chosen - rejected)).mean()
    expected = expected - config.anchor * policy.chunk(2)[0].sum() / count
    assert loss == pytest.approx(float(expected), abs=1e-3)
    assert abs(float((chosen - rejected).mean())) > 0.01


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_it_learns_what_was_preferred_and_the_result_answers(
    config: PreferenceConfig, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passes = {"dpo": 6, "kto": 3}[method]  # a pair is two single traces
    config = dataclasses.replace(config, method=method, passes=passes, out=str(tmp_path / "out"))  # type: ignore[arg-type]
    weights = load_file(Path(config.model) / "model.safetensors")
    about = preference.train(config)
    said = capsys.readouterr()
    assert said.out == "", "standard output is for one JSON document"
    assert said.err.count("rows are left out: ") == 1
    after = load_file(Path(config.model) / "model.safetensors")
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    assert about["form"] == "slots" and set(about["stages"]) == {"sft", method}
    assert about["stages"][method]["from"] == fingerprint(config.model) != fingerprint(config.out)
    assert about == json.loads((tmp_path / "out" / "star.json").read_text("utf-8"))

    base, moved = CausalStudent.load(Path(config.model)), CausalStudent.load(Path(config.out))
    gains = []
    for row in preferences.load_preferences(Path(config.data)):
        if row.record != "mars":
            better, worse = (
                by_hand(moved, row.prompt, text) - by_hand(base, row.prompt, text) for text in (row.chosen, row.rejected)
            )
            gains.append(better - worse)
    assert np.mean(gains) > 0.5 and np.mean(np.array(gains) > 0) > 0.7
    state = GenerationState(Checkpoint.load(Path(config.out)), listed.tools()[0])
    write_all([state])
    assert len(state.order) >= 5


def test_errors_are_one_line(
    config: PreferenceConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"

    def refused(text: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write_text(text)
        monkeypatch.setattr("sys.argv", ["preference", "--config", str(file)])
        with pytest.raises(SystemExit) as stop:
            command(preference.main)
        said = capsys.readouterr().err
        assert stop.value.code == 2 and said.count("\n") == 1 and part in said, said

    good = f"model: {config.model}\ndata: {config.data}\nout: {tmp_path / 'out'}\n"
    file.write_text(good + "lr: 1e-3\nbeta: 1\n")
    read = load_config(str(file), PreferenceConfig)
    assert (read.lr, read.beta) == (1e-3, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        refused("- a\n", "expected fields", patch)
        refused("model: demo\n", "lacks data, out", patch)
        refused(good + "betta: 1\n", "betta", patch)
        refused(good + "method: ppo\n", "expected dpo or kto", patch)
        refused(good + "lr: fast\n", "lr 'fast'; expected float", patch)
        refused(good + "batch: 500\n", "at least 500", patch)
        refused(good.replace(config.data, str(tmp_path)), "no manifest.json", patch)
        refused(good.replace(config.model, "nothing"), "no checkpoint 'nothing'", patch)
        refused(good.replace(str(tmp_path / "out"), config.model), "name another folder", patch)
    with pytest.raises(UserError):
        preference.train(dataclasses.replace(config, batch=100))
