"""Importing: a campaign that `star annotations export` wrote, built up in this database as a campaign of its own.

People come in under their pseudonyms; who is known here by one stays the same person, who was withdrawn here stays out.
"""

from __future__ import annotations

import re
import time
import uuid as uuids
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from star.annotation.exchange import tables
from star.annotation.exchange.collect import AnswerRow, RecordRow
from star.annotation.storage import events, models
from star.annotation.storage.database import Database
from star.annotation.storage.models import Adjudication, Annotator, Gold, Record, Response
from star.annotation.storage.schema import (
    About,
    AnswerColumns,
    RecordColumns,
    check_model,
    check_runs,
    read_json,
)
from star.annotation.workflow import rubric
from star.annotation.workflow.answers import Answer, Flag, checked, digest
from star.annotation.workflow.campaigns import Plan, System, check_plan, fitting
from star.annotation.workflow.documents import GoldAnswer, checksum
from star.annotation.workflow.people import Person, active
from star.annotation.workflow.text import (
    ID_MOST,
    NAME,
    clean,
    clean_document,
    clean_name,
    name_key,
    real,
    whole,
)
from star.errors import UserError

PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{1,32}")
LATEST = 1e11  # seconds since 1970: some three thousand years
WHAT: dict[str, events.What] = {"submitted": "submitted", "skipped": "skipped", "decided": "adjudicated"}
"""Kind of an answer → its event."""


@dataclass(frozen=True)
class ImportedCampaign:
    """What came in. `left_out`: answers of people who were withdrawn here."""

    campaign: int
    records: int
    answers: int
    decisions: int
    left_out: int


def import_campaign(
    database: Database, lead: Person, folder: Path, name: str | None = None
) -> ImportedCampaign:
    """Import an export folder; nothing is changed when something in it does not fit.

    Args:
        name: of the campaign here; None keeps its own.

    Raises:
        UserError: not a complete export, something damaged in it, or the name is taken. Refused: the caller is no lead.
    """
    about, format = _about(folder)
    records = tables.read_rows(folder / f"records.{format}", RecordRow)
    answers = tables.read_rows(folder / f"answers.{format}", AnswerRow)
    where = {"records": f"{folder / 'records'}.{format}", "answers": f"{folder / 'answers'}.{format}"}
    asked = rubric.parse({k: v for k, v in about["rubric"].items() if k != "version"})
    with _once(about["name"]), database.write(long=True) as session:
        who = active(session, lead, "lead")
        version = rubric.published(session, lead, asked)
        plan = _campaign(session, about, version.id, name)
        content = {"name": plan.name, "imported": True, "records": len(records)}
        events.write(session, "campaign created", who.pseudonym, plan.id, content=content)
        ids: dict[str, Record] = {}
        places: set[int] = set()
        for row in records:
            at = f"{where['records']}, record {row.record[:40]!r}"
            if row.record in ids or row.position in places:
                raise UserError(f"{at}: record or position: is there twice; export it again")
            places.add(row.position)
            ids[row.record] = _record(session, plan, asked, row, at)
        counts = _answers(session, plan, version, ids, answers, where["answers"])
    done = counts["submitted"] + counts["skipped"]
    return ImportedCampaign(plan.id, len(records), done, counts["decided"], counts["left"])


def _answers(
    session: Session,
    plan: models.Campaign,
    version: rubric.Version,
    ids: dict[str, Record],
    answers: list[AnswerRow],
    where: str,
) -> dict[str, int]:
    """Store the answers; how many of each kind there were, and `left` out."""
    people: dict[str, Annotator] = {}
    seen: set[tuple[str, str, int]] = set()
    counts = {"submitted": 0, "skipped": 0, "decided": 0, "left": 0}
    for row in answers:
        at = f"{where}, record {row.record[:40]!r} by {row.annotator[:40]!r}"
        if row.record not in ids:
            raise UserError(f"{at}: record: there is none of this name in records; export it again")
        if row.kind not in WHAT:
            raise UserError(f"{at}: kind: is {row.kind[:40]!r}; expected submitted, skipped or decided")
        decided = row.kind == "decided"
        key = (row.record, "" if decided else row.annotator, row.number if decided else 0)
        if key in seen:
            raise UserError(f"{at}: annotator: this answer is there twice; export it again")
        seen.add(key)
        if row.annotator not in people:
            people[row.annotator] = _person(session, row.annotator, at)
        person = people[row.annotator]
        if person.withdrawn_at is not None:
            counts["left"] += 1
            continue
        _answer(session, plan, ids[row.record], version, person, row, at)
        counts[row.kind] += 1
    return counts


def _about(folder: Path) -> tuple[dict[str, Any], str]:
    there = [format for format in tables.FORMATS if (folder / f"records.{format}").is_file()]
    file = folder / "campaign.json"
    if not file.is_file() or len(there) != 1:
        raise UserError(
            f"{folder} holds no campaign; expected campaign.json, records and answers in one of "
            f"{', '.join(tables.FORMATS)}, as star annotations export writes them"
        )
    if file.stat().st_size > 4 * rubric.SIZE:
        raise UserError(f"{file} has more than {4 * rubric.SIZE:,} bytes, which are not read")
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read ({error}); export it again") from None
    about = clean_document(read_json(text, str(file)))
    check_model(About, about, str(file))
    return dict(about), there[0]


