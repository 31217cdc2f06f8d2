"""pydantic models that a run must fit before it becomes a record, and the JSON of an export.

Runs come from STAR's recommenders and from folders that other people wrote. This module checks once every field that
views, exports or measures read later. It accepts unknown fields, because other tools add their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from star.annotation.storage.models import Choice
from star.annotation.storage.models import Kind as CampaignKind
from star.annotation.workflow.text import FLAGS, ID_MOST, NAME, printable, within
from star.data.words import words_of
from star.errors import UserError
from star.evidence.claims import STRENGTHS, Kind, Verdict
from star.trace.grammar import StepType

SIZE = 20_000_000
"""Characters of the runs of one record, as JSON."""
DEEPEST = 16

Name = Annotated[str, Field(max_length=1_000)]
Text = Annotated[str, Field(max_length=200_000)]
Count = Annotated[int, Field(ge=0, le=ID_MOST)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Rank = Annotated[int, Field(ge=1, le=10_000)]
Names = Annotated[list[Name], Field(max_length=100_000)]
Places = Annotated[list[Count], Field(max_length=10_000)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class ItemDocument(Strict):
    rank: Rank
    id: Name
    title: Text
    score: Real | None = None
    reason: Text = ""


class StepDocument(Strict):
    type: StepType
    text: Text
    seconds: Real = 0.0
    tokens: Count = 0
    claims: Places = []
    name: Name | None = None
    arguments: dict[Name, JsonValue] | None = None


class TraceDocument(Strict):
    text: Annotated[str, Field(max_length=2_000_000)] = ""
    steps: Annotated[list[StepDocument], Field(max_length=1_000)]


class ClaimDocument(Strict):
    text: Text
    kind: Kind
    author: Annotated[str, Field(pattern="^(model|tool)$")]
    verdict: Verdict
    stated: dict[Name, Real] | None = None
    found: dict[Name, Real] | None = None
    edges: Places = []
    subject: Name | None = None
    anchor: Name | None = None
    label: Text | None = None

    @model_validator(mode="after")
    def strength(self) -> ClaimDocument:
        level = (self.stated or {}).get("level")
        if level is not None and level not in range(1, len(STRENGTHS) + 1):
            raise ValueError(f"stated.level should be a whole number from 1 to {len(STRENGTHS)}")
        return self


class NodeDocument(Strict):
    id: Name
    kind: Name
    label: Text
    item: Name | None = None


class EdgeDocument(Strict):
    source: Name
    target: Name
    kind: Name
    weight: Real


class GraphDocument(Strict):
    nodes: Annotated[list[NodeDocument], Field(max_length=100_000)] = []
    edges: Annotated[list[EdgeDocument], Field(max_length=100_000)] = []


class BookDocument(Strict):
    row: Count | None = None
    title: Text | None = None
    creators: Names | None = None
    contributors: Names | None = None
    year: Annotated[int, Field(ge=-10_000, le=10_000)] | None = None
    series: Text | None = None
    number: Real | None = None
    genres: Names | None = None
    theme: Text | None = None


class RunDocument(Strict):
    """The document of `star recommend --json`, see `documents`."""

    dataset: Name = ""
    checkpoint: Name = ""
    shelf: Names = []
    candidates: Names = []
    items: Annotated[list[ItemDocument], Field(max_length=1_000)]
    trace: TraceDocument
    claims: Annotated[list[ClaimDocument], Field(max_length=10_000)] = []
    graph: GraphDocument | None = None
    titles: dict[Name, Text] | None = None
    books: dict[Name, BookDocument] | None = None
    words: dict[Name, Name] | None = None
    measures: dict[Name, Real] | None = None

    @field_validator("words")
    @classmethod
    def shown(cls, words: dict[str, str] | None) -> dict[str, str] | None:
        """Each word can be shown (`star.data.words`)."""
        words_of({"words": words})
        return words

    @model_validator(mode="after")
    def places(self) -> RunDocument:
        """Indices into another list are within its length."""
        edges = 0 if self.graph is None else len(self.graph.edges)
        pointing = [
            (f"trace.steps.{n}.claims", step.claims, len(self.claims))
            for n, step in enumerate(self.trace.steps)
        ]
        pointing += [(f"claims.{n}.edges", claim.edges, edges) for n, claim in enumerate(self.claims)]
        for place, numbers, most in pointing:
            if numbers and max(numbers) >= most:
                raise ValueError(f"{place} names number {max(numbers)}, and there are {most}")
        return self


class SystemRow(Strict):
    name: Name
    checkpoint: Name
    hash: Name


class About(Strict):
    """`campaign.json`; `campaigns.check_plan` checks its numbers."""

    name: Annotated[str, Field(max_length=NAME)]
    kind: CampaignKind
    dataset: Name
    systems: Annotated[list[SystemRow], Field(max_length=1_000)]
    overlap: int
    gold_share: float
    threshold: float
    seed: int
    rubric: dict[str, JsonValue]


class GoldRow(Strict):
    ratings: Annotated[dict[Name, int], Field(max_length=1_000)]
    choice: Choice | None


class RecordColumns(Strict):
    """JSON columns of a record."""

    systems: Annotated[list[Name], Field(min_length=1, max_length=2)]
    runs: Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=2)]
    gold: GoldRow | None


class FlagRow(Strict):
    model_config = ConfigDict(strict=True, extra="forbid")
    step: int
    reason: Text
    side: str | None
    start: int | None
    end: int | None
    text: Text
    claim: int | None = None


class AnswerColumns(Strict):
    """JSON columns of an answer."""

    ratings: Annotated[dict[Name, int | Name], Field(max_length=1_000)]
    flags: Annotated[list[FlagRow], Field(max_length=FLAGS)]


def check_runs(runs: Sequence[Mapping[str, Any]], where: str) -> None:
    """Check all runs of a record.

    Args:
        where: the record's name in an error.

    Raises:
        UserError: the first field that does not fit, by its path: `items.0.rank`.
    """
    for number, run in enumerate(runs):
        side = f"{where}, run {number + 1}" if len(runs) > 1 else where
        within(run, side, DEEPEST)
        check_model(RunDocument, run, side)
    if (size := sum(len(json.dumps(run, ensure_ascii=False)) for run in runs)) > SIZE:
        raise UserError(f"{where} has {size:,} characters of runs; at most {SIZE:,} are kept")


def check_model(kind: type[BaseModel], value: object, where: str) -> None:
    """Check that a value fits a model.

    Raises:
        UserError: where, in which field, and what was expected.
    """
    try:
        kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = printable(".".join(str(part) for part in first["loc"])[:200])
        given = "" if isinstance(first["input"], dict | list) else f" (given {repr(first['input'])[:60]})"
        raise UserError(f"{where}: {place + ': ' if place else ''}{first['msg'][:200]}{given}") from None


def read_json(text: str, where: str, limit: int = SIZE) -> Any:
    """A JSON value from an untrusted file, without NaN and infinities.

    Raises:
        UserError: no JSON, longer than `limit` characters, or nested too deeply.
    """

    def none(word: str) -> NoReturn:
        raise ValueError(f"{word} is no number of JSON")

    if len(text) > limit:
        raise UserError(f"{where} has {len(text):,} characters; at most {limit:,} are read")
    try:
        value = json.loads(text, parse_constant=none)
    except RecursionError:
        raise UserError(f"{where} is nested more than {DEEPEST} deep") from None
    except ValueError as error:
        raise UserError(f"{where} is not JSON ({str(error)[:100]})") from None
    within(value, where, DEEPEST)
    return value
