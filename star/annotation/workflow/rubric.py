"""Criteria with guidelines and worked examples, as data in numbered versions."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, StrictInt, TypeAdapter, ValidationError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from star.annotation.storage import events, models
from star.annotation.storage.database import Database
from star.annotation.workflow.people import Person, active
from star.annotation.workflow.text import (
    ID_MOST,
    NAME,
    clean,
    clean_document,
    clean_name,
    printable,
    whole,
    within,
)
from star.errors import UserError

SCALE = (1, 2, 3, 4, 5)
CANNOT_JUDGE = "cannot judge"
DEFAULT = Path(__file__).with_name("rubric.yaml")
SIZE = 200_000
DEEPEST = 12
QUESTIONS = 50
EXAMPLES = 50
LABEL = 200
OPENS = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
KNOWN = ConfigDict(extra="forbid")  # a misspelt field is said, not dropped
CLOSES = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


@dataclass(frozen=True)
class Example:
    """A worked example: a piece of a trace, its score, and why."""

    __pydantic_config__ = KNOWN
    score: StrictInt
    text: str
    why: str


@dataclass(frozen=True)
class Criterion:
    """One question, answered 1 (`low`) to 5 (`high`) or "cannot judge". `key` names it in exports."""

    __pydantic_config__ = KNOWN
    key: str
    label: str
    question: str
    low: str
    high: str
    guideline: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Rubric:
    """All criteria of one version. `pair_question` and `pair_guideline` are for A/B pairs."""

    __pydantic_config__ = KNOWN
    name: str
    title: str
    introduction: str
    pair_question: str
    pair_guideline: str
    criteria: tuple[Criterion, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(c.key for c in self.criteria)


@dataclass(frozen=True)
class Version:
    """A published rubric. `id` is what a campaign refers to, `label` (`trace@2`) what exports show."""

    id: int
    version: int
    rubric: Rubric

    @property
    def label(self) -> str:
        return f"{self.rubric.name}@{self.version}"


_READER = TypeAdapter(Rubric)


def default() -> Rubric:
    """The rubric that ships, `rubric.yaml`."""
    return parse(DEFAULT.read_text("utf-8"))


def parse(document: str | dict[str, Any]) -> Rubric:
    """A rubric from YAML or JSON text, or from the same as a dictionary.

    Raises:
        UserError: not readable, a field missing or unknown, no criterion, or two with the same key.
    """
    try:
        if isinstance(document, str):
            document = _yaml(document)
        within(document, "the rubric", DEEPEST)
        rubric = _READER.validate_python(clean_document(document))
    except ValidationError as error:
        first = error.errors()[0]
        place = printable(".".join(str(part) for part in first["loc"])[:80]) or "document"
        raise UserError(
            f"the rubric's {place} does not fit: {first['msg']}; see star/annotation/workflow/rubric.yaml"
        ) from None
    _check(rubric)
    return rubric


def _yaml(text: str) -> Any:
    """A small YAML document. Size, depth and aliases are checked before parsing: a few lines of aliases unfold to
    gigabytes, and the library takes minutes for thousands of brackets."""
    if len(text) > SIZE:
        raise UserError(f"the rubric has {len(text):,} characters, at most {SIZE:,} are read")
    depth = 0
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken):
                raise UserError(
                    "the rubric repeats parts by YAML aliases (*name), which are not read; write them out"
                )
            depth += isinstance(token, OPENS) - isinstance(token, CLOSES)
            if depth > DEEPEST:
                raise UserError(
                    f"the rubric is nested more than {DEEPEST} deep; expected criteria with examples"
                )
        return yaml.safe_load(text)
    except UserError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that is none
        raise UserError(f"the rubric is not YAML: {' '.join(str(error).split())[:400]}") from None


def _check(rubric: Rubric) -> None:
    if len(json.dumps(asdict(rubric))) > SIZE:
        raise UserError(f"the rubric is longer than {SIZE:,} characters; shorten it")
    if len(rubric.criteria) > QUESTIONS:
        raise UserError(f"the rubric asks {len(rubric.criteria)} questions; expected at most {QUESTIONS}")
    if not rubric.criteria or len(set(rubric.keys)) < len(rubric.criteria) or not all(rubric.keys):
        raise UserError(
            f"the rubric's criteria have the keys {str(list(rubric.keys))[:400]}; expected one or more, no two the same"
        )
    clean_name(rubric.name)
    for criterion in rubric.criteria:
        clean(criterion.key, "a criterion's key", NAME)
        clean(criterion.label, f"the label of {criterion.key!r}", LABEL)
        if len(criterion.examples) > EXAMPLES:
            raise UserError(
                f"{criterion.key!r} has {len(criterion.examples)} examples; expected at most {EXAMPLES}"
            )
    wrong = [e.score for c in rubric.criteria for e in c.examples if e.score not in SCALE]
    if wrong:
        raise UserError(f"an example in the rubric has score {wrong[0]}; expected 1 to 5")


def text(rubric: Rubric) -> str:
    """A rubric as YAML, which `parse` reads back."""
    return yaml.safe_dump(
        json.loads(json.dumps(asdict(rubric))), sort_keys=False, allow_unicode=True, width=110
    )


def publish(database: Database, lead: Person, rubric: Rubric) -> Version:
    """Store a rubric as the next version of its name; returns the newest one if nothing changed."""
    try:
        with database.write() as session:
            return published(session, lead, rubric)
    except IntegrityError:
        raise UserError(
            f"someone published a version of {rubric.name!r} at the same moment; try again"
        ) from None


def published(session: Session, lead: Person, rubric: Rubric) -> Version:
    """`publish` inside the caller's transaction."""
    document = clean_document(asdict(rubric))
    who = active(session, lead, "lead")
    newest = session.scalar(
        select(models.RubricVersion)
        .where(models.RubricVersion.name == rubric.name)
        .order_by(models.RubricVersion.version.desc())
        .limit(1)
    )
    if newest is not None and newest.document == document:
        return _version(newest)
    last = (
        session.scalar(
            select(func.max(models.RubricVersion.version)).where(models.RubricVersion.name == rubric.name)
        )
        or 0
    )
    row = models.RubricVersion(name=rubric.name, version=last + 1, document=document, created_at=time.time())
    session.add(row)
    session.flush()
    events.write(session, "rubric published", who.pseudonym, content={"id": row.id} | document)
    return _version(row)


def versions(database: Database) -> tuple[Version, ...]:
    """All published rubrics, newest first."""
    with database.read() as session:
        return tuple(
            _version(r)
            for r in session.scalars(select(models.RubricVersion).order_by(models.RubricVersion.id.desc()))
        )


def version(session: Session, id: int) -> Version:
    """The published rubric with this id.

    Raises:
        UserError: no such rubric.
    """
    row = session.get(models.RubricVersion, whole(id, "the rubric's number", 0, ID_MOST))
    if row is None:
        raise UserError(f"there is no rubric number {id}; publish one first")
    return _version(row)


def _version(row: models.RubricVersion) -> Version:
    return Version(row.id, row.version, _READER.validate_python(row.document))
