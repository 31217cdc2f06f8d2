"""What `star …` prints of hostile names and arguments: nothing that steers a terminal or turns a line around."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import annotating
import pytest
import sqlalchemy as sa
import toy

from star.annotation.storage import store
from star.annotation.storage.migrate import open_database
from star.annotation.workflow import people, queue, rubric
from star.cli import app as cli
from star.cli.evaluate import _show
from star.data import dataset
from star.data.catalog import Catalog
from star.display import CLOSE, OPEN
from star.evaluation.tabular import Table

STEERS = "\x1b[31m\x9b2J\x1b]0;x\x07\x08\u202e\u2066\u2028\x7f"
HOSTILE = f"{STEERS}nul\nnext"
HEBREW = "שלום, עולם!"
ALLOWED = {"\n", OPEN, CLOSE}


def harmless(text: str) -> bool:
    """No control character, no character that forces a direction, isolates closed within their line."""
    bad = set(
        map(chr, (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028))
    )
    lines = text.split("\n")
    return not (set(text) - ALLOWED) & bad and all(one.count(OPEN) == one.count(CLOSE) for one in lines)


Star = Any


@pytest.fixture
def star(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Star:
    """`star(*words)` returns exit status, standard output and standard error; data and database are the test's own."""
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    monkeypatch.setenv("STAR_DATABASE_URL", str(tmp_path / "annotations.sqlite"))
    monkeypatch.setattr(dataset, "names", lambda: ["hostile"])

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["star", *map(str, words)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        return int(done.value.code or 0), *capfd.readouterr()

    return run


@pytest.mark.parametrize(
    "words",
    [
        (HOSTILE,),
        (f"--{HOSTILE}",),
        ("annotations", HOSTILE),
        ("annotations", "status", "--as", HOSTILE),
        ("annotations", "status", f"--{HOSTILE}"),
        ("annotations", "create", HOSTILE, "--difficulty", HOSTILE),
        ("annotations", "create", HOSTILE, "--system", HOSTILE),
        ("annotations", "create", HOSTILE, "--scenario", HOSTILE),
        ("annotations", "withdraw", HOSTILE),
        ("annotations", "export", HOSTILE, HOSTILE),
        ("annotations", "import", HOSTILE),
        ("annotations", "agreement", HOSTILE),
        ("annotations", "adjudicate", HOSTILE, "1"),
        ("annotations", "adjudicate", HOSTILE, HOSTILE),
        ("annotations", "rubric", HOSTILE),
        ("annotations", "restore", HOSTILE),
        ("annotators", "add", HOSTILE, "--role", HOSTILE, "--password-file", __file__),
        ("annotators", "password", HOSTILE, "--password-file", HOSTILE),
        ("import", HOSTILE, "x", "--name", "x"),
        ("import", "table", HOSTILE, "--name", HOSTILE),
        ("import", "table", "x.csv", "--name", "x", "--column", HOSTILE),
        ("recommend", "--dataset", HOSTILE, "--user", "1"),
        ("recommend", HOSTILE),
        ("recommend", "--k", HOSTILE),
        ("recommend", "--user", "r0007", "--model", "mars", "--seed", "-1"),
        ("evaluate", "--dataset", HOSTILE),
        ("evaluate", "--json", f"/none/{HOSTILE}"),
        ("evaluate", "--tasks", HOSTILE),
        ("tasks", HOSTILE, "--dataset", HOSTILE),
        ("serve", "--dataset", HOSTILE),
        ("serve", "--port", HOSTILE),
        ("recommend", "--user", "byte \udcff", "--dataset", "\udcff"),
    ],
)
def test_arguments_come_back_clean(star: Star, words: tuple[str, ...]) -> None:
    status, out, err = star(*words)
    assert status == 2 and out == "" and err
    assert harmless(err), err


def hostile_data() -> dataset.Dataset:
    """The toy data set; first names that steer, then names that read from right to left."""
    data = toy.dataset()
    items = tuple(
        replace(item, title=f"{name} {n}", creators=(name,), series=name, genres=(name,))
        for n, item in enumerate(data.catalog)
        for name in ((HOSTILE, HEBREW)[n % 2],)
    )
    manifest = data.manifest | {"title": HOSTILE, "licence": HEBREW}
    return replace(data, catalog=Catalog(items), manifest=manifest)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> toy.ToyRecommender:
    data = hostile_data()
    made = toy.ToyRecommender(data, delay=0)
    monkeypatch.setattr("star.data.loading.load_dataset", lambda _: data)
    monkeypatch.setattr("star.methods.answering.recommender_for", lambda *_: made)
    return made


def test_recommend(star: Star, model: toy.ToyRecommender) -> None:
    status, out, err = star("recommend", "--shelf", "b2,b1")
    assert status == 0 and harmless(out) and harmless(err)
    assert f"{OPEN}{HEBREW} " in out and "nul next " in out
    bare = "".join(part.split(CLOSE)[-1] for part in out.split(OPEN))
    assert "שלום" not in bare, "a right-to-left name that is not isolated"


def test_recommend_as_json_keeps_every_value(star: Star, model: toy.ToyRecommender) -> None:
    status, out, _ = star("recommend", "--shelf", "b2,b1", "--json")
    assert status == 0 and harmless(out)
    document, titles = json.loads(out), {item.title for item in model.dataset.catalog}
    assert {item["title"] for item in document["items"]} <= titles
    assert any(STEERS in step["text"] for step in document["trace"]["steps"])


def test_datasets(star: Star, tmp_path: Path) -> None:
    hostile_data().save(tmp_path / "sets" / "hostile")
    manifest = tmp_path / "sets" / "hostile" / "manifest.json"
    counts = {"counts": {"readers": 1, "items": 2, "interactions": 3}}
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | counts), "utf-8")
    status, out, err = star("datasets")
    assert status == 0 and harmless(out) and err == ""
    assert out == f"hostile:  nul next; 1 readers, 2 items, 3 interactions; {OPEN}{HEBREW}{CLOSE}\n"
    status, out, _ = star("datasets", "--json")
    assert harmless(out) and json.loads(out)[0]["title"] == HOSTILE


