"""Progress of a campaign for its lead: records rated, places free, each annotator's pace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import func, select

from star.annotation.storage import models
from star.annotation.storage.database import Database, clock
from star.annotation.storage.models import Adjudication, Annotator, Gold, Lease, Record, Response
from star.annotation.workflow.adjudication import open_conflicts
from star.annotation.workflow.people import Person, active
from star.errors import UserError


@dataclass(frozen=True)
class AnnotatorProgress:
    """One person's progress in a campaign. `seconds`: median per submitted record, None before the first."""

    person: Person
    submitted: int
    skipped: int
    seconds: float | None


@dataclass(frozen=True)
class Status:
    """Progress of a campaign. Counts are of ordinary records; `hidden` is the number of gold items.

    `done` of `wanted` ratings; `complete` records have all of theirs; `leased` places are held now; `conflicts` wait for
    a decision, `decided` have one.
    """

    records: int
    hidden: int
    done: int
    wanted: int
    complete: int
    leased: int
    conflicts: int
    decided: int
    people: tuple[AnnotatorProgress, ...]


def status(database: Database, lead: Person, campaign: int, now: float | None = None) -> Status:
    """Progress of a campaign.

    Raises:
        UserError: no such campaign; Refused: the caller is no lead.
    """
    with database.read() as session:
        now = clock(session) if now is None else now
        active(session, lead, "lead")
        plan = session.get(models.Campaign, campaign)
        if plan is None:
            raise UserError(
                f"there is no campaign number {campaign}; star annotations status lists those there are"
            )
        records = set(session.scalars(select(Record.id).where(Record.campaign_id == campaign)))
        hidden = set(
            session.scalars(select(Gold.record_id).join(Record).where(Record.campaign_id == campaign))
        )
        decided = set(
            session.scalars(select(Adjudication.record_id).join(Record).where(Record.campaign_id == campaign))
        )
        rows = session.execute(
            select(Response.record_id, Response.state, Response.answer, Annotator)
            .join(Annotator, Annotator.id == Response.annotator_id)
            .join(Record, Record.id == Response.record_id)
            .where(Record.campaign_id == campaign, Annotator.withdrawn_at.is_(None))
        ).all()
        leased = session.scalar(
            select(func.count())
            .select_from(Lease)
            .join(Record, Record.id == Lease.record_id)
            .where(Record.campaign_id == campaign, Lease.expires_at > now, Record.id.not_in(hidden))
        )
        ratings = dict.fromkeys(records - hidden, 0)
        for record, state, _, _ in rows:
            if state == "submitted" and record in ratings:
                ratings[record] += 1
        return Status(
            len(ratings),
            len(hidden),
            sum(ratings.values()),
            plan.overlap * len(ratings),
            sum(1 for given in ratings.values() if given >= plan.overlap),
            leased or 0,
            len(open_conflicts(session, plan)),
            len(decided),
            _work([(state, answer, person) for _, state, answer, person in rows]),
        )


def _work(rows: Sequence[tuple[str, dict[str, float] | None, Annotator]]) -> tuple[AnnotatorProgress, ...]:
    people = {row.id: row for _, _, row in rows}
    found = []
    for id, row in people.items():
        own = [(state, answer or {}) for state, answer, person in rows if person.id == id]
        seconds = [answer["seconds"] for state, answer in own if state == "submitted"]
        person = Person(id, row.name, row.pseudonym, row.role)
        skipped = sum(1 for state, _ in own if state == "skipped")
        found.append(AnnotatorProgress(person, len(seconds), skipped, median(seconds) if seconds else None))
    return tuple(sorted(found, key=lambda w: w.person.name.casefold()))
