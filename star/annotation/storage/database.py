"""Database: SQLite by default, PostgreSQL by `STAR_DATABASE_URL`; one way to read and one way to write.

A write is one transaction; when `write()` is left without an error, it is on disk. On SQLite writers take the write lock
at once (`BEGIN IMMEDIATE`): a transaction that reads first and writes later fails in WAL mode however long the timeout.
On PostgreSQL `lock` gives the same order by a row lock on the campaign.

Nothing waits long: five seconds for a connection, a lock, a statement. What cannot be had by then is `Unavailable`, whatever
the reason; the next transaction tries anew, so that work goes on by itself once the database is back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from star import ROOT
from star.annotation.storage.models import Campaign
from star.annotation.workflow.fair_lock import TooLong, Turn
from star.errors import UserError
from star.settings import Settings

BUSY_MS = 5_000  # for a connection, a lock, a statement
LONG_MS = 60_000  # for a lock, where the work itself is long
TURN_S = 10
DEFAULT = ROOT / "data" / "annotations.sqlite"


class Unavailable(UserError):
    """The database could not be reached or stayed locked; nothing was written, and the same may be tried again."""

    retry_s = 5


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
        self._turn = Turn()
        self._file = _identity(self.file)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return Path(str(self.url.database)) if self.sqlite else None

    @property
    def place(self) -> str:
        """Where the data are, for people: a path, or a URL without its password."""
        shown = self.url.difference_update_query(("password", "sslpassword"))
        return str(self.file or shown.render_as_string(hide_password=True))

    @contextmanager
    def write(self, long: bool = False) -> Iterator[Session]:
        """One transaction that may write: committed at the end, rolled back on an error.

        Args:
            long: work that takes longer than a request may, as migrations do: it waits a minute for locks, and its
                statements may take any time.

        Raises:
            Unavailable: the database could not be reached, or another writer held it for too long.
            UserError: a value does not fit the database.
        """
        with self._translated(), self._one_at_a_time(), self._session(False, long) as session:
            yield session

    @contextmanager
    def read(self, long: bool = False) -> Iterator[Session]:
        """One transaction that only reads; it never waits for writers on either database. `long` as in `write`.

        Raises:
            Unavailable: the database could not be reached.
            UserError: a value does not fit the database.
        """
        with self._translated(), self._session(True, long) as session:
            yield session

    @contextmanager
    def _session(self, reads: bool, long: bool) -> Iterator[Session]:
        if self._file is not None and _identity(self.file) != self._file:
            # What is written to a file that was taken away is lost, though the connection goes on without an error.
            raise Unavailable(
                f"database {self.place} was taken away or replaced while in use; put it back, or restart STAR"
            )
        bound = self.engine.execution_options(star_reads_only=reads, star_long=long)
        with Session(bound, expire_on_commit=False) as session, session.begin():
            if long and not self.sqlite:
                connection = session.connection()
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LONG_MS}")
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
        except (DataError, OverflowError) as error:
            raise UserError(
                f"a value does not fit the database ({_first_line(error)}); give a smaller one"
            ) from None
        except (DBAPIError, PoolTimeout) as error:
            if not _down(error):
                raise
            raise Unavailable(
                f"database {self.place} cannot be used now ({_first_line(error)}); nothing was saved, try again"
            ) from error


def clock(session: Session) -> float:
    """Now, in seconds since 1970, by the database's clock: the same for all replicas. SQLite has that of its machine."""
    if session.get_bind().dialect.name == "sqlite":
        return time.time()
    return float(session.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)


def _down(error: DBAPIError | PoolTimeout) -> bool:
    """Whether the database is at fault, not the statement: gone, locked, full, read-only, unreadable, too slow."""
    kinds = (PoolTimeout, OperationalError, InterfaceError, InternalError)
    # SQLite tells of a file that is damaged, or none of its own, by the bare class.
    return isinstance(error, kinds) or type(error) is DatabaseError or error.connection_invalidated


def _first_line(error: Exception) -> str:
    lines = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
    return lines[0] if lines else "no reason given"


def _identity(file: Path | None) -> tuple[int, int] | None:
    """Which file on disk it is; None where there is none."""
    try:
        found = None if file is None else file.stat()
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


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
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=32,
        pool_timeout=BUSY_MS / 1000,
        connect_args={"timeout": BUSY_MS / 1000},
    )

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
        chosen = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {LONG_MS if chosen.get('star_long') else BUSY_MS}")
        connection.exec_driver_sql("BEGIN" if chosen.get("star_reads_only") else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> Engine:
    seconds = BUSY_MS // 1000
    asked = {
        "connect_timeout": seconds,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
        "keepalives_count": seconds,
        "tcp_user_timeout": BUSY_MS,  # of a server that was cut off, not stopped, nothing else tells
    }
    try:
        engine = create_engine(
            url,
            pool_size=8,
            max_overflow=8,
            pool_timeout=seconds,
            pool_pre_ping=True,
            connect_args={name: value for name, value in asked.items() if name not in url.query},
        )
    except ModuleNotFoundError:
        raise UserError(
            "PostgreSQL needs the driver psycopg, which is not installed; pip install 'star-recommender[postgres]'"
        ) from None

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.autocommit = True  # outside a transaction, else the settings end with it
        for setting in ("statement_timeout", "lock_timeout"):
            connection.execute(f"SET {setting} = {BUSY_MS}").close()
        connection.autocommit = False

    return engine
