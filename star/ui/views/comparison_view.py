"""Two systems' lists side by side as HTML: without names before the vote, with names and costs after it. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from star.data.catalog import Catalog
from star.data.words import Words
from star.display import bdi, html, isolated, isolating
from star.questions.compare import Comparison, Side, Underway, Vote
from star.questions.rivals import Turn
from star.questions.running import title
from star.recommend.readable import NAMES, asked
from star.recommend.recommendation import names_in
from star.recommend.recommender import TEACHER
from star.ui.views.cards import plural
from star.ui.views.tables import table
from star.ui.views.trace_view import Block

RULES = (
    "The teacher’s agents speak by rules here: no language model runs, so their seconds are few. Were each agent a language "
    "model, it would run once a turn; the student runs once in all. Tokens leave out the words that the grammar prescribes."
)


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
    found: Comparison,
    left_first: bool,
    catalog: Catalog,
    vote: Vote | None = None,
    counts: Mapping[str, int] | None = None,
) -> list[Block]:
    """Who wrote which list, what each took, where they part and why, and the votes so far. `vote` None: it was not asked
    for, since the names were known."""
    names = [isolated(side.name) for side in (found.first, found.second)]
    left, right = names if left_first else names[::-1]
    if vote is None:
        over = "on the same candidates" if found.same else "each on candidates of its own"
        text = f"{names[0]} and {names[1]}, {over}."
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
        {"key": "turns", "html": _taken(found, catalog.words)},
        {"key": "votes", "html": "" if counts is None else _votes(names, counts)},
    ]


def underway(state: Underway, w: Words) -> list[Block]:
    """Who has spoken so far, while both answer."""
    speaks = isolated(state.names[state.second])
    return [
        {"key": "verdict", "html": f'<p class="star-verdict">{html(speaks)} answers…</p>'},
        {"key": "turns", "html": _turns(state.names, state.turns, w)},
    ]


def _turns(names: Sequence[str], turns: Sequence[Sequence[Turn]], w: Words) -> str:
    """The turns of both, side by side: who, what, with which tool, how long."""
    columns = "".join(
        f"<section><h3>{bdi(name)}</h3><p>{_passes(taken)}</p><ol>{''.join(_turn(turn, w) for turn in taken)}</ol></section>"
        for name, taken in zip(names, turns, strict=True)
    )
    return f'<div class="star-blind star-turns">{columns}</div>'


def _passes(taken: Sequence[Turn]) -> str:
    if not taken:
        return "has not begun"
    agents = len(dict.fromkeys(turn.who for turn in taken))
    return f"{agents} agents in {plural(len(taken), 'turn')}" if agents > 1 else f"one pass, {plural(len(taken), 'step')}"


def _turn(turn: Turn, w: Words) -> str:
    did = NAMES[turn.kind].lower() if turn.tool is None else f"asks {asked(turn.tool, turn.count, w)}"
    heard = f", {turn.heard:,} back" if turn.heard else ""
    return (
        f"<li><b>{html(turn.who)}</b> {html(did)}"
        f"<small>{escape(plural(turn.words, 'word'))}{heard} · {1000 * turn.seconds:.0f} ms</small></li>"
    )


def _parts(found: Comparison, names: list[str], catalog: Catalog) -> str:
    if found.place is None:
        return "<p>Both rank the same, from first to last.</p>"
    if found.one is None or found.other is None:
        return f"<p>They agree up to place {found.place - 1}, where one list ends.</p>"
    one, other = (title(catalog, item) for item in (found.one, found.other))
    text = f"They part at place {found.place}: {names[0]} has {one}, {names[1]} has {other}."
    for line, item in ((found.parts, one), (found.against, other)) if found.same else ():
        against = other if item == one else one
        text += f" What puts {item} furthest ahead of {against}: {line.name}." if line else f" No signal puts {item} ahead."
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
            f"{side.tokens:,}",
            f"{side.words:,}",
            "–" if side.seconds is None else f"{side.seconds:.2f}",
            f"{len(side.own):,}",
        ]
        for side in (found.first, found.second)
    ]
    heads = ["System", "Calls of tools", "Tokens it wrote", "Words of the trace", "Seconds", "Claims of its own"]
    teacher = any(side.answer.checkpoint == TEACHER for side in (found.first, found.second))
    return table("What each took", heads, rows, "took") + (f'<p>{RULES}</p>' if teacher else "")


def _taken(found: Comparison, w: Words) -> str:
    sides = (found.first, found.second)
    if not any(side.turns for side in sides):
        return ""
    turns = _turns([side.name for side in sides], [side.turns for side in sides], w)
    return f'<details class="star-changed" data-key="turns" open><summary>Who spoke, and how long</summary>{turns}</details>'


def _votes(names: list[str], counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    said = f"{names[0]} {counts['first']}, {names[1]} {counts['second']}, ties {counts['tie']}"
    text = f"{plural(total, 'vote')} so far: {said}."
    return f'<p class="star-hint">{html(text)}</p>'
