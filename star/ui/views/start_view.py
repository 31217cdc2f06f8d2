"""What a first visitor reads: one sentence on STAR, and examples to press, as HTML. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from star.data.words import Words, a
from star.display import html
from star.recommend.examples import Example


def start(given: Sequence[tuple[Example, str]], w: Words) -> str:
    """
    Args:
        given: examples with the ids of their answers.
    """
    shelves = [pair for pair in given if pair[0].query.reader is None]
    users = [pair for pair in given if pair[0].query.reader is not None]
    said = (
        f"A small language model recommends {w.items} and writes why. Each statement is checked against what {w.users} "
        f"{w.past}."
    )
    lists = ((f"Try {a(w.shelf)}", shelves), (f"Try {a(w.user)}", users))
    parts = "".join(
        f"<h3>{html(title)}</h3><ul>{''.join(f'<li>{_button(*pair)}</li>' for pair in some)}</ul>"
        for title, some in lists
        if some
    )
    return f'<nav class="star-start" aria-label="Examples"><p>{html(said)}</p>{parts}</nav>'


def _button(example: Example, run: str) -> str:
    query = example.query
    value = {
        "mode": "shelf" if query.reader is None else "reader",
        "reader": query.reader,
        "shelf": list(query.history) if query.reader is None else [],
        "run": run,
    }
    return (
        f'<button type="button" data-start="{escape(json.dumps(value), quote=True)}"><b>{html(example.label)}</b>'
        f"<small>{html(example.note)}</small></button>"
    )
