"""`star annotations` and `star annotators`: every command on a small campaign, and what a mistake says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import annotating
import pytest
from typer.testing import CliRunner

from star.annotation.exchange import rows
from star.annotation.storage import store
from star.annotation.storage.database import Database
from star.annotation.storage.migrate import open_database
from star.annotation.workflow import people, queue
from star.annotation.workflow.answers import Answer, Flag
from star.cli.app import app
from star.errors import UserError

Run = Callable[..., Any]
HOSTILE = '=cmd() <img src=x onerror=hacked()> \u202egnp "x",\n' + "ü" * 50


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database of its own, named in the environment."""
    file = tmp_path / "annotations.sqlite"
    file.write_bytes(annotating.migrated())
    monkeypatch.setenv("STAR_DATABASE_URL", str(file))
    return open_database()


@pytest.fixture
def run(small: Database) -> Run:
    def call(*words: str, stdin: str | None = None) -> Any:
        done = CliRunner().invoke(app, list(words), input=stdin)
        if isinstance(done.exception, UserError):
            raise done.exception
        assert done.exit_code == 0, (done.output, done.exception)
        return json.loads(done.stdout) if "--json" in words else done.stdout

    return call


def rate(database: Database, name: str, number: int, score: int = 4, **fields: Any) -> None:
    """Everything that is left for this person."""
    person = people.enter(database, name)
    while (given := queue.claim(database, person, number)) is not None:
        store.submit(database, person, given.uuid, 1, annotating.full(score, **fields))


def test_status_export_agreement_and_back(small: Database, run: Run, tmp_path: Path) -> None:
    number = annotating.campaign(small, 4, 1, overlap=2, gold_share=0.2, threshold=1.0)
    rate(small, "Ann", number, 5, note=HOSTILE, flags=(Flag(0, HOSTILE, start=0, end=4),))
    rate(small, "Bob", number, 2)
    shown = run("annotations", "status", "--json")
    [one] = shown["campaigns"]
    assert shown["database"] == small.place and one["status"]["done"] == 8 == one["status"]["wanted"]
    assert "8 of 8 ratings" in run("annotations", "status", "first")
    made = run("annotations", "agreement", "first", "--json")
    assert made["ratings"] == 4 * 2 * 7, "gold items take no part in agreement"
    assert {row["gold"] for row in made["annotators"]} == {1}
    assert {row["measure"] for row in made["correlations"]} == {"claims", "claim precision"}
    waiting = run("annotations", "adjudicate", "first", "--json")["conflicts"]
    assert len(waiting) == 4 and waiting[0]["disagreement"] == 3
    record = str(waiting[0]["record"])
    scores = [part for key in annotating.KEYS for part in ("--rating", f"{key}=3")]
    said = run("annotations", "adjudicate", "first", record, *scores, "--reason", HOSTILE, "--json")
    assert said == {"record": int(record), "decision": 1}
    assert len(run("annotations", "adjudicate", "first", "--json")["conflicts"]) == 3
    for format in ("jsonl", "csv", "parquet"):
        run("annotations", "export", "first", str(tmp_path / format), "--format", format)
        brought = run("annotations", "import", str(tmp_path / format), "--name", format, "--json")
        assert (brought["records"], brought["answers"], brought["decisions"]) == (5, 10, 1)
        again = brought["campaign"]
        assert kept(small, again) == kept(small, number)
        [first, *_] = rows.decisions(small, again)
        assert first.answer.reason == HOSTILE
    with pytest.raises(UserError, match="already a campaign called 'csv'"):
        run("annotations", "import", str(tmp_path / "csv"), "--name", "csv")
    files = run("annotations", "export", "first", str(tmp_path / "trl"), "--format", "trl").split()
    assert {Path(file).name for file in files} == {"preferences.jsonl", "labels.jsonl", "manifest.json"}
    labels = [json.loads(line) for line in (tmp_path / "trl" / "labels.jsonl").read_text().splitlines()]
    assert len(labels) == 8 and {row["rubric"] for row in labels} == {"trace@1"}


def kept(database: Database, number: int) -> tuple[list[Any], list[Any]]:
    """Ratings and whole answers of a campaign without the numbers that differ from database to database."""
    from star.annotation.exchange.collect import _answers, _plan

    with database.read() as session:
        plan = _plan(session, number)
        answers = [
            (a.annotator, a.kind, a.ratings, a.note, a.reason, a.flags, a.at)
            for a in _answers(session, plan, "")
        ]
    values = [(r.system, r.annotator, r.criterion, r.value, r.gold) for r in rows.ratings(database, number)]
    return values, answers


