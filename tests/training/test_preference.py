"""Preferences into an adapter: what stands in the loss, that it is learned, that it loads; raters of known taste."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reading
import torch
import toys
from safetensors.torch import load_file

from docs import build as tables
from star.annotation.exchange import export, preferences
from star.annotation.exchange.export import Export, TraceRow
from star.annotation.exchange.rows import Comparison
from star.errors import UserError, command
from star.student.checkpoint import find_checkpoint, fingerprint
from star.student.decoding import GenerationState, write_many
from star.student.model import Checkpoint
from star.student.vocabulary import EOS
from star.trace.steps import parse
from training import preference
from training.lib import rollouts
from training.lib.config import load_config
from training.preference import PreferenceConfig
from training.studies import simulated_raters
from training.studies.simulated_raters import Rater

CATALOG = reading.dataset().catalog


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.save_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def brought() -> Export:
    """The teacher's traces of eight queries, twice each; whoever says more in reflections is preferred."""
    written, comparisons = [], []
    for n in range(8):
        tools = toys.reading_tools(n)
        runs = [toys.run(tools, seed) for seed in (n, n + 100)]
        lengths = []
        for system, done in zip("ab", runs, strict=True):
            words = done.words()
            asked = export.prompt_of(tools.history.tolist()[-20:], tools.candidates.tolist())
            written.append(TraceRow("reading", f"q{n}", system, "hash", asked, " ".join(words)))
            trace = parse(words, len(tools.history))
            lengths.append(sum(len(s.words) for s in trace.steps if s.type == "reflection"))
        choice = "tie" if lengths[0] == lengths[1] else "left" if lengths[0] > lengths[1] else "right"
        comparisons.append(Comparison(f"q{n}", "a", "b", f"rater{n % 2}", choice, 9.0, "trace@1"))  # type: ignore[arg-type]
    return Export("reading", tuple(i.id for i in CATALOG), tuple(written), (), tuple(comparisons))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, source: Path, brought: Export) -> PreferenceConfig:
    runs = tmp_path_factory.mktemp("runs")
    preferences.save_trl(brought, runs / "export")
    return PreferenceConfig(
        str(source), str(runs / "export"), str(runs / "adapter"), batch=2, passes=4, lr=1e-2, rank=4
    )


def test_drawn_words_are_those_that_grpo_takes_too(source: Path) -> None:
    checkpoint = toys.parrot(Checkpoint.load(str(source)), toys.GOOD)
    writers = [
        GenerationState(checkpoint, checkpoint.match(CATALOG), toys.reading_tools(n)) for n in range(3)
    ]
    write_many(writers)
    for writer in writers:
        assert writer.broken is None and "<tool_response>" in writer.words
        tokens = torch.tensor([[*writer.encode(writer.words), checkpoint.eos, 0]])
        found = preference.drawn(tokens, checkpoint.vocabulary, learn_ranking=True)[0].tolist()
        assert found[:-2] == rollouts.drawn(writer) and found[-2] is False
        without = preference.drawn(tokens, checkpoint.vocabulary, learn_ranking=False)[0].tolist()
        ranked = [w for w, a, b in zip(writer.words, found, without, strict=False) if a != b]
        assert ranked == writer.words[writer.words.index("<recommend>") + 1 : -1] and len(ranked) == 5


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_no_word_of_a_tool_or_prompt_is_in_a_real_batch(config: PreferenceConfig, method: str) -> None:
    config = dataclasses.replace(config, method=method)  # type: ignore[arg-type]
    trainer = trainer_of(config)
    words = Checkpoint.load(config.model).words
    batch = next(iter(trainer.get_train_dataloader()))
    for kind in ("", "KL_") if method == "kto" else ("",):
        seen = {"in": 0, "out": 0, "tool": 0}
        for ids, mask in zip(
            batch[f"{kind}input_ids"].tolist(), batch[f"{kind}completion_mask"].tolist(), strict=True
        ):
            place = "prompt"
            for token, inside in zip(ids, mask, strict=True):
                word = words[token]
                place = {"<plan>": "plan", "<tool_response>": "tool", "<recommend>": "end"}.get(word, place)
                shut = place in ("prompt", "tool") or word in ("</recommend>", EOS, "<pad>")
                shut = shut or (place == "end" and word != "<recommend>")
                assert not (shut and inside), f"{word} ({place}) is in the loss"
                assert inside or shut or word.startswith("<i") or word.isdigit() or word == "</tool_call>"
                seen["in" if inside else "out"] += 1
                seen["tool"] += place == "tool"
                place = "plan" if word == "</tool_response>" else place
        assert seen["tool"] > 100 and seen["in"] > 50


