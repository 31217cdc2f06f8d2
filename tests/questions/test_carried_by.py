"""What carries a recommendation: each piece's fall equals two direct runs, and the generator can be stopped."""

from __future__ import annotations

import answering
import pytest

from star.errors import UserError
from star.questions.carried_by import carried_by, pieces_about
from star.questions.edits import CutSentence, TakeOff
from star.questions.running import fixed, ranking
from star.recommend.recommender import answer


@pytest.mark.parametrize("name", answering.NAMES)
def test_falls_equal_runs_without_the_piece(name: str) -> None:
    recommender, query = answering.recommender(name), answering.query(0, 4)
    before = answer(recommender, query)
    item = before.items[0].item
    *growing, last = carried_by(recommender, query, item, before, most=4)
    assert last.left == 0 and len(last.pieces) == len(growing) and growing[0].pieces == ()
    assert [state.left for state in growing] == list(range(len(growing), 0, -1))
    falls = [piece.fall for piece in last.pieces]
    assert falls == sorted(falls, reverse=True) and last.place == 1
    kept = fixed(query, before.candidates)
    whole = ranking(recommender, kept)
    for piece in last.pieces:
        now = ranking(recommender, kept, [piece.edit])
        assert piece.fall == pytest.approx(whole.scores[item] - now.scores.get(item, 0.0))
        assert piece.place == now.place(item)
        assert (piece.instead is None) == (now.order[0] == whole.order[0])


def test_pieces_are_the_tools_sentences_and_the_books() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    before = answer(teacher, query)
    item = before.items[0].item
    pieces = pieces_about(before, item, teacher.dataset.catalog)
    said = [edit for edit in pieces if isinstance(edit, CutSentence)]
    assert {edit.item for edit in said} == {item} and {"whole", "pull"} <= {edit.kind for edit in said}
    assert {"carried", "co_read"} & {edit.kind for edit in said} == set()
    assert [edit.item for edit in pieces if isinstance(edit, TakeOff)] == list(query.history)
    assert all("Book" in text for text in pieces.values())


def test_a_closed_generator_runs_no_further() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    going = carried_by(teacher, query, answer(teacher, query).items[0].item)
    next(going)
    assert next(going).pieces
    going.close()
    with pytest.raises(StopIteration):
        next(going)


def test_an_item_that_is_no_candidate() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    before = answer(teacher, query)
    outside = next(i for i in range(120) if i not in before.candidates)
    with pytest.raises(UserError, match="no candidate of this answer"):
        next(carried_by(teacher, query, outside, before))
