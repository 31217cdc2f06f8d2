"""Raw: what every reader of a source hands over, before thresholds; and the checks that all sources share."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from star.catalog import Item


@dataclass
class Raw:
    """One source as read.

    Attributes:
        format: name of the importer.
        title: of the data set, for people.
        source: what the rows are, without an address.
        citation, licence: as the source asks.
        items: source id → Item, for every item that the source describes; empty where it describes none.
        events: one row per interaction, columns `user` and `item` (both Int64 or String), and where the source has
            them `time` (Int64, seconds since 1970) and `rating` (Float32). Row order is reading order; `time` sorts
            before it.
        rating_range: lowest and highest rating that the source allows, or None where there is no such bound.
        notices: lines that whoever shows or passes on the data must keep.
    """

    format: str
    title: str
    source: str
    citation: str
    licence: str
    items: dict[str, Item]
    events: pl.DataFrame
    rating_range: tuple[float, float] | None = None
    notices: list[str] = field(default_factory=list)
    min_item_readers: int = 5
    min_reader_items: int = 5
