"""Download: one answer's graph as a single HTML file that needs no network."""

from __future__ import annotations

import re
from html import escape

from star.data.catalog import Catalog
from star.data.words import capital
from star.display import bdi
from star.recommend.recommendation import Recommendation
from star.ui.assets import FILES
from star.ui.views.cards import whom
from star.ui.views.evidence_view import node_kinds
from star.ui.views.graph_view import NODE_STYLE, network

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
        f"<h1>{escape(capital(w.items))} for {escape(whom(answer, w))}, and the graph they rest on</h1><ol>{books}</ol>"
        f"<p>STAR, data set {bdi(answer.dataset)}, checkpoint {bdi(answer.checkpoint)}</p>"
        f"<p>{legend}</p>"
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
    return page.replace("<body>", f"<body>{_heading(answer, catalog)}", 1)
