"""Runs of the page in the database: found by their key alone, exactly as they were, and bounded."""

from __future__ import annotations

import json

import answering
import pytest
import sqlalchemy as sa
import toy

from star.annotation.storage import runs, votes
from star.annotation.storage.database import Database
from star.annotation.storage.schema import check_runs
from star.annotation.workflow.frozen import kept_document, reopened
from star.data.catalog import Catalog
from star.errors import UserError
from star.questions.running import fixed
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import answer

DATA = toy.dataset()


def key(number: int) -> str:
    return f"{number:032x}"


def document(*shelf: int) -> dict:
    return kept_document(answer(toy.ToyRecommender(DATA, 0), Query(shelf)), DATA.catalog)


def answers() -> list[tuple[Recommendation, Catalog]]:
    """Of the toy, the teacher and a student: for a shelf, for a reader, over given candidates, with a seed."""
    made = [
        (answer(toy.ToyRecommender(DATA, 0), query), DATA.catalog)
        for query in (Query((3,)), Query(tuple(map(int, DATA.interactions.history(4))), 4, None, 3, 7))
    ]
    for name in answering.NAMES:
        recommender = answering.recommender(name)
        first = answer(recommender, answering.query(0))
        again = answer(recommender, fixed(answering.query(0, k=2), first.candidates))
        made += [(each, recommender.dataset.catalog) for each in (first, again)]
    return made


def test_an_answer_comes_back_exactly_as_it_was(database: Database) -> None:
    for number, (before, catalog) in enumerate(answers()):
        written = kept_document(before, catalog)
        check_runs([json.loads(json.dumps(written))], "a run")
        assert runs.keep(database, key(number), written, "ab12")
        found = runs.find(database, key(number))
        assert found is not None and found.hash == "ab12" and found.at > 0
        assert (found.dataset, found.checkpoint) == (before.dataset, before.checkpoint)
        assert reopened(found.document, catalog) == before


def test_a_run_is_read_by_the_ids_of_its_items() -> None:
    before, catalog = answers()[0]
    turned = Catalog(tuple(reversed(catalog.items)), catalog.words)
    again = reopened(json.loads(json.dumps(kept_document(before, catalog))), turned)
    assert [turned[r.item].title for r in again.items] == [catalog[r.item].title for r in before.items]
    with pytest.raises(UserError, match="not in the catalogue"):
        reopened(kept_document(before, catalog), Catalog(catalog.items[:2]))


def test_the_oldest_are_dropped_and_unknown_keys_find_nothing(database: Database) -> None:
    written = document(3)
    for number in range(6):
        runs.keep(database, key(number), written, most=3)
    kept = [runs.find(database, key(number)) is not None for number in range(6)]
    assert kept == [False, False, False, True, True, True]
    assert runs.find(database, "") is None and runs.find(database, "' OR 1=1 --") is None
    runs.keep(database, key(5), document(0), most=3)
    found = runs.find(database, key(5))
    assert found is not None and found.document == json.loads(json.dumps(written)), "a key is written once"


def test_a_run_that_a_vote_names_is_not_dropped(database: Database) -> None:
    left, right = votes.VotedRun(key(1), document(3)), votes.VotedRun(key(2), document(0))
    votes.cast(database, left, right, "left", "v-1", 2.0)
    for number in range(3, 9):
        runs.keep(database, key(number), document(3), most=2)
    kept = [number for number in range(1, 9) if runs.find(database, key(number)) is not None]
    assert kept == [1, 2, 7, 8]


def test_a_document_that_is_too_large_is_not_stored(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LARGEST", 100)
    assert not runs.keep(database, key(1), document(3))
    with database.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM runs")) == 0
