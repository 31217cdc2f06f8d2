"""Converts columns of any type, from CSV, JSON lines or Parquet, to ids, numbers, years or text.

Every function takes `where`, which names the file and the column in messages, and raises UserError when the type of the
column, or a value that each row needs, cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from star.errors import UserError
from star.plain_text import one_lines

Say = Callable[[str], None]
# Words that other programs write for "no value" in a column of text.
MISSING = ("NaN", "nan", "<NA>", "NULL", "null", "None", r"\N")
YEARS = (-9999, 9999)


def text(column: pl.Series, where: str) -> pl.Series:
    """The column as String, each value one clean line; blank ones are null. Whole floats lose their `.0`.

    Raises:
        UserError: neither text nor numbers, or bytes that are not UTF-8.
    """
    kind = column.dtype
    if kind == pl.Binary:
        try:
            return one_lines(column.cast(pl.String))
        except pl.exceptions.PolarsError:
            raise UserError(f"{where} has the type binary and is not UTF-8 text; write it as text") from None
    if kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum):
        return one_lines(column.cast(pl.String))
    if kind.is_integer() or kind == pl.Null:
        return column.cast(pl.String)
    if kind.is_float() or kind.is_decimal():
        number = column.cast(pl.Float64).fill_nan(None)
        whole = (number == number.floor()) & (number.abs() < _exact(kind))
        short = number.cast(pl.Int64, strict=False).cast(pl.String)
        return short.zip_with(whole.fill_null(True), number.cast(pl.String))
    raise wrong_type(column, where, "text")


def ids(column: pl.Series, where: str, of: str) -> pl.Series:
    """The column as ids: Int64 where all are whole numbers (but not `007`, which would lose its zeros), else String.

    Args:
        of: what the column names, for messages, such as `user`.

    Raises:
        UserError: some rows are empty, or neither text nor whole numbers.
    """
    kind = column.dtype
    if kind.is_integer():
        refuse_empty(column.is_null(), where, of)
        numbers = column.cast(pl.Int64, strict=False)
        return column.cast(pl.String) if numbers.null_count() else numbers
    if kind.is_float() or kind.is_decimal():
        number = column.cast(pl.Float64).fill_nan(None)
        odd = column.filter(((number != number.floor()) | (number.abs() >= _exact(kind))).fill_null(False))
        if len(odd):
            raise UserError(
                f"{where} has the type {_named(kind)} and holds no id in {len(odd)} rows, such as {odd[0]}; "
                "expected text or whole numbers; write it as text"
            )
        refuse_empty(number.is_null(), where, of)
        return number.cast(pl.Int64)
    if kind == pl.String and (whole := _whole(column)) is not None:
        return whole
    made = text(column, where)
    refuse_empty(made.is_null() | made.is_in(MISSING), where, of)
    if made.str.contains(r"^-?\d+\.0+$").all():
        # pandas writes a column of whole numbers with a gap like this.
        made = made.str.replace(r"\.0+$", "")
    whole = _whole(made)
    return made if whole is None else whole


def compact(ids: pl.Series) -> pl.Series:
    """Ids of text as an Enum of their sorted values: four bytes a row, which sort and compare as the text does."""
    return ids.cast(pl.Enum(ids.unique().sort())) if ids.dtype == pl.String else ids


def numbers(column: pl.Series, where: str, of: str) -> pl.Series:
    """The column as Float64, each row finite.

    Raises:
        UserError: some rows are empty, not numbers, or infinite.
    """
    made, empty = loose(column, where)
    refuse_empty(empty, where, of)
    bad = column.filter(~made.is_finite().fill_null(False))
    if len(bad):
        share = f"{len(bad)} of {len(column)} rows, such as {shown(bad[0])}"
        raise UserError(f"{where} is not a number in {share}; correct these rows")
    return made


def loose(column: pl.Series, where: str) -> tuple[pl.Series, pl.Series]:
    """The column as Float64, null where it is no number; and bool, which rows are empty or NaN.

    Raises:
        UserError: neither text nor numbers.
    """
    if column.dtype == pl.Boolean or column.dtype.is_temporal():
        raise wrong_type(column, where, "numbers")
    if column.dtype.is_numeric():
        made = column.cast(pl.Float64).fill_nan(None)
        return made, made.is_null()
    words = text(column, where)
    made = words.cast(pl.Float64, strict=False).fill_nan(None)
    return made, words.is_null() | words.is_in(MISSING).fill_null(False)


def volumes(column: pl.Series, where: str, say: Say) -> pl.Series:
    """The column as Float64, null where the place in a series is unknown; a warning counts unreadable values."""
    made, empty = loose(column, where)
    made = made.set(~made.is_finite().fill_null(False), None)
    _say_lost(column, made.is_null() & ~empty, where, "number", say)
    return made


def years(column: pl.Series, where: str, say: Say) -> pl.Series:
    """The column as Int32 years, null where unknown; a warning counts unreadable values.

    Numbers such as 1965.0, dates, and text that begins like 1965-08-01 are years; 0 means unknown.
    """
    kind = column.dtype
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        return column.dt.year()
    made, empty = loose(column, where)
    if not kind.is_numeric():
        written = text(column, where).str.extract(r"^(\d{4})-\d{1,2}(?:-\d{1,2})?(?:[T ].*)?$")
        made = made.fill_null(written.cast(pl.Float64))
    low, high = YEARS
    sound = (made == made.floor()) & made.is_between(low, high) & (made != 0)
    made = made.set(~sound.fill_null(False), None).cast(pl.Int32)
    _say_lost(column, made.is_null() & ~empty, where, "year", say)
    return made


def refuse_empty(empty: pl.Series, where: str, of: str) -> None:
    """Raise UserError where any row is `empty` (bool)."""
    count = int(empty.sum())
    if count:
        raise UserError(
            f"{where} is empty in {count} rows; each needs {_a(of)}; fill in or remove these rows"
        )


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def wrong_type(column: pl.Series, where: str, expected: str) -> UserError:
    """The error for a column of a type that cannot hold what is expected."""
    return UserError(f"{where} has the type {_named(column.dtype)}; expected {expected}; convert the column")


def shown(value: Any) -> str:
    """A value as a message quotes it."""
    return repr(value[:60]) if isinstance(value, str) else str(value)[:60]


def _exact(kind: pl.DataType) -> int:
    """From this number on, neighbouring whole numbers are equal in this type."""
    return 2**24 if kind == pl.Float32 else 2**11 if kind == pl.Float16 else 2**53


def _named(kind: pl.DataType) -> str:
    return str(kind).lower()[:80]


def _whole(column: pl.Series) -> pl.Series | None:
    """Text as Int64 if every cell is the usual form of its number, else None."""
    numbers = column.cast(pl.Int64, strict=False)
    same = numbers.null_count() == 0 and bool((numbers.cast(pl.String) == column).all())
    return numbers if same else None


def _say_lost(column: pl.Series, lost: pl.Series, where: str, of: str, say: Say) -> None:
    values = column.filter(lost)
    if len(values):
        say(
            f"warning: {where} is no {of} in {len(values)} of {len(column)} rows, such as {shown(values[0])}; "
            f"the {of} of these items is unknown"
        )
