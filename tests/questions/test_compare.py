"""Student and teacher side by side: the same candidates, where they part, and votes that no side can bias."""

from __future__ import annotations

import dataclasses

import answering
import pytest

from star.questions.compare import VOTES, Ballot, compare, first_difference, side_by_side, sides
from star.recommend.recommender import answer


def test_both_answer_over_the_same_candidates_and_equal_direct_calls() -> None:
    student, teacher = answering.recommender("student"), answering.recommender("teacher")
    query = answering.query(0)
    found = compare(student, teacher, query)
    direct = answer(student, query)
    rival = answer(teacher, dataclasses.replace(query, candidates=direct.candidates))
    assert answering.meaning(found.first.answer) == answering.meaning(direct)
    assert answering.meaning(found.second.answer) == answering.meaning(rival)
    assert set(found.first.answer.candidates) == set(found.second.answer.candidates)
    assert found.first.calls == direct.timing.tool_calls and found.first.words == len(direct.text.split())
    assert (found.first.name, found.second.name) == (student.checkpoint, "mars")


def test_where_they_part_and_why() -> None:
    student, teacher = answering.recommender("student"), answering.recommender("teacher")
    found = compare(student, teacher, answering.query(1))
    assert found.place is not None and found.one != found.other
    assert found.first.order[: found.place - 1] == found.second.order[: found.place - 1]
    assert (
        found.one == found.first.order[found.place - 1] and found.other == found.second.order[found.place - 1]
    )
    assert found.parts is None or found.parts.ahead == 1
    assert found.against is None or found.against.ahead == -1
    assert {line.name for line in (found.parts, found.against) if line} <= {line.name for line in found.lines}
    done = answer(teacher, answering.query(1))
    same = side_by_side(done, done, teacher.dataset.catalog)
    assert same.place is None and same.common == len(done.items) and same.lines == ()


@pytest.mark.parametrize(
    ("one", "other", "place"), [([4, 2], [4, 3], 2), ([4], [4, 3], 2), ([], [], None), ([1, 2], [1, 2], None)]
)
def test_first_difference(one: list[int], other: list[int], place: int | None) -> None:
    assert first_difference(one, other) == place


def test_sides_are_drawn_and_a_comparison_takes_one_vote() -> None:
    drawn = [sides(seed) for seed in range(200)]
    assert 60 < sum(drawn) < 140
    done = answer(answering.recommender("teacher"), answering.query(0))
    found, ballot = side_by_side(done, done, answering.dataset().catalog), Ballot(limit=2)
    left, right = drawn.index(True), drawn.index(False)
    assert ballot.begin("a", found, left) is True
    taken = ballot.close("a")
    assert taken is not None and taken.found is found and ballot.close("a") is None
    assert [taken.won(vote) for vote in VOTES] == ["first", "second", "tie"]
    ballot.reopen("a", taken)
    assert ballot.close("a") is taken
    assert ballot.begin("b", found, right) is False
    turned = ballot.close("b")
    assert turned is not None and [turned.won(vote) for vote in VOTES] == ["second", "first", "tie"]
    for name in "def":
        ballot.begin(name, found, 0)
    assert ballot.close("d") is None  # dropped for newer ones