def test_pairs_go_out_without_their_hidden_items(small: Database, run: Run, tmp_path: Path) -> None:
    number = annotating.campaign(small, 3, 1, pair=True, overlap=1, gold_share=0.25)
    ann = people.enter(small, "Ann")
    while (given := queue.claim(small, ann, number)) is not None:
        store.submit(small, ann, given.uuid, 1, Answer(choice="left", reason="so"))
    run("annotations", "export", "1", str(tmp_path / "out"))
    lines = (tmp_path / "out" / "comparisons.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert "3" in run("annotations", "agreement", "1")
    [person] = run("annotations", "agreement", "1", "--json")["annotators"]
    assert person["gold"] == 1 and person["gold_pass_rate"] in (0.0, 1.0)
    assert run("annotations", "import", str(tmp_path / "out"), "--name", "copy", "--json")["answers"] == 4


def test_votes_of_visitors_go_out_as_comparisons(small: Database, run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no visitor has voted on the data set 'toy'"):
        run("annotations", "votes", str(tmp_path / "out"), "--dataset", "toy")
    annotating.vote(small)
    said = run("annotations", "votes", str(tmp_path / "out"), "--dataset", "toy")
    assert "comparisons.jsonl" in said
    (row,) = (tmp_path / "out" / "comparisons.jsonl").read_text().splitlines()
    assert json.loads(row)["choice"] == "left"


@pytest.mark.slow
def test_create_on_the_demo(small: Database, run: Run) -> None:
    words = ("create", "made", "--system", "mars", "--system", "mars@3", "--pair", "--records", "2")
    made = run("annotations", *words, "--gold-share", "0.25", "--difficulty", "hard=1", "--json")
    [one] = run("annotations", "status", "--json")["campaigns"]
    assert one["id"] == made["campaign"] and one["status"]["records"] == 2 and one["status"]["hidden"] == 1
    assert [s["name"] for s in one["plan"]["systems"]] == ["mars", "mars@3"]


def test_rubric_gold_withdraw_backup(small: Database, run: Run, tmp_path: Path) -> None:
    number = annotating.campaign(small, 2)
    rate(small, "Ann", number)
    shown = run("annotations", "rubric", "--show", "1")
    file = tmp_path / "next.yaml"
    file.write_text(shown.replace("Understandable", "Clear"), "utf-8")
    assert run("annotations", "rubric", str(file), "--json")["label"] == "trace@2"
    assert [r["label"] for r in run("annotations", "rubric", "--json")["rubrics"]] == ["trace@2", "trace@1"]
    run("annotations", "add", "first", "1", "--known", "faithful=2")
    assert run("annotations", "status", "1", "--json")["campaigns"][0]["status"]["hidden"] == 1
    with pytest.raises(UserError, match="no record number 99"):
        run("annotations", "add", "first", "99", "--known", "faithful=2")
    run("annotations", "backup", str(tmp_path / "all.jsonl"))
    run("annotations", "withdraw", "Ann", "--yes")
    assert run("annotations", "agreement", "1", "--json")["ratings"] == 0


def test_restore(run: Run, small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotating.campaign(small, 2)
    run("annotations", "backup", str(tmp_path / "all.jsonl"))
    monkeypatch.setenv("STAR_DATABASE_URL", str(tmp_path / "other.sqlite"))
    run("annotations", "restore", str(tmp_path / "all.jsonl"))
    assert run("annotations", "status", "--json")["campaigns"][0]["plan"]["name"] == "first"


def test_accounts(small: Database, run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("\ufeffcorrect horse\n", "utf-8")  # as some editors of Windows save it
    run("annotators", "add", "Lea", "--role", "lead", "--password-file", str(secret))
    run("annotators", "add", "Ann", stdin="battery staple\nbattery staple\n")
    assert people.authenticate(small, "lea", "correct horse").role == "lead"
    assert people.authenticate(small, "Ann", "battery staple").role == "annotator"
    run("annotators", "password", "Ann", "--password-file", str(secret))
    assert people.authenticate(small, "Ann", "correct horse").name == "Ann"
    listed = run("annotators", "list", "--json")["people"]
    assert {(p["name"], p["role"]) for p in listed} == {("Lea", "lead"), ("Ann", "annotator")}
    with pytest.raises(UserError, match="expected annotator, adjudicator or lead"):
        run("annotators", "add", "Eve", "--role", "queen", "--password-file", str(secret))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("create", "x", "--system", "gpt"), "no system 'gpt'"),
        (("create", "x", "--pair", "--system", "star"), "pairs need two"),
        (("create", "x", "--records", "0"), "0 records"),
        (("create", "x", "--scenario", "nowhere"), "no scenario 'nowhere'"),
        (("create", "x", "--difficulty", "hard=lots"), "expected a share"),
        (("create", "x", "--system", "mars", "--as", "Ann"), "you are annotator"),
        (("status", "none"), "no campaign 'none'"),
        (("export", "first", "/tmp/x", "--format", "xlsx"), "no format 'xlsx'"),
        (("agreement", "7"), "no campaign '7'"),
        (("adjudicate", "first", "1", "--rating", "faithful=much"), "expected CRITERION=1 to 5"),
        (("adjudicate", "first", "1", "--reason", "so"), "lacks some of its 3 ratings"),
        (("add", "first", "1", "--known", "perhaps"), "expected CRITERION"),
        (("withdraw", "Nobody", "--yes"), "nobody called 'Nobody'"),
        (("import", "/nowhere"), "holds no campaign"),
        (("restore", "/nowhere.jsonl"), "no backup"),
        (("rubric", "/nowhere.yaml"), "cannot be read"),
        (("rubric", "--show", "9"), "no rubric number 9"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(small: Database, run: Run, words: tuple[str, ...], expected: str) -> None:
    annotating.campaign(small, 1)
    people.enter(small, "Ann")
    with pytest.raises(UserError, match=expected) as caught:
        run("annotations", *words)
    assert "\n" not in str(caught.value)
