"""The cited part of the graph as an SVG picture, in columns: the shelf, readers and genres, what is recommended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import networkx as nx

from star.data.catalog import Catalog
from star.display import isolated
from star.evidence.subgraph import Node
from star.recommend.recommendation import Recommendation
from star.ui.views.evidence_view import edge_kinds, node_kinds
from star.ui.views.graph_view import EDGE_STYLE, NODE_STYLE, cut

WIDTH = 960
COLUMN = {"user": 0, "history": 1, "reader": 2, "genre": 2, "candidate": 3, "recommended": 3}
X = (28, 300, 480, 690)
ROW = (24, 26, 18, 26)  # height of a node in each column
LONGEST = 34  # letters of a label
ROUNDS = 4
Place = dict[str, tuple[float, float]]


def picture(answer: Recommendation, catalog: Catalog) -> str:
    """The picture with its legend; empty where the answer has no graph."""
    graph = cut(answer)
    if not len(graph):
        return ""
    columns = _ordered(graph)
    height = max(len(column) * row for column, row in zip(columns, ROW, strict=True)) + 24
    at = _placed(columns, height)
    edges = "".join(_edge(at[a], at[b], edge.kind, edge.weight) for a, b, edge in graph.edges(data="edge"))
    nodes = "".join(_node(node, *at[name]) for name, node in graph.nodes(data="node"))
    svg = (
        f'<svg class="picture" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{_said(graph, catalog)}">'
        f"<g>{edges}</g><g>{nodes}</g></svg>"
    )
    # On a narrow page the picture scrolls, by keyboard too.
    drawn = f'<div class="drawn" role="region" aria-label="Picture of the graph" tabindex="0">{svg}</div>'
    return drawn + _legend(graph, catalog)


def _said(graph: nx.MultiDiGraph, catalog: Catalog) -> str:
    names, kinds = node_kinds(catalog.words), [kind for _, kind in graph.nodes(data="kind")]
    counted = ", ".join(f"{names[kind]}: {kinds.count(kind)}" for kind in dict.fromkeys(kinds))
    return escape(f"Graph. {counted}; {graph.number_of_edges()} edges.", quote=True)


def _ordered(graph: nx.MultiDiGraph) -> list[list[str]]:
    """Nodes of each column. Recommended items stay in their order, before candidates; the others are put near their
    neighbours, by the mean place of these, in a few rounds."""
    columns: list[list[str]] = [[], [], [], []]
    for name, kind in graph.nodes(data="kind"):
        columns[COLUMN.get(kind, 2)].append(name)
    columns[3].sort(key=lambda name: graph.nodes[name]["kind"] != "recommended")
    place: dict[str, float] = {}

    def put() -> None:
        place.update(
            {name: (n + 0.5) / len(column) for column in columns for n, name in enumerate(column)}
        )

    def mean(name: str) -> float:
        near = [place[other] for other in nx.all_neighbors(graph, name)]
        return sum(near) / len(near) if near else place[name]

    put()
    for _ in range(ROUNDS):
        for column in (columns[2], columns[1]):
            column.sort(key=mean)
            put()
    return columns


def _placed(columns: Sequence[Sequence[str]], height: float) -> Place:
    return {
        name: (x, (n + 0.5) / len(column) * height)
        for column, x in zip(columns, X, strict=True)
        for n, name in enumerate(column)
    }


def _edge(
    start: tuple[float, float], end: tuple[float, float], kind: str, weight: float, opacity: float = 0.45
) -> str:
    colour, dashed = EDGE_STYLE.get(kind, EDGE_STYLE["read"])
    (x, y), (to_x, to_y) = start, end
    bend = (x + to_x) / 2 if x != to_x else x + 40
    width = 1 + min(2.0, math.log10(weight)) if kind == "co_read" and weight > 1 else 1
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<path d="M{x:g} {y:.1f}C{bend:g} {y:.1f} {bend:g} {to_y:.1f} {to_x:g} {to_y:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="{width:.1f}" stroke-opacity="{opacity:g}"{dash}/>'
    )


def _node(node: Node, x: float, y: float) -> str:
    """A node with its label; readers have theirs on hover alone."""
    label = isolated(node.label or node.id)
    short = label if len(label) <= LONGEST else isolated((node.label or node.id)[: LONGEST - 1].rstrip() + "…")
    left = node.kind == "history"
    text = (
        ""
        if node.kind in ("reader", "user")
        else f'<text x="{x - 13 if left else x + 13:g}" y="{y + 4:.1f}" text-anchor="{"end" if left else "start"}">'
        f"{escape(short)}</text>"
    )
    return f"<g><title>{escape(label)}</title>{_shape(node.kind, x, y)}{text}</g>"


def _shape(kind: str, x: float, y: float) -> str:
    shape, size, colour = NODE_STYLE.get(kind, NODE_STYLE["candidate"])
    r = size / 2 + 1
    if shape == "dot":
        return f'<circle cx="{x:g}" cy="{y:.1f}" r="{r:g}" fill="{colour}"/>'
    corners, turn, inner = {
        "diamond": (4, 0.0, 1.0),
        "square": (4, 45.0, 1.0),
        "star": (5, 0.0, 0.42),
        "triangle": (3, 0.0, 1.0),
        "hexagon": (6, 30.0, 1.0),
    }[shape]
    points = []
    for n in range(2 * corners if inner < 1 else corners):
        step = 180 / corners if inner < 1 else 360 / corners
        angle = math.radians(n * step + turn - 90)
        far = r * (inner if inner < 1 and n % 2 else 1.0)
        points.append(f"{x + far * math.cos(angle):.1f},{y + far * math.sin(angle):.1f}")
    return f'<polygon points="{" ".join(points)}" fill="{colour}"/>'


def _legend(graph: nx.MultiDiGraph, catalog: Catalog) -> str:
    """The kinds that are drawn, with their marks."""

    def key(mark: str, words: str, width: int = 16) -> str:
        return f'<span><svg width="{width}" height="16" aria-hidden="true">{mark}</svg>{escape(words)}</span>'

    kinds = dict.fromkeys(kind for _, kind in graph.nodes(data="kind"))
    drawn: dict[str, Any] = dict.fromkeys(edge.kind for _, _, edge in graph.edges(data="edge"))
    names, lines = node_kinds(catalog.words), edge_kinds(catalog.words)
    keys = [key(_shape(kind, 8, 8), names[kind]) for kind in kinds]
    keys += [key(_edge((1, 8), (23, 8), kind, 30.0, 1.0), lines.get(kind, kind), 24) for kind in drawn]
    return f'<p class="legend">{"".join(keys)}</p>'
