"""From `Raw` to a `Dataset`: checks, duplicates, thresholds, the order of readers and items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

from star.data.catalog import Catalog, Item
from star.data.dataset import Dataset
from star.data.importers.columns import Say
from star.data.importers.raw import Raw, say
from star.data.interactions import Interactions
from star.data.parquet import clean_items, items_of
from star.errors import UserError
from star.plain_text import one_line

UNKNOWN_SHARE = 0.01


@dataclass(frozen=True)
class _Thresholded:
    """Interactions and items that pass the thresholds, and how many interactions failed each."""

    events: pl.DataFrame
    items: pl.Series
    """Sorted ids of the items with enough readers."""
    rare_item: int
    short_reader: int


def build(
    raw: Raw,
    name: str,
    min_item_readers: int | None = None,
    min_reader_items: int | None = None,
    say: Say = say,
) -> Dataset:
    """Check a source and build its data set.

    First, items need `min_item_readers` readers. Then readers need `min_reader_items` of the remaining items; the
    readers of an item are not counted again. A threshold left None is the source's own. Items and readers are sorted by
    the source's ids, as numbers where all ids are numbers.

    Raises:
        UserError: ratings out of range, more than 1 % of rows for unknown items, items described twice, or
            nothing left after thresholds.
    """
    raw = replace(
        raw,
        events=raw.events.with_columns(_numeric(raw.events[name]) for name in ("user", "item")),
        min_item_readers=raw.min_item_readers if min_item_readers is None else min_item_readers,
        min_reader_items=raw.min_reader_items if min_reader_items is None else min_reader_items,
    )
    read = len(raw.events) + sum(raw.dropped.values())
    _check_ratings(raw)
    known, unknown = _known(raw.events, raw, say)
    unique, duplicate = _unique(known, read, say)
    kept = _thresholded(unique, raw, read)
    catalog = _catalog(kept.items.cast(pl.String), raw.items)
    interactions = _interactions(kept.events, kept.items)
    dropped = {
        **raw.dropped,
        "unknown_item": unknown,
        "duplicate": duplicate,
        "item_below_threshold": kept.rare_item,
        "reader_below_threshold": kept.short_reader,
    }
    counts = {
        "readers": len(interactions),
        "items": len(catalog),
        "interactions": len(interactions.items),
        "rows_read": read,
        "dropped": dropped,
    }
    return Dataset(name, catalog, interactions, _manifest(raw, name, counts))


def _manifest(raw: Raw, name: str, counts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": one_line(raw.title),
        "source": one_line(raw.source),
        "citation": one_line(raw.citation),
        "licence": one_line(raw.licence),
        "notices": raw.notices,
        "format": raw.format,
        "counts": counts,
        "thresholds": {"min_item_readers": raw.min_item_readers, "min_reader_items": raw.min_reader_items},
        "ordered_by": "time" if "time" in raw.events.columns else "row order",
        "simulated": False,
        "star_version": version("star-recommender"),
    }


def _unique(events: pl.DataFrame, read: int, say: Say) -> tuple[pl.DataFrame, int]:
    """Events in reading order, the first of each reader and item; and the number of repeats.

    Args:
        read: rows read from the source, for the message.
    """
    # The sort is stable: row order is reading order wherever times are missing or equal.
    keys = ["user", "time"] if "time" in events.columns else ["user"]
    events = events.sort(keys, maintain_order=True)
    unique = events.unique(["user", "item"], keep="first", maintain_order=True)
    duplicate = len(events) - len(unique)
    if duplicate:
        say(f"warning: dropped {duplicate} of {read} rows that repeat a reader and item; the first stays")
    return unique, duplicate


def _thresholded(events: pl.DataFrame, raw: Raw, read: int) -> _Thresholded:
    """Events that pass the thresholds of `raw`.

    Raises:
        UserError: no event passes.
    """
    item_floor, reader_floor = raw.min_item_readers, raw.min_reader_items
    popular = events.group_by("item").len().filter(pl.col("len") >= item_floor)["item"].sort()
    common = events.filter(pl.col("item").is_in(popular.implode()))
    kept = common.filter(pl.len().over("user") >= reader_floor)
    if kept.is_empty():
        raise UserError(
            f"no reader with {reader_floor} or more items of {item_floor} or more readers among {read} rows; "
            "lower --min-item-readers or --min-reader-items"
        )
    return _Thresholded(kept, popular, len(events) - len(common), len(common) - len(kept))


def _numeric(ids: pl.Series) -> pl.Series:
    """Ids as integers if all are, so that 9 sorts before 10. An id such as `007` stays text, to keep its zeros."""
    if ids.dtype != pl.String:
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    same = numbers.null_count() == 0 and bool((numbers.cast(pl.String) == ids).all())
    return numbers if same else ids


def _known(events: pl.DataFrame, raw: Raw, say: Say) -> tuple[pl.DataFrame, int]:
    """Events whose item the source describes, and the number of all others."""
    if raw.items is None:
        return events, 0
    repeated = len(raw.items) - raw.items["id"].n_unique()
    if repeated:
        raise UserError(
            f"the item file lists {repeated} items more than once; each must occur once; remove the repeats"
        )
    known = raw.items["id"].cast(events["item"].dtype, strict=False).drop_nulls()
    kept = events.filter(pl.col("item").is_in(known.implode()))
    lost, read = len(events) - len(kept), len(events)
    if lost > UNKNOWN_SHARE * read:
        raise UserError(
            f"{lost} of {read} ratings ({lost / read:.1%}) are for items that the item file lacks; "
            f"at most {UNKNOWN_SHARE:.0%} may be; give the item file that belongs to these ratings"
        )
    if lost:
        say(f"warning: dropped {lost} of {read} ratings for items that the item file lacks")
    return kept, lost


def _catalog(ids: pl.Series, items: pl.DataFrame | None) -> Catalog:
    """Items in the order of `ids`. Where the source describes no items, an item's id is its title."""
    if items is None:
        return Catalog(tuple(Item(id=id, title=id) for id in ids))
    joined = ids.to_frame("id").join(items, on="id", how="left", maintain_order="left")
    return Catalog(items_of(clean_items(joined)))


def _check_ratings(raw: Raw) -> None:
    if raw.rating_range is None or "rating" not in raw.events.columns:
        return
    low, high = raw.rating_range
    bad = raw.events["rating"].filter(~raw.events["rating"].is_between(low, high).fill_null(False))
    if len(bad):
        raise UserError(
            f"{len(bad)} of {len(raw.events)} ratings are outside {low:g} to {high:g} "
            f"(such as {bad[0]:g}); correct or remove these rows"
        )


def _interactions(events: pl.DataFrame, items: pl.Series) -> Interactions:
    """CSR of events sorted by user and in reading order; an item's row is its position in the sorted `items`."""
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
