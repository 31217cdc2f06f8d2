"""The student for TRL: tokens are words with slots, probabilities those of sampling, and the adapter is merged exactly."""

from __future__ import annotations

from pathlib import Path

import listed
import numpy as np
import pytest
import torch
from peft import get_peft_model

from star.student.decoder import Past
from star.student.network import Checkpoint
from star.student.vocabulary import SHORTLIST, SLOTS, VOCABULARY, Tokens
from training.lib import causal
from training.lib.answers import Rollout, rollouts
from training.lib.causal import CausalStudent, ids_of

V = VOCABULARY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return listed.save_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def drawn(folder: Path) -> list[Rollout]:
    return rollouts(Checkpoint.load(folder), listed.lists(), [0, 1], 2, np.random.default_rng(0))


def whole(rollout: Rollout) -> list[int]:
    return ids_of(rollout.prefix, len(rollout.order)) + ids_of(rollout.words)


def test_text_and_tokens_are_the_same_thing(drawn: list[Rollout]) -> None:
    tokenizer = causal.tokenizer()
    for rollout in drawn:
        tokens = whole(rollout)
        assert tokenizer(causal.text_of(tokens))["input_ids"] == tokens
    assert len(tokenizer) == (SLOTS + 1) * len(V)
    assert len({causal.text_of([token]) for token in range(len(tokenizer))}) == len(tokenizer)
    assert tokenizer.decode([tokenizer.eos_token_id]) == "<end>@0"


def test_the_probabilities_are_those_of_sampling(folder: Path, drawn: list[Rollout]) -> None:
    network, model = Checkpoint.load(folder).network, CausalStudent.load(folder)
    for rollout in drawn[:2]:
        past, expected = Past(), [0.0] * (len(rollout.prefix) - 1)
        logits = network.read(rollout.prefix, past)
        for word, slot, allowed in zip(rollout.words.words, rollout.words.slots, rollout.allowed, strict=True):
            mask = torch.ones(len(V), dtype=torch.bool) if allowed is None else allowed
            cost = float(logits.masked_fill(~mask, -torch.inf).log_softmax(0)[word])
            expected.append(0.0 if allowed is None else cost)
            logits = network.read(Tokens([word], [slot]), past)
        tokens = torch.tensor([whole(rollout)])
        with torch.no_grad():
            found = model(tokens, labels=tokens)
        assert found.log_probs[0].tolist() == pytest.approx(expected, abs=1e-3)
        assert (found.entropy[0] > 0).sum() > 20 and not found.entropy[0, : len(rollout.prefix) - 1].any()


def test_padding_on_either_side_changes_nothing(folder: Path, drawn: list[Rollout]) -> None:
    model, tokens = CausalStudent.load(folder), whole(drawn[0])
    alone = torch.tensor([tokens])
    rows = torch.tensor([[0] * 7 + tokens, tokens + [0] * 7])
    labels = rows.masked_fill(rows == 0, -100)
    with torch.no_grad():
        one = model(alone, labels=alone).log_probs[0]
        both = model(rows, attention_mask=(rows != 0).long(), labels=labels).log_probs
    assert one.tolist() == pytest.approx(both[0, 7:].tolist(), abs=1e-4)
    assert one.tolist() == pytest.approx(both[1, : len(one)].tolist(), abs=1e-4)
    assert not both[0, :7].any() and not both[1, len(one) :].any()


def test_a_label_that_does_not_count_has_no_part(folder: Path, drawn: list[Rollout]) -> None:
    model, tokens = CausalStudent.load(folder), torch.tensor([whole(drawn[0])])
    none = torch.full_like(tokens, -100)
    with torch.no_grad():
        assert not model(tokens, labels=none).log_probs.any()
        begin = len(drawn[0].prefix)
        none[0, begin] = tokens[0, begin]
        found = model(tokens, labels=none).log_probs[0]
    assert found.nonzero().flatten().tolist() == [begin - 1]


def test_an_answer_to_another_prompt_may_name_more_candidates(folder: Path, drawn: list[Rollout]) -> None:
    """KTO estimates its divergence on such pairs."""
    model, rollout = CausalStudent.load(folder), drawn[0]
    tokens = torch.tensor([ids_of(rollout.prefix, 3) + ids_of(rollout.words)])
    with torch.no_grad():
        assert torch.isfinite(model(tokens, labels=tokens).log_probs).all()


def test_the_adapter_is_merged_and_the_model_stays(folder: Path, drawn: list[Rollout], tmp_path: Path) -> None:
    model = get_peft_model(CausalStudent.load(folder), causal.adapter(4))
    before = causal.merged(model)
    stored = CausalStudent.load(folder).student.state_dict()
    assert before.keys() == stored.keys() and all(torch.equal(before[name], stored[name]) for name in stored)
    adapted = [name for name, _ in model.named_parameters() if "lora_B" in name]
    assert len(adapted) == 2 * 7, "seven linear layers in each of two blocks"
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    plain = listed.student()
    plain.load_state_dict(causal.merged(model))
    tokens = torch.tensor([whole(drawn[0])])
    with torch.no_grad():
        one = model(input_ids=tokens, labels=tokens).log_probs
        other = CausalStudent(plain)(tokens, labels=tokens).log_probs
        with model.disable_adapter():
            base = model(input_ids=tokens, labels=tokens).log_probs
    assert torch.allclose(one, other, atol=1e-4) and (one - base).abs().max() > 0.01
    begin = len(drawn[0].prefix)
    rollout = drawn[0]
    logits = causal.snapshot(model).network.read(rollout.prefix, Past())
    mask = rollout.allowed[0]
    assert mask is not None and rollout.prefix.words[-1] == V.number[SHORTLIST]
    first = logits.masked_fill(~mask, -torch.inf).log_softmax(0)[rollout.words.words[0]]
    assert float(first) == pytest.approx(float(one[0, begin - 1]), abs=1e-4)
