"""The answers that a person submitted or skipped last in a campaign and may still change."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from star.annotation.storage.database import Database
from star.annotation.storage.models import Response, State
from star.annotation.storage.store import last
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.people import Person


@dataclass(frozen=True)
class Recent:
    """One such answer. `at`: when first answered, seconds since 1970. `changed`: whether a draft waits to be submitted."""

    uuid: str
    record: int
    state: State
    at: float
    answer: Answer
    changed: bool


def recent(database: Database, person: Person, campaign: int) -> tuple[Recent, ...]:
    """The person's last ten answers, newest first.

    Raises:
        UserError: no such campaign; Refused: not allowed to rate.
    """
    uuids = last(database, person, campaign)
    with database.read() as session:
        rows = {row.uuid: row for row in session.scalars(select(Response).where(Response.uuid.in_(uuids)))}
        return tuple(
            Recent(
                row.uuid,
                row.record_id,
                row.state,
                row.answered_at or row.updated_at,
                Answer.from_json(row.answer or Answer().to_json()),
                row.draft is not None,
            )
            for row in (rows[uuid] for uuid in uuids)
        )
