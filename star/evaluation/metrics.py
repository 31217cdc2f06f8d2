"""Hit rate, NDCG, coverage and popularity of ranked lists; bootstrap intervals that resample readers, not tasks.

Ranks start at 1. With 1 + 19 candidates chance gives HR@1/3/5 = .05/.15/.25 and their mean .15.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

CUTS = (1, 3, 5)
DRAWS = 2_000


def rank_of(order: Sequence[int], target: int) -> int:
    """Rank of the target in the order, from 1.

    Raises:
        ValueError: the target is not in the order.
    """
    return list(order).index(target) + 1


def hit_rate(ranks: np.ndarray, k: int) -> np.ndarray:
    """HR@k per task: 1 where rank <= k, else 0; float64 (n,)."""
    return (np.asarray(ranks) <= k).astype(np.float64)


def mean_hit_rate(ranks: np.ndarray) -> np.ndarray:
    """(HR@1 + HR@3 + HR@5) / 3 per task, AgentRecBench's main number (arXiv 2505.19623); float64 (n,)."""
    return np.mean([hit_rate(ranks, k) for k in CUTS], axis=0)


def ndcg(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG@k with one relevant item: 1 / log2(rank + 1) where rank <= k, else 0; float64 (n,)."""
    ranks = np.asarray(ranks, dtype=np.float64)
    return np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0)


def percentiles(counts: np.ndarray) -> np.ndarray:
    """Popularity percentile of every item, 0 (least read) to 100 (most read); float64 (I,).

    The share of the other items that have fewer readers, plus half the share that have as many.
    """
    counts = np.asarray(counts)
    if len(counts) < 2:
        return np.full(len(counts), 50.0)
    ordered = np.sort(counts)
    below = np.searchsorted(ordered, counts, side="left")
    upto = np.searchsorted(ordered, counts, side="right")
    return 100 * (below + (upto - below - 1) / 2) / (len(counts) - 1)


def coverage(orders: Sequence[Sequence[int]], n_items: int, k: int = 5) -> float:
    """Share of the catalogue that is among the first k of at least one order."""
    return len({item for order in orders for item in order[:k]}) / n_items if n_items else 0.0


def mean_popularity(orders: Sequence[Sequence[int]], percentile: np.ndarray, k: int = 5) -> float:
    """Mean popularity percentile of the first k items of each order, 0 to 100."""
    shown = [item for order in orders for item in order[:k]]
    return float(percentile[shown].mean()) if shown else 0.0


def reader_weights(readers: np.ndarray, seed: int, draws: int = DRAWS) -> tuple[np.ndarray, np.ndarray]:
    """Resampling of readers with replacement.

    Args:
        readers: reader of every task, (n,).

    Returns:
        the distinct readers, sorted, (R,), and how often each is drawn, int64 (draws, R); rows sum to R.
        Equal readers and seed give equal weights, so differences between methods are paired.
    """
    distinct = np.unique(readers)
    return distinct, _weights(len(distinct), seed, draws)


@lru_cache(maxsize=4)  # every method and metric of a cell asks for the same
def _weights(readers: int, seed: int, draws: int) -> np.ndarray:
    uniform = np.full(readers, 1 / max(readers, 1))
    weights = np.random.default_rng(seed).multinomial(readers, uniform, size=draws)
    weights.flags.writeable = False
    return weights


def resampled_means(
    values: np.ndarray, readers: np.ndarray, distinct: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean over tasks in every bootstrap draw, (draws,): Σ_r w_r · (sum of r's values) / Σ_r w_r · (number of r's tasks).

    A draw without any of these readers gives nan.
    """
    column = np.searchsorted(distinct, readers)
    sums = np.bincount(column, weights=values, minlength=len(distinct))
    sizes = np.bincount(column, minlength=len(distinct))
    with np.errstate(invalid="ignore"):
        return (weights @ sums) / (weights @ sizes)


def interval(draws: np.ndarray) -> list[float]:
    """The central 95 % of bootstrap draws, [low, high]; nan is left out."""
    kept = draws[np.isfinite(draws)]
    return [float(v) for v in np.quantile(kept, [0.025, 0.975])] if len(kept) else [float("nan")] * 2


def bootstrap_mean(values: np.ndarray, readers: np.ndarray, seed: int = 0) -> list[float]:
    """95 % interval of the mean over tasks, readers resampled (percentile method, Efron & Tibshirani)."""
    return interval(resampled_means(values, readers, *reader_weights(readers, seed)))


def bootstrap_pair(
    a: np.ndarray, b: np.ndarray, readers: np.ndarray, seed: int = 0
) -> dict[str, list[float]]:
    """95 % intervals of mean(a) - mean(b) and of mean(a) / mean(b) on the same tasks, readers resampled.

    A draw in which mean(b) is 0 has no ratio and is left out of its interval.
    """
    drawn = reader_weights(readers, seed)
    return pair_intervals(resampled_means(a, readers, *drawn), resampled_means(b, readers, *drawn))


def pair_intervals(a: np.ndarray, b: np.ndarray) -> dict[str, list[float]]:
    """Intervals of difference and ratio from the same bootstrap draws of two means, (draws,) each."""
    ratios = np.divide(a, b, out=np.full_like(a, np.nan), where=b > 0)
    return {"difference": interval(a - b), "ratio": interval(ratios)}
