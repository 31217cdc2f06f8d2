"""Opens a database and brings its tables up to date; runs alembic's migrations up and down from Python."""

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
GATE = 20_260_209  # PostgreSQL's advisory lock: only one of several replicas migrates


def open_database(url: str | Path | None = None) -> Database:
    """The database with its tables up to date."""
    database = Database(url)
    upgrade(database)
    return database


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables up to `revision`, in one transaction.

    Raises:
        UserError: a newer STAR made the tables.
    """
    with database.write(long=True) as session:
        connection = session.connection()
        _gate(connection)
        if revision == "head" and _current(connection) == head():
            return
        _run(connection, revision, up=True)


def downgrade(database: Database, revision: str) -> None:
    """Take the tables down to `revision`, or `base` for no tables. Data that no longer fit are lost."""
    with database.write(long=True) as session:
        connection = session.connection()
        _gate(connection)
        _run(connection, revision, up=False)


def current(database: Database) -> str | None:
    """Revision of the tables; None for an empty database."""
    with database.read() as session:
        return _current(session.connection())


def head() -> str:
    """Newest revision that this STAR knows."""
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
            f"the annotation database is at revision {_current(connection)}, this STAR knows up to {head()} ({error}); "
            "use the STAR that made it, or a newer one"
        ) from None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
