"""Items among the first five that break a rule of `star/evidence/hygiene.py`, by method, without the rules and with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from star.evaluation.pooling import rounded
from star.evidence.hygiene import NAMES, Hygiene

TOP = 5  # items that a person is shown


Pair = tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]]
"""A method's lists, best first, one per reader: without the rules, and with them."""


def table(
    hygiene: Hygiene | None,
    shelves: Sequence[Sequence[int]],
    targets: Sequence[int],
    lists: dict[str, Pair],
) -> dict[str, Any] | None:
    """The counts and recall@10 of every method, `without` the rules and `with` them; None where no rules were applied."""
    if hygiene is None:
        return None

    def side(listed: Sequence[Sequence[int]]) -> dict[str, float]:
        found = [target in order[:10] for target, order in zip(targets, listed, strict=True)]
        return {**counts(hygiene, shelves, listed), "recall@10": rounded(sum(found) / max(len(found), 1))}

    rows = [
        {"method": method, "without": side(before), "with": side(after)}
        for method, (before, after) in lists.items()
    ]
    return {"top": TOP, "n": len(shelves), "rows": rows}


def counts(
    hygiene: Hygiene, shelves: Sequence[Sequence[int]], listed: Sequence[Sequence[int]]
) -> dict[str, int]:
    """`items`: in the first five of all lists; `of_a_series`: those in a series; for each rule, those that break it.

    An item counts once, under the first rule that it breaks; items above it in the list stay, whether they break one or not.
    """
    rules = Hygiene(hygiene.volumes)  # all, whichever are switched on
    broken: Counter[str | None] = Counter()
    items = of_a_series = 0
    for shelf, order in zip(shelves, listed, strict=True):
        top = list(order[:TOP])
        items += len(top)
        of_a_series += sum(hygiene.volumes.series[item] >= 0 for item in top)
        broken.update(rules.broken(shelf, top))
    return {"items": items, "of_a_series": of_a_series, **{name: broken[name] for name in NAMES}}


def line(found: dict[str, Any]) -> str:
    """The counts as one line of a report."""
    parts = []
    for each in found["rows"]:
        before, after = (sum(each[side][name] for name in NAMES) for side in ("without", "with"))
        parts.append(f"{each['method']} {before} of {each['without']['items']}, with the rules {after}")
    named = ", ".join(name.replace("_", " ") for name in NAMES)
    return f"Items of the first {found['top']} that break a rule of a list ({named}): {'; '.join(parts)}"
