"""Migration 2: triggers that forbid overwriting and deleting, for every client of the database."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

APPEND_ONLY = ("rubrics", "campaigns", "records", "golds", "adjudications", "events")
KEPT = ("annotators", "responses")
SAME = ("id", "uuid", "record_id", "annotator_id", "rubric_id", "created_at")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            _sqlite(table, "UPDATE", "1", f"{table} is append-only: no row of it changes")
        for table in (*APPEND_ONLY, *KEPT):
            _sqlite(table, "DELETE", "1", f"nothing is deleted from {table}")
        _sqlite("responses", "UPDATE", _wrong("IS NOT"), "a response goes from one revision to the next")
        return
    op.execute(
        """CREATE FUNCTION star_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '%: rows are neither changed nor deleted (%)', TG_TABLE_NAME, TG_OP; END $$"""
    )
    op.execute(
        f"""CREATE FUNCTION star_next_revision() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {_wrong("IS DISTINCT FROM")} THEN
                RAISE EXCEPTION 'a response goes from one revision to the next';
            END IF;
            RETURN NEW;
        END $$"""
    )
    for table in APPEND_ONLY:
        _postgresql(table, "UPDATE")
    for table in (*APPEND_ONLY, *KEPT):
        _postgresql(table, "DELETE")
        op.execute(
            f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION star_refuse()"
        )
    op.execute(
        "CREATE TRIGGER responses_update BEFORE UPDATE ON responses "
        "FOR EACH ROW EXECUTE FUNCTION star_next_revision()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in (*APPEND_ONLY, *KEPT):
            op.execute(f"DROP TRIGGER {table}_delete")
        for table in (*APPEND_ONLY, "responses"):
            op.execute(f"DROP TRIGGER {table}_update")
        return
    op.execute("DROP FUNCTION star_refuse() CASCADE")
    op.execute("DROP FUNCTION star_next_revision() CASCADE")


def _wrong(differs: str) -> str:
    """SQL condition: the new row is not the next revision of the old one."""
    return " OR ".join(["NEW.revision <> OLD.revision + 1", *(f"NEW.{c} {differs} OLD.{c}" for c in SAME)])


def _sqlite(table: str, verb: str, when: str, message: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} WHEN {when} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _postgresql(table: str, verb: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION star_refuse()"
    )
