"""Sign-in attempts: counted by name and by address, the same for names that nobody has, and bounded in every way."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from star.annotation.storage import events
from star.annotation.storage.database import Database, Unavailable
from star.annotation.storage.models import Attempt
from star.annotation.workflow import attempts, passwords, people
from star.annotation.workflow.people import Locked, Refused

PASSWORD = "correct horse battery"
HOME, AWAY = "192.0.2.1", "198.51.100.7"


def said(database: Database, name: str, address: str, now: float, password: str = "wrong") -> str:
    """What an attempt is answered with; empty for one that was let in."""
    try:
        people.authenticate(database, name, password, address, now)
    except Refused as refused:
        return str(refused)
    return ""


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Attempt)) or 0


def test_nobody_is_locked_out_from_outside(database: Database) -> None:
    people.add(database, "Lea", "lead", PASSWORD)
    for n in range(12):
        words = said(database, "Lea", AWAY, n)
        assert ("is locked after 5 failures" in words) == (n >= 5)
    assert "locked" in said(database, "Lea", AWAY, 12, PASSWORD)
    assert said(database, "Lea", HOME, 13, PASSWORD) == "", "another address may still try"
    assert "locked" in said(database, "Lea", AWAY, 14, PASSWORD), "and that lifts no lock elsewhere"
    assert said(database, "Lea", AWAY, 4 + attempts.FORGOTTEN_S, PASSWORD) == ""


def test_while_a_crowd_guesses_each_address_has_one_try(database: Database) -> None:
    people.add(database, "Lea", "lead", PASSWORD)
    for n in range(attempts.CROWD):
        assert "is wrong" in said(database, "Lea", f"203.0.113.{n}", n)
    assert "is wrong" in said(database, "Lea", AWAY, 30)
    assert "locked after 1 failure;" in said(database, "Lea", AWAY, 31)
    assert said(database, "Lea", HOME, 32, PASSWORD) == ""
    told = len(events.history(database))
    for n in range(30):
        said(database, "Lea", f"203.0.114.{n}", 40 + n)
    assert len(events.history(database)) <= told + 1, "events never go: a crowd does not fill the database"
    assert said(database, "Lea", "203.0.113.0", 71 + attempts.FORGOTTEN_S, PASSWORD) == ""


def test_an_address_is_locked_for_all_names(database: Database) -> None:
    people.add(database, "Ann", password=PASSWORD)
    for n in range(attempts.TRIES_AT_ADDRESS):
        assert "is wrong" in said(database, f"Name {n}", AWAY, n)
        if n % 5 == 0:
            assert said(database, "Ann", AWAY, n, PASSWORD) == "", "own success does not start the count anew"
    words = said(database, "Ann", AWAY, 30, PASSWORD)
    assert "sign-in from this address is locked after 20 failures" in words
    assert said(database, "Ann", HOME, 30, PASSWORD) == ""


def test_unknown_names_are_answered_like_known_ones(database: Database) -> None:
    people.add(database, "Ann", password=PASSWORD)
    people.enter(database, "Bob")  # has no password
    gone = people.add(database, "Eve", password=PASSWORD)
    people.withdraw(database, people.enter(database, "Lea", "lead"), gone.id)
    for n in range(8):
        answers = {
            said(database, name, f"192.0.2.{at}", n)
            for at, name in enumerate(("Ann", "Bob", "Eve", "Nobody", "\x00", "x" * 5000))
        }
        assert len(answers) == 1, answers
    with database.read() as session:
        stored = " ".join(str(row) for row in session.execute(sa.select(Attempt.name, Attempt.address)))
    assert "nobody" not in stored.casefold(), "passwords are typed into the wrong field"


def test_unknown_names_take_as_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the hashes made, the statements sent and the commits, which is what takes time."""
    people.add(database, "Ann", password=PASSWORD)
    passwords.nobodys.cache_clear()
    made: list[str] = []
    verify = passwords.verify
    monkeypatch.setattr(
        passwords, "verify", lambda kept, given: bool(made.append(kept)) or verify(kept, given)
    )
    written: dict[str, list[tuple[int, int]]] = {"Ann": [], "Nobody": []}
    commits: list[object] = []
    sent: list[str] = []
    sa.event.listen(database.engine, "commit", commits.append)
    sa.event.listen(database.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    for n in range(4):
        for name in ("Nobody", "Ann"):
            commits.clear()
            sent.clear()
            said(database, name, f"192.0.2.{n}", n)
            written[name].append((len(commits), len(sent)))
    assert len(made) == 8
    for (ends, statements), (as_many, about_as_many) in zip(written["Ann"], written["Nobody"], strict=True):
        assert ends == as_many and 0.8 < statements / about_as_many < 1.25


def test_unlock_lifts_the_locks(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from star.cli.app import app

    people.add(database, "Lea", "lead", PASSWORD)
    now = time.time()
    for name in ("Lea", *map(str, range(20))):
        for _ in range(5):
            said(database, name, HOME, now)
    assert "locked" in said(database, "Lea", HOME, now, PASSWORD)
    monkeypatch.setattr("star.cli.annotators.database_here", lambda: database)
    done = CliRunner().invoke(app, ["annotators", "unlock", "lea"])
    assert done.exit_code == 0 and "Lea may try again" in done.output
    assert said(database, "Lea", HOME, now, PASSWORD) == ""
    assert [e.kind for e in events.history(database)].count("unlocked") == 1
    with pytest.raises(people.UserError, match="nobody called"):
        people.unlock(database, "Nobody")


def test_a_name_that_is_unlocked_does_not_steer_the_terminal(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from star.cli.app import app

    person = people.enter(database, "\x1b]0;x\x07\u202eevil")
    monkeypatch.setattr("star.cli.annotators.database_here", lambda: database)
    done = CliRunner().invoke(app, ["annotators", "unlock", person.pseudonym], color=True)
    assert done.exit_code == 0 and "may try again" in done.output
    assert not {"\x1b", "\x07", "\u202e"} & set(done.output)


@pytest.mark.parametrize("jump", [-365 * 24 * 3600.0, -3600.0, -60.0, 3600.0])
def test_a_clock_that_jumps_locks_nobody_for_ever(database: Database, jump: float) -> None:
    people.add(database, "Ann", password=PASSWORD)
    now = 1e9
    for n in range(5):
        said(database, "Ann", HOME, now + n)
    assert "locked" in said(database, "Ann", HOME, now + 5)
    later = now + jump + 2 * attempts.FORGOTTEN_S
    assert said(database, "Ann", HOME, later, PASSWORD) == ""
    for _ in range(5):
        said(database, "Ann", AWAY, now)
    with pytest.raises(Locked) as refused:
        people.authenticate(database, "Ann", "wrong", AWAY, now)
    assert refused.value.seconds <= attempts.FORGOTTEN_S


def test_rows_are_few_whoever_tries(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST", 12)
    people.add(database, "Ann", password=PASSWORD)
    for n in range(5):
        said(database, "Ann", HOME, n)
    for n in range(30):
        said(database, f"Name {n}", f"203.0.113.{n}", 10 + n)
        assert count(database) <= 12
    assert "locked" in said(database, "Ann", HOME, 50, PASSWORD), "locks are the last to go"
    said(database, "x", AWAY, 60 + 2 * attempts.FORGOTTEN_S)
    assert count(database) == 3, "what is forgotten is swept"


def test_two_passwords_are_looked_at_at_a_time_and_others_wait_not_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.add(database, "Ann", password=PASSWORD)
    passwords.nobodys()
    lock, two, running, most = threading.Lock(), threading.Barrier(2), [0], [0]

    def slow(kept: str, given: str) -> bool:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        two.wait(10)  # there are two, and
        time.sleep(0.02)  # no third one
        with lock:
            running[0] -= 1
        return False

    monkeypatch.setattr(passwords, "verify", slow)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: said(database, "Ann", f"192.0.2.{n}", n), range(8)))
    assert most == [2]

    held = threading.Event()
    monkeypatch.setattr(passwords, "verify", lambda kept, given: held.wait(10) and False)
    monkeypatch.setattr(passwords, "PATIENCE_S", 0.05)
    before = count(database)
    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(said, database, "Ann", f"192.0.3.{n}", 100) for n in range(2)]
        while len(passwords.PLACES._line) < 2:
            time.sleep(0.001)
        with pytest.raises(Unavailable, match="too many people are signing in"):
            people.authenticate(database, "Ann", PASSWORD, "192.0.4.1", 100)
        held.set()
        for one in busy:
            one.result()
    with database.read() as session:
        tried = set(session.scalars(sa.select(Attempt.address)))
    assert "192.0.4.1" not in tried and before, "who was sent away has not failed"
