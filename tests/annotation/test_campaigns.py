"""Campaigns: frozen records, balanced sides, gold items, rubrics in versions, adjudication, rows for statistics."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import annotating
import pytest
import sqlalchemy as sa
from annotating import campaign, full, lead, raters, run

from star.annotation.exchange import rows
from star.annotation.statistics.disagreement import disagreement
from star.annotation.storage import events, store
from star.annotation.storage.database import Database
from star.annotation.storage.models import Gold, Record
from star.annotation.workflow import adjudication, campaigns, people, queue, rubric, status
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.campaigns import Plan, System
from star.annotation.workflow.documents import GoldAnswer, Sample, blinded, checksum, mismatched
from star.annotation.workflow.people import Person
from star.errors import UserError


def records(database: Database, number: int) -> list[Record]:
    with database.read() as session:
        found = session.scalars(
            sa.select(Record).where(Record.campaign_id == number).order_by(Record.position)
        )
        rows_ = list(found)
        session.expunge_all()
        return rows_


def rate(database: Database, number: int, person: Person, answer: Answer) -> int:
    """Submit an answer to the person's next record; which that was."""
    given = queue.claim(database, person, number)
    assert given
    store.submit(database, person, given.uuid, given.revision + 1, answer)
    return given.record


def test_records_are_frozen_shuffled_by_seed_and_kept_whole(database: Database) -> None:
    first = records(database, campaign(database, records=30, name="a", seed=1))
    again = records(database, campaign(database, records=30, name="b", seed=1))
    other = records(database, campaign(database, records=30, name="c", seed=2))
    users = [[r.runs[0]["user"] for r in rs] for rs in (first, again, other)]
    assert users[0] == users[1] != users[2] and sorted(users[0]) == sorted(users[2])
    assert sorted(users[0]) != users[0], "not in the order they were made"
    assert all(r.checksum == checksum(r.runs) for r in first)
    assert {json.dumps(r.runs[0]) for r in first} == {json.dumps(run(n)) for n in range(30)}


def test_of_the_pairs_half_change_sides_and_gold_with_them(database: Database) -> None:
    number = campaign(database, records=20, hidden=10, pair=True, gold_share=0.3)
    found = records(database, number)
    assert Counter(r.systems[0] for r in found) == {"star": 15, "mars": 15}
    assert all([run["checkpoint"] for run in r.runs] == r.systems for r in found)
    with database.read() as session:
        gold = {g.record_id: g.choice for g in session.scalars(sa.select(Gold))}
    for record in found:
        if record.id in gold:
            assert gold[record.id] == ("left" if record.systems[0] == "star" else "right")
    [ann] = raters(database, 1)
    while (given := queue.claim(database, ann, number)) is not None:
        store.submit(database, ann, given.uuid, 1, Answer(choice="tie", seconds=1))
    votes, hidden = (
        list(rows.comparisons(database, number)),
        list(rows.comparisons(database, number, hidden=True)),
    )
    assert len(votes) == 20 and all(v.gold is None for v in votes)
    assert hidden and all(h.gold in ("left", "right") for h in hidden)
    assert not {v.record for v in votes} & {h.record for h in hidden}


def sample(**fields: object) -> Sample:
    return replace(Sample(("star",), (run(0),)), **fields)


