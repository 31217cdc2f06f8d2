"""A small campaign to annotate, on SQLite or PostgreSQL."""

from __future__ import annotations

import atexit
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa

from star.annotation.storage.database import Database
from star.annotation.storage.migrate import upgrade
from star.annotation.storage.votes import VotedRun, cast
from star.annotation.workflow import campaigns, people, rubric
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.documents import GoldAnswer, Sample
from star.annotation.workflow.people import Person

RUBRIC = rubric.default()
KEYS = RUBRIC.keys
POSTGRES = "STAR_TEST_POSTGRES_URL"
BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@contextmanager
def empty(kind: str, folder: Path) -> Iterator[Database]:
    """A database without tables; on PostgreSQL a new one, dropped afterwards."""
    if kind == "sqlite":
        database = Database(folder / f"{uuid.uuid4().hex}.sqlite")
        yield database
        database.close()
        return
    with _on_server("template1") as name:
        database = Database(_named(name))
        try:
            yield database
        finally:
            database.close()


@contextmanager
def ready(kind: str, folder: Path) -> Iterator[Database]:
    """A database with its tables. SQLite: a copy of a migrated file, since that is quicker than the migrations. PostgreSQL:
    one that an earlier test had, emptied, since a copy takes ten times as long; else a copy."""
    if kind == "sqlite":
        with empty(kind, folder) as database:
            assert database.file is not None
            database.file.write_bytes(migrated())
            yield database
        return
    name = _spare.pop() if _spare else _copied(_template())
    database = Database(_named(name))
    try:
        yield database
    finally:
        database.close()
        if _emptied(name):
            _spare.append(name)
        else:
            _drop(name)


def renew(database: Database) -> None:
    """Makes a SQLite database as the migrations leave it, in the same file. Nobody may be at work on it."""
    assert database.file is not None
    database.close()
    for end in ("-wal", "-shm"):
        Path(f"{database.file}{end}").unlink(missing_ok=True)
    database.file.write_bytes(migrated())


_spare: list[str] = []
"""Databases of the PostgreSQL server as the migrations leave them, for later tests of this process."""


def _emptied(name: str) -> bool:
    """Whether a database is as the migrations leave it: without rows, the numbers from 1. Not where a test changed more."""
    engine = sa.create_engine(_named(name), poolclass=sa.NullPool)
    every = "relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace"
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = 2000")
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # without triggers, which forbid it
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            for relation, kind in connection.exec_driver_sql(f"SELECT relname, relkind FROM pg_class WHERE {every}").all():
                if kind == "S":
                    connection.exec_driver_sql(f'ALTER SEQUENCE "{relation}" RESTART')
                elif relation != "alembic_version":
                    connection.exec_driver_sql(f'DELETE FROM "{relation}"')
            return _schema(connection) == _as_copied()
    except sa.exc.DBAPIError:
        return False


@cache
def _as_copied() -> sa.Row[Any]:
    """What `_schema` finds in a database that no test has had."""
    name = _copied(_template())
    with sa.create_engine(_named(name), poolclass=sa.NullPool).connect() as connection:
        found = _schema(connection)
    _drop(name)
    return found


def _schema(connection: sa.Connection) -> sa.Row[Any]:
    """The migration, and how many columns and triggers there are."""
    return connection.exec_driver_sql(
        "SELECT (SELECT string_agg(version_num, ' ') FROM alembic_version),"
        " (SELECT count(*) FROM pg_attribute), (SELECT count(*) FROM pg_trigger)"
    ).one()


@contextmanager
def _on_server(template: str) -> Iterator[str]:
    """The name of a new database on the PostgreSQL server, dropped afterwards."""
    name = _copied(template)
    try:
        yield name
    finally:
        _drop(name)


def _copied(template: str) -> str:
    """The name of a new database on the PostgreSQL server, a copy of the template."""
    name = f"star_test_{uuid.uuid4().hex}"
    with _admin().connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return name


def _drop(name: str) -> None:
    with _admin().connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def _admin() -> sa.Engine:
    """Connects to the server that STAR_TEST_POSTGRES_URL names; without one the test is skipped."""
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"{POSTGRES} names no PostgreSQL server to make test databases on")
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def _named(name: str) -> str:
    return _admin().url.set(database=name).render_as_string(hide_password=False)


