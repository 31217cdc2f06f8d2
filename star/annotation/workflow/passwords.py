"""Passwords: argon2 hashes, made and looked at by two at a time, since each takes 64 MB and a core for a while."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from star.annotation.storage.database import Unavailable
from star.annotation.workflow.fair_lock import FairLock, TooLong
from star.annotation.workflow.text import clean
from star.errors import UserError

PASSWORD = (8, 1_000)  # characters; the upper bound keeps argon2 from being fed megabytes
HASHER = PasswordHasher()  # argon2id with the library's parameters (RFC 9106, low memory)
PLACES = FairLock(places=2, most=20)  # whoever waits holds up a thread of the server, which has forty
PATIENCE_S = 5.0


class Busy(Unavailable):
    """More passwords are looked at than this server can; try again in a moment."""


@contextmanager
def place() -> Iterator[None]:
    """A place among the few whose passwords are looked at.

    Raises:
        Busy: none came free in five seconds, or too many wait already.
    """
    try:
        with PLACES(PATIENCE_S):
            yield
    except TooLong:
        raise Busy("too many people are signing in at this moment; try again in a few seconds") from None


def hashed(password: str) -> str:
    """The hash that is kept.

    Raises:
        UserError: too short, too long, or with characters that no database keeps. Busy: as `place`.
    """
    shortest, longest = PASSWORD
    kept = clean(password, "password", longest)
    if len(kept) < shortest or kept != password:
        raise UserError(f"the password has {len(kept)} usable characters, expected {shortest} to {longest:,}")
    with place():
        return HASHER.hash(password)


def verify(kept: str, password: str) -> bool:
    """Whether the hash is of this password. Call it in a `place`."""
    try:
        return len(password) <= PASSWORD[1] and HASHER.verify(kept, password)
    except (Argon2Error, InvalidHashError, UnicodeError):
        return False


@cache
def nobodys() -> str:
    """A hash that nobody's password has, so that an unknown name takes as long as a known one."""
    return HASHER.hash(secrets.token_urlsafe(32))
