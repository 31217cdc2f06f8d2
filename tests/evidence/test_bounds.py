"""Numbers for which the grammar's words end: said as bounds everywhere, and checked against what the graph holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import toys

from star.annotation.workflow.frozen import from_json
from star.data.catalog import Catalog, Item
from star.evidence.claims import Claim, bounds, sentence
from star.evidence.tools import Attributes, Tools, figures
from star.evidence.verification import check
from star.recommend.assembly import Stated, checked
from star.recommend.recommendation import Query, Recommendation
from star.trace.grammar import CallContext, line, response_words, spoken
from star.trace.steps import read_step, steps_of
from star.ui.views.trace_view import numbers


def lifted(n: int) -> Tools:
    """Five of n readers read 0 and 1, nobody one of them alone: the lift of 1 behind 0 is n / 5."""
    return toys.hand_tools([0], [1], None, [[0, 1]] * 5 + [[5, 6]] * (n - 5))


def rarely() -> Tools:
    """Five of the 1,000 readers of 0 read 1, which a thousand of 6,000 read: lift 0.03."""
    return toys.hand_tools([0], [1], None, [[0, 1]] * 5 + [[0]] * 995 + [[1]] * 995 + [[5, 6]] * 4005)


def told(tools: Tools) -> Claim:
    (claim,) = [
        e.claim
        for evidence in tools.call("item_cf", (5,)).lines
        for e in evidence
        if e.claim.kind == "co_read"
    ]
    return claim


def shown(claim: Claim, tools: Tools) -> Recommendation:
    """The claim as an answer shows it."""
    claims = checked([Stated(claim, True)], [check(claim, tools)], toys.hand_catalog())
    return Recommendation("hand", "none", Query((0,)), (1,), claims=claims, finished=True)


@pytest.mark.parametrize(
    ("n", "said", "found", "words"),
    [
        (490, 98, 98, " 98 times"),
        (493, 99, 99, " 99 times"),
        (497, 99, 99, " 99 times"),
        (500, 99, 100, " more than 99 times"),
        (690, 99, 138, " more than 99 times"),
        (20_000, 99, 4000, " more than 99 times"),
    ],
)
def test_a_high_lift(n: int, said: float, found: float, words: str) -> None:
    tools = lifted(n)
    claim = told(tools)
    assert claim.numbers["lift"] == said and f"x{said}" in line([claim]), (
        "the words are those of the checkpoints"
    )
    finding = check(claim, tools)
    assert finding.verdict == "supported" and finding.found["lift"] == found
    assert f"{words} what chance would give" in sentence(claim, toys.hand_catalog(), finding.found)


@pytest.mark.parametrize(
    ("said", "n", "verdict"),
    [
        (99, 492, "unsupported"),
        (99, 493, "supported"),
        (98, 690, "unsupported"),
        (99.5, 690, "unsupported"),
        (138, 690, "supported"),
        (139, 690, "unsupported"),
        (0.1, 690, "unsupported"),
    ],
)
def test_only_the_last_word_is_a_bound(said: float, n: int, verdict: str) -> None:
    claim = Claim("co_read", 1, 0, {"both": 5, "of": 5, "lift": said})
    assert check(claim, lifted(n)).verdict == verdict
    assert check(replace(claim, numbers={**claim.numbers, "both": 6}), lifted(n)).verdict == "unsupported"


def test_a_low_lift() -> None:
    claim = Claim("co_read", 1, 0, {"both": 5, "of": 1000, "lift": 0.1})
    finding = check(claim, rarely())
    assert finding.verdict == "supported" and finding.found == {"both": 5, "of": 1000, "lift": 0.03}
    assert "less than 0.1 times" in sentence(claim, toys.hand_catalog(), finding.found)
    assert "also read Volume 2, 0.1 times" in sentence(claim, toys.hand_catalog(), {"lift": 0.1})
    assert check(replace(claim, numbers={**claim.numbers, "lift": 0.2}), rarely()).verdict == "unsupported"


def test_page_json_and_stored_run_say_it_alike() -> None:
    tools = lifted(690)
    answer = shown(told(tools), tools)
    assert "more than 99 times" in answer.claims[0].text
    document = answer.to_json(toys.hand_catalog())
    (claim,) = document["claims"]
    assert claim["stated"] == {"both": 5, "of": 5, "lift": 99, "lift_more_than": 99}
    assert claim["found"] == {"both": 5, "of": 5, "lift": 138} and claim["verdict"] == "supported"
    stored, _ = from_json(document)
    for one in (answer.claims[0], stored.claims[0]):
        html = numbers(one, toys.hand_catalog().words)
        assert "<td>more than 99</td><td>138</td>" in html and "differs</td>" not in html
    (claim,) = stored.to_json(toys.hand_catalog())["claims"]
    assert claim["stated"]["lift_more_than"] == 99
    wrong = shown(Claim("co_read", 1, 0, {"both": 5, "of": 5, "lift": 99}), lifted(400))
    html = numbers(wrong.claims[0], toys.hand_catalog().words)
    assert wrong.claims[0].verdict == "unsupported" and "<td>more than 99</td><td>80</td>" in html
    assert html.count("differs</td>") == 1


def test_the_short_form_too() -> None:
    assert spoken("x99 19 /20".split(), Catalog(())) == "x99 or more 19 of 20"
    assert spoken("x0.1 5 /1000 x98".split(), Catalog(())) == "x0.1 or less 5 of 1000 x98"


def test_other_numbers_are_no_bounds() -> None:
    for claim in (
        Claim("genre", None, None, {"books": 99, "of": 99}, label="crime"),
        Claim("co_read", 1, 0, {"both": 99, "of": 99, "lift": 98}),
    ):
        assert bounds(claim, {}) == {}


def test_figures_have_no_end() -> None:
    given = (0.004, 0.06, 0.1, 0.14, 1.85, 9.94, 9.95, 98.6, 138.4, 4e3)
    assert [figures(lift) for lift in given] == [0.004, 0.06, 0.1, 0.1, 1.8, 9.9, 10, 99, 138, 4000]


def test_of_fewer_similar_readers_than_were_asked_as_many_are_named_as_there_are() -> None:
    tools = toys.hand_tools([0], [1], None, [[0, 1]] * 6 + [[0, 3]] * 3 + [[5, 6]] * 60)
    claim = Claim("similar", 1, None, {"both": 6, "of": 30}, "striking")
    assert "6 of the 30 most similar readers" in shown(claim, tools).claims[0].text
    assert shown(claim, tools).claims[0].text.endswith("(only 9 readers share a book with the shelf)")
    few = toys.hand_tools([0], [1], None, [[0, 1]] * 4 + [[5, 6]] * 60)
    text = shown(Claim("similar", 1, None, {"of": 50}, "striking"), few).claims[0].text
    assert text.endswith("(fewer than five readers share a book with the shelf)")
    many = toys.hand_tools([0], [1], None, [[0, 1]] * 60 + [[5, 6]] * 60)
    claim = Claim("similar", 1, None, {"both": 30, "of": 30}, "striking")
    assert "share a book" not in shown(claim, many).claims[0].text


def test_a_title_is_shown_as_it_is() -> None:
    """Titles are no words of the grammar: neither fractions nor underscores nor anything like an item in them is read."""
    titles = ("9/11", "snake_case <i99999>")
    catalog = Catalog(tuple(Item(f"t{n}", title) for n, title in enumerate(titles)))
    tools = lifted(100)
    claim = told(tools)
    (as_shown,) = checked([Stated(claim, False)], [check(claim, tools)], catalog)
    assert "readers of 9/11 also read snake_case <i99999>, 20 times" in as_shown.text
    remark = Claim("opinion", label="both point to <i0>")
    (as_shown,) = checked([Stated(remark, True)], [check(remark, tools)], catalog)
    assert as_shown.text == "both point to “9/11”"


@pytest.mark.parametrize(
    "genre", ["sci_fi", "sci fi", "science\u00a0fiction", " a  b\tc ", "x/y", "9/11", "_", "", "a;b"]
)
def test_any_genre_can_be_read_back(genre: str) -> None:
    catalog = Catalog(tuple(replace(item, genres=(genre, genre)) for item in toys.hand_catalog()))
    base = lifted(100)
    tools = Tools(base.graph, catalog, base.attributes, [0, 1, 2], [5])
    response = tools.call("profile", [])
    words = ["<plan>", "</plan>", "<tool_call>", "profile", "</tool_call>", *response_words(response)]
    words = " ".join(words).split()
    inside = next(w for kind, w, _ in steps_of(words) if kind == "tool_response")
    claims = read_step("tool_response", inside, CallContext(3)).claims
    if not genre.replace("_", "").split():
        assert response.lines == () and [c.label for c in claims] == ["nothing"]
        return
    assert [c.numbers for c in claims] == [{"books": 3, "of": 3}]
    assert [check(claim, tools).verdict for claim in claims] == ["supported"]


@pytest.mark.parametrize(
    "number", [1, 1.5, 0.25, -1, 0, 1234567, 20110101, 123456.75, 0.0001, 1e9, 1e300, float("inf")]
)
def test_any_volume_can_be_read_back(number: float) -> None:
    items = toys.hand_catalog().items
    catalog = Catalog((*items[:1], replace(items[1], number=number), *items[2:]))
    base = lifted(100)
    tools = Tools(base.graph, catalog, Attributes.of(catalog), [0], [1])
    said = response_words(tools.call("item_cf", (5,)))
    claims = read_step("tool_response", tuple(said[1:-1]), CallContext(1, window=1)).claims
    assert {check(claim, tools).verdict for claim in claims} == {"supported"}
    assert [c.numbers["number"] for c in claims if c.kind == "series"] == ([number] if number < 1e9 else [])
