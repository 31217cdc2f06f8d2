"""The cited part of the reader–book graph: cut with networkx, built with pyvis, drawn by vis-network in the page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from html import escape
from typing import Any

import gradio as gr
import networkx as nx
from pyvis.network import Network

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import isolated
from star.evidence.subgraph import Node
from star.recommend.path import path
from star.recommend.recommendation import CheckedClaim, Query, Recommendation
from star.ui.views.cards import about, plural, whom
from star.ui.views.evidence_view import edge_kinds, facts, node_kinds, weight

# Most nodes of each kind that are drawn, so that a canvas stays legible. The table has all edges.
MOST = {"user": 1, "recommended": 10, "history": 10, "candidate": 5, "reader": 24, "genre": 6}

# Okabe and Ito's palette, which colour-blind readers can tell apart. Every kind also has its own shape.
NODE_STYLE: dict[str, tuple[str, int, str]] = {
    "user": ("diamond", 17, "#d55e00"),
    "history": ("square", 11, "#0072b2"),
    "recommended": ("star", 16, "#e69f00"),
    "candidate": ("dot", 9, "#8a8f98"),
    "reader": ("triangle", 8, "#009e73"),
    "genre": ("hexagon", 11, "#cc79a7"),
}
EDGE_STYLE: dict[str, tuple[str, bool]] = {
    "read": ("#8a8f98", False),
    "co_read": ("#0072b2", False),
    "read_next": ("#d55e00", False),
    "similar": ("#009e73", True),
    "carries": ("#e69f00", False),
    "series": ("#cc79a7", False),
    "author": ("#cc79a7", True),
    "genre": ("#8a8f98", True),
}


def whole(answer: Recommendation) -> nx.MultiDiGraph:
    """All nodes and edges of the answer. Edge keys are indices into `answer.edges`."""
    graph = nx.MultiDiGraph()
    for node in answer.nodes:
        graph.add_node(node.id, kind=node.kind, node=node)
    for index, edge in enumerate(answer.edges):
        if edge.source in graph and edge.target in graph:
            graph.add_edge(edge.source, edge.target, key=index, edge=edge)
    return graph


def cut(answer: Recommendation) -> nx.MultiDiGraph:
    """The answer's graph with at most `MOST` nodes of each kind: the most cited ones, then the latest read.

    Edge keys are indices into `answer.edges`. Nodes without an edge are left out, unless recommended.
    """
    graph = whole(answer)
    graph.remove_nodes_from(
        [n for n, kind in list(graph.nodes(data="kind")) if not graph.degree(n) and kind != "recommended"]
    )
    cited = Counter(end for c in answer.claims for e in c.edges for end in _ends(answer, e))
    latest = {f"i:{item}": place for place, item in enumerate(answer.query.history)}

    def worth(node: str) -> tuple[int, int, int]:
        return cited[node], latest.get(node, 0), graph.degree(node)

    kept: set[str] = set()
    for kind, most in MOST.items():
        these = [node for node in graph if graph.nodes[node]["kind"] == kind]
        kept.update(sorted(these, key=worth, reverse=True)[:most])
    rank = {f"i:{r.item}": r.rank for r in answer.items}
    small = nx.MultiDiGraph()  # not graph.subgraph(kept), whose order changes from run to run
    small.add_nodes_from(
        (n, graph.nodes[n]) for n in sorted(graph, key=lambda n: rank.get(n, 0)) if n in kept
    )
    small.add_edges_from(e for e in graph.edges(keys=True, data=True) if e[0] in kept and e[1] in kept)
    return small


def _ends(answer: Recommendation, edge: int) -> tuple[str, str]:
    return answer.edges[edge].source, answer.edges[edge].target


def network(answer: Recommendation, catalog: Catalog, graph: nx.MultiDiGraph | None = None) -> Network:
    """The graph, or the part that is drawn at first, as a pyvis network. Titles are plain text, shown as text."""
    graph, kinds, said = cut(answer) if graph is None else graph, edge_kinds(catalog.words), about(answer)
    # Directed, because pyvis drops the second edge between two nodes of an undirected network.
    net = Network(height="100vh", directed=True, cdn_resources="in_line")
    for node_id, data in graph.nodes(data=True):
        shape, size, _ = NODE_STYLE.get(data["kind"], NODE_STYLE["candidate"])
        claims = len(said.get(node_id, ()))
        words = facts(data["node"], catalog) + (f"\n{plural(claims, 'claim')}" if claims else "")
        net.add_node(
            node_id,
            label=isolated(data["node"].label or node_id),
            group=data["kind"],
            shape=shape,
            size=size,
            title=words,
        )
    heaviest = max((e.weight for e in answer.edges if e.kind == "co_read"), default=1.0) or 1.0
    for source, target, index, edge in graph.edges(keys=True, data="edge"):
        colour, dashes = EDGE_STYLE.get(edge.kind, EDGE_STYLE["read"])
        words = " ".join(
            word
            for word in (kinds.get(edge.kind, edge.kind), weight(edge.kind, edge.weight, catalog.words))
            if word
        )
        net.add_edge(
            source,
            target,
            id=index,
            kind=edge.kind,
            title=words,
            color=colour,
            dashes=dashes,
            arrows="to" if edge.kind in ("read_next", "carries") else "",
            width=1 + 3 * edge.weight / heaviest if edge.kind == "co_read" else 1.2,
        )
    net.set_options(json.dumps(_options()))
    return net


def _options() -> dict[str, Any]:
    return {
        "groups": {kind: {"color": colour} for kind, (_, _, colour) in NODE_STYLE.items()},
        "interaction": {"hover": True, "tooltipDelay": 120, "zoomView": False, "keyboard": False},
        "physics": {
            "solver": "forceAtlas2Based",
            "stabilization": {"iterations": 150},
            "forceAtlas2Based": {"gravitationalConstant": -60, "springLength": 90, "avoidOverlap": 0.6},
        },
        "layout": {"randomSeed": 7, "improvedLayout": False},
    }


def payload(answer: Recommendation | None, catalog: Catalog | None, run: str = "") -> dict[str, Any]:
    """What the page draws (the whole graph's nodes and edges, the path of each item, options) and what its selection needs
    (claims' edges, names of kinds)."""
    if answer is None or catalog is None or not answer.finished:
        return {"run": "", "nodes": [], "edges": [], "claims": []}
    nodes, edges, _, _, _, options = network(answer, catalog).get_network_data()
    drawn = {node["id"] for node in nodes}
    rest, paths, *_ = network(answer, catalog, _complete(answer, catalog)).get_network_data()
    labels = {node.id: isolated(node.label) for node in answer.nodes}
    kinds, said = edge_kinds(catalog.words), about(answer)
    return {
        "run": run,
        "nodes": nodes,
        "edges": edges,
        "options": json.loads(options) if isinstance(options, str) else options,
        # What a selection or a search adds to the drawing.
        "more": {
            "nodes": [node for node in rest if node["id"] not in drawn],
            "edges": [edge for edge in paths if not {edge["from"], edge["to"]} <= drawn],
        },
        # What is drawn at first, and while a recommended item is chosen.
        "paths": {
            f"i:{entry.item}": {"nodes": found.nodes, "edges": found.edges}
            for entry in answer.items
            for found in (path(answer, entry.item, catalog),)
        },
        "claims": [
            {"edges": list(c.edges), "nodes": _named(c), "verdict": c.verdict} for c in answer.claims
        ],
        "about": {node.id: list(said.get(node.id, ())) for node in answer.nodes},
        "ends": [[e.source, e.target] for e in answer.edges],
        "words": [
            " – ".join(
                (
                    labels.get(e.source, e.source),
                    kinds.get(e.kind, e.kind),
                    labels.get(e.target, e.target),
                )
            )
            for e in answer.edges
        ],
        "hidden": len(answer.nodes) - len(nodes),
        "nodeKinds": node_kinds(catalog.words),
        "edgeKinds": kinds,
        "files": f"star-runs/{run}" if run else "",
        "title": f"{capital(catalog.words.items)} for {whom(answer, catalog.words)}" if run else "",
        "asked": asked(answer.query) if run else None,  # a blinded record does not name its reader
    }


def _named(claim: CheckedClaim) -> list[str]:
    """Nodes of the items that a claim names; they are lit also where the claim has no edge of its own."""
    return [f"i:{item}" for item in (claim.claim.subject, claim.claim.anchor) if item is not None]


def _complete(answer: Recommendation, catalog: Catalog) -> nx.MultiDiGraph:
    """All of the answer's graph, and the items that its claims name but its graph had no room for."""
    graph, shelf = whole(answer), set(answer.query.history)
    for node in (node for claim in answer.claims for node in _named(claim)):
        if node not in graph:
            item = int(node[2:])
            kind = "history" if item in shelf else "candidate"
            graph.add_node(node, kind=kind, node=Node(node, kind, catalog[item].title))
    return graph


def asked(query: Query) -> dict[str, Any]:
    """The question of an answer in the terms of the picker's value."""
    mode, said = "shelf" if query.reader is None else "reader", {each.item for each in query.feedback}
    return {
        "mode": mode,
        "reader": query.reader,
        "shelf": [item for item in query.history if item not in said] if mode == "shelf" else [],
        "feedback": [asdict(each) for each in query.feedback],
        "k": query.k,
        "seed": query.seed,
    }


def template(w: Words) -> str:
    """The graph's frame: tools, canvas and legend."""
    return f"""
<div class="star-graph">
  <div class="star-tools" role="toolbar" aria-label="Graph tools">
    <input type="search" placeholder="Find a node…" aria-label="Find a node" data-find>
    <button type="button" data-zoom="1.25" aria-label="Zoom in">+</button>
    <button type="button" data-zoom="0.8" aria-label="Zoom out">−</button>
    <button type="button" data-fit>Fit</button>
    <button type="button" role="switch" aria-checked="false" data-whole>Whole graph</button>
    <button type="button" role="switch" aria-checked="false" data-physics>Physics</button>
    <button type="button" data-png aria-label="Download the drawing as PNG">PNG</button>
    <a data-html download aria-label="Download a report of the answer as HTML">Report</a>
    <a data-json download aria-label="Download the answer as JSON">JSON</a>
  </div>
  <p class="star-hint" aria-live="polite" data-find-said></p>
  <div class="star-canvas" aria-hidden="true"></div>
  <p class="star-empty">The part of the {escape(w.user)}–{escape(w.item)} graph that the trace cites is drawn here.</p>
  <div class="star-legend" role="group" aria-label="Legend: press to hide or show a kind"></div>
</div>
"""


def packed(made: dict[str, Any]) -> dict[str, str]:
    """A `payload` as Gradio carries it: in one text. Server and browser would otherwise visit its thousands of values."""
    return {"drawn": json.dumps(made)}


def graph_view(w: Words, **options: Any) -> gr.HTML:
    """The graph on the page; its value is `packed`. Emits `node_click` with the node's id."""
    return gr.HTML(
        value=packed(payload(None, None)),
        html_template=template(w),
        js_on_load=(
            "const draw = STAR.graph(element, (id) => trigger('node_click', {id}));"
            "const show = () => draw(JSON.parse(props.value.drawn)); watch('value', show); show();"
        ),
        apply_default_css=False,
        **options,
    )
