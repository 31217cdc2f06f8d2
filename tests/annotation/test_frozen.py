"""Frozen records are shown as they were answered, and blinded ones without what betrays who wrote them."""

from __future__ import annotations

import json
import re
from html import escape

import pytest
import toy

from star.annotation.workflow.documents import blinded, mismatched
from star.annotation.workflow.frozen import from_json
from star.annotation.workflow.sampling import run_of
from star.data.catalog import Catalog
from star.recommend.recommendation import Query, Recommendation
from star.ui.views import cards as views
from star.ui.views.evidence_view import edge_table, evidence
from star.ui.views.graph_view import payload
from star.ui.views.trace_view import trace

TOY = toy.ToyRecommender(delay=0)


def stored(*shelf: int) -> dict:
    """A run as the database gives it back."""
    return json.loads(json.dumps(run_of(TOY, Query(shelf), "u7")))


def answered(*shelf: int) -> Recommendation:
    *_, last = TOY.stream(Query(shelf))
    return last


def by_title(shown: str, catalog: Catalog) -> str:
    """Rows of items replaced by titles, so that two catalogues can be compared."""
    rows = r'(data-item=\\"|i:|data-key=\\"step\d+-)(\d+)'
    return re.sub(rows, lambda found: found[1] + escape(catalog[int(found[2])].title), shown)


@pytest.mark.parametrize("shelf", [(3,), (0, 1, 7), (28, 29), (19,)])
def test_a_stored_run_looks_as_it_did(shelf: tuple[int, ...]) -> None:
    before, now = (answered(*shelf), TOY.dataset.catalog), from_json(stored(*shelf))
    for view in (views.cards, trace, evidence, payload):
        old, new = (by_title(json.dumps(view(*run), ensure_ascii=False), run[1]) for run in (before, now))
        assert old == new
    assert edge_table(*before) == edge_table(*now)


def test_books_keep_their_facts() -> None:
    answer, catalog = from_json(stored(0, 1))
    for item in (catalog[r.item] for r in answer.items):
        assert item == TOY.dataset.catalog[TOY.dataset.catalog.index(item.id)]


def test_a_blinded_run_does_not_say_who_wrote_it() -> None:
    shown = from_json(blinded(stored(3)))
    text = json.dumps([views.cards(*shown), trace(*shown), evidence(*shown), edge_table(*shown)])
    open_ = json.dumps([views.cards(*from_json(stored(3))), trace(*from_json(stored(3)))])
    for betrays in ("of the model", "star-share", " token", "0.21 s"):
        assert betrays in open_ and betrays not in text, betrays
    assert "toy-counter" not in text + json.dumps(payload(*shown)) and "u7" not in text


def test_a_hidden_item_shows_the_borrowed_ranking() -> None:
    own, other = stored(0, 1), stored(15)
    answer, catalog = from_json(blinded(mismatched(own, other)))
    shown, lent = ([item["id"] for item in run["items"]] for run in (mismatched(own, other), other))
    assert [catalog[r.item].id for r in answer.items] == shown and len(shown) == len(lent)
    assert shown[0] == lent[0] and shown != [item["id"] for item in own["items"]], "the borrowed ones come first"
    assert set(shown) <= {*lent, *(item["id"] for item in own["items"])}
    assert catalog[answer.items[0].item].creators, "the borrowed books bring their facts"
    assert views.cards(answer, catalog) and evidence(answer, catalog) and payload(answer, catalog)["nodes"]


def test_runs_of_other_tools_are_shown_as_far_as_they_go() -> None:
    bare = {
        "items": [{"rank": 1, "id": "x", "title": "X"}],
        "trace": {"steps": [{"type": "plan", "text": "go"}]},
    }
    answer, catalog = from_json(bare)
    assert catalog[answer.items[0].item].title == "X"
    assert "go" in trace(answer, catalog)[0]["html"] and payload(answer, catalog)["nodes"] == []
    old = stored(0)
    for node in old["graph"]["nodes"]:
        node.pop("item", None)
    assert payload(*from_json(old))["nodes"]
