"""Accounts: names, roles, passwords, withdrawal. Other modules see a `Person`.

Roles include each other: an adjudicator may rate, a lead may do everything.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from star.annotation.storage import events
from star.annotation.storage.database import Database, clock
from star.annotation.storage.models import Annotator, Campaign, Lease, Role, SignedIn
from star.annotation.workflow import attempts, passwords
from star.annotation.workflow.attempts import Lock, Trying
from star.annotation.workflow.text import NAME, clean, clean_name, name_key
from star.errors import UserError

INCLUDES: dict[Role, tuple[Role, ...]] = {
    "annotator": ("annotator",),
    "adjudicator": ("annotator", "adjudicator"),
    "lead": ("annotator", "adjudicator", "lead"),
}


class Refused(UserError):
    """Not signed in, not allowed, or locked out."""


class Locked(Refused):
    """Too many failed attempts. `seconds`: until the next may be made."""

    def __init__(self, lock: Lock) -> None:
        what = "sign-in from this address" if lock.address else "this name, from this address,"
        minutes = max(1, round(lock.seconds / 60))
        super().__init__(
            f"{what} is locked after {lock.failures} failure{'s' * (lock.failures > 1)}; "
            f"try again in {minutes} minute{'s' * (minutes > 1)}, or ask a lead (star annotators unlock)"
        )
        self.seconds = lock.seconds


@dataclass(frozen=True)
class Person:
    """A signed-in person. Every transaction checks their role again (`active`)."""

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
        Refused: nobody is signed in, the person was withdrawn, or the role is not sufficient.
    """
    if person is None:
        raise Refused(f"nobody is signed in; sign in as {needed} first")
    if person.withdrawn:
        raise Refused("this annotator was withdrawn and takes no more part; ask a lead for a new name")
    if not allows(person.role, needed):
        raise Refused(f"this needs the role {needed}, and you are {person.role}; ask a lead")
    return person


def active(session: Session, person: Person, needed: Role) -> Person:
    """`require` with the person's present role in the database, inside the caller's transaction."""
    row = session.get(Annotator, person.id)
    return require(None if row is None else person_of(row), needed)


def add(database: Database, name: str, role: Role = "annotator", password: str | None = None) -> Person:
    """A new person.

    Raises:
        UserError: the name is taken or looks like one that is, or name, role or password do not fit.
    """
    name, hashed = clean_name(name), None if password is None else passwords.hashed(password)
    if role not in INCLUDES:
        raise UserError(f"role {role!r} is none; expected annotator, adjudicator or lead")
    row = Annotator(
        name=name,
        key=name_key(name),
        pseudonym=f"a-{secrets.token_hex(4)}",
        role=role,
        password_hash=hashed,
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
    """Everybody who is not withdrawn, by name."""
    with database.read() as session:
        rows = session.scalars(select(Annotator).where(Annotator.withdrawn_at.is_(None)))
        return tuple(sorted(map(person_of, rows), key=lambda p: p.name.casefold()))


def set_password(database: Database, name: str, password: str) -> Person:
    """Give an account a new password; its sessions end and its locks are lifted.

    Raises:
        UserError: no such person, or the password does not fit.
    """
    hashed = passwords.hashed(password)
    with database.write() as session:
        row = _named(session, name)
        row.password_hash = hashed
        session.execute(delete(SignedIn).where(SignedIn.annotator_id == row.id))
        attempts.unlock(session, row.key)
        events.write(session, "password set", row.pseudonym)
        return person_of(row)


def unlock(database: Database, name: str) -> Person:
    """Lift the locks on a person, from every address.

    Raises:
        UserError: no such person.
    """
    with database.write() as session:
        row = _named(session, name)
        attempts.unlock(session, row.key)
        events.write(session, "unlocked", row.pseudonym)
        return person_of(row)


def authenticate(
    database: Database, name: str, password: str, address: str = "", now: float | None = None
) -> Person:
    """The person with this name and password. Attempts are counted as `attempts` says.

    An unknown name takes as long, is locked in the same way, and gets the same message.

    Args:
        address: where the attempt comes from; attempts without one count as one address.

    Raises:
        Refused: name or password is wrong (which of them is not said). Locked: too many failures. Busy: too many at once.
    """
    trying = Trying(_key(name), address)
    with database.read() as session:  # those who are locked out wait for nobody, and nobody for them
        _let_try(attempts.locked(session, trying, clock(session) if now is None else now))
    with passwords.place():
        with database.write() as session:
            at = clock(session) if now is None else now
            _let_try(attempts.begin(session, trying, at))
            row = session.scalar(select(Annotator).where(Annotator.key == trying.key))
            hashed = None if row is None or row.withdrawn_at is not None else row.password_hash
        nobodys = passwords.nobodys()  # made for known names too: the first unknown one must not take longer
        right = passwords.verify(hashed or nobodys, password) and hashed is not None
        with database.write() as session:
            again = None if row is None or hashed is None else session.get(Annotator, row.id)
            right = right and again is not None and again.password_hash == hashed  # not changed meanwhile
            told = True
            if right:
                attempts.succeeded(session, trying)
            else:
                told = attempts.failed(session, trying, at)
            if again is not None and told:
                events.write(session, "signed in" if right else "sign-in failed", again.pseudonym, at=at)
    if again is None or not right:
        raise Refused(
            f"name or password is wrong; after {attempts.TRIES} failures a name is locked for "
            f"{attempts.FORGOTTEN_S // 60} minutes"
        )
    return person_of(again)


def withdraw(database: Database, lead: Person, id: int) -> None:
    """Withdraw a person: answers leave statistics and exports, places return to the queues, the name is erased.

    Pseudonymous events stay. A second call does nothing.

    Raises:
        UserError: no such person; Refused: the caller is no lead.
    """
    with database.write() as session:
        # Before anything is read: no claim and no save of theirs is under way in any campaign.
        session.execute(select(Campaign.id).order_by(Campaign.id).with_for_update()).all()
        active(session, lead, "lead")
        row = session.get(Annotator, id, populate_existing=True)
        if row is None:
            raise UserError(f"there is no annotator number {id}")
        if row.withdrawn_at is not None:
            return
        now = clock(session)
        session.execute(delete(Lease).where(Lease.annotator_id == id))
        session.execute(delete(SignedIn).where(SignedIn.annotator_id == id))
        row.name, row.key, row.password_hash = row.pseudonym, row.pseudonym, None
        row.withdrawn_at = now
        events.write(session, "withdrawn", row.pseudonym, content={"by": lead.pseudonym}, at=now)


def find(database: Database, name: str) -> Person:
    """The person with this name or pseudonym.

    Raises:
        UserError: no such person.
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
    """The `Person` of a row."""
    return Person(row.id, row.name, row.pseudonym, row.role, row.withdrawn_at is not None)


def _key(name: str) -> str:
    try:
        return name_key(clean_name(name))
    except UserError:
        return ""  # nobody's key


def _let_try(lock: Lock | None) -> None:
    if lock is not None:
        raise Locked(lock)
