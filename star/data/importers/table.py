"""One table as CSV, JSON lines or Parquet, with a mapping from STAR's columns to its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import polars as pl

from star.data.importers import recbole
from star.data.importers.archives import begins, folder_of, is_zip, one_of, tables_of
from star.data.importers.columns import Say, compact, ids, numbers, text, volumes, years
from star.data.importers.lists import lists
from star.data.importers.raw import ITEM_SCHEMA, Raw, by_time, say
from star.data.importers.separated import read_csv
from star.data.importers.times import times
from star.data.importers.typed import Columns, open_parquet, parts, read_json_table
from star.errors import UserError

FIELDS = ("user", "item", "time", "rating", *(name for name in ITEM_SCHEMA if name != "id"))
_EXPECTED = "one .csv, .jsonl or .parquet file, plain, .gz or .zip, or a folder of Parquet parts"
_SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_PACKED = (".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".lz4")


def read_table(
    path: Path,
    columns: Mapping[str, str] | None = None,
    licence: str = "not stated",
    citation: str = "",
    say: Say = say,
) -> Raw:
    """Read one table, or a folder of Parquet parts, with a row per interaction.

    An item's facts are those of its first row.

    `columns` maps FIELDS to the table's column names; a field not named is the column of its own name, if
    there is one. `user` and `item` are required. `time` is seconds (milli-, micro-, nanoseconds) since 1970, or an
    ISO date or time; without it row order is reading order. `creators` and `genres` may be lists, or text with `|`.

    Raises:
        UserError: the file or a column is missing or damaged, or the mapping names an unknown field.
    """
    folder = path.is_dir() and bool(parts(path))
    if not path.is_file() and not folder:
        state = "is a folder" if path.exists() else "does not exist"
        raise UserError(f"{path} {state}; give {_EXPECTED}")
    asked = dict(columns or {})
    unknown = [name for name in asked if name not in FIELDS]
    if unknown:
        raise UserError(f"there is no field {', '.join(unknown)}; these can be mapped: {', '.join(FIELDS)}")
    form = "parquet" if folder else _form(path)
    if form == "inter":
        zipped = path.suffix.lower() == ".zip"
        opened = folder_of(path, recbole.WANTED, say) if zipped else nullcontext((path, say))
        with opened as (place, tell):
            return recbole.read_recbole(place, asked, licence, citation, tell)
    mapping = {name: asked.get(name, name) for name in FIELDS}
    required = [mapping[name] for name in FIELDS if name in asked or name in ("user", "item")]
    wanted = list(dict.fromkeys(mapping.values()))
    with _opened(path, form, wanted, required, say) as frame:
        events, items = _events(frame, mapping, path), _items(frame, mapping, path, say)
    return Raw(
        format="table",
        title=path.name.split(".")[0],
        source=f"the table {path.name}",
        citation=citation,
        licence=licence,
        events=events,
        items=items,
    )


def _opened(
    path: Path, form: str, wanted: list[str], required: list[str], say: Say
) -> AbstractContextManager[Columns]:
    """The wanted columns of a table whose form is known; they can be looked at inside the context alone."""
    if form == "parquet":
        return open_parquet(path, wanted, required)
    if form == "json":
        return nullcontext(read_json_table(path, wanted, required))
    optional = tuple(name for name in wanted if name not in required)
    separator = "\t" if form == "tabs" else ","
    return nullcontext(read_csv(path, dict.fromkeys(wanted, pl.String()), optional, say, separator))


def _form(path: Path) -> str:
    """`text`, `tabs`, `json`, `parquet` or `inter`, by the file's endings, else by how it begins.

    Raises:
        UserError: a spreadsheet or another file without a plain table.
    """
    inside = path
    if path.suffix.lower() == ".zip":
        names = tables_of(path)
        if any(name.endswith(".inter") for name in names):
            return "inter"
        inside = Path(one_of(path, names))
    endings = [ending.lower() for ending in inside.suffixes]
    last = next((ending for ending in reversed(endings) if ending != ".gz"), "")
    if last in _SHEETS:
        raise UserError(f"{path} is a spreadsheet; export its sheet as CSV UTF-8 and give that .csv file")
    if last in _PACKED:
        raise UserError(f"{path} is packed ({last}); unpack it and give {_EXPECTED}")
    if last in (".parquet", ".inter"):
        return last[1:]
    if last in (".jsonl", ".ndjson", ".json"):
        return "json"
    if inside is path:
        if is_zip(path):
            raise UserError(
                f"{path} is a zip archive or a spreadsheet; name it .zip, or export its sheet as CSV UTF-8"
            )
        if begins(path, b"PAR1"):
            return "parquet"
        if begins(path, b"\x1f\x8b") and path.suffix != ".gz":
            raise UserError(f"{path} is compressed by gzip; name it .gz")
        if begins(path, b'{"', b"{ "):
            return "json"
    return "tabs" if last == ".tsv" else "text"


def _events(frame: Columns, mapping: Mapping[str, str], path: Path) -> pl.DataFrame:
    where = {name: f"{path}: column {there!r}" for name, there in mapping.items()}
    made = [compact(ids(frame[mapping[name]], where[name], name)).alias(name) for name in ("user", "item")]
    if mapping["rating"] in frame.columns:
        rating = numbers(frame[mapping["rating"]], where["rating"], "rating").cast(pl.Float32)
        if not rating.is_finite().all():
            raise UserError(f"{where['rating']} holds numbers beyond 3e38; correct these rows")
        made.append(rating.alias("rating"))
    if mapping["time"] not in frame.columns:
        return pl.DataFrame(made)
    return by_time(pl.DataFrame(made), times(frame[mapping["time"]], where["time"]))


def _items(frame: Columns, mapping: Mapping[str, str], path: Path, say: Say) -> pl.DataFrame | None:
    """ITEM_SCHEMA from the first row of each item; None if the table has no columns about items."""
    given = [name for name in ITEM_SCHEMA if mapping.get(name) in frame.columns]
    if not given:
        return None
    id = ids(frame[mapping["item"]], f"{path}: column {mapping['item']!r}", "item").cast(pl.String)
    first = id.is_first_distinct()
    made = {"id": id.filter(first)}
    for name in given:
        column, where = frame[mapping[name]].filter(first), f"{path}: column {mapping[name]!r}"
        if ITEM_SCHEMA[name] == pl.List(pl.String):
            made[name] = lists(column, where, say)
        elif name == "year":
            made[name] = years(column, where, say)
        elif name == "number":
            made[name] = volumes(column, where, say)
        else:
            made[name] = text(column, where)
    items = pl.DataFrame(made)
    return items.select(
        pl.col(name).cast(kind) if name in made else pl.lit(None, dtype=kind).alias(name)
        for name, kind in ITEM_SCHEMA.items()
    )
