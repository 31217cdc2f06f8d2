"""Facts about each node, all claims, and the graph's edges as a table, as HTML. Pure functions."""

from __future__ import annotations

from html import escape

from star.data.catalog import Catalog
from star.display import bdi, html, isolated, isolating
from star.evidence.subgraph import Node
from star.recommend.recommendation import Recommendation, names_in
from star.ui.views.cards import about, byline, plural, tally, volume
from star.ui.views.trace_view import Block, claim_line

NODE_KINDS = {
    "user": "the reader or shelf",
    "history": "on the shelf",
    "recommended": "recommended",
    "candidate": "mentioned",
    "reader": "other reader",
    "genre": "genre",
}
EDGE_KINDS = {
    "read": "read",
    "co_read": "read by the same readers",
    "read_next": "read soon after",
    "similar": "similar reader",
    "carries": "carries the score of",
    "series": "same series",
    "author": "same author",
    "genre": "of the genre",
}


def weight(kind: str, value: float) -> str:
    """An edge's weight in words, as `3 readers`."""
    match kind:
        case "co_read" | "read_next":
            return plural(round(value), "reader")
        case "similar":
            # A whole number counts shared books, a fraction is the similarity itself.
            return plural(round(value), "shared book") if value >= 1 else f"similarity {value:.2f}"
        case "carries":
            return f"{value:.0%} of it"
        case _:
            return "" if value == 1 else f"{value:g}"


def _facts(node: Node, catalog: Catalog) -> list[str]:
    lines = [isolated(node.label)]
    if node.id.startswith("i:"):
        item = catalog[int(node.id[2:])]
        genres = ", ".join(map(isolated, item.genres))
        lines += [byline(item), volume(item), genres, isolated(item.theme or "")]
    lines.append(NODE_KINDS.get(node.kind, node.kind))
    return [line for line in lines if line]


def facts(node: Node, catalog: Catalog) -> str:
    """Plain text about a node for its hover card: title, author and year, series, genres, theme."""
    return "\n".join(_facts(node, catalog))


def _heading(answer: Recommendation, node: Node, catalog: Catalog) -> str:
    claims = about(answer, node.id)
    lines = _facts(node, catalog)
    shelf = ""
    if node.kind == "user":
        books = [catalog[i] for i in answer.query.history[-8:][::-1]]
        titles = "; ".join(bdi(book.title) for book in books)
        shelf = f"<p>{plural(len(answer.query.history), 'book')}; last: {titles}</p>"
    none = "" if claims else '<p class="star-wait">No claim of this trace is about it.</p>'
    return (
        f'<header data-about="{escape(node.id, quote=True)}" hidden>'
        f'<p class="star-kind">{html(lines[-1])}</p><h3>{bdi(node.label)}</h3>'
        + "".join(f"<p>{html(line)}</p>" for line in lines[1:-1])
        + f"{shelf}<p>{tally(answer, claims)}</p>{none}</header>"
    )


def evidence(answer: Recommendation | None, catalog: Catalog | None) -> list[Block]:
    """A heading for each node and a line for each claim. The page shows those that belong to the selection."""
    if answer is None or catalog is None or not answer.finished:
        return []
    hint = (
        '<header data-about=""><h3>Every claim of this trace</h3>'
        "<p>Select a sentence to see its path; select a node or an edge to see what was said about it.</p>"
        f"<p>{tally(answer)}</p></header>"
    )
    edge = '<header data-about="edge" hidden><p class="star-kind">edge</p><h3 data-edge-words></h3></header>'
    claim = (
        '<header data-about="claim" hidden><p class="star-kind">claim</p>'
        "<h3>What the graph says</h3></header>"
    )
    heads = "".join(_heading(answer, node, catalog) for node in answer.nodes)
    # The model's claims come first; the tools' claims are more numerous.
    order = sorted(range(len(answer.claims)), key=lambda i: answer.claims[i].author != "model")
    named = isolating(names_in(answer, catalog))
    lines = "".join(f'<li data-evidence="{i}">{claim_line(answer, i, named)}</li>' for i in order)
    back = (
        '<button type="button" class="star-link" data-all aria-expanded="false">Show all claims</button>'
        '<button type="button" class="star-link" data-clear hidden>Clear the selection</button>'
    )
    return [
        {
            "key": "evidence",
            "html": f'{hint}{claim}{edge}{heads}{back}<ul class="star-evidence" tabindex="0">{lines}</ul>',
        }
    ]


def edge_table(answer: Recommendation | None) -> list[Block]:
    """The graph's edges, most cited first, as a table for keyboards and screen readers."""
    if answer is None or not answer.finished:
        return []
    labels = {node.id: node.label for node in answer.nodes}
    cited: dict[int, int] = {}
    for claim in answer.claims:
        for index in claim.edges:
            cited[index] = cited.get(index, 0) + 1
    columns = "".join(f'<th scope="col">{name}</th>' for name in ("From", "Edge", "To", "Weight", "Claims"))
    rows = ""
    for index in sorted(range(len(answer.edges)), key=lambda i: -cited.get(i, 0)):
        edge = answer.edges[index]
        source, target = (bdi(labels.get(end, end)) for end in (edge.source, edge.target))
        rows += (
            f'<tr tabindex="0" data-edge="{index}" aria-current="false"><td>{source}</td>'
            f"<td>{escape(EDGE_KINDS.get(edge.kind, edge.kind))}</td><td>{target}</td>"
            f"<td>{weight(edge.kind, edge.weight)}</td><td>{cited.get(index, 0) or ''}</td></tr>"
        )
    return [
        {
            "key": "edges",
            "html": '<div class="star-table" role="region" tabindex="0" aria-label="Edges of the graph">'
            f"<table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>",
        }
    ]
