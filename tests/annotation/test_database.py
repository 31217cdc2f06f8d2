"""The database: pragmas, migrations up and down with data, rows that cannot be changed, backups that come back whole."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import annotating
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from annotating import campaign, full, lead, raters

from star.annotation.exchange import rows
from star.annotation.storage import backup, feedback, migrate, store
from star.annotation.storage.database import Database, Unavailable
from star.annotation.storage.models import Base
from star.annotation.storage.votes import VotedRun, cast
from star.annotation.workflow import adjudication, people, queue, sessions
from star.annotation.workflow.answers import Answer, Flag
from star.annotation.workflow.fair_lock import FairLock, TooLong
from star.errors import UserError
from star.settings import Settings


def contents(database: Database) -> dict[str, list[dict[str, object]]]:
    """Every row of every table."""
    with database.read() as session:
        return {
            table.name: [
                dict(row) for row in session.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in Base.metadata.sorted_tables
        }


PASSING = ("sessions", "attempts", "feedback", "votes", "runs")


def kept(database: Database) -> dict[str, list[dict[str, object]]]:
    """Every row of the tables that every migration has, in the columns of the newest."""
    with database.read() as session:
        return {
            table.name: [
                dict(row) for row in session.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in Base.metadata.sorted_tables
            if table.name not in PASSING
        }


def lived_in(database: Database) -> int:
    """A campaign with an answer of every state, a decision, a lease, one who withdrew, a session, a failure, a visitor's
    vote and feedback; its id."""
    number = campaign(database, records=3, hidden=1, overlap=2)
    ann, bob, eve = raters(database, 3)
    flags = (Flag(0, "x", None, 0, 4),)
    for person, score in ((ann, 1), (bob, 5)):
        given = queue.claim(database, person, number)
        assert given
        store.submit(
            database,
            person,
            given.uuid,
            1,
            full(score, note="“ünï” \u202e 日本", flags=flags),
        )
    judge = people.add(database, "Jo", "adjudicator", "a long password")
    [conflict] = adjudication.conflicts(database, judge, number)
    adjudication.decide(database, judge, conflict.record, full(2, reason="the middle"))
    given = queue.claim(database, ann, number)
    assert given
    store.save_draft(database, ann, given.uuid, 1, Answer({"plan": 3}))
    queue.claim(database, eve, number)
    people.withdraw(database, lead(database), eve.id)
    sessions.sign_in(database, judge, "auth")
    with pytest.raises(people.Refused):
        people.authenticate(database, "Jo", "not this one", "192.0.2.1")
    left, right = (VotedRun(key * 32, {"dataset": "toy", "checkpoint": key, "said": "日本"}) for key in "ab")
    cast(database, left, right, "tie", "v-1", 2.5)
    feedback.keep(database, "0" * 32, left.key, left.document, "日本", "more")
    return number


def test_sqlite_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    with annotating.ready("sqlite", tmp_path) as database:
        pragmas = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "recursive_triggers")
        with database.write() as session:
            found = [session.execute(sa.text(f"PRAGMA {p}")).scalar() for p in pragmas]
        assert found == ["wal", 2, 5_000, 1, 1]
        assert database.file and database.place == str(database.file)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = migrate.open_database(tmp_path / "new" / "a.sqlite")
    with database.write():
        made = list((tmp_path / "new").iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    with pytest.raises(UserError, match="is the database itself"):
        backup.backup(database, Path(str(database.file)))
    backup.backup(database, tmp_path / "b.sqlite")
    backup.backup(database, tmp_path / "b.jsonl")
    assert stat.S_IMODE((tmp_path / "b.sqlite").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "b.jsonl").stat().st_mode
    )
    assert stat.S_IMODE((tmp_path / "b.jsonl").stat().st_mode) == 0o600


def test_reading_never_waits_for_a_writer_and_a_writer_does_for_another(database: Database) -> None:
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as session:
            session.execute(sa.text("UPDATE annotators SET role = 'lead'"))
            inside.set()
            done.wait(10)

    people.enter(database, "Ann")
    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    with database.read() as session:
        assert session.scalar(sa.text("SELECT role FROM annotators")) == "annotator"
    done.set()
    thread.join()
    with database.read() as session:
        assert session.scalar(sa.text("SELECT role FROM annotators")) == "lead"


def test_a_database_that_stays_locked_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("star.annotation.storage.database.BUSY_MS", 50)
    with annotating.ready("sqlite", tmp_path) as database:
        assert database.file
        other = sqlite3.connect(database.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"locked\); nothing was saved, try again"):
            people.add(database, "Ann")
        other.rollback()
        other.close()
        people.add(database, "Ann")


def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    turn, order = FairLock(), list[str]()

    def greedy() -> None:
        for n in range(3):
            with turn(10):
                order.append(f"greedy {n}")

    def patient() -> None:
        with turn(10):
            order.append("patient")

    threads = [threading.Thread(target=greedy), threading.Thread(target=patient)]
    with turn(10):
        for waiting, thread in enumerate(threads, 2):
            thread.start()
            while len(turn._line) < waiting:
                time.sleep(0.001)
        with pytest.raises(TooLong), turn(0.01):
            order.append("never")
    for thread in threads:
        thread.join()
    assert order[:2] == ["greedy 0", "patient"] and order[2:] == ["greedy 1", "greedy 2"]


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "oracle://x", "://", ""])
def test_urls_of_other_kinds_are_refused(url: str) -> None:
    with pytest.raises(UserError, match="database"):
        Database(url)


def test_a_server_that_is_not_there_and_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(Unavailable, match="cannot be used now") as refused:
        migrate.open_database("postgresql://ann:hidden@127.0.0.1:1/none")
    assert "hidden" not in str(refused.value)
    with pytest.raises(UserError, match="cannot be opened"):
        Database("/proc/none/a.sqlite")


def test_the_environment_names_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAR_DATABASE_URL", raising=False)
    assert Settings().database_url is None
    monkeypatch.setenv("STAR_DATABASE_URL", f"sqlite:///{tmp_path}/here.sqlite")
    assert Database().place == f"{tmp_path}/here.sqlite"


def test_migrations_make_the_tables_the_code_knows(database: Database) -> None:
    assert migrate.current(database) == migrate.head()
    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("kind", annotating.BOTH)
def test_migrations_go_up_and_down_and_keep_the_data(kind: str, tmp_path: Path) -> None:
    with annotating.empty(kind, tmp_path) as database:
        assert migrate.current(database) is None
        migrate.upgrade(database)
        migrate.upgrade(database)
        lived_in(database)
        before = contents(database)
        assert all(before.values()), "the test has data in every table"
        migrate.downgrade(database, "0002")
        for table in PASSING:  # they do not outlive their migration; all else does
            before[table] = []
        assert kept(database) == {name: rows for name, rows in before.items() if rows}
        migrate.downgrade(database, "0001")
        assert migrate.current(database) == "0001"
        assert kept(database) == {name: rows for name, rows in before.items() if rows}
        with database.write() as session:  # no triggers here
            session.execute(sa.text("UPDATE events SET kind = 'forged' WHERE id = 1"))
            session.execute(sa.text(f"UPDATE events SET kind = '{before['events'][0]['kind']}' WHERE id = 1"))
        migrate.upgrade(database)
        assert contents(database) == before
        with pytest.raises(sa.exc.DBAPIError), database.write() as session:
            session.execute(sa.text("UPDATE events SET kind = 'forged' WHERE id = 1"))
        migrate.downgrade(database, "base")
        assert migrate.current(database) is None
        with database.read() as session:
            assert sa.inspect(session.connection()).get_table_names() == ["alembic_version"]
        migrate.upgrade(database)
        assert not any(contents(database).values())


@pytest.mark.parametrize("kind", annotating.BOTH)
def test_upgrading_takes_the_key_that_signed_cookies_away(kind: str, tmp_path: Path) -> None:
    with annotating.empty(kind, tmp_path) as database:
        migrate.upgrade(database, "0002")
        with database.write() as session:
            session.execute(sa.text("INSERT INTO secrets (name, value) VALUES ('session', 'a-key')"))
            session.execute(
                sa.text(
                    "INSERT INTO annotators (name, key, pseudonym, role, session_version, failed_logins, locked_until, "
                    "created_at) VALUES ('Ann', 'ann', 'a-1', 'lead', 3, 5, 9e9, 0)"
                )
            )
        migrate.upgrade(database)
        with database.read() as session:
            assert "secrets" not in sa.inspect(session.connection()).get_table_names()
        assert people.find(database, "Ann").role == "lead"
        assert people.set_password(database, "Ann", "a long password")
        assert people.authenticate(database, "Ann", "a long password").name == "Ann", "no lock is left"
        refused = pytest.raises(
            sa.exc.DBAPIError, match=r"deleted from annotators|neither changed nor deleted"
        )
        with refused, database.write() as session:
            session.execute(sa.text("DELETE FROM annotators"))


def test_a_database_of_a_newer_star_is_refused(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UserError, match="is at revision 9999, this STAR knows up to"):
        migrate.upgrade(database)


@pytest.mark.parametrize("kind", annotating.BOTH)
def test_several_that_start_at_once_migrate_once(kind: str, tmp_path: Path) -> None:
    with annotating.empty(kind, tmp_path) as first:
        others = [Database(annotating.url(first)) for _ in range(4)]
        failed: list[Exception] = []

        def start(database: Database) -> None:
            try:
                migrate.upgrade(database)
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=start, args=(d,)) for d in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed and migrate.current(first) == migrate.head()
        for other in others:
            other.close()


FROZEN = ("rubrics", "campaigns", "records", "golds", "adjudications", "events")
FORBIDDEN = [
    *(f"UPDATE {table} SET id = id" for table in FROZEN),
    *(f"DELETE FROM {table}" for table in (*FROZEN, "responses", "annotators")),
    "UPDATE events SET content = '{}'",
    "UPDATE responses SET answer = NULL",
    "UPDATE responses SET answer = NULL, revision = revision + 2",
    "UPDATE responses SET answer = NULL, revision = revision - 1",
    "UPDATE responses SET annotator_id = annotator_id + 1, revision = revision + 1",
    "UPDATE responses SET uuid = id, revision = revision + 1",
]  # fmt: skip


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_nothing_is_overwritten_or_deleted(populated: Database, statement: str) -> None:
    before = contents(populated)
    with pytest.raises(sa.exc.DBAPIError, match=r"append-only|deleted|one revision to the next"):
        with populated.write() as session:
            session.execute(sa.text(statement))
    assert contents(populated) == before


def test_replacing_a_row_counts_as_deleting_it(populated: Database) -> None:
    if not populated.sqlite:
        with (
            pytest.raises(sa.exc.DBAPIError, match="neither changed nor deleted"),
            populated.write() as session,
        ):
            session.execute(sa.text("TRUNCATE events"))
        return
    with pytest.raises(sa.exc.DBAPIError, match="deleted from events"), populated.write() as session:
        session.execute(sa.text("REPLACE INTO events (id, at, kind, content) VALUES (1, 0, 'forged', '{}')"))


@pytest.fixture(scope="module", params=annotating.BOTH)
def populated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    with annotating.ready(request.param, tmp_path_factory.mktemp("populated")) as made:
        made.number = lived_in(made)
        yield made


def test_one_response_per_record_person_and_rubric(populated: Database) -> None:
    again = (
        "INSERT INTO responses (uuid, record_id, annotator_id, rubric_id, state, revision, digest, created_at, updated_at) "
        "SELECT 'another', record_id, annotator_id, rubric_id, 'pending', 0, '', 0, 0 FROM responses WHERE id = 1"
    )
    with pytest.raises(sa.exc.IntegrityError), populated.write() as session:
        session.execute(sa.text(again))


@pytest.mark.parametrize("into", annotating.BOTH)
def test_a_portable_dump_restores_into_either_database(
    populated: Database, into: str, tmp_path: Path
) -> None:
    backup.backup(populated, tmp_path / "all.jsonl")
    with annotating.empty(into, tmp_path) as restored:
        backup.restore(restored, tmp_path / "all.jsonl")
        assert contents(restored) == contents(populated)
        assert list(rows.ratings(restored, 1)) == list(rows.ratings(populated, 1))
        person = people.add(restored, "New after the restore")  # ids go on behind the restored ones
        assert queue.claim(restored, person, 1)
        with pytest.raises(UserError, match="restore into a new database"):
            backup.restore(restored, tmp_path / "all.jsonl")
        backup.backup(restored, tmp_path / "again.jsonl")
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_a_sqlite_backup_under_load_is_whole(tmp_path: Path) -> None:
    with annotating.ready("sqlite", tmp_path) as database:
        number = campaign(database, records=40, overlap=2)
        two = raters(database, 2)
        stop = threading.Event()

        def rate(person: people.Person) -> None:
            while not stop.is_set() and (given := queue.claim(database, person, number)):
                store.submit(database, person, given.uuid, 1, full(3))

        threads = [threading.Thread(target=rate, args=(person,)) for person in two]
        for thread in threads:
            thread.start()
        for n in range(3):
            backup.backup(database, tmp_path / f"{n}.sqlite")
        stop.set()
        for thread in threads:
            thread.join()
        backup.backup(database, tmp_path / "last.sqlite")
        for name in ("0", "1", "2", "last"):
            backup.check_file(tmp_path / f"{name}.sqlite")
            assert not (tmp_path / f"{name}.sqlite-wal").exists()
        with annotating.empty("sqlite", tmp_path) as restored:
            backup.restore(restored, tmp_path / "last.sqlite")
            assert contents(restored) == contents(database)
            people.enter(restored, "Someone")


def test_damaged_backups_are_refused_and_restore_nothing(populated: Database, tmp_path: Path) -> None:
    whole = tmp_path / "all.jsonl"
    backup.backup(populated, whole)
    lines = whole.read_text("utf-8").splitlines(keepends=True)
    assert json.loads(lines[-1])["rows"] == len(lines) - 2
    cases = {
        "cut": "".join(lines[:-1]),
        "half a line": whole.read_text("utf-8")[:-40],
        "a row less": "".join([*lines[:-2], lines[-1]]),
        "no head": "".join(lines[1:]),
        "other": '{"a": 1}\n',
        "a list": "[1]\n",
        "empty": "",
        "no text": None,
        "sqlite": "SQLite format 3\x00" + "x" * 5000,
    }
    with annotating.empty("sqlite", tmp_path) as target:
        for name, text in cases.items():
            file = tmp_path / name
            file.write_bytes(b"\xff\xfe\x00\x80" if text is None else text.encode())
            with pytest.raises(UserError):
                backup.restore(target, file)
            with target.read() as session:
                tables = sa.inspect(session.connection()).get_table_names()
                assert not any(
                    session.scalar(sa.text(f"SELECT count(*) FROM {t}"))
                    for t in tables
                    if t != "alembic_version"
                )
        with pytest.raises(UserError, match="no backup"):
            backup.restore(target, tmp_path / "none")
        backup.restore(target, whole)
    with pytest.raises(UserError, match="cannot be written"):
        backup.backup(populated, Path("/proc/none/x.jsonl"))


def test_the_backend_needs_neither_gradio_nor_torch() -> None:
    code = (
        "import sys; from star.annotation.exchange import rows; from star.annotation.storage import backup, migrate, store; "
        "from star.annotation.workflow import adjudication, campaigns, sessions, status; "
        "print([m for m in ('gradio', 'torch', 'transformers', 'psycopg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
