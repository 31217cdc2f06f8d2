"""Sessions: signed tokens for a cookie, which survive a restart, hold on every replica, and end when they should."""

from __future__ import annotations

import secrets

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.exc import IntegrityError

from star.annotation import events
from star.annotation.database import Database
from star.annotation.models import Annotator, Secret
from star.annotation.people import Person, person_of

SESSION_S = 14 * 24 * 3600


def sign_in(database: Database, person: Person) -> str:
    """A signed session for a cookie; it survives a restart and holds on every replica."""
    with database.read() as session:
        row = session.get(Annotator, person.id)
        version = 0 if row is None else row.session_version
    return _signer(database).dumps([person.id, version])


def of_token(database: Database, token: str | None) -> Person | None:
    """Whose session this is; None where it is none of ours, too old, ended, or its person was withdrawn."""
    try:
        id, version = _signer(database).loads(token or "", max_age=SESSION_S)
    except (BadData, ValueError, TypeError):
        return None
    with database.read() as session:
        row = session.get(Annotator, id)
        valid = row is not None and row.withdrawn_at is None and row.session_version == version
        return person_of(row) if row is not None and valid else None


def sign_out(database: Database, person: Person) -> None:
    """End all sessions of a person."""
    with database.write() as session:
        row = session.get_one(Annotator, person.id)
        row.session_version += 1
        events.write(session, "signed out", row.pseudonym)


def _signer(database: Database) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_secret(database, "session"), salt="star-session")


def _secret(database: Database, name: str) -> str:
    """The server's own key, made when first needed; of two processes that make it at once one wins."""
    with database.read() as session:
        found = session.get(Secret, name)
        if found is not None:
            return found.value
    try:
        with database.write() as session:
            session.add(Secret(name=name, value=secrets.token_urlsafe(48)))
    except IntegrityError:
        pass
    with database.read() as session:
        return session.get_one(Secret, name).value
