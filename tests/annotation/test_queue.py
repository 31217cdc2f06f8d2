"""The queue: exactly as many ratings as wanted whoever asks at once, leases that come back, gold items, withdrawal."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import annotation_rater
import pytest
import sqlalchemy as sa
from annotating import campaign, full, lead, raters, url
from serving import FORKS

from star.annotation.exchange import rows
from star.annotation.storage import events, store
from star.annotation.storage.database import Database
from star.annotation.storage.models import Lease, Response
from star.annotation.workflow import people, queue, status
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.people import Person
from star.errors import UserError


def per_record(database: Database) -> Counter[int]:
    """Submitted answers of each record."""
    with database.read() as session:
        return Counter(session.scalars(sa.select(Response.record_id).where(Response.state == "submitted")))


def work(database: Database, person: Person, number: int) -> int:
    """Rate until nothing is left; how many that were."""
    for n in itertools.count():
        given = queue.claim(database, person, number)
        if given is None:
            return n
        store.submit(database, person, given.uuid, given.revision + 1, full(3))
    raise AssertionError


def test_200_records_25_claimants_at_once_exactly_three_each(database: Database) -> None:
    number = campaign(database, records=200, overlap=3)
    people_ = raters(database, 25)
    gate = threading.Barrier(25)

    def one(person: Person) -> int:
        gate.wait()
        return work(database, person, number)

    with ThreadPoolExecutor(25) as pool:
        done = list(pool.map(one, people_))
    assert sum(done) == 600 and max(done) <= 200
    assert set(per_record(database).values()) == {3} and len(per_record(database)) == 200
    with database.read() as session:
        assert not session.scalar(sa.select(sa.func.count()).select_from(Lease))
    found = status.status(database, lead(database), number)
    assert (found.done, found.wanted, found.complete) == (600, 600, 200)


def test_claims_alone_never_give_out_more_places_than_there_are(database: Database) -> None:
    number = campaign(database, records=5, overlap=3)
    with ThreadPoolExecutor(25) as pool:
        given = list(pool.map(lambda p: queue.claim(database, p, number), raters(database, 25)))
    assert Counter(a.record for a in given if a) == dict.fromkeys({a.record for a in given if a}, 3)
    assert sum(a is None for a in given) == 10


def test_processes_at_once_and_one_that_dies_with_its_leases(database: Database) -> None:
    number = campaign(database, records=30, overlap=3)
    names = [person.name for person in raters(database, 6)]
    gone = people.enter(database, "Gone")
    lost = queue.claim(database, gone, number, lease_s=1e-3)
    assert lost
    address = url(database)
    started = [
        FORKS.Process(target=annotation_rater.work, args=(address, str(number), *names[n : n + 2])) for n in (0, 2, 4)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
        assert process.exitcode == 0
    assert set(per_record(database).values()) == {3} and len(per_record(database)) == 30


def test_an_expired_lease_comes_back_and_its_late_owner_is_refused(database: Database) -> None:
    number = campaign(database, records=1, overlap=1)
    ann, bob, eve = raters(database, 3)
    first = queue.claim(database, ann, number, lease_s=60, now=0)
    assert first
    store.save_draft(database, ann, first.uuid, 1, Answer({"plan": 1}), now=10)  # holds the place anew
    assert queue.claim(database, bob, number, now=10 + queue.LEASE_S - 1) is None
    second = queue.claim(database, bob, number, lease_s=60, now=10 + queue.LEASE_S)
    assert second and second.record == first.record
    late = 20 + queue.LEASE_S
    with pytest.raises(UserError, match="your draft is kept"):
        store.submit(database, ann, first.uuid, 2, full(1), now=late)
    assert store.save_draft(database, ann, first.uuid, 2, full(1), now=late).revision == 2
    assert queue.claim(database, ann, number, now=late) is None, "the place is Bob's"
    later = late + 100
    again = queue.claim(database, ann, number, now=later)
    assert again and again.uuid == first.uuid and again.state == "draft", (
        "Bob's ran out too: the draft goes on"
    )
    store.submit(database, ann, first.uuid, 3, full(1), now=later)
    assert queue.claim(database, bob, number, now=2 * later) is None
    assert queue.claim(database, eve, number, now=2 * later) is None
    kinds = [e.kind for e in events.history(database, campaign=number)]
    assert kinds.count("lease expired") == 2 and kinds.count("assigned") == 2


@pytest.mark.parametrize("ahead", [3600.0, 365 * 24 * 3600.0])
def test_a_lease_given_while_the_clock_ran_ahead_ends_in_half_an_hour(
    database: Database, ahead: float
) -> None:
    number = campaign(database, records=1, overlap=1)
    ann, bob = raters(database, 2)
    now = 1_000_000.0
    first = queue.claim(database, ann, number, now=now + ahead)
    assert first
    assert queue.claim(database, bob, number, now=now) is None, "the place is Ann's for now"
    assert queue.claim(database, bob, number, now=now + queue.LEASE_S - 1) is None
    second = queue.claim(database, bob, number, now=now + queue.LEASE_S)
    assert second and second.record == first.record
    assert store.save_draft(database, ann, first.uuid, 1, full(1), now=now + queue.LEASE_S).revision == 1


def test_leases_run_by_the_databases_clock(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is two hours behind gives a place for half an hour of everybody's time all the same."""
    if database.sqlite:
        pytest.skip("SQLite has the clock of its one machine")
    number = campaign(database, records=1, overlap=1)
    ann, bob = raters(database, 2)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - 7200)
    assert queue.claim(database, ann, number)
    monkeypatch.setattr(time, "time", right)
    assert queue.claim(database, bob, number) is None


