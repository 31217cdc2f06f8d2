"""One person's answer to one record, checked against rubric and record before it is stored."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from star.annotation.storage.models import Choice, Kind
from star.annotation.workflow.rubric import CANNOT_JUDGE, SCALE, Rubric
from star.annotation.workflow.text import FLAGS, NOTE, REASON, SPAN, clean
from star.errors import UserError

Score = int | Literal["cannot judge"]
LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class Flag:
    """A part of a trace that an annotator marks, with a reason.

    `step`: number of the step in the trace, from 0. `side`: of a pair, which trace. `claim`: number of a claim of that
    step in the run's `claims`; the page shows a claim in words that the step may lack. `start`, `end`: a span of the
    claim's text, else of the step's, in code points (JavaScript counts UTF-16 units); None for all of it. `text`: the
    words of the span, filled in when the flag is stored.
    """

    step: int
    reason: str
    side: Literal["left", "right"] | None = None
    start: int | None = None
    end: int | None = None
    text: str = ""
    claim: int | None = None


@dataclass(frozen=True)
class Answer:
    """Ratings of a single trace (criterion → 1 to 5 or "cannot judge"), or the choice between two, and remarks.

    `reason`: of the choice or of a skip. `seconds`: total time spent on this record.
    """

    ratings: Mapping[str, Score] = field(default_factory=dict)
    choice: Choice | None = None
    note: str = ""
    reason: str = ""
    flags: tuple[Flag, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratings": dict(self.ratings), "flags": [asdict(f) for f in self.flags]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Answer:
        return cls(**{**stored, "flags": tuple(Flag(**flag) for flag in stored["flags"])})


def checked(answer: Answer, rubric: Rubric, kind: Kind, runs: Sequence[Any], complete: bool) -> Answer:
    """The answer as it is stored: text cleaned, spans filled in.

    Args:
        runs: the record's documents, one, or left and right.
        complete: whether every criterion must be rated, or a side chosen; false for drafts and skips.

    Raises:
        UserError: the first thing that does not fit.
    """
    extra = sorted(str(key) for key in answer.ratings if key not in rubric.keys)
    if extra and kind == "single":
        raise UserError(
            f"{extra[0][:80]!r} is no criterion of this rubric; expected {', '.join(rubric.keys)}"
        )
    for key, score in answer.ratings.items():
        if score != CANNOT_JUDGE and (isinstance(score, bool) or score not in SCALE):
            raise UserError(f"{key} is rated {str(score)[:80]!r}; expected 1 to 5, or {CANNOT_JUDGE!r}")
    if answer.choice is not None and answer.choice not in get_args(Choice):
        raise UserError(f"the choice is {str(answer.choice)[:80]!r}; expected left, right or tie")
    if (kind == "single" and answer.choice is not None) or (kind == "pair" and answer.ratings):
        raise UserError(
            "single records are rated by criterion, pairs by left, right or tie; this answer mixes them"
        )
    missing = [c.label for c in rubric.criteria if c.key not in answer.ratings]
    if complete and kind == "single" and missing:
        raise UserError(f"not yet rated: {', '.join(missing)}; give each 1 to 5, or {CANNOT_JUDGE!r}")
    if complete and kind == "pair" and answer.choice is None:
        raise UserError("nothing is chosen yet; choose left, right or tie")
    if not isinstance(answer.seconds, int | float) or not math.isfinite(answer.seconds) or answer.seconds < 0:
        raise UserError(f"seconds is {answer.seconds!r}; expected a number from 0")
    if len(answer.flags) > FLAGS:
        raise UserError(f"{len(answer.flags)} flags on one record, at most {FLAGS} are kept; remove some")
    return replace(
        answer,
        ratings=dict(answer.ratings),
        note=clean(answer.note, "the note", NOTE),
        reason=clean(answer.reason, "the reason", REASON),
        flags=tuple(_flag(flag, kind, runs) for flag in answer.flags),
        seconds=min(float(answer.seconds), LONGEST_S),
    )


def digest(state: str, answer: Answer) -> str:
    """SHA-256 of a save, to recognise a repeated one."""
    text = json.dumps([state, answer.to_json()], sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _flag(flag: Flag, kind: Kind, runs: Sequence[Any]) -> Flag:
    sides = ("left", "right") if kind == "pair" else (None,)
    if flag.side not in sides:
        raise UserError(f"a flag is on side {flag.side!r}; expected {' or '.join(map(str, sides))}")
    steps = runs[sides.index(flag.side)]["trace"]["steps"]
    if type(flag.step) is not int or not 0 <= flag.step < len(steps):
        raise UserError(f"a flag is on step {flag.step!r}; the trace has steps 0 to {len(steps) - 1}")
    text, whole = "", steps[flag.step]["text"]
    if flag.claim is not None:
        if type(flag.claim) is not int or flag.claim not in steps[flag.step].get("claims", ()):
            raise UserError(f"a flag is on claim {flag.claim!r}, which is none of step {flag.step}'s")
        whole = runs[sides.index(flag.side)]["claims"][flag.claim]["text"]
        text = whole[:SPAN]
    if (flag.start, flag.end) != (None, None):
        if (
            type(flag.start) is not int
            or type(flag.end) is not int
            or not 0 <= flag.start < flag.end <= len(whole)
        ):
            raise UserError(
                f"a flag spans {flag.start!r} to {flag.end!r}; the text has characters 0 to {len(whole)}"
            )
        text = clean(whole[flag.start : flag.end], "the flagged text", SPAN)
    return replace(flag, reason=clean(flag.reason, "the reason of a flag", REASON), text=text)
