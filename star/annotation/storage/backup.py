"""Backup and restore: a copy of the SQLite file, or a portable dump that restores into SQLite and PostgreSQL.

The dump is JSONL: the first line names the migration, each row has a line, and the last line counts the rows, so that a
truncated file is refused. Both hold names and password hashes, so only their owner may read the files.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, StatementError

from star.annotation.storage import migrate
from star.annotation.storage.database import Database
from star.errors import UserError

FORMAT = "star annotations 1"
CHUNK = 200
LINE = 100_000_000  # bytes of a line; a record with its runs is one line
VERSION = "alembic_version"


def backup(database: Database, file: Path) -> None:
    """Write the database to `file` while it is in use: a portable dump if the name ends in `.jsonl`, else a copy of the
    SQLite file. An earlier file is replaced only once the new one is complete and on disk.

    Raises:
        UserError: the file cannot be written, is the database itself, or is not `.jsonl` on PostgreSQL.
    """
    if database.file is not None and file.exists() and file.samefile(database.file):
        raise UserError(f"{file} is the database itself; name another file")
    with _replacing(file) as part:
        if file.suffix == ".jsonl":
            _dump(database, part)
        elif database.file is None:
            raise UserError(
                f"{file} does not end in .jsonl; PostgreSQL is backed up as FILE.jsonl (or by pg_dump)"
            )
        else:
            with closing(sqlite3.connect(database.file)) as source, closing(sqlite3.connect(part)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without the WAL beside it
            check_file(part)


def restore(database: Database, file: Path) -> None:
    """Fill an empty database from a backup and bring it up to date.

    Raises:
        UserError: the database is not empty, or the file is no complete backup. The database is unchanged.
    """
    if not file.is_file():
        raise UserError(f"there is no backup {file}")
    with database.write(long=True) as session:
        held = _rows(session.connection())
    if held:
        raise UserError(f"{database.place} holds {held} rows already; restore into a new database")
    with file.open("rb") as stream:
        portable = not stream.read(16).startswith(b"SQLite format 3")
    if portable:
        _load(database, file)
    elif database.file is None:
        raise UserError(
            f"{file} is a SQLite file; make a backup that ends in .jsonl to restore it into PostgreSQL"
        )
    else:
        check_file(file)
        database.close()
        try:  # sqlite3 copies in one transaction: an interruption leaves the database empty
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(database.file)) as target:
                source.backup(target)
        except sqlite3.Error as error:
            raise UserError(f"{file} cannot be restored ({error}); nothing is restored") from None
    migrate.upgrade(database)


def check_file(file: Path) -> None:
    """Check the integrity of a whole SQLite file.

    Raises:
        UserError: damaged, or no annotation database.
    """
    try:
        with closing(sqlite3.connect(file)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
            connection.execute(f"SELECT version_num FROM {VERSION}").fetchone()
    except sqlite3.DatabaseError as error:
        raise UserError(f"{file} is no annotation database ({error})") from None
    if found != "ok" or broken:
        raise UserError(
            f"{file} is damaged ({found if found != 'ok' else f'a row of {broken[0]} refers to nothing'})"
        )


def _dump(database: Database, file: Path) -> None:
    with database.engine.connect() as opened, file.open("w", encoding="utf-8") as stream:
        # The dump is one snapshot, which SQLite's read transactions give by default.
        reader = (
            opened.execution_options(star_reads_only=True)
            if database.sqlite
            else opened.execution_options(isolation_level="REPEATABLE READ")
        )
        with reader.begin():
            count = 0
            tables = _tables(reader)
            stream.write(_line({"format": FORMAT, "migration": migrate.current(database)}))
            for table in tables:
                for row in reader.execute(select(table).order_by(*table.primary_key)).mappings():
                    stream.write(_line({"table": table.name, "row": dict(row)}))
                    count += 1
            stream.write(_line({"rows": count}))
        stream.flush()
        os.fsync(stream.fileno())


def _load(database: Database, file: Path) -> None:
    lines = _lines(file)
    head = next(lines, {})
    if head.get("format") != FORMAT:
        raise UserError(
            f"{file} is no backup of annotations; expected a first line with {FORMAT!r}, or a SQLite file"
        )
    migration = head.get("migration")
    if not isinstance(migration, str) or not re.fullmatch("[0-9a-z_]{1,32}", migration):
        raise UserError(f"{file} names no migration in its first line; the backup is damaged")
    if migrate.current(database) != migration:
        migrate.downgrade(database, "base")
        migrate.upgrade(database, migration)
    with _fitting(file), database.write(long=True) as session:
        connection = session.connection()
        tables = {table.name: table for table in _tables(connection)}
        count, said = 0, None
        for name, rows in groupby(lines, key=lambda line: line.get("table")):
            if name is None:
                said = next(rows).get("rows")
                continue
            if not isinstance(name, str) or name not in tables:
                raise UserError(
                    f"{file} has rows of a table {str(name)[:40]!r}, which migration {migration} does not know"
                )
            for chunk in _chunks(_row(file, tables[name], line.get("row")) for line in rows):
                connection.execute(insert(tables[name]), chunk)
                count += len(chunk)
        if said != count:
            raise UserError(
                f"{file} is cut short: it has {count} rows and should have {said or 'more'}; nothing restored"
            )
        if not database.sqlite:
            _advance(connection, tables.values())


def _advance(connection: Connection, tables: Iterable[Table]) -> None:
    """Set PostgreSQL's sequences to continue after the restored ids."""
    for table in tables:
        if "id" in table.c:
            last = connection.scalar(select(func.max(table.c.id)))
            if last is not None:
                place = text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)")
                connection.execute(place, {"table": table.name, "last": last})


def _tables(connection: Connection) -> list[Table]:
    """The tables found in the database, parents first, so that backups of older migrations are read too."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != VERSION]


def _rows(connection: Connection) -> int:
    return sum(
        connection.scalar(select(func.count()).select_from(table)) or 0 for table in _tables(connection)
    )


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LINE + 1), b""), 1):
            if len(line) > LINE:
                raise UserError(f"{file}, line {number} has more than {LINE:,} bytes, which are not read")
            try:
                yield dict(json.loads(line))
            except (ValueError, TypeError, RecursionError):
                raise UserError(
                    f"{file}, line {number} is not JSON; the backup is damaged or cut short"
                ) from None


def _row(file: Path, table: Table, row: object) -> dict[str, Any]:
    """The row, once its columns and types match the table: SQLite would store text in a number's column."""
    if not isinstance(row, dict) or row.keys() != {column.name for column in table.c}:
        raise UserError(f"{file} has a row that does not fit the table {table.name!r}; the backup is damaged")
    for column in table.c:
        value, kind = row[column.name], column.type
        fits = (
            value is None
            if value is None and column.nullable
            else type(value) is int and abs(value) < 2**63
            if isinstance(kind, Integer)
            else type(value) in (int, float)
            if isinstance(kind, Float)
            else isinstance(value, str)
            if isinstance(kind, String)
            else value is not None
        )
        if not fits:
            raise UserError(
                f"{file} has {repr(value)[:40]} as {column.name} of {table.name}; the backup is damaged"
            )
    return row


@contextmanager
def _fitting(file: Path) -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError, StatementError) as error:
        if isinstance(error, OperationalError):
            raise
        why = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
        raise UserError(f"{file} does not fit the database ({why}); nothing restored") from None


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """A temporary file beside `file`, readable only by its owner; it replaces `file` on success."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(file)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"backup {file} cannot be written ({why}); name another file") from None
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            part.with_name(part.name + ending).unlink(missing_ok=True)
