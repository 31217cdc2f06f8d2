"""Saves, submits and skips answers. When one of these functions returns, the answer is on disk.

A save names its response (UUID) and its revision, one more than the last. A repeated save changes nothing and returns the
same receipt. A save with an outdated revision is refused (`Stale`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from star.annotation.storage import events
from star.annotation.storage.database import Database, clock, lock
from star.annotation.storage.models import Campaign, Event, Kind, Record, Response, State
from star.annotation.workflow.answers import Answer, checked, digest
from star.annotation.workflow.documents import blinded
from star.annotation.workflow.people import Person, active
from star.annotation.workflow.queue import hold, release
from star.annotation.workflow.rubric import Version, version
from star.annotation.workflow.text import storable
from star.errors import UserError

EDITABLE = 10


class Stale(UserError):
    """A save with an outdated revision. `revision`: the last one stored."""

    def __init__(self, given: int, revision: int) -> None:
        super().__init__(
            f"this is revision {given}, and revision {revision} is stored already, from another tab or an earlier "
            "save; load the record again and repeat the change"
        )
        self.revision = revision


@dataclass(frozen=True)
class Saved:
    """Receipt of a save that is on disk. `at`: time of storage, seconds since 1970."""

    uuid: str
    revision: int
    state: State
    at: float


@dataclass(frozen=True)
class OpenRecord:
    """A record as its annotator sees it, blinded.

    `answer`: the draft, else the submitted answer; None for an empty form. `runs`: one document of
    `star recommend --json`, or [left, right]. `editable`: whether the answer may still be saved.
    """

    uuid: str
    campaign: int
    record: int
    kind: Kind
    runs: tuple[dict[str, Any], ...]
    rubric: Version
    state: State
    revision: int
    answer: Answer | None
    editable: bool


def save_draft(
    database: Database, person: Person, uuid: str, revision: int, answer: Answer, now: float | None = None
) -> Saved:
    """Store an unfinished answer and extend its lease. An earlier submitted answer counts until the next `submit`.

    Raises:
        Stale: outdated revision. UserError: no such response of this person, no longer editable, or an invalid answer.
    """
    return _save(database, person, uuid, revision, answer, "draft", now)


def submit(
    database: Database, person: Person, uuid: str, revision: int, answer: Answer, now: float | None = None
) -> Saved:
    """Submit an answer, for the first time or again.

    Raises:
        Stale, UserError: as `save_draft`; also for an unrated criterion, or when the lease expired and others took all
            places.
    """
    return _save(database, person, uuid, revision, answer, "submitted", now)


def skip(
    database: Database, person: Person, uuid: str, revision: int, answer: Answer, now: float | None = None
) -> Saved:
    """Leave a record to others, with the reason in `answer.reason`.

    Raises:
        Stale, UserError: as `save_draft`; also without a reason.
    """
    return _save(database, person, uuid, revision, answer, "skipped", now)


def open_record(database: Database, person: Person, uuid: str) -> OpenRecord:
    """A record that was assigned to this person, with the answer so far.

    Raises:
        UserError: no such response of this person.
    """
    with database.read() as session:
        who = active(session, person, "annotator")
        response, record, plan = _find(session, who, uuid)
        stored = response.draft or response.answer
        return OpenRecord(
            response.uuid,
            plan.id,
            record.id,
            plan.kind,
            tuple(blinded(run) for run in record.runs),
            version(session, plan.rubric_id),
            response.state,
            response.revision,
            None if stored is None else Answer.from_json(stored),
            response.answered_at is None or response.id in _last(session, who, plan),
        )


def last(database: Database, person: Person, campaign: int) -> tuple[str, ...]:
    """UUIDs of the person's last ten submitted or skipped answers, newest first. These are still editable."""
    with database.read() as session:
        who = active(session, person, "annotator")
        plan = session.get(Campaign, campaign)
        if plan is None:
            raise UserError(f"there is no campaign number {campaign}")
        ids = _last(session, who, plan)
        uuid = {r.id: r.uuid for r in session.scalars(select(Response).where(Response.id.in_(ids)))}
        return tuple(uuid[id] for id in ids)


def _save(
    database: Database,
    person: Person,
    uuid: str,
    revision: int,
    answer: Answer,
    to: Literal["draft", "submitted", "skipped"],
    now: float | None,
) -> Saved:
    with database.read() as session:  # before the lock, because parsing large runs takes time
        who = active(session, person, "annotator")
        response, record, plan = _find(session, who, uuid)
        rubric = version(session, plan.rubric_id).rubric
        answer = checked(answer, rubric, plan.kind, record.runs, complete=to == "submitted")
        campaign, record_id = plan.id, record.id
    if to == "skipped" and not answer.reason.strip():
        raise UserError("a record is skipped without a reason; say in a few words why")
    if type(revision) is not int or revision < 1:
        raise UserError(f"the revision is {revision!r}; expected a whole number from 1")
    mark, content = digest(to, answer), answer.to_json()
    with database.write() as session:
        plan = lock(session, campaign)
        now = clock(session) if now is None else now
        who = active(session, person, "annotator")
        response = session.scalars(select(Response).where(Response.uuid == uuid)).one()
        if response.revision == revision and response.digest == mark:
            return Saved(uuid, revision, response.state, response.updated_at)
        if response.revision != revision - 1:
            raise Stale(revision, response.revision)
        if response.answered_at is not None and response.id not in _last(session, who, plan):
            raise UserError(f"this answer is no longer among your last {EDITABLE}; only those can be changed")
        placed = response.state == "submitted" or to == "skipped" or hold(session, plan, record_id, who, now)
        if to == "submitted" and not placed:
            raise UserError(
                "your time on this record ran out and others have rated it since; your draft is kept, go on to the next"
            )
        # In one statement: a trigger lets a response change only from one revision to the next.
        if to == "draft":
            response.draft = content
            response.state = "draft" if response.answered_at is None else response.state
        else:
            response.answer, response.draft, response.state = content, None, to
            response.answered_at = response.answered_at or now
        response.revision, response.digest, response.updated_at = revision, mark, now
        session.flush()
        if to != "draft":
            release(session, record_id, who)
        kind: events.What = "draft saved" if to == "draft" else to
        events.write(session, kind, who.pseudonym, campaign, record_id, uuid, revision, content, now)
        saved = Saved(uuid, revision, response.state, now)
    return saved


def _find(session: Session, who: Person, uuid: str) -> tuple[Response, Record, Campaign]:
    row = session.execute(
        select(Response, Record, Campaign)
        .join(Record, Record.id == Response.record_id)
        .join(Campaign, Campaign.id == Record.campaign_id)
        .where(Response.uuid == storable(uuid), Response.annotator_id == who.id)
    ).first()
    if row is None:
        raise UserError(f"no record was assigned to you under {str(uuid)[:40]!r}; ask for the next one")
    return row[0], row[1], row[2]


def _last(session: Session, who: Person, plan: Campaign) -> list[int]:
    """Ids of the last answers of a person, newest first. Editing an answer does not move it.

    The order is that of the events, not of the clock, which may be set back.
    """
    first = (
        select(func.min(Event.id))
        .where(Event.uuid == Response.uuid, Event.kind.in_(("submitted", "skipped")))
        .correlate(Response)
        .scalar_subquery()
    )
    return list(
        session.scalars(
            select(Response.id)
            .join(Record, Record.id == Response.record_id)
            .where(
                Response.annotator_id == who.id,
                Record.campaign_id == plan.id,
                Response.answered_at.is_not(None),
            )
            .order_by(func.coalesce(first, 0).desc(), Response.id.desc())
            .limit(EDITABLE)
        )
    )
