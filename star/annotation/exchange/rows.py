"""A campaign's answers as plain rows with pseudonyms, without withdrawn annotators; for agreement and exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from star.annotation.storage.database import Database
from star.annotation.storage.models import Adjudication, Annotator, Campaign, Choice, Gold, Record, Response
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.rubric import version
from star.errors import UserError


@dataclass(frozen=True)
class Rating:
    """One criterion of one answer. `record`: id, a number in the database and text in exports. `value`: 1 to 5, or None for
    "cannot judge". `gold`: the right value of a gold item."""

    record: Any
    system: str
    annotator: str
    criterion: str
    value: int | None
    seconds: float
    gold: int | None
    rubric: str


@dataclass(frozen=True)
class Comparison:
    """One choice between two sides. `gold`: the right choice for a gold item, which is no preference between systems."""

    record: Any
    left_system: str
    right_system: str
    annotator: str
    choice: Choice
    seconds: float
    rubric: str
    gold: Choice | None = None


@dataclass(frozen=True)
class Decision:
    """The last adjudication of a record; `annotator` is the adjudicator."""

    record: int
    systems: tuple[str, ...]
    annotator: str
    answer: Answer
    rubric: str


def ratings(database: Database, campaign: int) -> Iterator[Rating]:
    """Submitted ratings by record, then by time; gold items included (`gold`)."""
    with database.read(long=True) as session:
        rubric, golds = _rubric(session, campaign), _golds(session, campaign)
        for record, systems, pseudonym, stored in session.execute(_submitted(campaign)):
            answer, gold = Answer.from_json(stored), golds.get(record)
            for criterion, score in answer.ratings.items():
                yield Rating(
                    record,
                    systems[0],
                    pseudonym,
                    criterion,
                    score if isinstance(score, int) else None,
                    answer.seconds,
                    gold.ratings.get(criterion) if gold is not None else None,
                    rubric,
                )


def comparisons(database: Database, campaign: int, hidden: bool = False) -> Iterator[Comparison]:
    """Submitted choices by record, then by time.

    Args:
        hidden: True for gold items only (`gold` is set), False for all others.
    """
    with database.read(long=True) as session:
        rubric, golds = _rubric(session, campaign), _golds(session, campaign)
        for record, systems, pseudonym, stored in session.execute(_submitted(campaign)):
            answer, gold = Answer.from_json(stored), golds.get(record)
            if answer.choice is None or (gold is not None) != hidden:
                continue
            left, right = systems
            known = None if gold is None else gold.choice
            yield Comparison(record, left, right, pseudonym, answer.choice, answer.seconds, rubric, known)


def decisions(database: Database, campaign: int) -> Iterator[Decision]:
    """The last decision on each adjudicated record, without decisions of withdrawn adjudicators."""
    with database.read(long=True) as session:
        rubric = _rubric(session, campaign)
        found = session.execute(
            select(Record.id, Record.systems, Annotator.pseudonym, Adjudication.answer)
            .join(Adjudication, Adjudication.record_id == Record.id)
            .join(Annotator, Annotator.id == Adjudication.annotator_id)
            .where(Record.campaign_id == campaign, Annotator.withdrawn_at.is_(None))
            .order_by(Record.id, Adjudication.number)
        )
        last = {record: (systems, pseudonym, stored) for record, systems, pseudonym, stored in found}
        for record, (systems, pseudonym, stored) in last.items():
            yield Decision(record, tuple(systems), pseudonym, Answer.from_json(stored), rubric)


def _submitted(campaign: int) -> Select:
    return (
        select(Record.id, Record.systems, Annotator.pseudonym, Response.answer)
        .join(Response, Response.record_id == Record.id)
        .join(Annotator, Annotator.id == Response.annotator_id)
        .where(
            Record.campaign_id == campaign,
            Response.state == "submitted",
            Annotator.withdrawn_at.is_(None),
        )
        .order_by(Record.id, Response.answered_at, Response.id)
    )


def _rubric(session: Session, campaign: int) -> str:
    plan = session.get(Campaign, campaign)
    if plan is None:
        raise UserError(
            f"there is no campaign number {campaign}; star annotations status lists those there are"
        )
    return version(session, plan.rubric_id).label


def _golds(session: Session, campaign: int) -> dict[int, Gold]:
    """The newest gold answer of each gold item."""
    found = select(Gold).join(Record).where(Record.campaign_id == campaign).order_by(Gold.id)
    return {gold.record_id: gold for gold in session.scalars(found)}
