"""Rows of one dataclass as JSONL, CSV or Parquet, and back without loss.

A field is text, a whole number, a float or a boolean, or optionally None. CSV is safe to open in a spreadsheet: a cell that
looks like a formula gets a leading apostrophe, and reading removes it.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import polars as pl
from pydantic import ConfigDict, TypeAdapter, ValidationError

from star.errors import UserError

FORMATS = ("jsonl", "csv", "parquet")
LINE = 50_000_000
SIZE = 2_000_000_000
"""Limits in characters, of a line and of a file after decompression: a small Parquet file may unpack to gigabytes."""
DANGEROUS = tuple("=+-@\t\r\n＝＋－＠")  # OWASP, "CSV Injection"
R = TypeVar("R")
STRICT = ConfigDict(strict=True, allow_inf_nan=False)  # CSV cells aside: all of them are text
TYPES = {str: "text", int: "a whole number", float: "float", bool: "bool", NoneType: "nothing"}


def write_rows(rows: Sequence[Any], kind: type, path: Path) -> None:
    """Write rows of `kind` in the format of the file's suffix. An existing file is replaced atomically.

    Raises:
        UserError: another suffix.
    """
    made = {"jsonl": _to_jsonl, "csv": _to_csv, "parquet": _to_parquet}
    content = made[_format(path)]([dataclasses.asdict(row) for row in rows], get_type_hints(kind))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Read what `write_rows` wrote.

    Raises:
        UserError: missing file, wrong format, other columns, or a value of the wrong type; with the line's number.
    """
    reading: dict[str, Callable[[Path], Iterator[tuple[int, dict[str, Any]]]]] = {
        "jsonl": _from_jsonl,
        "csv": _from_csv,
        "parquet": _from_parquet,
    }
    if not path.is_file():
        raise UserError(f"{path} is not there; expected a file of {kind.__name__} rows; export it again")
    format, hints = _format(path), get_type_hints(kind)
    fields = {name: TypeAdapter(hint, config=STRICT) for name, hint in hints.items()}
    out, size = [], 0
    try:
        for line, record in reading[format](path):
            if record.keys() != fields.keys():
                raise UserError(
                    f"{path} line {line} has {', '.join(sorted(record)) or 'nothing'}; expected {', '.join(fields)}"
                )
            values = {}
            for name, field in fields.items():
                try:
                    values[name] = _checked(record[name], field, format == "csv")
                except ValueError as error:
                    shown = repr(record[name])[:40] if isinstance(error, ValidationError) else error
                    raise UserError(
                        f"{path} line {line} has {shown} as {name}; expected {_expected(hints[name])}"
                    ) from None
            size += sum(len(value) for value in values.values() if isinstance(value, str))
            if size > SIZE:
                raise UserError(
                    f"{path} unpacks to more than {SIZE:,} characters, which are not read; split it"
                )
            out.append(kind(**values))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason}); export it again") from None
    return out


def _format(path: Path) -> str:
    name = path.suffix.removeprefix(".")
    if name not in FORMATS:
        raise UserError(f"{path} ends in {path.suffix or 'nothing'}; expected .{', .'.join(FORMATS)}")
    return name


def _checked(value: Any, field: TypeAdapter[Any], is_cell: bool) -> Any:
    """The value of a field; the text of a CSV cell is converted."""
    made = field.validate_python(value, strict=not is_cell)
    if any(type(number) is int and not -(2**63) <= number < 2**63 for number in (value, made)):
        raise ValueError("a number too large")
    return made


def _expected(hint: Any) -> str:
    return " or ".join(TYPES.get(part, part) for part in get_args(hint) or (hint,))


# JSONL


def _to_jsonl(rows: list[dict[str, Any]], hints: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows).encode()


def _from_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8", newline="\n") as handle:
        for line, text in enumerate(iter(lambda: handle.readline(LINE + 1), ""), 1):
            if len(text) > LINE:
                raise UserError(f"{path} line {line} has more than {LINE:,} characters, which are not read")
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path} line {line} is not JSON ({str(error)[:60]}); export it again"
                ) from None
            if not isinstance(row, dict):
                raise UserError(f"{path} line {line} is {str(row)[:40]}; expected an object")
            yield line, row


# CSV: an empty cell is None, a single apostrophe is the empty text


def guarded(text: str) -> str:
    """A cell that no spreadsheet reads as a formula."""
    return "'" + text if text == "" or text.startswith(("'", *DANGEROUS)) else text


def _to_csv(rows: list[dict[str, Any]], hints: dict[str, Any]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(hints)
    for row in rows:
        cells = (
            str(v).lower() if isinstance(v, bool) else None if v is None else str(v) for v in row.values()
        )
        writer.writerow([None if cell is None else guarded(cell) for cell in cells])
    return out.getvalue().encode()


def _from_csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(LINE)  # runs are longer than the module's default allows
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.reader(handle, strict=True)
        try:
            head = next(reader, [])
            for cells in reader:
                if len(cells) != len(head):
                    raise UserError(
                        f"{path} line {reader.line_num} has {len(cells)} cells; expected {len(head)}, as in its head"
                    )
                values = [cell.removeprefix("'") if cell else None for cell in cells]
                yield reader.line_num, dict(zip(head, values, strict=True))
        except csv.Error as error:
            raise UserError(f"{path} line {reader.line_num} is not CSV ({error}); export it again") from None


# Parquet


def _to_parquet(rows: list[dict[str, Any]], hints: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    schema = {name: str if get_origin(hint) is Literal else hint for name, hint in hints.items()}
    pl.DataFrame(rows, schema=schema).write_parquet(out)
    return out.getvalue()


def _from_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(
            f"{path} is not Parquet ({str(error).splitlines()[0][:60]}); export it again"
        ) from None
    yield from enumerate(frame.iter_rows(named=True), 1)
