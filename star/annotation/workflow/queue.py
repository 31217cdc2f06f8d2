"""Queue: the server chooses the next record, and no record is given to more people than the campaign wants.

A record has as many places as the campaign's overlap. A place is taken by a submitted answer or by a lease. A place is
free again when its lease expires, its record is skipped, or its annotator is withdrawn. Whoever changes a place holds
the campaign's lock (`database.lock`), so places are counted by one at a time. Gold items have no limit: everyone may get
each of them once. Leases are timed by the database's clock. None lasts longer than half an hour from now, even if that
clock was wrong.
"""

from __future__ import annotations

import random
import uuid as uuids
from dataclasses import dataclass
from functools import cache
from math import floor
from statistics import median
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, delete, exists, func, select, update
from sqlalchemy.orm import Session

from star.annotation.storage import events
from star.annotation.storage.database import Database, clock, lock
from star.annotation.storage.models import (
    Adjudication,
    Annotator,
    Campaign,
    Gold,
    Lease,
    Record,
    Response,
    State,
)
from star.annotation.workflow.people import Person, active
from star.errors import UserError

LEASE_S = 30 * 60.0
_CAP = (
    update(Lease)
    .where(
        Lease.record_id.in_(select(Record.id).where(Record.campaign_id == bindparam("campaign"))),
        Lease.expires_at > bindparam("most"),
    )
    .values(expires_at=bindparam("most"))
)


@dataclass(frozen=True)
class Assignment:
    """A record given to someone. `uuid` names their response in every save; `revision` is the last one stored."""

    uuid: str
    campaign: int
    record: int
    state: State
    revision: int
    expires_at: float


@dataclass(frozen=True)
class Progress:
    """How far someone and the team are. `seconds`: the person's median per submitted record, None before the first.

    `wanted`, `done`: ratings of the whole team without gold items; `given`: all of the team's. `share`: rough progress
    of the team, 0 to 1, which grows with every rating. Annotators may see only `given` and `share`: a count that does
    not grow would reveal a gold item. `last_hour`: own submitted in the last hour.
    """

    submitted: int
    skipped: int
    seconds: float | None
    last_hour: int
    done: int
    wanted: int
    given: int
    share: float


def claim(
    database: Database,
    person: Person,
    campaign: int,
    lease_s: float = LEASE_S,
    now: float | None = None,
    uuid: str | None = None,
) -> Assignment | None:
    """The record to rate now: the one already begun if its place can still be held, else a new one.

    Args:
        lease_s: seconds for which the place is held, half an hour at most; every save extends it.
        uuid: made by the client for a new response; None makes one here.

    Returns:
        None when nothing is left for this person now. Another person's lease may still expire.

    Raises:
        UserError: no such campaign, or the uuid is not one; Refused: not allowed to rate.
    """
    with database.write() as session:
        plan = lock(session, campaign)
        # Once the lock is ours: waiting must not make a lease look alive.
        now = clock(session) if now is None else now
        who = active(session, person, "annotator")
        _expire(session, plan, now)
        begun = session.scalars(
            _own(plan, who)
            .where(Response.state.in_(("draft", "pending")))
            .order_by(Response.state, Response.id)
        )
        for response in begun:
            if hold(session, plan, response.record_id, who, now, lease_s):
                return _assignment(response, plan, now + lease_s)
        record = _choose(session, plan, who, now)
        if record is None:
            return None
        response = Response(
            uuid=_uuid(session, uuid),
            record_id=record,
            annotator_id=who.id,
            rubric_id=plan.rubric_id,
            state="pending",
            revision=0,
            digest="",
            created_at=now,
            updated_at=now,
        )
        session.add(response)
        session.add(Lease(record_id=record, annotator_id=who.id, expires_at=now + lease_s))
        events.write(session, "assigned", who.pseudonym, plan.id, record, response.uuid, 0, at=now)
        return _assignment(response, plan, now + lease_s)


def hold(
    session: Session, plan: Campaign, record: int, who: Person, now: float, lease_s: float = LEASE_S
) -> bool:
    """Keep or take a place at a record, with the campaign's lock held; false when others hold all places."""
    _cap(session, plan, now)
    lease = session.get(Lease, (record, who.id))
    if lease is not None and lease.expires_at > now:
        lease.expires_at = max(lease.expires_at, now + lease_s)
        return True
    free = session.scalar(select(_gold() | (_taken(plan.rubric_id, now) < plan.overlap)).where(Record.id == record))
    if free and lease is None:
        session.add(Lease(record_id=record, annotator_id=who.id, expires_at=now + lease_s))
    elif free and lease is not None:
        lease.expires_at = now + lease_s
    return bool(free)


def release(session: Session, record: int, who: Person) -> None:
    """Give a lease back."""
    session.execute(delete(Lease).where(Lease.record_id == record, Lease.annotator_id == who.id))


def progress(database: Database, person: Person, campaign: int, now: float | None = None) -> Progress:
    """Progress of the person and of the team in a campaign."""
    with database.read() as session:
        now = clock(session) if now is None else now
        plan = session.get(Campaign, campaign)
        if plan is None:
            raise UserError(f"there is no campaign number {campaign}")
        who = active(session, person, "annotator")
        own = session.execute(
            _own(plan, who)
            .where(Response.state.in_(("submitted", "skipped")))
            .with_only_columns(Response.state, Response.answered_at, Response.answer)
        ).all()
        seconds = [answer["seconds"] for state, _, answer in own if state == "submitted"]
        done = session.scalar(select(func.coalesce(func.sum(_submitted(plan.rubric_id)), 0)).where(_ordinary(plan)))
        wanted = session.scalar(
            select(func.count() * plan.overlap).select_from(Record).where(_ordinary(plan))
        )
        given = session.scalar(
            select(func.coalesce(func.sum(_submitted(plan.rubric_id)), 0)).where(Record.campaign_id == plan.id)
        )
        return Progress(
            len(seconds),
            len(own) - len(seconds),
            median(seconds) if seconds else None,
            sum(1 for state, at, _ in own if state == "submitted" and now - 3600 < at <= now),
            int(done or 0),
            int(wanted or 0),
            int(given or 0),
            min(1.0, int(given or 0) * (1 - plan.gold_share) / int(wanted)) if wanted else 0.0,
        )


