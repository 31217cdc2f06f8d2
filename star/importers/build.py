"""From a Raw to a Dataset: duplicates, unknown items, thresholds, order."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from importlib.metadata import version
from star.catalog import Catalog, Item
from star.dataset import Dataset
from star.errors import UserError
from star.importers.raw import Raw
from star.interactions import Interactions

UNKNOWN_SHARE = 0.01


def say(line: str) -> None:
    """A line for the person who waits, on stderr."""
    print(line, file=sys.stderr)


def build(
    raw: Raw,
    name: str,
    min_item_readers: int | None = None,
    min_reader_items: int | None = None,
    say: Callable[[str], None] = say,
) -> Dataset:
    """Check a source and make a data set of it.

    Items need `min_item_readers` readers (counted once, before readers are dropped), then readers need
    `min_reader_items` of the items that are left. The catalogue holds the items that pass, by the source's id,
    numerically where it is a number; readers are ordered likewise.

    Raises:
        UserError: ratings out of range, more than 1 % of rows for unknown items, or nothing left after thresholds.
    """
    item_floor = raw.min_item_readers if min_item_readers is None else min_item_readers
    reader_floor = raw.min_reader_items if min_reader_items is None else min_reader_items
    events = raw.events
    read = len(events)
    dropped: dict[str, int] = {}
    _check_ratings(raw)

    if raw.items:
        known = pl.Series("item", list(raw.items)).cast(events["item"].dtype)
        kept = events.filter(pl.col("item").is_in(known.implode()))
        dropped["unknown_item"] = lost = len(events) - len(kept)
        if lost > UNKNOWN_SHARE * read:
            raise UserError(
                f"{lost} of {read} ratings ({lost / read:.1%}) are for items that the item file lacks; "
                f"at most {UNKNOWN_SHARE:.0%} may be; give the item file that belongs to these ratings"
            )
        if lost:
            say(f"warning: dropped {lost} of {read} ratings for items that the item file lacks")
        events = kept

    # Stable, because row order is reading order wherever times are missing or equal.
    keys = ["user", "time"] if "time" in events.columns else ["user"]
    events = events.sort(keys, maintain_order=True)
    unique = events.unique(["user", "item"], keep="first", maintain_order=True)
    dropped["duplicate"] = lost = len(events) - len(unique)
    if lost:
        say(f"warning: dropped {lost} of {read} ratings that repeat a reader and item; the first of each stays")
    events = unique

    popular = events.group_by("item").len().filter(pl.col("len") >= item_floor)["item"].sort()
    kept = events.filter(pl.col("item").is_in(popular.implode()))
    dropped["item_below_threshold"] = len(events) - len(kept)
    events = kept.filter(pl.len().over("user") >= reader_floor)
    dropped["reader_below_threshold"] = len(kept) - len(events)
    if events.is_empty():
        raise UserError(
            f"no reader with {reader_floor} or more items of {item_floor} or more readers among {read} rows; "
            "lower --min-item-readers or --min-reader-items"
        )
    catalog = Catalog(tuple(raw.items.get(id) or Item(id=id, title=id) for id in popular.cast(pl.String).to_list()))
    interactions = _interactions(events, popular)
    manifest: dict[str, Any] = {
        "name": name,
        "title": raw.title,
        "source": raw.source,
        "citation": raw.citation,
        "licence": raw.licence,
        "notices": raw.notices,
        "format": raw.format,
        "counts": {
            "readers": len(interactions),
            "items": len(catalog),
            "interactions": len(interactions.items),
            "rows_read": read,
            "dropped": dropped,
        },
        "thresholds": {"min_item_readers": item_floor, "min_reader_items": reader_floor},
        "ordered_by": "time" if "time" in events.columns else "row order",
        "simulated": False,
        "star_version": version("star-recommender"),
    }
    return Dataset(name, catalog, interactions, manifest)


def _check_ratings(raw: Raw) -> None:
    if raw.rating_range is None or "rating" not in raw.events.columns:
        return
    low, high = raw.rating_range
    bad = raw.events["rating"].filter(~raw.events["rating"].is_between(low, high).fill_null(False))
    if len(bad):
        raise UserError(
            f"{len(bad)} of {len(raw.events)} ratings are outside {low:g} to {high:g} "
            f"(they run from {bad.min():g} to {bad.max():g}); correct or remove these rows"
        )


def _interactions(events: pl.DataFrame, items: pl.Series) -> Interactions:
    """Events grouped by user, in reading order, to CSR; `items` is sorted, a catalogue row is a position in it."""
    rows = items.search_sorted(events["item"])
    runs = events["user"].rle().struct.unnest()
    return Interactions(
        users=tuple(runs["value"].cast(pl.String).to_list()),
        indptr=np.concatenate([[0], np.cumsum(runs["len"].to_numpy(), dtype=np.int64)]),
        items=rows.to_numpy().astype(np.int32),
        n_items=len(items),
        times=events["time"].to_numpy() if "time" in events.columns else None,
        ratings=events["rating"].to_numpy() if "rating" in events.columns else None,
    )
