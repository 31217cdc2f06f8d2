"""Documents: what is put before annotators, made from runs of recommenders and frozen.

A run is the document of `star recommend --json` (star/recommendation.py) with the titles of its books (`titles`: item id →
title), so that it can be read long after data set and checkpoint have changed.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from star.annotation.models import Choice
from star.errors import UserError

Run = dict[str, Any]

BETRAYING = ("checkpoint", "timing", "seed", "measures")
DESERVED = {"faithful": 1, "ranking": 1}
"""Criterion → what a `mismatched` run deserves by it; of other criteria nothing is known."""


@dataclass(frozen=True)
class Known:
    """The right answer to a hidden item: scores of some criteria, or the better side."""

    ratings: Mapping[str, int] = field(default_factory=dict)
    choice: Choice | None = None


@dataclass(frozen=True)
class Sample:
    """One record to be: the run of one system, or the runs of two for the same reader, in the same order as `systems`."""

    systems: tuple[str, ...]
    runs: tuple[Run, ...]
    scenario: str | None = None
    difficulty: str | None = None
    gold: Known | None = None


def blinded(run: Run) -> Run:
    """A run without what tells who wrote it: checkpoint, seed, times, counts of tokens, scores."""
    shown = {key: value for key, value in run.items() if key not in BETRAYING}
    steps = [{k: v for k, v in s.items() if k not in ("seconds", "tokens")} for s in run["trace"]["steps"]]
    items = [{k: v for k, v in item.items() if k != "score"} for item in run["items"]]
    return shown | {"trace": run["trace"] | {"steps": steps}, "items": items}


def mismatched(run: Run, other: Run) -> Run:
    """A hidden item: the evidence of `run`, and reflection and ranking of another reader's run behind it.

    Whoever reads it sees that the conclusion does not rest on the evidence (`DESERVED`). Verdicts of the borrowed statements
    are taken out, as they were true of the other reader.
    """
    made = copy.deepcopy(run)
    steps = [s for s in made["trace"]["steps"] if s["type"] not in ("reflection", "recommend")]
    borrowed = [s for s in other["trace"]["steps"] if s["type"] in ("reflection", "recommend")]
    made["trace"] = {
        "text": "",
        "steps": steps + [copy.deepcopy(s) | {"claims": []} for s in borrowed],
    }
    kept = {number for step in steps for number in step["claims"]}
    place = {old: new for new, old in enumerate(sorted(kept))}
    made["claims"] = [made["claims"][old] for old in sorted(kept)]
    for step in made["trace"]["steps"]:
        step["claims"] = [place[number] for number in step["claims"]]
    made["items"] = copy.deepcopy(other["items"])
    for about in ("titles", "books"):
        made[about] = {**other.get(about, {}), **made.get(about, {})}
    return made


def deserved(criteria: Sequence[str]) -> Known:
    """The right answer to a `mismatched` run by these criteria, as far as one is known.

    Raises:
        UserError: by none of them.
    """
    known = {key: score for key, score in DESERVED.items() if key in criteria}
    if not known:
        raise UserError(
            f"the rubric asks {', '.join(criteria)}; hidden items are known by {' and '.join(DESERVED)} alone: take a share "
            "of hidden items of 0, or a rubric with one of the two"
        )
    return Known(known)


def checksum(runs: Sequence[Run]) -> str:
    """SHA-256 of runs as canonical JSON.

    Raises:
        UserError: something in them is no JSON.
    """
    try:
        text = json.dumps(runs, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"a run cannot be written as JSON ({error}); expected star recommend --json"
        ) from None
    return hashlib.sha256(text.encode()).hexdigest()
