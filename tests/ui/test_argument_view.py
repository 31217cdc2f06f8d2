"""Cards for whoever asked, the argument in three depths, and what is behind a number."""

from __future__ import annotations

import re
from dataclasses import replace

import answering
import pytest
import toy
from test_views import Tags

from star.data.catalog import Catalog
from star.data.words import FILM
from star.recommend.recommendation import Query, Recommendation
from star.ui.views.argument_view import argued
from star.ui.views.cards import cards, explained
from star.ui.views.evidence_view import evidence
from star.ui.views.graph_view import asked, payload
from star.ui.views.sentence_view import behind


@pytest.fixture(scope="module")
def done() -> Recommendation:
    *_, last = answering.recommender("teacher").stream(answering.query(2, 10))
    return last


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return answering.dataset().catalog


def test_cards_say_two_sentences_without_numbers_or_names_of_tools(done: Recommendation, catalog: Catalog) -> None:
    html = explained(done, catalog)
    Tags(html)
    for card in html.split('<li class="star-card"')[1:]:
        face = re.sub(r"<details.*?</details>", "", card)
        sentences = re.findall(r"<p><button[^>]*>(.*?)</button></p>", face)
        assert 1 <= len(sentences) <= 2
        assert not re.search(r"_cf|whole_shelf|read_after", face)
        for sentence in sentences:
            words = re.sub(r"<cite.*?</cite>", "", sentence)
            assert not re.search(r"\d", re.sub(r"<[^>]*>", "", words))
        assert "In numbers" in card and "of the model’s weight" in card and card.count("data-feedback") == 3
    assert "data-feedback" not in cards(done, catalog)


def test_a_pressed_sentence_is_one_of_its_items_claims(done: Recommendation, catalog: Catalog) -> None:
    for item, card in re.findall(r'data-item="(\d+)"(.*?)</li><li class="star-card|$', explained(done, catalog)):
        for index in re.findall(r'data-claim="(\d+)"', card):
            assert done.claims[int(index)].claim.subject == int(item)


def test_three_depths(done: Recommendation, catalog: Catalog) -> None:
    argument, steps, raw = argued(done, catalog)
    assert argument["html"].index("It recommends") < argument["html"].index("<h3>")
    assert steps["html"].startswith('<details class="star-depth"') and "star-step plan" in steps["html"]
    assert "token" in raw["html"] and "&lt;recommend&gt;" in raw["html"]
    for block in (argument, steps, raw):
        Tags(block["html"])
    growing = replace(done, finished=False)
    assert argued(growing, catalog)[0]["key"] == "step0"


def test_marks_have_words_and_shapes() -> None:
    *_, answer = toy.ToyRecommender(delay=0).stream(Query((3,)))
    html = argued(answer, toy.dataset().catalog)[0]["html"]
    wrong = html.split('class="unsupported"')[1]
    assert "✗" in wrong and "not supported" in wrong and "Not true" in html
    assert "The graph has readers of both books: 45." in wrong
    assert "✓" in html and "supported by the graph" in html and "returned by a tool" in html


def test_a_number_has_its_readers_and_its_sum(done: Recommendation, catalog: Catalog) -> None:
    html = argued(done, catalog)[0]["html"]
    figures = set(re.findall(r'data-claim="(\d+)" data-figure', html))
    assert figures and figures <= set(re.findall(r'data-behind="(\d+)" hidden', html))
    counted = [n for n, c in enumerate(done.claims) if c.behind and c.behind[0][0].startswith("r:")]
    summed = [n for n, c in enumerate(done.claims) if c.behind and not c.behind[0][0].startswith("r:")]
    assert counted and summed
    for index in counted:
        shown = behind(done, index, catalog)
        both = done.claims[index].claim.numbers["both"]
        assert both >= 5 and f"{both:,.0f} readers" in shown and re.search(r"<li>reader \d+", shown)
    for index in summed:
        assert "together" in behind(done, index, catalog)
        assert abs(sum(share for _, share in done.claims[index].behind) - 1) < 0.02
        assert {int(node[2:]) for node, _ in done.claims[index].behind if node != "rest"} <= set(done.query.history)
    assert "What is behind it" in evidence(done, catalog)[0]["html"]


def test_counts_of_each_book_are_behind_a_place_without_a_sum(done: Recommendation, catalog: Catalog) -> None:
    index = next(n for n, c in enumerate(done.claims) if c.claim.kind == "pull" and c.edges)
    assert re.search(r"<b>\d+ readers</b>", behind(done, index, catalog))
    index = next(n for n, c in enumerate(done.claims) if c.claim.kind == "opinion")
    assert behind(done, index, catalog) == ""


def test_every_item_has_a_path_of_at_most_twelve_nodes(done: Recommendation, catalog: Catalog) -> None:
    made = payload(done, catalog, "run")
    known = {node["id"] for node in (*made["nodes"], *made["more"]["nodes"])}
    edges = {edge["id"] for edge in (*made["edges"], *made["more"]["edges"])}
    assert list(made["paths"]) == [f"i:{entry.item}" for entry in done.items]
    for path in made["paths"].values():
        assert len(path["nodes"]) <= 12 and set(path["nodes"]) <= known and set(path["edges"]) <= edges


def test_titles_stay_text_and_words_are_those_of_the_data_set() -> None:
    data = toy.hostile()
    films = Catalog(tuple(data.catalog), FILM)
    *_, answer = toy.ToyRecommender(replace(data, catalog=films), 0).stream(Query((3, 0, 1)))
    html = explained(answer, films) + "".join(block["html"] for block in argued(answer, films))
    found = Tags(html)
    assert not {"img", "script", "svg onload"} & set(found.tags) - {"svg"}
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "Watched it" in html and "Not for me" in html
    plain = re.sub(r"<cite.*?</cite>|<bdi>.*?</bdi>", "", re.sub(r"<details.*?</details>", "", explained(answer, films)))
    assert not re.search(r"\b(book|reader|shelf)s?\b", re.sub(r"<[^>]*>", " ", plain))


def test_what_was_asked_keeps_feedback_apart_from_the_shelf() -> None:
    from star.recommend.recommendation import Feedback, with_feedback

    query = with_feedback(Query((1, 2)), [Feedback("read", 3), Feedback("no", 4), Feedback("more", 5)])
    assert asked(query)["shelf"] == [1, 2]
    assert asked(query)["feedback"] == [{"do": "read", "item": 3}, {"do": "no", "item": 4}, {"do": "more", "item": 5}]