PAIR = {"systems": ("star", "mars"), "runs": (run(0), run(0, "mars"))}
WRONG = {
    "no samples": ({}, [], "campaign of no records"),
    "only hidden": ({}, [sample(gold=GoldAnswer({"plan": 1}))], "campaign of no records"),
    "no hidden": ({"gold_share": 0.1}, [sample()], "10% gold items are wanted and none are given"),
    "share": ({"gold_share": 0.6}, [sample()], "expected 0 to 0.5"),
    "overlap": ({"overlap": 0}, [sample()], "overlap is 0"),
    "kind": ({"kind": "triple"}, [sample()], "kind is 'triple'"),
    "threshold": ({"threshold": 9}, [sample()], "threshold is 9"),
    "seed": ({"seed": -1}, [sample()], "seed is -1"),
    "rubric": ({"rubric": 99}, [sample()], "no rubric number 99"),
    "no systems": ({"systems": ()}, [sample()], "systems are called"),
    "twice": ({"systems": (System("star", "", ""),) * 2}, [sample()], "systems are called"),
    "name": ({"name": " "}, [sample()], "name"),
    "pair in single": ({}, [sample(**PAIR)], "has 2 runs of 2 systems; expected 1"),
    "single in pair": ({"kind": "pair"}, [sample()], "has 1 runs"),
    "stranger": ({}, [sample(systems=("gpt",))], "none of the campaign's systems"),
    "no trace": ({}, [sample(runs=({"items": []},))], "lacks its trace"),
    "no JSON": ({}, [sample(runs=(run(0) | {"x": float("nan")},))], "cannot be written as JSON"),
    "gold criterion": ({}, [sample(), sample(gold=GoldAnswer({"taste": 1}))], "rates 'taste'"),
    "gold score": ({}, [sample(), sample(gold=GoldAnswer({"plan": 6}))], "rates 'plan' 6"),
    "gold kind": ({}, [sample(), sample(gold=GoldAnswer(choice="left"))], "does not fit"),
    "empty gold": ({}, [sample(), sample(gold=GoldAnswer())], "does not fit"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_makes_no_campaign(database: Database, case: str) -> None:
    fields, samples, message = WRONG[case]
    boss = lead(database)
    form = rubric.publish(database, boss, rubric.default())
    plan = replace(Plan("x", "toy", annotating.systems("star", "mars"), form.id), **fields)
    with pytest.raises(UserError, match=message) as refused:
        campaigns.create(database, boss, plan, samples)
    assert "\n" not in str(refused.value)
    assert campaigns.campaigns(database) == () and campaigns.names(database) == {}


def test_a_name_is_taken_once(database: Database) -> None:
    campaign(database, name="First round")
    with pytest.raises(UserError, match="already a campaign called 'FIRST round'"):
        campaign(database, name="FIRST round")
    assert list(campaigns.names(database).values()) == ["First round"]


def test_a_plan_comes_back_as_it_was_given(database: Database) -> None:
    number = campaign(database, pair=True, overlap=2, threshold=1.5, seed=9)
    [found] = campaigns.campaigns(database)
    assert found.id == number and found.rubric == "trace@1"
    assert found.plan == Plan("first", "toy", annotating.systems("star", "mars"), 1, "pair", 2, 0.0, 1.5, 9)
    [made] = [e for e in events.history(database, campaign=number) if e.kind == "campaign created"]
    assert made.content["records"] == 4


def test_null_bytes_in_a_title_do_not_stop_a_campaign(database: Database) -> None:
    boss = lead(database)
    form = rubric.publish(database, boss, rubric.default())
    hostile = run(0, title="<script>\x00alert(1)</script> \ud800\u202e")
    plan = Plan("x", "toy", annotating.systems("star"), form.id)
    number = campaigns.create(database, boss, plan, [Sample(("star",), (hostile,))])
    assert records(database, number)[0].runs[0]["items"][0]["title"] == "<script>alert(1)</script> ?\u202e"


def test_a_record_becomes_gold_later_and_leaves_the_ordinary_ones(database: Database) -> None:
    number = campaign(database, records=2, overlap=1, gold_share=0.0)
    boss = lead(database)
    one = records(database, number)[0].id
    campaigns.set_gold(database, boss, one, GoldAnswer({"plan": 2}))
    campaigns.set_gold(database, boss, one, GoldAnswer({"plan": 3}))
    found = status.status(database, boss, number)
    assert (found.records, found.hidden, found.wanted) == (1, 1, 1)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Gold)) == 2, "the first one stays"
    with pytest.raises(UserError, match="no record number 99"):
        campaigns.set_gold(database, boss, 99, GoldAnswer({"plan": 3}))


