"""Downloads of one answer: its document with names, and cards, trace and graph as one HTML file that needs no network."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from star.data.catalog import Catalog
from star.data.words import capital
from star.display import bdi, html, isolating
from star.recommend.recommendation import Recommendation, names_in
from star.ui.assets import FILES
from star.ui.views.cards import byline, whom
from star.ui.views.evidence_view import node_kinds
from star.ui.views.graph_view import NODE_STYLE, network
from star.ui.views.trace_view import trace

# pyvis 0.3.2 links Bootstrap from a CDN even when asked for everything in line.
_REMOTE = re.compile(
    r"<script[^>]*\bsrc\s*=\s*[\"'](?:https?:)?//[^>]*>\s*</script>|<link[^>]*\bhref\s*=\s*[\"'](?:https?:)?//[^>]*/?>",
    re.IGNORECASE,
)
_HEADING = re.compile(r"<center>\s*<h1></h1>\s*</center>")  # pyvis writes its own heading twice, empty here
_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:\">"
)


_SIGNS = {"user": "◆", "history": "■", "recommended": "★", "candidate": "●", "reader": "▲", "genre": "⬢"}


def _heading(answer: Recommendation, catalog: Catalog) -> str:
    """Title, ranking and legend of the page. Ours, because pyvis does not escape its own heading."""
    w, kinds = catalog.words, {node.kind for node in answer.nodes}
    names = node_kinds(w)
    legend = "".join(
        f'<span class="key"><span style="color:{NODE_STYLE[kind][2]}">{sign}</span> {escape(names[kind])}</span>'
        for kind, sign in _SIGNS.items()
        if kind in kinds
    )
    books = "".join(f"<li>{bdi(catalog[r.item].title)}</li>" for r in answer.items)
    return (
        f"<h1>{escape(capital(w.items))} for {escape(whom(answer, w))}, and the graph they rest on</h1>"
        f"<ol class='books'>{books}</ol>"
        f"<p>STAR, data set {bdi(answer.dataset)}, checkpoint {bdi(answer.checkpoint)}</p>"
        f"<p>{legend}</p>"
    )


def document(answer: Recommendation, catalog: Catalog) -> dict[str, Any]:
    """The answer's JSON document, with the reader as the page names it and the title of every item by its id."""
    named = {i for claim in answer.claims for i in (claim.claim.subject, claim.claim.anchor) if i is not None}
    items = sorted({*answer.query.history, *answer.candidates, *(r.item for r in answer.items), *named})
    titles = {catalog[i].id: catalog[i].title for i in items}
    return answer.to_json(catalog) | {"reader": whom(answer, catalog.words), "titles": titles}


def _body(answer: Recommendation, catalog: Catalog) -> str:
    """Cards and trace as plain HTML below the graph; nothing in it can be pressed."""
    named = isolating(names_in(answer, catalog))
    cards = "".join(
        f"<li><b>{bdi(catalog[r.item].title)}</b>, {html(byline(catalog[r.item]))}: {html(named(r.reason))}</li>"
        for r in answer.items
    )
    steps = "".join(block["html"] for block in trace(answer, catalog))
    steps = re.sub(r"<button[^>]*>", '<span class="said">', steps).replace("</button>", "</span>")
    return (
        f'<section class="cards"><h2>{escape(capital(catalog.words.items))}</h2><ol>{cards}</ol></section>'
        f'<section class="trace"><h2>Trace</h2>{steps}</section>'
    )


def standalone(answer: Recommendation, catalog: Catalog) -> str:
    """A self-contained HTML page with the interactive graph. The policy in its head forbids any request."""
    net = network(answer, catalog)
    net.height = "76vh"
    net.options["interaction"]["zoomView"] = True
    for part in (*net.nodes, *net.edges):
        # One "href" in a tooltip makes pyvis show all tooltips as HTML; an invisible joiner keeps them text.
        part["title"] = part["title"].replace("href", "h\u2060ref").replace("HREF", "H\u2060REF")
    page = _HEADING.sub("", _REMOTE.sub("", net.generate_html(notebook=False)))
    style = f"<style>{FILES['download.css'].read_text('utf-8')}</style>"
    title = "<title>STAR: graph of a recommendation</title>"
    page = page.replace("<head>", f'<head><meta charset="utf-8">{_POLICY}{title}{style}', 1)
    page = page.replace("<body>", f"<body>{_heading(answer, catalog)}", 1)
    return page.replace("</body>", f"{_body(answer, catalog)}</body>", 1)
