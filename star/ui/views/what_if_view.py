"""Two answers side by side as HTML: places that moved, sentences that changed, a random change beside. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import bdi, html, isolating
from star.questions.edits import Add, Edit, TakeOff
from star.questions.running import title
from star.questions.what_if import Move, Sentence, WhatIf
from star.recommend.recommendation import Recommendation
from star.ui.views.cards import plural
from star.ui.views.question_form import edit_words
from star.ui.views.tables import share, table, titled
from star.ui.views.trace_view import Block, Named

SHOWN = 60  # sentences of the tools in one comparison


def what_if(found: WhatIf, control: WhatIf | str | None, catalog: Catalog, run: str = "") -> list[Block]:
    """Both answers side by side, then a random change of equal size: a comparison, a reason for none, or None while it
    runs.

    Args:
        run: id under which the answer after the change is kept; empty: it is not.
    """
    blocks = [
        {"key": "edits", "html": _edits(found.edits, found.before, catalog)},
        {"key": "verdict", "html": f"<p class='star-verdict'>{html(_verdict(found, catalog))}</p>"},
        {"key": "kept", "html": _kept(run)},
        {"key": "moves", "html": _moves(found, catalog)},
        {"key": "control", "html": _control(found, control, catalog)},
    ]
    return [*blocks, *_sentences(found, catalog)]


def standing(before: Recommendation, catalog: Catalog) -> list[Block]:
    """The answer that questions are asked about."""
    rows = [[bdi(catalog[r.item].title), str(r.rank), share(r.score)] for r in before.items]
    heads = [capital(catalog.words.item), "Place", "Weight"]
    return [{"key": "moves", "html": table(f"Recommended {catalog.words.items}", heads, rows, "moves")}]


def _edits(edits: Sequence[Edit], before: Recommendation, catalog: Catalog) -> str:
    if not edits:
        return "<p>No change is in force, so this is the answer as it was.</p>"
    names = isolating(titled([before], catalog, *(e.item for e in edits if isinstance(e, TakeOff | Add))))
    rows = "".join(f"<li>{html(names(capital(edit_words(edit, before, catalog))))}</li>" for edit in edits)
    return f'<h3>What if</h3><ol class="star-said">{rows}</ol>'


def _kept(run: str) -> str:
    """A link to the answer. The browser adds it to the visitor's list by its mark."""
    if not run:
        return ""
    return (
        f'<p class="star-hint">The answer after the change is kept in Saved. <a href="?run={escape(run, quote=True)}" '
        f'data-kept="{escape(run, quote=True)}" target="_blank" rel="noopener">Open it in Explore</a></p>'
    )


def _verdict(found: WhatIf, catalog: Catalog) -> str:
    if not found.after.items or not found.before.items:
        return "Nothing is recommended."
    first, was = found.after.items[0].item, found.before.items[0].item
    now, before = title(catalog, first), title(catalog, was)
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
    return table(
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
    names = isolating(titled([control.before, control.after], catalog))
    done = "; ".join(edit_words(edit, control.before, catalog) for edit in control.edits)
    first = "and keeps the first" if control.first_stays else "and changes the first"
    yours = "keeps the first" if found.first_stays else "changes the first"
    return (
        f'<p class="star-control"><b>For comparison, a random change of the same size</b> ({html(names(done))}) '
        f"moves the list by {plural(control.places, 'place')} {first}. "
        f"Yours moves it by {plural(found.places, 'place')} and {yours}. {_told(found, control)}</p>"
    )


def _told(found: WhatIf, control: WhatIf) -> str:
    """What the comparison says of the visitor's change."""
    if found.places <= control.places and (found.first_stays or not control.first_stays):
        return "So this change does no more than a random one."
    return "So the first hangs on what you changed." if control.first_stays and not found.first_stays else ""


def _sentences(found: WhatIf, catalog: Catalog) -> list[Block]:
    """The model's sentences open, the tools' folded away."""
    if not found.edits:
        return []
    blocks = []
    named = isolating(titled([found.before, found.after], catalog))
    order = [None, *(move.item for move in found.moves), *(s.item for s in found.sentences)]
    place = {item: n for n, item in enumerate(dict.fromkeys(order))}
    for author, words in (("model", "What the model writes now"), ("tool", "What the tools say now")):
        some = [s for s in found.sentences if s.author == author]
        rest = f"<p class='star-hint'>{len(some) - SHOWN:,} more differ.</p>" if len(some) > SHOWN else ""
        some.sort(key=lambda s: place.get(s.item, len(place)))  # an item's sentences stand together
        rows = [_pair(s, catalog, named) for s in some[:SHOWN]]
        shown = table(words, [capital(catalog.words.item), "Before", "After"], rows, "pairs") + rest
        summary = f"{words}: {plural(len(some), 'sentence')} changed"
        opened = " open" if author == "model" else ""
        blocks.append(
            {
                "key": author,
                "html": f'<details class="star-changed" data-key="{author}"{opened}><summary>{escape(summary)}</summary>'
                f"{shown if rows else ''}</details>",
            }
        )
    return blocks


def _pair(sentence: Sentence, catalog: Catalog, named: Named) -> list[str]:
    about = f"the {catalog.words.shelf}" if sentence.item is None else catalog[sentence.item].title
    sides = [html(named(capital(text))) if text else "–" for text in (sentence.before, sentence.after)]
    return [bdi(about), *sides]
