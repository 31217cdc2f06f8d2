"""What the database behind the page keeps: answers that outlive the server, and votes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import answering
import pytest
import toy
from fastapi.testclient import TestClient

from star.annotation.storage import runs as stored
from star.annotation.storage.database import Database, Unavailable
from star.annotation.storage.votes import votes
from star.recommend.recommendation import Query
from star.recommend.recommender import Recommender, answer
from star.recommend.turns import Turns
from star.ui.archive import Archive
from star.ui.duel import Duel
from star.ui.loader import Loader
from star.ui.runs import Runs
from star.ui.server import application
from star.ui.tabs import explore, question

DATA = toy.dataset()


def loader(recommender: Recommender | None = None) -> Loader:
    made = Loader(lambda: recommender or toy.ToyRecommender(DATA, 0))
    made.start()
    assert made.recommender(10) is not None
    return made


def restarted(database: Database, recommender: Recommender | None = None, **options: Any) -> Runs:
    """The runs of a server that has just started on this database."""
    return Runs(archive=Archive(database, loader(recommender).dataset, **options))


def text(update: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", block["html"]) for block in update)


def test_an_answer_outlives_the_server_exactly_as_it_was(database: Database) -> None:
    before = restarted(database)
    asked = {"mode": "reader", "reader": 3, "k": 4, "seed": 7}
    shown = list(explore.answer(loader(), before, Turns(), "s", asked))[-1]
    run = json.loads(shown[3]["drawn"])["run"]
    after = restarted(database)
    assert explore.restored(after, {"run": run}, DATA.catalog.words) == shown
    found, kept = after.get(run), before.get(run)
    assert found is not None and kept is not None
    assert found.answer == kept.answer and abs(found.at - kept.at) < 60
    client = TestClient(application(loader(), archive=after.archive), base_url="http://127.0.0.1")
    again = client.get(f"/star-runs/{run}/recommendation.json").json()
    assert [item["id"] for item in again["items"]] == [DATA.catalog[r.item].id for r in kept.answer.items]
    assert client.get(f"/star-runs/{'0' * 32}/recommendation.json").status_code == 404


def test_a_question_is_asked_about_an_answer_of_before_the_restart(database: Database) -> None:
    teacher = answering.recommender("teacher")
    before = restarted(database, teacher)
    run = before.begin("s")
    before.keep(run, answer(teacher, answering.query(0)), teacher.dataset.catalog)
    value: dict[str, Any] = {"run": run, "kind": "what_if", "edits": []}
    after = restarted(database, teacher)
    *_, shown, end = question.asked(loader(teacher), after, "s", value, Duel())
    assert "No change is in force" in text(shown[1]) and "Done" in text(end[0])


def test_what_was_changed_before_an_answer_outlives_the_server(database: Database) -> None:
    before = restarted(database)
    run, done = before.begin("s"), answer(toy.ToyRecommender(DATA, 0), Query((3,)))
    changes = ({"do": "add", "item": DATA.catalog[3].id, "words": "Dune is added as the latest book"},)
    before.keep(run, done, DATA.catalog, changes)
    after = restarted(database)
    assert after.headings([run])[run].changed == ("Dune is added as the latest book",)
    found = after.get(run)
    assert found is not None and found.changes == changes and found.whole == done
    client = TestClient(application(loader(), archive=after.archive), base_url="http://127.0.0.1")
    assert client.get(f"/star-runs/{run}/recommendation.json").json()["changes"] == list(changes)
    assert "Dune is added" in client.get(f"/star-runs/{run}/report.html").text


def test_an_answer_about_other_data_says_so(database: Database) -> None:
    runs = restarted(database)
    run = runs.begin("s")
    runs.keep(run, answer(toy.ToyRecommender(DATA, 0), Query((3,))), DATA.catalog)
    other = restarted(database, toy.ToyRecommender(replace(DATA, name="another"), 0))
    with pytest.raises(Exception, match=r"about the data set .*toy.*serves .*another"):
        other.get(run)
    short = replace(DATA, catalog=replace(DATA.catalog, items=DATA.catalog.items[:5]))
    with pytest.raises(Exception, match="no longer has"):
        restarted(database, toy.ToyRecommender(short, 0)).get(run)


def test_without_a_database_answers_are_in_memory(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """A database that is away costs no answer, and nobody waits for it twice."""
    runs, tried = restarted(database), []

    def away(*_: object) -> bool:
        tried.append(1)
        raise Unavailable("it is away")

    monkeypatch.setattr(stored, "keep", away)
    for _ in range(3):
        run = runs.begin("s")
        runs.keep(run, answer(toy.ToyRecommender(DATA, 0), Query((3,))), DATA.catalog)
        assert runs.get(run) is not None
    assert len(tried) == 1 and restarted(database).get(run) is None


def test_what_a_browser_asks_for_is_looked_up_only_if_it_is_an_id(database: Database) -> None:
    runs = restarted(database)
    database.close()
    for odd in ("", "x", "0" * 31, "0" * 33, "A" * 32, "' OR 1=1 --", None, 7, ["0" * 32], {"run": 1}):
        assert runs.get(odd) is None


def test_the_archive_is_bounded(database: Database) -> None:
    runs = restarted(database, most=2)
    ids = [runs.begin("s") for _ in range(4)]
    for run in ids:
        runs.keep(run, answer(toy.ToyRecommender(DATA, 0), Query((3,))), DATA.catalog)
    after = restarted(database)
    assert [after.get(run) is not None for run in ids] == [False, False, True, True]


def test_a_vote_is_in_the_database_with_sides_and_systems(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    student = answering.recommender("student")
    runs, ready = restarted(database, student), loader(student)
    duel, run = Duel(runs.archive), runs.begin("s")
    runs.keep(run, answer(student, answering.query(0)), student.dataset.catalog)
    for choice in ("left", "tie"):
        *_, shown, _ = question.asked(ready, runs, "s", {"run": run, "kind": "duel"}, duel)
        assert "mars" not in text(shown[1])
        drawn = duel.ballot.close("s")
        assert drawn is not None
        duel.ballot.reopen("s", drawn)
        *_, shown, _ = question.asked(ready, runs, "s", {"run": run, "kind": choice}, duel)
        vote = list(votes(database))[-1]
        systems = [drawn.found.first.name, drawn.found.second.name]
        assert [vote.left.checkpoint, vote.right.checkpoint] == (systems if drawn.left_first else systems[::-1])
        assert vote.choice == choice and vote.seconds >= 0 and re.fullmatch("v-[0-9a-f]{12}", vote.visitor)
        left = restarted(database, student).get(vote.left.key)
        side = drawn.found.first if drawn.left_first else drawn.found.second
        assert left is not None and left.answer == side.answer
    assert "2 votes so far" in text(shown[1]) and "ties 1" in text(shown[1])
    *_, shown, _ = question.asked(ready, runs, "s", {"run": run, "kind": "duel"}, duel)

    def away(*_: object) -> None:
        raise Unavailable("it is away")

    monkeypatch.setattr("star.annotation.storage.votes.cast", away)
    *_, refused = question.asked(ready, runs, "s", {"run": run, "kind": "left"}, duel)
    assert "could not be stored" in text(refused[0]) and duel.ballot.close("s") is not None
