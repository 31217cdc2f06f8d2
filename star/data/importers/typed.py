"""Reads tables whose files state the type of each column: Parquet and JSON lines."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from star.data.importers.archives import begins, plain
from star.data.importers.files import brief
from star.data.importers.raw import UNREADABLE
from star.data.importers.separated import Schema
from star.data.parquet import POLARS_FAILURES
from star.errors import UserError

# A few bytes of Parquet can encode any number of equal rows.
MOST_ROWS = 500_000_000


class Columns(Protocol):
    """A table of which one column at a time is looked at: a `pl.DataFrame`, or `Parquet`, which reads it only then."""

    @property
    def columns(self) -> list[str]: ...

    def __getitem__(self, name: str, /) -> pl.Series: ...


@dataclass(frozen=True)
class Parquet:
    """Named columns of one or several Parquet files, read one by one: at 100 M rows two of text may fill the memory."""

    path: Path
    """As given, for messages."""
    lazy: pl.LazyFrame
    columns: list[str]

    def __getitem__(self, name: str) -> pl.Series:
        """The whole column.

        Raises:
            UserError: the file is damaged.
        """
        try:
            with _panics_unprinted():
                return self.lazy.select(name).collect(engine="streaming")[name]
        except UNREADABLE as error:
            raise _no_parquet(self.path, error) from None


@contextmanager
def open_parquet(path: Path, names: list[str], required: list[str]) -> Iterator[Parquet]:
    """Those of the named columns that a Parquet file, or a folder of `parts`, has, in the types that it has them in.

    Raises:
        UserError: no Parquet file, a required column is missing, or no rows or more than `MOST_ROWS`; parts of a folder
            have other columns than the first.
    """
    files = parts(path) if path.is_dir() else []
    opened: AbstractContextManager[Path | list[Path]] = nullcontext(files) if files else plain(path)
    with opened as source:
        try:
            with _panics_unprinted():
                have = (
                    list(pl.read_parquet_schema(source))
                    if isinstance(source, Path)
                    else _same_columns(source)
                )
                keyed = any("=" in part for file in files for part in file.relative_to(path).parts[:-1])
                lazy = pl.scan_parquet(source, glob=False, hive_partitioning=keyed)
                rows = lazy.select(pl.len()).collect().item()
                if rows > MOST_ROWS:
                    raise UserError(
                        f"{path} has {rows:,} rows, more than the {MOST_ROWS:,} that are read; split it"
                    )
                have = lazy.collect_schema().names() if keyed else have
        except UNREADABLE as error:
            raise _no_parquet(path, error) from None
        _check(rows, have, path, required)
        yield Parquet(path, lazy, [name for name in names if name in have])


def parts(folder: Path) -> list[Path]:
    """The Parquet files of a folder as Spark or Dask write it, in the order of their numbers.

    What begins with `_` or `.` (`_SUCCESS`, `_metadata`, checksums) is none of the data, nor is what lies below such a
    folder; folders such as `year=2019` are.

    Raises:
        UserError: several files whose names are neither `part…` nor equal but for numbers: each may be a table of its own.
    """
    found = [
        file
        for file in folder.rglob("*.parquet")
        if file.is_file() and not any(part[0] in "_." for part in file.relative_to(folder).parts)
    ]
    names = {re.sub(r"[0-9]+", "", file.name) for file in found}
    if len(names) > 1 and not all(name.startswith("part") for name in names):
        have = ", ".join(sorted({file.name for file in found}))[:200]
        raise UserError(
            f"{folder} holds several Parquet files that are not named as parts of one table ({have}); give one of them, "
            "or name them part-0.parquet, part-1.parquet and so on"
        )
    # Dask counts part.9.parquet, part.10.parquet.
    return sorted(found, key=lambda file: _by_number(str(file.relative_to(folder))))


def _by_number(name: str) -> list[tuple[int, str]]:
    return [
        (int(piece), piece) if piece.isdecimal() else (-1, piece) for piece in re.split(r"([0-9]+)", name)
    ]


def _same_columns(files: list[Path]) -> list[str]:
    """Names of the columns of the first file.

    Raises:
        UserError: one of the files is no Parquet file, or has other columns.
    """
    have: dict[str, pl.DataType] = {}
    for file in files:
        try:
            found = dict(pl.read_parquet_schema(file))
        except UNREADABLE as error:
            raise _no_parquet(file, error) from None
        have = have or found
        odd = [name for name in have | found if have.get(name) != found.get(name)]
        if odd:
            raise UserError(
                f"{file}: column {odd[0]!r} is {_kind(found, odd[0])}, but {_kind(have, odd[0])} in {files[0].name}; "
                "all parts need the same columns; write them in one run"
            )
    return list(have)


def _kind(schema: dict[str, pl.DataType], name: str) -> str:
    return f"of the type {str(schema[name]).lower()[:80]}" if name in schema else "missing"


def _no_parquet(path: Path, error: BaseException) -> UserError:
    return UserError(f"{path} is not a Parquet file ({brief(error)}); give a .csv, .jsonl or .parquet file")


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
    _check(len(frame), have, path, required)
    return frame


def _check(rows: int, have: list[str], path: Path, required: list[str]) -> None:
    missing = [name for name in required if name not in have]
    if missing:
        raise UserError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(have)[:200]}; say which is which"
        )
    if not rows:
        raise UserError(f"{path} has no rows; give the complete file")
