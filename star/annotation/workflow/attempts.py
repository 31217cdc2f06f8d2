"""Failed sign-ins, counted by name and by address, and when the next attempt is refused.

A name is locked for an address after five failures from there, and an address for all names after twenty. Other
addresses may still try, so nobody can be locked out from outside. While many addresses guess one name, each has one try
instead of five. Unknown names are counted like known ones, so a lock reveals nothing. Failures are forgotten fifteen
minutes after the last one, by the database's clock. If that clock jumps, a lock still ends within half an hour.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from star.annotation.storage.models import Attempt

TRIES = 5
"""Of one name from one address."""
TRIES_AT_ADDRESS = 20
"""Of all names from one address."""
CROWD = 20
"""Failures of one name from all addresses, after which an address has one try; the first this many become events."""
FORGOTTEN_S = 15 * 60
MOST = 10_000
"""Rows kept; beyond them, rows with the fewest failures are deleted first."""
GATE = 20_260_210  # PostgreSQL's advisory lock: attempts are counted one at a time, as on SQLite


@dataclass(frozen=True)
class Trying:
    """One attempt: a name as `text.name_key` makes it, and the address."""

    key: str
    address: str

    @property
    def name(self) -> str:
        return hashed(self.key)

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Keys of the rows that count this attempt: name and address, address alone, name alone."""
        address = self.address[:64] or "-"
        return (self.name, address), ("", address), (self.name, "")


@dataclass(frozen=True)
class Lock:
    """Why an attempt is refused, and for how many seconds."""

    failures: int
    seconds: int
    address: bool
    """Whether the address is locked for all names."""


def locked(session: Session, trying: Trying, now: float) -> Lock | None:
    """The lock that refuses this attempt; None if it may be made."""
    one, all_names, everywhere = (_live(session, row, now) for row in trying.rows)
    tries = TRIES if everywhere is None or everywhere.failures < CROWD else 1
    for row, most in ((one, tries), (all_names, TRIES_AT_ADDRESS)):
        if row is not None and row.failures >= most:
            left = min(FORGOTTEN_S, ceil(row.at + FORGOTTEN_S - now))
            return Lock(row.failures, left, row is all_names)
    return None


def begin(session: Session, trying: Trying, now: float) -> Lock | None:
    """Count an attempt before its password is checked, so parallel attempts get no more tries than successive ones.

    Returns:
        The lock that refuses it, in which case it is not counted; else None.
    """
    _alone(session)
    found = locked(session, trying, now)
    if found is not None:
        return found
    _sweep(session, now)
    for name, address in trying.rows:
        row = session.get(Attempt, (name, address))
        if row is None:
            session.add(Attempt(name=name, address=address, failures=1, at=now))
        else:
            row.failures, row.at = row.failures + 1, now
    return None


def succeeded(session: Session, trying: Trying) -> None:
    """Undo the count of a successful attempt: the name restarts at this address, other rows lose one failure."""
    _alone(session)
    for n, key in enumerate(trying.rows):
        row = session.get(Attempt, key)
        if row is not None and (n == 0 or row.failures <= 1):
            session.delete(row)
        elif row is not None:
            row.failures -= 1


def failed(session: Session, trying: Trying, now: float) -> bool:
    """Keep the count of a failed attempt; returns whether to write an event, which a crowd of failures does not get.

    It writes for unknown names too, so the time of a reply does not reveal which names exist.
    """
    _alone(session)
    for name, address in trying.rows:
        own = (Attempt.name == name, Attempt.address == address)
        session.execute(update(Attempt).where(*own).values(at=now))
    everywhere = session.get(Attempt, trying.rows[2])
    return everywhere is None or everywhere.failures <= CROWD


def unlock(session: Session, key: str) -> None:
    """Forget the failures of a name, and those of all addresses, which may lock it too."""
    session.execute(delete(Attempt).where(or_(Attempt.name == hashed(key), Attempt.name == "")))


def hashed(key: str) -> str:
    """Hash of a name as it is stored, because people type passwords into the field for names."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _live(session: Session, key: tuple[str, str], now: float) -> Attempt | None:
    """The row, if its failures are not forgotten. A row far in the future comes from a wrong clock."""
    row = session.get(Attempt, key)
    return row if row is not None and abs(now - row.at) < FORGOTTEN_S else None


def _sweep(session: Session, now: float) -> None:
    stale = or_(Attempt.at <= now - FORGOTTEN_S, Attempt.at >= now + FORGOTTEN_S)
    session.execute(delete(Attempt).where(stale))
    over = (session.scalar(select(func.count()).select_from(Attempt)) or 0) + 3 - MOST
    if over > 0:
        for row in session.scalars(select(Attempt).order_by(Attempt.failures, Attempt.at).limit(over)):
            session.delete(row)
        session.flush()


def _alone(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})
