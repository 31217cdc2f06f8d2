"""Database: SQLite by default, PostgreSQL by `STAR_DATABASE_URL`; one way to read and one way to write.

A write is one transaction; when `write()` is left without an error, it is on disk. On SQLite writers take the write lock
at once (`BEGIN IMMEDIATE`): a transaction that reads first and writes later fails in WAL mode however long the timeout.
On PostgreSQL `lock` gives the same order by a row lock on the campaign.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from star.annotation.models import Campaign
from star.annotation.turn import TooLong, Turn
from star.errors import UserError
from star.settings import ROOT, Settings

BUSY_MS = 10_000
TURN_S = 30
DEFAULT = ROOT / "data" / "annotations.sqlite"


class Unavailable(UserError):
    """The database could not be reached or stayed locked; nothing was written."""


class Database:
    """An engine and its transactions. Safe to share between threads; every process makes its own.

    Args:
        url: `sqlite:///file`, `postgresql://user@host/name` or a path; None takes `STAR_DATABASE_URL`, else
            `data/annotations.sqlite` in the checkout. Tables are made by `migrate.upgrade`, not here.

    Raises:
        UserError: a URL of another kind, a missing driver, or a folder that cannot be written.
    """

    def __init__(self, url: str | Path | None = None) -> None:
        self.url = _url(Settings().database_url or DEFAULT if url is None else url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.sqlite else _postgresql(self.url)
        self._reader = self.engine.execution_options(star_reads_only=True)
        self._turn = Turn()

    @property
    def file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return Path(str(self.url.database)) if self.sqlite else None

    @property
    def place(self) -> str:
        """Where the data are, for people: a path, or a URL without its password."""
        return str(self.file or self.url.render_as_string(hide_password=True))

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, rolled back on an error.

        Raises:
            Unavailable: the database could not be reached, or another writer held it for ten seconds.
        """
        with (
            self._translated(),
            self._one_at_a_time(),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that only reads; it never waits for writers on either database."""
        with (
            self._translated(),
            Session(self._reader, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Writers of this process in turn: they wait for the same lock anyhow. On SQLite they would poll for it, and some
        would starve; on PostgreSQL each would wait with a connection, and use up the pool.
        """
        try:
            with self._turn(TURN_S):
                yield
        except TooLong:
            raise Unavailable(
                f"{self.place} has been busy for {TURN_S} s; nothing was saved, try again"
            ) from None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, PoolTimeout) as error:
            cause = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
            raise Unavailable(
                f"database {self.place} cannot be used now ({cause[0] if cause else 'no reason given'}); "
                "nothing was saved, try again"
            ) from error


def lock(session: Session, campaign: int) -> Campaign:
    """The campaign, held until the transaction ends, so that its records are given out one at a time.

    Raises:
        UserError: no such campaign.
    """
    found = session.scalar(select(Campaign).where(Campaign.id == campaign).with_for_update())
    if found is None:
        raise UserError(
            f"there is no campaign number {campaign}; star annotations status lists those there are"
        )
    return found


def _url(given: str | Path) -> URL:
    if isinstance(given, Path):
        return URL.create("sqlite", database=str(given.absolute()))
    try:
        url = make_url(given) if "://" in given else URL.create("sqlite", database=given)
    except (ArgumentError, ValueError):
        raise UserError(
            "the database URL cannot be read; expected sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return url.set(drivername="sqlite", database=str(Path(url.database).expanduser().absolute()))
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise UserError(
                f"the database URL names {other!r} without a file or of an unknown kind; "
                "expected sqlite:///FILE or postgresql://USER@HOST/NAME"
            )


def _sqlite(url: URL) -> Engine:
    file = Path(str(url.database))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # names and password hashes are nobody else's
    except OSError as error:
        raise UserError(
            f"database file {file} cannot be opened ({error.strerror}); name another with STAR_DATABASE_URL"
        ) from None
    engine = create_engine(url, pool_size=8, max_overflow=32, connect_args={"timeout": BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver shall not begin by itself; `begin` below does
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "recursive_triggers = ON",  # else REPLACE deletes behind the triggers' back
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("star_reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise UserError(
            "PostgreSQL needs the driver psycopg, which is not installed; pip install 'star-recommender[postgres]'"
        ) from None
