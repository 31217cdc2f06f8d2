"""People: names, roles, passwords, lock-out, sessions."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from annotating import campaign, full, raters

from star.annotation.storage import events
from star.annotation.storage.database import Database
from star.annotation.storage.models import Annotator
from star.annotation.workflow import (
    adjudication,
    attempts,
    campaigns,
    passwords,
    people,
    queue,
    rubric,
    status,
)
from star.annotation.workflow.people import Person, Refused, allows, require
from star.errors import UserError

PASSWORD = "correct horse battery"


def test_roles_include_each_other() -> None:
    allowed = {
        (role, needed)
        for role, needed in itertools.product(people.INCLUDES, repeat=2)
        if allows(role, needed)
    }
    assert allowed == {
        ("annotator", "annotator"),
        ("adjudicator", "annotator"),
        ("adjudicator", "adjudicator"),
        ("lead", "annotator"),
        ("lead", "adjudicator"),
        ("lead", "lead"),
    }
    ann = Person(1, "Ann", "a-1", "annotator")
    assert require(ann, "annotator") is ann
    for person, needed, message in (
        (None, "annotator", "nobody is signed in"),
        (ann, "lead", "needs the role lead, and you are annotator"),
        (Person(1, "a-1", "a-1", "lead", withdrawn=True), "annotator", "withdrawn"),
    ):
        with pytest.raises(Refused, match=message):
            require(person, needed)  # type: ignore[arg-type]


def test_the_role_is_read_from_the_database_not_from_the_caller(database: Database) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    forged = Person(ann.id, ann.name, ann.pseudonym, "lead")
    nobody = Person(999, "x", "a-x", "lead")
    for person in (forged, nobody):
        for act in (
            lambda p: status.status(database, p, number),
            lambda p: people.withdraw(database, p, ann.id),
            lambda p: adjudication.conflicts(database, p, number),
            lambda p: adjudication.decide(database, p, 1, full(1, reason="x")),
            lambda p: adjudication.look(database, p, 1),
            lambda p: rubric.publish(database, p, rubric.default()),
            lambda p: campaigns.set_gold(database, p, 1, campaigns.GoldAnswer({"plan": 1})),
            lambda p: campaigns.create(database, p, campaigns.campaigns(database)[0].plan, []),
        ):
            with pytest.raises(Refused):
                act(person)
    with pytest.raises(Refused):
        queue.claim(database, nobody, number)


def test_a_name_is_entered_and_found_again(database: Database) -> None:
    ann = people.enter(database, "  Ann \n Lee ")
    assert ann.name == "Ann Lee" and ann.role == "annotator" and ann.pseudonym.startswith("a-")
    for same in ("ann lee", "ANN LEE", "Ａｎｎ Lee", "Ann\u200b Lee", "\u202eAnn Lee"):
        assert people.enter(database, same).id == ann.id, "names that look alike are one person"
    assert people.enter(database, "Ann Lee", "lead").role == "annotator", "entering gives nobody a role"
    with pytest.raises(UserError, match="already someone called"):
        people.add(database, "aNN lEE")
    for bad in ("", "   ", "\u200b\u202e", "\x00", "x" * 81, "x" * 1_048_576, None, 5):
        with pytest.raises(UserError, match="name"):
            people.enter(database, bad)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="role 'owner' is none"):
        people.add(database, "Bob", "owner")  # type: ignore[arg-type]
    assert [p.name for p in people.everyone(database)] == ["Ann Lee"]


def test_one_name_entered_by_many_at_once_is_one_person(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({p.id for p in pool.map(lambda _: people.enter(database, "Ann"), range(8))}) == 1


def test_a_password_is_hashed_and_asked_for(database: Database) -> None:
    ann = people.add(database, "Ann", "lead", PASSWORD)
    with database.read() as session:
        assert str(session.get_one(Annotator, ann.id).password_hash).startswith("$argon2id$")
    assert people.authenticate(database, "ann", PASSWORD) == ann
    with pytest.raises(Refused, match="account with a password"):
        people.enter(database, "Ann")
    people.enter(database, "Bob")
    wrong = [
        ("Ann", "wrong horse"),
        ("Nobody", PASSWORD),
        ("Bob", ""),
        ("", ""),
        ("\x00", "\ud800"),
        ("Ann", "x" * 10**6),
    ]
    for name, password in wrong:
        with pytest.raises(Refused, match="name or password is wrong"):
            people.authenticate(database, name, password)
    for bad in ("short", "x" * 1001, "nul\x00 byte in it", "\ud800 lone surrogate"):
        with pytest.raises(UserError, match="password"):
            people.set_password(database, "Ann", bad)
    people.set_password(database, "Ann", "another password")
    with pytest.raises(Refused):
        people.authenticate(database, "Ann", PASSWORD)
    people.authenticate(database, "Ann", "another password")


def test_five_failures_lock_for_a_quarter_of_an_hour(database: Database) -> None:
    people.add(database, "Ann", password=PASSWORD)
    for n in range(4):
        with pytest.raises(Refused, match="is wrong"):
            people.authenticate(database, "Ann", "wrong password", now=n)
    people.authenticate(database, "Ann", PASSWORD, now=5)  # a success starts the count anew
    for n in range(5):
        with pytest.raises(Refused, match="is wrong"):
            people.authenticate(database, "Ann", "wrong password", now=10 + n)
    for now in (15, 14 + attempts.FORGOTTEN_S - 1):
        with pytest.raises(Refused, match="locked after 5 failures"):
            people.authenticate(database, "Ann", PASSWORD, now=now)
    assert people.authenticate(database, "Ann", PASSWORD, now=14 + attempts.FORGOTTEN_S).name == "Ann"
    kinds = [e.kind for e in events.history(database)]
    assert (kinds.count("sign-in failed"), kinds.count("signed in")) == (9, 2)


def test_a_new_password_lifts_the_lock(database: Database) -> None:
    people.add(database, "Ann", password=PASSWORD)
    for _ in range(5):
        with pytest.raises(Refused):
            people.authenticate(database, "Ann", "wrong password")
    people.set_password(database, "Ann", "another password")
    people.authenticate(database, "Ann", "another password")


def test_many_guesses_at_once_are_no_more_than_five(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.add(database, "Ann", password=PASSWORD)
    looked: list[str] = []

    def verify(hashed: str, password: str) -> bool:
        looked.append(password)
        time.sleep(0.05)
        return False

    monkeypatch.setattr(passwords, "verify", verify)

    def guess(n: int) -> str:
        with pytest.raises(Refused) as refused:
            people.authenticate(database, "Ann", f"guess number {n}")
        return str(refused.value)

    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(guess, range(20)))
    assert len(looked) == 5 and sum("is locked after" in text for text in said) == 15


def test_a_name_that_does_not_exist_is_hashed_for_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.add(database, "Ann", password=PASSWORD)
    looked: list[str] = []
    monkeypatch.setattr(passwords, "verify", lambda hashed, password: bool(looked.append(hashed)))
    for name in ("Ann", "Nobody"):
        with pytest.raises(Refused):
            people.authenticate(database, name, "wrong password")
    assert len(looked) == 2 and all(hashed.startswith("$argon2id$") for hashed in looked)


def test_annotators_are_shown_neither_system_nor_time_nor_score(database: Database) -> None:
    from star.annotation.storage import store

    number = campaign(database, pair=True)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given
    shown = str(store.open_record(database, ann, given.uuid).runs)
    for betraying in ("checkpoint", "mars", "seconds': 0", "timing", "score", "tokens", "'seed'"):
        assert betraying not in shown
    assert "Emma is read by 9 of 50" in shown
