"""Read and write transactions on SQLite, the default, or on PostgreSQL (`STAR_DATABASE_URL`).

A write is one transaction; when `write()` ends without an error, it is on disk. On SQLite a writer takes the write lock
at once (`BEGIN IMMEDIATE`), because a transaction that reads before it writes may fail in WAL mode at any timeout.
On PostgreSQL `lock` gives the same order by a row lock on the campaign.

A connection, a lock or a statement may take five seconds; then `Unavailable` is raised. The next transaction tries
again, so work resumes once the database is back.
"""

from __future__ import annotations

import os
import sqlite3
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
from star.annotation.workflow.fair_lock import FairLock, TooLong
from star.errors import UserError
from star.settings import Settings

BUSY_MS = 5_000  # for a connection, a lock, a statement
LONG_MS = 60_000  # for a lock, where the work itself is long
WRITER_WAIT_S = 10
DEFAULT = ROOT / "data" / "annotations.sqlite"


class Unavailable(UserError):
    """The database could not be reached or stayed locked. Nothing was written; the caller may try again."""

    retry_s = 5


class Database:
    """An engine and its transactions. Threads may share it; every process makes its own.

    Args:
        url: `sqlite:///file`, `postgresql://user@host/name` or a path; None takes `STAR_DATABASE_URL`, else
            `data/annotations.sqlite` in the checkout. `migrate.upgrade` makes the tables.

    Raises:
        UserError: a URL of another kind, a missing driver, or a folder that cannot be written.
    """

    def __init__(self, url: str | Path | None = None) -> None:
        self.url = _url(Settings().database_url or DEFAULT if url is None else url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.sqlite else _postgresql(self.url)
        self._writers = FairLock()
        self._bound = {
            (reads, long): self.engine.execution_options(star_reads_only=reads, star_long=long)
            for reads in (False, True)
            for long in (False, True)
        }
        self._file = _identity(self.file)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return Path(str(self.url.database)) if self.sqlite else None

    @property
    def place(self) -> str:
        """Where the data are, as shown to people: a path, or a URL without its password."""
        shown = self.url.difference_update_query(("password", "sslpassword"))
        return str(self.file or shown.render_as_string(hide_password=True))

    @contextmanager
    def write(self, long: bool = False) -> Iterator[Session]:
        """One transaction that may write: committed at the end, rolled back on an error.

        Args:
            long: for work longer than a request, such as migrations: locks may take a minute, statements any time.

        Raises:
            Unavailable: the database could not be reached, or another writer held the lock for too long.
            UserError: a value does not fit the database.
        """
        with self._translated(), self._one_at_a_time(), self._session(False, long) as session:
            yield session

    @contextmanager
    def read(self, long: bool = False) -> Iterator[Session]:
        """One transaction that only reads; it never waits for writers. `long` as in `write`.

        Raises:
            Unavailable: the database could not be reached.
            UserError: a value does not fit the database.
        """
        with self._translated(), self._session(True, long) as session:
            yield session

    @contextmanager
    def _session(self, reads: bool, long: bool) -> Iterator[Session]:
        if self._file is not None and _identity(self.file) != self._file:
            # Writes to a deleted file are lost without an error from the connection.
            raise Unavailable(
                f"database {self.place} was taken away or replaced while in use; put it back, or restart STAR"
            )
        with Session(self._bound[reads, long], expire_on_commit=False) as session, session.begin():
            if long and not self.sqlite:
                connection = session.connection()
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LONG_MS}")
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Admits the writers of this process one at a time, in order. Otherwise SQLite's writers would poll for the lock
        and some would starve, and PostgreSQL's would exhaust the connection pool.
        """
        try:
            with self._writers(WRITER_WAIT_S):
                yield
        except TooLong:
            raise Unavailable(
                f"{self.place} has been busy for {WRITER_WAIT_S} s; nothing was saved, try again"
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
    """Now, in seconds since 1970, by the database's clock, which all replicas share. SQLite uses the machine's clock."""
    if session.get_bind().dialect.name == "sqlite":
        return time.time()
    return float(session.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)


def _down(error: DBAPIError | PoolTimeout) -> bool:
    """Whether the database failed, not the statement: gone, locked, full, read-only, unreadable or too slow."""
    kinds = (PoolTimeout, OperationalError, InterfaceError, InternalError)
    # SQLite reports a damaged or foreign file by the base class.
    return isinstance(error, kinds) or type(error) is DatabaseError or error.connection_invalidated


def _first_line(error: Exception) -> str:
    lines = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
    return lines[0] if lines else "no reason given"


def _identity(file: Path | None) -> tuple[int, int] | None:
    """Device and inode of a file; None if it does not exist."""
    try:
        found = None if file is None else file.stat()
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def lock(session: Session, campaign: int) -> Campaign:
    """The campaign, locked until the transaction ends, so that its records are assigned one at a time.

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
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # it holds names and password hashes
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
        connection.isolation_level = None  # stops the driver from opening transactions; `begin` below does
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}").close()
        _use_wal(connection)
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "recursive_triggers = ON",  # else REPLACE deletes rows without firing triggers
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        chosen = connection.get_execution_options()
        waits = LONG_MS if chosen.get("star_long") else BUSY_MS
        if connection.info.get("star_waits") != waits:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {waits}")
            connection.info["star_waits"] = waits
        connection.exec_driver_sql("BEGIN" if chosen.get("star_reads_only") else "BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switches the file to WAL; does nothing where it is. Several that switch a new file at once would fail, as SQLite
    does not wait then: it is tried again for the time that any lock may take.
    """
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.005)


def _postgresql(url: URL) -> Engine:
    seconds = BUSY_MS // 1000
    asked = {
        "connect_timeout": seconds,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
        "keepalives_count": seconds,
        "tcp_user_timeout": BUSY_MS,  # detects a server that was cut off without closing the connection
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
        connection.autocommit = True  # settings made inside a transaction would end with it
        for setting in ("statement_timeout", "lock_timeout"):
            connection.execute(f"SET {setting} = {BUSY_MS}").close()
        connection.autocommit = False

    return engine