def test_disagreement_is_the_widest_spread() -> None:
    cannot = "cannot judge"
    for answers, expected in (
        ([], 0),
        ([{"a": 1}], 0),
        ([{"a": 1, "b": 3}, {"a": 2, "b": 5}], 2),
        ([{"a": 1}, {"a": cannot}], 0),
        ([{"a": 1}, {"b": 5}], 0),
        ([{"a": 1}, {"a": 3}, {"a": 5}], 4),
    ):
        assert disagreement(Answer(a) for a in answers) == expected  # type: ignore[arg-type]
    assert disagreement([Answer(choice="left"), Answer(choice="right")]) == 4
    assert disagreement([Answer(choice="left"), Answer(choice="tie")]) == 2


def test_conflicts_are_queued_and_a_decision_is_a_new_row(database: Database) -> None:
    number = campaign(database, records=3, overlap=2, threshold=2)
    ann, bob = raters(database, 2)
    judge = people.add(database, "Jo", "adjudicator")
    for low, high in ((1, 5), (2, 4), (1, 4)):
        assert rate(database, number, ann, full(low)) == rate(database, number, bob, full(high))
    found = adjudication.conflicts(database, judge, number)
    assert [c.disagreement for c in found] == [4, 3], "2 is not over the threshold; the widest comes first"
    assert {p: a.ratings["plan"] for p, a in found[0].answers.items()} == {ann.pseudonym: 1, bob.pseudonym: 5}
    record = found[0].record

    uuid = "0b7e8f9a-0000-4000-8000-00000000000a"
    with pytest.raises(UserError, match="needs a reason"):
        adjudication.decide(database, judge, record, full(3))
    with pytest.raises(UserError, match="not yet rated"):
        adjudication.decide(database, judge, record, Answer({"plan": 3}, reason="x"))
    assert adjudication.decide(database, judge, record, full(3, reason="between"), uuid=uuid) == 1
    assert adjudication.decide(database, judge, record, full(3, reason="between"), uuid=uuid) == 1
    assert [c.record for c in adjudication.conflicts(database, judge, number)] == [found[1].record]
    boss = lead(database)
    with pytest.raises(UserError, match="has 1 decisions and you saw 0"):
        adjudication.decide(database, boss, record, full(5, reason="no"))
    assert adjudication.look(database, boss, record).conflict.decisions == 1
    assert adjudication.decide(database, boss, record, full(2, reason="seen again"), after=1) == 2
    [decision] = rows.decisions(database, number)
    assert (decision.record, decision.annotator, decision.answer.ratings["plan"]) == (
        record,
        boss.pseudonym,
        2,
    )
    decided = [e for e in events.history(database, campaign=number) if e.kind == "adjudicated"]
    assert [e.content["ratings"]["plan"] for e in decided] == [3, 2], "the first decision stays on record"
    assert [
        r.value for r in rows.ratings(database, number) if r.record == record and r.criterion == "plan"
    ] == [1, 5]
    found_status = status.status(database, boss, number)
    assert (found_status.conflicts, found_status.decided, found_status.complete) == (1, 1, 3)


def test_unfinished_and_own_records_are_not_adjudicated(database: Database) -> None:
    number = campaign(database, records=1, overlap=3)
    ann, bob = raters(database, 2)
    boss = lead(database)
    judge = people.add(database, "Jo", "adjudicator")
    rate(database, number, ann, full(1))
    rate(database, number, bob, full(5))
    assert adjudication.conflicts(database, judge, number) == ()
    rate(database, number, boss, full(3))
    assert len(adjudication.conflicts(database, judge, number)) == 1
    assert adjudication.conflicts(database, boss, number) == (), "nobody judges what they rated"


def test_rows_are_plain_pseudonymous_and_in_order(database: Database) -> None:
    number = campaign(database, records=1, overlap=2)
    ann, bob = raters(database, 2)
    rate(database, number, ann, full(4, seconds=12.5))
    rate(database, number, bob, Answer({**full(2).ratings, "tools": "cannot judge"}, seconds=3))
    found = list(rows.ratings(database, number))
    assert found[0] == rows.Rating(1, "star", ann.pseudonym, "faithful", 4, 12.5, None, "trace@1")
    assert [r.value for r in found] == [4] * 7 + [2, 2, None, 2, 2, 2, 2]
    assert {r.annotator for r in found} == {ann.pseudonym, bob.pseudonym}
    for read in (rows.ratings, rows.comparisons, rows.decisions):
        with pytest.raises(UserError, match="no campaign number 99"):
            list(read(database, 99))


