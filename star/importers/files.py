"""Finding and reading source tables, plain or gzip-compressed; what is wrong in them is one line."""

from __future__ import annotations

import csv
import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from star.errors import UserError

Schema = Mapping[str, pl.DataType | type[pl.DataType]]


def find(folder: Path, name: str) -> Path | None:
    """`folder/name` or `folder/name.gz`, whichever is there."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def need(folder: Path, names: tuple[str, ...], what: str) -> list[Path]:
    """The named files of a folder, each plain or `.gz`.

    Raises:
        UserError: no such folder, it is a file, or one of the files is missing.
    """
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        files = " and ".join(names) or "the files"
        raise UserError(f"{folder} {state}; give the folder that holds {files} of {what}")
    found = [find(folder, name) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        files = " and ".join(names)
        raise UserError(
            f"{folder} has no {' or '.join(missing)} (nor .gz of it); {what} needs {files}; give its folder"
        )
    return [path for path in found if path is not None]


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """Path of the uncompressed file; a `.gz` is unpacked to a temporary one, which a truncated archive fails.

    Raises:
        UserError: the archive is damaged.
    """
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.NamedTemporaryFile(suffix=path.with_suffix("").suffix) as unpacked:
        try:
            with gzip.open(path) as packed:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(
                f"{path} is not a complete gzip file ({error}); fetch or compress it again"
            ) from None
        unpacked.flush()
        yield Path(unpacked.name)


def read_csv(path: Path, schema: Schema, optional: tuple[str, ...] = ()) -> pl.DataFrame:
    """These columns of a comma-separated file with a header, rows in file order.

    Columns in `optional` may be missing or have empty cells, text may always be empty; such cells are null.

    Raises:
        UserError: a column is missing; the file is empty, not UTF-8, not comma-separated, or has a bad value.
    """
    with plain(path) as file:
        header = _header(file, path)
        missing = [name for name in schema if name not in header and name not in optional]
        if missing:
            raise UserError(_missing(path, header, missing))
        wanted = {name: dtype for name, dtype in schema.items() if name in header}
        try:
            frame = pl.read_csv(file, columns=list(wanted), schema_overrides=wanted)
        except pl.exceptions.PolarsError as error:
            raise UserError(_diagnosis(file, path, wanted, error)) from None
    for name, dtype in wanted.items():
        empty = frame[name].null_count()
        if empty and name not in optional and dtype != pl.String:
            raise UserError(f"{path}: column {name!r} is empty in {empty} rows; each row needs a value there")
    if frame.is_empty():
        raise UserError(f"{path} has a header but no rows; give the complete file")
    return frame.select(list(wanted))


def read_jsonl(path: Path, schema: Schema) -> pl.DataFrame:
    """These fields of a file with one JSON object per line, rows in file order; other fields are skipped.

    Raises:
        UserError: the file is empty or not such a file, or a field is missing in some row.
    """
    with plain(path) as file:
        if not file.stat().st_size:
            raise UserError(f"{path} is empty; expected one JSON object per line")
        try:
            frame = pl.scan_ndjson(file, schema=dict(schema)).collect(engine="streaming")
        except pl.exceptions.PolarsError as error:
            raise UserError(
                f"{path} is not one JSON object per line ({brief(error)}); repair or fetch it again"
            ) from None
    for name in schema:
        empty = frame[name].null_count()
        if empty:
            raise UserError(
                f"{path}: field {name!r} is missing or null in {empty} of {len(frame)} rows; each needs one"
            )
    return frame


def _header(file: Path, path: Path) -> list[str]:
    with file.open("rb") as handle:
        line = handle.readline(1 << 20)
    if not line.strip():
        raise UserError(f"{path} is empty; expected comma-separated text with a header line")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} in line 1); convert it to UTF-8") from None
    return next(csv.reader([text]))


def brief(error: Exception) -> str:
    """First line of another library's message, short enough to stand in ours."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _missing(path: Path, header: list[str], missing: list[str]) -> str:
    wanted, have = ", ".join(missing), ", ".join(header)[:200]
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), ("::", "double colons")):
        if len(header) == 1 and mark in header[0]:
            return f"{path} is separated by {word}; expected commas, and a column {wanted}; convert it"
    return f"{path} has no column {wanted}; it has {have}; rename the column or give the right file"


def _diagnosis(file: Path, path: Path, schema: Schema, error: Exception) -> str:
    """Read once more as text, to say which value is bad, and where."""
    try:
        text = pl.read_csv(file, columns=list(schema), infer_schema=False)
    except pl.exceptions.PolarsError as second:
        error, text = second, pl.DataFrame()
    for name in text.columns:
        bad = pl.col(name).is_not_null() & pl.col(name).cast(schema[name], strict=False).is_null()
        rows = text.with_row_index("row", 2).filter(bad)
        if len(rows):
            value = f"{rows[name][0][:60]!r} in row {rows['row'][0]} ({len(rows)} such rows)"
            return f"{path}: column {name!r} holds {value}; expected a number; correct these rows"
    if "utf" in str(error).lower():
        return f"{path} is not UTF-8 text; convert it to UTF-8"
    return f"{path} cannot be read as comma-separated text ({brief(error)}); repair it or fetch it again"
