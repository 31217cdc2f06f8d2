"""Any one table, CSV or Parquet, with a mapping from STAR's columns to its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from star.errors import UserError
from star.importers.files import plain, read_csv
from star.importers.raw import ITEM_SCHEMA, Raw

FIELDS = ("user", "item", "time", "rating", *(name for name in ITEM_SCHEMA if name != "id"))
_LISTS = ("creators", "genres")


def read_table(path: Path, columns: Mapping[str, str] | None = None, licence: str = "not stated", citation: str = "") -> Raw:
    """Read one table with a row per interaction; an item's title and the like are those of its first row.

    `columns` maps FIELDS to the table's column names; a field not named maps to its own name if the table has it.
    `user` and `item` are required. `time` is seconds or milliseconds since 1970, or an ISO date or time; without it
    row order is reading order. `creators` and `genres` may be lists, or text separated by `|`.

    Raises:
        UserError: the file or a column is missing or damaged, or the mapping names an unknown field.
    """
    if not path.is_file():
        raise UserError(f"{path} {'is a folder' if path.exists() else 'does not exist'}; give one .csv or .parquet file")
    mapping = {name: name for name in FIELDS} | dict(columns or {})
    unknown = [name for name in mapping if name not in FIELDS]
    if unknown:
        raise UserError(f"there is no field {', '.join(unknown)}; map these to columns: {', '.join(FIELDS)}")
    optional = [name for name in FIELDS if name not in ("user", "item") and name not in (columns or {})]
    frame = _read(path, mapping, optional)
    for name in ("user", "item"):
        frame = frame.with_columns(pl.col(name).cast(pl.String).str.strip_chars())
        empty = (frame[name].is_null() | (frame[name] == "")).sum()
        if empty:
            raise UserError(f"{path}: column {mapping[name]!r} is empty in {empty} rows; each row needs a {name}")
    events = frame.select("user", "item")
    if "time" in frame.columns:
        events = events.with_columns(_times(frame["time"], path, mapping["time"]))
    if "rating" in frame.columns:
        events = events.with_columns(_cast(frame["rating"], pl.Float32, path, mapping["rating"]))
    return Raw(
        format="table",
        title=path.name.split(".")[0],
        source=f"the table {path.name}",
        citation=citation,
        licence=licence,
        events=events,
        items=_items(frame, path, mapping) if "title" in frame.columns else None,
    )


def _read(path: Path, mapping: dict[str, str], optional: list[str]) -> pl.DataFrame:
    """Columns of FIELDS that the table has, as text if it is CSV."""
    if ".parquet" not in path.suffixes:
        frame = read_csv(path, {mapping[name]: pl.String for name in FIELDS}, tuple(mapping[name] for name in optional))
    else:
        try:
            with plain(path) as file:
                have = pl.read_parquet_schema(file)
                missing = [mapping[name] for name in FIELDS if mapping[name] not in have and name not in optional]
                if missing:
                    raise UserError(f"{path} has no column {', '.join(missing)}; it has {', '.join(have)[:200]}; map the columns")
                frame = pl.read_parquet(file, columns=list(dict.fromkeys(c for c in mapping.values() if c in have)))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"{path} is not a Parquet file ({str(error).splitlines()[0][:120]}); give a .csv or .parquet file") from None
        if frame.is_empty():
            raise UserError(f"{path} has no rows; give the complete file")
    return frame.select(pl.col(mapping[name]).alias(name) for name in FIELDS if mapping[name] in frame.columns)


def _cast(column: pl.Series, dtype: type[pl.DataType], path: Path, called: str) -> pl.Series:
    made = column.cast(dtype, strict=False)
    bad = column.filter(made.is_null())
    if len(bad):
        raise UserError(
            f"{path}: column {called!r} is not a number in {len(bad)} of {len(column)} rows, such as {bad[0]!r}; correct these rows"
        )
    return made


def _times(column: pl.Series, path: Path, called: str) -> pl.Series:
    """Int64 seconds since 1970 from numbers, ISO text, or dates."""
    if column.dtype.is_temporal():
        made = column.cast(pl.Datetime("us")).dt.epoch("s")
    else:
        numbers = column.cast(pl.Float64, strict=False)
        if numbers.null_count() < len(column):
            made = _cast(column, pl.Float64, path, called).cast(pl.Int64)
            # Seconds reach 1e11 in the year 5138; such a number is milliseconds.
            made = made // 1000 if (made.max() or 0) > 1e11 else made
        else:
            text = column.str.replace("Z$", "").str.replace(" ", "T")
            day, moment = (text.str.to_datetime(f, strict=False, time_unit="us") for f in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f"))
            made = moment.fill_null(day).dt.epoch("s") if len(column) else day
    bad = column.filter(made.is_null())
    if len(bad):
        raise UserError(
            f"{path}: column {called!r} is no time in {len(bad)} of {len(column)} rows, such as {str(bad[0])!r}; "
            "expected seconds since 1970 or dates like 2024-05-31 or 2024-05-31T18:30:00"
        )
    return made.alias("time")


def _items(frame: pl.DataFrame, path: Path, mapping: dict[str, str]) -> pl.DataFrame:
    first = frame.select("item", *(n for n in ITEM_SCHEMA if n in frame.columns)).unique("item", keep="first", maintain_order=True)
    columns = [first["item"].alias("id"), first["title"].cast(pl.String).fill_null(first["item"])]
    for name, dtype in ITEM_SCHEMA.items():
        if name in ("id", "title"):
            continue
        if name not in first.columns:
            columns.append(pl.Series(name, [None] * len(first), dtype=dtype))
        elif name in _LISTS and first[name].dtype == pl.String:
            columns.append(first[name].str.split("|").list.eval(pl.element().str.strip_chars()).list.filter(pl.element() != ""))
        else:
            columns.append(first[name].cast(dtype, strict=False))
    return pl.DataFrame(columns)
