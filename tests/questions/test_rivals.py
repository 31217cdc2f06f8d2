"""Systems that stand beside each other: each answers as it does alone, and its turns are all it said."""

from __future__ import annotations

from dataclasses import replace

import answering
import pytest
import toy

from star.errors import UserError
from star.mars.recommender import Teacher
from star.questions.compare import Comparison, Underway, watched
from star.questions.rivals import STUDENT, Rivals
from star.questions.running import fixed
from star.recommend.recommender import Recommender, answer


def rivals(name: str) -> Rivals:
    return Rivals(answering.recommender(name), lambda: answering.recommender("teacher"))


def alone(key: str) -> tuple[Recommender, int]:
    student = answering.recommender("student")
    made = {"own": student, "slots": student.redrawn(1), "seed": student, "mars": answering.recommender("teacher")}  # type: ignore[attr-defined]
    return made[key], int(key == "seed")


@pytest.mark.parametrize("key", ["own", "slots", "seed", "mars"])
def test_each_answers_as_it_does_alone(key: str) -> None:
    done = answer(answering.recommender("student"), answering.query(0))
    query = fixed(done.query, done.candidates)
    given = rivals("student").get(key)
    running, turns = given.turns(query), []
    while True:
        try:
            turns.append(next(running))
        except StopIteration as end:
            found = end.value
            break
    recommender, seed = alone(key)
    assert answering.meaning(found).items == answer(recommender, replace(query, seed=seed)).items
    assert sum(turn.tool is not None for turn in turns) == found.timing.tool_calls
    written = sum(turn.words + turn.heard for turn in turns)
    if key == "mars":
        assert turns[0].who == "planner" and turns[-1].who == "ranker" and len({t.who for t in turns}) > 4
        tags = 2 * sum(turn.tool is None for turn in turns) + 3 * sum(turn.tool is not None for turn in turns)
        assert written + tags == len(found.text.split())
    else:
        assert {turn.who for turn in turns} == {STUDENT} and written == len(found.text.split())
    assert sum(turn.seconds for turn in turns) <= found.timing.total_s + 1e-9


def test_a_comparison_is_watched_turn_by_turn() -> None:
    done = answer(answering.recommender("student"), answering.query(1))
    given = rivals("student")
    query = fixed(done.query, done.candidates)
    *going, last = watched(given.get("own"), given.get("mars"), query, answering.dataset().catalog)
    assert isinstance(last, Comparison) and all(isinstance(state, Underway) for state in going)
    counts = [(len(state.turns[0]), len(state.turns[1])) for state in going if isinstance(state, Underway)]
    assert counts == sorted(counts) and counts[0] == (0, 0)
    assert (len(last.first.turns), len(last.second.turns)) == counts[-1]
    assert last.first.tokens == last.first.answer.timing.generated_tokens > 0
    own = [step.tokens for step in last.second.answer.steps if step.type != "tool_response"]
    assert last.second.tokens == sum(own) < last.second.words
    assert set(last.first.answer.candidates) == set(last.second.answer.candidates)


def test_only_what_can_answer_is_offered() -> None:
    student, teacher = rivals("student").offered, rivals("teacher").offered
    assert list(student)[:6] == ["own", "slots", "seed", "mars", "itemknn", "ease"]
    assert list(teacher)[:3] == ["own", "itemknn", "ease"] and "checkpoint star" in teacher
    with pytest.raises(UserError, match="cannot answer here"):
        rivals("teacher").get("slots")
    made = toy.ToyRecommender(delay=0)
    plain = Rivals(made, lambda: Teacher(made.dataset))
    assert [*plain.offered][:4] == ["own", "mars", "itemknn", "ease"]
    running = plain.get("own").turns(replace(answering.query(0), history=(3, 0)))
    assert next(running).kind == "plan"