def gold_due(answered: int, share: float, seed: int, pseudonym: str) -> bool:
    """Whether the item after `answered` others is a gold item.

    One item in every 1/share, at a random place in its stretch: the share is exact to within one item, without a rhythm.
    """
    if share <= 0:
        return False
    for stretch in {floor(answered * share), floor((answered + 1) * share)}:
        place = random.Random(f"{seed} {pseudonym} {stretch}").random()
        if floor((stretch + place) / share) == answered:
            return True
    return False


def _choose(session: Session, plan: Campaign, who: Person, now: float) -> int | None:
    """A record this person never had: a gold item when one is due, else the fullest that has a free place."""
    asked = {
        "campaign": plan.id,
        "rubric": plan.rubric_id,
        "overlap": plan.overlap,
        "who": who.id,
        "now": now,
    }
    had = session.scalar(select(func.count()).select_from(_own(plan, who).subquery())) or 0
    if gold_due(had, plan.gold_share, plan.seed, who.pseudonym):
        gold = session.scalar(_unseen(True), asked)
        if gold is not None:
            return gold
    return session.scalar(_unseen(False), asked)


@cache  # building the statement takes longer than asking it
def _unseen(gold: bool) -> Select[int]:
    """The next gold item, or the fullest record that has a free place, of those that `who` never had."""
    who: BindParameter[int] = bindparam("who")
    rubric: BindParameter[int] = bindparam("rubric")
    mine = exists().where(
        Response.record_id == Record.id, Response.annotator_id == who, Response.rubric_id == rubric
    )
    # Who decided on a record has seen what others say of it, and does not rate it should a place come free again.
    judged = exists().where(Adjudication.record_id == Record.id, Adjudication.annotator_id == who)
    unseen = select(Record.id).where(Record.campaign_id == bindparam("campaign"), ~mine, ~judged).limit(1)
    if gold:
        return unseen.where(_gold()).order_by(Record.position)
    taken = _taken(rubric, bindparam("now"))
    return unseen.where(~_gold(), taken < bindparam("overlap")).order_by(taken.desc(), Record.position)


def _own(plan: Campaign, who: Person) -> Select[Response]:
    """A person's responses in a campaign."""
    return (
        select(Response)
        .join(Record, Record.id == Response.record_id)
        .where(
            Record.campaign_id == plan.id,
            Response.annotator_id == who.id,
            Response.rubric_id == plan.rubric_id,
        )
    )


def _gold() -> ColumnElement[bool]:
    return exists().where(Gold.record_id == Record.id)


def _ordinary(plan: Campaign) -> ColumnElement[bool]:
    return (Record.campaign_id == plan.id) & ~_gold()


def _submitted(rubric: int | BindParameter[int]) -> ColumnElement[int]:
    """Submitted answers to a record by people who still take part."""
    return (
        select(func.count())
        .select_from(Response)
        .join(Annotator, Annotator.id == Response.annotator_id)
        .where(
            Response.record_id == Record.id,
            Response.rubric_id == rubric,
            Response.state == "submitted",
            Annotator.withdrawn_at.is_(None),
        )
        .correlate(Record)
        .scalar_subquery()
    )


def _taken(rubric: int | BindParameter[int], now: float | BindParameter[float]) -> ColumnElement[int]:
    """Places taken at a record. A submitted answer has given its lease back, so nobody counts twice."""
    leased = (
        select(func.count())
        .select_from(Lease)
        .where(Lease.record_id == Record.id, Lease.expires_at > now)
        .correlate(Record)
        .scalar_subquery()
    )
    return _submitted(rubric) + leased


def _expire(session: Session, plan: Campaign, now: float) -> None:
    """Delete expired leases."""
    _cap(session, plan, now)
    over: Any = session.execute(
        select(Lease.record_id, Lease.annotator_id, Annotator.pseudonym)
        .join(Record, Record.id == Lease.record_id)
        .join(Annotator, Annotator.id == Lease.annotator_id)
        .where(Record.campaign_id == plan.id, Lease.expires_at <= now)
    )
    for record, annotator, pseudonym in over.all():
        session.execute(delete(Lease).where(Lease.record_id == record, Lease.annotator_id == annotator))
        events.write(session, "lease expired", pseudonym, plan.id, record, at=now)


def _cap(session: Session, plan: Campaign, now: float) -> None:
    """Shorten leases given while the clock ran ahead to half an hour."""
    most = now + LEASE_S
    session.execute(_CAP, {"campaign": plan.id, "most": most}, execution_options={"synchronize_session": False})


def _assignment(response: Response, plan: Campaign, expires_at: float) -> Assignment:
    return Assignment(
        response.uuid, plan.id, response.record_id, response.state, response.revision, expires_at
    )


def _uuid(session: Session, given: str | None) -> str:
    try:
        made = str(uuids.uuid4() if given is None else uuids.UUID(given))
    except (ValueError, AttributeError, TypeError):
        raise UserError(
            f"{str(given)[:80]!r} is no UUID; expected 32 hexadecimal digits, as uuid4 makes"
        ) from None
    if session.scalar(select(exists().where(Response.uuid == made))):
        raise UserError(f"the UUID {made} names another response already; make a new one for every record")
    return made
