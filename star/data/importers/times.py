"""Converts numbers, dates or ISO text to microseconds since 1970, guessing the unit of each row."""

from __future__ import annotations

from typing import Any

import polars as pl

from star.data.importers.columns import loose, refuse_empty, shown, text, wrong_type
from star.errors import UserError

# Largest seconds, milliseconds, microseconds and nanoseconds: each is in the year 5138.
_UNITS = ((1e11, 1.0), (1e14, 1e-3), (1e17, 1e-6), (1e20, 1e-9))
# Seconds below this are before March 1973, when nobody logged anything: counts from another origin.
_SMALL = 1e8
_LATEST = 253_402_300_799  # the last second of the year 9999
# Dates written as numbers: digits, format, first and last valid date.
_WRITTEN = (
    ("%Y%m%d", 19000101, 21001231),
    ("%Y%m%d%H%M", 190001010000, 210012312359),
    ("%Y%m%d%H%M%S", 19000101000000, 21001231235959),
)
_ISO = (
    r"^(?<year>\d{4})[-/](?<month>\d{1,2})[-/](?<day>\d{1,2})"
    r"(?:(?:T|t| +)(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2})(?<rest>[.,]\d+)?)?"
    r" ?(?:Z|z|UTC|GMT)? ?(?:(?<sign>[+-])(?<hours>\d{2}):?(?<minutes>\d{2})?)?)?$"
)


def times(column: pl.Series, where: str, small: float = 1.0) -> pl.Series:
    """The column as Int64 microseconds since 1970.

    Numbers are read row by row as seconds, milliseconds, microseconds or nanoseconds, whichever gives a year before
    5138; or as dates such as 20200914 or 20200914124320. Text may be such numbers, or an ISO date or time, with an
    offset or without (UTC).

    Args:
        small: seconds per unit of numbers below 1e8, which could be in any unit.

    Raises:
        UserError: the column has another type, or a row is empty or no time.
    """
    kind = column.dtype
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        refuse_empty(column.is_null(), where, "time")
        return column.dt.epoch("us")
    if kind == pl.Boolean or kind.is_temporal():
        raise wrong_type(column, where, "dates, ISO text, or seconds since 1970")
    number, empty = loose(column, where)
    refuse_empty(empty, where, "time")
    made = _from_numbers(number, small)
    if not kind.is_numeric() and made.null_count():
        made = made.fill_null(_from_text(text(column, where)))
    bad = column.filter(made.is_null())
    if len(bad):
        share = f"{len(bad)} of {len(column)} rows, such as {shown(bad[0])}"
        if not kind.is_numeric() and number.is_finite().any():
            raise UserError(f"{where} is not a number in {share}, nor a date; correct these rows")
        raise UserError(
            f"{where} is no time in {share}; "
            "expected seconds since 1970, or text like 2024-05-31 or 2024-05-31T18:30:00"
        )
    return made


def _from_numbers(number: pl.Series, small: float) -> pl.Series:
    """Int64 microseconds; null where the number is null, infinite, or no time in any unit."""
    size = pl.col("number").abs()
    scale: Any = pl.when(size < _SMALL).then(pl.lit(small))
    for end, unit in _UNITS:
        scale = scale.when(size < end).then(pl.lit(unit))
    seconds = pl.col("number") * scale.otherwise(None)
    made = number.to_frame("number").select(
        pl.when(seconds.abs() <= _LATEST).then((seconds * 1e6).floor()).cast(pl.Int64)
    )
    written, read = _written_dates(number), made.to_series()
    if written.count():  # among dates, a small number is a wrong date, as 20190231, and no second of August 1970
        both = pl.DataFrame({"number": number, "read": read})
        read = both.select(pl.when(pl.col("number").abs() >= _SMALL).then(pl.col("read"))).to_series()
    return written.fill_null(read)


def _written_dates(number: pl.Series) -> pl.Series:
    """Int64 microseconds of dates written as numbers, null elsewhere.

    As seconds, 20200914 is in August 1970, so it must be a date, unless as many numbers of the column are small and no date.
    """
    frame = pl.DataFrame({"number": number}).with_columns(made=pl.lit(None, pl.Int64))
    for form, low, high in _WRITTEN:
        fits = pl.col("number").is_between(low, high) & (pl.col("number") == pl.col("number").floor())
        if not frame.select(fits.any()).item():
            continue
        day = pl.when(fits).then(pl.col("number")).cast(pl.Int64).cast(pl.String)
        # polars needs minutes in a time of day, hence the zeros.
        day, form = (day + "0000", form + "%H%M") if "%H" not in form else (day, form)
        read = day.str.to_datetime(form, strict=False, time_unit="us").dt.epoch("us")
        frame = frame.with_columns(pl.col("made").fill_null(read))
        if form == "%Y%m%d%H%M" and low == _WRITTEN[0][1]:
            other = frame.filter(pl.col("made").is_null())["number"].abs()
            if (other < _SMALL).sum() >= frame["made"].count():
                frame = frame.with_columns(made=pl.lit(None, pl.Int64))
    return frame["made"]


def _from_text(column: pl.Series) -> pl.Series:
    """Int64 microseconds of ISO dates and times, null elsewhere."""
    part = pl.col
    clock = pl.format(
        "{}-{}-{} {}:{}:{}",
        *("year", "month", "day"),
        *(part(name).fill_null("0").str.zfill(2) for name in ("hour", "minute", "second")),
    )
    moment = clock.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us").dt.epoch("us")
    fraction = ("0." + part("rest").str.slice(1, 9)).cast(pl.Float64).fill_null(0) * 1e6
    minutes = part("hours").cast(pl.Int64) * 60 + part("minutes").cast(pl.Int64).fill_null(0)
    minutes = pl.when(part("sign") == "-").then(-minutes).otherwise(minutes).fill_null(0)
    fields = column.str.extract_groups(_ISO).struct.unnest()
    return fields.select(moment + fraction.floor().cast(pl.Int64) - minutes * 60_000_000).to_series()
