"""Rewards, by tables of cases."""

from __future__ import annotations

import doctest

import pytest

from training.lib import rewards
from training.lib.rewards import coverage_reward, length_reward, outcome_reward, truth_reward

EVEN = [0.25] * 4


@pytest.mark.parametrize(
    ("ranking", "target", "tiers", "ndcg"),
    [
        ([2, 1, 3], 2, 1, 0.5 + 0.125 * (1 + 0.63093 + 0.5)),
        ([1, 2, 3], 2, 2 / 3, 0.5 * 0.63093 + 0.125 * (1 + 0.63093 + 0.5)),
        ([1, 3, 2], 2, 2 / 3, 0.5 * 0.5 + 0.125 * (1 + 0.63093 + 0.5)),
        ([1, 3, 4, 2], 2, 1 / 3, 0.5 * 0.43068 + 0.125 * (1 + 0.63093 + 0.5 + 0.43068)),
        ([1, 3], 2, 0, 0.125 * (1 + 0.63093)),
        ([], 2, 0, 0),
    ],
)
def test_outcome(ranking: list[int], target: int, tiers: float, ndcg: float) -> None:
    assert outcome_reward(ranking, target, EVEN, "tiers") == pytest.approx(tiers)
    assert outcome_reward(ranking, target, EVEN, "ndcg") == pytest.approx(ndcg, abs=1e-4)


def test_a_target_behind_the_fifth_place_earns_nothing_by_tiers() -> None:
    assert outcome_reward([1, 2, 3, 4, 5, 6], 6, [1 / 6] * 6, "tiers") == 0


def test_outcome_by_another_name() -> None:
    with pytest.raises(ValueError, match="mrr"):
        outcome_reward([1], 1, [1.0], "mrr")


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(rewards).attempted == 1 and doctest.testmod(rewards).failed == 0


@pytest.mark.parametrize(("false", "expected"), [({}, 0), ({3: 0, 4: 2}, -2), ({3: 1, 4: 2}, -3)])
def test_truth(false: dict[int, int], expected: float) -> None:
    assert truth_reward(false) == expected


@pytest.mark.parametrize(
    ("stated", "false", "expected"),
    [
        ({1: 3, 2: 1, 3: 2}, {1: 0, 2: 0, 3: 0}, 1),
        ({1: 3, 2: 1, 3: 2}, {1: 0, 2: 1, 3: 0}, 2 / 3),
        ({1: 3, 2: 0, 3: 2}, {}, 2 / 3),
        ({}, {}, 0),
    ],
)
def test_coverage(stated: dict[int, int], false: dict[int, int], expected: float) -> None:
    assert coverage_reward([2, 1, 3], stated, false) == pytest.approx(expected)


def test_only_the_recommended_are_covered() -> None:
    assert coverage_reward([1, 2, 3, 4, 5, 6], dict.fromkeys(range(1, 6), 1), {}) == 1
    assert coverage_reward([], {}, {}) == 0


def test_length() -> None:
    assert length_reward(80) == -80
