"""The lesson's figures: numbers are those of the graph, titles are escaped, a bad knob is one line, a link names a step."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import toy

from star.errors import UserError
from star.evidence.tools import lift_interval
from star.mars.recommender import Teacher
from star.ui.lesson import Attempt, Lesson
from star.ui.tabs import learn
from star.ui.views import learn_view as views


def lesson_of(recommender: toy.ToyRecommender) -> Lesson:
    return Lesson(recommender, cache(lambda: Teacher(recommender.dataset)))


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return lesson_of(toy.ToyRecommender(delay=0))


def test_every_step_draws_with_the_value_that_its_knob_starts_with(lesson: Lesson) -> None:
    for step, value in zip(learn.STEPS, (6, 1, 12, 5, 3, 5, False, 0.1), strict=True):
        assert len(step.draw(lesson, value)) > 60, step.title
        assert step.question.endswith("?") and step.answer


def test_a_lift_is_that_of_the_graph(lesson: Lesson) -> None:
    anchor, item = lesson.pair
    graph = lesson.graph
    both = int(graph.matrix[:, [anchor]].multiply(graph.matrix[:, [item]]).sum())
    assert dict((i, n) for i, n, _ in lesson.co_readers(anchor))[item] == both
    of, base = int(graph.counts[anchor]), graph.counts[item] / graph.n_readers
    assert lesson.lift(both) == pytest.approx((both / of / base, *lift_interval(both, of, base)))


def test_no_item_lies_further_above_chance_than_the_pair(lesson: Lesson) -> None:
    anchor, item = lesson.pair
    graph = lesson.graph
    mine = graph.matrix[:, [anchor]].toarray()[:, 0] > 0
    both = np.asarray(graph.matrix[mine].sum(0)).ravel()
    lift = both / max(mine.sum(), 1) / np.maximum(graph.counts / graph.n_readers, 1e-9)
    lift[(both < 5) | (np.arange(len(lift)) == anchor)] = 0
    assert lift[item] == pytest.approx(lift.max())
    assert len(lesson.co_readers(anchor)) == ((both > 0) & (np.arange(len(both)) != anchor)).sum()


def test_the_readers_of_the_lesson_are_in_no_graph(lesson: Lesson) -> None:
    assert lesson.reader not in lesson.graph.rows
    assert not {task.reader for task in lesson.tasks} & set(lesson.graph.rows.tolist())


def test_a_stricter_threshold_keeps_no_more(lesson: Lesson) -> None:
    kept = [views.kept(lesson, most).count(">kept<") for most in (1, 5, 10)]
    assert kept == sorted(kept) and kept[-1] <= len(lesson.trajectories)


def test_advantages_sum_to_nought_and_false_statements_cost() -> None:
    attempts = [Attempt(1, 0, 1, 5, 5), Attempt(2, 0, None, 5, 3), Attempt(3, 0, 2, 5, 5)]
    rewards = [a.reward(0.1) for a in attempts]
    assert rewards[0] == 1 and rewards[1] == pytest.approx(-0.2) and rewards[0] > rewards[2] > 0
    shown = views.advantages(attempts, toy.dataset().catalog, 0.1)
    assert "3 of 5" in shown and "not named" in shown


def test_titles_are_escaped() -> None:
    lesson = lesson_of(toy.ToyRecommender(toy.hostile(), delay=0))
    for step, value in zip(learn.STEPS, (20, 1, 12, 5, 20, 5, True, 0.1), strict=True):
        shown = step.draw(lesson, value)
        assert "<script" not in shown and "<img" not in shown


@pytest.mark.parametrize("value", [None, "x", True, float("nan"), [3]])
def test_a_knob_that_sends_no_number_is_one_line(value: object) -> None:
    with pytest.raises(UserError, match="expected a number"):
        learn._whole(value, 1, 9)


def test_a_link_names_a_step() -> None:
    assert learn.selected("3") == "step-3"
    assert all(learn.selected(text) is None for text in (None, "", "0", "9", "x", "3 "))


def test_a_data_set_without_test_readers_is_one_line() -> None:
    few = toy.dataset()
    few = replace(few, interactions=few.interactions.subset(np.arange(3)))
    lesson = lesson_of(toy.ToyRecommender(few, delay=0))
    for step, value in zip(learn.STEPS[1:], (1, 12, 5, 3, 5, False, 0.1), strict=True):
        with pytest.raises(UserError, match=r"lesson needs one|is known"):
            step.draw(lesson, value)
