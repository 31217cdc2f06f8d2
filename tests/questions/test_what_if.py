"""What if: the comparison equals two direct runs, an undone edit leaves the answer of before, and a control is as large."""

from __future__ import annotations

import dataclasses

import answering
import pytest

from star.errors import UserError
from star.questions.edits import Add, CutEdge, CutSentence, Silence, TakeOff
from star.questions.what_if import Timeline, compared, control, possible, random_edits, what_if
from star.recommend.recommendation import Query
from star.recommend.recommender import answer


@pytest.mark.parametrize("name", answering.NAMES)
def test_both_sides_equal_the_recommender_called_directly(name: str) -> None:
    recommender, query = answering.recommender(name), answering.query(0)
    found = what_if(recommender, query, [TakeOff(query.history[2])])
    before = answer(recommender, query)
    shorter = (*query.history[:2], *query.history[3:])
    after = answer(recommender, dataclasses.replace(query, history=shorter, candidates=before.candidates))
    assert answering.meaning(found.before) == answering.meaning(before)
    assert answering.meaning(found.after) == answering.meaning(after)
    places = {r.item: r.rank for r in after.items}
    assert {m.item: m.after for m in found.moves if m.after} == places
    assert {m.item: m.before for m in found.moves if m.before} == {r.item: r.rank for r in before.items}
    texts = {c.text for c in before.claims}, {c.text for c in after.claims}
    assert {s.before for s in found.sentences if s.before} >= texts[0] - texts[1]
    assert {s.after for s in found.sentences if s.after} >= texts[1] - texts[0]
    for sentence in found.sentences:
        assert sentence.before != sentence.after


@pytest.mark.parametrize("name", answering.NAMES)
def test_undone_edits_leave_the_answer_of_before(name: str) -> None:
    recommender, query = answering.recommender(name), answering.query(1)
    line = Timeline().then(TakeOff(query.history[0])).then(TakeOff(query.history[1]))
    both = what_if(recommender, query, line.now)
    one = what_if(recommender, query, line.undo().now, both.before)
    assert one.after.query.history == query.history[1:]
    none = what_if(recommender, query, line.undo().undo().now, both.before)
    assert none.places == 0 and none.first_stays and not none.sentences
    again = what_if(recommender, query, line.undo().undo().redo().redo().now, both.before)
    assert answering.meaning(again.after) == answering.meaning(both.after)


def test_timeline() -> None:
    a, b, c = TakeOff(1), Add(2), Silence("item_cf")
    line = Timeline().then(a).then(b)
    assert line.now == (a, b) and line.undo().now == (a,) and line.undo().redo() == line
    assert line.undo().then(c).now == (a, c) and line.undo().then(c).redo().now == (a, c)
    assert Timeline().undo().redo().now == () and line.redo() == line


def test_everything_that_is_offered_can_be_done_and_has_a_control() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    before = answer(teacher, query)
    offered = possible(before)
    assert offered.shelf == query.history and "whole_shelf" in offered.tools
    kinds = {edge.kind: edge for edge in offered.edges}
    said = {sentence.kind: sentence for sentence in offered.sentences}
    assert {"co_read", "carries"} <= set(kinds) and {"pull", "whole"} <= set(said)
    new = next(i for i in range(120) if i not in query.history and i not in before.candidates)
    moved = 0
    for edit in (
        TakeOff(offered.shelf[0]),
        Add(new),
        *map(Silence, offered.tools),
        *kinds.values(),
        *said.values(),
    ):
        moved += what_if(teacher, query, [edit], before).places
        chosen = random_edits(teacher, before, [edit], 3)
        assert len(chosen) == 1 and type(chosen[0]) is type(edit) and chosen[0] != edit
        assert chosen == random_edits(teacher, before, [edit], 3)
        if isinstance(edit, CutEdge):
            assert isinstance(chosen[0], CutEdge) and chosen[0].kind == edit.kind
    assert moved > 0
    several = (TakeOff(offered.shelf[0]), TakeOff(offered.shelf[1]), offered.sentences[0])
    other = control(teacher, before, several, 1)
    assert len(other.after.query.history) == len(query.history) - 2
    assert not {e.item for e in other.edits if isinstance(e, TakeOff)} & {*offered.shelf[:2]}
    assert sum(isinstance(e, CutSentence) for e in other.edits) == 1


def test_no_control_where_nothing_else_can_be_taken() -> None:
    teacher = answering.recommender("teacher")
    before = answer(teacher, Query(answering.query(0).history[:1]))
    with pytest.raises(UserError, match="nothing else of this sort"):
        random_edits(teacher, before, [TakeOff(before.query.history[0])])


def test_an_answer_compared_with_itself_has_no_differences() -> None:
    before = answer(answering.recommender("student"), answering.query(3))
    same = compared(before, before)
    assert same.places == 0 and same.sentences == () and same.same > 10
