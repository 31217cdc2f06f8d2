"""The teacher with fitted signals: learned points of what is said, steady for a person, drawn around them for training."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
import reading

from star.data.tasks import make_tasks
from star.evidence.claims import Claim
from star.evidence.fitting import fit_signals
from star.evidence.signals import Signals
from star.evidence.tools import Attributes, Tools
from star.evidence.verification import check
from star.mars import agents
from star.mars.judgement import (
    FEATURES,
    SHORT,
    TRUSTS,
    draw_learned,
    features,
    kind_of,
    learned,
    of_shelf,
    steady,
)
from star.mars.run import MarsRanker, Run, run
from star.trace.grammar import item_row
from star.trace.steps import parse
from training.studies.tune_mars import Lists, fit, heard

LINE = (
    Claim("pull", 3, None, {"window": 5, "rank": 2, "among": 20}, "good"),
    Claim("series", 3, None, {"number": 2}, label="sequel"),
    Claim("author", 3, None, {"books": 2}),
    Claim("co_read", 3, 1, {"both": 9, "of": 20, "lift": 3.0}),
)


@cache
def fitted() -> Signals:
    return fit_signals(reading.graph(), reading.dataset().catalog, Attributes.of(reading.dataset().catalog))


def tools_of(seed: int, shelf: int | None = None) -> Tools:
    """Tools of a test reader's shelf and 20 candidates, one of them the book that was read next."""
    rng, data = np.random.default_rng(seed), reading.dataset()
    history = data.interactions.history(int(rng.choice(reading.parts().test))).astype(np.int64)
    known = history[: shelf or int(rng.integers(1, len(history)))]
    target = history[len(known) : len(known) + 1]
    unread = np.setdiff1d(np.arange(reading.BOOKS), history)
    candidates = rng.permutation(
        np.concatenate([target, rng.choice(unread, 20 - len(target), replace=False)])
    )
    return Tools(
        reading.graph(), data.catalog, Attributes.of(data.catalog), known, candidates, None, fitted()
    )


def served(seed: int, draw: int = 0) -> tuple[Tools, Run]:
    tools = tools_of(seed)
    return tools, run(tools, draw, various=False)


def test_every_feature_has_its_weights() -> None:
    assert learned().keys() == {"all", "short"}
    for part in learned().values():
        assert tuple(part) == FEATURES and all(np.isfinite(list(part.values())))


def test_points_by_hand() -> None:
    said = features(LINE)
    assert said == {
        "pull.said": 1, "pull.level": 4, "pull.place": 0.5, "sequel.said": 1, "author.said": 1,
        "author.books": pytest.approx(np.log(2)), "co_read.said": 1, "co_read.lift": pytest.approx(np.log(3)),
    }  # fmt: skip
    judgement = steady(SHORT)
    w = learned()["all"]
    expected = (
        w["pull.said"] + 4 * w["pull.level"] + w["pull.place"] / 2 + w["sequel.said"] + w["author.said"]
    )
    expected += w["author.books"] * np.log(2) + w["co_read.said"] + w["co_read.lift"] * np.log(3)
    assert agents.points(LINE, judgement) == pytest.approx(expected)


def test_a_short_shelf_has_weights_of_its_own() -> None:
    long, short = of_shelf(learned(), SHORT), of_shelf(learned(), SHORT - 1)
    assert long == learned()["all"]
    assert short == {name: value + learned()["short"][name] for name, value in long.items()} != long


def test_few_readers_are_weighed_apart() -> None:
    numbers = {"rank": 1, "among": 20}
    for under, kind in ((5, "unread"), (20, "about")):
        claim = Claim("about", 3, None, numbers | {"under": under}, "fair")
        assert set(map(kind_of, features([claim]))) == {kind}


