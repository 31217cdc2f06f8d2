"""A database that is down: status 503 with a waiting time on every route, no sign-out, and normal work afterwards."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import annotating
import pytest
import sqlalchemy as sa
from test_annotation_api import SECRET, USED, begun, client, draft, entered, routes, serve, signed_in

from star.annotation.storage.database import Database, Unavailable
from star.annotation.workflow import people

OURS = ("/star-annotate", "/star-adjudicate", "/star-lead", "/star-door")
BODIES = {
    "/star-door/enter": {"name": "Ann", "role": "annotator"},
    "/star-door/sign-in": {"name": "Ann", "password": SECRET},
}


@contextmanager
def down(database: Database) -> Iterator[None]:
    """Within the block, SQLite's file is gone, or PostgreSQL refuses connections and has closed the open ones."""
    if database.file is not None:
        aside = database.file.with_suffix(".aside")
        database.file.rename(aside)
        yield
        aside.rename(database.file)
        return
    server = sa.make_url(os.environ[annotating.POSTGRES]).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    name = database.url.database
    with admin.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        ends = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        connection.execute(ends, {"name": name})
        yield
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    admin.dispose()


def unavailable(reply: Any, database: Database) -> None:
    assert reply.status_code == 503, (reply.request.url, reply.status_code, reply.text[:200])
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert "set-cookie" not in reply.headers, "nobody is signed out"
    for telling in ("nobody is signed in", str(database.file), "psycopg", "star@", "star_test_"):
        assert telling not in reply.text


