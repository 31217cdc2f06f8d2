"""Feedback on recommended items: what it makes of a query, and what the next answer makes of it."""

from __future__ import annotations

import answering
import pytest

from star.errors import UserError
from star.recommend.recommendation import Feedback, Query, Recommendation, with_feedback
from star.ui.picker import MOST_FEEDBACK, query


def answered(name: str, asked: Query) -> Recommendation:
    *_, last = answering.recommender(name).stream(asked)
    return last


def test_what_it_makes_of_a_query() -> None:
    said = [Feedback("more", 5), Feedback("read", 6), Feedback("no", 7), Feedback("more", 8)]
    made = with_feedback(Query((1, 2, 3), seed=4), said)
    assert made.history == (1, 2, 6, 3, 5, 8) and made.left_out == (7,) and made.seed == 4
    assert with_feedback(Query((1, 2)), []) == Query((1, 2))
    assert with_feedback(Query((1, 2)), [Feedback("no", 2), Feedback("more", 1)]) == Query((1, 2))
    changed = with_feedback(Query((1,)), [Feedback("no", 5), Feedback("read", 5)])
    assert changed.history == (5, 1) and changed.left_out == ()


@pytest.mark.parametrize("name", answering.NAMES)
def test_it_changes_the_next_answer_and_undo_restores_the_first(name: str) -> None:
    asked = answering.query(3, 10)
    first = answered(name, asked)
    one, two, three = (entry.item for entry in first.items[:3])
    not_for_me = answered(name, with_feedback(asked, [Feedback("no", one)]))
    assert one not in not_for_me.candidates and len(not_for_me.candidates) == len(first.candidates)
    assert one not in [entry.item for entry in not_for_me.items]
    for do in ("read", "more"):
        known = answered(name, with_feedback(asked, [Feedback(do, two), Feedback("no", three)]))  # type: ignore[arg-type]
        assert not {two, three} & {entry.item for entry in known.items}
        assert (known.query.history[-1] == two) == (do == "more")
    again = answered(name, with_feedback(asked, []))
    assert answering.meaning(again) == answering.meaning(first)


def test_the_document_has_it() -> None:
    catalog = answering.dataset().catalog
    asked = with_feedback(answering.query(3, 10), [Feedback("no", 1)])
    if 1 in answering.query(3, 10).history:
        pytest.skip("the book is on the shelf")
    assert answered("teacher", asked).to_json(catalog)["feedback"] == [{"do": "no", "item": catalog[1].id}]
    assert "feedback" not in answered("teacher", answering.query(3, 10)).to_json(catalog)


def test_the_pickers_value_is_checked() -> None:
    data = answering.dataset()
    value = {"mode": "shelf", "shelf": [1, 2], "feedback": [{"do": "more", "item": 5}, {"do": "no", "item": 6}]}
    made = query(value, data)
    assert made.history == (1, 2, 5) and made.left_out == (6,)
    reader = query({"mode": "reader", "reader": 3, "feedback": [{"do": "no", "item": 0}]}, data)
    assert reader.reader == 3
    for wrong in (
        "x",
        [{"do": "love", "item": 5}],
        [{"do": "no", "item": 10**9}],
        [{"do": "no", "item": True}],
        [{"do": "no"}],
        [5],
        [{"do": "no", "item": 5}] * (MOST_FEEDBACK + 1),
        [{"do": ["no"], "item": 5}],
    ):
        with pytest.raises(UserError):
            query(value | {"feedback": wrong}, data)
