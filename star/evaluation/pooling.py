"""Means over scenarios from outcomes of single cells, and paired differences of methods on the same tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from star.evaluation import metrics
from star.methods.registry import BASELINES
from star.ranking import Ranked

METRICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hr@1": lambda ranks: metrics.hit_rate(ranks, 1),
    "hr@3": lambda ranks: metrics.hit_rate(ranks, 3),
    "hr@5": lambda ranks: metrics.hit_rate(ranks, 5),
    "mean": metrics.mean_hit_rate,
    "ndcg@10": metrics.ndcg,
}


COSTS = ("seconds_per_query", "generated_tokens", "model_calls")
POOLED = "pooled"
ORACLE = "oracle"
NEIGHBOURS = ("itemknn", "itemknn:recent", "userknn")
RIVALS = (
    ("star", ("mars",)),
    ("star", BASELINES),
    ("star", ("fusion",)),
    ("mars", NEIGHBOURS),
)
"""(method, those of which the best on the same tasks is compared with it). Trees of another data set (`fusion:DATASET`) are
compared with every baseline."""


@dataclass(frozen=True)
class Outcome:
    """One method on one cell: ranks of the targets (n,), readers (n,) and the answers."""

    ranks: np.ndarray
    readers: np.ndarray
    answers: list[Ranked]


Cell = tuple[str, str]


def pools(
    rows: list[dict[str, Any]], outcomes: dict[tuple[str, Cell], Outcome], cells_of: list[Cell], seed: int
) -> list[dict[str, Any]]:
    """Means over each scenario's kinds of negatives, then over all cells, for methods that answered all of them."""
    return [
        _pooled([row for row in rows if row["method"] == name and _cell(row) in part], there, scenario, seed)
        for (scenario, _), part in _parts(cells_of).items()
        for name in dict.fromkeys(name for name, _ in outcomes)
        if len(part) > 1
        and len(there := [out for (m, cell), out in outcomes.items() if m == name and cell in part])
        == len(part)
    ]


def _parts(cells_of: list[Cell]) -> dict[Cell, list[Cell]]:
    """The cells of each scenario, and all cells, by name; a single cell keeps its own name."""
    parts = {s: [cell for cell in cells_of if cell[0] == s] for s in dict.fromkeys(s for s, _ in cells_of)}
    parts |= {POOLED: cells_of} if len(parts) > 1 else {}
    return {part[0] if len(part) == 1 else (name, POOLED): part for name, part in parts.items()}


def _cell(row: dict[str, Any]) -> Cell:
    return row["scenario"], row["negatives"]


def _pooled(rows: list[dict[str, Any]], outcomes: list[Outcome], scenario: str, seed: int) -> dict[str, Any]:
    """The mean over cells; a bootstrap draw weighs a reader equally in every cell."""
    columns = [*METRICS, "coverage", "popularity", *COSTS]
    return {
        "method": rows[0]["method"],
        "scenario": scenario,
        "negatives": POOLED,
        "n": sum(row["n"] for row in rows),
        **{name: float(f"{np.mean([row[name] for row in rows]):.4g}") for name in columns},
        "ci": {name: rounded(*metrics.interval(draws(outcomes, name, seed))) for name in METRICS},
    }


def draws(outcomes: Sequence[Outcome], metric: str, seed: int) -> np.ndarray:
    """Bootstrap draws of the mean over cells, (draws,)."""
    drawn = metrics.reader_weights(np.concatenate([o.readers for o in outcomes]), seed)
    each = [metrics.resampled_means(METRICS[metric](o.ranks), o.readers, *drawn) for o in outcomes]
    return np.mean(each, axis=0)


def paired(outcomes: dict[tuple[str, Cell], Outcome], of: list[Cell], seed: int) -> list[dict[str, Any]]:
    """The comparisons of `RIVALS`, per scenario and pooled; of several rivals, the best on the same tasks."""
    rows = []
    for name, part in _parts(of).items():
        there: dict[str, list[Outcome]] = defaultdict(list)
        for (method, cell), out in outcomes.items():
            if cell in part:
                there[method].append(out)
        pairs: dict[tuple[str, str], None] = {}
        variants = tuple(("star", (name,)) for name in there if name.startswith("star:"))
        variants += tuple((name, (b,)) for name in there if name.startswith("fusion:") for b in BASELINES)
        for method, rivals in (*RIVALS, *variants):
            complete = [r for r in rivals if len(there[r]) == len(part)]
            if len(there[method]) == len(part) and complete:
                pairs[method, max(complete, key=lambda name: mean_of(there[name]))] = None
        rows += [_pair(one, two, name, there[one], there[two], seed) for one, two in pairs]
    return rows + _shares(outcomes, seed)


def _shares(outcomes: dict[tuple[str, Cell], Outcome], seed: int) -> list[dict[str, Any]]:
    """STAR and MARS as a share of the oracle (`ratio`), over the oracle's cells."""
    exact = [cell for method, cell in outcomes if method == ORACLE]
    best = [outcomes[ORACLE, cell] for cell in exact]
    return [
        _pair(
            method, ORACLE, ("the oracle's cells", POOLED), [outcomes[method, c] for c in exact], best, seed
        )
        for method in ("star", "mars")
        if exact and all((method, cell) in outcomes for cell in exact)
    ]


def mean_of(outcomes: Sequence[Outcome]) -> float:
    """Mean hit rate, mean over cells."""
    return float(np.mean([metrics.mean_hit_rate(o.ranks).mean() for o in outcomes]))


def _pair(
    method: str, against: str, cell: Cell, a: Sequence[Outcome], b: Sequence[Outcome], seed: int
) -> dict[str, Any]:
    """Difference and ratio of the mean hit rate on the same tasks, readers resampled."""
    spans = metrics.pair_intervals(draws(a, "mean", seed), draws(b, "mean", seed))
    return {
        "method": method,
        "against": against,
        "scenario": cell[0],
        "negatives": cell[1],
        "difference": rounded(mean_of(a) - mean_of(b)),
        "ratio": rounded(mean_of(a) / mean_of(b)) if mean_of(b) else None,
        "ci": {name: rounded(*span) for name, span in spans.items()},
    }


def rounded(*values: Any) -> Any:
    """Rounded to four decimals; None for nan and infinity. One value, or a list of several."""
    made = [round(float(v), 4) if np.isfinite(v) else None for v in values]
    return made[0] if len(made) == 1 else made
