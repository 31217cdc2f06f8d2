"""What the stepper plays: every word once, a tool's apart from the model's, titles in place of items."""

from __future__ import annotations

from dataclasses import replace

import answering
import pytest
import toy

from star.data.catalog import Catalog
from star.data.words import FILM
from star.recommend.recommendation import Query
from star.recommend.recommender import answer
from star.trace.grammar import item_row
from star.ui.views.stepper_view import played, shown, template


@pytest.mark.parametrize("name", answering.NAMES)
def test_every_word_is_there_once(name: str) -> None:
    made = answering.recommender(name)
    done, catalog = answer(made, answering.query(1)), made.dataset.catalog
    steps = played(done, catalog, "x")["steps"]
    assert [step["own"] for step in steps] == [step.type != "tool_response" for step in done.steps]
    ranking = steps[-1]["words"]
    assert ranking == [f"“{catalog[r.item].title}”" for r in done.items]
    tools = [step for step in steps if not step["own"]]
    assert tools and all(len(step["words"]) >= 1 for step in tools)
    calls = [step["about"] for step in steps if step["name"] == "Tool call"]
    assert calls and all(calls) and "(" not in "".join(calls)
    words = " ".join(word for step in steps for word in step["words"])
    assert not [word for word in words.split() if item_row(word) is not None]


def test_a_word_stays_one_word_and_plans_are_in_the_catalogue_s_words() -> None:
    films = Catalog(tuple(answering.dataset().catalog), FILM)
    assert shown("plan", "look back 10 books ; ask 50 readers ;".split(), films) == (
        "look back 10 films ; ask 50 viewers ;".split()
    )
    assert shown("reflection", ["<i3>", "whole_strong", "#2/20", ";"], films) == [
        "“Book 3”",
        "whole strong",
        "2nd of 20 candidates",
        ";",
    ]
    assert "book" not in template(FILM).lower()


def test_words_outside_the_grammar_are_played_all_the_same() -> None:
    made = toy.ToyRecommender(toy.hostile(), delay=0)
    done = answer(made, Query((3, 0)))
    steps = played(done, made.dataset.catalog, "x")["steps"]
    assert len(steps) == len(done.steps) and steps[0]["words"][:2] == ["The", "shelf"]
    broken = replace(done, text="<plan> ask 50 readers")
    assert played(broken, made.dataset.catalog, "x")["steps"][0]["words"][0] == "ask"
