"""Saving: one row and one winning revision however often it is sent, nothing lost unseen, hostile text kept as text."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from annotating import KEYS, campaign, full, raters

from star.annotation.exchange import rows
from star.annotation.storage import events, store
from star.annotation.storage.database import Database
from star.annotation.storage.models import Event, Lease, Response
from star.annotation.workflow import adjudication, people, queue
from star.annotation.workflow.answers import Answer, Flag
from star.annotation.workflow.recent import recent
from star.errors import UserError

HOSTILE = (
    "<script>window.hacked=1</script>",
    "![x](http://evil.example/x.png)",
    "\u202egnp.exe\u2066 \u200bzero",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE responses; --",
    "Ａ𝔸 🏳️‍🌈 \ufeff",
)


def count(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_an_answer_goes_through_draft_and_submission_and_comes_back(database: Database) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given and (given.state, given.revision) == ("pending", 0)
    opened = store.open_record(database, ann, given.uuid)
    assert opened.answer is None and opened.editable and opened.rubric.label == "trace@1"

    draft = Answer({"plan": 2}, note="not sure", seconds=3.5)
    saved = store.save_draft(database, ann, given.uuid, 1, draft)
    assert (saved.revision, saved.state) == (1, "draft")
    assert store.open_record(database, ann, given.uuid).answer == draft
    assert not list(rows.ratings(database, number)), "a draft is no rating"

    flags = (Flag(2, "which 50?", start=16, end=23), Flag(0, "says nothing"))
    store.submit(database, ann, given.uuid, 2, full(5, flags=flags, note="good"))
    opened = store.open_record(database, ann, given.uuid)
    assert opened.state == "submitted" and opened.revision == 2
    assert opened.answer == full(5, flags=(replace(flags[0], text="9 of 50"), flags[1]), note="good")
    assert opened.runs[0]["trace"]["steps"][2]["text"][16:23] == "9 of 50"
    assert [r.value for r in rows.ratings(database, number)] == [5] * len(KEYS)
    assert [e.kind for e in events.history(database, uuid=given.uuid)] == [
        "assigned",
        "draft saved",
        "submitted",
    ]
    assert events.history(database, uuid=given.uuid)[1].content["ratings"] == {"plan": 2}


@pytest.mark.parametrize("state", ["draft", "submitted", "skipped"])
def test_the_same_save_three_times_at_once_is_one_row_and_one_revision(
    database: Database, state: str
) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    save = {"draft": store.save_draft, "submitted": store.submit, "skipped": store.skip}[state]
    given = queue.claim(database, ann, number)
    assert given
    answer = full(3, reason="not my field")
    for revision in (1, 2, 3):
        together = threading.Barrier(3)

        def send(_: int, revision: int = revision, gate: threading.Barrier = together) -> store.Saved:
            gate.wait()
            return save(database, ann, given.uuid, revision, replace(answer, note=f"version {revision}"))

        with ThreadPoolExecutor(3) as pool:
            receipts = list(pool.map(send, range(3)))
        assert len(set(receipts)) == 1 and receipts[0].revision == revision
        assert (
            save(database, ann, given.uuid, revision, replace(answer, note=f"version {revision}"))
            == receipts[0]
        )
    assert count(database, Response) == 1
    assert [e.revision for e in events.history(database, uuid=given.uuid)] == [0, 1, 2, 3]


def test_three_different_saves_at_once_have_one_winner(database: Database) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given
    together = threading.Barrier(3)

    def send(n: int) -> str:
        together.wait()
        try:
            store.save_draft(database, ann, given.uuid, 1, Answer(note=f"tab {n}"))
            return f"tab {n}"
        except store.Stale as stale:
            assert stale.revision == 1 and "another tab" in str(stale)
            return ""

    with ThreadPoolExecutor(3) as pool:
        won = [note for note in pool.map(send, range(3)) if note]
    opened = store.open_record(database, ann, given.uuid)
    assert opened.answer and [opened.answer.note] == won and opened.revision == 1


def test_a_stale_or_leaping_revision_is_refused_and_changes_nothing(database: Database) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given
    for revision in (1, 2):
        store.save_draft(database, ann, given.uuid, revision, Answer(note=str(revision)))
    for revision, note in ((1, "1"), (2, "other"), (4, "leap")):
        with pytest.raises(store.Stale, match="revision 2 is stored already"):
            store.save_draft(database, ann, given.uuid, revision, Answer(note=note))
    for wrong in (0, -1, True, 1.0, "1", None):
        with pytest.raises(UserError, match="the revision is"):
            store.save_draft(database, ann, given.uuid, wrong, Answer())  # type: ignore[arg-type]
    opened = store.open_record(database, ann, given.uuid)
    assert opened.revision == 2 and opened.answer == Answer(note="2")


def test_only_the_person_it_was_given_to_can_save_or_look(database: Database) -> None:
    number = campaign(database)
    ann, bob = raters(database, 2)
    given = queue.claim(database, ann, number)
    assert given
    for uuid in (given.uuid, "not there", "\x00", "\ud800", "", "x" * 1_000_000):
        with pytest.raises(UserError, match="no record was assigned to you"):
            store.submit(database, bob, uuid, 1, full())
        with pytest.raises(UserError, match="no record was assigned to you"):
            store.open_record(database, bob, uuid)
        with pytest.raises(UserError):
            people.find(database, uuid)


def test_an_edit_keeps_the_submitted_answer_until_it_is_submitted(database: Database) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given
    store.submit(database, ann, given.uuid, 1, full(2))
    store.save_draft(database, ann, given.uuid, 2, Answer({"plan": 5}))
    opened = store.open_record(database, ann, given.uuid)
    assert opened.state == "submitted" and opened.answer == Answer({"plan": 5})
    assert {r.value for r in rows.ratings(database, number)} == {2}
    store.submit(database, ann, given.uuid, 3, full(5))
    assert {r.value for r in rows.ratings(database, number)} == {5}
    assert count(database, Lease) == 0


def test_the_last_ten_answers_can_be_changed_and_no_older_one(database: Database) -> None:
    number = campaign(database, records=13)
    [ann] = raters(database, 1)
    uuids = []
    for n in range(12):
        given = queue.claim(database, ann, number, now=1000.0 + n)
        assert given
        uuids.append(given.uuid)
        if n % 3:
            store.submit(database, ann, given.uuid, 1, full(3), now=1000.0 + n)
        else:
            store.skip(database, ann, given.uuid, 1, Answer(reason="too long"), now=1000.0 + n)
    assert store.last(database, ann, number) == tuple(uuids[:1:-1])
    for old in uuids[:2]:
        assert not store.open_record(database, ann, old).editable
        with pytest.raises(UserError, match="no longer among your last 10"):
            store.submit(database, ann, old, 2, full(1))
    for newer in uuids[2:]:
        store.submit(database, ann, newer, 2, full(1))
    assert store.last(database, ann, number) == tuple(uuids[:1:-1]), "editing one does not push another out"
    assert store.submit(database, ann, uuids[1], 1, full(3)).revision == 1, (
        "a repeated old save is still known"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_kept_as_it_is(database: Database, text: str) -> None:
    number = campaign(database)
    ann = people.enter(database, f"{text[:60]} x")
    assert text[:8].strip() in people.find(database, ann.name).name
    given = queue.claim(database, ann, number)
    assert given
    answer = full(1, note=text, reason=text, flags=(Flag(0, text),))
    store.submit(database, ann, given.uuid, 1, answer)
    assert store.open_record(database, ann, given.uuid).answer == answer


def test_null_bytes_and_lone_surrogates_are_taken_out(database: Database) -> None:
    number = campaign(database)
    ann = people.enter(database, "An\x00n")
    assert ann.name == "Ann"
    given = queue.claim(database, ann, number)
    assert given
    store.submit(database, ann, given.uuid, 1, full(1, note="a\x00b\ud800c", flags=(Flag(0, "\x00"),)))
    opened = store.open_record(database, ann, given.uuid)
    assert opened.answer and opened.answer.note == "ab?c" and opened.answer.flags[0].reason == ""


MEGABYTE = "x" * 1_048_576
WRONG = {
    "note": (full(note=MEGABYTE), "the note has 1,048,576 characters, at most 10,000"),
    "reason": (full(reason=MEGABYTE), "the reason has 1,048,576"),
    "flag's reason": (full(flags=(Flag(0, MEGABYTE),)), "reason of a flag has 1,048,576"),
    "flags": (full(flags=(Flag(0, ""),) * 101), "101 flags"),
    "no text": (full(note=5), "the note is int, expected text"),
    "score": (full(6), "expected 1 to 5"),
    "bool": (full(True), "expected 1 to 5"),
    "half": (full(2.5), "expected 1 to 5"),
    "list": (full([1]), "expected 1 to 5"),
    "criterion": (Answer({MEGABYTE: 3}), "is no criterion"),
    "missing": (Answer({"plan": 3}), "not yet rated: Faithful"),
    "choice": (full(choice="left"), "mixes them"),
    "seconds": (full(seconds=float("nan")), "seconds is nan"),
    "before": (full(seconds=-1), "seconds is -1"),
    "step": (full(flags=(Flag(4, ""),)), "steps 0 to 3"),
    "side": (full(flags=(Flag(0, "", side="left"),)), "side 'left'"),
    "span": (full(flags=(Flag(0, "", start=3, end=900),)), "spans 3 to 900"),
    "half span": (full(flags=(Flag(0, "", start=3),)), "spans 3 to None"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_in_one_line(database: Database, case: str) -> None:
    answer, message = WRONG[case]
    number = campaign(database)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given
    with pytest.raises(UserError, match=message) as refused:
        store.submit(database, ann, given.uuid, 1, answer)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
    assert store.open_record(database, ann, given.uuid).revision == 0


def test_a_skip_needs_a_reason_and_cannot_judge_is_an_answer(database: Database) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given
    with pytest.raises(UserError, match="without a reason"):
        store.skip(database, ann, given.uuid, 1, Answer(reason="  "))
    store.submit(database, ann, given.uuid, 1, full("cannot judge"))  # type: ignore[arg-type]
    assert [r.value for r in rows.ratings(database, number)] == [None] * len(KEYS)


def test_pairs_are_chosen_between_and_flags_name_their_side(database: Database) -> None:
    number = campaign(database, pair=True)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given and len(store.open_record(database, ann, given.uuid).runs) == 2
    with pytest.raises(UserError, match="nothing is chosen yet"):
        store.submit(database, ann, given.uuid, 1, Answer())
    with pytest.raises(UserError, match="expected left or right"):
        store.submit(database, ann, given.uuid, 1, Answer(choice="tie", flags=(Flag(0, "x"),)))
    with pytest.raises(UserError, match="expected left, right or tie"):
        store.submit(database, ann, given.uuid, 1, Answer(choice="both"))  # type: ignore[arg-type]
    flag = Flag(1, "why 50", "right", 0, 4)
    store.submit(
        database, ann, given.uuid, 1, Answer(choice="left", reason="shorter", flags=(flag,), seconds=2)
    )
    [row] = rows.comparisons(database, number)
    assert (row.choice, {row.left_system, row.right_system}, row.seconds) == ("left", {"star", "mars"}, 2.0)


def test_an_error_in_a_write_leaves_nothing_behind(database: Database) -> None:
    number = campaign(database)
    [ann] = raters(database, 1)
    queue.claim(database, ann, number)
    before = count(database, Event)
    with pytest.raises(RuntimeError), database.write() as session:
        events.write(session, "submitted", ann.pseudonym)
        session.flush()
        raise RuntimeError
    assert count(database, Event) == before


def test_every_change_of_a_response_is_an_event_with_its_content(database: Database) -> None:
    number = campaign(database, overlap=1)
    [ann] = raters(database, 1)
    given = queue.claim(database, ann, number)
    assert given
    steps = [(store.save_draft, Answer(note="a")), (store.skip, Answer(reason="b")), (store.submit, full(2))]
    for revision, (save, answer) in enumerate(steps, 1):
        save(database, ann, given.uuid, revision, answer)
    history = events.history(database, uuid=given.uuid)
    assert [e.kind for e in history] == ["assigned", "draft saved", "skipped", "submitted"]
    assert [Answer.from_json(e.content) for e in history[1:]] == [answer for _, answer in steps]
    assert {e.pseudonym for e in history} == {ann.pseudonym}
    assert "Rater" not in str(events.history(database)), "events hold no names"
    with pytest.raises(people.Refused):
        adjudication.conflicts(database, ann, number)


def test_a_clock_set_back_takes_no_answer_out_of_the_last_ten(database: Database) -> None:
    number = campaign(database, records=store.EDITABLE + 2)
    [ann] = raters(database, 1)
    order = []
    for n in range(store.EDITABLE + 2):
        now = 1_000_000.0 + n if n <= store.EDITABLE else 500_000.0  # the clock is set back before the last
        given = queue.claim(database, ann, number, now=now)
        assert given
        (store.skip if n % 2 else store.submit)(database, ann, given.uuid, 1, full(3, reason="x"), now=now)
        order.append(given.uuid)
    assert list(store.last(database, ann, number)) == order[::-1][: store.EDITABLE]
    assert [row.uuid for row in recent(database, ann, number)] == order[::-1][: store.EDITABLE]
    assert store.open_record(database, ann, order[-1]).editable
    assert store.submit(database, ann, order[-1], 2, full(5), now=500_001.0).revision == 2
    with pytest.raises(UserError, match="no longer among your last 10"):
        store.submit(database, ann, order[0], 2, full(5), now=500_002.0)
    assert queue.progress(database, ann, number, now=500_002.0).last_hour == 1, "not those of the future"
