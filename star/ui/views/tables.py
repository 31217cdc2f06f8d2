"""Tables and numbers that several tabs show, as HTML. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape, unescape

from star.data.catalog import Catalog
from star.recommend.recommendation import Recommendation, names_in


def share(score: float | None) -> str:
    """A probability as per cent; a dash where an item has none."""
    if score is None:
        return "–"
    return f"{100 * score:.0f}%" if score >= 0.01 or score == 0 else "under 1%"


def points(difference: float) -> str:
    """A difference of two probabilities in percentage points."""
    return f"{100 * abs(difference):.1f} points"


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], name: str = "") -> str:
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
    """The text of a head that may hold one name."""
    return unescape(head.replace("<bdi>", "").replace("</bdi>", ""))


def titled(answers: Sequence[Recommendation], catalog: Catalog, *items: int) -> set[str]:
    return {name for done in answers for name in names_in(done, catalog)} | {catalog[i].title for i in items}
