"""Sessions: tokens that nobody can make from the database, of one mode, few, ended in time whatever the clocks say."""

from __future__ import annotations

import json
import time
from pathlib import Path

import annotating
import pytest
import sqlalchemy as sa
from annotating import lead, url

from star.annotation.storage import backup
from star.annotation.storage.database import Database
from star.annotation.storage.models import SignedIn
from star.annotation.workflow import people, sessions

PASSWORD = "correct horse battery"


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(SignedIn)) or 0


def test_a_session_survives_a_restart_and_ends_when_it_should(database: Database) -> None:
    boss = lead(database)
    ann = people.add(database, "Ann", password=PASSWORD)
    token = sessions.sign_in(database, ann, "auth")
    restarted = Database(url(database))
    assert sessions.of_token(restarted, token, "auth") == ann
    restarted.close()
    other = people.enter(database, "Bob")
    theirs = sessions.sign_in(database, other, "auth")
    forged = token[:20] + theirs[20:]
    for bad in (None, "", "x", "a.b.c", token[:-1], token + "x", forged, "\x00", "é", "\ud800", "x" * 10**6):
        assert sessions.of_token(database, bad, "auth") is None
    second = sessions.sign_in(database, ann, "auth")
    sessions.end(database, second)
    assert sessions.of_token(database, second, "auth") is None
    assert sessions.of_token(database, token, "auth") == ann, "only that one ended"
    sessions.sign_out(database, ann)
    assert sessions.of_token(database, token, "auth") is None
    token = sessions.sign_in(database, ann, "auth")
    people.set_password(database, "Ann", "another password")
    assert sessions.of_token(database, token, "auth") is None
    token = sessions.sign_in(database, ann, "auth")
    people.withdraw(database, boss, ann.id)
    assert sessions.of_token(database, token, "auth") is None
    with pytest.raises(people.Refused, match="withdrawn"):
        sessions.sign_in(database, ann, "auth")
    late = time.time() + sessions.SESSION_S
    assert sessions.of_token(database, theirs, "auth") == other
    assert sessions.of_token(database, theirs, "auth", now=late + 60) is None


def test_nothing_in_the_database_opens_the_door(database: Database, tmp_path: Path) -> None:
    """Whoever reads every row (and so a backup) can sign in as nobody."""
    boss = people.add(database, "Lea", "lead", PASSWORD)
    token = sessions.sign_in(database, boss, "auth")
    backup.backup(database, tmp_path / "all.jsonl")
    text = (tmp_path / "all.jsonl").read_text("utf-8")
    assert token not in text and token[:16] not in text
    values = {str(value) for line in text.splitlines() for value in json.loads(line).get("row", {}).values()}
    assert len(values) > 10
    for value in values:
        assert sessions.of_token(database, value, "auth") is None
    if database.file is not None:
        database.close()
        files = [file.read_bytes() for file in tmp_path.glob("*.sqlite*")]
        assert files and not any(token.encode() in content for content in files)


def test_tokens_of_two_databases_do_not_open_each_other(database: Database, tmp_path: Path) -> None:
    ann = people.enter(database, "Ann")
    with annotating.ready("sqlite", tmp_path) as second:
        assert people.enter(second, "Ann").id == ann.id
        assert sessions.of_token(second, sessions.sign_in(database, ann, "open"), "open") is None


def test_a_session_of_one_mode_is_none_in_the_other(database: Database) -> None:
    ann = people.enter(database, "Ann", "lead")
    for mode, other in (("open", "auth"), ("auth", "open")):
        token = sessions.sign_in(database, ann, mode)
        assert sessions.of_token(database, token, mode) == ann
        assert sessions.of_token(database, token, other) is None


def test_a_person_has_twenty_sessions_and_those_that_ended_are_swept(database: Database) -> None:
    ann, bob = people.enter(database, "Ann"), people.enter(database, "Bob")
    theirs = sessions.sign_in(database, bob, "open", now=1000)
    tokens = [sessions.sign_in(database, ann, "open", now=1000 - n) for n in range(sessions.MOST + 3)]
    held = [sessions.of_token(database, token, "open", now=1000) is not None for token in tokens]
    assert held == [False] * 3 + [True] * sessions.MOST, "the oldest go, though the clock runs backwards"
    assert sessions.of_token(database, theirs, "open", now=1000) == bob
    assert count(database) == sessions.MOST + 1
    last = sessions.sign_in(database, bob, "open", now=2000 + sessions.SESSION_S)
    assert count(database) == 1 and sessions.of_token(database, last, "open", now=3000 + sessions.SESSION_S)


def test_a_replica_whose_clock_is_ahead_makes_sessions_that_hold(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = people.enter(database, "Ann")
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 30)
    token = sessions.sign_in(database, ann, "auth")
    monkeypatch.setattr(time, "time", right)
    assert sessions.of_token(database, token, "auth") == ann


def test_a_session_made_by_a_clock_a_year_ahead_ends_in_time(database: Database) -> None:
    ann, bob = people.enter(database, "Ann"), people.enter(database, "Bob")
    now, year = 1_000_000.0, 365 * 24 * 3600
    token = sessions.sign_in(database, ann, "auth", now=now + year)
    assert sessions.of_token(database, token, "auth", now=now) == ann
    sessions.sign_in(database, bob, "auth", now=now)
    assert sessions.of_token(database, token, "auth", now=now + sessions.SESSION_S - 1) == ann
    assert sessions.of_token(database, token, "auth", now=now + sessions.SESSION_S) is None
