"""Two items' evidence line by line, and what carries an item, as HTML. Pure functions."""

from __future__ import annotations

import json
from html import escape

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import bdi, html, isolating
from star.questions.carried_by import Carried, Piece
from star.questions.edits import Add, CutSentence, TakeOff
from star.questions.evidence_lines import Line, Said
from star.questions.running import title
from star.questions.why_not import WhyNot
from star.ui.views.cards import plural, status
from star.ui.views.tables import points, share, table, titled
from star.ui.views.trace_view import Block


def why_not(found: WhyNot, catalog: Catalog) -> list[Block]:
    """The evidence of both line by line, where they part, and how far the search for a change is."""
    one, other = (title(catalog, item) for item in (found.one, found.other))
    w = catalog.words
    return [
        {"key": "verdict", "html": f'<p class="star-verdict">{html(_standing(found, one, other, w))}</p>'},
        {"key": "change", "html": _change(found, one, other, catalog)},
        {"key": "parts", "html": _parts(found, one, other)},
        {"key": "lines", "html": _lines(found, catalog)},
        {"key": "words", "html": _own_words(found, catalog)},
    ]


def _standing(found: WhyNot, one: str, other: str, w: Words) -> str:
    said = " and ".join(_at(found, item, name) for item, name in ((found.one, one), (found.other, other)))
    text = f"{said}."
    for item, name in ((found.one, one), (found.other, other)):
        if item in found.put_in:
            text += (
                f" {name} was not among the candidates that were found; it was put there for this question."
            )
    if found.left_out:
        made = plural(len(found.left_out), "other candidate", "other candidates")
        text += f" {made} made room, none of them recommended."
    return text


def _at(found: WhyNot, item: int, name: str) -> str:
    place = found.ranks.place(item)
    if place is None:
        return f"{name} is not ranked"
    return f"{name} is at place {place} with {share(found.ranks.scores.get(item))} of the model’s weight"


def _change(found: WhyNot, one: str, other: str, catalog: Catalog) -> str:
    w, runs = catalog.words, plural(found.runs, "run")
    if found.turned:
        return f'<p class="star-change">{html(f"{other} is ahead of {one} already, so no change is needed.")}</p>'
    if found.change is None and not found.finished:
        return status(
            f"Looking for the smallest change of the {w.shelf} ({found.runs} of {found.budget} runs)…", "busy"
        )
    if found.change is None:
        return (
            f'<p class="star-change none"><b>No change found.</b> '
            f"{html(f'None of the single changes and pairs tried in {runs} puts {other} ahead of {one}.')}</p>"
        )
    edits = " and ".join(_edit(edit, catalog) for edit in found.change.edits)
    size = plural(len(found.change.edits), "change")
    tail = f"and {other} is ahead of {one}: place {found.change.place}, by {points(found.change.lead)} of the model’s weight"
    tail += "" if found.change.place == 1 else f"; {title(catalog, found.change.first)} is first then"
    made = [{"do": _do(edit), "at": edit.item, "text": capital(_edit(edit, catalog))} for edit in found.change.edits]
    return (
        f'<p class="star-change found"><b>The smallest change found.</b> {html(f"{capital(edits)}, {tail}.")} '
        f"<span>It costs {size} of the {escape(w.shelf)}; the search took {runs} of the model.</span> "
        f'<button type="button" class="star-link" data-try="{escape(json.dumps(made), quote=True)}">Try it</button></p>'
    )


def _do(edit: TakeOff | Add) -> str:
    """The edit as the form calls it."""
    return "take_off" if isinstance(edit, TakeOff) else "add"


def _edit(edit: TakeOff | Add, catalog: Catalog) -> str:
    name, w = title(catalog, edit.item), catalog.words
    return (
        f"take {name} off the {w.shelf}"
        if isinstance(edit, TakeOff)
        else f"add {name} as the latest {w.item}"
    )


def _parts(found: WhyNot, one: str, other: str) -> str:
    if found.parts is None:
        return '<p class="star-hint">No signal puts the one ahead; the model weighs them together.</p>'
    leader = other if found.turned else one
    return f"<p>{html(f'They part most in: {found.parts.name}. It favours {leader}.')}</p>"


def _lines(found: WhyNot, catalog: Catalog) -> str:
    heads = ["Signal", *(bdi(catalog[item].title) for item in (found.one, found.other)), "Ahead"]
    rows = []
    for line in found.lines:
        ahead = {1: heads[1], -1: heads[2], 0: "neither"}[line.ahead]
        mark = " <b>most apart</b>" if line is found.parts else ""
        rows.append([f"{html(line.name)}{mark}", *_both(line, catalog), ahead])
    return table("The evidence, signal by signal", heads, rows, "lines")


def _both(line: Line, catalog: Catalog) -> list[str]:
    return [_said(said, catalog) for said in (line.one, line.other)]


def _said(said: Said | None, catalog: Catalog) -> str:
    if said is None:
        return '<span class="star-quiet">nothing</span>'
    place = "" if said.place is None else f"place {said.place} of {said.among}"
    books = ", ".join(
        bdi(catalog[book].title) + ("" if part is None else f" {100 * part:.0f}%")
        for book, part in said.books[:3]
    )
    first = ", ".join(part for part in (said.strength, place) if part) or "yes"
    carried = f"<small>{escape('from')} {books}</small>" if books else ""
    return f"{escape(first)}{carried}"


def _own_words(found: WhyNot, catalog: Catalog) -> str:
    named = isolating(titled([found.answer], catalog, found.one, found.other))
    rows = "".join(f"<li>{html(named(capital(claim.text)))}</li>" for claim in found.words)
    if not rows:
        return ""
    return (
        f'<details class="star-changed" data-key="own"><summary>What the model wrote of the two: '
        f"{plural(len(found.words), 'sentence')}</summary><ul class='star-said'>{rows}</ul></details>"
    )


def carried(found: Carried, catalog: Catalog) -> list[Block]:
    """The pieces of evidence by how far the item falls without each."""
    name = title(catalog, found.item)
    at = (
        "not ranked"
        if found.place is None
        else f"at place {found.place} with {share(found.score)} of the model’s weight"
    )
    going = (
        f"{plural(found.left, 'piece')} of evidence still to try…" if found.left else "All pieces were tried."
    )
    rows = [_piece(piece, found, catalog) for piece in found.pieces]
    heads = ["Without", "Weight lost", "Place then", "First then"]
    shown = table(f"What carries {name}", heads, rows, "carried") if rows else ""
    return [
        {"key": "verdict", "html": f'<p class="star-verdict">{html(f"{name} is {at}.")}</p>'},
        {"key": "going", "html": status(going, "busy" if found.left else "done")},
        {"key": "pieces", "html": shown},
        {
            "key": "note",
            "html": '<p class="star-hint">Losses do not add up: two pieces may say the same, and then either is enough.</p>',
        },
    ]


def _piece(piece: Piece, found: Carried, catalog: Catalog) -> list[str]:
    names = isolating({catalog[found.item].title, *(catalog[i].title for i in [piece.edit.item])})
    sort = "sentence" if isinstance(piece.edit, CutSentence) else catalog.words.item
    fall = (
        f"{points(piece.fall)} {'lost' if piece.fall >= 0 else 'gained'}"
        if abs(piece.fall) >= 0.0005
        else "none"
    )
    first = "the same" if piece.instead is None else bdi(catalog[piece.instead].title)
    return [
        f"{html(names(capital(piece.text)))} <small>{escape(sort)}</small>",
        escape(fall),
        "not ranked" if piece.place is None else str(piece.place),
        first,
    ]
