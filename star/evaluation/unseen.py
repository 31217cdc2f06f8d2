"""New readers from a CSV for `star evaluate --test-users`, checked against the training readers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from star.data.dataset import Dataset
from star.data.importers.archives import plain
from star.data.importers.columns import ids
from star.data.importers.raw import by_time, say
from star.data.importers.separated import layout, read_csv
from star.data.importers.times import times
from star.data.interactions import Interactions
from star.data.tasks import COLD_KNOWN, MIN_BOOKS, Split
from star.errors import UserError

USER = ("user_id", "user", "userId", "reader_id", "reader")
ITEM = ("book_id", "item_id", "item", "movieId", "parent_asin", "asin", "book")


@dataclass(frozen=True)
class Unseen:
    """Readers of a file, added to those of the data set.

    Attributes:
        dataset: the data set with the file's readers after its own, ids prefixed with `file:`.
        rows: int64 (R,), rows of the file's readers; no graph holds them.
        report: numbers of rows and readers read and left out, by reason.
    """

    dataset: Dataset
    rows: np.ndarray
    report: dict[str, int]


def read_unseen(path: Path, dataset: Dataset, split: Split) -> Unseen:
    """Read a table with a header, one interaction per row, rows in reading order (or a column `time`).

    Columns: a reader (`user_id`) and an item (`book_id`, the data set's own ids). Left out and counted: unknown items,
    repeats, readers of fewer than four known items, and readers whose books are all on one training reader's shelf.

    Raises:
        UserError: a missing or damaged file or column, or no reader left.
    """
    frame = _events(path)
    rows_read, ids = len(frame), frame["item"].to_list()
    known = {id: row for id in set(ids) if (row := dataset.catalog.get(id)) is not None}
    frame = frame.with_columns(pl.Series("row", [known.get(id) for id in ids], dtype=pl.Int64))
    kept = frame.drop_nulls("row")
    unique = kept.unique(["user", "row"], keep="first", maintain_order=True)
    grouped = unique.group_by("user", maintain_order=True).agg("row")
    histories = dict(zip(grouped["user"].to_list(), grouped["row"].to_list(), strict=True))
    long_enough = {user: books for user, books in histories.items() if len(books) > COLD_KNOWN}
    fresh = _without_training_readers(long_enough, dataset, split)
    report = {
        "rows": rows_read,
        "readers": frame["user"].n_unique(),
        "unknown_items": len(set(ids)) - len(known),
        "rows_of_unknown_items": rows_read - len(kept),
        "repeated_rows": len(kept) - len(unique),
        "readers_too_short": frame["user"].n_unique() - len(long_enough),
        "readers_in_training": len(long_enough) - len(fresh),
        "readers_evaluated": len(fresh),
    }
    if not fresh:
        raise UserError(
            f"{path} leaves no reader to evaluate: of {report['readers']} readers "
            f"{report['readers_too_short']} have fewer than {COLD_KNOWN + 1} items of {dataset.name!r}, "
            f"{report['readers_in_training']} are training readers; {report['unknown_items']} item ids are "
            "unknown; give other readers"
        )
    return _joined(dataset, fresh, report)


def _events(path: Path) -> pl.DataFrame:
    """Columns user and item as text, in reading order."""
    if not path.is_file():
        raise UserError(f"{path} is not a file; give a CSV with the columns user_id, book_id")
    with plain(path) as file:
        header = layout(file, path).names
    user = next((name for name in USER if name in header), USER[0])
    item = next((name for name in ITEM if name in header), ITEM[0])
    frame = read_csv(path, dict.fromkeys((user, item, "time"), pl.String()), ("time",), say)
    events = pl.DataFrame(
        [
            ids(frame[user], f"{path}: column {user!r}", "reader").cast(pl.String).alias("user"),
            ids(frame[item], f"{path}: column {item!r}", "item").cast(pl.String).alias("item"),
        ]
    )
    if "time" not in frame.columns:
        return events
    return by_time(events, times(frame["time"], f"{path}: column 'time'")).sort("time", maintain_order=True)


def _without_training_readers(
    histories: dict[str, list[int]], dataset: Dataset, split: Split
) -> dict[str, list[int]]:
    """The events without readers of ten or more books that are all on one training reader's shelf."""
    if not histories:
        return {}
    there = Interactions.from_histories(list(histories.values()), dataset.interactions.n_items)
    lengths = np.diff(there.indptr)
    shared = (there.matrix @ dataset.interactions.subset(split.train).matrix.T).tocsr()
    most = np.asarray(shared.max(axis=1).todense()).ravel()
    fresh = (most < lengths) | (lengths < MIN_BOOKS)
    return {user: books for (user, books), keep in zip(histories.items(), fresh, strict=True) if keep}


def _joined(dataset: Dataset, histories: dict[str, list[int]], report: dict[str, int]) -> Unseen:
    own = dataset.interactions
    lengths = [len(books) for books in histories.values()]
    joined = Interactions(
        users=(*own.users, *(f"file:{user}" for user in histories)),
        indptr=np.concatenate([own.indptr, own.indptr[-1] + np.cumsum(lengths)]).astype(np.int64),
        items=np.concatenate([own.items, *map(np.asarray, histories.values())]).astype(np.int32),
        n_items=own.n_items,
    )
    rows = np.arange(len(own), len(joined), dtype=np.int64)
    return Unseen(replace(dataset, interactions=joined), rows, report)
