"""Disagreement over one record, in points of the scale: what the adjudication queue is sorted and cut by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from star.annotation.workflow.answers import Answer

POINTS = {"left": 1, "tie": 3, "right": 5}


def disagreement(answers: Iterable[Answer]) -> int:
    """The widest spread (largest minus smallest score) over the criteria; "cannot judge" is left out.

    A choice between two counts as a criterion with left 1, tie 3, right 5.

    >>> disagreement([Answer({"plan": 2, "tools": 4}), Answer({"plan": 5, "tools": 4})])
    3
    >>> disagreement([Answer(choice="left"), Answer(choice="tie")])
    2
    """
    scores: dict[str, list[int]] = defaultdict(list)
    for answer in answers:
        for criterion, score in answer.ratings.items():
            if isinstance(score, int):
                scores[criterion].append(score)
        if answer.choice is not None:
            scores[""].append(POINTS[answer.choice])
    return max((max(given) - min(given) for given in scores.values()), default=0)
