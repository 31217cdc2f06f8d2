"""People: names, roles, passwords. Everything else knows them by `Person`.

Roles include each other: an adjudicator may rate, a lead may do everything.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from star.annotation import events
from star.annotation.database import Database
from star.annotation.models import Annotator, Campaign, Lease, Role
from star.annotation.text import NAME, clean, clean_name, name_key
from star.errors import UserError

INCLUDES: dict[Role, tuple[Role, ...]] = {
    "annotator": ("annotator",),
    "adjudicator": ("annotator", "adjudicator"),
    "lead": ("annotator", "adjudicator", "lead"),
}
FAILURES = 5
LOCKED_S = 15 * 60
PASSWORD = (8, 1_000)  # characters; the upper bound keeps argon2 from being fed megabytes
HASHER = PasswordHasher()  # argon2id with the library's parameters (RFC 9106, low memory)


class Refused(UserError):
    """Not signed in, not allowed, or locked out."""


@dataclass(frozen=True)
class Person:
    """Someone who is at work. What they may do is asked anew in every transaction (`active`)."""

    id: int
    name: str
    pseudonym: str
    role: Role
    withdrawn: bool = False


def allows(role: Role, needed: Role) -> bool:
    """Whether someone with `role` may do what `needed` may."""
    return needed in INCLUDES[role]


def require(person: Person | None, needed: Role) -> Person:
    """The person, if they may do what `needed` may.

    Raises:
        Refused: nobody is signed in, the person was withdrawn, or their role does not reach.
    """
    if person is None:
        raise Refused(f"nobody is signed in; sign in as {needed} first")
    if person.withdrawn:
        raise Refused("this annotator was withdrawn and takes no more part; ask a lead for a new name")
    if not allows(person.role, needed):
        raise Refused(f"this needs the role {needed}, and you are {person.role}; ask a lead")
    return person


def active(session: Session, person: Person, needed: Role) -> Person:
    """`require` of what the database says of the person now, inside the caller's transaction."""
    row = session.get(Annotator, person.id)
    return require(None if row is None else person_of(row), needed)


def add(database: Database, name: str, role: Role = "annotator", password: str | None = None) -> Person:
    """A new person.

    Raises:
        UserError: the name is taken (or looks like one that is), or name, role or password do not fit.
    """
    name, hashed = clean_name(name), None if password is None else _hash(password)
    if role not in INCLUDES:
        raise UserError(f"role {role!r} is none; expected annotator, adjudicator or lead")
    row = Annotator(
        name=name,
        key=name_key(name),
        pseudonym=f"a-{secrets.token_hex(4)}",
        role=role,
        password_hash=hashed,
        session_version=1,
        failed_logins=0,
        created_at=time.time(),
    )
    try:
        with database.write() as session:
            session.add(row)
            session.flush()
            events.write(session, "person added", row.pseudonym, content={"role": role})
            return person_of(row)
    except IntegrityError:
        raise UserError(
            f"there is already someone called {name!r}, or nearly so; choose another name"
        ) from None


def enter(database: Database, name: str, role: Role = "annotator") -> Person:
    """The person with this name, without a password: for one machine, where people pick or type a name.

    Args:
        role: of a name not seen before; a known person keeps theirs.

    Raises:
        Refused: the name belongs to an account with a password.
    """
    key = name_key(clean_name(name))
    for _ in range(2):  # twice: of two who enter a new name at once, one adds it and the other finds it
        with database.read() as session:
            row = session.scalar(select(Annotator).where(Annotator.key == key))
            if row is not None and row.password_hash is not None:
                raise Refused(f"{row.name!r} is an account with a password; sign in with it")
            if row is not None:
                return require(person_of(row), "annotator")
        try:
            return add(database, name, role)
        except UserError:
            continue
    return add(database, name, role)


def everyone(database: Database) -> tuple[Person, ...]:
    """All who are not withdrawn, by name."""
    with database.read() as session:
        rows = session.scalars(select(Annotator).where(Annotator.withdrawn_at.is_(None)))
        return tuple(sorted(map(person_of, rows), key=lambda p: p.name.casefold()))


def set_password(database: Database, name: str, password: str) -> Person:
    """Give an account a new password; its sessions end, its lock is lifted.

    Raises:
        UserError: no such person, or the password does not fit.
    """
    hashed = _hash(password)
    with database.write() as session:
        row = _named(session, name)
        row.password_hash, row.failed_logins, row.locked_until = hashed, 0, None
        row.session_version += 1
        events.write(session, "password set", row.pseudonym)
        return person_of(row)


