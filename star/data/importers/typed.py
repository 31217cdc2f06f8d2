"""Reads tables whose files state the type of each column: Parquet and JSON lines."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from star.data.importers.archives import begins, plain
from star.data.importers.files import brief
from star.data.importers.raw import UNREADABLE
from star.data.importers.separated import Schema
from star.data.parquet import POLARS_FAILURES
from star.errors import UserError

# A few bytes of Parquet can encode any number of equal rows.
MOST_ROWS = 500_000_000


def read_parquet(path: Path, names: list[str], required: list[str]) -> pl.DataFrame:
    """The named columns of a Parquet file, as far as they exist, in the file's types.

    Raises:
        UserError: no Parquet file, a required column is missing, or no rows or more than `MOST_ROWS`.
    """
    with plain(path) as file:
        try:
            with _panics_unprinted():
                have = list(pl.read_parquet_schema(file))
                rows = pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()
                if rows > MOST_ROWS:
                    raise UserError(
                        f"{path} has {rows:,} rows, more than the {MOST_ROWS:,} that are read; split it"
                    )
                frame = pl.read_parquet(file, columns=[name for name in names if name in have], glob=False)
        except UNREADABLE as error:
            raise UserError(
                f"{path} is not a Parquet file ({brief(error)}); give a .csv, .jsonl or .parquet file"
            ) from None
    return _checked(frame, have, path, required)


def read_json_table(path: Path, names: list[str], required: list[str]) -> pl.DataFrame:
    """The same from one JSON object per line; a column's type is the one that fits all its values.

    Raises:
        UserError: not one JSON object per line, a required column is missing, or no rows.
    """
    frame = _scanned(path, lambda source: pl.scan_ndjson(source, infer_schema_length=None), names)
    return _checked(frame, frame.columns, path, required)


def read_jsonl(path: Path, schema: Schema) -> pl.DataFrame:
    """These fields of a file with one JSON object per line, rows in file order; other fields are skipped.

    Raises:
        UserError: the file is empty or not such a file, or a field is missing in some row.
    """
    frame = _scanned(path, lambda source: pl.scan_ndjson(source, schema=dict(schema)), list(schema))
    for name in schema:
        empty = frame[name].null_count()
        if empty:
            raise UserError(
                f"{path}: field {name!r} is missing or null in {empty} of {len(frame)} rows; each needs one"
            )
    return frame


def _scanned(path: Path, scan: Callable[[Path | io.BytesIO], pl.LazyFrame], names: list[str]) -> pl.DataFrame:
    """Columns `names` of a file; all its columns if it has none of them, for the message."""
    with plain(path) as file:
        if not file.stat().st_size:
            raise UserError(f"{path} is empty; expected one JSON object per line")
        source: Path | io.BytesIO = file
        if begins(file, b"\xef\xbb\xbf"):
            source = io.BytesIO(file.read_bytes()[3:])
        try:
            with _panics_unprinted():
                lazy = scan(source)
                have = lazy.collect_schema().names()
                lazy = lazy.select([name for name in names if name in have] or have)
                return lazy.collect(engine="streaming")
        except POLARS_FAILURES as error:
            raise UserError(
                f"{path} is not one JSON object per line ({brief(error)}); repair or fetch it again"
            ) from None


@contextmanager
def _panics_unprinted() -> Iterator[None]:
    """Suppress what polars prints about its own failures, which become one line."""
    own, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)
        os.close(nowhere)


def _checked(frame: pl.DataFrame, have: list[str], path: Path, required: list[str]) -> pl.DataFrame:
    missing = [name for name in required if name not in have]
    if missing:
        raise UserError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(have)[:200]}; say which is which"
        )
    if frame.is_empty():
        raise UserError(f"{path} has no rows; give the complete file")
    return frame