def test_nobody_gets_a_record_twice_and_a_reload_gets_the_same_one(database: Database) -> None:
    number = campaign(database, records=5, overlap=2)
    [ann] = raters(database, 1)
    seen = []
    for n in range(5):
        given = queue.claim(database, ann, number)
        assert given
        assert queue.claim(
            database, ann, number, uuid="11111111-1111-4111-8111-111111111111"
        ) == queue.Assignment(**{**given.__dict__, "expires_at": pytest.approx(given.expires_at, abs=60)})
        seen.append(given.record)
        if n % 2:
            store.submit(database, ann, given.uuid, 1, full(3))
        else:
            store.skip(database, ann, given.uuid, 1, Answer(reason="no"))
    assert len(set(seen)) == 5 and queue.claim(database, ann, number) is None


def test_a_client_names_its_response_and_no_name_is_used_twice(database: Database) -> None:
    number = campaign(database)
    ann, bob = raters(database, 2)
    mine = "0b7e8f9a-0000-4000-8000-000000000001"
    given = queue.claim(database, ann, number, uuid=mine)
    assert given and given.uuid == mine
    for wrong in (mine, "no uuid", "x" * 1_000_000, "\x00"):
        with pytest.raises(UserError, match="UUID"):
            queue.claim(database, bob, number, uuid=wrong)


def test_a_skipped_record_goes_to_someone_else(database: Database) -> None:
    number = campaign(database, records=1, overlap=1)
    ann, bob = raters(database, 2)
    given = queue.claim(database, ann, number)
    assert given and queue.claim(database, bob, number) is None
    store.skip(database, ann, given.uuid, 1, Answer(reason="cannot read it"))
    other = queue.claim(database, bob, number)
    assert other and other.record == given.record
    store.submit(database, bob, other.uuid, 1, full(4))
    with pytest.raises(UserError, match="others have rated it since"):
        store.submit(database, ann, given.uuid, 2, full(2))
    own = queue.progress(database, ann, number)
    assert (own.submitted, own.skipped, own.seconds, own.done, own.wanted) == (0, 1, None, 1, 1)
    assert queue.progress(database, bob, number).seconds == 10.0


def test_records_begun_are_finished_first(database: Database) -> None:
    number = campaign(database, records=10, overlap=3)
    given = [queue.claim(database, person, number) for person in raters(database, 4)]
    assert len({a.record for a in given[:3] if a}) == 1 and given[3] and given[3].record != given[0].record


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.5])
def test_hidden_items_keep_their_share_without_a_rhythm(share: float) -> None:
    for who in ("a-1", "a-2"):
        due = [n for n in range(2000) if queue.gold_due(n, share, 7, who)]
        for n in range(0, 2000, 37):
            assert abs(sum(d < n for d in due) - n * share) <= 1
        if share < 0.5:
            assert len({b - a for a, b in itertools.pairwise(due)}) > 2
    assert [n for n in range(50) if queue.gold_due(n, share, 7, "a-1")] != [
        n for n in range(50) if queue.gold_due(n, share, 7, "a-2")
    ]
    assert not any(queue.gold_due(n, 0.0, 7, "a-1") for n in range(100))


def test_hidden_items_are_mixed_in_for_everyone_and_do_not_use_up_places(database: Database) -> None:
    number = campaign(database, records=20, hidden=10, overlap=1, gold_share=0.25)
    ann, bob = raters(database, 2)
    done = work(database, ann, number)
    mine = list(rows.ratings(database, number))
    hidden = {r.record for r in mine if r.gold is not None}
    assert done == 20 + len(hidden) and 5 <= len(hidden) <= 7  # a quarter of 26 or 27
    assert {r.gold for r in mine if r.record in hidden and r.criterion == "faithful"} == {1}
    assert all(r.gold is None for r in mine if r.criterion == "plan")
    assert work(database, bob, number) <= 1, "only gold items can be left"
    found = status.status(database, lead(database), number)
    assert (found.records, found.hidden, found.wanted, found.done) == (20, 10, 20, 20)
    assert queue.progress(database, ann, number).wanted == 20


def test_withdrawing_gives_places_back_and_takes_answers_out(database: Database) -> None:
    number = campaign(database, records=2, overlap=1)
    ann, bob = raters(database, 2)
    done = queue.claim(database, ann, number)
    assert done
    store.submit(database, ann, done.uuid, 1, full(5))
    held = queue.claim(database, ann, number)
    assert held and queue.claim(database, bob, number) is None
    boss = lead(database)
    with pytest.raises(people.Refused, match="needs the role lead"):
        people.withdraw(database, bob, ann.id)
    people.withdraw(database, boss, ann.id)
    people.withdraw(database, boss, ann.id)
    assert not list(rows.ratings(database, number))
    assert status.status(database, boss, number).done == 0
    for refused in (
        lambda: queue.claim(database, ann, number),
        lambda: store.submit(database, ann, held.uuid, 1, full(1)),
        lambda: store.open_record(database, ann, done.uuid),
    ):
        with pytest.raises(people.Refused, match="withdrawn"):
            refused()
    assert work(database, bob, number) == 2
    assert {r.annotator for r in rows.ratings(database, number)} == {bob.pseudonym}
    trail = events.history(database, uuid=done.uuid)
    assert [e.kind for e in trail] == ["assigned", "submitted"] and trail[1].pseudonym == ann.pseudonym
    assert [e.kind for e in events.history(database)].count("withdrawn") == 1
    assert ann.name not in json.dumps([e.__dict__ for e in events.history(database)])
    assert people.enter(database, ann.name).id != ann.id, "the name is free again"


def test_unknown_campaigns_are_refused(database: Database) -> None:
    [ann] = raters(database, 1)
    for ask in (queue.claim, queue.progress, store.last):
        with pytest.raises(UserError, match="no campaign number 99"):
            ask(database, ann, 99)