def _campaign(session: Session, about: dict[str, Any], rubric_id: int, name: str | None) -> models.Campaign:
    called = clean_name(name or about["name"])
    numbers = {key: about[key] for key in ("overlap", "gold_share", "threshold", "seed")}
    systems = [{key: system[key] for key in ("name", "checkpoint", "hash")} for system in about["systems"]]
    known = tuple(System(**system) for system in systems)
    check_plan(Plan(called, about["dataset"], known, rubric_id, about["kind"], **numbers))
    taken = select(models.Campaign).where(models.Campaign.key == name_key(called))
    if session.scalar(taken) is not None:
        raise UserError(f"there is already a campaign called {called!r}; give another name with --name")
    plan = models.Campaign(
        name=called,
        key=name_key(called),
        rubric_id=rubric_id,
        created_at=time.time(),
        kind=about["kind"],
        dataset=about["dataset"],
        systems=systems,
        **numbers,
    )
    session.add(plan)
    session.flush()
    return plan


def _record(session: Session, plan: models.Campaign, asked: rubric.Rubric, row: RecordRow, at: str) -> Record:
    columns: dict[str, Any] = {"systems": row.systems, "runs": row.runs, "gold": row.gold}
    said: dict[str, Any] = {
        name: None if text is None else clean_document(read_json(text, f"{at}: {name}"))
        for name, text in columns.items()
    }
    check_model(RecordColumns, said, at)
    wanted = 2 if plan.kind == "pair" else 1
    for name in ("systems", "runs"):
        if len(said[name]) != wanted:
            raise UserError(f"{at}: {name}: there are {len(said[name])}; a {plan.kind} record has {wanted}")
    unknown = [name for name in said["systems"] if name not in [system["name"] for system in plan.systems]]
    if unknown:
        raise UserError(f"{at}: systems: {unknown[0][:80]!r} is none of the campaign's systems")
    check_runs(said["runs"], f"{at}: runs")
    whole(row.position, f"{at}: position", 0, ID_MOST)
    for name, text in (("scenario", row.scenario), ("difficulty", row.difficulty)):
        clean(text or "", f"{at}: {name}", NAME)
    record = Record(
        campaign_id=plan.id,
        position=row.position,
        systems=said["systems"],
        runs=said["runs"],
        checksum=checksum(said["runs"]),
        scenario=row.scenario,
        difficulty=row.difficulty,
    )
    session.add(record)
    session.flush()
    if said["gold"] is not None:
        with _named(f"{at}: gold"):
            known = fitting(GoldAnswer(said["gold"]["ratings"], said["gold"]["choice"]), plan.kind, asked)
        gold = Gold(
            record_id=record.id, ratings=dict(known.ratings), choice=known.choice, created_at=time.time()
        )
        session.add(gold)
    return record


@contextmanager
def _once(name: str) -> Iterator[None]:
    """Somebody else may have taken a name, or published a rubric, at the same moment."""
    try:
        yield
    except IntegrityError:
        raise UserError(f"{name!r} met with another change at the same moment; import it again") from None


@contextmanager
def _named(at: str) -> Iterator[None]:
    """Errors say where in the export they are."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{at}: {error}") from None


def _person(session: Session, pseudonym: str, at: str) -> Annotator:
    found = session.scalar(select(Annotator).where(Annotator.pseudonym == pseudonym))
    if found is not None:
        return found
    if PSEUDONYM.fullmatch(pseudonym) is None:
        raise UserError(
            f"{at}: annotator: expected a pseudonym of at most 32 letters, digits, - and _, as a-0123abcd"
        )
    if session.scalar(select(Annotator).where(Annotator.key == name_key(pseudonym))) is not None:
        raise UserError(f"{at}: annotator: somebody here has that name; give the annotator another pseudonym")
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
    at: str,
) -> None:
    said = {name: read_json(getattr(row, name), f"{at}: {name}") for name in ("ratings", "flags")}
    check_model(AnswerColumns, said, at)
    whole(row.number, f"{at}: number", 1, ID_MOST)
    real(row.at, f"{at}: at, in seconds since 1970,", 0, LATEST)
    given = Answer(
        said["ratings"],
        cast(Any, row.choice),  # `checked` looks at it
        row.note,
        row.reason,
        tuple(Flag(**flag) for flag in said["flags"]),
        row.seconds,
    )
    with _named(at):
        answer = checked(given, version.rubric, plan.kind, record.runs, complete=row.kind != "skipped")
    content, named = answer.to_json(), str(uuids.uuid4())
    common: dict[str, Any] = {
        "uuid": named,
        "record_id": record.id,
        "annotator_id": person.id,
        "answer": content,
        "created_at": row.at,
    }
    if row.kind == "decided":
        session.add(Adjudication(**common, number=row.number))
    else:
        response = Response(
            **common,
            rubric_id=plan.rubric_id,
            state=row.kind,
            revision=1,
            digest=digest(row.kind, answer),
            updated_at=row.at,
            answered_at=row.at,
        )
        session.add(response)
    noted = content | {"imported": True}
    events.write(session, WHAT[row.kind], person.pseudonym, plan.id, record.id, named, row.number, noted)
