"""The spread of scores on one record, in points of the scale; adjudication sorts and selects records by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from star.annotation.workflow.answers import Answer

POINTS = {"left": 1, "tie": 3, "right": 5}


def disagreement(answers: Iterable[Answer]) -> int:
    """The largest spread (maximum minus minimum score) over the criteria, without "cannot judge".

    A choice in a pair counts as one criterion: left 1, tie 3, right 5.

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