def trainer_of(config: PreferenceConfig) -> Any:
    checkpoint = Checkpoint.load(config.model)
    folder = Path(config.data)
    _, items = export.read_manifest(folder)
    columns = (
        preference.pairs(preferences.load_preferences(folder), items, checkpoint)
        if config.method == "dpo"
        else preference.singles(preferences.load_labels(folder), items, checkpoint)
    )
    return preference.trainer_for(config, checkpoint, columns)


def by_hand(model: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Σ log p of the marked tokens (B,), from whole logits."""
    with torch.no_grad():
        logp = model(input_ids=tokens).logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return (logp * mask[:, 1:]).sum(1)


def test_the_loss_is_dpo_over_the_drawn_words_alone(config: PreferenceConfig) -> None:
    trainer = trainer_of(config)
    torch.manual_seed(0)
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.05)  # an adapter that has learned something, or all is zero
    batch = next(iter(trainer.get_train_dataloader()))
    loss = float(trainer.compute_loss(trainer.model, batch).detach())
    tokens, words = batch["input_ids"], Checkpoint.load(config.model).vocabulary
    completion = torch.zeros_like(tokens)
    for row, ids in enumerate(tokens.tolist()):
        completion[row, ids.index(words["<plan>"]) :] = 1
    mask = completion * preference.drawn(tokens, words, False) * (tokens != 0)
    policy = by_hand(trainer.model, tokens, mask)
    with trainer.model.disable_adapter():
        reference = by_hand(trainer.model, tokens, mask)
    chosen, rejected = (policy - reference).chunk(2)
    preferred, half = policy.chunk(2)[0].sum(), mask[: len(mask) // 2, 1:].sum()
    expected = -torch.nn.functional.logsigmoid(config.beta * (chosen - rejected)).mean()
    expected = expected - config.anchor * preferred / half
    assert loss == pytest.approx(float(expected), abs=2e-3)
    assert abs(float((chosen - rejected).mean())) > 0.05
    whole = by_hand(trainer.model, tokens, completion * (tokens != 0))
    assert ((whole - policy).abs() > 10).all(), "the words of the tools would have counted"


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_it_learns_what_was_preferred_and_the_adapter_loads_by_its_path(
    config: PreferenceConfig, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(config, method=method, out=str(tmp_path / "adapter"))  # type: ignore[arg-type]
    weights = load_file(Path(config.model) / "model.safetensors")
    about = preference.train(config)
    assert capsys.readouterr().out == "", "standard output is for one JSON document"
    after = load_file(Path(config.model) / "model.safetensors")
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    base, moved = Checkpoint.load(config.model), Checkpoint.load(config.out)
    assert moved.name == "adapter" and set(moved.about["stages"]) == {method}
    assert moved.about["items"] == base.about["items"] and moved.vocabulary == base.vocabulary
    assert find_checkpoint(config.out) == Path(config.out)
    assert fingerprint(config.out) != fingerprint(config.model) == about["fingerprint"]
    again = Checkpoint.load(config.out, adapter=False)
    same = zip(again.model.parameters(), base.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)

    rows = preferences.load_preferences(Path(config.data))
    gains = []
    for row in rows:
        sums = []
        for checkpoint in (base, moved):
            for text in (row.chosen, row.rejected):
                words = [checkpoint.vocabulary[w] for w in f"{row.prompt} {text}".split()]
                tokens = torch.tensor([words])
                mask = preference.drawn(tokens, checkpoint.vocabulary, False)
                mask[:, : len(row.prompt.split())] = False
                sums.append(float(by_hand(checkpoint.model, tokens, mask.long())))
        gains.append(sums[2] - sums[3] - (sums[0] - sums[1]))
    assert np.mean(gains) > 0.5 and np.mean(np.array(gains) > 0) > 0.7


def test_an_adapter_of_other_weights_is_refused(config: PreferenceConfig, tmp_path: Path) -> None:
    base = toys.save_checkpoint(tmp_path / "base")
    made = dataclasses.replace(config, model=str(base), out=str(tmp_path / "adapter"), passes=1)
    preference.train(made)
    Checkpoint.load(made.out)
    toys.save_checkpoint(tmp_path / "base", seed=1)
    with pytest.raises(UserError, match="trained on other weights") as error:
        Checkpoint.load(made.out)
    assert "\n" not in str(error.value)


def test_items_are_the_checkpoints_own(source: Path) -> None:
    checkpoint = Checkpoint.load(str(source))
    turned = dataclasses.replace(
        checkpoint, about={**checkpoint.about, "items": checkpoint.about["items"][:0:-1]}
    )
    ids = [item.id for item in CATALOG]
    (text,) = preference.in_own_words(["<history> 2 <i0> <i1>"], ids, turned)
    assert text == f"<history> 2 <unk> <i{len(ids) - 2}> "
    tokens = checkpoint.tokenizer(text + "<plan>" + EOS)["input_ids"]
    assert tokens[-2:] == [checkpoint.vocabulary["<plan>"], checkpoint.eos] and len(tokens) == 6


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
        refused(good + "batch: 2.5\n", "expected int", patch)
        refused(good + "batch: 500\n", "at least 500", patch)
        refused(good.replace(config.data, str(tmp_path)), "no manifest.json", patch)
        refused(good.replace(config.model, "nothing"), "no checkpoint 'nothing'", patch)
        (tmp_path / "other").mkdir()
        for name in ("preferences.jsonl", "labels.jsonl"):
            (tmp_path / "other" / name).write_bytes((Path(config.data) / name).read_bytes())
        (tmp_path / "other" / "manifest.json").write_text('{"version": 1, "dataset": "x", "items": ["?"]}')
        refused(good.replace(config.data, str(tmp_path / "other")), "knows no item", patch)


# raters of known taste


def test_tastes_measure_what_they_say() -> None:
    for seed in range(6):
        tools, done = toys.mars(seed)
        words = done.words()
        trace = parse(words, len(tools.history))
        quoted = sum(len(s.words) for s in trace.steps if s.type == "reflection")
        assert simulated_raters.short(trace, tools) == -quoted < 0
        assert simulated_raters.held(trace, tools) == 1
        years = [CATALOG[item].year for item in trace.ranking]
        assert simulated_raters.recent(trace, tools) == pytest.approx(np.mean([y or 0 for y in years]) / 10)
        place = [
            n for n, w in enumerate(words) if w.startswith("x") and words[n - 1 :].count("<reflection>") == 0
        ]
        if place:
            words[place[-1]] = "x77"
            assert simulated_raters.held(parse(words, len(tools.history)), tools) < 1


def test_raters_follow_their_taste_with_noise_ties_and_a_leaning() -> None:
    rng = np.random.default_rng(0)

    def share(rater: Rater, left: float, right: float) -> dict[str, float]:
        said = [rater.choose(left, right, rng) for _ in range(2000)]
        return {choice: said.count(choice) / 2000 for choice in ("left", "right", "tie")}

    plain = Rater("r", strength=2.0, lean=0.0, width=0.2)
    assert share(plain, 1, 0)["left"] == pytest.approx(1 / (1 + np.exp(-2)), abs=0.03)
    assert share(plain, 0.1, 0)["tie"] == pytest.approx(0.7, abs=0.03) and share(plain, 1, 0)["tie"] == 0
    leaning = share(dataclasses.replace(plain, lean=1.0, width=0.0), 0, 0)
    assert leaning["left"] == pytest.approx(1 / (1 + np.exp(-1)), abs=0.03)
    ratings = [[plain.rate(v, rng) for _ in range(200)] for v in (-2.0, 0.0, 2.0)]
    assert np.mean(ratings[0]) < 1.7 < 2.8 < np.mean(ratings[1]) < 3.2 < 4.3 < np.mean(ratings[2])


def test_raters_compare_within_a_query_and_dislike_what_cannot_be_read() -> None:
    apart = np.array([[0.0, 100, 200, np.nan, np.nan], [2.0, 98, 202, 50, np.nan]])
    liked = simulated_raters.liking(apart)
    within = np.std(apart[0, :3] - apart[1, :3]) / np.sqrt(2)
    assert liked[1, 0] - liked[0, 0] == pytest.approx(2 / within) and 0.5 < 2 / within < 2
    assert liked[0, 3] == pytest.approx(liked[1, 3] - 2) and liked[0, 4] == liked[1, 4] == -2


def test_the_experiment_runs_from_raters_to_unseen_readers(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulated_raters, "load_dataset", lambda name: reading.dataset())
    speaking = toys.parrot(Checkpoint.load(str(source)), toys.GOOD)
    loaded: list[str] = []

    def load(model: str, adapter: bool = True) -> Checkpoint:
        loaded.append(model)
        return speaking

    trained: list[PreferenceConfig] = []
    monkeypatch.setattr(simulated_raters.Checkpoint, "load", load)
    monkeypatch.setattr(
        simulated_raters.preference,
        "train",
        lambda config: trained.append(config) or {"stages": {"dpo": {"rows": 12, "steps": 3}}},
    )
    measured_on: list[set[int]] = []
    measure = simulated_raters.measured
    monkeypatch.setattr(
        simulated_raters,
        "measured",
        lambda writers, tasks: measured_on.append({t.reader for t in tasks}) or measure(writers, tasks),
    )
    config = PreferenceConfig(str(source), str(tmp_path / "export"), str(tmp_path / "out"))
    made = simulated_raters.experiment(config, "recent", queries=6, tasks=8)
    (own,) = trained
    assert (own.data, own.out) == (f"{config.data}-recent", f"{config.out}-recent")
    assert own == dataclasses.replace(config, data=own.data, out=own.out)
    assert loaded == [str(source), str(source), own.out]
    assert json.loads(json.dumps(made)) == made and made["queries"] == 6
    assert made["fingerprint"] == fingerprint(str(source)) and made["config"] == dataclasses.asdict(own)
    for name in ("short", "held", "recent", "readable", "words", "hr_mean"):
        row = made["unseen"][name]
        assert row["difference"] == 0 and row["ci"] == [0, 0] and row["n"] == 8
    shown = tables.moved(made)
    assert [row[:2] for row in shown.rows[:2]] == [("**their taste**", "8"), ("valid traces", "8")]
    assert len(shown.rows) == 4 and all(row[-1] == "+0.000 (+0.000 to +0.000)" for row in shown.rows)
    assert "6 pairs of traces" in shown.caption and "DPO on 12 preferences, 3 steps" in shown.caption
    said = export.load_export(Path(own.data))
    assert len(said.comparisons) == 12 and len(said.written) == 12 and len(said.ratings) == 24
    assert len({row.record for row in said.comparisons}) == 6
    held_out = reading.dataset().held_out
    parts = reading.parts()
    asked = simulated_raters.questions(reading.dataset(), parts.train[parts.folds == 9], reading.graph(), 6)
    assert asked and not held_out & {task.reader for task in asked}
    assert measured_on[0] == measured_on[1] <= set(parts.test.tolist()) and made["split"] == "test"
    with pytest.raises(UserError, match="no taste 'odd'"):
        simulated_raters.experiment(config, "odd")

    file = tmp_path / "c.yaml"
    file.write_text(f"model: {config.model}\ndata: {config.data}\nout: {config.out}\n")
    given = f"--config {file} --taste short --queries 4 --tasks 4 --split valid"
    capsys.readouterr()
    for extra in ("", f" --json {tmp_path / 'made.json'}"):
        monkeypatch.setattr("sys.argv", ["simulated_raters", *(given + extra).split()])
        simulated_raters.main()
        assert measured_on.pop() <= set(parts.valid.tolist())
        out = capsys.readouterr().out
        document = json.loads((tmp_path / "made.json").read_text() if extra else out)
        assert document["command"] == f"python -m training.studies.simulated_raters {given}"
        assert document["split"] == "valid" and document["tasks"] == 4 and not (extra and out)
