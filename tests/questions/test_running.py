"""Runs under edits: equal to the recommender's own where nothing is edited, and without what is cut where it is."""

from __future__ import annotations

import dataclasses

import answering
import numpy as np
import pytest
import toy
import toys

from star.errors import UserError
from star.questions.edits import Add, CutEdge, CutSentence, Edited, Silence, TakeOff, applied
from star.questions.running import context_of, edited, fixed, ranking, rerun
from star.recommend.recommendation import Query
from star.recommend.recommender import answer


@pytest.mark.parametrize("name", answering.NAMES)
@pytest.mark.parametrize("seed", [0, 3])
def test_a_run_without_edits_is_the_recommenders_own(name: str, seed: int) -> None:
    recommender, query = answering.recommender(name), answering.query(1, seed=seed)
    direct = answer(recommender, query)
    assert answering.meaning(rerun(recommender, query)) == answering.meaning(direct)
    order = ranking(recommender, query).order
    assert order[: len(direct.items)] == tuple(r.item for r in direct.items)


@pytest.mark.parametrize("name", answering.NAMES)
def test_a_change_of_shelf_is_another_query(name: str) -> None:
    recommender, query = answering.recommender(name), answering.query(2)
    new = next(i for i in range(120) if i not in query.history)
    edits = [TakeOff(query.history[3]), Add(new)]
    changed = dataclasses.replace(query, history=(*query.history[:3], *query.history[4:], new))
    direct = answer(recommender, changed)
    assert answering.meaning(rerun(recommender, query, edits)) == answering.meaning(direct)


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_a_silenced_tool_says_nothing_and_the_others_do(name: str) -> None:
    recommender, query = answering.recommender(name), answering.query(0)
    before = answer(recommender, query)
    tool = next(step.name for step in before.steps if step.type == "tool_call")
    after = rerun(recommender, fixed(query, before.candidates), [Silence(str(tool))])
    for call, response in zip(after.steps, after.steps[1:], strict=False):
        if call.name == tool and response.type == "tool_response":
            assert response.text.startswith("nothing")
    assert answering.meaning(answer(recommender, query)) == answering.meaning(
        before
    )  # the given one is untouched


def test_a_cut_sentence_is_gone_and_all_others_stay() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    tools = context_of(teacher).tools(query)
    for call in (("whole_shelf", ()), ("item_cf", (10,)), ("user_cf", (50,))):
        full = tools.call(*call)
        # Which candidates are retrieved depends on the fit; of co-reading, one whose sentence has counts beside it.
        chosen = next(
            line for line in full.lines[1:]
            if call[0] != "item_cf" or (line[0].claim.kind == "pull" and "co_read" in {e.claim.kind for e in line})
        )  # fmt: skip
        about = chosen[0].claim
        assert about.subject is not None
        cut = Edited(tools, [CutSentence(about.subject, about.kind)]).call(*call)
        gone = {e.claim.kind for e in chosen} - {
            e.claim.kind for line in cut.lines for e in line if e.claim.subject == about.subject
        }
        assert gone == {about.kind} | ({"carried"} if call[0] == "whole_shelf" else set()) | (
            {"co_read"} if call[0] == "item_cf" else set()
        )
        rest = [line for line in full.lines if line[0].claim.subject != about.subject]
        assert [line for line in cut.lines if line[0].claim.subject != about.subject] == rest


def test_a_cut_edge_counts_nowhere() -> None:
    """By hand: ten books share readers with book 0, see `toys.BY_HAND`."""
    tools = toys.hand_tools([0], [1, 3, 6])
    cut = Edited(tools, [CutEdge("i:0", "i:1", "co_read")])
    assert tools.pulls(5)[0].tolist() == [[6, 5, 0]] and cut.pulls(5)[0].tolist() == [[0, 5, 0]]
    assert cut.readers_of_both(0, 1) == 0 and cut.readers_of_both(0, 3) == 5
    assert cut.about(1).readers_of_both(0, 1) == 0
    soon = Edited(tools, [CutEdge("i:0", "i:1", "read_next")])
    assert tools.pulls(5)[1][0, 0] > 0 and soon.pulls(5)[1][0, 0] == 0 and soon.pulls(5)[0][0, 0] == 6
    series = [e.claim.kind for line in tools.item_cf(5) for e in line if e.claim.subject == 1]
    without = Edited(tools, [CutEdge("i:0", "i:1", "series")])
    assert "series" in series
    assert "series" not in [e.claim.kind for line in without.item_cf(5) for e in line if e.claim.subject == 1]
    readers = tools.similar_share(30)[2].shape[0]
    nearest = int(tools._nearest[0][0])
    assert (
        Edited(tools, [CutEdge("user", f"r:{nearest}", "similar")]).similar_share(30)[2].shape[0]
        == readers - 1
    )
    read = next(c for c in range(3) if tools.similar_share(30)[2][0, c])
    item = int(tools.candidates[read])
    fewer = Edited(tools, [CutEdge(f"r:{nearest}", f"i:{item}", "read")]).similar_share(30)[0]
    assert fewer[read] == tools.similar_share(30)[0][read] - 1


def test_a_cut_share_of_a_signal_is_zero() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    tools = context_of(teacher).tools(query)
    item, book = int(tools.candidates[2]), int(tools.history[1])
    cut = Edited(tools, [CutEdge(f"i:{book}", f"i:{item}", "carries")])
    expected = tools.parts("whole").copy()
    expected[1, 2] = 0
    np.testing.assert_array_equal(cut.parts("whole"), expected)


def test_what_cannot_be_edited_is_said_in_one_line() -> None:
    teacher, query = answering.recommender("teacher"), answering.query(0)
    catalog = teacher.dataset.catalog
    there, elsewhere = query.history[0], next(i for i in range(120) if i not in query.history)
    for edits, words in (
        ([TakeOff(elsewhere)], "is not on the shelf"),
        ([Add(there)], "is on the shelf already"),
        ([Add(500)], "outside the catalogue"),
        ([TakeOff(there), TakeOff(there)], "is not on the shelf"),
    ):
        with pytest.raises(UserError, match=words):
            applied(query, edits, catalog)
    for edge, words in (
        (CutEdge("i:1", "g:epic", "genre"), "cannot be cut"),
        (CutEdge("user", "i:1", "read"), "take the book off"),
    ):
        with pytest.raises(UserError, match=words):
            edited(teacher, [edge])
    every = [TakeOff(item) for item in query.history]
    with pytest.raises(UserError, match="shelf is empty"):
        rerun(teacher, query, every)


def test_a_recommender_without_tools_takes_edits_of_the_shelf_alone() -> None:
    made = toy.ToyRecommender(delay=0)
    assert rerun(made, Query((3, 5)), [TakeOff(5)]).query.history == (3,)
    with pytest.raises(UserError, match="only the shelf can be changed"):
        rerun(made, Query((3, 5)), [Silence("item_cf")])