def test_the_default_rubric_explains_itself() -> None:
    form = rubric.default()
    assert form.keys == ("faithful", "plan", "tools", "reflection", "ranking", "understandable", "persuasive")
    for criterion in form.criteria:
        scores = {example.score for example in criterion.examples}
        assert criterion.guideline and min(scores) <= 2 and max(scores) >= 4, criterion.key


def test_a_changed_rubric_is_a_new_version_and_campaigns_keep_theirs(database: Database) -> None:
    number = campaign(database)
    boss = lead(database)
    [ann] = raters(database, 1)
    same = rubric.publish(database, boss, rubric.default())
    changed = rubric.publish(database, boss, replace(rubric.default(), title="Other"))
    assert (same.label, changed.label) == ("trace@1", "trace@2")
    assert [v.label for v in rubric.versions(database)] == ["trace@2", "trace@1"]
    given = queue.claim(database, ann, number)
    assert given and store.open_record(database, ann, given.uuid).rubric.label == "trace@1"


TEXT = rubric.DEFAULT.read_text("utf-8")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "not YAML"),
        ("[" * 5000, "more than 12 deep"),
        ("a", "does not fit"),
        ("name: x", "title does not fit"),
        (TEXT.replace("key: plan", "key: tools"), "no two the same"),
        (TEXT.replace("score: 5", "score: 7", 1), "score 7"),
        (TEXT.replace("key: plan", "kee: plan"), "key does not fit"),
        (TEXT.replace("key: plan", "key: ''"), "no two the same"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("x" * 300_000, "300,000 characters"),
    ],
)
def test_a_rubric_that_cannot_be_used_is_refused_in_one_line(document: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        rubric.parse(document)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600


def test_blinding_takes_out_what_tells_and_leaves_the_record_alone() -> None:
    made = run(3, "mars")
    before = json.dumps(made)
    shown = blinded(made)
    assert json.dumps(made) == before
    assert set(made) - set(shown) == {"checkpoint", "timing", "seed"}
    assert set(shown["trace"]["steps"][0]) == {"type", "text", "claims"}
    assert shown == blinded(run(3, "star") | {"timing": {}, "seed": 7})


def test_a_mismatched_run_has_the_evidence_of_one_and_the_conclusion_of_another() -> None:
    made = mismatched(run(1), run(2, title="Dracula") | {"titles": {"b9": "Dracula"}})
    assert [s["type"] for s in made["trace"]["steps"]] == ["plan", "tool_response", "reflection", "recommend"]
    texts = [s["text"] for s in made["trace"]["steps"]]
    assert texts == ["know shelf 1 first", "Emma 9 of 50", "Dracula is read by 9 of 50", "Dracula"]
    assert made["items"][0]["title"] == "Dracula" and made["titles"]["b9"] == "Dracula"
    assert [(c["author"], c["text"][0]) for c in made["claims"]] == [("tool", "1"), ("model", "2")]
    assert {c["verdict"] for c in made["claims"]} == {"supported"}, "marks are as on any record"
    assert [s["claims"] for s in made["trace"]["steps"]] == [[], [0], [1], []] and run(1)["items"][0][
        "title"
    ] == "Emma"


@pytest.mark.slow
def test_samples_come_from_test_readers_by_scenario_and_difficulty() -> None:
    import reading

    from star.annotation.workflow import sampling
    from star.mars.recommender import Teacher

    data = reading.dataset()
    drawn = sampling.draw(data, 20, ("classic", "user_cold_start"), sampling.MIX, seed=0)
    assert Counter(task.scenario for task, _ in drawn) == {"classic": 10, "user_cold_start": 10}
    assert {task.reader for task, _ in drawn} <= set(reading.parts().test.tolist())
    levels = Counter(level for _, level in drawn)
    assert set(levels) == {"easy", "medium", "hard"}
    assert drawn == sampling.draw(data, 20, ("classic", "user_cold_start"), sampling.MIX, seed=0)
    assert drawn != sampling.draw(data, 20, ("classic", "user_cold_start"), sampling.MIX, seed=1)
    with pytest.raises(UserError, match="ask for fewer records"):
        sampling.draw(data, 100_000, ("classic",), sampling.MIX, seed=0)

    teacher = Teacher(data)
    made = list(sampling.samples({"mars": teacher}, 3, hidden=2))
    assert [s.gold is None for s in made] == [True] * 3 + [False] * 2
    first = made[0].runs[0]
    assert (
        first["titles"][first["items"][0]["id"]] == first["items"][0]["title"]
        and first["checkpoint"] == "mars"
    )
    assert [s["type"] for s in first["trace"]["steps"]][-1] == "recommend" and len(first["items"]) == 5
    assert {c["verdict"] for c in first["claims"]} <= {"supported", "opinion"}, (
        "the teacher quotes what it found"
    )
    pairs = list(sampling.samples({"mars": teacher, "other": teacher}, 2, pair=True, hidden=1, seeds=(0, 1)))
    assert pairs[0].runs[0]["shelf"] == pairs[0].runs[1]["shelf"] and pairs[0].runs[1]["seed"] == 1
    assert pairs[2].systems == ("mars", "other") and pairs[2].gold == GoldAnswer(choice="left")
    with pytest.raises(UserError, match="pairs need two"):
        list(sampling.samples({"mars": teacher}, 2, pair=True))


def test_real_samples_make_a_campaign(tmp_path: Path) -> None:
    import reading

    from star.annotation.workflow import sampling
    from star.mars.recommender import Teacher

    with annotating.ready("sqlite", tmp_path) as database:
        boss = lead(database)
        form = rubric.publish(database, boss, rubric.default())
        plan = Plan("real", "reading", annotating.systems("mars"), form.id, overlap=1, gold_share=0.5)
        made = sampling.samples({"mars": Teacher(reading.dataset())}, 3, hidden=1)
        number = campaigns.create(database, boss, plan, made)
        [ann] = raters(database, 1)
        given = queue.claim(database, ann, number)
        assert given and store.open_record(database, ann, given.uuid).runs[0]["claims"]


@pytest.mark.slow
def test_hidden_items_are_known_by_those_criteria_that_the_rubric_asks(tmp_path: Path) -> None:
    import reading

    from star.annotation.workflow.making import CampaignRequest, make

    ships = rubric.default()
    with annotating.ready("sqlite", tmp_path) as database:
        boss = lead(database)

        def made(keys: tuple[str, ...], **order: Any) -> list[dict[str, int]]:
            asked = tuple(c for c in ships.criteria if c.key in keys)
            form = rubric.publish(database, boss, replace(ships, name="-".join(keys), criteria=asked))
            plan = CampaignRequest(f"{form.id}, {len(order)}", ("mars",), records=2, overlap=1, rubric=form.id)
            number = make(database, boss, replace(plan, **order), reading.dataset())
            with database.read() as session:
                golds = sa.select(Gold).join(Record).where(Record.campaign_id == number)
                return [gold.ratings for gold in session.scalars(golds)]

        assert made(ships.keys, gold_share=0.3) == [{"faithful": 1, "ranking": 1}]
        assert made(("plan", "ranking"), gold_share=0.3) == [{"ranking": 1}]
        with pytest.raises(
            UserError, match="asks plan, tools; gold items are known by faithful and"
        ) as refused:
            made(("plan", "tools"), gold_share=0.3)
        assert "\n" not in str(refused.value)
        assert not made(("plan", "tools"))
        assert made(("plan", "tools"), gold_share=0.3, kind="pair", systems=("mars@1", "mars@2")) == [{}]
