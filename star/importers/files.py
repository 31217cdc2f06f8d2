"""Finding and reading source tables, plain or gzip-compressed, with one-line errors for everything that can be wrong."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from star.errors import UserError


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
    if not folder.exists():
        raise UserError(f"{folder} does not exist; give the folder that holds {' and '.join(names) or 'the files'} of {what}")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give the folder that holds {' and '.join(names) or 'the files'} of {what}")
    found = [find(folder, name) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        raise UserError(f"{folder} has no {' or '.join(missing)} (nor .gz of it); {what} needs {' and '.join(names)} there")
    return [path for path in found if path is not None]


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """Path of the uncompressed file; a `.gz` is unpacked to a temporary file, so that a truncated one is noticed.

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
            raise UserError(f"{path} is not a complete gzip file ({error}); fetch or compress it again") from None
        unpacked.flush()
        yield Path(unpacked.name)


def read_csv(path: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]], optional: tuple[str, ...] = ()) -> pl.DataFrame:
    """These columns of a comma-separated file with a header, rows in file order.

    Empty cells become null only in text columns and those in `optional`.

    Raises:
        UserError: a column is missing, or the file is empty, not UTF-8, not comma-separated, or holds a bad value.
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


def read_jsonl(path: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
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
            raise UserError(f"{path} is not one JSON object per line ({str(error).splitlines()[0][:120]}); repair or fetch it again") from None
    for name in schema:
        empty = frame[name].null_count()
        if empty:
            raise UserError(f"{path}: field {name!r} is missing or null in {empty} of {len(frame)} rows; each needs one")
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
    return [name.strip().strip('"') for name in text.split(",")]


def _missing(path: Path, header: list[str], missing: list[str]) -> str:
    wanted = ", ".join(missing)
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), ("::", "double colons")):
        if len(header) == 1 and mark in header[0]:
            return f"{path} seems to be separated by {word}; expected commas and the columns {wanted}; convert it to commas"
    return f"{path} has no column {wanted}; it has {', '.join(header)[:200]}; rename the column or give the right file"


def _diagnosis(file: Path, path: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]], error: Exception) -> str:
    """Read once more as text, to say which value is bad, and where."""
    try:
        text = pl.read_csv(file, columns=list(schema), infer_schema=False)
    except pl.exceptions.PolarsError as second:
        reason = str(second).splitlines()[0]
        if "utf" in reason.lower():
            return f"{path} is not UTF-8 text; convert it to UTF-8"
        return f"{path} cannot be read as comma-separated text ({reason[:160]}); repair or fetch it again"
    for name, dtype in schema.items():
        bad = text.with_row_index("row", 2).filter(pl.col(name).is_not_null() & pl.col(name).cast(dtype, strict=False).is_null())
        if len(bad):
            row, value = bad["row"][0], bad[name][0]
            return f"{path}: column {name!r} holds {value[:60]!r} in row {row} ({len(bad)} such rows); expected a number; correct these rows"
    return f"{path} cannot be read as comma-separated text ({str(error).splitlines()[0][:160]}); repair or fetch it again"
