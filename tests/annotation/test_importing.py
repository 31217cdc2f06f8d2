"""Importing an export that somebody changed: one line that names file, record and field, and nothing half-imported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import annotating
import pytest
import sqlalchemy as sa
import toy

from star.annotation.exchange import collect
from star.annotation.exchange.importing import import_campaign
from star.annotation.storage import models, store
from star.annotation.storage.database import Database
from star.annotation.storage.schema import check_runs
from star.annotation.workflow import people, queue, rubric
from star.annotation.workflow.documents import Sample
from star.annotation.workflow.sampling import run_of
from star.errors import UserError
from star.recommend.recommendation import Query

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with a gold item, answered by one person, as files."""
    folder = tmp_path_factory.mktemp("exported")
    with annotating.ready("sqlite", folder) as database:
        # Half: the gold item is then due within the first two, whatever pseudonym is drawn.
        number = annotating.campaign(database, 2, 1, overlap=1, gold_share=0.5)
        ann = people.enter(database, "Ann")
        while (given := queue.claim(database, ann, number)) is not None:
            store.submit(database, ann, given.uuid, 1, annotating.full(3))
        collect.export(database, number, folder / "out")
    return folder / "out"


@pytest.fixture(scope="module", params=annotating.BOTH)
def untouched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for all imports that are refused, since they leave nothing."""
    with annotating.ready(request.param, tmp_path_factory.mktemp("untouched")) as made:
        yield made


@pytest.fixture(scope="module")
def with_zed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """As `untouched`, on SQLite and with a person called Zed."""
    with annotating.ready("sqlite", tmp_path_factory.mktemp("with_zed")) as made:
        people.enter(made, "Zed")
        yield made


def written(exported: Path, to: Path, file: str, change: Change) -> Path:
    """The export with the first row of a file (or all of campaign.json) changed."""
    to.mkdir()
    for one in exported.iterdir():
        (to / one.name).write_bytes(one.read_bytes())
    lines = (
        [to.joinpath(file).read_text("utf-8")]
        if file.endswith(".json")
        else (to / file).read_text("utf-8").splitlines()
    )
    row = json.loads(lines[0])
    changed = change(row)
    lines[0] = changed if isinstance(changed, str) else json.dumps(row)
    (to / file).write_text("\n".join(lines) + "\n", "utf-8")
    return to


def in_run(change: Change) -> Change:
    def made(row: dict[str, Any]) -> None:
        runs = json.loads(row["runs"])
        change(runs[0])
        row["runs"] = json.dumps(runs)

    return made


def put(*path: Any) -> Change:
    """Set what the path but its last part leads to."""
    *way, last, value = path

    def made(row: Any) -> None:
        for part in way:
            row = row[part]
        row[last] = value

    return made


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


LONG = "x" * 300_000
RUN: dict[str, tuple[Change, str]] = {
    "rank is HTML": (put("items", 0, "rank", "<img src=x>"), "items.0.rank"),
    "rank is a float": (put("items", 0, "rank", 1.5), "items.0.rank"),
    "rank is huge": (put("items", 0, "rank", 10**30), "items.0.rank"),
    "rank is true": (put("items", 0, "rank", True), "items.0.rank"),
    "no rank": (lambda run: run["items"][0].pop("rank"), "items.0.rank"),
    "id is a number": (put("items", 0, "id", 7), "items.0.id"),
    "title is a list": (put("items", 0, "title", ["x"]), "items.0.title"),
    "title is long": (put("items", 0, "title", LONG), "items.0.title"),
    "reason is a number": (put("items", 0, "reason", 1), "items.0.reason"),
    "score is a text": (put("items", 0, "score", "1"), "items.0.score"),
    "items is none": (put("items", None), "items"),
    "shelf has a number": (put("shelf", [1]), "shelf.0"),
    "no trace": (lambda run: run.pop("trace"), "trace"),
    "step of another type": (put("trace", "steps", 0, "type", "<b>"), "trace.steps.0.type"),
    "step text": (put("trace", "steps", 0, "text", 3), "trace.steps.0.text"),
    "step names no claim": (put("trace", "steps", 1, "claims", [9]), "trace.steps.1.claims"),
    "step names a claim before the first": (put("trace", "steps", 1, "claims", [-1]), "trace.steps.1.claims"),
    "arguments are a text": (put("trace", "steps", 0, "arguments", "x"), "trace.steps.0.arguments"),
    "verdict": (put("claims", 0, "verdict", '"><script>'), "claims.0.verdict"),
    "author": (put("claims", 0, "author", "eve"), "claims.0.author"),
    "kind": (put("claims", 0, "kind", "rumour"), "claims.0.kind"),
    "stated is a text": (put("claims", 0, "stated", {"both": "<b>"}), "claims.0.stated.both"),
    "level": (put("claims", 0, "stated", {"level": 9}), "level"),
    "found is a list": (put("claims", 0, "found", [1]), "claims.0.found"),
    "edges name no edge": (put("claims", 0, "edges", [0]), "claims.0.edges"),
    "graph": (put("graph", "nodes", [{"id": 1, "kind": "x", "label": "y"}]), "graph.nodes.0.id"),
    "weight": (put("graph", "edges", [{"source": "a", "target": "b", "kind": "c", "weight": "1"}]), "weight"),
    "titles": (put("titles", {"b1": 1}), "titles.b1"),
    "books": (put("books", {"b1": {"number": "<b>"}}), "books.b1.number"),
    "year": (put("books", {"b1": {"year": 10**9}}), "books.b1.year"),
    "genres": (put("books", {"b1": {"genres": "sf"}}), "books.b1.genres"),
    "measures": (put("measures", {"erasure": "high"}), "measures.erasure"),
    "deep": (put("extra", deep(40)), "more than 16 deep"),
    "very deep": (put("extra", "DEEP"), "deep"),
    "NaN": (put("items", 0, "score", float("nan")), "NaN"),
    "infinity": (put("extra", float("inf")), "Infinity"),
}  # fmt: skip


@pytest.mark.parametrize("case", RUN)
def test_a_run_that_does_not_fit_names_file_record_and_field(
    untouched: Database, exported: Path, tmp_path: Path, case: str
) -> None:
    change, field = RUN[case]
    made = in_run(change)
    if case == "very deep":
        inner = made

        def made(row: dict[str, Any]) -> None:
            inner(row)
            row["runs"] = row["runs"].replace('"DEEP"', "[" * 200_000 + "]" * 200_000)

    refused_whole(
        untouched, written(exported, tmp_path / "x", "records.jsonl", made), field, "records.jsonl, record '"
    )


RECORD: dict[str, tuple[Change, str]] = {
    "position": (put("position", -1), "position"),
    "position too large": (put("position", 2**31), "position"),
    "position is a text": (put("position", "1"), "position"),
    "systems are no list": (put("systems", '"star"'), "systems"),
    "a system nobody knows": (put("systems", '["gpt"]'), "systems"),
    "two systems": (put("systems", '["star", "mars"]'), "systems"),
    "two runs": (lambda row: put("runs", json.dumps(json.loads(row["runs"]) * 2))(row), "runs"),
    "no JSON": (put("runs", "{"), "runs is not JSON"),
    "runs of thousands of digits": (put("runs", "[" + "9" * 5_000 + "]"), "runs"),
    "a scenario that is a book": (put("scenario", LONG), "scenario"),
    "gold of no criterion": (put("gold", '{"ratings": {"taste": 1}, "choice": null}'), "gold"),
    "gold of 9": (put("gold", '{"ratings": {"plan": 9}, "choice": null}'), "gold"),
    "gold of a pair": (put("gold", '{"ratings": {}, "choice": "left"}'), "gold"),
    "gold without ratings": (put("gold", '{"choice": null}'), "gold.ratings"),
}
FLAG = {"step": 0, "reason": "", "side": None, "start": None, "end": None, "text": ""}
ANSWER: dict[str, tuple[Change, str]] = {
    "a record that is not there": (put("record", "99"), "record"),
    "kind": (put("kind", "shouted"), "kind"),
    "number": (put("number", 0), "number"),
    "number too large": (put("number", 2**40), "number"),
    "at": (put("at", 1e300), "at"),
    "at is NaN": (put("at", float("nan")), "at"),
    "seconds": (put("seconds", -1.0), "seconds"),
    "ratings": (put("ratings", '{"plan": 7}'), "plan is rated"),
    "ratings are a list": (put("ratings", "[]"), "ratings"),
    "a rating is a float": (put("ratings", '{"plan": 3.0}'), "ratings.plan"),
    "flags": (put("flags", '[{"step": "0"}]'), "flags.0"),
    "a flag with more": (put("flags", json.dumps([FLAG | {"x": 1}])), "flags.0.x"),
    "a flag on no step": (put("flags", json.dumps([FLAG | {"step": 99}])), "step 99"),
    "a long note": (put("note", LONG), "note"),
    "a pseudonym that is HTML": (put("annotator", "<script>"), "annotator"),
    "a long pseudonym": (put("annotator", "a" * 33), "annotator"),
    "no pseudonym": (put("annotator", ""), "annotator"),
    "somebody's name": (put("annotator", "Zed"), "somebody here has that name"),
}  # fmt: skip
ABOUT: dict[str, tuple[Change, str]] = {
    "overlap": (put("overlap", 10**12), "overlap"),
    "overlap is a float": (put("overlap", 1.0), "overlap"),
    "gold_share": (put("gold_share", float("nan")), "NaN"),
    "share": (put("gold_share", 0.9), "share"),
    "threshold": (put("threshold", -1), "threshold"),
    "seed": (put("seed", 2**63), "seed"),
    "kind": (put("kind", "triple"), "kind"),
    "name": (put("name", "x" * 81), "name"),
    "name is a number": (put("name", 7), "name"),
    "systems": (put("systems", [{"name": "star", "checkpoint": 1, "hash": ""}]), "systems.0.checkpoint"),
    "no systems": (put("systems", []), "systems"),
    "rubric": (put("rubric", []), "rubric"),
    "rubric without questions": (put("rubric", "criteria", []), "criteria"),
    "rubric that is deep": (put("rubric", "title", deep(40)), "deep"),
    "no name": (lambda about: about.__delitem__("name"), "name"),
    "a list": (lambda about: "[]", "campaign.json"),
    "deep": (lambda about: "[" * 100_000, "deep"),
    "not text": (lambda about: "{", "not JSON"),
}
ROWS = [("records.jsonl", case, *RECORD[case]) for case in RECORD] + [
    ("answers.jsonl", case, *ANSWER[case]) for case in ANSWER
] + [("campaign.json", case, *ABOUT[case]) for case in ABOUT]  # fmt: skip


@pytest.mark.parametrize(("file", "case", "change", "field"), ROWS, ids=[f"{r[0]} {r[1]}" for r in ROWS])
def test_a_row_that_does_not_fit_names_it(
    with_zed: Database, exported: Path, tmp_path: Path, file: str, case: str, change: Change, field: str
) -> None:
    refused_whole(with_zed, written(exported, tmp_path / "x", file, change), field, "")


def refused_whole(database: Database, folder: Path, field: str, place: str) -> None:
    boss = annotating.lead(database)

    def counts() -> list[int]:
        tables = (
            models.Campaign,
            models.Record,
            models.RubricVersion,
            models.Annotator,
            models.Response,
            models.Event,
        )
        with database.read() as session:
            return [session.scalar(sa.select(sa.func.count()).select_from(t)) or 0 for t in tables]

    before = counts()
    with pytest.raises(UserError) as refused:
        import_campaign(database, boss, folder)
    words = str(refused.value)
    assert field in words and place in words and "\n" not in words and len(words) < 900, words[:900]
    assert counts() == before, "something was half-imported"


def test_what_was_exported_comes_in(database: Database, exported: Path) -> None:
    made = import_campaign(database, annotating.lead(database), exported)
    assert (made.records, made.answers, made.left_out) == (3, 3, 0)
    with pytest.raises(UserError, match="already a campaign called 'first'"):
        import_campaign(database, annotating.lead(database), exported)
    assert len(rubric.versions(database)) == 1


@pytest.mark.parametrize("file", ["records", "answers"])
def test_a_row_that_is_there_twice(exported: Path, tmp_path: Path, file: str) -> None:
    def twice(row: dict[str, Any]) -> str:
        return json.dumps(row) + "\n" + json.dumps(row)

    with annotating.ready("sqlite", tmp_path) as database:
        refused_whole(
            database, written(exported, tmp_path / "x", f"{file}.jsonl", twice), "twice", f"{file}.jsonl"
        )


def test_runs_of_our_own_fit(database: Database) -> None:
    boss = annotating.lead(database)
    run = json.loads(json.dumps(run_of(toy.ToyRecommender(delay=0), Query((0, 1)))))
    check_runs([run], "own")
    form = rubric.publish(database, boss, rubric.default())
    from star.annotation.workflow import campaigns

    plan = campaigns.Plan("x", "toy", annotating.systems("star"), form.id)
    run["items"][0]["rank"] = "1"
    with pytest.raises(UserError, match=r"a run of star: items\.0\.rank"):
        campaigns.create(database, boss, plan, [Sample(("star",), (run,))])
    assert campaigns.names(database) == {}
