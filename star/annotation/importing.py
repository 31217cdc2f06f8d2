"""Importing: a campaign that `star annotations export` wrote, built up in this database as a campaign of its own.

People come in under their pseudonyms; who is known here by one stays the same person, who was withdrawn here stays out.
"""

from __future__ import annotations

import json
import time
import uuid as uuids
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from star.annotation import events, models, rubric, tables
from star.annotation.answers import Answer, Flag, checked, digest
from star.annotation.collect import AnswerRow, RecordRow
from star.annotation.database import Database
from star.annotation.documents import checksum
from star.annotation.models import Adjudication, Annotator, Gold, Record, Response
from star.annotation.people import Person, active
from star.annotation.text import clean_document, clean_name, name_key
from star.errors import UserError


@dataclass(frozen=True)
class Brought:
    """What came in. `left_out`: answers of people who were withdrawn here."""

    campaign: int
    records: int
    answers: int
    decisions: int
    left_out: int


def bring(database: Database, lead: Person, folder: Path, name: str | None = None) -> Brought:
    """Import an export folder; nothing is changed when something in it does not fit.

    Args:
        name: of the campaign here; None keeps its own.

    Raises:
        UserError: not a complete export, something damaged in it, or the name is taken. Refused: the caller is no lead.
    """
    about, format = _about(folder)
    records = tables.load(folder / f"records.{format}", RecordRow)
    answers = tables.load(folder / f"answers.{format}", AnswerRow)
    try:
        asked = rubric.parse({k: v for k, v in about["rubric"].items() if k != "version"})
        version = rubric.publish(database, lead, asked)
        with database.write(long=True) as session:
            who = active(session, lead, "lead")
            plan = _campaign(session, about, version.id, name)
            content = {"name": plan.name, "imported": True, "records": len(records)}
            events.write(session, "campaign created", who.pseudonym, plan.id, content=content)
            ids = {row.record: _record(session, plan.id, row) for row in records}
            people: dict[str, Annotator] = {}
            counts = {"submitted": 0, "skipped": 0, "decided": 0, "left": 0}
            for row in answers:
                person = people.setdefault(row.annotator, _person(session, row.annotator))
                if person.withdrawn_at is not None:
                    counts["left"] += 1
                    continue
                if row.record not in ids or row.kind not in ("submitted", "skipped", "decided"):
                    raise UserError(f"{folder}: an answer is {row.kind[:40]!r} on record {row.record[:40]!r}")
                _answer(session, plan, ids[row.record], version, person, row)
                counts[row.kind] += 1
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder} is damaged ({type(error).__name__}: {error}); export it again") from None
    except IntegrityError:
        raise UserError(
            f"there is already a campaign called {name or about['name']!r}, or the export repeats an answer; "
            "give another name with --name"
        ) from None
    done = counts["submitted"] + counts["skipped"]
    return Brought(plan.id, len(records), done, counts["decided"], counts["left"])


def _about(folder: Path) -> tuple[dict[str, Any], str]:
    there = [format for format in tables.FORMATS if (folder / f"records.{format}").is_file()]
    file = folder / "campaign.json"
    if not file.is_file() or len(there) != 1:
        raise UserError(
            f"{folder} holds no campaign; expected campaign.json, records and answers in one of "
            f"{', '.join(tables.FORMATS)}, as star annotations export writes them"
        )
    try:
        return dict(json.loads(file.read_text("utf-8"))), there[0]
    except ValueError as error:
        raise UserError(f"{file} is damaged ({error}); export it again") from None


def _campaign(session: Session, about: dict[str, Any], rubric_id: int, name: str | None) -> models.Campaign:
    called = clean_name(name or about["name"])
    plan = models.Campaign(
        name=called,
        key=name_key(called),
        rubric_id=rubric_id,
        created_at=time.time(),
        **{key: about[key] for key in ("kind", "dataset", "overlap", "gold_share", "threshold", "seed")},
        systems=[
            {key: str(system[key]) for key in ("name", "checkpoint", "hash")} for system in about["systems"]
        ],
    )
    session.add(plan)
    session.flush()
    return plan


def _record(session: Session, campaign: int, row: RecordRow) -> Record:
    runs = clean_document(json.loads(row.runs))
    record = Record(
        campaign_id=campaign,
        position=row.position,
        systems=json.loads(row.systems),
        runs=runs,
        checksum=checksum(runs),
        scenario=row.scenario,
        difficulty=row.difficulty,
    )
    session.add(record)
    session.flush()
    if row.gold is not None:
        known = json.loads(row.gold)
        session.add(
            Gold(
                record_id=record.id,
                ratings=known["ratings"],
                choice=known["choice"],
                created_at=time.time(),
            )
        )
    return record


def _person(session: Session, pseudonym: str) -> Annotator:
    found = session.scalar(select(Annotator).where(Annotator.pseudonym == pseudonym))
    if found is not None:
        return found
    made = Annotator(
        name=pseudonym,
        key=name_key(pseudonym),
        pseudonym=pseudonym,
        role="annotator",
        created_at=time.time(),
    )
    session.add(made)
    session.flush()
    events.write(session, "person added", pseudonym, content={"role": "annotator", "imported": True})
    return made


def _answer(
    session: Session,
    plan: models.Campaign,
    record: Record,
    version: rubric.Version,
    person: Annotator,
    row: AnswerRow,
) -> None:
    given = Answer(
        json.loads(row.ratings),
        cast(Any, row.choice),  # `checked` looks at it
        row.note,
        row.reason,
        tuple(Flag(**flag) for flag in json.loads(row.flags)),
        row.seconds,
    )
    answer = checked(given, version.rubric, plan.kind, record.runs, complete=row.kind != "skipped")
    content, named = answer.to_json(), str(uuids.uuid4())
    if row.kind == "decided":
        session.add(
            Adjudication(
                uuid=named,
                record_id=record.id,
                annotator_id=person.id,
                number=row.number,
                answer=content,
                created_at=row.at,
            )
        )
    else:
        session.add(
            Response(
                uuid=named,
                record_id=record.id,
                annotator_id=person.id,
                rubric_id=plan.rubric_id,
                state=row.kind,
                revision=1,
                digest=digest(row.kind, answer),
                answer=content,
                created_at=row.at,
                updated_at=row.at,
                answered_at=row.at,
            )
        )
    what: events.What = (
        "adjudicated" if row.kind == "decided" else "submitted" if row.kind == "submitted" else "skipped"
    )
    events.write(
        session, what, person.pseudonym, plan.id, record.id, named, row.number, content | {"imported": True}
    )
