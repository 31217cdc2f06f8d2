"""The list of a visitor's own answers: its frame, and what a row says. Pure functions."""

from __future__ import annotations

from html import escape
from typing import Any

from star.data.words import Words, capital
from star.display import isolated
from star.ui.archive import Heading
from star.ui.views.cards import plural


def named(reader: int | None, length: int, w: Words) -> str:
    """Who an answer is for: `Reader 17`, or `a shelf of 3 books`."""
    return f"{capital(w.user)} {reader + 1}" if reader is not None else f"a {w.shelf} of {plural(length, w.item, w.items)}"


def row(run: str, heading: Heading, w: Words) -> dict[str, Any]:
    """An answer in the list. Its words enter the page as text, so names are isolated."""
    first = f"first: {isolated(heading.first)} · " if heading.first else ""
    changed = f"what if: {'; '.join(heading.changed)} · " if heading.changed else ""
    return {
        "id": run,
        "title": capital(named(heading.reader, heading.length, w)),
        "note": f"{changed}{first}{isolated(heading.checkpoint)}",
        "at": heading.at,
    }


def template(w: Words) -> str:
    """The list's frame; `answers.js` fills it."""
    return f"""
<section class="star-answers" data-mine>
  <h2>My answers</h2>
  <p class="star-hint">Every answer that this browser was shown. Mark two to compare them.</p>
  <p class="star-hint">The list is kept in this browser alone. Remove takes an answer off the list and deletes nothing on the
    server: whoever has its link can open it, until newer answers displace it. Nobody finds it without the link.</p>
  <p class="star-status" role="status" data-said>Nothing here yet: ask for {escape(w.items)} on Explore first.</p>
  <ul data-list></ul>
  <p class="star-answers-do">
    <button type="button" class="star-do" data-compare disabled>Compare the two marked</button>
    <button type="button" class="star-link" data-empty hidden>Empty this list</button>
  </p>
</section>
"""
