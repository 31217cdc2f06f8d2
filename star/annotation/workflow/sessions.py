"""Sessions as random tokens in a cookie, stored as hashes; valid after a restart and on every replica, and limited in time.

Nothing is signed, so no key can leak: a copy of the database gives nobody a session. Times are the database's, so clocks
of replicas need not agree. A session made while the clock ran ahead ends in time all the same.
"""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from star.annotation.storage import events
from star.annotation.storage.database import Database, clock
from star.annotation.storage.models import Annotator, Mode, SignedIn
from star.annotation.workflow.people import Person, person_of, require

SESSION_S = 14 * 24 * 3600
MOST = 20
"""Sessions of one person; the oldest ends when one more begins."""
LONGEST = 100  # longest token that is looked up; ours have 43 characters


def sign_in(database: Database, person: Person, mode: Mode, now: float | None = None) -> str:
    """Begin a session; returns its token, for a cookie.

    Args:
        mode: `auth` after a password, `open` after a name alone; the session is valid in this mode only.

    Raises:
        Refused: no such person, or withdrawn.
    """
    token = secrets.token_urlsafe(32)
    with database.write() as session:
        row = session.get(Annotator, person.id, with_for_update=True)
        who = require(None if row is None else person_of(row), "annotator")
        now = clock(session) if now is None else now
        _sweep(session, now)
        session.add(
            SignedIn(
                hash=_hash(token), annotator_id=who.id, mode=mode, created_at=now, ends_at=now + SESSION_S
            )
        )
        session.flush()
        own = select(SignedIn.id).where(SignedIn.annotator_id == who.id).order_by(SignedIn.id.desc())
        over = list(session.scalars(own.offset(MOST)))
        session.execute(delete(SignedIn).where(SignedIn.id.in_(over)))
    return token


def of_token(database: Database, token: str | None, mode: Mode, now: float | None = None) -> Person | None:
    """The person of this session; None if it is unknown, ended, of the other mode, or its person was withdrawn."""
    if not token or len(token) > LONGEST:
        return None
    with database.read() as session:
        found = session.execute(
            select(Annotator, SignedIn.ends_at)
            .join(SignedIn, SignedIn.annotator_id == Annotator.id)
            .where(SignedIn.hash == _hash(token), SignedIn.mode == mode, Annotator.withdrawn_at.is_(None))
        ).first()
        if found is None or found[1] <= (clock(session) if now is None else now):
            return None
        return person_of(found[0])


def end(database: Database, token: str | None) -> None:
    """End this one session."""
    with database.write() as session:
        session.execute(delete(SignedIn).where(SignedIn.hash == _hash(token or "")))


def sign_out(database: Database, person: Person) -> None:
    """End all sessions of a person."""
    with database.write() as session:
        row = session.get_one(Annotator, person.id)
        session.execute(delete(SignedIn).where(SignedIn.annotator_id == row.id))
        events.write(session, "signed out", row.pseudonym)


def _sweep(session: Session, now: float) -> None:
    """Delete ended sessions, and shorten those that a wrong clock made too long."""
    # Rows locked by another sign-in are skipped: two that wait for each other could wait for ever.
    over = select(SignedIn.id).where(SignedIn.ends_at <= now).with_for_update(skip_locked=True)
    session.execute(delete(SignedIn).where(SignedIn.id.in_(list(session.scalars(over)))))
    late = select(SignedIn.id).where(SignedIn.ends_at > now + SESSION_S).with_for_update(skip_locked=True)
    session.execute(
        update(SignedIn).where(SignedIn.id.in_(list(session.scalars(late)))).values(ends_at=now + SESSION_S)
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
