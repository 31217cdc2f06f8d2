"""Rewards, by tables of cases."""

from __future__ import annotations

import pytest

from star.trace.steps import parse
from training.lib.rewards import copied, format_reward, grounding_reward, outcome_reward, quotes

PLAN = "<plan> ask 30 readers ; </plan>"
ANSWER = (
    "<tool_call> item_cf 5 </tool_call> <tool_response> <i1> good x2.5 12 /40 <i9> <i1> ; "
    "<i2> weak few <i2> ; _epic 3 of 5 ; </tool_response>"
)
NOTHING = "<tool_call> item_cf 5 </tool_call> <tool_response> nothing ; </tool_response>"
END = "<recommend> <i1> <i2> <i3> <i4> <i5> </recommend>"


@pytest.mark.parametrize(
    ("answer", "reflection", "expected"),
    [
        (ANSWER, "<i1> good x2.5 12 /40 <i9> ; both point to <i1> ;", 1),
        (ANSWER, "<i1> good ; <i2> weak few ; _epic 3 of 5 ;", 1),
        (ANSWER, "<i1> good x2.5 13 /40 <i9> ;", 0),  # a number that no tool said
        (ANSWER, "<i1> good x2.5 12 /40 <i8> ;", 0),  # of another book
        (ANSWER, "<i2> good ;", 0),
        (ANSWER, "<i1> good ; <i1> similar_good 7/50 ;", 0),  # no tool was asked
        (ANSWER, "both point to <i1> ;", 0),  # form without substance
        (ANSWER, "", 0),
        (NOTHING, "evidence is thin ;", 1),  # nothing to quote
        (NOTHING, "<i1> good ;", 0),
    ],
)
def test_form_is_paid_with_substance_only(answer: str, reflection: str, expected: float) -> None:
    trace = parse(f"{PLAN} {answer} <reflection> {reflection} </reflection> {END}".split(), 8)
    assert format_reward(trace) == expected


def test_unreadable() -> None:
    assert format_reward(None) == -1


def test_quotes_are_the_models_own() -> None:
    trace = parse(f"{PLAN} {ANSWER} <reflection> <i2> weak few ; </reflection> {END}".split(), 8)
    assert [c.kind for c in quotes(trace)] == ["pull", "co_read"]


@pytest.mark.parametrize(
    ("place", "tiers", "ndcg", "first"),
    [
        (0, 1, 1, 1), (1, 2 / 3, 0.63093, 0), (2, 2 / 3, 0.5, 0), (3, 1 / 3, 0.43068, 0), (4, 1 / 3, 0.38685, 0),
        (5, 0, 0.35621, 0), (None, 0, 0, 0),
    ],
)  # fmt: skip
def test_outcome(place: int | None, tiers: float, ndcg: float, first: float) -> None:
    assert outcome_reward(place) == tiers
    assert outcome_reward(place, "ndcg") == pytest.approx(ndcg, abs=1e-4)
    assert outcome_reward(place, "first") == first


def test_outcome_by_another_name() -> None:
    with pytest.raises(ValueError, match="mrr"):
        outcome_reward(0, "mrr")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], 0), (["opinion"], 0), (["supported"], 1), (["supported", "opinion", "unsupported"], 0.5),
        (["unsupported"], 0), (["supported"] * 3 + ["unsupported"], 0.75),
    ],
)  # fmt: skip
def test_grounding(verdicts: list[str], expected: float) -> None:
    assert grounding_reward(verdicts) == expected  # type: ignore[arg-type]


def test_copied() -> None:
    assert copied([4, 5], [4, 5, 6]) and not copied([5, 4], [4, 5, 6])
