"""From `Raw` to a `Dataset`: checks, duplicates, thresholds, the order of readers and items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

from star.data.catalog import Catalog, Item
from star.data.dataset import Dataset
from star.data.importers.columns import Say, compact
from star.data.importers.raw import Raw, Step, say, silent
from star.data.importers.roles import by_role
from star.data.interactions import Interactions
from star.data.parquet import clean_items, items_of
from star.errors import UserError
from star.plain_text import one_line

UNKNOWN_SHARE = 0.01
_PIECE = 2_000_000


@dataclass(frozen=True)
class _Coded:
    """Interactions as numbers, N of them, since ids as text would be most of the memory.

    Attributes:
        users, items: the ids of all readers and items, sorted.
        events: `user` and `item` (Int32, places in these), and `time` and `rating` where the source has them.
    """

    users: pl.Series
    items: pl.Series
    events: pl.DataFrame

    def only(self, kept: np.ndarray) -> _Coded:
        """The events of which `kept` (bool, (N,)) is true, of the same readers and items."""
        return self if kept.all() else replace(self, events=self.events.filter(pl.Series(kept)))


@dataclass(frozen=True)
class _Thresholded:
    """Which readers, items and events (bool each) pass the thresholds, and how many events failed each."""

    users: np.ndarray
    items: np.ndarray
    events: np.ndarray
    rare_item: int
    short_reader: int


def build(
    raw: Raw,
    name: str,
    min_item_readers: int | None = None,
    min_reader_items: int | None = None,
    say: Say = say,
    progress: Step = silent,
) -> Dataset:
    """Check a source and build its data set.

    First, items need `min_item_readers` readers. Then readers need `min_reader_items` of the remaining items; the
    readers of an item are not counted again. A threshold left None is the source's own. Items and readers are sorted by
    the source's ids, as numbers where all ids are numbers. The rows are taken out of `raw`, so that they are held once.

    Raises:
        UserError: ratings out of range, more than 1 % of rows for unknown items, items described twice, or
            nothing left after thresholds.
    """
    thresholds = (
        raw.min_item_readers if min_item_readers is None else min_item_readers,
        raw.min_reader_items if min_reader_items is None else min_reader_items,
    )
    read = len(raw.events) + sum(raw.dropped.values())
    _check_ratings(raw)
    progress("numbering readers and items")
    coded = _coded(raw.events)
    raw.events = raw.events.clear()
    known, unknown = _known(coded, raw, say)
    progress("sorting")
    unique, duplicate = _unique(known, read, say)
    del coded, known
    progress("applying the thresholds")
    kept = _thresholded(unique.events, len(unique.users), len(unique.items), thresholds, read)
    catalog = _catalog(unique.items.filter(pl.Series(kept.items)).cast(pl.String), raw.items)
    interactions = _interactions(unique, kept)
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
    return Dataset(name, catalog, interactions, _manifest(raw, name, counts, thresholds))


def _manifest(raw: Raw, name: str, counts: dict[str, Any], thresholds: tuple[int, int]) -> dict[str, Any]:
    return {
        "name": name,
        "title": one_line(raw.title),
        "source": one_line(raw.source),
        "citation": one_line(raw.citation),
        "licence": one_line(raw.licence),
        "notices": raw.notices,
        "format": raw.format,
        "counts": counts,
        "thresholds": dict(zip(("min_item_readers", "min_reader_items"), thresholds, strict=True)),
        "ordered_by": "time" if "time" in raw.events.columns else "row order",
        "simulated": False,
        "star_version": version("star-recommender"),
    }


def _coded(events: pl.DataFrame) -> _Coded:
    users, user = _places(_numeric(events["user"]))
    items, item = _places(_numeric(events["item"]))
    return _Coded(users, items, events.with_columns(user=user, item=item))


def _places(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The sorted values of a column, and the place of each row among them (Int32)."""
    if column.dtype.is_integer():
        values = column.unique().sort()
        low, high = int(values[0]), int(values[-1])
        if high - low > 4 * len(column):
            return values, values.search_sorted(column).cast(pl.Int32)
        # Numbers that run on: looking up is ten times as fast as searching.
        table = np.zeros(high - low + 1, dtype=np.int32)
        table[values.cast(pl.Int64).to_numpy() - low] = np.arange(len(values), dtype=np.int32)
        return values, pl.Series(table[column.to_numpy() - low])
    coded = compact(column)
    assert isinstance(coded.dtype, pl.Enum)
    return coded.dtype.categories, coded.to_physical().cast(pl.Int32)


def _unique(coded: _Coded, read: int, say: Say) -> tuple[_Coded, int]:
    """Events by reader and in reading order, the first of each reader and item; and the number of repeats.

    Args:
        read: rows read from the source, for the message.
    """
    events = coded.events
    # The order is stable: row order is reading order wherever times are missing or equal.
    order = events.select(_reading_order(events)).to_series()
    if not order.is_sorted():
        events = pl.DataFrame([events[name].gather(order) for name in events.columns])
    del order
    first = _first_of_pair(events["user"].to_numpy(), events["item"].to_numpy(), len(coded.items))
    duplicate = int((~first).sum())
    if duplicate:
        say(f"warning: dropped {duplicate} of {read} rows that repeat a reader and item; the first stays")
    return replace(coded, events=events).only(first), duplicate


