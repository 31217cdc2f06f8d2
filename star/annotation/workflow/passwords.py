"""argon2 hashes of passwords; at most two are computed at a time, since each takes 64 MB and a core."""

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
PLACES = FairLock(places=2, most=20)  # each waiting sign-in blocks one of the server's forty threads
PATIENCE_S = 5.0


class Busy(Unavailable):
    """Too many passwords are being checked; try again in a moment."""


@contextmanager
def place() -> Iterator[None]:
    """Hold one of the two places for computing a hash.

    Raises:
        Busy: no place was free within five seconds, or too many wait already.
    """
    try:
        with PLACES(PATIENCE_S):
            yield
    except TooLong:
        raise Busy("too many people are signing in at this moment; try again in a few seconds") from None


def hashed(password: str) -> str:
    """The hash to store.

    Raises:
        UserError: too short, too long, or with characters that no database stores. Busy: as `place`.
    """
    shortest, longest = PASSWORD
    kept = clean(password, "password", longest)
    if len(kept) < shortest or kept != password:
        raise UserError(f"the password has {len(kept)} usable characters, expected {shortest} to {longest:,}")
    with place():
        return HASHER.hash(password)


def verify(kept: str, password: str) -> bool:
    """Whether the hash belongs to this password. Call it in a `place`."""
    try:
        return len(password) <= PASSWORD[1] and HASHER.verify(kept, password)
    except (Argon2Error, InvalidHashError, UnicodeError):
        return False


@cache
def nobodys() -> str:
    """A hash of no password, so that an unknown name takes as long as a known one."""
    return HASHER.hash(secrets.token_urlsafe(32))
