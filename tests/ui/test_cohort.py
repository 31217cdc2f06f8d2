"""The cohort on the page: values of the browser are checked, one at a time, rows open what was answered, Stop stops."""

from __future__ import annotations

import re
from typing import Any

import pytest
import toy

from star.data.words import BOOK, FILM
from star.display import CLOSE, OPEN
from star.questions.cohort import Member
from star.recommend.recommendation import Query
from star.recommend.recommender import answer
from star.ui.loader import Loader
from star.ui.runs import Runs
from star.ui.tabs import cohort as tab
from star.ui.views.cohort_view import columns, row, template

DATA = toy.dataset()


@pytest.fixture(scope="module")
def loader() -> Loader:
    made = Loader(lambda: toy.ToyRecommender(DATA, 0))
    made.start()
    assert made.recommender(10) is not None
    return made


def asked(loader: Loader, runs: Runs, *values: Any, session: str = "s") -> list[Any]:
    return list(tab.answered(loader, runs, session, *values))


def said(update: Any) -> str:
    return re.sub(r"<[^>]*>", "", update[0][0]["html"])


def test_rows_come_bit_by_bit_and_open_what_was_answered(loader: Loader) -> None:
    runs = Runs()
    updates = asked(loader, runs, 11, 5, 200, 3)
    assert [len(update[1]["rows"]) for update in updates if "rows" in update[1]] == [8, 11]
    assert said(updates[-1]).startswith("11 of 11, from")
    for each in updates[-2][1]["rows"]:
        found = runs.get(each["run"])
        assert found is not None and found.answer.query.reader == each["reader"]
        assert each["cells"][2][0] == DATA.catalog[found.answer.items[0].item].title
        assert [len(each["cells"]), each["cells"][4]] == [len(columns(BOOK)), ["1 of 2", 1]]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0, 5, 200, 0), "number of readers is 0"),
        ((201, 5, 200, 0), "from 1 to 200"),
        ((2.5, 5, 200, 0), "whole number"),
        ((None, 5, 200, 0), "whole number"),
        ((10, "5", 200, 0), "number of books is 5"),
        ((10, 5, 200, -1), "The seed"),
        ((10, 900, 1000, 0), "No reader has from 900 to 1,000 books"),
    ],
)
def test_what_cannot_be_asked_is_said(loader: Loader, values: tuple[Any, ...], words: str) -> None:
    *_, last = asked(loader, Runs(), *values)
    assert words in said(last) and "error" in last[0][0]["html"]


def test_another_visitor_waits_and_the_same_one_begins_again(loader: Loader) -> None:
    runs = Runs()
    first = tab.answered(loader, runs, "s", 20, 5, 200, 0)
    next(first), next(first)
    assert "Another cohort" in said(asked(loader, runs, 1, 5, 200, 0, session="t")[-1])
    again = asked(loader, runs, 1, 5, 200, 0)
    assert said(again[-1]).startswith("1 of 1")
    assert said(list(first)[-1]).startswith("Stopped")
    assert said(asked(loader, runs, 1, 5, 200, 0, session="t")[-1]).startswith("1 of 1")


def test_a_turn_that_nobody_renews_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = tab.Turn(held=0.0)
    assert turn.take("s", "1") and turn.take("t", "2")
    turn.give("s", "1")
    assert turn._owner == ("t", "2")


def test_stop_keeps_what_was_answered(loader: Loader) -> None:
    runs = Runs()
    going = tab.answered(loader, runs, "s", 30, 5, 200, 0)
    next(going), next(going)
    runs.stop("s cohort")
    *_, last = going
    assert said(last).startswith("Stopped: 16 of 25") and len(last[1]["rows"]) == 16


def test_titles_are_isolated_and_heads_explain_themselves() -> None:
    data = toy.hostile()
    done = answer(toy.ToyRecommender(data, 0), Query(tuple(map(int, data.interactions.history(4))), 4))
    made = row(Member(done, False), "0" * 32, data.catalog)
    first = data.catalog[done.items[0].item].title
    assert made["cells"][2][0] == (f"{OPEN}{first}{CLOSE}" if first == toy.HEBREW else made["cells"][2][0])
    assert made["cells"][0] == ["Reader 5", 4] and made["cells"][5] == ["no", 0]
    shown = template(FILM)
    assert shown.count("title=") == len(columns(FILM)) and "film" in shown and "book" not in shown.lower()
