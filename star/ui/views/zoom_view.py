"""One sentence, the count behind it, the readers behind the count, and the second reading's logits: four panels as HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from star.data.catalog import Catalog
from star.data.words import capital
from star.display import bdi, html, isolated, isolating
from star.evidence.subgraph import node_label
from star.questions.zoom import Zoom, sentences, signal
from star.recommend.readable import VERDICTS
from star.recommend.recommendation import Recommendation, names_in
from star.ui.views.cards import mark, plural
from star.ui.views.tables import share, table
from star.ui.views.trace_view import Block


def zoomed(answer: Recommendation, found: Zoom, chosen: int, catalog: Catalog) -> list[Block]:
    """The choice of an item, and the four panels about it. `chosen`: index of the sentence among the answer's claims."""
    panels = (
        ("The sentence", _sentences(answer, found, chosen, catalog)),
        ("The count behind it", _count(found, catalog)),
        (f"The {catalog.words.users} behind the count", _readers(found, catalog)),
        ("The probability", _reread(answer, found, catalog)),
    )
    name = bdi(catalog[found.item].title)
    body = "".join(
        f'<li><p class="star-zoom-item">{name}</p><h3>{number}. {escape(title)}</h3>{inside}</li>'
        for number, (title, inside) in enumerate(panels, 1)
    )
    return [
        {"key": "items", "html": _items(answer, found.item, catalog)},
        {"key": "panels", "html": f'<ol class="star-zoom">{body}</ol>'},
    ]


def _button(label: str, pressed: bool, **value: Any) -> str:
    return (
        f'<button type="button" class="star-do" aria-pressed="{str(pressed).lower()}" '
        f'data-zoom="{escape(json.dumps(value), quote=True)}">{label}</button>'
    )


def whose(chosen: str) -> Block:
    """The choice of the answer that is looked into."""
    names = (("student", "The lesson’s answer"), ("last", "My last answer from Explore"))
    buttons = "".join(_button(label, name == chosen, whose=name) for name, label in names)
    return {"key": "whose", "html": f'<div class="star-zoom-whose" role="group" aria-label="Which answer?">{buttons}</div>'}


def _items(answer: Recommendation, item: int, catalog: Catalog) -> str:
    buttons = "".join(
        _button(f"{r.rank}. {bdi(catalog[r.item].title)}", r.item == item, item=r.item) for r in answer.items
    )
    label = escape(f"Recommended {catalog.words.items}", quote=True)
    return f'<div class="star-zoom-items" role="group" aria-label="{label}">{buttons}</div>'


def _sentences(answer: Recommendation, found: Zoom, chosen: int, catalog: Catalog) -> str:
    named = isolating(names_in(answer, catalog))
    rows = "".join(
        f"<li>{_button(mark(claim.verdict) + html(named(capital(claim.text))), n == chosen, item=found.item, claim=n)}</li>"
        for n in sentences(answer, found.item)
        for claim in [answer.claims[n]]
    )
    by = "the model wrote this" if found.claim.author == "model" else "a tool returned this"
    return f"<ul>{rows}</ul><p>{VERDICTS[found.claim.verdict][1].capitalize()}; {by}.</p>"


def _count(found: Zoom, catalog: Catalog) -> str:
    w, claim = catalog.words, found.claim.claim
    if signal(claim) == "similar":
        asked = f"{claim.numbers.get('of', 0):g}"
        said = f"few of the {asked}, too few to count" if found.count is None else f"{found.count:,} of the {asked}"
        return f'<p class="star-learn-big">{said}</p><p>most similar {escape(w.users)} {escape(w.past)} it.</p>'
    if not found.carriers:
        return f"<p>No {escape(w.item)} of the {escape(w.shelf)} is behind this sentence.</p>"
    heads = (f"{escape(capital(w.item))} of the {escape(w.shelf)}", "share", f"{escape(w.users)} of both")
    rows = [
        (
            bdi(catalog[c.item].title),
            "–" if c.share is None else share(c.share),
            "fewer than five" if c.both is None else f"{c.both:,} of {c.of:,}",
        )
        for c in found.carriers
    ]
    scored = found.carriers[0].share is not None
    caption = "The sum behind the sentence, its largest parts" if scored else f"The {w.items} behind the sentence"
    return table(caption, heads, rows, "zoom")


def _readers(found: Zoom, catalog: Catalog) -> str:
    w = catalog.words
    if found.count is None:
        return f"<p>Fewer than five {escape(w.users)}, or none are counted. So few are never shown.</p>"
    if found.anchor is None:
        behind = f"{found.count:,} similar {w.users} {w.past} it"
    else:
        behind = f"{plural(found.count, w.user, w.users)} {w.past} both {isolated(catalog[found.anchor].title)} and it"
    rows = "".join(
        f"<li><b>{escape(capital(node_label(f'r:{r.row}', catalog)))}</b> "
        f"{escape(plural(r.books, w.item, w.items))}, {r.shared} of them {escape(w.on_shelf)}</li>"
        for r in found.readers
    )
    more = found.count - len(found.readers)
    rest = f"<p>and {more:,} more. The names are numbers of this graph only.</p>" if more else ""
    return f"<p>{html(behind)}:</p><ul>{rows}</ul>{rest}"


def _reread(answer: Recommendation, found: Zoom, catalog: Catalog) -> str:
    given = found.reread
    heads = (escape(catalog.words.item), "probability")
    rows = [
        (f"<b>{bdi(catalog[i].title)}</b>" if i == found.item else bdi(catalog[i].title), _bar(s))
        for i, s in zip(given.items, given.shares, strict=True)
    ]
    shares = table("After the second reading" if given.logits else "As it ranks", heads, rows, "zoom")
    if not given.logits:
        return f"<p>{bdi(answer.checkpoint)} has no second reading.</p>{shares}"
    last = "" if given.without is None else f"<p>{_without(found)}</p>"
    return (
        f"{shares}<p>The model read its own sentences {len(given.logits)} times, in {len(given.logits)} orders. "
        f"Its logits: {_list(given.logits)}. A softmax over what it discussed gives {_list([100 * s for s in given.first])} "
        f"per cent; the mean counts.</p>{last}"
    )


def _without(found: Zoom) -> str:
    before = dict(zip(found.reread.items, found.reread.shares, strict=True))[found.item]
    return f"Without this sentence: <b>{share(found.reread.without)}</b> in place of <b>{share(before)}</b>."


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _bar(value: float) -> str:
    return f'{share(value)}<i class="star-zoom-bar" style="width:{100 * value:.0f}%"></i>'