@cache
def _template() -> str:
    """A PostgreSQL database with all tables, to copy; dropped when this process ends."""
    name = f"star_test_template_{uuid.uuid4().hex}"
    with _admin().connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    atexit.register(lambda: [_drop(made) for made in (name, *_spare)])
    database = Database(_named(name))
    upgrade(database)
    database.close()  # a database with an open connection cannot be copied
    return name


@cache
def migrated() -> bytes:
    """A SQLite file with all tables, to copy: quicker than the migrations."""
    with TemporaryDirectory() as folder, empty("sqlite", Path(folder)) as database:
        upgrade(database)
        database.close()  # merges the WAL into the file
        assert database.file is not None
        return database.file.read_bytes()


def url(database: Database) -> str:
    """The address by which another process opens the database."""
    return database.url.render_as_string(hide_password=False)


def run(n: int, system: str = "star", title: str = "Emma") -> dict[str, Any]:
    """A short run for reader n."""
    steps = [
        {"type": "plan", "text": f"know shelf {n} first", "seconds": 0.1, "tokens": 4, "claims": []},
        {"type": "tool_response", "text": f"{title} 9 of 50", "seconds": 0.0, "tokens": 5, "claims": [0]},
        {
            "type": "reflection",
            "text": f"{title} is read by 9 of 50",
            "seconds": 0.2,
            "tokens": 7,
            "claims": [1],
        },
        {"type": "recommend", "text": title, "seconds": 0.1, "tokens": 1, "claims": []},
    ]
    claim = {
        "kind": "similar",
        "stated": {"both": 9.0},
        "found": {"both": 9},
        "edges": [],
        "verdict": "supported",
    }
    return {
        "dataset": "toy",
        "checkpoint": system,
        "user": f"r{n}",
        "seed": 0,
        "shelf": ["b1", "b2"],
        "candidates": ["b3"],
        "items": [{"rank": 1, "id": "b3", "title": title, "score": 0.9, "reason": "9 of 50"}],
        "trace": {"text": "", "steps": steps},
        "claims": [claim | {"text": f"{n}: 9 of 50", "author": author} for author in ("tool", "model")],
        "graph": {"nodes": [], "edges": []},
        "timing": {"first_token_s": 0.1, "total_s": 0.4, "generated_tokens": 17, "tool_calls": 1},
        "titles": {"b1": "Persuasion", "b2": "Villette", "b3": title},
    }


def systems(*names: str) -> tuple[campaigns.System, ...]:
    return tuple(campaigns.System(name, f"assets/models/{name}", "0" * 64) for name in names)


def lead(database: Database) -> Person:
    return people.enter(database, "Lea", "lead")


def raters(database: Database, n: int) -> list[Person]:
    return [people.enter(database, f"Rater {i}") for i in range(n)]


def campaign(
    database: Database,
    records: int = 4,
    hidden: int = 0,
    pair: bool = False,
    name: str = "first",
    **plan: Any,
) -> int:
    """A campaign of made-up runs; pairs are of systems `star` and `mars`, hidden ones have the answer 1, or left."""
    boss = lead(database)
    form = rubric.publish(database, boss, RUBRIC)
    names = ("star", "mars") if pair else ("star",)
    samples = [
        Sample(
            names,
            tuple(run(n, system) for system in names),
            "classic",
            "easy",
            None if n < records else GoldAnswer(choice="left") if pair else GoldAnswer({"faithful": 1}),
        )
        for n in range(records + hidden)
    ]
    kind = "pair" if pair else "single"
    made = campaigns.Plan(name, "toy", systems("star", "mars"), form.id, kind, **plan)  # type: ignore[arg-type]
    return campaigns.create(database, boss, made, samples)


def vote(database: Database) -> None:
    """A visitor's vote for a made-up run of `star` against one of `mars`."""
    left, right = (VotedRun(uuid.uuid4().hex, run(1, system)) for system in ("star", "mars"))
    cast(database, left, right, "left", "v-1", 2.5)


def full(score: int = 4, **fields: Any) -> Answer:
    """A complete answer that gives every criterion the same score."""
    return Answer(dict.fromkeys(KEYS, score), **{"seconds": 10.0, **fields})
