"""Any one table, CSV or Parquet, with a mapping from STAR's columns to its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from star.errors import UserError
from star.importers.files import brief, plain, read_csv
from star.importers.raw import ITEM_SCHEMA, Raw

FIELDS = ("user", "item", "time", "rating", *(name for name in ITEM_SCHEMA if name != "id"))
# Seconds reach this in the year 5138, so a greater number is milliseconds.
_SECONDS_END = 1e11


def read_table(
    path: Path, columns: Mapping[str, str] | None = None, licence: str = "not stated", citation: str = ""
) -> Raw:
    """Read one table with a row per interaction; an item's title and the like are those of its first row.

    `columns` maps FIELDS to the table's column names; a field not named is the column of its own name, if
    there is one. `user` and `item` are required. `time` is seconds or milliseconds since 1970, or an ISO date
    or time; without it row order is reading order. `creators` and `genres` may be lists, or text with `|`.

    Raises:
        UserError: the file or a column is missing or damaged, or the mapping names an unknown field.
    """
    if not path.is_file():
        state = "is a folder" if path.exists() else "does not exist"
        raise UserError(f"{path} {state}; give one .csv or .parquet file")
    asked = dict(columns or {})
    unknown = [name for name in asked if name not in FIELDS]
    if unknown:
        raise UserError(f"there is no field {', '.join(unknown)}; these can be mapped: {', '.join(FIELDS)}")
    mapping = {name: asked.get(name, name) for name in FIELDS}
    required = [mapping[name] for name in FIELDS if name in asked or name in ("user", "item")]
    read = _read_parquet if ".parquet" in path.suffixes else _read_text
    frame = read(path, list(dict.fromkeys(mapping.values())), required)
    frame = frame.select(
        pl.col(there).alias(name) for name, there in mapping.items() if there in frame.columns
    )
    events = frame.select("user", "item").cast(pl.String)
    for name in ("user", "item"):
        empty = (events[name].str.strip_chars().fill_null("") == "").sum()
        if empty:
            raise UserError(f"{path}: column {mapping[name]!r} is empty in {empty} rows; each needs a {name}")
    if "time" in frame.columns:
        events = events.with_columns(_times(frame["time"], path, mapping["time"]))
    if "rating" in frame.columns:
        events = events.with_columns(_number(frame["rating"], pl.Float32(), path, mapping["rating"]))
    return Raw(
        format="table",
        title=path.name.split(".")[0],
        source=f"the table {path.name}",
        citation=citation,
        licence=licence,
        events=events,
        items=_items(frame, events["item"]) if "title" in frame.columns else None,
    )


def _read_text(path: Path, names: list[str], required: list[str]) -> pl.DataFrame:
    optional = tuple(name for name in names if name not in required)
    return read_csv(path, dict.fromkeys(names, pl.String()), optional)


def _read_parquet(path: Path, names: list[str], required: list[str]) -> pl.DataFrame:
    with plain(path) as file:
        try:
            have = list(pl.read_parquet_schema(file))
            frame = pl.read_parquet(file, columns=[name for name in names if name in have])
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(
                f"{path} is not a Parquet file ({brief(error)}); give a .csv or .parquet file"
            ) from None
    missing = [name for name in required if name not in have]
    if missing:
        raise UserError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(have)[:200]}; say which is which"
        )
    if frame.is_empty():
        raise UserError(f"{path} has no rows; give the complete file")
    return frame


def _number(column: pl.Series, dtype: pl.DataType, path: Path, called: str) -> pl.Series:
    """The column as numbers."""
    made = column.cast(dtype, strict=False)
    bad = column.filter(made.is_null())
    if len(bad):
        share = f"{len(bad)} of {len(column)} rows, such as {bad[0]!r}"
        raise UserError(f"{path}: column {called!r} is not a number in {share}; correct these rows")
    return made


def _times(column: pl.Series, path: Path, called: str) -> pl.Series:
    """The column as Int64 seconds since 1970, from numbers, ISO text, or dates."""
    if column.dtype.is_temporal():
        made = column.cast(pl.Datetime("us")).dt.epoch("s")
    elif column.dtype.is_numeric() or column.cast(pl.Float64, strict=False).is_not_null().any():
        made = _number(column, pl.Float64(), path, called)
        made = (made / 1000 if bool((made > _SECONDS_END).any()) else made).floor().cast(pl.Int64)
    else:
        text = column.str.replace("Z$", "").str.replace(" ", "T")
        day = text.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
        made = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
        made = made.fill_null(day).dt.epoch("s")
    bad = column.filter(made.is_null())
    if len(bad):
        raise UserError(
            f"{path}: column {called!r} is no time in {len(bad)} of {len(column)} rows, such as "
            f"{str(bad[0])!r}; expected seconds since 1970, or text like 2024-05-31 or 2024-05-31T18:30:00"
        )
    return made.alias("time")


def _items(frame: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """ITEM_SCHEMA from the first row of each item; what the table lacks is null."""
    given = frame.select(name for name in ITEM_SCHEMA if name in frame.columns)
    first = given.with_columns(ids.alias("id")).unique("id", keep="first", maintain_order=True)
    columns = []
    for name, dtype in ITEM_SCHEMA.items():
        if name not in first.columns:
            columns.append(pl.lit(None, dtype=dtype).alias(name))
        elif dtype == pl.List(pl.String) and first[name].dtype == pl.String:
            pieces = pl.col(name).str.split("|").list.eval(pl.element().str.strip_chars())
            columns.append(pieces.list.filter(pl.element() != ""))
        else:
            columns.append(pl.col(name).cast(dtype, strict=False))
    return first.select(columns).with_columns(pl.col("title").fill_null(pl.col("id")))