def test_import(star: Star, tmp_path: Path) -> None:
    file = tmp_path / f"log{STEERS.replace('[', '')}.csv"
    file.write_text("user,item,time\n" + "".join(f"u{n % 3},i{n},{n}\n" for n in range(9)), "utf-8")
    status, out, err = star(
        "import", "table", file, "--name", "x", "--min-item-readers", 1, "--min-reader-items", 1
    )
    assert status == 0 and out == "" and harmless(err) and "x: 3 users" in err, err
    status, _, err = star("import", "table", file, "--name", "x", "--column", f"user={HOSTILE}")
    assert status == 2 and harmless(err)


def test_annotations(star: Star, tmp_path: Path) -> None:
    database = open_database()
    number = annotating.campaign(database, 2, 1, overlap=1)
    person = people.enter(database, "Ann")
    while (given := queue.claim(database, person, number)) is not None:
        store.submit(database, person, given.uuid, 1, annotating.full(4))
    with database.write() as session:
        # Names are cleaned before they are stored; a database may hold others all the same.
        for (trigger,) in session.execute(
            sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        ).all():
            session.execute(sa.text(f"DROP TRIGGER {trigger}"))
        session.execute(sa.text("UPDATE campaigns SET name = :name"), {"name": HOSTILE})
        session.execute(
            sa.text("UPDATE annotators SET name = :name WHERE name = 'Ann'"), {"name": HEBREW + STEERS}
        )
    form = tmp_path / f"form{STEERS}.yaml"
    form.write_text(rubric.text(rubric.default()), "utf-8")
    for words in (
        ("annotations", "status"),
        ("annotations", "status", number),
        ("annotations", "agreement", number),
        ("annotations", "adjudicate", number),
        ("annotations", "export", number, tmp_path / f"out{STEERS}"),
        ("annotations", "import", tmp_path / f"out{STEERS}", "--name", "again"),
        ("annotations", "rubric"),
        ("annotations", "rubric", "--show", 0),
        ("annotations", "rubric", form),
        ("annotations", "backup", tmp_path / f"copy{STEERS}.sqlite"),
        ("annotators", "list"),
    ):
        status, out, err = star(*words)
        assert status == 0, (words, err)
        assert out and harmless(out) and harmless(err), (words, out, err)
    shown = json.loads(star("annotations", "status", number, "--json")[1])["campaigns"][0]
    assert (
        shown["plan"]["name"] == HOSTILE and shown["status"]["people"][0]["person"]["name"] == HEBREW + STEERS
    )
    status, _, err = star("annotations", "status", HOSTILE[::-1])
    assert status == 2 and harmless(err) and "there is no campaign" in err
    database.close()


@pytest.mark.parametrize("markdown", [False, True])
def test_tables_of_evaluate(
    markdown: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = [Table(f"{HOSTILE} [bold]as text[/bold]", (f"{STEERS}[head]",), ((f"{HEBREW}[/x]{STEERS}",),))]
    monkeypatch.setattr("star.evaluation.report.tables", lambda _: shown)
    _show({}, markdown)
    out = capfd.readouterr().out
    assert harmless(out) and "[bold]as text[/bold]" in " ".join(out.split())
    assert "[head]" in out and "[/x]" in out
