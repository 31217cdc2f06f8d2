"""The subgraph: what is drawn, how much of it, what ties it to the reader."""

from __future__ import annotations

import pytest
import reading
import toys

from star.evidence.claims import Edge
from star.evidence.subgraph import LIMIT, build

CATALOG = reading.dataset().catalog


def co(a: int, b: int) -> Edge:
    return Edge(f"i:{a}", f"i:{b}", "co_read", 6.0)


def fan(first: int, n: int) -> tuple[Edge, ...]:
    """A claim on n books of the shelf that lead to book 0."""
    return tuple(co(first + k, 0) for k in range(n))


def test_kinds_and_labels() -> None:
    cited = [
        (co(10, 1),),
        (Edge("i:11", "g:genre 0", "genre"),),
        (Edge("user", "r:7", "similar", 0.4), Edge("r:7", "i:2", "read")),
        (Edge("i:10", "i:3", "read_next", 5.0),),
    ]
    nodes, edges = build([10, 11, 12], [1, 2], cited, CATALOG)
    assert {(n.id, n.kind) for n in nodes} == {
        ("user", "user"), ("i:1", "recommended"), ("i:2", "recommended"), ("i:10", "history"), ("i:11",
        "history"),
        ("i:3", "candidate"), ("r:7", "reader"), ("g:genre 0", "genre"),
    }  # fmt: skip
    labels = {n.id: n.label for n in nodes}
    assert labels["user"] == "this reader" and labels["i:3"] == "Book 3" and labels["r:7"] == "reader 8"
    assert nodes[0].id == "user"
    assert {e for part in cited for e in part} <= set(edges)


def test_the_shelf_is_tied_to_the_reader_where_something_rests_on_it() -> None:
    nodes, edges = build([10, 11, 12], [1], [(co(10, 1), co(11, 1))], CATALOG)
    tied = {e.target for e in edges if e.source == "user" and e.kind == "read"}
    assert tied == {"i:10", "i:11"}
    assert "i:12" not in {n.id for n in nodes}


def test_recommended_books_are_drawn_though_nothing_is_cited() -> None:
    nodes, edges = build([10], [1, 2], [], CATALOG)
    assert [n.id for n in nodes] == ["user", "i:1", "i:2"] and not edges


def test_no_edge_twice() -> None:
    cited = [(co(10, 1),), (co(10, 1), co(11, 1)), (Edge("i:10", "i:1", "series"),)]
    _, edges = build([10, 11], [1], cited, CATALOG)
    assert len({(e.source, e.target, e.kind) for e in edges}) == len(edges) == 5
    assert {e.kind for e in edges if e.source == "i:10"} == {"co_read", "series"}


@pytest.mark.parametrize(
    ("sizes", "drawn"), [([78], [78]), ([79], []), ([60, 30, 18], [60, 18]), ([100, 5], [5])]
)
def test_the_limit_cuts_whole_claims(sizes: list[int], drawn: list[int]) -> None:
    cited, first = [], 1
    for size in sizes:
        cited.append(fan(first, size))
        first += size
    nodes, edges = build(list(range(1, first)), [0], cited, CATALOG)
    assert len(nodes) == 2 + sum(drawn) <= LIMIT
    there = {e for e in edges if e.kind == "co_read"}
    assert [len(part) for part in cited if set(part) <= there] == drawn
    assert len(there) == sum(drawn)


def test_of_a_whole_run_each_claim_is_there_or_nothing_of_it() -> None:
    for seed in range(12):
        tools, done = toys.mars(seed)
        parts = [
            e.edges for m in done.log if m.response for line in m.response.lines for e in line if e.edges
        ]
        nodes, edges = build(tools.history.tolist(), list(done.order[:5]), parts, CATALOG)
        ids = [n.id for n in nodes]
        assert len(ids) == len(set(ids)) <= LIMIT
        assert all(e.source in ids and e.target in ids for e in edges)
        keys = {(e.source, e.target, e.kind) for e in edges}
        for part in parts:
            here = [(e.source, e.target, e.kind) in keys for e in part]
            if not all(here):
                assert not {n for e in part for n in (e.source, e.target)} <= set(ids)
        drawn = {
            (e.source, e.target, e.kind)
            for p in parts
            for e in p
            if all((x.source, x.target, x.kind) in keys for x in p)
        }
        own = {("user", f"i:{h}", "read") for h in tools.history.tolist()}
        assert keys <= drawn | own
