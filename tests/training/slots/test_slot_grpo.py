"""GRPO of the slot student: answers follow the grammar, rewards tell true from false, and a few steps raise the reward."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from star.evidence.graph import Graph
from star.evidence.signals import Signals
from star.student.slots import SILENT, VOCABULARY, Tokens
from training.slots import lists as made
from training.slots import slot_grpo as grpo
from training.slots.network import SlotStudent, save
from training.slots.sequences import Lists, lists_from, paragraphs, rivals
from training.slots.universes import universe


@pytest.fixture(scope="module")
def lists() -> Lists:
    data = universe(2)
    graph = Graph.build(data.interactions, np.arange(60, len(data.interactions)))
    found = made.lists_of(graph, data, Signals.fit(graph, data.catalog), np.arange(60), 4, 0)
    return lists_from(made.stacked(list(found)))


@pytest.fixture(scope="module")
def model() -> SlotStudent:
    return SlotStudent(32, 2, 2, 64, 0)


def test_answers_follow_the_grammar_and_know_what_was_allowed(lists: Lists, model: SlotStudent) -> None:
    found = grpo.rollouts(grpo.snapshot(model), lists, [0, 1], 3, np.random.default_rng(0))
    assert [r.row for r in found] == [0, 0, 0, 1, 1, 1]
    assert len({tuple(r.words.words) for r in found[:3]}) > 1, "drawn words differ"
    for rollout in found:
        assert len(rollout.words) == len(rollout.allowed)
        assert set(rollout.said) == set(rollout.words.words[n] - VOCABULARY.slots + 1 for n in range(len(rollout.said)))
        for word, allowed in zip(rollout.words.words, rollout.allowed, strict=True):
            assert allowed is None or bool(allowed[word])


def test_log_probabilities_are_those_of_the_drawn_words(lists: Lists, model: SlotStudent) -> None:
    """The loss of an answer with advantage 1 is what its words cost when they were drawn."""
    checkpoint = grpo.snapshot(model)
    (rollout,) = grpo.rollouts(checkpoint, lists, [0], 1, np.random.default_rng(0))
    from star.student.compact import Past

    past, cost = Past(), []
    logits = checkpoint.network.read(rollout.prefix, past)
    for word, slot, allowed in zip(rollout.words.words, rollout.words.slots, rollout.allowed, strict=True):
        if allowed is not None:
            cost.append(-float(logits.masked_fill(~allowed, -torch.inf).log_softmax(0)[word]))
        logits = checkpoint.network.read(Tokens([word], [slot]), past)
    with torch.no_grad():
        found = float(grpo.policy_loss(model, [rollout], np.ones(1)))
    assert found == pytest.approx(np.mean(cost), abs=1e-3)


def test_what_a_rule_writes_is_true_and_a_lie_costs(lists: Lists, model: SlotStudent) -> None:
    (rollout,) = grpo.rollouts(grpo.snapshot(model), lists, [0], 1, np.random.default_rng(0))
    slots = list(rollout.heard)[:6]
    said = paragraphs(rollout.heard, slots, rivals(slots))
    v = VOCABULARY

    def as_paragraph(slot: int, tokens: Tokens) -> grpo.Paragraph:
        stated = [w for w in tokens.words[1:-1] if v.signals <= w < v.on or v.related <= w < v.calls]
        over = None
        if v.number["over"] in tokens.words:
            at = tokens.words.index(v.number["over"])
            over = tokens.words[at + 1] - v.slots + 1, tokens.words[at + 2] - v.on
        return grpo.Paragraph(slot, tokens, stated, over)

    rollout.paragraphs = [as_paragraph(slot, tokens) for slot, tokens in said.items()]
    assert grpo.false_statements(rollout) == 0
    true = grpo.reward(rollout, lists, [1.0, *[0.0] * (len(said) - 1)])
    first = rollout.paragraphs[0]
    lie = grpo.Paragraph(first.slot, first.said, [*first.stated, v.number[SILENT]], first.over)
    rollout.paragraphs[0] = lie
    assert grpo.false_statements(rollout) == 1
    assert grpo.reward(rollout, lists, [1.0, *[0.0] * (len(said) - 1)]) == pytest.approx(true - grpo.FALSE)


def test_the_command_goes_on_from_a_checkpoint(
    lists: Lists, model: SlotStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(model, tmp_path / "start", {"form": "slots", "stages": {"train": {}}})
    monkeypatch.setattr(grpo, "read_lists", lambda folder: ([(1.0, lists)], {"small": lists}))
    given = ["--lists", "none", "--start", str(tmp_path / "start"), "--out", str(tmp_path / "out")]
    short = ["--steps", "2", "--batch", "2", "--each", "3", "--measure", "6", "--minutes", "5"]
    monkeypatch.setattr("sys.argv", ["grpo", *given, *short])
    grpo.main()
    assert "before" in capsys.readouterr().out
    stages = json.loads((tmp_path / "out" / "star.json").read_text())["stages"]
    assert stages["grpo"]["steps"] == 2 and set(stages["grpo"]["validation"]["after"]["small"]) == {"mean", "true", "words"}
