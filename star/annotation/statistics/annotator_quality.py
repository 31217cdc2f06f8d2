"""One row per annotator: gold items passed, pace, straight-lining, and the share of "cannot judge"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from star.annotation.exchange.rows import Comparison, Rating

CLOSE = 1  # points of the scale by which a rating of a gold item may differ from the gold answer


def gold_pass_rate(rows: Sequence[Rating]) -> float | None:
    """Share of ratings of gold items within one point of the gold answer; "cannot judge" fails; None without gold items."""
    asked = [row for row in rows if row.gold is not None]
    hits = [row.value is not None and abs(row.value - (row.gold or 0)) <= CLOSE for row in asked]
    return float(np.mean(hits)) if hits else None


def seconds_per_record(ratings: Sequence[Rating], comparisons: Sequence[Comparison] = ()) -> float | None:
    """Median seconds per record of one annotator. Every row of a record has the record's whole time; the largest counts."""
    spent: dict[tuple[str, str], float] = defaultdict(float)
    for row in ratings:
        key = (row.record, row.system)
        spent[key] = max(spent[key], row.seconds)
    each = [*spent.values(), *(row.seconds for row in comparisons)]
    return float(np.median(each)) if each else None


def straight_lining(rows: Sequence[Rating]) -> float | None:
    """Share of one annotator's records with the same value for all criteria, among records with two or more rated."""
    given: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        if row.value is not None:
            given[row.record, row.system].append(row.value)
    several = [values for values in given.values() if len(values) > 1]
    return float(np.mean([len(set(values)) == 1 for values in several])) if several else None


def annotator_quality(ratings: Sequence[Rating], comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """One row per annotator, sorted by pseudonym."""
    out = []
    for name in sorted({row.annotator for row in ratings} | {row.annotator for row in comparisons}):
        own = [row for row in ratings if row.annotator == name]
        chosen = [row for row in comparisons if row.annotator == name]
        judged = [row.value for row in own if row.value is not None]
        out.append(
            {
                "annotator": name,
                "records": len({(row.record, row.system) for row in own}) + len(chosen),
                "gold": sum(row.gold is not None for row in own),
                "gold_pass_rate": gold_pass_rate(own),
                "median_seconds": seconds_per_record(own, chosen),
                "straight_lining": straight_lining(own),
                "cannot_judge": 1 - len(judged) / len(own) if own else None,
                "mean": float(np.mean(judged)) if judged else None,
                "ties": float(np.mean([row.choice == "tie" for row in chosen])) if chosen else None,
            }
        )
    return out
