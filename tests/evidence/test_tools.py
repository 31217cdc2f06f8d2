"""The tools: numbers by hand, counts under five withheld, single signals in the candidates' order, no scans."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import reading
import toys
from counting import calls
from hypothesis import given, settings
from hypothesis import strategies as st

from star.data.catalog import Catalog, Item
from star.data.interactions import Interactions
from star.evidence.claims import WITHHELD, Claim, Edge, Evidence, sentence
from star.evidence.graph import Graph
from star.evidence.tools import (
    ASKED,
    WINDOWS,
    Attributes,
    ToolResponse,
    Tools,
    levels,
    lift_interval,
    rounded_lift,
)
from star.evidence.verification import check
from star.trace.grammar import response_words

ALL_CALLS = [("profile", ()), *(("recent", (w,)) for w in WINDOWS), *(("user_cf", (a,)) for a in ASKED),
             *(("item_cf", (w,)) for w in WINDOWS)]  # fmt: skip


def every(tools: Tools) -> Iterator[Evidence]:
    for name, arguments in ALL_CALLS:
        for line in tools.call(name, arguments).lines:
            yield from line


def by_item(response: ToolResponse) -> dict[int, list[Claim]]:

    return {int(line[0].claim.subject): [e.claim for e in line] for line in response.lines}  # type: ignore[arg-type]


def test_item_cf_by_hand() -> None:
    response = toys.hand_tools([0], [1, 7, 3, 4, 6]).call("item_cf", [5])
    assert by_item(response) == {
        1: [
            Claim("pull", 1, None, {"window": 1}, "striking"),  # 6 / sqrt(15 * 6) = .63
            Claim("read_next", 1, None, {"window": 1}, "striking"),  # 6 / sqrt(20 * 11) = .40
            Claim("series", 1, None, {"number": 2.0}, label="sequel"),
            Claim("author", 1, None, {"books": 1}),
            Claim("co_read", 1, 0, {"both": 6, "of": 15, "lift": 1.3}),  # 6 / 15 against 6 / 20
        ],
        3: [
            Claim("pull", 3, None, {"window": 1}, "striking"),
            Claim("read_next", 3, None, {"window": 1}, "striking"),
            Claim("co_read", 3, 0, {"both": 5, "of": 15, "lift": 1.3}),
        ],
        4: [
            Claim("pull", 4, None, {"window": 1}, "striking"),
            Claim("read_next", 4, None, {"window": 1}, "striking"),
            Claim("co_read", 4, None, {"window": 1}),  # four readers: too few to tell
        ],
    }
    assert response.lines[0][0].edges == (Edge("i:0", "i:1", "co_read", 6.0),)
    assert response.lines[2][0].edges == response.lines[2][-1].edges == ()


def test_the_strongest_anchor_is_named_and_the_mean_is_over_the_window() -> None:
    lines = by_item(toys.hand_tools([5, 1, 0], [2]).call("item_cf", [5]))
    assert lines[2][-1] == Claim(
        "co_read", 2, 1, {"both": 6, "of": 6, "lift": 3.3}
    )  # all six, 6 / 20 by chance
    pull = (0 + 6 / 6 + 6 / np.sqrt(90)) / 3
    assert lines[2][0].strength == "striking" and pull > 0.25
    assert lines[2][2] == Claim("series", 2, None, {"number": 3.0}, label="sequel")


def test_only_the_window_counts() -> None:
    tools = toys.hand_tools([0, 5, 6, 5, 6, 7], [1])
    last_five = by_item(tools.call("item_cf", [5]))[1]
    assert [c.kind for c in last_five] == ["series", "author"]  # relations are to the whole shelf
    assert by_item(tools.call("item_cf", [10]))[1][-1].anchor == 0


def test_user_cf_by_hand() -> None:
    tools = toys.hand_tools([0], [6, 4, 1, 3])
    response = tools.call("user_cf", [30])
    claims = by_item(response)
    assert list(claims) == [4, 1, 3]
    assert claims[1][0].numbers == {"of": 30, "both": 6}
    assert claims[3][0].numbers == {"of": 30, "both": 5}
    assert claims[4][0].numbers == {"of": 30}  # four
    edges = response.lines[1][0].edges
    assert {e.kind for e in edges} == {"similar", "read"} and len(edges) == 2 * 3
    for edge in edges:
        row = int((edge.target if edge.kind == "similar" else edge.source)[2:])
        assert toys.BY_HAND[row] == [0, 1, 2]
    assert response.lines[0][0].edges == ()
    counts, share, _ = tools.similar_share(30)
    assert counts.tolist() == [0, 4, 6, 5] and (share > 0).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("history", "item", "expected"),
    [
        ([0], 1, ("sequel", 2.0)),
        ([0], 2, ("series", 3.0)),
        ([1], 0, ("series", 1.0)),
        ([0, 1], 2, ("sequel", 3.0)),
        ([3], 1, None),
    ],
)
def test_series(history: list[int], item: int, expected: tuple[str, float] | None) -> None:
    claims = by_item(toys.hand_tools(history, [item]).call("item_cf", [5])).get(item, [])
    series = [(c.label, c.numbers["number"]) for c in claims if c.kind == "series"]
    assert series == ([expected] if expected else [])


def test_a_volume_zero_is_no_sequel_of_an_unnumbered_one() -> None:
    catalog = Catalog(
        (Item("a", "Companion", (), series="S"), Item("b", "Prequel", (), series="S", number=0.0))
    )
    graph = Graph.build(Interactions.from_histories([[0, 1]], 2), np.arange(1))
    (line,) = Tools(graph, catalog, Attributes.of(catalog), [0], [1]).call("item_cf", [5]).lines
    assert [e.claim.label for e in line if e.claim.kind == "series"] == ["series"]


@pytest.mark.parametrize(("history", "books"), [([3], 1), ([4, 3, 0], 2), ([0, 5], 0)])
def test_author(history: list[int], books: int) -> None:
    item = 3 if 3 not in history else 4
    claims = by_item(toys.hand_tools(history, [item]).call("item_cf", [5])).get(item, [])
    assert [c.numbers["books"] for c in claims if c.kind == "author"] == ([books] if books else [])


def test_genres() -> None:
    tools = toys.hand_tools([0, 1, 2, 3, 4, 5], [6])
    said = [(e.claim.label, e.claim.numbers) for (e,) in tools.call("profile", []).lines]
    assert said == [
        ("epic", {"books": 3, "of": 6}),
        ("crime", {"books": 2, "of": 6}),
        ("noir", {"books": 2, "of": 6}),
    ]
    lately = tools.call("recent", [5]).lines
    assert [e.claim.numbers["books"] for (e,) in lately] == [2, 2, 2] and lately[0][0].claim.label == "crime"
    assert lately[0][0].edges == (Edge("i:3", "g:crime", "genre"), Edge("i:4", "g:crime", "genre"))


def test_of_a_long_shelf_as_many_are_counted_as_there_are_words_for() -> None:
    """Some readers have seen more than the most seen film has viewers (1,607 in MovieLens's small set)."""
    catalog = Catalog(
        tuple(Item(f"f{n}", f"Film {n}", genres=("war" if n < 1300 else "drama",)) for n in range(1600))
    )
    graph = Graph.build(Interactions.from_histories([[0, 1]], 1600), np.arange(1))
    tools = Tools(graph, catalog, Attributes.of(catalog), range(1599), [1599])
    response = tools.call("profile", [])
    words = response_words(response)
    assert words[1:9] == "_war 700 of 999 ; _drama 299 of".split()
    assert all(check(e.claim, tools).verdict == "supported" for line in response.lines for e in line)
    assert tools.call("recent", [5]).lines[0][0].claim.numbers == {"books": 5, "of": 5}


@given(
    st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=6, unique=True), min_size=1, max_size=25),
    st.lists(st.integers(0, 7), min_size=1, max_size=5, unique=True),
    st.integers(0, 30),
)
@settings(max_examples=60, deadline=None)
def test_counts_under_five_are_nowhere(histories: list[list[int]], shelf: list[int], reader: int) -> None:
    tools = toys.hand_tools(shelf, [i for i in range(8) if i not in shelf], reader, histories)
    others = np.array([[i in h for i in range(8)] for n, h in enumerate(histories) if n != reader]).reshape(
        -1, 8
    )
    for evidence in every(tools):
        claim = evidence.claim
        if claim.kind in ("co_read", "similar"):
            assert all(claim.numbers.get(name, WITHHELD) >= WITHHELD for name in ("both", "of"))
        assert all(e.weight >= WITHHELD for e in evidence.edges if e.kind in ("co_read", "read_next"))
        if claim.kind == "similar" and "both" not in claim.numbers:
            assert not evidence.edges
        if claim.kind == "co_read" and "both" in claim.numbers:
            a, b = others[:, claim.anchor], others[:, claim.subject]
            assert claim.numbers["both"] == (a & b).sum() and claim.numbers["of"] == a.sum()
            lift = (a & b).sum() * len(others) / a.sum() / b.sum()
            shown = min(
                max(lift, 0.1), 99
            )  # a half may fall to either side, depending on the order of the divisions
            assert abs(claim.numbers["lift"] - shown) <= (0.05 if shown < 9.95 else 0.5) + 1e-9
            low, high = evidence.interval or (0, 0)
            assert low - 1e-9 <= lift <= high + 1e-9


