"""Subgraph: the nodes and edges a trace cites, cut down to what a person can look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx

from star.data.catalog import Catalog
from star.evidence.claims import Edge

LIMIT = 80  # nodes drawn; what is cited for books that are not recommended goes first


@dataclass(frozen=True)
class Node:
    """kind: `user` (the reader or shelf), `history` (a book on the shelf), `recommended`, `candidate` (mentioned, not
    recommended), `reader` (a co-reader or a group of them), `genre`. `id` as in `Edge`."""

    id: str
    kind: str
    label: str


def build(
    history: Sequence[int], recommended: Sequence[int], cited: Iterable[tuple[Edge, ...]], catalog: Catalog
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Nodes and edges for the page.

    Args:
        history: books on the shelf.
        recommended: books recommended, best first.
        cited: the edges of each claim, the most important claims first.

    Returns:
        nodes (the reader first) and edges without repeats; every edge of a claim is there or none of it. A book of the
        shelf is drawn when some edge rests on it, and is tied to the reader.
    """
    graph = nx.MultiDiGraph()
    graph.add_node("user")
    for item in recommended:
        graph.add_node(f"i:{item}")
    shelf = {f"i:{item}" for item in history}
    for edges in cited:
        new = {node for edge in edges for node in (edge.source, edge.target)} - set(graph)
        if len(graph) + len(new) > LIMIT:
            continue
        for edge in edges:
            graph.add_edge(edge.source, edge.target, key=edge.kind, weight=edge.weight)
    for node in [n for n in graph if n in shelf]:
        graph.add_edge("user", node, key="read", weight=1.0)
    names = {f"i:{item}" for item in recommended}
    nodes = tuple(Node(n, _kind(n, shelf, names), node_label(n, catalog)) for n in graph)
    return nodes, tuple(
        Edge(a, b, kind, data["weight"]) for a, b, kind, data in graph.edges(keys=True, data=True)
    )


def _kind(node: str, shelf: set[str], recommended: set[str]) -> str:
    if node in recommended:
        return "recommended"
    if node in shelf:
        return "history"
    return {"user": "user", "i": "candidate", "r": "reader", "g": "genre"}[node.partition(":")[0]]


def node_label(node: str, catalog: Catalog) -> str:
    """Words for a node id: a title, `reader 12`, a genre, or `this reader`."""
    kind, _, rest = node.partition(":")
    match kind:
        case "i":
            return catalog[int(rest)].title
        case "r":
            return f"{catalog.words.user} {int(rest) + 1}"
        case "g":
            return rest
        case _:
            return f"this {catalog.words.user}"
