"""From a sentence to its numbers: counts are those of the graph, probabilities those of the ranking, few readers unnamed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import answering
import numpy as np
import pytest

from star.errors import UserError
from star.evidence.claims import WITHHELD, Claim
from star.questions.running import context_of, fixed
from star.questions.zoom import LISTED, Zoom, sentences, signal, zoom
from star.recommend.recommendation import CheckedClaim, Recommendation
from star.recommend.recommender import Recommender, Star, answer


@cache
def all_zooms(name: str) -> tuple[Recommender, Recommendation, list[Zoom]]:
    made = answering.recommender(name)
    done = answer(made, answering.query(0))
    return made, done, [zoom(made, done, n) for r in done.items for n in sentences(done, r.item)]


@pytest.mark.parametrize("name", answering.NAMES)
def test_counts_are_those_of_the_graph_and_few_readers_are_not_named(name: str) -> None:
    made, done, found = all_zooms(name)
    tools = context_of(made).tools(fixed(done.query, done.candidates))
    assert len(found) > 4 and any(each.readers for each in found)
    for each in found:
        assert all(c.both is None or c.both >= WITHHELD for c in each.carriers)
        assert all(c.share is None or c.share > 0 for c in each.carriers)
        assert len(each.readers) == (0 if each.count is None else min(each.count, LISTED))
        if each.anchor is not None and signal(each.claim.claim) != "similar":
            both = tools.readers_of_both(each.anchor, each.item)
            assert each.count == (both if both >= WITHHELD else None)
            matrix = tools.graph.matrix
            assert all(matrix[r.row, each.anchor] and matrix[r.row, each.item] for r in each.readers)


def test_similar_readers_are_the_ones_that_the_sentence_counts() -> None:
    _, _, found = all_zooms("teacher")
    counted = [each for each in found if each.claim.claim.kind == "similar" and "both" in each.claim.claim.numbers]
    assert counted and all(each.count == each.claim.claim.numbers["both"] for each in counted)


def test_probabilities_are_those_of_the_ranking() -> None:
    made, done, found = all_zooms("student")
    assert isinstance(made, Star)
    scores = {r.item: r.score for r in done.items}
    for each in found:
        given = dict(zip(each.reread.items, each.reread.shares, strict=True))
        assert sum(given.values()) == pytest.approx(1)
        assert given[each.item] == pytest.approx(scores[each.item])
        assert np.mean(each.reread.first) == pytest.approx(given[each.item])
        assert len(each.reread.logits) == len(each.reread.first) == 8
    assert any(each.reread.without is not None for each in found)


def test_the_teacher_has_no_second_reading() -> None:
    _, done, found = all_zooms("teacher")
    assert found[0].reread.items == tuple(r.item for r in done.items) and not found[0].reread.logits


def test_what_cannot_be_looked_into_is_one_line() -> None:
    made = answering.recommender("teacher")
    done = answer(made, answering.query(0))
    about_nobody = CheckedClaim(Claim("opinion", label="both point to"), "x", {}, (), "model", "opinion")
    with pytest.raises(UserError, match="no single item"):
        zoom(made, replace(done, claims=(about_nobody,)), 0)
    with pytest.raises(UserError, match="wrote this answer"):
        zoom(made, replace(done, checkpoint="other"), sentences(done, done.items[0].item)[0])