@pytest.mark.parametrize(
    ("lift", "said"),
    [
        (0.01, 0.1),
        (0.14, 0.1),
        (1.25, 1.2),
        (1.85, 1.8),
        (9.94, 9.9),
        (9.95, 10),
        (9.96, 10),
        (10.6, 11),
        (98.6, 99),
        (4e3, 99),
    ],
)
def test_rounded_lift(lift: float, said: float) -> None:
    for number in (float(lift), np.float64(lift)):
        assert rounded_lift(number) == said and type(rounded_lift(number)) is float


def test_lift_interval_against_known_values() -> None:
    low, high = lift_interval(10, 100, 0.1)  # Wilson interval of 10 / 100
    assert (low, high) == pytest.approx((0.552, 1.744), abs=2e-3)
    wide, narrow = lift_interval(5, 10, 0.5), lift_interval(500, 1000, 0.5)
    assert wide[0] < narrow[0] < 1 < narrow[1] < wide[1]


def test_levels_at_their_bounds() -> None:
    bounds = np.array([0.1, 0.2, 0.4])
    assert levels(np.array([0, 0.09, 0.1, 0.2, 0.39, 0.4, 9]), bounds) == [0, 0, 1, 2, 2, 3, 3]


def test_lines_stand_in_the_order_of_the_candidates() -> None:
    for seed in range(8):
        tools = toys.reading_tools(seed)
        place = {c: n for n, c in enumerate(tools.candidates.tolist())}
        for name, arguments in ALL_CALLS[4:]:
            subjects = [place[line[0].claim.subject] for line in tools.call(name, arguments).lines]  # type: ignore[index]
            assert subjects == sorted(set(subjects)) and len(subjects) > 3
            assert all(
                len({e.claim.subject for e in line}) == 1 for line in tools.call(name, arguments).lines
            )