def _reading_order(events: pl.DataFrame) -> pl.Expr:
    """Rows by reader, then time, then row. One number for reader and time is sorted four times as fast as two."""
    if "time" not in events.columns:
        return pl.arg_sort_by("user", maintain_order=True)
    if events.is_empty():
        return pl.arg_sort_by("user", "time", maintain_order=True)
    low, high, users = events.select(
        low=pl.col("time").min(), high=pl.col("time").max(), users=pl.col("user").max()
    ).row(0)
    span = high - low + 1
    if (users + 1) * span >= 2**63:
        return pl.arg_sort_by("user", "time", maintain_order=True)
    return pl.arg_sort_by(pl.col("user").cast(pl.Int64) * span + (pl.col("time") - low), maintain_order=True)


def _first_of_pair(user: np.ndarray, item: np.ndarray, n_items: int) -> np.ndarray:
    """Whether each row (bool) is the first of its reader and item. Rows of a reader stand together.

    Piece by piece of some readers, so that a pair and the place of its row fit into one number: sorting numbers is far
    faster, and needs less memory, than any table of 100 M pairs.
    """
    first = np.ones(len(user), dtype=bool)
    start = 0
    while start < len(user):
        # To the end of the reader that stands there.
        last = user[min(start + _PIECE, len(user)) - 1]
        end = start + int(np.searchsorted(user[start:], last, side="right"))
        rows = end - start
        pair = (user[start:end] - user[start]).astype(np.int64) * n_items + item[start:end]
        if (int(last - user[start]) + 1) * n_items * rows < 2**63:
            packed = np.sort(pair * rows + np.arange(rows))
            pair, at = np.divmod(packed, rows)
        else:
            at = np.argsort(pair, kind="stable")
            pair = pair[at]
        first[start + at[1:][pair[1:] == pair[:-1]]] = False
        start = end
    return first


def _thresholded(
    events: pl.DataFrame, n_users: int, n_items: int, thresholds: tuple[int, int], read: int
) -> _Thresholded:
    """What passes the thresholds, least readers of an item and least items of a reader.

    Raises:
        UserError: no event passes.
    """
    item_floor, reader_floor = thresholds
    user, item = events["user"].to_numpy(), events["item"].to_numpy()
    popular = np.bincount(item, minlength=n_items) >= item_floor
    common = popular[item]
    long = np.bincount(user[common], minlength=n_users) >= reader_floor
    kept = common & long[user]
    n_common, n_kept = int(common.sum()), int(kept.sum())
    if not n_kept:
        raise UserError(
            f"no reader with {reader_floor} or more items of {item_floor} or more readers among {read} rows; "
            "lower --min-item-readers or --min-reader-items"
        )
    return _Thresholded(long, popular, kept, len(events) - n_common, n_common - n_kept)


def _numeric(ids: pl.Series) -> pl.Series:
    """Ids as integers if all are, so that 9 sorts before 10. An id such as `007` stays text, to keep its zeros."""
    if ids.dtype != pl.String:
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    same = numbers.null_count() == 0 and bool((numbers.cast(pl.String) == ids).all())
    return numbers if same else ids


def _known(coded: _Coded, raw: Raw, say: Say) -> tuple[_Coded, int]:
    """Events whose item the source describes, and the number of all others."""
    if raw.items is None:
        return coded, 0
    repeated = len(raw.items) - raw.items["id"].n_unique()
    if repeated:
        raise UserError(
            f"the item file lists {repeated} items more than once; each must occur once; remove the repeats"
        )
    known = raw.items["id"].cast(coded.items.dtype, strict=False).drop_nulls()
    kept = coded.items.is_in(known.implode()).to_numpy()[coded.events["item"].to_numpy()]
    lost, read = int((~kept).sum()), len(kept)
    if lost > UNKNOWN_SHARE * read:
        raise UserError(
            f"{lost} of {read} ratings ({lost / read:.1%}) are for items that the item file lacks; "
            f"at most {UNKNOWN_SHARE:.0%} may be; give the item file that belongs to these ratings"
        )
    if lost:
        say(f"warning: dropped {lost} of {read} ratings for items that the item file lacks")
    return coded.only(kept), lost


def _catalog(ids: pl.Series, items: pl.DataFrame | None) -> Catalog:
    """Items in the order of `ids`. Where the source describes no items, an item's id is its title."""
    if items is None:
        return Catalog(tuple(Item(id=id, title=id) for id in ids))
    joined = ids.to_frame("id").join(items, on="id", how="left", maintain_order="left")
    return Catalog(tuple(map(by_role, items_of(clean_items(joined)))))


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


def _interactions(coded: _Coded, kept: _Thresholded) -> Interactions:
    """CSR of the events kept, which are sorted by user and in reading order; rows of readers and items close up."""
    events = coded.only(kept.events).events
    user = events["user"].to_numpy()
    row = np.cumsum(kept.items, dtype=np.int32) - 1
    lengths = np.bincount(user, minlength=len(coded.users))
    return Interactions(
        users=tuple(coded.users.filter(pl.Series(lengths > 0)).cast(pl.String).to_list()),
        indptr=np.concatenate([[0], np.cumsum(lengths[lengths > 0], dtype=np.int64)]),
        items=row[events["item"].to_numpy()].astype(np.int32, copy=False),
        n_items=int(kept.items.sum()),
        times=events["time"].to_numpy() if "time" in events.columns else None,
        ratings=events["rating"].to_numpy() if "rating" in events.columns else None,
    )
