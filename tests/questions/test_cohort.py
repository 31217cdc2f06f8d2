"""A cohort: who is drawn, and what is said of each answer, equal to the library called directly."""

from __future__ import annotations

from dataclasses import replace

import answering
import numpy as np
import pytest
import toy

from star.data.tasks import split
from star.evaluation.own_words import exchanged, first_of
from star.evidence.claims import Claim
from star.questions import cohort as cohorts
from star.questions.cohort import Member, cohort, fitting, sampled
from star.recommend.recommendation import CheckedClaim, Query
from star.recommend.recommender import Star, answer

DATA = toy.dataset()


def test_readers_are_drawn_with_a_seed_among_those_that_fit() -> None:
    lengths = np.diff(DATA.interactions.indptr)
    fit = fitting(DATA, 6, 11)
    assert fit and set(fit) <= DATA.held_out and {int(lengths[row]) for row in fit} <= set(range(6, 12))
    assert fitting(DATA) == sorted(DATA.held_out) and len(fit) < len(DATA.held_out) and fitting(DATA, 1000) == []
    drawn = sampled(fit, 3, 1)
    assert drawn == sampled(fit, 3, 1) != sampled(fit, 3, 2)
    assert len(set(drawn)) == 3 and set(drawn) <= set(fit) and sorted(sampled(fit, 1000, 0)) == fit


@pytest.mark.parametrize("name", answering.NAMES)
def test_members_are_the_answers_of_the_recommender(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts, "TOGETHER", 2)
    recommender = answering.recommender(name)
    log = recommender.dataset.interactions
    rows = [int(row) for row in split(log).test[:3]]
    parts = list(cohort(recommender, rows))
    assert [len(part) for part in parts] == [2, 1]
    for row, member in zip(rows, (member for part in parts for member in part), strict=True):
        query = Query(tuple(map(int, log.history(row))), row)
        assert answering.meaning(member.answer) == answering.meaning(answer(recommender, query))
        assert member.confidence == member.answer.items[0].score
        if isinstance(recommender, Star):
            state = recommender.written(query)
            assert member.follows is (first_of(state, exchanged(state)) == state.order[1])
        else:
            assert member.follows is None


def said(claim: Claim, author: str = "tool", verdict: str = "supported") -> CheckedClaim:
    return CheckedClaim(claim, "", {}, (), author, verdict)  # type: ignore[arg-type]


def test_unsupported_statements_and_clear_signals_are_counted() -> None:
    done = answer(toy.ToyRecommender(DATA, 0), Query((3, 0)))
    member = Member(done, None)
    assert member.verdicts == (1, 2), "the toy states one wrong number, one right one, and an opinion"
    first, other = done.items[0].item, done.items[1].item
    clear = [
        said(Claim("whole", first, None, {"rank": 1, "among": 20}, "good")),
        said(Claim("whole", first, None, {"rank": 1, "among": 20}, "strong"), "model"),
        said(Claim("series", first, 3, {}, None, "sequel")),
    ]
    unclear = [
        said(Claim("after", first, None, {"rank": 2, "among": 20}, "fair")),
        said(Claim("last", first, None, {"rank": 15, "among": 20}, "good")),
        said(Claim("latest", first, None, {"rank": 1, "among": 20}, "striking"), "model", "unsupported"),
        said(Claim("pull", other, None, {"rank": 1, "among": 20}, "striking")),
    ]
    assert Member(replace(done, claims=tuple(unclear)), None).evidence == "thin"
    two = Member(replace(done, claims=(*clear, *unclear)), None)
    assert (two.signals, two.evidence) == (2, "some")
    more = [said(Claim(kind, first, None, {"rank": 1, "among": 20}, "good")) for kind in ("after", "last")]
    assert Member(replace(done, claims=(*clear, *more)), None).evidence == "rich"
    nothing = Member(replace(done, items=()), None)
    assert nothing.confidence is None and nothing.signals == 0
