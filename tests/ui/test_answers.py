"""The tab with one's own answers on the server: headings for who knows the ids, and two answers side by side."""

from __future__ import annotations

import re
from typing import Any

import toy

from star.data.words import BOOK, FILM
from star.display import CLOSE, OPEN
from star.questions.compare import side_by_side
from star.recommend.recommendation import Query
from star.recommend.recommender import answer
from star.ui.archive import Heading
from star.ui.runs import Runs
from star.ui.tabs.answers import compared
from star.ui.views.answers_view import named, row, template

DATA = toy.dataset()


def kept(*queries: Query) -> tuple[Runs, list[str]]:
    runs, ids = Runs(), []
    for query in queries:
        ids.append(runs.begin("s"))
        runs.keep(ids[-1], answer(toy.ToyRecommender(DATA, 0), query), DATA.catalog)
    return runs, ids


def text(update: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", block["html"]) for block in update)


def test_headings_are_given_for_known_ids_in_their_order() -> None:
    runs, (one, two) = kept(Query((3, 0)), Query((11,), 4))
    found = runs.headings([two, "0" * 32, one, 7, None, "x"])
    assert list(found) == [two, one]
    assert (found[one].reader, found[one].length, found[two].reader) == (None, 2, 4)
    first = runs.get(one)
    assert first is not None and found[one].first == DATA.catalog[first.answer.items[0].item].title


def test_two_answers_stand_side_by_side_under_names_of_their_own() -> None:
    runs, (one, two) = kept(Query((3, 0)), Query(tuple(map(int, DATA.interactions.history(4))), 4))
    status, shown = compared(runs, {"one": one, "other": two})
    said = text(shown)
    assert status == [] and "A: a shelf of 2 books" in said and "B: Reader 5" in said
    assert "each on candidates of its own" in said and "speaks most" not in said
    for wrong in (None, {}, {"one": one}, {"one": one, "other": "0" * 32}, {"one": [one], "other": two}):
        status, shown = compared(runs, wrong)
        assert "no longer kept" in text(status) and shown == []


def test_answers_over_other_candidates_have_no_evidence_in_common() -> None:
    one, other = (answer(toy.ToyRecommender(DATA, 0), Query(shelf)) for shelf in ((3,), (15,)))
    found = side_by_side(one, other, DATA.catalog)
    assert not found.same and found.place is not None and found.lines == () and found.parts is None


def test_rows_are_plain_words_of_the_data_set() -> None:
    made = row("0" * 32, Heading(None, 1, toy.HEBREW, "star", 5.0), FILM)
    assert f"{OPEN}{toy.HEBREW}{CLOSE}" in made["note"] and "1 film" in made["title"]
    assert named(16, 3, BOOK) == "Reader 17"
    made = row("0" * 32, Heading(None, 1, "Emma", "star", 5.0, ("Dune is added", "Emma goes")), BOOK)
    assert made["note"] == "what if: Dune is added; Emma goes · first: Emma · star"
    shown = re.sub(r"<[^>]*>", " ", template(FILM))
    assert not re.search(r"\b(books?|readers?)\b", shown, re.IGNORECASE)
