"""Whether the ranking of the shipped student follows its words, on readers it has never seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import reading

from star.data.tasks import Task, make_tasks
from star.evaluation.own_words import answered, exchanged, first_of, own_claims, own_words
from star.methods.student import StarRanker
from star.student.checkpoint import SHIPPED, checkpoint_folder
from star.student.vocabulary import VOCABULARY


@pytest.fixture(scope="module")
def ranker() -> StarRanker:
    return StarRanker.load(
        reading.dataset(), reading.graph(), reading.signals(), checkpoint_folder(SHIPPED)
    )


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    data, graph = reading.dataset(), reading.graph()
    return make_tasks(data.interactions, reading.parts().test, "classic", "uniform", graph.counts, limit=25)


@pytest.fixture(scope="module")
def found(ranker: StarRanker, tasks: list[Task]) -> dict[str, Any]:
    return own_words(ranker, tasks, answered(ranker, tasks))


def test_what_it_writes_is_true_and_readable(found: dict[str, Any]) -> None:
    assert found["n"] == 25 and found["claims"] > 200
    assert found["claim_precision"] > 0.9 and found["valid"] > 0.7


def test_the_first_choice_follows_the_words(found: dict[str, Any]) -> None:
    assert found["discussed"]["first"] == 1.0
    assert found["shuffled"] > 0.7 and found["reordered"] > 0.6 and found["exchanged"] > 0.6


def test_it_ranks_above_chance(found: dict[str, Any]) -> None:
    assert min(found["heard"], found["words"]) > 0.25  # by chance .15


def test_a_target_that_the_first_look_leaves_out_is_last(ranker: StarRanker, tasks: list[Task]) -> None:
    many = []
    for task in tasks[:8]:
        others = [c for c in range(reading.graph().n_items) if c not in {*task.history, task.target}]
        many.append(replace(task, candidates=(*others[:59], task.target)))
    given = answered(ranker, many)
    assert any(task.target not in state.heard for task, state in zip(many, given, strict=True))
    assert 0 <= own_words(ranker, many, given)["heard"] < 1


def test_exchanged_paragraphs_swap_what_is_stated_and_nothing_else(
    ranker: StarRanker, tasks: list[Task]
) -> None:
    (state,) = answered(ranker, tasks[:1])
    assert first_of(state, state.paragraphs) == state.order[0]
    turned = exchanged(state)
    one, other = (state.slot_of[item] for item in state.order[:2])
    over = VOCABULARY.number["over"]

    def stated(words: list[int]) -> list[int]:
        return words[1 : words.index(over)] if over in words else words[1:-1]

    assert stated(turned[one].words) == stated(state.paragraphs[other].words)
    assert stated(turned[other].words) == stated(state.paragraphs[one].words)
    assert set(turned[one].slots) == {one}
    assert all(turned[s] == said for s, said in state.paragraphs.items() if s not in (one, other))
    assert all(claim.kind != "genre" for claim in own_claims(state))
