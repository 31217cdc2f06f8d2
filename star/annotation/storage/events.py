"""The audit log: one row for every change, written in its transaction; triggers forbid changing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from star.annotation.storage.database import Database, clock
from star.annotation.storage.models import Event

What = Literal[
    "person added",
    "password set",
    "unlocked",
    "signed in",
    "sign-in failed",
    "signed out",
    "withdrawn",
    "rubric published",
    "campaign created",
    "gold set",
    "assigned",
    "lease expired",
    "draft saved",
    "submitted",
    "skipped",
    "adjudicated",
]


@dataclass(frozen=True)
class Entry:
    """One event. `at`: seconds since 1970, UTC. `pseudonym`: who made the change."""

    id: int
    at: float
    kind: str
    pseudonym: str | None
    campaign: int | None
    record: int | None
    uuid: str | None
    revision: int | None
    content: dict[str, Any]


def write(
    session: Session,
    kind: What,
    pseudonym: str | None,
    campaign: int | None = None,
    record: int | None = None,
    uuid: str | None = None,
    revision: int | None = None,
    content: dict[str, Any] | None = None,
    at: float | None = None,
) -> None:
    """Add an event to the transaction of its change."""
    session.add(
        Event(
            at=clock(session) if at is None else at,
            kind=kind,
            pseudonym=pseudonym,
            campaign_id=campaign,
            record_id=record,
            uuid=uuid,
            revision=revision,
            content=content or {},
        )
    )


def history(database: Database, campaign: int | None = None, uuid: str | None = None) -> tuple[Entry, ...]:
    """Events, oldest first, optionally of one campaign or one response."""
    query = select(Event).order_by(Event.id)
    if campaign is not None:
        query = query.where(Event.campaign_id == campaign)
    if uuid is not None:
        query = query.where(Event.uuid == uuid)
    with database.read() as session:
        return tuple(
            Entry(e.id, e.at, e.kind, e.pseudonym, e.campaign_id, e.record_id, e.uuid, e.revision, e.content)
            for e in session.scalars(query)
        )
