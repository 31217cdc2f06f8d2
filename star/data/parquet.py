"""The two tables of a data set's folder: the catalogue and the interactions as polars frames and as Parquet files.

Only imports and imported data sets need polars. The embedded demo does not load this module.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from star.data.cache import MAPPED, Arrays, kept_folder
from star.data.catalog import Catalog, Item
from star.data.dataset import checksum
from star.data.interactions import Interactions
from star.plain_text import one_line_lists, one_lines

POLARS_FAILURES: tuple[type[BaseException], ...] = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""polars' errors for a damaged file; its PanicException is no subclass of Exception."""

_ROWS = 2_000_000
"""Rows that are read at a time."""

_KINDS = {"item": np.int32, "time": np.int64, "rating": np.float32}

CATALOGUE_SCHEMA: dict[str, Any] = {
    "id": pl.String,
    "title": pl.String,
    "creators": pl.List(pl.String),
    "year": pl.Int32,
    "series": pl.String,
    "number": pl.Float64,
    "genres": pl.List(pl.String),
    "theme": pl.String,
    "contributors": pl.List(pl.String),
}
"""Column → type of `catalogue.parquet`, one row per item."""
LISTS = ("creators", "genres", "contributors")


def write_tables(catalog: Catalog, interactions: Interactions, folder: Path) -> None:
    """Write `catalogue.parquet` and `interactions.parquet` into an existing folder."""
    _catalogue_frame(catalog).write_parquet(folder / "catalogue.parquet")
    _interactions_frame(interactions).write_parquet(folder / "interactions.parquet")


def read_tables(folder: Path) -> tuple[Catalog, Interactions]:
    """Catalogue and interactions from the files of `write_tables`.

    Raises:
        one of POLARS_FAILURES, OSError or ValueError: a file is missing or damaged.
    """
    catalog = _read_catalogue(pl.read_parquet(folder / "catalogue.parquet"))
    return catalog, _read_interactions(folder / "interactions.parquet", len(catalog))


def clean_items(frame: pl.DataFrame) -> pl.DataFrame:
    """The items with every text as one clean line; an item without a title is called by its id.

    Args:
        frame: columns of CATALOGUE_SCHEMA; `series`, `theme` and `contributors` may be missing.
    """
    words = {name: one_lines(frame[name]) for name in ("title", "series", "theme") if name in frame.columns}
    members = {name: one_line_lists(frame[name]) for name in LISTS if name in frame.columns}
    number = pl.when(pl.col("number").is_finite()).then(pl.col("number")).alias("number")
    return frame.with_columns(number, **words, **members).with_columns(
        pl.col("title").fill_null(pl.col("id"))
    )


def items_of(frame: pl.DataFrame) -> tuple[Item, ...]:
    """The rows of a frame, with columns of CATALOGUE_SCHEMA, as items in row order."""
    return tuple(
        Item(**row | {name: tuple(row.get(name) or ()) for name in LISTS})
        for row in frame.iter_rows(named=True)
    )


def _catalogue_frame(catalog: Catalog) -> pl.DataFrame:
    columns: dict[str, Any] = {name: [getattr(item, name) for item in catalog] for name in CATALOGUE_SCHEMA}
    for name in LISTS:
        columns[name] = [list(values) for values in columns[name]]
    return pl.DataFrame(columns, schema=CATALOGUE_SCHEMA)


def _read_catalogue(frame: pl.DataFrame) -> Catalog:
    old = {"contributors"} - set(frame.columns)  # a data set imported before sources' roles were read
    typed = frame.select(
        pl.col(name).cast(kind) for name, kind in CATALOGUE_SCHEMA.items() if name not in old
    )
    return Catalog(items_of(clean_items(typed)))


def _interactions_frame(interactions: Interactions) -> pl.DataFrame:
    """One row per interaction, a reader's rows together and in reading order.

    Columns: `user` (Int32, row of the reader), `item` (Int32, row of the catalogue), `user_id` (String), and where the
    source has them `time` (Int64, seconds since 1970) and `rating` (Float32).
    """
    reader = np.repeat(np.arange(len(interactions), dtype=np.int32), np.diff(interactions.indptr))
    ids = pl.Series(interactions.users, dtype=pl.String).gather(reader)
    frame = pl.DataFrame({"user": reader, "item": interactions.items, "user_id": ids})
    if interactions.times is not None:
        frame = frame.with_columns(pl.Series("time", interactions.times))
    if interactions.ratings is not None:
        frame = frame.with_columns(pl.Series("rating", interactions.ratings))
    return frame


def _read_interactions(file: Path, n_items: int) -> Interactions:
    """From `MAPPED` rows on, arrays that are kept beside the data sets and memory-mapped, found by the file's checksum."""
    lazy = pl.scan_parquet(file, glob=False)
    columns = lazy.collect_schema().names()
    n_rows = lazy.select(pl.len()).collect().item()
    if n_rows < MAPPED:
        return _from_arrays(_arrays(lazy, columns, n_rows), n_items)
    names = ["ids", "ends", "indptr", *(name for name in _KINDS if name in ("item", *columns))]
    name, key = f"interactions-{file.parent.name}", checksum(file)[:16]
    return _from_arrays(kept_folder(name, key, names, lambda: _arrays(lazy, columns, n_rows)), n_items)


def _from_arrays(arrays: Arrays, n_items: int) -> Interactions:
    ids, ends = arrays["ids"].tobytes(), arrays["ends"].tolist()
    return Interactions(
        users=tuple(ids[a:b].decode() for a, b in pairwise([0, *ends])),
        indptr=arrays["indptr"],
        items=arrays["item"],
        n_items=n_items,
        times=arrays.get("time"),
        ratings=arrays.get("rating"),
    )


def _arrays(lazy: pl.LazyFrame, columns: list[str], n_rows: int) -> Arrays:
    """The table as arrays: `ids`, those of the readers one after the other in UTF-8; `ends`, where each ends; `indptr`, and
    the columns of `_KINDS`.

    Piece by piece, each put where it belongs: nothing is in memory twice, and of the ids only the readers' first rows.
    """
    arrays = {name: np.empty(n_rows, kind) for name, kind in _KINDS.items() if name in ("item", *columns)}
    users: list[str] = []
    starts: list[np.ndarray] = []
    before = -1
    for first in range(0, n_rows, _ROWS):
        piece = lazy.slice(first, _ROWS).collect()
        rows = piece["user"].to_numpy()
        new = np.flatnonzero(rows != np.concatenate([[before], rows[:-1]]))
        users += piece["user_id"].gather(new).to_list()
        starts.append(new + first)
        before = rows[-1]
        for name, array in arrays.items():
            array[first : first + len(rows)] = piece[name].to_numpy()
    ids = [user.encode() for user in users]
    return arrays | {
        "ids": np.frombuffer(b"".join(ids), np.uint8),
        "ends": np.cumsum([len(each) for each in ids], dtype=np.int64),
        "indptr": np.append(np.concatenate([*starts, []]), n_rows).astype(np.int64),
    }
