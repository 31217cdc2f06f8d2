"""Metrics against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from star.evaluation import metrics

RANKS = np.array([1, 2, 4, 11])


@pytest.mark.parametrize(
    ("k", "expected"), [(1, [1, 0, 0, 0]), (3, [1, 1, 0, 0]), (5, [1, 1, 1, 0]), (20, [1, 1, 1, 1])]
)
def test_hit_rate(k: int, expected: list[int]) -> None:
    assert metrics.hit_rate(RANKS, k).tolist() == expected


def test_mean_hit_rate_is_the_mean_of_one_three_and_five() -> None:
    assert metrics.mean_hit_rate(RANKS) == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert metrics.mean_hit_rate(np.arange(1, 21)).mean() == pytest.approx(0.15)


def test_ndcg() -> None:
    assert metrics.ndcg(RANKS) == pytest.approx([1, 1 / np.log2(3), 1 / np.log2(5), 0])


def test_rank_of() -> None:
    assert metrics.rank_of((7, 3, 9), 9) == 3
    with pytest.raises(ValueError):
        metrics.rank_of((7, 3), 9)


def test_percentiles_share_ties() -> None:
    assert metrics.percentiles(np.array([5, 1, 3])).tolist() == [100, 0, 50]
    assert metrics.percentiles(np.array([2, 2, 2])).tolist() == [50, 50, 50]
    assert metrics.percentiles(np.array([4])).tolist() == [50]


def test_coverage_and_popularity_look_at_the_first_places() -> None:
    orders = [(0, 1, 2), (0, 2, 1)]
    assert metrics.coverage(orders, 10, k=1) == pytest.approx(0.1)
    assert metrics.coverage(orders, 10, k=2) == pytest.approx(0.3)
    assert metrics.mean_popularity(orders, np.array([10.0, 20.0, 60.0]), k=2) == pytest.approx(25)
    assert metrics.coverage([], 10) == 0


def test_bootstrap_resamples_readers_not_tasks() -> None:
    rng = np.random.default_rng(0)
    per_reader = rng.random(50) < 0.5
    values, readers = np.repeat(per_reader, 20).astype(float), np.repeat(np.arange(50), 20)
    low, high = metrics.bootstrap_mean(values, readers)
    by_task = metrics.bootstrap_mean(values, np.arange(len(values)))
    assert high - low > 3 * (by_task[1] - by_task[0])
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(50), rel=0.15)


def test_bootstrap_weighs_readers_by_their_tasks() -> None:
    low, high = metrics.bootstrap_mean(np.array([1.0, 1.0, 1.0, 0.0]), np.array([5, 5, 5, 9]))
    assert (low, high) == (0.0, 1.0)


def test_bootstrap_is_a_function_of_the_seed() -> None:
    values, readers = np.arange(30) % 3 == 0, np.arange(30) // 2
    one = metrics.bootstrap_mean(values.astype(float), readers, seed=1)
    assert one == metrics.bootstrap_mean(values.astype(float), readers, seed=1)


def test_paired_intervals_are_narrower_than_unpaired_ones() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(200)
    a, b, readers = (hard < 0.6).astype(float), (hard < 0.5).astype(float), np.arange(200)
    pair = metrics.bootstrap_pair(a, b, readers)
    low, high = pair["difference"]
    assert 0 < low < a.mean() - b.mean() < high
    alone = metrics.bootstrap_mean(a, readers)
    assert high - low < alone[1] - alone[0]
    assert pair["ratio"][0] < a.mean() / b.mean() < pair["ratio"][1]


def test_a_ratio_to_nothing_is_not_a_number() -> None:
    pair = metrics.bootstrap_pair(np.ones(5), np.zeros(5), np.arange(5))
    assert np.isnan(pair["ratio"]).all()
    assert pair["difference"] == [1, 1]
