"""Adjudication: records on which annotators disagree, and decisions on them. A decision is a new row, never a change."""

from __future__ import annotations

import time
import uuid as uuids
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from star.annotation.statistics.disagreement import disagreement
from star.annotation.storage import events
from star.annotation.storage.database import Database, lock
from star.annotation.storage.models import Adjudication, Annotator, Campaign, Gold, Record, Response
from star.annotation.workflow.answers import Answer, checked
from star.annotation.workflow.documents import blinded
from star.annotation.workflow.people import Person, Refused, active
from star.annotation.workflow.rubric import Version, version
from star.errors import UserError


@dataclass(frozen=True)
class Conflict:
    """A record over the threshold. `answers`: by pseudonym. `decisions`: number of the last one so far, 0 for none."""

    record: int
    disagreement: int
    answers: Mapping[str, Answer]
    decisions: int = 0


@dataclass(frozen=True)
class Case:
    """A conflict with its runs and the rubric they were rated by."""

    conflict: Conflict
    runs: tuple[dict[str, object], ...]
    rubric: Version


def conflicts(database: Database, person: Person, campaign: int) -> tuple[Conflict, ...]:
    """Records that have all their ratings, disagree by more than the campaign's threshold and are not decided yet.

    The widest disagreement comes first. Records that `look` refuses to this person are left out.
    """
    with database.read() as session:
        who = active(session, person, "adjudicator")
        plan = session.get(Campaign, campaign)
        if plan is None:
            raise UserError(f"there is no campaign number {campaign}")
        given = set(session.scalars(_given(who).where(Record.campaign_id == plan.id)))
        return tuple(c for c in open_conflicts(session, plan) if c.record not in given)


def look(database: Database, person: Person, record: int) -> Case:
    """One record with everyone's answers, decided or not.

    Raises:
        UserError: no such record. Refused: not an adjudicator, or one who rates or may still rate this record, or
            ratings are missing.
    """
    with database.read() as session:
        who = active(session, person, "adjudicator")
        row, plan = _record(session, record)
        answers = _complete(session, plan, record, who)
        decided = _last(session, record)
        conflict = Conflict(record, disagreement(answers.values()), answers, decided)
        return Case(conflict, tuple(blinded(run) for run in row.runs), version(session, plan.rubric_id))


def decide(
    database: Database, person: Person, record: int, answer: Answer, after: int = 0, uuid: str | None = None
) -> int:
    """Decide on a record; the decision replaces the answers that disagree. Returns its number.

    Args:
        after: number of decisions that the person saw; a later one refuses this decision.
        uuid: of this decision, made by the client; a repeated one changes nothing.

    Raises:
        UserError: decided meanwhile, no reason in a note or reason, or the answer does not fit. Refused: as `look`.
    """
    try:
        uuid = str(uuids.uuid4() if uuid is None else uuids.UUID(uuid))
    except (ValueError, AttributeError, TypeError):
        raise UserError(f"{str(uuid)[:80]!r} is no UUID") from None
    with database.write() as session:
        who = active(session, person, "adjudicator")
        row, plan = _record(session, record)
        lock(session, plan.id)
        again = session.scalar(select(Adjudication).where(Adjudication.uuid == uuid))
        if again is not None and (again.record_id, again.annotator_id) == (record, who.id):
            return again.number
        _complete(session, plan, record, who)
        answer = checked(answer, version(session, plan.rubric_id).rubric, plan.kind, row.runs, complete=True)
        if not (answer.reason or answer.note).strip():
            raise UserError("a decision needs a reason; say in a few words why")
        number = _last(session, record)
        if number != after or again is not None:
            raise UserError(f"this record has {number} decisions and you saw {after}; look at it again")
        content, now = answer.to_json(), time.time()
        session.add(
            Adjudication(
                uuid=uuid,
                record_id=record,
                annotator_id=who.id,
                number=number + 1,
                answer=content,
                created_at=now,
            )
        )
        events.write(session, "adjudicated", who.pseudonym, plan.id, record, uuid, number + 1, content, now)
        return number + 1


def _last(session: Session, record: int) -> int:
    """Number of the last decision on a record; 0: none. Numbers are no counts: an import may lack earlier decisions."""
    return session.scalar(select(func.max(Adjudication.number)).where(Adjudication.record_id == record)) or 0


def open_conflicts(session: Session, plan: Campaign) -> list[Conflict]:
    """All undecided conflicts of a campaign, the widest first."""
    without = {
        *session.scalars(select(Adjudication.record_id).join(Record).where(Record.campaign_id == plan.id)),
        *session.scalars(select(Gold.record_id).join(Record).where(Record.campaign_id == plan.id)),
    }
    found = [
        Conflict(record, disagreement(answers.values()), answers)
        for record, answers in _answers(session, plan).items()
        if record not in without and len(answers) >= plan.overlap
    ]
    wide = [conflict for conflict in found if conflict.disagreement > plan.threshold]
    return sorted(wide, key=lambda c: (-c.disagreement, c.record))


def _answers(session: Session, plan: Campaign, record: int | None = None) -> Mapping[int, dict[str, Answer]]:
    """Submitted answers of those who still take part: record → pseudonym → answer."""
    query = (
        select(Response.record_id, Annotator.pseudonym, Response.answer)
        .join(Annotator, Annotator.id == Response.annotator_id)
        .join(Record, Record.id == Response.record_id)
        .where(
            Record.campaign_id == plan.id,
            Response.rubric_id == plan.rubric_id,
            Response.state == "submitted",
            Annotator.withdrawn_at.is_(None),
        )
        .order_by(Response.id)
    )
    if record is not None:
        query = query.where(Record.id == record)
    found: dict[int, dict[str, Answer]] = defaultdict(dict)
    for id, pseudonym, answer in session.execute(query):
        found[id][pseudonym] = Answer.from_json(answer or {})
    return found


def _complete(session: Session, plan: Campaign, record: int, who: Person) -> dict[str, Answer]:
    """The answers to a record, if this person may judge them.

    All refusals have the same words. Otherwise an adjudicator, who also rates, would learn which records are gold items.
    """
    answers = _answers(session, plan, record)[record]
    given = session.scalar(select(_given(who).where(Record.id == record).exists()))
    hidden = session.scalar(select(exists().where(Gold.record_id == record)))  # may be given to anybody
    if given or hidden or len(answers) < plan.overlap:
        raise Refused(
            f"record {record} is not yours to decide: you rate it or may still rate it, or it lacks some of its "
            f"{plan.overlap} ratings; star annotations adjudicate lists those that wait for you"
        )
    return answers


def _given(who: Person) -> Select[int]:
    """Records that this person was given to rate, also skipped ones, which may still be answered."""
    return (
        select(Response.record_id)
        .join(Record, Record.id == Response.record_id)
        .where(Response.annotator_id == who.id)
    )


def _record(session: Session, record: int) -> tuple[Record, Campaign]:
    row = session.get(Record, record)
    if row is None:
        raise UserError(f"there is no record number {record}")
    return row, session.get_one(Campaign, row.campaign_id)
