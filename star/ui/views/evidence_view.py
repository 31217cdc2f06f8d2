"""Facts about each node, all claims, and the graph's edges as a table, as HTML. Pure functions."""

from __future__ import annotations

from html import escape

from star.data.catalog import Catalog
from star.data.words import Words
from star.display import bdi, html, isolated
from star.evidence.subgraph import Node
from star.recommend.recommendation import Recommendation
from star.ui.views.cards import about, byline, plural, tally, volume
from star.ui.views.sentence_view import behind
from star.ui.views.trace_view import Block


def node_kinds(w: Words) -> dict[str, str]:
    """Kind of node → what the legend calls it."""
    return {
        "user": f"the {w.user} or {w.shelf}",
        "history": w.on_shelf,
        "recommended": "recommended",
        "candidate": "mentioned",
        "reader": f"other {w.user}",
        "genre": w.genre,
    }


def edge_kinds(w: Words) -> dict[str, str]:
    """Kind of edge → what stands between its ends."""
    return {
        "read": w.past,
        "co_read": f"{w.participle} by the same {w.users}",
        "read_next": f"{w.participle} soon after",
        "similar": f"similar {w.user}",
        "carries": "carries the score of",
        "series": f"same {w.series}",
        "author": f"same {w.creator}",
        "genre": f"of the {w.genre}",
    }


def weight(kind: str, value: float, w: Words) -> str:
    """An edge's weight in words, as `3 readers`."""
    match kind:
        case "co_read" | "read_next":
            return plural(round(value), w.user, w.users)
        case "similar":
            # A whole number counts shared items, a fraction is the similarity itself.
            shared = plural(round(value), f"shared {w.item}", f"shared {w.items}")
            return shared if value >= 1 else f"similarity {value:.2f}"
        case "carries":
            return f"{value:.0%} of it"
        case _:
            return "" if value == 1 else f"{value:g}"


def _facts(node: Node, catalog: Catalog) -> list[str]:
    lines = [isolated(node.label)]
    if node.id.startswith("i:"):
        item = catalog[int(node.id[2:])]
        genres = ", ".join(map(isolated, item.genres))
        lines += [byline(item), volume(item, catalog.words), genres, isolated(item.theme or "")]
    lines.append(node_kinds(catalog.words).get(node.kind, node.kind))
    return [line for line in lines if line]


def facts(node: Node, catalog: Catalog) -> str:
    """Plain text about a node for its hover card: title, author and year, series, genres, theme."""
    return "\n".join(_facts(node, catalog))


def _heading(answer: Recommendation, node: Node, claims: tuple[int, ...], catalog: Catalog) -> str:
    lines = _facts(node, catalog)
    shelf = ""
    if node.kind == "user":
        titles = "; ".join(bdi(catalog[i].title) for i in answer.query.history[-8:][::-1])
        size = plural(len(answer.query.history), catalog.words.item, catalog.words.items)
        shelf = f"<p>{escape(size)}; last: {titles}</p>"
    none = "" if claims else '<p class="star-wait">No claim of this trace is about it.</p>'
    return (
        f'<header data-about="{escape(node.id, quote=True)}" hidden>'
        f'<p class="star-kind">{html(lines[-1])}</p><h3>{bdi(node.label)}</h3>'
        + "".join(f"<p>{html(line)}</p>" for line in lines[1:-1])
        + f"{shelf}<p>{tally(answer, claims)}</p>{none}</header>"
    )


def evidence(answer: Recommendation | None, catalog: Catalog | None) -> list[Block]:
    """A heading for each node and a line for each claim. The page shows those that belong to the selection, and then copies
    the claim's own words from the trace into its line: a trace has hundreds, of which few are looked at."""
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
    said = about(answer)
    heads = "".join(_heading(answer, node, said.get(node.id, ()), catalog) for node in answer.nodes)
    # The model's claims come first; the tools' claims are more numerous.
    order = sorted(range(len(answer.claims)), key=lambda i: answer.claims[i].author != "model")
    lines = "".join(f'<li data-evidence="{i}">{_behind(answer, i, catalog)}</li>' for i in order)
    back = (
        '<button type="button" class="star-link" data-all aria-expanded="false">Show all claims</button>'
        '<button type="button" class="star-link" data-clear hidden>Clear the selection</button>'
    )
    return [
        {
            "key": "evidence",
            "html": f'{hint}{claim}{edge}{heads}{back}<ul class="star-evidence">{lines}</ul>',
        }
    ]


def _behind(answer: Recommendation, index: int, catalog: Catalog) -> str:
    inside = behind(answer, index, catalog)
    if not inside:
        return ""
    fold = f'<details class="star-raw" data-key="behind-{index}"><summary>What is behind it</summary>'
    return f'{fold}<div class="star-behind">{inside}</div></details>'


def edge_table(answer: Recommendation | None, catalog: Catalog | None) -> list[Block]:
    """The graph's edges, most cited first, as a table for keyboards and screen readers."""
    if answer is None or catalog is None or not answer.finished:
        return []
    kinds = edge_kinds(catalog.words)
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
            f'<tr tabindex="{-1 if rows else 0}" data-edge="{index}" aria-current="false"><td>{source}</td>'
            f"<td>{escape(kinds.get(edge.kind, edge.kind))}</td><td>{target}</td>"
            f"<td>{escape(weight(edge.kind, edge.weight, catalog.words))}</td><td>{cited.get(index, 0) or ''}</td></tr>"
        )
    return [
        {
            "key": "edges",
            "html": '<div class="star-table" role="group" aria-label="Edges of the graph; arrow keys move, Enter selects">'
            f"<table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>",
        }
    ]
