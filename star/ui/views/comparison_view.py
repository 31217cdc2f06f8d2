"""Two systems' lists side by side as HTML: without names before the vote, with names and costs after it. Pure functions."""

from __future__ import annotations

from html import escape

from star.data.catalog import Catalog
from star.display import bdi, html, isolated, isolating
from star.questions.compare import Comparison, Side, Vote
from star.recommend.recommendation import names_in
from star.ui.views.cards import plural
from star.ui.views.tables import table
from star.ui.views.trace_view import Block

LATEST = 8  # books of the shelf that are named


def blind(found: Comparison, left_first: bool, catalog: Catalog) -> list[Block]:
    """Both lists with their reasons, under *Left* and *Right*."""
    left, right = (found.first, found.second) if left_first else (found.second, found.first)
    lists = "".join(_list(name, side, catalog) for name, side in (("Left", left), ("Right", right)))
    return [
        {
            "key": "verdict",
            "html": '<p class="star-verdict">Which list is better? Vote to see who wrote which.</p>',
        },
        {"key": "lists", "html": f'<div class="star-blind">{lists}</div>'},
    ]


def _list(name: str, side: Side, catalog: Catalog) -> str:
    named = isolating(names_in(side.answer, catalog))
    rows = "".join(
        f"<li>{bdi(catalog[r.item].title)}<small>{html(named(r.reason))}</small></li>"
        for r in side.answer.items
    )
    return f"<section><h3>{escape(name)}</h3><ol>{rows}</ol></section>"


def revealed(
    found: Comparison, left_first: bool, vote: Vote | None, counts: dict[str, int], catalog: Catalog
) -> list[Block]:
    """Who wrote which list, what each took, where they part and why, and the votes so far. `vote` None: it was not asked
    for, since the names were known."""
    names = [isolated(side.name) for side in (found.first, found.second)]
    left, right = names if left_first else names[::-1]
    if vote is None:
        text = f"{names[0]} and {names[1]} on the same candidates."
    else:
        chosen = {"left": f"You chose {left}.", "right": f"You chose {right}.", "tie": "You chose neither."}[
            vote
        ]
        text = f"Left was {left}, right was {right}. {chosen}"
    return [
        {"key": "verdict", "html": f'<p class="star-verdict">{html(text)}</p>'},
        {"key": "parts", "html": _parts(found, names, catalog)},
        {"key": "ranks", "html": _ranks(found, catalog)},
        {"key": "costs", "html": _costs(found)},
        {"key": "votes", "html": "" if vote is None else _votes(names, counts)},
    ]


def _parts(found: Comparison, names: list[str], catalog: Catalog) -> str:
    if found.place is None:
        return "<p>Both rank the same, from first to last.</p>"
    if found.one is None or found.other is None:
        return f"<p>They agree up to place {found.place - 1}, where one list ends.</p>"
    one, other = (isolated(catalog[item].title) for item in (found.one, found.other))
    text = f"They part at place {found.place}: {names[0]} has {one}, {names[1]} has {other}."
    for line, item in ((found.parts, one), (found.against, other)):
        text += f" For {item} speaks most: {line.name}." if line else f" No signal puts {item} ahead."
    return f"<p>{html(text)}</p>"


def _ranks(found: Comparison, catalog: Catalog) -> str:
    sides = (found.first, found.second)
    rows = []
    for place in range(max(len(side.order) for side in sides)):
        cells = [bdi(catalog[side.order[place]].title) if place < len(side.order) else "–" for side in sides]
        mark = " <b>they part here</b>" if place + 1 == found.place else ""
        rows.append([f"{place + 1}{mark}", *cells])
    w = catalog.words
    caption = f"Recommended {w.items}; {found.common} stand in both lists"
    return table(caption, ["Place", *(bdi(side.name) for side in sides)], rows)


def _costs(found: Comparison) -> str:
    rows = [
        [
            bdi(side.name),
            str(side.calls),
            f"{side.words:,}",
            "–" if side.seconds is None else f"{side.seconds:.2f}",
            f"{len(side.own):,}",
        ]
        for side in (found.first, found.second)
    ]
    heads = ["System", "Calls of tools", "Words of the trace", "Seconds", "Claims of its own"]
    return table("What each took", heads, rows, "moves")


def _votes(names: list[str], counts: dict[str, int]) -> str:
    total = sum(counts.values())
    said = f"{names[0]} {counts['first']}, {names[1]} {counts['second']}, ties {counts['tie']}"
    text = f"{plural(total, 'vote')} since the page was started: {said}."
    return f'<p class="star-hint">{html(text)}</p>'
