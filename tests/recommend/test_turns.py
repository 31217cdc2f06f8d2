"""Visitors at once: one is answered word by word, those who wait are answered together, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import toy

from star.errors import UserError
from star.recommend import turns
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Star, answer
from star.recommend.turns import Turns

BAD = 13  # a shelf that cannot be answered


class Student(Star):
    """A student whose first answer goes on when the test lets it, and that notes who is answered together."""

    def __init__(self) -> None:
        self.model = toy.ToyRecommender(delay=0)
        self.go = threading.Event()
        self.batches: list[list[int]] = []

    def stream(self, query: Query) -> Iterator[Recommendation]:
        if query.history[0] == BAD:
            raise UserError("this shelf is bad")
        for snapshot in self.model.stream(query):
            yield snapshot
            assert self.go.wait(20)

    def together(self, queries: Sequence[Query]) -> Iterator[tuple[Recommendation, Any]]:
        self.batches.append([query.history[0] for query in queries])
        for query in queries:
            yield answer(self, query), None


@pytest.fixture
def student() -> Iterator[Student]:
    made = Student()
    yield made
    made.go.set()


def asking(pool: ThreadPoolExecutor, at: Turns, student: Star, shelf: int) -> Future[list[Recommendation | None]]:
    return pool.submit(lambda: list(at.stream(student, Query((shelf,)))))


def waiting(at: Turns, count: int) -> None:
    """Wait until so many wait."""
    for _ in range(2_000):
        if len(at._waiting) == count:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"{len(at._waiting)} wait, not {count}")


def test_those_who_wait_are_answered_together_and_a_bad_question_fails_its_asker_alone(student: Student) -> None:
    at = Turns()
    with ThreadPoolExecutor(8) as pool:
        first = at.stream(student, Query((1,)))
        assert next(first) is not None
        others = [asking(pool, at, student, shelf) for shelf in (2, 3, BAD, 4)]
        waiting(at, 4)
        student.go.set()
        words = list(first)
        assert len(words) > 2 and all(words), "the first is answered word by word"
        done = [[each for each in other.result(20) if each] for other in (*others[:2], others[3])]
        with pytest.raises(UserError, match="this shelf is bad"):
            others[2].result(20)
    assert [sorted(batch) for batch in student.batches] == [[2, 3, 4, BAD]]
    assert [[each.query.history[0] for each in some] for some in done] == [[2], [3], [4]]
    assert all(each.finished for some in done for each in some)
    assert list(at.stream(student, Query((5,))))[-1], "the model is free again"


def test_whoever_leaves_gives_the_turn_up(student: Student) -> None:
    at = Turns()
    first = at.stream(student, Query((1,)))
    assert next(first) is not None
    second, third = at.stream(student, Query((2,))), at.stream(student, Query((3,)))
    assert next(second) is None and next(third) is None
    second.close()  # whoever only waited
    waiting(at, 1)
    first.close()  # and whoever was being answered
    student.go.set()
    assert [each for each in third if each][-1].query.history == (3,)
    assert student.batches == []


def test_an_answer_that_nobody_fetches_holds_nobody_up(student: Student, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LOST", 0.3)
    at = Turns()
    left = at.stream(student, Query((1,)))
    assert next(left) is not None
    student.go.set()
    found = list(at.stream(student, Query((2,))))
    assert found[0] is None and found[-1] is not None and found[-1].query.history == (2,)
    assert list(left)[-1], "it can still be fetched"
    assert at._holder is None


def test_others_are_asked_at_once() -> None:
    """Two answers of a recommender that writes nothing together grow side by side."""
    at, model = Turns(), toy.ToyRecommender(delay=0)
    one, two = at.stream(model, Query((1,))), at.stream(model, Query((2,)))
    assert all((next(one), next(two), next(one), next(two)))


@pytest.mark.checkpoint
@pytest.mark.slow
def test_answers_at_once_are_those_given_alone(fitted_demo: None) -> None:
    from star.methods.answering import load_recommender

    student = load_recommender("demo")
    held = sorted(student.dataset.held_out)[:6]
    queries = [Query(tuple(student.dataset.interactions.history(row).tolist()), row) for row in held]
    at = Turns()
    with ThreadPoolExecutor(len(queries)) as pool:
        found = list(pool.map(lambda query: list(at.stream(student, query))[-1], queries))
    for query, each in zip(queries, found, strict=True):
        alone = answer(student, query)
        assert each is not None and timeless(each) == timeless(alone)


def timeless(answer: Recommendation) -> Recommendation:
    return replace(answer, timing=None, steps=tuple(replace(step, seconds=0.0) for step in answer.steps))  # type: ignore[arg-type]
