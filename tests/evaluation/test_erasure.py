"""Erasure: what is erased is gone and nothing else; a ranker by evidence is moved as far as counted by hand, decoration is
not moved at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scribe
import toys

from star.data.loading import load_dataset
from star.evaluation.answers import AnsweredTask, answers
from star.evaluation.erasure import Erased, Erasure, drawn, erasure_test, erasures, resting, standing, without
from star.methods.student import generate
from star.recommend.recommendation import Query
from star.recommend.recommender import Star
from star.recommend.recommender import answer as answered
from star.student.decoding import GenerationState
from star.trace.citation import unit_found
from star.trace.steps import parse


@pytest.fixture(scope="module")
def given() -> list[AnsweredTask]:
    found = answers(scribe.student(scribe.by_evidence), scribe.tasks())
    assert len(found) == len(scribe.tasks())
    return found


@pytest.fixture(scope="module")
def report(given: list[AnsweredTask]) -> dict[str, Any]:
    return erasure_test(given)


def test_erased_lines_are_gone_and_nothing_else() -> None:
    tools = toys.reading_tools(3)
    one, two = (int(line[0].claim.subject or 0) for line in tools.call("item_cf", (10,)).lines[:2])
    gone = Erased(tools, Erasure(frozenset({("item_cf", one)})))
    for arguments in ((10,), (5, one, two), (20, one)):
        plain, found = tools.call("item_cf", arguments), gone.call("item_cf", arguments)
        assert found.lines == tuple(line for line in plain.lines if line[0].claim.subject != one)
        assert found.arguments == plain.arguments
    assert gone.call("user_cf", (50,)) == tools.call("user_cf", (50,))
    kept = Erased(tools, Erasure(frozenset({("item_cf", one)}), keep=True))
    assert [line[0].claim.subject for line in kept.call("item_cf", (10,)).lines] == [one]
    assert not kept.call("user_cf", (50,)).lines and not kept.call("profile", ()).lines
    label = tools.call("profile", ()).lines[0][0].claim.label
    assert unit_found("profile", tools.call("profile", ()).lines[0]) == ("profile", label)


def test_erasures_are_equally_large_tool_by_tool(given: list[AnsweredTask]) -> None:
    rng = np.random.default_rng(0)
    for answer in given:
        plan = erasures(answer, rng)
        assert plan is not None
        units, first = set(answer.citations.units), answer.first
        assert plan["cited"].units == {unit for unit in units if unit[1] == first}
        assert not {about for _, about in plan["others"].units} & {first}
        sizes = {
            arm: sorted(tool for tool, _ in erasure.units) for arm, erasure in plan.items()
        }  # the same tools equally often
        assert sizes["cited"] == sizes["random"] == sizes["others"]
        assert sizes["kept"] == sizes["kept at random"] and plan["kept"].keep and not plan["others"].keep
        assert all(erasure.units <= units for erasure in plan.values())


def test_too_small_a_pool_gives_none() -> None:
    rng = np.random.default_rng(0)
    pool = [("item_cf", 1), ("item_cf", 2), ("user_cf", 1)]
    assert drawn([("item_cf", 9), ("user_cf", 9)], pool[:2], rng) is None
    found = [drawn([("item_cf", 9), ("user_cf", 9)], pool, rng) for _ in range(40)]
    assert {len(units or ()) for units in found} == {2} and len({units for units in found}) == 2


def test_the_forced_trace_lacks_the_lines_and_every_conclusion(given: list[AnsweredTask]) -> None:
    answer = given[0]
    first, name = answer.first, f"<i{answer.first}>"
    words = without(answer, Erasure(frozenset({("item_cf", first), ("user_cf", first)})))
    assert words[-1] == "<recommend>" and name not in words and "both" not in words
    whole = without(answer, Erasure(frozenset()))
    assert "both" not in whole and whole.count(name) == answer.writer.words[:-7].count(name) - 1
    k = len(answer.trace.ranking)
    for text in (words, whole):
        parse([*text, *(f"<i{n}>" for n in range(k)), "</recommend>"], len(answer.writer.tools.history))
    empty = without(answer, Erasure(frozenset(), keep=True))
    assert empty.count("nothing") == 2 and "<reflection>" not in empty


def log_share(points: dict[str, float], item: str) -> float:
    values = np.array(list(points.values()))
    return points[item] - float(np.log(np.exp(values - values.max()).sum()) + values.max())


@pytest.mark.parametrize("reading", ["anew", "forced"])
def test_a_ranker_by_evidence_moves_as_far_as_counted(
    given: list[AnsweredTask], report: dict[str, Any], reading: str
) -> None:
    drops = []
    for answer in given:
        prompt = ["<candidates>", *(f"<i{c}>" for c in answer.writer.candidates), *answer.writer.words]
        heard, name = scribe.hear(prompt), f"<i{answer.first}>"
        lines = [line for line in heard.lines if line[1][0] != name]
        before = scribe.by_evidence(heard)
        after = scribe.by_evidence(scribe.Heard(heard.candidates, lines, heard.reflected))
        drops.append(log_share(before, name) - log_share(after, name))
    found = report[reading]
    assert (report["n"], report["left_out"], found["n"], found["intact"]) == (len(given), 0, len(given), 1.0)
    assert report["all_there_is"] == 1 and 1 < report["units"] <= 2 < report["units_kept"]
    cited, others = found["arms"]["cited"], found["arms"]["others"]
    assert cited["drop"] == pytest.approx(np.mean(drops), abs=1e-3) and cited["drop"] == cited["moved"] > 3
    assert cited["first"] < 1 == others["first"] and others["drop"] <= 0 <= others["moved"]
    against = {pair["against"]: pair for pair in found["pairs"]}
    assert against["others"]["drop"]["difference"] == pytest.approx(cited["drop"] - others["drop"], abs=1e-3)
    for name in ("random", "others"):
        assert against[name]["drop"]["ci"][0] > 0 and against[name]["moved"]["ratio"] > 2
    assert found["arms"]["kept"]["first"] == 1 > found["arms"]["kept at random"]["first"]
    assert against["kept at random"]["drop"]["ci"][1] < 0


def test_same_seed_same_numbers(given: list[AnsweredTask]) -> None:
    one, two, other = (erasure_test(given[:4], seed) for seed in (0, 0, 1))
    assert one == two != other


def test_decoration_is_not_moved() -> None:
    found = erasure_test(answers(scribe.student(scribe.by_nothing, scribe.by_nothing), scribe.tasks()))
    assert found["n"] + found["left_out"] == len(scribe.tasks()) and found["n"] > 3
    for reading in ("anew", "forced"):
        for arm in found[reading]["arms"].values():
            assert (arm["drop"], arm["moved"], arm["places"], arm["first"]) == (0, 0, 0, 1)
        for pair in found[reading]["pairs"]:
            assert pair["drop"] == {"difference": 0, "ci": [0, 0]} and pair["moved"]["ratio"] is None


def test_a_reflection_that_ranks_is_read_in_the_forced_way() -> None:
    """The ranking follows the quotations alone: erased from the reflection, they take the first choice with them."""
    found = erasure_test(answers(scribe.student(scribe.by_reflection), scribe.tasks()))["forced"]
    assert found["arms"]["cited"]["first"] == 0 and found["arms"]["others"]["first"] > 0.5


def test_answers_without_citation_are_left_out() -> None:
    silent = scribe.student(scribe.by_evidence, lambda heard: {})
    silent.checkpoint.model.reflection = lambda words: []  # type: ignore[method-assign]
    given = answers(silent, scribe.tasks(3))
    assert len(given) == 3 and erasure_test(given) == {"n": 0, "left_out": 3}


def test_standing(given: list[AnsweredTask]) -> None:
    answer = given[0]
    log, place = standing(answer.writer, answer.first)
    assert place == 1 and log == pytest.approx(float(np.log(answer.writer.scores.max())))
    w = answer.writer
    (again,) = generate(
        [GenerationState(w.checkpoint, w.items, w.tools, k=1, words=without(answer, Erasure(frozenset())))]
    )
    assert standing(again, answer.first)[1] == 1
    again.scores = None
    assert np.isnan(standing(again, answer.first)).all()


def test_erased_tools_say_nothing_of_one_candidate_and_the_same_of_others() -> None:
    tools = toys.reading_tools(0)
    for name, arguments in (("item_cf", (10,)), ("user_cf", (50,))):
        plain = tools.call(name, arguments).lines
        item = plain[0][0].claim.subject
        assert item is not None
        found = Erased(tools, Erasure.about(item)).call(name, arguments).lines
        assert found == tuple(line for line in plain if line[0].claim.subject != item)
        assert 0 < len(found) < len(plain)


@pytest.mark.checkpoint
def test_the_first_choice_rests_on_its_own_evidence() -> None:
    star = Star(load_dataset("demo"))
    log = star.dataset.interactions
    losses = []
    for reader in sorted(star.dataset.held_out)[:6]:
        query = Query(tuple(log.history(reader).tolist()), reader)
        first = answered(star, query).items[0].item
        losses.append(resting(star, query, first))
    own, other = (np.mean([loss[name] for loss in losses]) for name in ("erasure", "erasure, control"))
    assert own > 0.05 and own > 2 * abs(other), (own, other)
