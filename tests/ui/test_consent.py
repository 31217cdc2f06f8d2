"""The consent to keep feedback: what a browser sends is checked, and taking it back deletes."""

from __future__ import annotations

from typing import Any

import pytest
import toy

from star.annotation.storage.database import Database, Unavailable
from star.annotation.storage.feedback import feedback
from star.errors import UserError
from star.recommend.recommendation import Query
from star.recommend.recommender import answer
from star.ui import consent
from star.ui.archive import Archive
from star.ui.runs import Runs

DATA = toy.dataset()
TOKEN = "1" * 32


@pytest.fixture
def kept(database: Database) -> tuple[Runs, Archive, dict[str, Any]]:
    """Runs with one answer, and what a press on its first card sends."""
    archive = Archive(database, lambda: DATA)
    runs = Runs(archive=archive)
    run, done = runs.begin("s"), answer(toy.ToyRecommender(DATA, 0), Query((3, 0)))
    runs.keep(run, done, DATA.catalog)
    return runs, archive, {"token": TOKEN, "run": run, "item": done.items[0].item, "do": "more"}


def rows(database: Database) -> list[tuple[str, str]]:
    return [(each.item, each.said) for each in feedback(database, "toy")]


def test_it_is_kept_changed_undone_and_taken_back(
    database: Database, kept: tuple[Runs, Archive, dict[str, Any]]
) -> None:
    runs, archive, value = kept
    item = DATA.catalog[value["item"]].id
    for do, there in (("more", [(item, "more")]), ("no", [(item, "no")]), (None, []), ("read", [(item, "read")])):
        consent.said(runs, archive, value | {"do": do})
        assert rows(database) == there
    archive.unsay(TOKEN)
    assert rows(database) == []


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""},
        {"token": 7},
        {"token": "x" * 32},
        {"run": "0" * 32},
        {"run": None},
        {"item": 10**6},
        {"item": True},
        {"item": "3"},
        {"item": 3},
        {"do": "hate"},
        {"do": ["more"]},
        {"do": None, "item": -1},
    ],
)
def test_what_a_browser_sends_is_checked(
    database: Database, kept: tuple[Runs, Archive, dict[str, Any]], change: dict[str, Any]
) -> None:
    runs, archive, value = kept
    with pytest.raises(UserError):
        consent.said(runs, archive, value | change)
    with pytest.raises(UserError):
        consent.said(runs, archive, "more")
    assert rows(database) == []


@pytest.mark.parametrize(("did", "there"), [("take_off", 1), ("silence", 0)])
def test_an_answer_under_cut_evidence_trains_nothing(
    database: Database, kept: tuple[Runs, Archive, dict[str, Any]], did: str, there: int
) -> None:
    runs, archive, value = kept
    found = runs.get(value["run"])
    assert found is not None
    changed = value | {"run": runs.begin("t")}
    runs.keep(changed["run"], found.answer, found.catalog, ({"do": did, "words": "what was changed"},))
    if there:
        consent.said(runs, archive, changed)
    else:
        with pytest.raises(UserError, match="evidence was cut"):
            consent.said(runs, archive, changed)
    assert len(rows(database)) == there
    consent.said(runs, archive, changed | {"do": None})
    assert rows(database) == []


def test_a_database_that_is_away_is_said(
    kept: tuple[Runs, Archive, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, archive, value = kept

    def away(*_: object) -> None:
        raise Unavailable("it is away")

    monkeypatch.setattr("star.annotation.storage.feedback.keep", away)
    assert consent._tried(lambda: consent.said(runs, archive, value)) == {"error": "it is away"}
