"""Download: one answer's graph as a single HTML file that needs no network."""

from __future__ import annotations

import re

from star.catalog import Catalog
from star.recommendation import Recommendation
from star.ui.graph_view import network

# pyvis 0.3.2 links Bootstrap from a CDN even when asked for everything in line.
_REMOTE = re.compile(
    r"<script[^>]*\bsrc\s*=\s*[\"'](?:https?:)?//[^>]*>\s*</script>|<link[^>]*\bhref\s*=\s*[\"'](?:https?:)?//[^>]*/?>",
    re.IGNORECASE,
)
_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:\">"
)


def standalone(answer: Recommendation, catalog: Catalog) -> str:
    """A self-contained HTML page with the interactive graph. The policy in its head forbids any request."""
    net = network(answer, catalog)
    net.options["interaction"]["zoomView"] = True
    for part in (*net.nodes, *net.edges):
        # One "href" in a tooltip makes pyvis show all tooltips as HTML; an invisible joiner keeps them text.
        part["title"] = part["title"].replace("href", "h\u2060ref").replace("HREF", "H\u2060REF")
    page = _REMOTE.sub("", net.generate_html(notebook=False))
    return page.replace("<head>", f"<head>{_POLICY}<title>STAR: graph of a recommendation</title>", 1)
