"""Who may look at a record and decide on it: nobody who rates it or may still rate it, and only once it has its ratings."""

from __future__ import annotations

from pathlib import Path

import annotating
import pytest

from star.annotation.exchange import collect, importing
from star.annotation.storage import store
from star.annotation.storage.database import Database
from star.annotation.storage.models import Lease
from star.annotation.workflow import adjudication, campaigns, people, queue
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.documents import GoldAnswer
from star.annotation.workflow.people import Person, Refused
from star.errors import UserError


def rate(database: Database, person: Person, number: int, score: int, to: str = "submitted") -> int:
    """One record, the next; returns its number."""
    given = queue.claim(database, person, number)
    assert given is not None
    answer = annotating.full(score, reason="so")
    keep = {"draft": store.save_draft, "submitted": store.submit, "skipped": store.skip}.get(to)
    if keep is not None:
        keep(database, person, given.uuid, 1, answer)
    return given.record


def refused(database: Database, person: Person, record: int) -> str:
    """What both say, which is the same; nothing is decided by it."""
    with pytest.raises(Refused) as look:
        adjudication.look(database, person, record)
    with pytest.raises(Refused) as decide:
        adjudication.decide(database, person, record, annotating.full(3, reason="mine"))
    assert str(look.value) == str(decide.value) and "\n" not in str(look.value)
    return str(look.value)


@pytest.fixture
def judge(database: Database) -> Person:
    return people.add(database, "Jo", "adjudicator")


def test_no_record_without_its_ratings(database: Database, judge: Person) -> None:
    number = annotating.campaign(database, 1, overlap=2)
    ann, bob = annotating.raters(database, 2)
    record = rate(database, ann, number, 1)
    assert "lacks some of its 2 ratings" in refused(database, judge, record)
    assert rate(database, bob, number, 5) == record
    assert adjudication.look(database, judge, record).conflict.disagreement == 4
    people.withdraw(database, annotating.lead(database), bob.id)
    refused(database, judge, record)


@pytest.mark.parametrize("to", ["assigned", "draft", "skipped", "submitted"])
def test_no_record_that_one_was_given_to_rate(database: Database, judge: Person, to: str) -> None:
    number = annotating.campaign(database, 1, overlap=3)
    ann, bob, eve = annotating.raters(database, 3)
    record = rate(database, judge, number, 3, to)
    for person, score in ((ann, 1), (bob, 5)):
        rate(database, person, number, score)
    if to in ("assigned", "draft"):  # the place was lost meanwhile, and may come back
        with database.write() as session:
            session.query(Lease).delete()
    if to != "submitted":
        rate(database, eve, number, 4)
    refused(database, judge, record)
    assert adjudication.conflicts(database, judge, number) == ()
    boss = annotating.lead(database)
    assert adjudication.look(database, boss, record).conflict.disagreement == 4
    assert adjudication.decide(database, boss, record, annotating.full(3, reason="between")) == 1


def test_hidden_items_are_refused_in_the_same_words(database: Database, judge: Person) -> None:
    number = annotating.campaign(database, 2, overlap=1)
    [ann] = annotating.raters(database, 1)
    hidden = rate(database, ann, number, 1)
    campaigns.set_gold(database, annotating.lead(database), hidden, GoldAnswer({"faithful": 1}))
    open_ = next(record for record in (1, 2) if record != hidden)
    words = [refused(database, judge, record).replace(str(record), "N", 1) for record in (hidden, open_)]
    assert words[0] == words[1]


def test_who_decided_does_not_rate_when_a_place_comes_free(database: Database, judge: Person) -> None:
    number = annotating.campaign(database, 1, overlap=2)
    ann, bob = annotating.raters(database, 2)
    record = rate(database, ann, number, 1)
    rate(database, bob, number, 5)
    uuid = "0b7e8f9a-0000-4000-8000-00000000000a"
    answer = annotating.full(3, reason="between")
    assert adjudication.decide(database, judge, record, answer, uuid=uuid) == 1
    people.withdraw(database, annotating.lead(database), bob.id)
    assert queue.claim(database, judge, number) is None, "Jo has seen what Ann said"
    assert adjudication.decide(database, judge, record, answer, uuid=uuid) == 1, "the same one sent again"
    assert queue.claim(database, people.enter(database, "Eve"), number) is not None


def test_an_incomplete_decision_says_what_is_missing(database: Database, judge: Person) -> None:
    number = annotating.campaign(database, 1, overlap=1)
    record = rate(database, annotating.raters(database, 1)[0], number, 1)
    with pytest.raises(UserError, match="not yet rated: The plan"):
        adjudication.decide(database, judge, record, Answer({"faithful": 3}, reason="so"))


def test_a_decision_is_revised_where_an_earlier_one_is_gone(database: Database, judge: Person, tmp_path: Path) -> None:
    """The first adjudicator withdraws; what is exported and imported again has decision 2 alone."""
    number = annotating.campaign(database, 1, overlap=2, threshold=1.0)
    ann, bob = annotating.raters(database, 2)
    record = rate(database, ann, number, 1)
    rate(database, bob, number, 5)
    lea = annotating.lead(database)
    assert adjudication.decide(database, judge, record, annotating.full(2, reason="so"), after=0) == 1
    assert adjudication.decide(database, lea, record, annotating.full(3, reason="so"), after=1) == 2
    people.withdraw(database, lea, judge.id)
    collect.export(database, number, tmp_path / "out")
    with annotating.ready("sqlite", tmp_path / "other") as other:
        boss = annotating.lead(other)
        importing.import_campaign(other, boss, tmp_path / "out")
        seen = adjudication.look(other, boss, 1).conflict.decisions
        assert seen == 2
        assert adjudication.decide(other, boss, 1, annotating.full(4, reason="again"), after=seen) == 3