def test_a_line_does_not_depend_on_the_other_candidates() -> None:
    """Nothing is ranked or normalised over the list."""
    tools = toys.reading_tools(3)
    for name, argument in (("item_cf", 10), ("user_cf", 50)):
        whole = {line[0].claim.subject: line for line in tools.call(name, [argument]).lines}
        for item in tools.candidates.tolist():
            alone = tools.about(item).call(name, [argument]).lines
            assert alone == ((whole[item],) if item in whole else ())


def test_item_cf_for_some_candidates_only() -> None:
    tools = toys.reading_tools(4)
    whole = {line[0].claim.subject: line for line in tools.call("item_cf", [10]).lines}
    some = tools.candidates[[5, 2]].tolist()
    lines = tools.call("item_cf", [10, *some]).lines
    assert list(lines) == [whole[i] for i in sorted(some, key=tools.candidates.tolist().index) if i in whole]
    assert lines


def test_no_fused_score() -> None:
    """Every number has a name that says what single thing it counts, and every claim one kind."""
    names = {"both", "of", "lift", "window", "number", "books"}
    for seed in range(5):
        for evidence in every(toys.reading_tools(seed)):
            assert set(evidence.claim.numbers) <= names
            assert sentence(evidence.claim, reading.dataset().catalog)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search", ()), ("", ()), ("profile", (5,)), ("recent", ()), ("recent", (7,)), ("recent", (5, 5)),
        ("user_cf", ()),
        ("user_cf", (5,)), ("user_cf", (30, 1)), ("item_cf", ()), ("item_cf", (0,)), ("item_cf", (-5,)),
        ("item_cf", (5, 2)), ("item_cf", (5, 1, 99)),
    ],
)  # fmt: skip
def test_bad_calls(name: str, arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        toys.hand_tools([0], [1, 3]).call(name, arguments)


def best(work: Callable[[], object], times: int = 30) -> float:
    """The least processor time of this thread, so that a busy machine does not decide."""
    spent = []
    for _ in range(times):
        start = time.thread_time()
        work()
        spent.append(time.thread_time() - start)
    return min(spent)


def test_the_work_does_not_grow_with_readers_who_share_no_book() -> None:
    """Ten times as many readers, of other books: the same calls, and about the same time where a scan takes ten times."""
    rng = np.random.default_rng(0)
    popularity = 1 / np.arange(3, 5_003)
    weights = popularity / popularity.sum()
    some = [rng.choice(5_000, 60, replace=False, p=weights) for _ in range(600)]
    shelf = some[7][:40]
    others = np.setdiff1d(np.arange(5_000), [*shelf, *range(20)])
    more = [*some, *(rng.choice(others, 60, replace=False) for _ in range(5_400))]
    catalog = Catalog(tuple(Item(str(n), f"Book {n}", (f"A{n // 4}",), genres=("g",)) for n in range(5_000)))
    attributes = Attributes.of(catalog)
    graphs = [Graph.build(Interactions.from_histories(h, 5_000), np.arange(len(h))) for h in (some, more)]
    for reader in (None, 7):
        work: dict[str, list[Callable[[], object]]] = {"pairs": [], "item_cf": [], "user_cf": []}
        for graph in graphs:
            fresh = lambda g=graph, r=reader: Tools(g, catalog, attributes, shelf, np.arange(20), r)  # noqa: E731
            tools = fresh()
            ask = (tools.history[-10:], tools.candidates, tools.reader)
            work["pairs"].append(lambda g=graph, a=ask: g.pairs(*a))  # type: ignore[misc]
            work["item_cf"].append(lambda f=fresh: f().call("item_cf", (10,)))  # type: ignore[misc]
            work["user_cf"].append(lambda f=fresh: f().call("user_cf", (50,)))  # type: ignore[misc]
        for name, most in (("pairs", 900), ("item_cf", 6_000), ("user_cf", 4_000)):
            few, many = work[name]
            assert max(calls(few), calls(many)) < most, name
            assert best(many) < 5 * best(few), name