def authenticate(database: Database, name: str, password: str, now: float | None = None) -> Person:
    """The person with this name and password.

    An attempt is counted before the password is looked at, so that many at once get no more tries than one after another;
    the fifth that fails in a row locks the account for fifteen minutes. A name that does not exist takes as long.

    Raises:
        Refused: name or password is wrong (which of them is not said), or the account is locked.
    """
    now = time.time() if now is None else now
    wrong = Refused("name or password is wrong; after five failures an account is locked for 15 minutes")
    with database.write() as session:
        row = session.scalar(select(Annotator).where(Annotator.key == _key(name)).with_for_update())
        if row is not None and row.locked_until is not None:
            if row.locked_until > now:
                minutes = max(1, round((row.locked_until - now) / 60))
                raise Refused(
                    f"this account is locked after {FAILURES} failures; try again in {minutes} minutes"
                )
            row.failed_logins, row.locked_until = 0, None
        hashed = None if row is None or row.withdrawn_at is not None else row.password_hash
        if row is not None and hashed is not None:
            row.failed_logins += 1
            if row.failed_logins >= FAILURES:
                row.locked_until = now + LOCKED_S
    right = _verify(hashed or _nobody(), password) and hashed is not None
    with database.write() as session:
        if row is None or hashed is None:
            raise wrong
        again = session.get(Annotator, row.id, with_for_update=True)
        if again is None or again.password_hash != hashed:  # changed while we looked
            raise wrong
        if right:
            again.failed_logins, again.locked_until = 0, None
        events.write(session, "signed in" if right else "sign-in failed", again.pseudonym, at=now)
    if not right:
        raise wrong
    return person_of(again)


def withdraw(database: Database, lead: Person, id: int) -> None:
    """Take someone out: their answers leave statistics and exports, their places return to the queues, their name goes.

    Pseudonymous events stay. A second time does nothing.

    Raises:
        UserError: no such person; Refused: the caller is no lead.
    """
    now = time.time()
    with database.write() as session:
        # Before anything is read: no claim and no save of theirs is under way in any campaign.
        session.execute(select(Campaign.id).order_by(Campaign.id).with_for_update()).all()
        active(session, lead, "lead")
        row = session.get(Annotator, id, populate_existing=True)
        if row is None:
            raise UserError(f"there is no annotator number {id}")
        if row.withdrawn_at is not None:
            return
        session.execute(delete(Lease).where(Lease.annotator_id == id))
        row.name, row.key, row.password_hash = row.pseudonym, row.pseudonym, None
        row.session_version += 1
        row.withdrawn_at = now
        events.write(session, "withdrawn", row.pseudonym, content={"by": lead.pseudonym}, at=now)


def find(database: Database, name: str) -> Person:
    """The person with this name or pseudonym.

    Raises:
        UserError: there is none.
    """
    with database.read() as session:
        return person_of(_named(session, name))


def _named(session: Session, name: str) -> Annotator:
    name = clean(name, "name", NAME)
    row = session.scalar(
        select(Annotator).where((Annotator.key == name_key(name)) | (Annotator.pseudonym == name))
    )
    if row is None:
        raise UserError(f"there is nobody called {name!r}; star annotators add makes an account")
    return row


def person_of(row: Annotator) -> Person:
    """A row as everything else sees it."""
    return Person(row.id, row.name, row.pseudonym, row.role, row.withdrawn_at is not None)


def _key(name: str) -> str:
    try:
        return name_key(clean_name(name))
    except UserError:
        return ""  # nobody's key


def _hash(password: str) -> str:
    shortest, longest = PASSWORD
    kept = clean(password, "password", longest)
    if len(kept) < shortest or kept != password:
        raise UserError(f"the password has {len(kept)} usable characters, expected {shortest} to {longest:,}")
    return HASHER.hash(password)


def _verify(hashed: str, password: str) -> bool:
    try:
        return len(password) <= PASSWORD[1] and HASHER.verify(hashed, password)
    except (Argon2Error, InvalidHashError, UnicodeError):
        return False


@cache
def _nobody() -> str:
    """A hash that nobody's password has, so that an unknown name takes as long as a known one."""
    return HASHER.hash(secrets.token_urlsafe(32))
