"""RecBole's atomic files: X.inter and, where it is there, X.item, tab-separated, each column with its type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from star.data.importers.archives import plain
from star.data.importers.columns import Say, ids, numbers, text, volumes, years
from star.data.importers.files import find
from star.data.importers.lists import lists
from star.data.importers.raw import ITEM_SCHEMA, Raw, by_time, say
from star.data.importers.separated import layout, read_csv
from star.data.importers.times import times
from star.errors import UserError

WANTED = re.compile(r"[^.].*\.(inter|item)(\.gz)?")
# Column names of the published files; the first that exists counts.
_NAMES = {
    "user": ("user_id", "user", "session_id"),
    "item": ("item_id", "item", "movie_id", "book_id", "artist_id", "business_id"),
    "time": ("timestamp", "time"),
    "rating": ("rating", "stars"),
    "title": ("movie_title", "title", "item_name", "book_title", "name", "artist_name", "item_title"),
    "creators": ("author", "authors", "creators", "artist", "director", "brand"),
    "year": ("release_year", "year", "publication_year", "original_publication_year", "release_date"),
    "series": ("series",),
    "number": ("number",),
    "genres": ("genre", "genres", "class", "categories", "category", "tags"),
}
_PARTS = ("train", "valid", "test")
EVENTS = ("user", "item", "time", "rating")


def read_recbole(
    path: Path,
    columns: Mapping[str, str] | None = None,
    licence: str = "not stated",
    citation: str = "",
    say: Say = say,
) -> Raw:
    """Read X.inter, or a folder with one; X.train.inter, X.valid.inter and X.test.inter are one after the other.

    `columns` maps fields to names of columns where they differ from those of RecBole's own data sets.

    Raises:
        UserError: no or several data sets, or a file or column is missing or damaged.
    """
    files = _files(path)
    asked = dict(columns or {})
    if unknown := [name for name in asked if name not in _NAMES]:
        raise UserError(f"there is no field {', '.join(unknown)}; these can be mapped: {', '.join(_NAMES)}")
    tables = [_events(file, asked, say) for file in files]
    for file, table in zip(files, tables, strict=True):
        if table.columns != tables[0].columns:
            have, first = (", ".join(each.columns) for each in (table, tables[0]))
            raise UserError(f"{file} has {have}, and {files[0].name} has {first}; give all parts the same columns")
    events = pl.concat(tables, how="vertical_relaxed")
    if "time" in events.columns:
        events = by_time(events.drop("time"), events["time"])
    stem = files[0].name.split(".")[0]
    described = find(files[0].parent, f"{stem}.item")
    if described is None and (left := [name for name in asked if name not in EVENTS]):
        raise UserError(f"{left[0]} is a column of {stem}.item, which is not there; leave out --column {left[0]}=…")
    return Raw(
        format="recbole",
        title=stem,
        source=f"the RecBole files {stem}",
        citation=citation,
        licence=licence,
        events=events,
        items=None if described is None else _items(described, asked, say),
    )


def _files(path: Path) -> list[Path]:
    """The .inter files of one data set, in order of time."""
    if path.is_file() and ".inter" in path.suffixes:
        return [path]
    if not path.is_dir():
        state = "is a file" if path.exists() else "does not exist"
        raise UserError(
            f"{path} {state}; give the folder that holds X.inter of RecBole, a .zip of it, or X.inter itself"
        )
    found = sorted(p for p in path.glob("*.inter*") if re.fullmatch(r".*\.inter(\.gz|\.zip)?", p.name))
    parts = [p for part in _PARTS for p in found if p.name.split(".")[-2:-1] == [part]]
    if len(found) == 1 or (
        found and len(parts) == len(found) and len({p.name.split(".")[0] for p in found}) == 1
    ):
        return parts or found
    have = ", ".join(p.name for p in found)[:200] or "none"
    raise UserError(f"{path} should hold one X.inter, but has {have}; give each data set a folder of its own")


def _events(path: Path, asked: Mapping[str, str], say: Say) -> pl.DataFrame:
    """Columns user, item, rating and time (Int64 microseconds) of one .inter file."""
    frame, kinds = _read(path, asked, EVENTS, ("user", "item"), say)
    where = {name: f"{path}: column {name!r}" for name in kinds}
    made = [ids(frame[name], where[name], name).alias(name) for name in ("user", "item")]
    if "rating" in kinds:
        rating = numbers(frame["rating"], where["rating"], "rating").cast(pl.Float32)
        if not rating.is_finite().all():
            raise UserError(f"{where['rating']} holds numbers beyond 3e38; correct these rows")
        made.append(rating.alias("rating"))
    if "time" in kinds:
        made.append(times(frame["time"], where["time"]).alias("time"))
    return pl.DataFrame(made)


def _items(path: Path, asked: Mapping[str, str], say: Say) -> pl.DataFrame:
    """ITEM_SCHEMA of an .item file; members of a `token_seq` are separated by blanks, or are in quotes."""
    named = [name for name in ITEM_SCHEMA if name != "id" and name in _NAMES]
    frame, kinds = _read(path, asked, ("item", *named), ("item",), say)
    made = {"id": ids(frame["item"], f"{path}: column 'item'", "item").cast(pl.String)}
    for name in named:
        where = f"{path}: column {name!r}"
        if name not in kinds:
            made[name] = pl.Series([None] * len(frame), dtype=ITEM_SCHEMA[name])
        elif ITEM_SCHEMA[name] == pl.List(pl.String):
            made[name] = lists(
                _sequence(frame[name]) if kinds[name] == "token_seq" else frame[name], where, say
            )
        elif name == "year":
            made[name] = years(frame[name], where, say)
        elif name == "number":
            made[name] = volumes(frame[name], where, say)
        else:
            made[name] = text(frame[name], where)
    return pl.DataFrame(made).select(
        pl.col(name).cast(kind) for name, kind in ITEM_SCHEMA.items() if name in made
    )


def _sequence(column: pl.Series) -> pl.Series:
    """Members of a token_seq joined by |, unless it is already printed as a list or as quoted strings."""
    value = pl.col("value")
    quoted, listed = value.str.contains(r"^\s*['\"]"), value.str.contains(r"^\s*\[|\|")
    return pl.DataFrame({"value": column}).select(
        pl.when(quoted)
        .then(pl.format("[{}]", value))
        .when(listed)
        .then(value)
        .otherwise(value.str.strip_chars().str.replace_all(r"\s+", "|"))
    ).to_series()  # fmt: skip


def _read(
    path: Path, asked: Mapping[str, str], fields: Sequence[str], required: Sequence[str], say: Say
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Text columns under the names of `fields`, and the type that the header states for each."""
    with plain(path) as file:
        header = layout(file, path, "\t", None).names
    typed = {name.partition(":")[0].strip(): name for name in header}
    found: dict[str, str] = {}
    for field in fields:
        known = (asked[field].partition(":")[0].strip(),) if field in asked else _NAMES[field]
        there = next(
            (typed[name] for name in known if name in typed and typed[name] not in found.values()), None
        )
        if there is not None:
            found[field] = there
        elif field in required or field in asked:
            have = ", ".join(header)[:200]
            raise UserError(
                f"{path} has no column {known[0]}:token; it has {have}; expected RecBole's header, tab-separated, "
                f"or say which with --column {field}=COLUMN"
            )
    frame = read_csv(path, dict.fromkeys(found.values(), pl.String()), tuple(found.values()), say, "\t", None)
    frame.columns = list(found)
    return frame, {field: there.partition(":")[2].strip() for field, there in found.items()}