@pytest.mark.parametrize("auth", [False, True])
def test_every_route_answers_503_and_goes_on_afterwards(
    database: Database, auth: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("star.ui.security.auth.REMEMBERED_S", 0.0)
    annotating.campaign(database, 2)
    people.add(database, "Boss", "lead", SECRET)
    app = serve(database, auth)
    page = signed_in(app, "Boss") if auth else entered(app, "Lea", "lead")
    record = begun(page)
    every = [(m, p) for m, p in routes(app) if p != "/star-door/login" and not p.startswith("/star-assets")]
    ours = [(m, p) for m, p in every if p.startswith(OURS)]
    assert len(ours) >= 22
    with down(database):
        for method, path in [*ours, *(("GET", path) for path in USED if auth)]:
            body = BODIES.get(path, {}) if method == "POST" else None
            if auth and path == "/star-door/enter":
                continue  # refused before the database is read
            unavailable(page.request(method, path, json=body, follow_redirects=False), database)
        saved = page.post("/star-annotate/save", json=draft(record, ratings={"plan": 2}))
        unavailable(saved, database)
        if auth:
            shown = page.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
            unavailable(shown, database)
            assert "tries again by itself" in shown.text and 'http-equiv="refresh"' in shown.text
            assert "Content-Security-Policy" in shown.headers
        nobody = client(app).get("/star-annotate/campaigns")
        assert nobody.status_code == 401, "who brings no cookie is nobody, whatever the database would say"
    saved = page.post("/star-annotate/save", json=draft(record, ratings={"plan": 2}))
    assert saved.status_code == 200 and saved.json()["revision"] == 1
    assert page.get("/star-door/me").json()["person"] is not None


def test_a_file_that_another_process_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("star.annotation.storage.database.BUSY_MS", 50)
    with annotating.ready("sqlite", tmp_path) as database:
        annotating.campaign(database, 2)
        ann = entered(serve(database), "Ann")
        record = begun(ann)
        assert database.file
        other = sqlite3.connect(database.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        save = draft(record, ratings={"plan": 2})
        unavailable(ann.post("/star-annotate/save", json=save), database)
        unavailable(client(serve(database)).post("/star-door/enter", json={"name": "Bob"}), database)
        assert ann.get("/star-door/me").json()["person"]["name"] == "Ann", "reading goes on"
        other.rollback()
        other.close()
        assert ann.post("/star-annotate/save", json=save).status_code == 200


def test_a_full_disk(tmp_path: Path) -> None:
    with annotating.ready("sqlite", tmp_path) as database:
        annotating.campaign(database, 2)
        ann = entered(serve(database), "Ann")
        record, most = begun(ann), [0]

        def limit(connection: Any, _: Any) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {most[0] or pages}")

        database.close()
        sa.event.listen(database.engine, "connect", limit)
        save = draft(record, note="x" * 9_000)
        unavailable(ann.post("/star-annotate/save", json=save), database)
        most[0] = 1_000_000
        database.close()
        assert ann.post("/star-annotate/save", json=save).status_code == 200


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"no database at all" * 1000)
    database = Database(tmp_path / "a.sqlite")
    for begin in (database.read, database.write):
        with pytest.raises(Unavailable, match="cannot be used now"), begin() as session:
            session.execute(sa.text("SELECT 1 FROM annotators"))


def test_a_file_put_in_place_of_the_one_in_use_is_not_written_to_the_old(tmp_path: Path) -> None:
    """SQLite could keep writing to a removed file, and lose what it has acknowledged."""
    with annotating.ready("sqlite", tmp_path) as database:
        people.enter(database, "Ann")
        assert database.file
        database.file.rename(tmp_path / "old")
        (tmp_path / "new").write_bytes((tmp_path / "old").read_bytes())
        (tmp_path / "new").rename(database.file)
        with pytest.raises(Unavailable, match="taken away or replaced while in use"):
            people.enter(database, "Bob")


def ends(work: Callable[[], object]) -> None:
    """The work gives up by itself; a minute guards against one that never does."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits without end"
    with pytest.raises(Unavailable, match="cannot be used now"):
        raise raised[0]


def test_statements_and_locks_of_postgresql_end_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.environ.get(annotating.POSTGRES):
        pytest.skip(f"{annotating.POSTGRES} names no PostgreSQL server to make test databases on")
    with annotating.ready("postgres", tmp_path) as database:
        annotating.campaign(database, 1)
        with database.read() as session:
            shown = [session.execute(sa.text(f"SHOW {s}_timeout")).scalar() for s in ("statement", "lock")]
        assert shown == ["5s", "5s"]
        monkeypatch.setattr("star.annotation.storage.database.BUSY_MS", 300)
        other = Database(annotating.url(database))

        def sleep(**how: bool) -> None:
            with other.read(**how) as session:
                session.execute(sa.text("SELECT pg_sleep(1)"))

        ends(sleep)
        sleep(long=True)  # a query that may take long
        with database.write() as session:
            session.execute(sa.text("SELECT 1 FROM campaigns FOR UPDATE"))
            ends(lambda: people.withdraw(other, people.find(other, "Lea"), 1))
        other.close()


def test_a_server_that_takes_the_connection_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr("star.annotation.storage.database.BUSY_MS", 2_000)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        database = Database(f"postgresql://ann:hidden@127.0.0.1:{silent.getsockname()[1]}/none")

        def read() -> None:
            with database.read() as session:
                session.execute(sa.text("SELECT 1"))

        ends(read)
        database.close()


def test_passwords_in_a_url_are_shown_nowhere() -> None:
    for url in ("postgresql://ann:hidden@db/x", "postgresql://ann@db/x?password=hidden&sslpassword=hidden"):
        assert "hidden" not in Database(url).place


def test_numbers_too_large_for_the_database_are_refused_in_one_line(database: Database) -> None:
    annotating.campaign(database, 1)
    app = serve(database)
    ann, boss = entered(app, "Ann"), entered(app, "Lea", "lead")
    for number in (2**31, 2**63, -(2**63) - 1, 10**30):
        asked = {"campaign": number, "uuid": str(uuid.uuid4())}
        replies = [
            ann.post("/star-annotate/next", json=asked),
            ann.get(f"/star-annotate/recent/{number}"),
            boss.get(f"/star-adjudicate/case/{number}"),
            boss.get(f"/star-lead/status/{number}"),
            boss.post("/star-lead/withdraw", json={"id": number}),
        ]
        for reply in replies:
            assert reply.status_code in (400, 422), (reply.request.url, reply.text)
            assert "\n" not in reply.json()["error"] and len(reply.text) < 300
