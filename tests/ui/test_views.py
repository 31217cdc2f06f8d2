"""The views: pure functions from an answer to escaped HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import pytest
import toy

from star.data.catalog import Catalog, Item
from star.data.words import BOOK
from star.evidence.claims import Claim, Edge
from star.recommend.recommendation import CheckedClaim, Query, Recommendation, StepView, Timing
from star.ui.views import cards as views
from star.ui.views.argument_view import argued
from star.ui.views.cover import cover
from star.ui.views.evidence_view import edge_table, evidence, facts, weight
from star.ui.views.graph_picture import picture
from star.ui.views.graph_view import MOST, cut, payload
from star.ui.views.report import document, report
from star.ui.views.trace_view import numbers, ranked, trace


@pytest.fixture(scope="module")
def model() -> toy.ToyRecommender:
    return toy.ToyRecommender(delay=0)


def answered(model: toy.ToyRecommender, *shelf: int, k: int = 5) -> Recommendation:
    *_, last = model.stream(Query(tuple(shelf), k=k))
    return last


class Tags(HTMLParser):
    """Collects the tags and attributes of a piece of HTML, and whether every tag is closed in order."""

    VOID = ("br", "img", "input", "meta", "link", "rect", "circle", "path")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def every_view(answer: Recommendation, catalog: Catalog) -> str:
    blocks = [*trace(answer), *evidence(answer, catalog), *edge_table(answer, catalog)]
    blocks += argued(answer, catalog)
    shown = views.cards(answer, catalog) + views.explained(answer, catalog)
    return shown + "".join(block["html"] for block in blocks)


def test_html_is_well_formed(model: toy.ToyRecommender) -> None:
    for snapshot in model.stream(Query((3, 0))):
        Tags(every_view(snapshot, model.dataset.catalog))


@pytest.mark.parametrize(
    "title", [toy.HOSTILE, "</script><script>hacked()</script>", "'\"><svg onload=hacked()>"]
)
def test_hostile_titles_are_text(model: toy.ToyRecommender, title: str) -> None:
    catalog = model.dataset.catalog
    items = tuple(
        replace(i, title=title, creators=(title,), series=title, genres=(title,), theme=title)
        for i in catalog
    )
    data = replace(model.dataset, catalog=Catalog(items))
    answer = answered(toy.ToyRecommender(data, 0), 29, 3)
    answer = replace(answer, items=tuple(replace(r, reason=title) for r in answer.items))
    html = every_view(answer, data.catalog) + views.status(title) + views.loaded(data, title)
    found = Tags(html)
    assert not {"img", "script"} & set(found.tags)
    assert not [name for name in found.attributes if name.startswith("on")]
    page = report(answer, data.catalog, 0.0)
    assert title not in page.split("</style>")[1]


def test_nothing_is_recommended_before_the_ranking(model: toy.ToyRecommender) -> None:
    *under_way, last = model.stream(Query((3,)))
    titles = [model.dataset.catalog[r.item].title for r in last.items]
    for snapshot in under_way:
        html = views.cards(snapshot, model.dataset.catalog)
        assert "<h3" not in html and not any(title in html for title in titles)
    html = views.cards(last, model.dataset.catalog)
    assert re.findall(r"<h3 [^>]*><bdi>(.*?)</bdi></h3>", html) == titles
    assert views.empty(BOOK, 7).count("<li") == 7


def test_card_shows_what_is_known(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3)
    html = views.cards(answer, model.dataset.catalog)
    first = model.dataset.catalog[answer.items[0].item]
    for text in (
        first.creators[0],
        str(first.year),
        first.genres[0],
        "<svg",
        "42%",
        f'data-node="i:{answer.items[0].item}"',
    ):
        assert text in html


def test_trace_nests_response_in_call_and_closes_it(model: toy.ToyRecommender) -> None:
    snapshots = list(model.stream(Query((3,))))
    running = next(s for s in snapshots if s.steps[-1].type == "tool_call" and len(s.steps) == 2)
    assert 'data-key="step1" open' in trace(running)[1]["html"]
    blocks = trace(snapshots[-1])
    assert [b["key"] for b in blocks] == ["step0", "step1", "step3", "step5", "step7", "step8", "ledger"]
    assert blocks[1]["html"].count("star-claim ") == 4 and " open>" not in blocks[1]["html"]
    shown, _, raw = blocks[1]["html"].partition('class="star-raw"')
    assert "item_cf" not in shown and "What the latest books lead to" in shown and "item_cf(" in raw
    assert "0.06 s · 9 tokens" in blocks[1]["html"]


def test_claims_stand_where_they_were_written(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3)
    reflection = next(b["html"] for b in trace(answer) if "reflection" in b["html"])
    order = [
        reflection.index(part)
        for part in ("The co-readers agree", 'data-claim="8"', 'data-claim="9"', "only break ties")
    ]
    assert order == sorted(order)
    for words in ("supported by the graph", "not supported", "opinion"):
        assert words in reflection


def test_claim_not_found_in_the_text_is_listed(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3)
    odd = replace(answer, steps=(StepView("plan", "Quite other words.", claims=(0,)),))
    html = trace(odd)[0]["html"]
    assert "Quite other words." in html and 'data-claim="0"' in html


def test_short_form_gives_way_to_its_claims(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3)
    twice = replace(answer, steps=(StepView("tool_response", "“Dune” 16 of 28 x0.9 ;", claims=(0, 8, 1)),))
    html = trace(twice, model.dataset.catalog)[0]["html"]
    title = model.dataset.catalog[answer.claims[0].claim.subject or 0].title
    assert html.count("star-group") == 1 and f"<b><bdi>{title}</bdi></b>" in html
    assert html.count("star-claim ") == 3 and "as written" in html


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("“Dune” “Emma”", ["Dune", "Emma"]),
        ("“Dune", ["Dune"]),
        ("Dune\nEmma\n", ["Dune", "Emma"]),
        ("“Who Said “No”?” “Emma”", ["Who Said “No”?", "Emma"]),
        ("", []),
    ],
)
def test_ranking_is_read_in_both_forms(text: str, titles: list[str]) -> None:
    assert ranked(text) == titles


def test_claims_of_a_snapshot_may_come_later(model: toy.ToyRecommender) -> None:
    answer = replace(answered(model, 3), claims=(), finished=False)
    assert "data-claim" not in trace(answer)[1]["html"]


def test_stated_and_found_are_compared() -> None:
    claim = Claim("co_read", 1, 0, {"both": 56, "of": 28, "lift": 0.9})
    html = numbers(
        CheckedClaim(claim, "", {"both": 16, "of": 28, "lift": 0.9}, (), "model", "unsupported"), BOOK
    )
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    assert "56" in rows[1] and "16" in rows[1] and ">differs<" in rows[1]
    assert ">differs<" not in rows[2] + rows[3]
    assert numbers(CheckedClaim(Claim("opinion"), "", {}, (), "model", "opinion"), BOOK) == ""


def test_missing_number_is_a_dash() -> None:
    claim = CheckedClaim(Claim("co_read", 1, 0, {"both": 5}), "", {}, (), "model", "unsupported")
    assert "—" in numbers(claim, BOOK)


def test_about_finds_subject_anchor_and_path(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3)
    top = f"i:{answer.items[0].item}"
    found = views.about(answer)
    assert 0 in found[top] and 0 in found["i:3"]
    assert "i:28" not in found


def test_every_node_has_a_heading_and_every_edge_a_row(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3, 0)
    html = evidence(answer, model.dataset.catalog)[0]["html"]
    for node in answer.nodes:
        assert f'data-about="{node.id}"' in html
    lines = re.findall(r'data-evidence="(\d+)"', html)
    rows = re.findall(r'data-claim-row="(\d+)"', "".join(block["html"] for block in argued(answer, model.dataset.catalog)))
    assert len(lines) == len(answer.claims) and set(lines) == set(rows), "the page copies a claim's words from the trace"
    assert edge_table(answer, model.dataset.catalog)[0]["html"].count("<tr tabindex") == len(answer.edges)
    assert evidence(replace(answer, finished=False), model.dataset.catalog) == []


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("co_read", 1, "1 reader"),
        ("read_next", 1204.0, "1,204 readers"),
        ("similar", 4, "4 shared books"),
        ("read", 1, ""),
        ("read", 2, "2"),
    ],
)
def test_weights_in_words(kind: str, value: float, words: str) -> None:
    assert weight(kind, value, BOOK) == words


def test_facts_are_plain_text(model: toy.ToyRecommender) -> None:
    node = next(n for n in answered(model, 29).nodes if n.id == "i:29")
    assert facts(node, model.dataset.catalog).startswith(toy.HOSTILE)


@pytest.mark.parametrize(("value", "words"), [(1965, "1965"), (-700, "700 BC"), (None, "")])
def test_years(value: int | None, words: str) -> None:
    assert views.year(value) == words


def test_finished_line() -> None:
    answer = Recommendation("d", "c", Query((1,)), (), timing=Timing(0.21, 1.84, 214, 1))
    assert (
        views.finished(answer, BOOK)
        == "0 books for your shelf in 1.8 s · first words after 0.21 s · 214 tokens · 1 tool call"
    )


def test_page_says_when_readers_are_simulated(model: toy.ToyRecommender) -> None:
    assert "readers are simulated" in views.loaded(model.dataset, "x")
    real = replace(model.dataset, manifest={"title": "Real", "simulated": False})
    assert "simulated" not in views.loaded(real, "x") and "loading" in views.loaded(real, None)


def test_covers_are_the_same_each_time_and_differ_between_books() -> None:
    books = [Item(str(n), f"Book {n}", (f"Author {n}",), genres=("fantasy",)) for n in range(20)]
    assert cover(books[0]) == cover(books[0])
    assert len({cover(book) for book in books}) == 20
    for title in ("A", "", "Supercalifragilisticexpialidocious " * 5, toy.HOSTILE):
        Tags(cover(Item("x", title, ("O'Brien & Sons",))))


def test_graph_keeps_edge_numbers_and_both_of_two_parallel_edges(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3)
    extra = Edge("i:3", f"i:{answer.items[0].item}", "read_next", 7)
    answer = replace(answer, edges=(*answer.edges, extra))
    drawn = payload(answer, model.dataset.catalog, "run")
    assert {e["id"] for e in drawn["edges"]} == set(range(len(answer.edges)))
    for edge in drawn["edges"]:
        assert (edge["from"], edge["to"]) == (
            answer.edges[edge["id"]].source,
            answer.edges[edge["id"]].target,
        )


def test_large_graph_is_cut_to_what_matters(model: toy.ToyRecommender) -> None:
    answer = answered(model, *range(20))
    small = cut(answer)
    kinds = [kind for _, kind in small.nodes(data="kind")]
    assert kinds.count("history") == MOST["history"] and kinds.count("user") == 1
    assert "i:19" in small and "i:0" not in small  # the latest book, and the oldest
    assert all(f"i:{r.item}" in small for r in answer.items)
    assert payload(answer, model.dataset.catalog)["hidden"] == len(answer.nodes) - len(small)
    assert sum(MOST.values()) < 80
    ranked = [n["id"] for n in payload(answer, model.dataset.catalog)["nodes"] if n["group"] == "recommended"]
    assert ranked == [f"i:{r.item}" for r in answer.items]


def test_the_report_needs_no_network_and_runs_nothing(model: toy.ToyRecommender) -> None:
    page = report(answered(model, 3), model.dataset.catalog, 0.0)
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|<script|<link|<iframe", page)
    assert "default-src 'none'" in page and "script-src" not in page
    Tags("<body" + page.split("<body")[1].removesuffix("</html>"))


def test_the_picture_has_what_the_page_draws(model: toy.ToyRecommender) -> None:
    catalog = model.dataset.catalog
    answer = answered(model, 3, 0, 11)
    drawn, shown = cut(answer), picture(answer, catalog)
    assert shown.count("<title>") == len(drawn) and shown.count("<path") >= drawn.number_of_edges()
    for entry in answer.items:
        assert f">{escape(catalog[entry.item].title)[:30]}" in shown
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"', shown)
    assert len(found) == len(set(found)), "no two labels at one place"
    assert picture(replace(answer, nodes=(), edges=(), items=(), claims=()), catalog) == ""


def test_ticks_count_what_the_model_wrote(model: toy.ToyRecommender) -> None:
    answer = answered(model, 3)
    authors = [claim.author for claim in answer.claims]
    html = views.tally(answer)
    assert "</span></span>1 supported" in html and "1 not supported" in html and "1 opinion<" in html
    assert f"{authors.count('tool')} findings of tools" in html and "true by construction" in html
    blocks = trace(answer, model.dataset.catalog)
    given = next(block["html"] for block in blocks if "star-response" in block["html"])
    assert "star-mark tool" in given and "star-mark supported" not in given and "✓" not in given
    tools = tuple(index for index, author in enumerate(authors) if author == "tool")
    assert "star-mark" not in views.tally(answer, tools) and views.tally(answer, ()) == ""


def test_a_long_title_is_clamped_and_whole_on_hover(model: toy.ToyRecommender) -> None:
    long = "A very long title " * 40
    items = tuple(replace(item, title=f"{long}{n} “x”") for n, item in enumerate(model.dataset.catalog))
    data = replace(model.dataset, catalog=Catalog(items))
    answer = answered(toy.ToyRecommender(data, 0), 3)
    html = views.cards(answer, data.catalog)
    assert f'class="star-clamped" title="{long}' in html


def test_what_a_claim_names_can_always_be_drawn(model: toy.ToyRecommender) -> None:
    answer = answered(model, *range(20))
    answer = replace(answer, nodes=answer.nodes[:30])  # as where the graph had no room
    made = payload(answer, model.dataset.catalog)
    drawn = {node["id"] for node in made["nodes"]}
    more = {node["id"] for node in made["more"]["nodes"]}
    assert more and not drawn & more
    for claim, sent in zip(answer.claims, made["claims"], strict=True):
        for item in (claim.claim.subject, claim.claim.anchor):
            assert item is None or (f"i:{item}" in sent["nodes"] and f"i:{item}" in drawn | more)
    known = {edge["id"] for edge in (*made["edges"], *made["more"]["edges"])}
    ends = {node.id for node in answer.nodes}
    assert known == {n for n, e in enumerate(answer.edges) if e.source in ends and e.target in ends}


def test_downloads_name_reader_and_titles_and_the_report_holds_cards_trace_and_graph(model: toy.ToyRecommender) -> None:
    catalog = model.dataset.catalog
    *_, answer = model.stream(Query(tuple(map(int, model.dataset.interactions.history(4))), 4))
    made = document(answer, catalog)
    assert made["reader"] == "Reader 5" and made.keys() > answer.to_json(catalog).keys()
    assert all(made["titles"][name] for name in (*made["shelf"], *made["candidates"]))
    page = report(answer, catalog, 1_700_000_000.0)
    assert "Books for Reader 5" in page and "<button" not in page and "14 November 2023, 22:13 UTC" in page
    for entry in answer.items:
        assert page.count(escape(catalog[entry.item].title)) >= 3
    for claim in answer.claims[:3]:
        assert escape(claim.text) in page
