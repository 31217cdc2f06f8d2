"""The lesson's figures: numbers are those of the graph, titles are escaped, a bad knob is one line, a link names a step."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html import escape, unescape

import answering
import gradio as gr
import numpy as np
import pytest
import toy
from test_views import Tags

from star.data.tasks import Task
from star.data.words import BOOK
from star.errors import UserError
from star.evidence.tools import lift_interval
from star.mars.recommender import Teacher
from star.recommend.recommendation import Query
from star.recommend.recommender import Recommender, answer
from star.ui.lesson import Attempt, Lesson
from star.ui.loader import Loader
from star.ui.runs import Runs
from star.ui.tabs import learn, learn_steps
from star.ui.views import learn_view as views
from star.ui.views.stepper_view import WAITS, template

TASK = Task(7, (0, 1), 3, (3, 4), "classic", "uniform")


def lesson_of(recommender: toy.ToyRecommender) -> Lesson:
    return Lesson(recommender, cache(lambda: Teacher(recommender.dataset)))


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return lesson_of(toy.ToyRecommender(delay=0))


def test_every_step_draws_with_the_value_that_its_knob_starts_with(lesson: Lesson) -> None:
    for step in learn_steps.STEPS:
        assert len(step.figure(lesson, step.start)) > 60, step.title
        assert step.question.endswith("?") and step.answer


def test_a_lift_is_that_of_the_graph(lesson: Lesson) -> None:
    anchor, item = lesson.pair
    graph = lesson.graph
    both = int(graph.matrix[:, [anchor]].multiply(graph.matrix[:, [item]]).sum())
    assert dict((i, n) for i, n, _ in lesson.co_readers(anchor))[item] == both
    of, base = int(graph.counts[anchor]), graph.counts[item] / graph.n_readers
    assert lesson.lift(both) == pytest.approx((both / of / base, *lift_interval(both, of, base)))


def test_no_more_readers_have_both_than_have_either(lesson: Lesson) -> None:
    chance = learn_steps.STEPS[2]
    possible = int(min(lesson.graph.counts[item] for item in lesson.pair))
    assert chance.end(lesson) == possible < 200
    assert chance.figure(lesson, 200) == chance.figure(lesson, possible) != chance.figure(lesson, possible - 1)
    assert lesson.lift(200) == lesson.lift(possible)
    assert f"At most {possible} can have both" in chance.figure(lesson, 0)


def test_the_graph_says_whom_it_counts(lesson: Lesson) -> None:
    counted = f"{lesson.graph.n_readers} of {len(lesson.dataset.interactions)} readers"
    assert counted in views.chance(lesson, 5) and counted in views.bipartite(lesson, 6)


def test_the_share_of_the_popular_is_counted(lesson: Lesson) -> None:
    counts = sorted(lesson.graph.counts.tolist(), reverse=True)
    share = f"the most popular tenth of the books (3 of 30) has {100 * sum(counts[:3]) / sum(counts):.0f} % of all lines"
    assert share in views.bipartite(lesson, 2) and share in views.bipartite(lesson, 20)


def test_a_walk_names_whose_shelf_and_which_title(lesson: Lesson) -> None:
    walk = learn_steps.STEPS[1]
    assert walk.end(lesson) == len(lesson.shelf)
    for place in (1, len(lesson.shelf), 12):
        shown, at = walk.figure(lesson, place), min(place, len(lesson.shelf))
        assert f"reader {lesson.reader + 1}," in shown
        title = escape(lesson.dataset.catalog[lesson.shelf[at - 1]].title)
        assert f"Its book {at} of {len(lesson.shelf)}: <b><bdi>{title}</bdi></b>" in shown


def test_the_teacher_is_followed_to_its_ranking_in_sentences(lesson: Lesson) -> None:
    teacher, done = learn_steps.STEPS[4], lesson.taught
    assert teacher.end(lesson) == len(done.steps)
    shown = teacher.figure(lesson, 60)
    Tags(shown)
    text = unescape(re.sub(r"<[^>]*>", " ", shown))
    assert f"{len(done.steps)} of {len(done.steps)} steps" in text and "…" not in text
    assert not re.search(r"\b(user|item)[ _]cf\b|\bx\d|\bnext (faint|weak|fair|good)", text)
    assert all(escape(claim.text[1:]) in shown for claim in done.claims)
    for item in done.items:
        assert f"{item.rank}. {escape(lesson.dataset.catalog[item.item].title)}" in shown
    assert "more sentences" in shown and "more sentences" not in teacher.figure(lesson, 1)


def test_with_all_words_counted_there_are_no_others(lesson: Lesson) -> None:
    own, every = (views.mask(lesson.answer, everything) for everything in (False, True))
    assert "The others are read" in own and "others" not in every
    whole = sum(step.tokens for step in lesson.answer.steps)
    assert f"All {whole:,} words count" in every and f"of {whole:,} words count" in own


def test_a_knob_ends_where_the_data_do() -> None:
    given = lessons(toy.ToyRecommender(delay=0))
    steps = learn_steps.STEPS
    for step in (steps[1], steps[2], steps[4]):
        knob, figure = given.drawn(step, 59)
        end = step.end(given.lesson())
        assert (knob["maximum"], knob["value"]) == (end, end) and figure == step.figure(given.lesson(), end)
        assert "value" not in given.drawn(step, 1)[0]
    assert "maximum" not in given.drawn(steps[0], 6)[0]
    few = toy.dataset()
    few = replace(few, interactions=few.interactions.subset(np.arange(3)))
    assert "maximum" not in lessons(toy.ToyRecommender(few, delay=0)).drawn(steps[1], 1)[0]


def test_what_is_not_there_yet_says_that_it_waits() -> None:
    with gr.Blocks():
        zoom = learn._zoomer(lessons(toy.ToyRecommender(delay=0)))
    assert WAITS in zoom.value["blocks"][-1]["html"] and WAITS in template(BOOK)


def test_every_step_leads_to_the_ones_beside_it() -> None:
    for number in range(1, 9):
        leads = [int(to) for to in re.findall(r'data-go="(\d+)"', learn.pager(number))]
        assert leads == [to for to in (number - 1, number + 1) if 1 <= to <= 8]
    assert "data-tour" in learn.pager(8) and "data-tour" not in learn.pager(7)


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
    shown = views.advantages(attempts, TASK, toy.dataset().catalog, 0.1)
    assert "3 of 5" in shown and "not named" in shown
    assert "Reader 8 really read this book next: <b><bdi>Dune</bdi></b>" in shown
    assert "All have the same first choice" in shown
    other = [*attempts[:2], replace(attempts[2], first=1)]
    assert "same first choice" not in views.advantages(other, TASK, toy.dataset().catalog, 0.1)


def test_titles_are_escaped() -> None:
    lesson = lesson_of(toy.ToyRecommender(toy.hostile(), delay=0))
    for step, value in zip(learn_steps.STEPS, (20, 1, 12, 5, 20, 5, True, 0.1), strict=True):
        shown = step.figure(lesson, value)
        assert "<script" not in shown and "<img" not in shown


@pytest.mark.parametrize("value", [None, "x", True, float("nan"), [3]])
def test_a_knob_that_sends_no_number_is_one_line(value: object, lesson: Lesson) -> None:
    with pytest.raises(UserError, match="expected a number from 2 to 20"):
        learn_steps.STEPS[0].figure(lesson, value)


def test_a_knob_is_brought_within_its_bounds() -> None:
    seen: list[object] = []
    step = replace(learn_steps.STEPS[0], draw=lambda _, value: seen.append(value) or "")
    for each in (step, replace(step, reach=(0, 1, 0.05)), replace(step, reach=None)):
        for value in (-5, 2.9, 1e9, float("inf")):
            each.figure(None, value)  # type: ignore[arg-type]
    assert seen == [2, 2, 20, 20, 0.0, 1.0, 1.0, 1.0, True, True, True, True]


def test_a_link_names_a_step() -> None:
    assert learn.selected("3") == "step-3" and learn.selected("zoom") == "step-zoom"
    assert all(learn.selected(text) is None for text in (None, "", "0", "9", "x", "3 "))


def test_a_data_set_without_test_readers_is_one_line() -> None:
    few = toy.dataset()
    few = replace(few, interactions=few.interactions.subset(np.arange(3)))
    lesson = lesson_of(toy.ToyRecommender(few, delay=0))
    for step, value in zip(learn_steps.STEPS[1:], (1, 12, 5, 3, 5, False, 0.1), strict=True):
        with pytest.raises(UserError, match=r"lesson needs one|is known"):
            step.figure(lesson, value)


def lessons(recommender: Recommender, runs: Runs | None = None) -> learn.Lessons:
    loader = Loader(lambda: recommender)
    loader.start()
    assert loader.recommender(20) is not None
    return learn.Lessons(loader, runs or Runs())


def test_the_hand_out_holds_every_step_and_needs_no_network() -> None:
    page = lessons(toy.ToyRecommender(toy.hostile(), delay=0)).handout()
    Tags(page[page.index("<main>") : page.index("</main>") + 7])
    before, _, answers = page.partition('<section class="answers">')
    for step in learn_steps.STEPS:
        assert escape(step.title) in before and escape(step.question) in before
        assert escape(step.answer) in answers and escape(step.answer) not in before
    assert "default-src 'none'" in page and not re.search(r"<(script|img|link|a)\b|url\(", page)
    assert before.count('class="figure"') == 8 and "Strength: 5" in before


def test_whose_trace_is_played() -> None:
    runs, student = Runs(), toy.ToyRecommender(delay=0)
    given = lessons(student, runs)
    assert given.player(None, "s")["title"] == "the student’s answer"
    assert given.player({"whose": "teacher"}, "s")["steps"][0]["name"] == "Plan"
    assert "no answer yet" in given.player({"whose": "last"}, "s")["problem"]
    runs.keep(runs.begin("s"), answer(student, Query((3, 0))), student.dataset.catalog)
    assert given.player({"whose": "last"}, "s")["title"] == "your last answer"
    for odd in ("x", 7, {"whose": ["last"]}):
        assert given.player(odd, "s")["title"] == "the student’s answer"


def test_a_zoom_takes_nothing_that_is_not_offered() -> None:
    student = answering.recommender("student")
    given = lessons(student)
    done, _ = given.answer("student", "s")
    items = [r.item for r in done.items]
    for item, claim in ((None, None), ("x", 2), (10**6, -1), (True, [1]), (items[0], 10**6)):
        index = learn.chosen(done, item, claim)
        assert done.claims[index].claim.subject in items
    shown = given.zoomed({"item": items[1]}, "s")["blocks"]
    Tags("".join(block["html"] for block in shown))
    assert student.dataset.catalog[items[1]].title in shown[-1]["html"]
    assert "no answer yet" in given.zoomed({"whose": "last"}, "s")["blocks"][-1]["html"]
