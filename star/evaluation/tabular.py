"""A caption, heads and rows of text, printed as a GitHub table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A caption, column heads and rows of text."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def markdown(shown: Sequence[Table]) -> str:
    """GitHub tables under their captions."""
    parts = []
    for table in shown:
        lines = [table.heads, ("---",) * len(table.heads), *table.rows]
        parts.append("\n".join([f"{table.caption}\n", *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join(parts)
