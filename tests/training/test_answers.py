"""Answers are drawn by the grammar, replayed to the same masks, and read back from the text of their traces."""

from __future__ import annotations

from pathlib import Path

import listed
import numpy as np
import pytest
import torch
import toys

from star.annotation.exchange.export import prompt_of
from star.student.decoder import Past
from star.student.generation import GenerationState, write
from star.student.network import Checkpoint
from star.student.vocabulary import END, REFLECTION, SHORTLIST, SILENT, VOCABULARY, Tokens
from training.lib import answers
from training.lib.answers import Rollout, answer_of, false_statements, replay
from training.lib.sequences import paragraphs, rivals

V = VOCABULARY


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint.load(listed.save_student(tmp_path_factory.mktemp("student")))


@pytest.fixture(scope="module")
def drawn(checkpoint: Checkpoint) -> list[Rollout]:
    return answers.rollouts(checkpoint, listed.lists(), [0, 1], 3, np.random.default_rng(0))


def test_answers_follow_the_grammar_and_know_what_was_allowed(drawn: list[Rollout]) -> None:
    assert [r.row for r in drawn] == [0, 0, 0, 1, 1, 1]
    assert len({tuple(r.words.words) for r in drawn[:3]}) > 1, "drawn words differ"
    for rollout in drawn:
        assert len(rollout.words) == len(rollout.allowed)
        named = [V.slot_of(word) for word in rollout.words.words[: len(rollout.said)]]
        assert set(rollout.said) == set(named)
        for word, allowed in zip(rollout.words.words, rollout.allowed, strict=True):
            assert allowed is None or bool(allowed[word])


def test_a_replay_gives_the_slots_and_masks_of_the_drawing(drawn: list[Rollout]) -> None:
    for rollout in drawn:
        again = replay(rollout.words.words, len(rollout.order))
        assert again.tokens == rollout.words
        for one, other in zip(again.allowed, rollout.allowed, strict=True):
            assert (one is None) == (other is None)
            assert one is None or other is None or torch.equal(one, other)


@pytest.mark.parametrize("broken", ["cut", "longer", "strange", "twice"])
def test_what_breaks_the_grammar_is_refused(drawn: list[Rollout], broken: str) -> None:
    words = list(drawn[0].words.words)
    if broken == "cut":
        words = words[:-3]
    elif broken == "longer":
        words.append(V.number[END])
    elif broken == "strange":
        words[words.index(V.number[REFLECTION])] = V.number[SHORTLIST]
    else:
        words[1] = words[0]
    with pytest.raises(ValueError, match=r"word|ends"):
        replay(words, len(drawn[0].order))


def test_what_a_rule_writes_is_true_and_a_lie_is_counted(drawn: list[Rollout]) -> None:
    heard = drawn[0].heard
    slots = list(heard)[:6]
    whole = [V.slot(slot) for slot in slots] + [V.number[REFLECTION]]
    for said in paragraphs(heard, slots, rivals(slots)).values():
        whole += said.words
    again = replay([*whole, V.number[END]], len(drawn[0].order))
    assert len(again.tokens) == len(whole) + 1
    made = again.paragraphs
    assert [false_statements(heard, paragraph) for paragraph in made] == [0] * len(slots)
    first = made[0]
    lie = answers.Paragraph(first.slot, first.said, [*first.stated, V.number[SILENT]], first.over)
    assert false_statements(heard, lie) == 1


# traces


def test_a_trace_gives_the_words_that_the_student_read_and_wrote(checkpoint: Checkpoint) -> None:
    """Word for word and slot for slot, over shelves of several lengths; the untrained student invents its claims."""
    orders = set()
    for tools in listed.tools()[::2]:
        state, seen = GenerationState(checkpoint, tools), Tokens()
        network = _Watching(checkpoint, seen)
        state.checkpoint = Checkpoint("watched", network, {})  # type: ignore[arg-type]
        for _ in write(state, seed=0):
            pass
        found = answer_of(prompt_of(tools.history.tolist(), tools.candidates.tolist()), " ".join(state.words))
        assert found.slots == len(tools.candidates)
        assert Tokens(found.prefix.words + found.words.words, found.prefix.slots + found.words.slots) == seen
        kinds = [V.words[w].split(":")[0] for w in found.words.words if ":" in V.words[w]]
        orders.add(tuple(kinds))
    assert len(orders) > 1


class _Watching:
    """A network that notes what the answer reads, up to its second reading."""

    def __init__(self, checkpoint: Checkpoint, seen: Tokens) -> None:
        self.inner, self.seen = checkpoint.network, seen

    def read(self, tokens: Tokens, past: Past) -> torch.Tensor:
        self.seen.extend(tokens)
        return self.inner.read(tokens, past)

    def read_alike(self, texts: list[Tokens]) -> torch.Tensor:
        return self.inner.read_alike(texts)


@pytest.mark.checkpoint
def test_a_trace_of_the_shipped_student_too(tmp_path: Path) -> None:
    """A trained student sorts what it states by places, so it mixes the kinds of signals."""
    from star.student.checkpoint import MODELS

    if not (MODELS / "star" / "star.json").is_file():
        pytest.skip("assets/models/star is not there")
    for asked, state in listed.answered(Checkpoint.load(MODELS / "star")):
        found = answer_of(asked, " ".join(state.words))
        said = [(w, s) for p in state.paragraphs.values() for w, s in zip(p.words, p.slots, strict=True)]
        begin = found.words.words.index(V.number[REFLECTION]) + 1
        written = zip(found.words.words[begin:-1], found.words.slots[begin:-1], strict=True)
        assert list(written) == said


def test_of_a_long_list_the_candidates_that_were_looked_at_get_the_slots(checkpoint: Checkpoint) -> None:
    first = listed.tools()[0]
    more = [i for i in range(70) if i not in first.history.tolist()][:45]
    state = GenerationState(checkpoint, first.among(more))
    for _ in write(state):
        pass
    asked = prompt_of(first.history.tolist(), more)
    found = answer_of(asked, " ".join(state.words))
    assert found.slots == 20 and set(found.words.slots) <= set(range(21))


def test_traces_of_other_systems_are_refused() -> None:
    tools, done = toys.mars(0)
    asked = prompt_of(tools.history.tolist(), tools.candidates.tolist())
    with pytest.raises(ValueError):
        answer_of(asked, " ".join(done.words()))
    for prompt, completion in (("", ""), (asked, "<plan> nothing"), ("<history> 3", "<recommend> </recommend>")):
        with pytest.raises(ValueError):
            answer_of(prompt, completion)
