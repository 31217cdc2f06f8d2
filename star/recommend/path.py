"""The path to one recommended item: shelf, evidence, item, of at most twelve nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from star.data.catalog import Catalog
from star.recommend.reasons import card
from star.recommend.recommendation import Recommendation

MOST = 12  # nodes of a path
READERS = 3  # co-readers among them
SHELF = 5  # items of the shelf among them


@dataclass(frozen=True)
class Path:
    """Ids of nodes, the user first and the item last, and indices into the answer's edges."""

    nodes: tuple[str, ...]
    edges: tuple[int, ...]


def path(answer: Recommendation, item: int, catalog: Catalog) -> Path:
    """What the item's card rests on, then the strongest of what else the model wrote of it, as far as there is room."""
    known = {node.id for node in answer.nodes}
    target = f"i:{item}"
    nodes = {"user": None} if "user" in known else {}
    chosen: dict[int, None] = {}
    for group in _groups(answer, item, catalog):
        ends = {end for index in group for end in (answer.edges[index].source, answer.edges[index].target)}
        new = ends - set(nodes) - {target}
        if not ends <= known or len(nodes) + len(new) + 1 > MOST:
            continue
        count = Counter(node[0] for node in {*nodes, *new})
        if new and (count["r"] > READERS or count["i"] > SHELF):
            continue
        nodes |= dict.fromkeys(sorted(new))
        chosen |= dict.fromkeys(group)
    tied = [
        index
        for index, edge in enumerate(answer.edges)
        if edge.kind == "read" and edge.source == "user" and edge.target in nodes
    ]
    return Path((*nodes, target), tuple(sorted({*chosen, *tied})))


def _groups(answer: Recommendation, item: int, catalog: Catalog) -> Iterator[list[int]]:
    """Edges that come or stay away together, the most important first: one from the shelf, or a co-reader's two."""
    said = card(answer, item, catalog)
    cited = [index for sentence in said for index in sentence.claims]
    own = [
        index
        for index, each in enumerate(answer.claims)
        if each.claim.subject == item and each.author == "model" and each.verdict == "supported"
    ]
    named = {i for sentence in said for i in sentence.named}
    for index in dict.fromkeys((*cited, *own)):
        edges = [(e, answer.edges[e]) for e in answer.claims[index].edges]
        direct = [(e, edge) for e, edge in edges if edge.target == f"i:{item}" and edge.source.startswith("i:")]
        direct.sort(key=lambda pair: (int(pair[1].source[2:]) not in named, -pair[1].weight))
        yield from ([e] for e, _ in direct[: 3 if index in cited else 1])
        for e, edge in edges:
            if edge.kind == "similar":
                onward = [o for o, other in edges if other.source == edge.target and other.target == f"i:{item}"]
                yield [e, *onward]
