"""Downloads of one answer: its JSON document, and a report as one HTML file that opens and prints without a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import bdi, html, isolating
from star.recommend.recommendation import Recommendation, names_in
from star.ui.assets import FILES
from star.ui.views.cards import TOOL, VERDICTS, byline, cards, finished, mark, tool_mark, whom
from star.ui.views.graph_picture import picture
from star.ui.views.trace_view import trace

_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    'img-src data:">'
)
_ASKS = re.compile(r'<button[^>]*class="star-link".*?</button>', re.DOTALL)  # asks the page for more
_OPENS, _CLOSES = re.compile(r"<button[^>]*>"), re.compile("</button>")


def document(answer: Recommendation, catalog: Catalog) -> dict[str, Any]:
    """The answer's JSON document, with the reader as the page names it and the title of every item by its id."""
    named = {i for claim in answer.claims for i in (claim.claim.subject, claim.claim.anchor) if i is not None}
    items = sorted({*answer.query.history, *answer.candidates, *(r.item for r in answer.items), *named})
    titles = {catalog[i].id: catalog[i].title for i in items}
    return answer.to_json(catalog) | {"reader": whom(answer, catalog.words), "titles": titles}


def report(answer: Recommendation, catalog: Catalog, at: float, changed: Sequence[str] = ()) -> str:
    """A page with the question, the cards, the graph as a picture, and the trace. It has no script, and its policy forbids
    every request.

    Args:
        at: when the answer was finished, in seconds since 1970.
        changed: what the visitor changed before it, in words.
    """
    w = catalog.words
    style = "".join(FILES[name].read_text("utf-8") for name in ("star.css", "report.css"))
    title = f"{capital(w.items)} for {whom(answer, w)}"
    drawn = picture(answer, catalog)
    graph = f"<section><h2>The graph they rest on</h2>{drawn}</section>" if drawn else ""
    steps = "".join(block["html"] for block in trace(answer, catalog))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{_POLICY}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>STAR: {escape(title)}</title><style>{style}</style></head><body class='report'>"
        f"<header><h1>{escape(title)}</h1>{_about(answer, catalog, at, changed)}</header>"
        f"<main><section><h2>{escape(capital(w.items))}</h2>{_inert(cards(answer, catalog))}</section>"
        f"{_question(answer, catalog)}{graph}"
        f'<section class="trace"><h2>Trace</h2>{_marks(w)}{_inert(steps)}</section></main></body></html>'
    )


def _inert(shown: str) -> str:
    """HTML of the page's views without anything to press."""
    return _CLOSES.sub("</span>", _OPENS.sub('<span class="said">', _ASKS.sub("", shown)))


def _about(answer: Recommendation, catalog: Catalog, at: float, changed: Sequence[str]) -> str:
    when = datetime.fromtimestamp(at, UTC)
    facts = {
        "Data set": bdi(answer.dataset),
        "Checkpoint": bdi(answer.checkpoint),
        "Answered": f"{when.day} {when:%B %Y, %H:%M} UTC",
        "Seed": str(answer.query.seed),
    }
    if changed:
        facts["What if"] = html(isolating(names_in(answer, catalog))("; ".join(changed)))
    rows = "".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts.items())
    return f"<dl>{rows}</dl>"


def _question(answer: Recommendation, catalog: Catalog) -> str:
    """The shelf that was asked about, latest first."""
    w, named = catalog.words, isolating(names_in(answer, catalog))
    books = "".join(
        f"<li>{bdi(catalog[item].title)}<small> {html(byline(catalog[item]))}</small></li>"
        for item in reversed(answer.query.history)
    )
    whose = f"The {w.shelf} of {whom(answer, w)}" if answer.query.reader is not None else f"The {w.shelf}"
    took = html(named(finished(answer, w)))
    return f'<section class="shelf"><h2>{escape(whose)}, latest first</h2><ol>{books}</ol><p>{took}</p></section>'


def _marks(w: Words) -> str:
    said = "".join(f"<span>{mark(verdict)} {escape(words)}</span>" for verdict, (_, words) in VERDICTS.items())
    return f'<p class="legend">{said}<span>{tool_mark()} {escape(TOOL)}</span></p>'
