"""Rows of the workbench as plain data: what one person said of one trace, or of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rating:
    """One criterion of one trace. `value` 1 to 5, None: cannot judge. `seconds`: the person's time on the whole record,
    the same in every criterion's row. `gold`: what a hidden gold item expects, None elsewhere. `annotator`: a pseudonym.
    """

    record: str
    system: str
    annotator: str
    criterion: str
    value: int | None
    seconds: float
    gold: int | None
    rubric: int


@dataclass(frozen=True)
class Comparison:
    """One blinded A/B answer."""

    record: str
    left_system: str
    right_system: str
    annotator: str
    choice: Literal["left", "right", "tie"]
    seconds: float
    rubric: int
