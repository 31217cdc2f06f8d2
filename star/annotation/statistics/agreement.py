"""A campaign's reliability, pairwise preferences, annotator quality and correlations, as one document for JSON.

    star annotations agreement        prints `report` of a campaign

The functions are pure and take rows. Ratings are compared only within one version of the rubric, because a changed
wording is a different question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import rankdata

from star.annotation.exchange.rows import Comparison, Rating
from star.annotation.statistics.annotator_quality import annotator_quality
from star.annotation.statistics.pairwise_preference import answers_by_record, left_share, ranking, win_rates
from star.annotation.statistics.reliability import alpha, bootstrap_alpha, kappa
from star.evaluation import metrics

SHARED = 5  # κ of two annotators needs at least this many records rated by both
Measures = Mapping[str, Mapping[Any, float]]
"""Name of an automatic measure → record → value."""


def criteria(ratings: Sequence[Rating], seed: int = 0) -> list[dict[str, Any]]:
    """For each rubric version and criterion: counts, mean, ordinal α with its interval, and κ of each pair of annotators."""
    grouped: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for row in ratings:
        grouped[row.rubric, row.criterion].append(row)
    return [
        {"rubric": rubric, "criterion": criterion, **_criterion(rows, seed)}
        for (rubric, criterion), rows in sorted(grouped.items())
    ]


def _criterion(rows: Sequence[Rating], seed: int) -> dict[str, Any]:
    units: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.value is not None:
            units[row.record, row.system][row.annotator] = row.value
    said = [list(unit.values()) for unit in units.values()]
    records = [record for record, _ in units]
    values = [value for unit in said for value in unit]
    return {
        "records": len(set(records)),
        "annotators": len({row.annotator for row in rows}),
        "ratings": len(values),
        "cannot_judge": len(rows) - len(values),
        "mean": float(np.mean(values)) if values else None,
        "alpha": alpha(said),
        "alpha_ci": bootstrap_alpha(said, records, "ordinal", seed),
        "kappa": _kappas(list(units.values())),
    }


def _kappas(units: Sequence[Mapping[str, int]]) -> list[dict[str, Any]]:
    names = sorted({name for unit in units for name in unit})
    out = []
    for one, two in combinations(names, 2):
        both = [(unit[one], unit[two]) for unit in units if one in unit and two in unit]
        if len(both) >= SHARED:
            first, second = zip(*both, strict=True)
            out.append({"annotators": [one, two], "n": len(both), "kappa": kappa(first, second)})
    return out


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's ρ along the last axis, ties at their mean rank; nan where one argument is constant."""
    a, b = (rankdata(side, axis=-1) for side in (np.asarray(x), np.asarray(y)))
    a, b = (side - side.mean(-1, keepdims=True) for side in (a, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def correlations(ratings: Sequence[Rating], measures: Measures, seed: int = 0) -> list[dict[str, Any]]:
    """Spearman's ρ of each criterion's mean rating per record with each automatic measure; records are resampled."""
    given: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in ratings:
        if row.value is not None:
            given[row.rubric, row.criterion][row.record].append(row.value)
    out = []
    for (rubric, criterion), by_record in sorted(given.items()):
        for name, value in sorted(measures.items()):
            both = sorted(record for record in by_record if record in value)
            x = np.array([np.mean(by_record[record]) for record in both])
            y = np.array([value[record] for record in both], dtype=np.float64)
            drawn = (
                np.random.default_rng(seed).integers(len(both), size=(metrics.DRAWS, len(both)))
                if both
                else None
            )
            out.append(
                {
                    "rubric": rubric,
                    "criterion": criterion,
                    "measure": name,
                    "records": len(both),
                    "rho": float(spearman(x, y)) if both else None,
                    "ci": [None, None] if drawn is None else metrics.interval(spearman(x[drawn], y[drawn])),
                }
            )
    return out


def report(
    ratings: Sequence[Rating],
    comparisons: Sequence[Comparison] = (),
    measures: Measures | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The whole report. An undefined value (constant ratings, too few answers) is None.

    Args:
        ratings, comparisons: submitted answers, without those of withdrawn annotators.
        measures: automatic measures by record, such as claim precision or erasure.
        seed: of the bootstrap.
    """
    chosen, records = answers_by_record(comparisons)
    return _plain(
        {
            "seed": seed,
            "ratings": len(ratings),
            "comparisons": len(comparisons),
            "criteria": criteria(ratings, seed),
            "contest": {
                "alpha": alpha(chosen, "nominal"),
                "alpha_ci": bootstrap_alpha(chosen, records, "nominal", seed),
                "win_rates": win_rates(comparisons, seed),
                "left": left_share(comparisons, seed),
                "ranking": ranking(comparisons, seed),
            },
            "annotators": annotator_quality(ratings, comparisons),
            "correlations": correlations(ratings, measures or {}, seed),
        }
    )


def _plain(value: Any) -> Any:
    """nan and infinities become None, because JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
