"""Hostile names on the page: a script in any field stays text, and no name changes the direction of other words."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
import toy

from star.display import CLOSE, OPEN
from star.recommend.recommendation import Query, Recommendation
from star.ui import picker
from star.ui.views import cards as views
from star.ui.views.evidence_view import edge_table, evidence
from star.ui.views.graph_view import payload
from star.ui.views.report import report
from star.ui.views.trace_view import trace

DATA = toy.hostile()
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


@pytest.fixture(scope="module")
def answer() -> Recommendation:
    *_, last = toy.ToyRecommender(DATA, 0).stream(Query((2, 1, 0, 3), k=10))
    return replace(last, dataset=DATA.name, checkpoint=" ".join(toy.PAYLOADS))


class Page(HTMLParser):
    """Collects tags, attributes, and the text outside any `<bdi>`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.outside, self.everything, self.within = "", "", 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.within += tag == "bdi"

    def handle_endtag(self, tag: str) -> None:
        self.within -= tag == "bdi"

    def handle_data(self, data: str) -> None:
        self.everything += data
        self.outside += "" if self.within else data


def leftward(text: str) -> set[str]:
    return {letter for letter in text if unicodedata.bidirectional(letter) in ("R", "AL", "AN")}


def shown(answer: Recommendation) -> str:
    cards = views.cards(answer, DATA.catalog)
    cards = re.sub(r"<svg class=\"star-cover\".*?</svg>", "", cards)  # covers have their own tests
    blocks = [*trace(answer, DATA.catalog), *evidence(answer, DATA.catalog), *edge_table(answer, DATA.catalog)]
    header = views.loaded(DATA, answer.checkpoint) + views.status(toy.PAYLOADS[0], "error")
    return header + cards + "".join(block["html"] for block in blocks)


def test_no_field_breaks_out(answer: Recommendation) -> None:
    page = Page(shown(answer) + views.cards(answer, DATA.catalog))
    assert not {"img", "script", "iframe", "a"} & set(page.tags)
    assert not [
        name for name, _ in page.attributes if name.startswith("on") or name in ("href", "src", "srcdoc")
    ]
    for mark in ("<img", "</script>", "<svg onload", "<iframe", "${window"):
        assert mark in page.everything, "shown as text"


def test_names_are_isolated_and_no_direction_is_forced(answer: Recommendation) -> None:
    page = Page(shown(answer))
    assert toy.HEBREW in page.everything and "eniltfel" in page.everything
    assert not leftward(page.outside), page.outside
    assert not FORBIDDEN.search(page.everything) and OPEN not in page.everything


def test_sentences_hold_their_names_in_bdi(answer: Recommendation) -> None:
    html = "".join(block["html"] for block in trace(answer, DATA.catalog))
    assert f"readers of <bdi>{toy.HEBREW}</bdi> also read " in html
    assert f"readers of <bdi>{toy.HEBREW}</bdi> read it too" in views.cards(answer, DATA.catalog)


def plain(value: Any) -> str:
    """Every string of a JSON value, one per line."""
    if isinstance(value, dict):
        return "\n".join(map(plain, value.values()))
    return "\n".join(map(plain, value)) if isinstance(value, list | tuple) else str(value)


def isolated_throughout(text: str) -> None:
    assert toy.HEBREW in text and "eniltfel" in text
    for each in text.split("\n"):
        assert each.count(OPEN) == each.count(CLOSE), each
    assert not leftward(re.sub(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", "", text))
    assert not FORBIDDEN.search(text)


def test_graph_words_are_isolated(answer: Recommendation) -> None:
    made = payload(answer, DATA.catalog, "run")
    isolated_throughout(
        plain([[node["label"], node["title"]] for node in made["nodes"]]) + plain(made["words"])
    )


def test_picker_words_are_isolated() -> None:
    rows = [picker.reader_detail(DATA, row) for row in range(20)] + picker.find_books(DATA.catalog, "o")
    isolated_throughout(plain([rows, [picker.book_row(DATA.catalog, n) for n in range(len(DATA.catalog))]]))


def test_the_report_has_no_tag_of_a_name(answer: Recommendation) -> None:
    page = report(answer, DATA.catalog, 0.0)
    tame = report(toy.ToyRecommender(delay=0)._answer(answer.query), toy.dataset().catalog, 0.0)
    count = {tag: Page(page).tags.count(tag) for tag in ("script", "img", "iframe", "a", "link", "button", "style")}
    assert count == {tag: Page(tame).tags.count(tag) for tag in count} and count["style"] == 1
    assert count["script"] == count["a"] == count["button"] == 0
    assert not [name for name, _ in Page(page).attributes if name.startswith("on")]
    body = Page(re.sub(r"<svg class=\"star-cover\".*?</svg>", "", page.split("<body")[1]))
    outside = re.sub(f"{OPEN}[^{CLOSE}]*{CLOSE}", "", body.outside)  # the picture isolates names by signs
    assert not leftward(outside) and not FORBIDDEN.search(body.everything)
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page)


def test_documents_keep_names_as_they_are(answer: Recommendation) -> None:
    document = answer.to_json(DATA.catalog)
    titles = {item.title for item in DATA.catalog}
    assert {item["title"] for item in document["items"]} <= titles
    assert toy.REVERSED in json.dumps(document, ensure_ascii=False)
