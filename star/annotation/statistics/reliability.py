"""Inter-annotator agreement: Krippendorff's α for any number of annotators, weighted κ for two."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np

from star.evaluation import metrics

Metric = Literal["nominal", "ordinal", "interval", "ratio"]


def coincidences(units: Sequence[Sequence[float | None]]) -> tuple[np.ndarray, np.ndarray]:
    """Coincidence matrices, one per unit.

    Args:
        units: for each unit, the annotators' values in any order; None is missing.

    Returns:
        The distinct values in order (V,), and float64 (U, V, V): unit u with m_u values counts each ordered pair of two
        annotators' values with weight 1 / (m_u − 1). A unit with fewer than two values is zero.
    """
    said = [[v for v in unit if v is not None] for unit in units]
    values = np.unique(np.array([v for unit in said for v in unit if len(unit) > 1], dtype=np.float64))
    out = np.zeros((len(said), len(values), len(values)))
    for row, unit in enumerate(said):
        if len(unit) > 1:
            counts = np.bincount(np.searchsorted(values, unit), minlength=len(values)).astype(np.float64)
            out[row] = (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    return values, out


def distances(values: np.ndarray, marginals: np.ndarray, metric: Metric) -> np.ndarray:
    """Squared differences δ²(c, k) of Krippendorff (2011).

    Args:
        values: (V,) in order; marginals: (…, V), how often each value was paired; used by `ordinal` only.

    Returns:
        (V, V); (…, V, V) for `ordinal`.
    """
    c, k = values[:, None], values[None, :]
    if metric == "nominal":
        return (c != k).astype(np.float64)
    if metric == "interval":
        return (c - k) ** 2
    if metric == "ratio":
        total = c + k
        return np.divide(c - k, total, out=np.zeros_like(total), where=total != 0) ** 2
    upto = marginals.cumsum(-1) - marginals / 2  # Σ of all below and half of the value itself
    return (upto[..., :, None] - upto[..., None, :]) ** 2


def alpha_of(values: np.ndarray, coincidence: np.ndarray, metric: Metric) -> np.ndarray:
    """α = 1 − (n − 1) Σ o_ck δ² / Σ n_c n_k δ² (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011).

    Args:
        coincidence: (…, V, V).

    Returns:
        (…); nan where all values are equal or no unit has two values.
    """
    marginals = coincidence.sum(-1)
    delta = distances(values, marginals, metric)
    observed = (coincidence * delta).sum((-2, -1))
    expected = (marginals[..., :, None] * marginals[..., None, :] * delta).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (marginals.sum(-1) - 1) * observed / expected, np.nan)


def alpha(units: Sequence[Sequence[float | None]], metric: Metric = "ordinal") -> float:
    """Krippendorff's α over units × annotators with missing values; nan where α is undefined."""
    values, each = coincidences(units)
    return float(alpha_of(values, each.sum(0), metric)) if len(values) else float("nan")


def bootstrap_alpha(
    units: Sequence[Sequence[float | None]],
    records: Sequence[str],
    metric: Metric = "ordinal",
    seed: int = 0,
) -> list[float]:
    """95 % bootstrap interval of α; a record is resampled with all its units.

    Args:
        records: the record of each unit.
    """
    values, each = coincidences(units)
    if not len(values):
        return [float("nan")] * 2
    distinct, weights = metrics.reader_weights(np.array(records), seed)
    summed = np.zeros((len(distinct), *each.shape[1:]))
    np.add.at(summed, np.searchsorted(distinct, records), each)
    drawn = (weights @ summed.reshape(len(distinct), -1)).reshape(len(weights), *each.shape[1:])
    return metrics.interval(alpha_of(values, drawn, metric))


def kappa(
    first: Sequence[int], second: Sequence[int], weights: Literal["linear", "quadratic"] = "quadratic"
) -> float:
    """Cohen's weighted κ of two annotators on the same records (Cohen 1968); nan where all values are equal.

    Every whole number from the smallest to the largest value is a category, used or not, so that weights follow the
    differences of values.
    """
    if len(set(first) | set(second)) < 2:
        return float("nan")
    from sklearn.metrics import cohen_kappa_score  # takes a second to import

    scale = list(range(min(*first, *second), max(*first, *second) + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(cohen_kappa_score(first, second, labels=scale, weights=weights))
