"""`Raw`: the result of reading any format, before checks and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from star.data.catalog import Item
from star.data.parquet import CATALOGUE_SCHEMA, POLARS_FAILURES
from star.display import echo

Step = Callable[[str], None]
"""Told what an import does from now on."""
STEPS = 5
"""Number of steps that every import tells of."""
UNREADABLE: tuple[type[BaseException], ...] = (*POLARS_FAILURES, OSError)
# No source has themes: they are written by hand for the embedded demo. Contributors are told from creators by `roles.py`.
ITEM_SCHEMA: dict[str, Any] = {
    name: kind for name, kind in CATALOGUE_SCHEMA.items() if name not in ("theme", "contributors")
}


@dataclass
class Raw:
    """One source as read.

    Attributes:
        format: name of the importer.
        title: of the data set, for people.
        source, citation, licence: where the rows come from and on what terms, without addresses.
        events: one row per interaction, columns `user` and `item` (integers, strings, or what `compact` makes of
            these), and where the source has them `time` (Int64, seconds since 1970) and `rating` (Float32). A
            reader's books are in row order, or by `time` where there is one.
        items: ITEM_SCHEMA, one row per item that the source describes, or None where it describes none. A creator may
            have a role behind the name, as `Bo Ink (Translator)`.
        rating_range: lowest and highest rating that the source allows, or None where there is no such bound.
        notices: lines that must accompany the data wherever they are shown or passed on.
        min_item_readers, min_reader_items: default thresholds.
        dropped: reason → rows that the reader of the format left out.
    """

    format: str
    title: str
    source: str
    citation: str
    licence: str
    events: pl.DataFrame
    items: pl.DataFrame | None
    rating_range: tuple[float, float] | None = None
    notices: list[str] = field(default_factory=list)
    min_item_readers: int = 5
    min_reader_items: int = 5
    dropped: dict[str, int] = field(default_factory=dict)


def say(line: str) -> None:
    """Print a line of progress on stderr."""
    echo(line, err=True)


def silent(step: str) -> None:
    """A `Step` for which nobody waits."""


def by_time(events: pl.DataFrame, times: pl.Series) -> pl.DataFrame:
    """Events in the order of `times` (Int64 microseconds), equal ones by row, with `time` in seconds.

    STAR stores whole seconds; sorting before rounding keeps the order within a second.
    """
    timed = events.with_columns(time=times)
    if (times % 1_000_000 != 0).any():
        timed = timed.sort("time", maintain_order=True)
    return timed.with_columns(pl.col("time") // 1_000_000)


def item_frame(items: Iterable[Item]) -> pl.DataFrame:
    """Items as rows of ITEM_SCHEMA. They are kept as columns because a source may describe millions."""
    rows = list(items)
    columns = {
        name: [list(v) if isinstance(v := getattr(row, name), tuple) else v for row in rows]
        for name in ITEM_SCHEMA
    }
    return pl.DataFrame(columns, schema=pl.Schema(ITEM_SCHEMA))
