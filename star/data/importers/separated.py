"""Reads columns of separated text with a header line; every error is one line for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from star.data.importers.archives import plain
from star.data.importers.columns import Say, loose
from star.data.importers.files import brief
from star.data.importers.raw import say
from star.data.parquet import POLARS_FAILURES
from star.errors import UserError

Schema = Mapping[str, pl.DataType | type[pl.DataType]]
_LOOK = 1 << 20
_OTHER_CODES = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """Beginning of a file: column names, as in polars and trimmed; lines before the header; line end."""

    theirs: tuple[str, ...]
    names: tuple[str, ...]
    skip: int
    end: str
    separator: str
    quote: str | None
    header: bool = True

    @property
    def lines(self) -> int:
        """Lines up to the first row."""
        return self.skip + self.header * (1 + sum(name.count(self.end) for name in self.theirs))


def layout(file: Path, path: Path, separator: str = ",", quote: str | None = '"') -> Layout:
    """Read the first lines of `file` (`path` unpacked). Blank lines and Excel's `sep=,` before the header are skipped.

    Raises:
        UserError: empty, or not UTF-8.
    """
    with file.open("rb") as handle:
        start = handle.read(_LOOK)
    for mark, code in _OTHER_CODES.items():
        if start.startswith(mark):
            raise UserError(f"{path} is {code}, not UTF-8 text; convert it to UTF-8")
    # Old Mac line ends; another line end may still occur within quotes.
    end = "\r" if start.count(b"\r") - start.count(b"\r\n") > start.count(b"\n") else "\n"
    lines = start.removeprefix(_BOM).split(end.encode())
    blank = (b"", b"sep=")
    skip = next((n for n, line in enumerate(lines) if line.strip(b" \t\r,;\"'").lower() not in blank), None)
    if skip is None:
        raise UserError(f"{path} is empty; expected comma-separated text with a header line")
    try:
        lines[skip].decode("utf-8")
    except UnicodeDecodeError as error:
        if len(start) < _LOOK or skip + 1 < len(lines):
            raise UserError(
                f"{path} is not UTF-8 text ({error.reason} in line {skip + 1}); convert it to UTF-8"
            ) from None
    if b"\x00" in lines[skip]:
        raise UserError(
            f"{path} holds null bytes in line {skip + 1} and is no text; expected a table as text"
        )
    options = Layout((), (), skip, end, separator, quote)
    try:
        theirs = _read(file, options, n_rows=0, infer_schema=False).columns
    except POLARS_FAILURES as error:
        raise UserError(
            f"{path}: line {skip + 1} is no header that can be read ({brief(error)}); repair it"
        ) from None
    return replace(options, theirs=tuple(theirs), names=tuple(name.strip() for name in theirs))


def read_csv(
    path: Path, schema: Schema, optional: tuple[str, ...] = (), say: Say = say, separator: str = ",",
    quote: str | None = '"',
) -> pl.DataFrame:  # fmt: skip
    """These columns of a comma-separated file with a header, rows in file order.

    Columns in `optional` may be missing or have empty cells, text may always be empty; such cells are null.

    Args:
        say: called with a warning about lines within quotes.

    Raises:
        UserError: a column is missing; the file is empty, not UTF-8, not comma-separated, or has a bad value.
    """
    with plain(path) as file:
        shape = layout(file, path, separator, quote)
        missing = [name for name in schema if name not in shape.names and name not in optional]
        if missing:
            raise UserError(_missing(path, shape, missing))
        wanted = {name: dtype for name, dtype in schema.items() if name in shape.names}
        for name in wanted:
            if shape.names.count(name) > 1 or f"{name}_duplicated_0" in shape.names:
                raise UserError(f"{path} has the column {name!r} more than once; rename or remove one")
        theirs = {shape.theirs[shape.names.index(name)]: dtype for name, dtype in wanted.items()}
        frame = _typed(file, path, shape, theirs, list(wanted))
        frame = _without_blank_lines(frame, file, shape)
        _look_into_quotes(len(frame), file, path, shape, say)
    return _full(frame, path, optional)


def read_bare(path: Path, schema: Schema, separator: str, every: int = 1) -> pl.DataFrame:
    """Number columns of a file without a header, in the order of `schema`, rows in file order.

    Args:
        every: 2 where the separator is written twice, so that every other column is empty.

    Raises:
        UserError: the file is empty, or a row has other columns or a value that is no number.
    """
    width = 1 + every * (len(schema) - 1)
    with plain(path) as file:
        shape = replace(layout(file, path, separator, None), header=False)
        if len(shape.theirs) != width:
            raise UserError(
                f"{path} has {len(shape.theirs)} columns; expected {len(schema)}, {', '.join(schema)}, "
                f"with {separator * every!r} between"
            )
        numbered = _read(file, shape, n_rows=0, infer_schema=False).columns[::every]
        frame = _typed(file, path, shape, dict(zip(numbered, schema.values(), strict=True)), list(schema))
        frame = _without_blank_lines(frame, file, shape)
    return _full(frame, path, {})


def _full(frame: pl.DataFrame, path: Path, optional: Collection[str]) -> pl.DataFrame:
    """The frame itself; raises UserError for an empty cell of a required number, or without rows."""
    for name, dtype in frame.schema.items():
        empty = frame[name].null_count()
        if empty and name not in optional and dtype != pl.String:
            raise UserError(f"{path}: column {name!r} is empty in {empty} rows; each row needs a value there")
    if frame.is_empty():
        raise UserError(f"{path} has a header but no rows; give the complete file")
    return frame


def _read(file: Path, shape: Layout, **options: object) -> pl.DataFrame:
    return pl.read_csv(
        file,
        skip_lines=shape.skip,
        eol_char=shape.end,
        separator=shape.separator,
        quote_char=shape.quote,
        has_header=shape.header,
        glob=False,
        **options,  # type: ignore[arg-type]
    )


def _typed(file: Path, path: Path, shape: Layout, wanted: Schema, names: list[str]) -> pl.DataFrame:
    """The wanted columns in their types, under `names`: read directly, or if that fails as text, then cell by cell."""
    try:
        frame = _read(file, shape, columns=list(wanted), schema_overrides=dict(wanted))
        return frame.rename(dict(zip(wanted, names, strict=True)))
    except POLARS_FAILURES:
        pass
    try:
        text = _read(file, shape, columns=list(wanted), infer_schema=False)
        text = text.rename(dict(zip(wanted, names, strict=True)))
    except POLARS_FAILURES as error:
        if "utf-8" in str(error).lower():
            raise UserError(f"{path} is not UTF-8 text; convert it to UTF-8") from None
        opened = _quoted_lines(file, shape)
        if len(opened):
            raise UserError(
                f"{path}: a quote is left open or stands within a cell near line {opened[0] - 1}; "
                'close it, or write it twice ("") in a cell in quotes'
            ) from None
        raise UserError(
            f"{path} cannot be read as comma-separated text ({brief(error)}); repair it or fetch it again"
        ) from None
    blank = text.select(pl.all_horizontal(pl.all().str.strip_chars().fill_null("") == "")).to_series()
    return text.with_columns(
        _cast(text[name], dtype, blank, path, shape.lines)
        for name, dtype in zip(names, wanted.values(), strict=True)
        if dtype != pl.String
    )


def _cast(
    text: pl.Series, dtype: pl.DataType | type[pl.DataType], blank: pl.Series, path: Path, lines: int
) -> pl.Series:
    """Text as numbers; whole ones may be written 3.0."""
    number, empty = loose(text, f"{path}: column {text.name!r}")
    if dtype.is_integer():
        exact = text.str.strip_chars().cast(pl.Int64, strict=False)
        whole = number.set((number != number.floor()).fill_null(False), None).cast(pl.Int64, strict=False)
        made, expected = exact.fill_null(whole).cast(dtype, strict=False), "a whole number"
    else:
        nan = text.str.strip_chars().cast(pl.Float64, strict=False).is_nan().fill_null(False)
        made, expected = number.set(nan, float("nan")).cast(dtype, strict=False), "a number"
    bad = (made.is_null() & ~empty & ~blank).arg_true()
    if len(bad):
        value = f"{text[bad[0]][:60]!r} in row {bad[0] + 1 + lines} ({len(bad)} such rows)"
        raise UserError(
            f"{path}: column {text.name!r} holds {value}; expected {expected}; correct these rows"
        )
    return made.alias(text.name)


def _without_blank_lines(frame: pl.DataFrame, file: Path, shape: Layout) -> pl.DataFrame:
    """Drop blank lines. A row whose wanted cells alone are empty stays, and is reported later."""
    empty = frame.select(
        pl.all_horizontal(
            (pl.col(name).str.strip_chars().fill_null("") == "")
            if dtype == pl.String
            else pl.col(name).is_null()
            for name, dtype in frame.schema.items()
        )
    ).to_series()
    if not empty.any():
        return frame
    lines = _lines(file, shape).slice(shape.lines)
    blank = (lines.str.strip_chars() == "").sum()
    return frame.filter(~empty) if blank >= empty.sum() else frame


def _look_into_quotes(rows: int, file: Path, path: Path, shape: Layout, say: Say) -> None:
    """Warn if fewer rows than lines were read: an open quote swallows rows without any other sign."""
    if shape.quote is None or _count(file, shape.end) - shape.lines <= rows:
        return
    inside = _quoted_lines(file, shape)
    if len(inside):
        say(
            f"warning: {path}: {len(inside)} lines lie within quotes that were opened on a line before, the first of "
            f"them line {inside[0]}; if a quote is left open in line {inside[0] - 1}, these rows are lost; close it"
        )


def _quoted_lines(file: Path, shape: Layout) -> pl.Series:
    """Numbers of the lines that begin within quotes, from 1."""
    if shape.quote is None:
        return pl.Series(dtype=pl.UInt32)
    quotes = _lines(file, shape).str.count_matches(shape.quote, literal=True)
    within = quotes.cum_sum().shift(1, fill_value=0) % 2 == 1
    return within.arg_true() + 1


def _lines(file: Path, shape: Layout) -> pl.Series:
    """Every line of the file as text."""
    return pl.read_csv(
        file, has_header=False, schema={"line": pl.String}, separator="\x1f", quote_char=None, eol_char=shape.end,
        truncate_ragged_lines=True, encoding="utf8-lossy", glob=False,
    ).to_series().fill_null("")  # fmt: skip


def _count(file: Path, end: str) -> int:
    """Number of lines of a file, the last one with or without its end."""
    count, last = 0, end.encode()
    with file.open("rb") as handle:
        while piece := handle.read(1 << 24):
            count += piece.count(end.encode())
            last = piece[-1:]
    return count + (last != end.encode())


def _missing(path: Path, shape: Layout, missing: list[str]) -> str:
    wanted, have = ", ".join(missing), ", ".join(shape.names)[:200]
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), ("::", "double colons")):
        if len(shape.names) == 1 and mark in shape.names[0]:
            return f"{path} is separated by {word}; expected commas, and a column {wanted}; convert it"
    return f"{path} has no column {wanted}; it has {have}; rename the column or give the right file"