def test_a_person_is_served_without_chance() -> None:
    for seed in range(8):
        (_, one), (_, two) = served(seed, 0), served(seed, 1)
        tied = {p for p, n in Counter(one.points.get(c, 0.0) for c in one.order).items() if n > 1}
        for a, b in zip(one.order, two.order, strict=True):
            assert a == b or (
                one.points.get(a, 0.0) in tied and one.points.get(a, 0.0) == two.points.get(b, 0.0)
            )


def test_training_runs_vary_around_it() -> None:
    drawn = [draw_learned(np.random.default_rng(seed), SHORT) for seed in range(400)]
    assert {j.trust for j in drawn} == set(TRUSTS) and len({(j.window, j.asked) for j in drawn}) == 6
    for name, value in learned()["all"].items():
        if value:
            plain = [j.learned[name] / value for j in drawn if TRUSTS[j.trust] != kind_of(name)]
            assert 0.93 < np.median(plain) < 1.07 and 0.15 < np.log(plain).std() < 0.25
    first = drawn[0].learned
    ratios = {kind_of(n): first[n] / v for n, v in learned()["all"].items() if v}
    assert all(first[n] / v == pytest.approx(ratios[kind_of(n)]) for n, v in learned()["all"].items() if v)
    assert len({run(tools_of(3), seed).order for seed in range(20)}) > 2


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("various", [False, True])
def test_every_sentence_is_borne_out_and_three_lines_of_a_contender_are_quoted(
    seed: int, various: bool
) -> None:
    tools = tools_of(seed)
    done = run(tools, seed, various=various)
    trace = parse(done.words(), len(tools.history))
    verdicts = Counter(check(c, tools).verdict for step in trace.steps for c in step.claims)
    assert verdicts["supported"] > 20 and not verdicts["unsupported"]
    last = [m for m in done.log if m.type == "reflection"][-1].words
    lines = " ".join(last).split(" ; ")
    quoted = Counter(row for line in lines if (row := item_row(line.split()[0])) is not None)
    assert quoted.keys() <= set(done.order[:3]) and max(quoted.values(), default=0) <= agents.QUOTED


def test_as_a_method_of_the_table() -> None:
    data, parts = reading.dataset(), reading.parts()
    given = data.interactions, parts.test, "classic", "uniform", reading.graph().counts, None, 60, 1
    tasks = make_tasks(*given)
    ranked = MarsRanker(data, reading.graph(), signals=fitted()).rank(tasks)
    hits = np.mean([r.order.index(t.target) < 5 for r, t in zip(ranked, tasks, strict=True)])
    assert hits > 0.5  # chance: 0.25


def test_what_is_fitted_on_is_what_is_weighed() -> None:
    """The points of a run's first look are the weights times the features of the fit."""
    for seed, shelf in ((1, 3), (2, 8)):
        tools = tools_of(seed, shelf)
        judgement = steady(shelf)
        board = agents.Blackboard(tools, judgement, np.random.default_rng(0))
        for analyst in (agents.user_profile, agents.historical_interest, agents.recent_interest):
            analyst(board)
        x = heard(tools, judgement.window, judgement.asked)
        both = np.array([learned()[part][name] for part in ("all", "short") for name in FEATURES])
        total = agents.weigh(board)
        expected = [total.get(c, 0.0) for c in tools.candidates.tolist()]
        np.testing.assert_allclose(x @ both, expected, atol=1e-5)


def test_the_fit_finds_the_weights_that_lists_were_drawn_from() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 8, 3)).astype(np.float32)
    there = np.arange(8)[None] < rng.integers(3, 9, 6000)[:, None]
    x[~there] = 0
    true = np.array([1.0, -0.5, 0.0])
    score = np.where(
        there, x @ true + rng.gumbel(size=there.shape), -np.inf
    )  # the largest is chosen as by a softmax
    found, likelihood = fit(Lists(x, there, score.argmax(1)), 1e-6)
    np.testing.assert_allclose(found, true, atol=0.08)
    assert likelihood > -np.log(8)
    assert np.abs(fit(Lists(x, there, score.argmax(1)), 1.0)[0]).max() < 0.3  # the penalty shrinks
