"""Migrations up and down, run from Python; a database that is new or older is brought up to date when it is opened."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

from star.annotation.storage.database import Database
from star.errors import UserError

FOLDER = Path(__file__).parent / "migrations"
GATE = 20_260_209  # PostgreSQL's advisory lock: of several replicas that start at once, one migrates


def open_database(url: str | Path | None = None) -> Database:
    """The database, its tables up to date."""
    database = Database(url)
    upgrade(database)
    return database


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables up to `revision`, in one transaction.

    Raises:
        UserError: the tables are of a newer STAR than this one.
    """
    with database.write(long=True) as session:
        connection = session.connection()
        _gate(connection)
        if revision == "head" and _current(connection) == head():
            return
        _run(connection, revision, up=True)


def downgrade(database: Database, revision: str) -> None:
    """Take the tables down to `revision`, or `base` for none at all; what they held that fits no more is lost."""
    with database.write(long=True) as session:
        connection = session.connection()
        _gate(connection)
        _run(connection, revision, up=False)


def current(database: Database) -> str | None:
    """Revision of the tables; None for an empty database."""
    with database.read() as session:
        return _current(session.connection())


def head() -> str:
    """Revision this STAR works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _gate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})


def _run(connection: Connection, revision: str, up: bool) -> None:
    config = _config()
    config.attributes["connection"] = connection
    try:
        (command.upgrade if up else command.downgrade)(config, revision)
    except CommandError as error:
        raise UserError(
            f"the annotation database stands at {_current(connection)}, this STAR knows up to {head()} ({error}); "
            "use the STAR that made it, or a newer one"
        ) from None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
