"""Verification: what the graph bears out is supported, any number or word altered is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from star.evidence.claims import STRENGTHS, WITHHELD, Claim, Edge
from star.evidence.tools import ASKED, WINDOWS, Tools
from star.evidence.verification import check

SHELF = [5, 3, 0]

TRUE = {
    "co_read": Claim("co_read", 1, 0, {"both": 6, "of": 15, "lift": 1.3}),
    "co_read, too few": Claim("co_read", 4, None, {"window": 3}),
    "pull": Claim("pull", 1, None, {"window": 3}, "strong"),
    "read_next": Claim("read_next", 1, None, {"window": 3}, "striking"),
    "similar": Claim("similar", 1, None, {"both": 6, "of": 30}, "good"),
    "similar, too few": Claim("similar", 4, None, {"of": 50}, "good"),
    "series": Claim("series", 2, None, {"number": 3}, label="series"),
    "sequel": Claim("series", 1, None, {"number": 2}, label="sequel"),
    "author": Claim("author", 4, None, {"books": 1}),
    "genre": Claim("genre", None, None, {"books": 1, "of": 3}, label="crime"),
}


@pytest.fixture(scope="module")
def tools() -> Tools:
    return toys.hand_tools(SHELF, [1, 2, 4, 6, 7])


def truth(tools: Tools, name: str) -> Claim:
    """The claim with the word of strength that the tools themselves use for it."""
    claim = TRUE[name]
    if not claim.strength:
        return claim
    about = tools.about(claim.subject or 0)
    lines = about.user_cf(50) if claim.kind == "similar" else about.item_cf(5)
    return replace(claim, strength=next(e.claim.strength for e in lines[0] if e.claim.kind == claim.kind))


@pytest.mark.parametrize("name", TRUE)
def test_right_claims_are_supported(tools: Tools, name: str) -> None:
    claim = truth(tools, name)
    finding = check(claim, tools)
    assert finding.verdict == "supported"
    assert {k: finding.found[k] for k in claim.numbers} == dict(claim.numbers)
    json.dumps(finding.found)


@pytest.mark.parametrize("change", [1, -1, 0.1, 1000])
@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, c in TRUE.items() for number in c.numbers]
)
def test_any_number_altered_is_unsupported(tools: Tools, name: str, number: str, change: float) -> None:
    claim = truth(tools, name)
    altered = replace(claim, numbers={**claim.numbers, number: claim.numbers[number] + change})
    if change == -1 and (number == "window" or (name, number) == ("genre", "of")):
        return  # a shorter look back is another claim: the next test
    assert check(altered, tools).verdict == "unsupported"


def test_a_shorter_window_is_checked_as_it_is_stated() -> None:
    tools = toys.hand_tools([0, 5, 6, 3], [1])
    for window, verdict in ((4, "supported"), (3, "unsupported"), (0, "unsupported"), (9, "unsupported")):
        assert check(Claim("pull", 1, None, {"window": window}, "strong"), tools).verdict == verdict
    for of, verdict in (
        (1, "supported"),
        (2, "supported"),
        (0, "unsupported"),
        (-1, "unsupported"),
        (9, "unsupported"),
    ):
        assert (
            check(Claim("genre", None, None, {"books": 1, "of": of}, label="crime"), tools).verdict == verdict
        )


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, c in TRUE.items() for number in c.numbers]
)
def test_a_number_left_out_or_made_up_is_unsupported(tools: Tools, name: str, number: str) -> None:
    claim = truth(tools, name)
    fewer: Mapping[str, float] = {k: v for k, v in claim.numbers.items() if k != number}
    if claim.kind != "genre":
        assert check(replace(claim, numbers=fewer), tools).verdict == "unsupported"
    assert check(replace(claim, numbers={**claim.numbers, "more": 1}), tools).verdict == "unsupported"


@pytest.mark.parametrize("name", TRUE)
def test_strength_altered_is_unsupported(tools: Tools, name: str) -> None:
    claim = truth(tools, name)
    for word in (*STRENGTHS, None):
        verdict = check(replace(claim, strength=word), tools).verdict
        assert verdict == ("supported" if word == claim.strength else "unsupported")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("co_read", {"anchor": 3}),
        ("co_read", {"anchor": 1}), ("co_read", {"anchor": 7}), ("co_read", {"anchor": 10**9}),
        ("co_read", {"anchor": -1}), ("co_read", {"anchor": None}), ("co_read", {"subject": 2_000}),
        ("co_read", {"subject": -1}), ("co_read", {"subject": None}), ("co_read, too few", {"subject": 1}),
        ("co_read, too few", {"anchor": 0}), ("pull", {"subject": 7}), ("pull", {"subject": None}),
        ("read_next", {"subject": 6, "strength": "faint"}),
        ("similar", {"subject": 7}), ("sequel", {"label": "series"}),
        ("series", {"label": "sequel"}),
        ("series", {"subject": 4}), ("author", {"subject": 6}), ("genre", {"label": "epics"}),
        ("genre", {"label": None}),
    ],
)  # fmt: skip
def test_other_items_and_labels_are_unsupported(tools: Tools, name: str, changes: dict[str, object]) -> None:
    assert check(replace(truth(tools, name), **changes), tools).verdict == "unsupported"  # type: ignore[arg-type]


def test_any_book_of_the_shelf_may_be_the_anchor() -> None:
    tools = toys.hand_tools([1, 0], [2])
    for anchor, numbers in ((1, {"both": 6, "of": 6, "lift": 3.3}), (0, {"both": 6, "of": 15, "lift": 1.3})):
        finding = check(Claim("co_read", 2, anchor, numbers), tools)
        assert finding.verdict == "supported"
        assert finding.edges == (Edge(f"i:{anchor}", "i:2", "co_read", 6.0),)


def test_found_is_what_the_graph_holds(tools: Tools) -> None:
    found = check(Claim("co_read", 1, 0, {"both": 99, "of": 100, "lift": 9}), tools).found
    assert found == {"both": 6, "of": 15, "lift": 1.3}
    assert check(Claim("author", 4, None, {"books": 7}), tools).found == {"books": 1}
    assert check(Claim("genre", None, None, {"books": 3, "of": 3}, label="noir"), tools).found == {
        "books": 1,
        "of": 3,
    }
    similar = check(Claim("similar", 1, None, {"both": 20, "of": 30}, "faint"), tools).found
    assert similar == {
        "both": 6,
        "of": 30,
        "level": STRENGTHS.index(str(truth(tools, "similar").strength)) + 1,
    }


def test_counts_under_five_are_not_found(tools: Tools) -> None:
    """Four readers of 0 read 4: a claim that says so is not borne out, nor does the answer tell."""
    finding = check(Claim("co_read", 4, 0, {"both": 4, "of": 15, "lift": 1.3}), tools)
    assert finding.verdict == "unsupported" and not finding.found and not finding.edges
    finding = check(Claim("similar", 4, None, {"both": 4, "of": 30}, "good"), tools)
    assert finding.verdict == "unsupported" and "both" not in finding.found and not finding.edges


@pytest.mark.parametrize("label", ["interest is steady", "", None])
def test_opinions_are_opinions(tools: Tools, label: str | None) -> None:
    finding = check(Claim("opinion", label=label), tools)
    assert finding.verdict == "opinion" and not finding.found and not finding.edges


def test_the_readers_own_row_bears_out_nothing() -> None:
    histories = [[0, 3]] * 5 + [[5, 6]] * 15
    claim = Claim("co_read", 3, 0, {"both": 5, "of": 5, "lift": 4.0})
    assert check(claim, toys.hand_tools([0], [3], None, histories)).verdict == "supported"
    own = check(claim, toys.hand_tools([0], [3], 2, histories))
    assert own.verdict == "unsupported" and not own.found


def test_whatever_the_tools_say_is_borne_out() -> None:
    for seed in range(6):
        tools = toys.reading_tools(seed)
        calls = [("profile", ()), *(("recent", (w,)) for w in WINDOWS), *(("user_cf", (a,)) for a in ASKED),
                 *(("item_cf", (w,)) for w in WINDOWS)]  # fmt: skip
        for name, arguments in calls:
            for evidence in (e for line in tools.call(name, arguments).lines for e in line):
                finding = check(evidence.claim, tools)
                assert finding.verdict == "supported" and finding.edges == evidence.edges


KINDS = ["co_read", "pull", "read_next", "similar", "series", "author", "genre", "opinion"]
NUMBERS = ["both", "of", "lift", "window", "number", "books"]


@given(
    st.sampled_from(KINDS), st.none() | st.integers(-2, 9), st.none() | st.integers(-2, 9),
    st.dictionaries(st.sampled_from(NUMBERS), st.integers(-3, 60)), st.none() | st.sampled_from(STRENGTHS),
    st.none() | st.sampled_from(["sequel", "series", "crime"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_claim_gets_a_verdict(
    kind: str,
    subject: int | None,
    anchor: int | None,
    numbers: dict[str, float],
    strength: str | None,
    label: str | None,
) -> None:
    claim = Claim(kind, subject, anchor, numbers, strength, label)  # type: ignore[arg-type]
    finding = check(claim, toys.hand_tools(SHELF, [1]))
    assert finding.verdict in ("supported", "unsupported", "opinion")
    assert kind in ("author", "series", "genre") or finding.found.get("both", WITHHELD) >= WITHHELD
