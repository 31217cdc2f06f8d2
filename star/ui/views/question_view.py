"""Answers to questions as HTML: two answers side by side, evidence line by line, what carries an item. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import bdi, html, isolated, isolating
from star.questions.carried_by import Carried, Piece
from star.questions.edits import Add, CutSentence, Edit, TakeOff
from star.questions.evidence_lines import Line, Said
from star.questions.what_if import Move, Sentence, WhatIf
from star.questions.why_not import WhyNot
from star.recommend.recommendation import Recommendation, names_in
from star.ui.views.cards import plural, status
from star.ui.views.question_form import edit_words
from star.ui.views.trace_view import Block, Named

SHOWN = 60  # sentences of the tools in one comparison


def share(score: float | None) -> str:
    """A probability as per cent; a dash where an item has none."""
    if score is None:
        return "–"
    return f"{100 * score:.0f}%" if score >= 0.01 or score == 0 else "under 1%"


def points(difference: float) -> str:
    """A difference of two probabilities in percentage points."""
    return f"{100 * abs(difference):.1f} points"


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], name: str = "") -> str:
    """A table; cells are HTML already, and the first of a row is its head."""
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(
            f'<td data-head="{escape(_plain(head), quote=True)}">{cell}</td>'
            for head, cell in zip(heads[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="star-asked-table {name}" role="region" tabindex="0" aria-label="{escape(caption, quote=True)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _plain(head: str) -> str:
    return head.replace("<bdi>", "").replace("</bdi>", "")


def _titled(answers: Sequence[Recommendation], catalog: Catalog, *items: int) -> set[str]:
    return {name for done in answers for name in names_in(done, catalog)} | {catalog[i].title for i in items}


# What if


def what_if(found: WhatIf, control: WhatIf | str | None, catalog: Catalog) -> list[Block]:
    """Both answers side by side, then a random change of equal size: a comparison, a reason for none, or None while it
    runs."""
    blocks = [
        {"key": "edits", "html": _edits(found.edits, found.before, catalog)},
        {"key": "verdict", "html": f"<p class='star-verdict'>{html(_verdict(found, catalog))}</p>"},
        {"key": "moves", "html": _moves(found, catalog)},
        {"key": "control", "html": _control(found, control, catalog)},
    ]
    return [*blocks, *_sentences(found, catalog)]


def _edits(edits: Sequence[Edit], before: Recommendation, catalog: Catalog) -> str:
    if not edits:
        return "<p>No change is in force, so this is the answer as it was.</p>"
    names = isolating(_titled([before], catalog, *(e.item for e in edits if isinstance(e, TakeOff | Add))))
    rows = "".join(f"<li>{html(names(capital(edit_words(edit, before, catalog))))}</li>" for edit in edits)
    return f'<h3>What if</h3><ol class="star-said">{rows}</ol>'


def _verdict(found: WhatIf, catalog: Catalog) -> str:
    if not found.after.items or not found.before.items:
        return "Nothing is recommended."
    first, was = found.after.items[0].item, found.before.items[0].item
    now, before = isolated(catalog[first].title), isolated(catalog[was].title)
    if not found.places:
        return f"The order stays the same, with {now} first."
    if first == was:
        return f"{now} stays first; the order behind it changes."
    return f"{now} is first now; it was {before}."


def _moves(found: WhatIf, catalog: Catalog) -> str:
    w, shelf = catalog.words, found.after.query.history
    rows = []
    for move in found.moves:
        rows.append(
            [
                bdi(catalog[move.item].title),
                _place(move.before),
                _place(move.after),
                escape(_moved(move, w, move.item in shelf)),
                f"{share(move.score[0])} → {share(move.score[1])}",
            ]
        )
    return _table(
        f"Recommended {w.items} before and after",
        [capital(w.item), "Before", "After", "Moved", "Weight"],
        rows,
        "moves",
    )


def _place(place: int | None) -> str:
    return "–" if place is None else str(place)


def _moved(move: Move, w: Words, on_shelf: bool) -> str:
    if move.before is None:
        return "new"
    if move.after is None:
        return f"now {w.on_shelf}" if on_shelf else "gone"
    by = move.before - move.after
    return "stays" if not by else f"up {by}" if by > 0 else f"down {-by}"


def _control(found: WhatIf, control: WhatIf | str | None, catalog: Catalog) -> str:
    if not found.edits:
        return ""
    if control is None:
        return '<p class="star-wait">A random change of the same size runs for comparison…</p>'
    if isinstance(control, str):
        return f'<p class="star-hint">No random change for comparison: {html(control)}.</p>'
    names = isolating(_titled([control.before, control.after], catalog))
    done = "; ".join(edit_words(edit, control.before, catalog) for edit in control.edits)
    first = "and keeps the first" if control.first_stays else "and changes the first"
    yours = "keeps the first" if found.first_stays else "changes the first"
    return (
        f'<p class="star-control"><b>For comparison, a random change of the same size</b> ({html(names(done))}) '
        f"moves the list by {plural(control.places, 'place')} {first}. "
        f"Yours moves it by {plural(found.places, 'place')} and {yours}.</p>"
    )


def _sentences(found: WhatIf, catalog: Catalog) -> list[Block]:
    """The model's sentences open, the tools' folded away."""
    if not found.edits:
        return []
    blocks = []
    named = isolating(_titled([found.before, found.after], catalog))
    order = [None, *(move.item for move in found.moves), *(s.item for s in found.sentences)]
    place = {item: n for n, item in enumerate(dict.fromkeys(order))}
    for author, words in (("model", "What the model writes now"), ("tool", "What the tools say now")):
        some = [s for s in found.sentences if s.author == author]
        rest = f"<p class='star-hint'>{len(some) - SHOWN:,} more differ.</p>" if len(some) > SHOWN else ""
        some.sort(key=lambda s: place.get(s.item, len(place)))  # an item's sentences stand together
        rows = [_pair(s, catalog, named) for s in some[:SHOWN]]
        table = _table(words, [capital(catalog.words.item), "Before", "After"], rows, "pairs") + rest
        summary = f"{words}: {plural(len(some), 'sentence')} changed"
        opened = " open" if author == "model" else ""
        blocks.append(
            {
                "key": author,
                "html": f'<details class="star-changed" data-key="{author}"{opened}><summary>{escape(summary)}</summary>'
                f"{table if rows else ''}</details>",
            }
        )
    return blocks


def _pair(sentence: Sentence, catalog: Catalog, named: Named) -> list[str]:
    about = f"the {catalog.words.shelf}" if sentence.item is None else catalog[sentence.item].title
    sides = [html(named(capital(text))) if text else "–" for text in (sentence.before, sentence.after)]
    return [bdi(about), *sides]


# Why this, why not that


def why_not(found: WhyNot, catalog: Catalog) -> list[Block]:
    """The evidence of both line by line, where they part, and how far the search for a change is."""
    one, other = (isolated(catalog[item].title) for item in (found.one, found.other))
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
    return (
        f'<p class="star-change found"><b>The smallest change found.</b> {html(f"{capital(edits)}, {tail}.")} '
        f"<span>{size}, found in {runs} of the model.</span></p>"
    )


def _edit(edit: TakeOff | Add, catalog: Catalog) -> str:
    name, w = isolated(catalog[edit.item].title), catalog.words
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
    return _table("The evidence, signal by signal", heads, rows, "lines")


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
    named = isolating(_titled([found.answer], catalog, found.one, found.other))
    rows = "".join(f"<li>{html(named(capital(claim.text)))}</li>" for claim in found.words)
    if not rows:
        return ""
    return (
        f'<details class="star-changed" data-key="own"><summary>What the model wrote of the two: '
        f"{plural(len(found.words), 'sentence')}</summary><ul class='star-said'>{rows}</ul></details>"
    )


# What carries it


def carried(found: Carried, catalog: Catalog) -> list[Block]:
    """The pieces of evidence by how far the item falls without each."""
    name = isolated(catalog[found.item].title)
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
    table = _table(f"What carries {name}", heads, rows, "carried") if rows else ""
    return [
        {"key": "verdict", "html": f'<p class="star-verdict">{html(f"{name} is {at}.")}</p>'},
        {"key": "going", "html": status(going, "busy" if found.left else "done")},
        {"key": "pieces", "html": table},
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
