"""Why this and not that: items of the whole catalogue, evidence line by line, and a change of shelf that does turn them."""

from __future__ import annotations

import answering
import pytest

from star.errors import UserError
from star.questions.edits import Add, TakeOff
from star.questions.evidence_lines import lines
from star.questions.running import fixed, ranking, rerun
from star.questions.why_not import said_change, search, why_not, with_both
from star.recommend.recommender import answer


@pytest.mark.parametrize("name", answering.NAMES)
@pytest.mark.parametrize("place", [0, 3])
def test_the_change_that_is_found_turns_the_two_and_nothing_else_was_changed(name: str, place: int) -> None:
    recommender, query = answering.recommender(name), answering.query(place)
    before = answer(recommender, query)
    one, other = before.items[0].item, before.items[2].item
    found = why_not(recommender, query, one, other, before, budget=12)
    assert found.finished and found.runs <= 12 and found.put_in == () and not found.turned
    if found.change is None:
        return
    done = rerun(recommender, fixed(query, found.answer.candidates), found.change.edits)
    order = ranking(recommender, fixed(query, found.answer.candidates), found.change.edits)
    assert order.leads(other, one) and order.place(other) == found.change.place
    assert order.lead(other, one) == pytest.approx(found.change.lead) and found.change.lead >= 0
    assert set(done.candidates) <= set(found.answer.candidates)
    assert 1 <= len(found.change.edits) <= 2
    for edit in found.change.edits:
        assert (edit.item in query.history) == isinstance(edit, TakeOff)


def test_the_teacher_is_turned_by_one_book() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    before = answer(teacher, query)
    found = why_not(teacher, query, before.items[0].item, before.items[1].item, before)
    assert found.change is not None and len(found.change.edits) == 1 and found.runs >= 1
    words = said_change(found.change.edits, teacher.dataset.catalog)
    assert words.startswith(("take off “Book ", "add “Book "))
    assert said_change((TakeOff(1), Add(2)), teacher.dataset.catalog) == "take off “Book 1” and add “Book 2”"


@pytest.mark.parametrize("name", answering.NAMES)
def test_an_item_that_retrieval_did_not_find_takes_a_place(name: str) -> None:
    recommender, query = answering.recommender(name), answering.query(1)
    before = answer(recommender, query)
    outside = next(i for i in range(120) if i not in before.candidates and i not in query.history)
    found = why_not(recommender, query, before.items[0].item, outside, before, budget=3)
    assert found.put_in == (outside,) and len(found.left_out) == 1
    assert outside in found.answer.candidates and len(found.answer.candidates) == len(before.candidates)
    assert not {*found.left_out} & {r.item for r in before.items}
    first, *rest = search(recommender, query, outside, before.items[0].item, before, budget=3)
    assert first.put_in == (outside,) and (first.turned or rest)


def test_lines_say_what_the_tools_said_of_both() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    catalog, before = teacher.dataset.catalog, answer(teacher, query)
    one, other = before.items[0].item, before.items[3].item
    found = lines(before, one, other, catalog)
    by_kind = {line.kind: line for line in found}
    assert {"whole", "pull", "after"} <= set(by_kind) and len(by_kind["whole"].name) > 5
    texts = {c.text for c in before.claims if c.author == "tool"}
    for line in found:
        for said in (line.one, line.other):
            assert said is None or (
                said.text in texts and {book for book, _ in said.books} <= {*query.history}
            )
            assert said is None or said.place is None or (1 <= said.place <= 20 and said.strength)
        assert line.ahead in (-1, 0, 1) and line.apart >= 0
    swapped = lines(before, other, one, catalog)
    assert [line.ahead for line in swapped] == [-line.ahead for line in found]
    assert [line.apart for line in swapped] == [line.apart for line in found]
    shares = [share for _, share in by_kind["whole"].one.books if share is not None]  # type: ignore[union-attr]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0


def test_the_other_may_lead_already() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    before = answer(teacher, query)
    found = why_not(teacher, query, before.items[1].item, before.items[0].item, before)
    assert found.turned and found.finished and found.runs == 0 and found.change is None


def test_a_search_ends_with_its_budget_and_says_so() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    before = answer(teacher, query)
    last = [item for item in before.candidates if item not in {r.item for r in before.items}][-1]
    *growing, done = search(teacher, query, before.items[0].item, last, before, budget=1)
    assert done.finished and done.runs <= 1
    assert [state.runs for state in growing] == sorted(state.runs for state in growing)
    assert all(state.lines == done.lines for state in growing)


def test_room_is_made_for_both_without_touching_the_recommended() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(2)
    catalog, before = teacher.dataset.catalog, answer(teacher, query)
    new = [i for i in range(120) if i not in before.candidates and i not in query.history][:2]
    candidates, put_in, left_out = with_both(before, new[0], new[1], catalog)
    assert put_in == tuple(new) and len(left_out) == 2 and len(candidates) == len(before.candidates)
    assert {r.item for r in before.items} <= {*candidates}
    inside = before.items[0].item, before.items[1].item
    assert with_both(before, *inside, catalog) == (before.candidates, (), ())


def test_what_cannot_be_compared_is_said_in_one_line() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    free = [i for i in range(120) if i not in query.history]
    for one, other, words in (
        (query.history[0], free[0], "is on the shelf"),
        (free[0], 999, "outside the catalogue"),
        (free[0], free[0], "given twice"),
    ):
        with pytest.raises(UserError, match=words):
            why_not(teacher, query, one, other)
