"""Amazon Reviews 2023 (McAuley Lab): X.csv or X.jsonl with reviews, and meta_X.jsonl, for one category X."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from star.data.catalog import Item
from star.data.importers.archives import unpacked
from star.data.importers.columns import Say, ids
from star.data.importers.files import brief, find, need
from star.data.importers.raw import Raw, by_time, item_frame, say
from star.data.importers.roles import role_of
from star.data.importers.separated import read_csv
from star.data.importers.times import times
from star.data.importers.typed import read_jsonl
from star.errors import UserError
from star.plain_text import one_line

WANTED = re.compile(r"(meta_)?[A-Za-z_]+\.(csv|jsonl)(\.gz)?")
_COLUMNS = {"user_id": pl.String, "parent_asin": pl.String, "rating": pl.Float32, "timestamp": pl.Float64}
_MILLISECOND = 1e-3
_BATCH = 100_000
_LINE = 64 << 20


def read_amazon(path: Path, say: Say = say) -> Raw:
    """Read the folder of one category; histories are ordered by timestamp (milliseconds in the source).

    Rows with a rating of 0, which customers cannot give, are left out and counted.

    Raises:
        UserError: the folder has no or several categories, or a file or column is missing or damaged.
    """
    need(path, (), "Amazon Reviews 2023")
    reviews, meta = _files(path)
    read = (
        read_csv(reviews, _COLUMNS, say=say) if ".csv" in reviews.suffixes else read_jsonl(reviews, _COLUMNS)
    )
    rated = read.filter(pl.col("rating") != 0)
    unrated = len(read) - len(rated)
    if unrated:
        say(f"warning: dropped {unrated} of {len(read)} reviews with a rating of 0")
    where = {name: f"{reviews}: column {name!r}" for name in _COLUMNS}
    events = rated.select(
        ids(rated["user_id"], where["user_id"], "user").alias("user"),
        ids(rated["parent_asin"], where["parent_asin"], "item").alias("item"),
        "rating",
    )
    events = by_time(events, times(rated["timestamp"], where["timestamp"], _MILLISECOND))
    category = reviews.name.split(".")[0].replace("_", " ")
    return Raw(
        format="amazon",
        title=f"Amazon Reviews 2023: {category}",
        source="Amazon Reviews 2023: product reviews, collected by the McAuley Lab, UC San Diego",
        citation="Yupeng Hou, Jiacheng Li, Zhankui He, An Yan, Xiusi Chen and Julian McAuley (2024). "
        "Bridging Language and Items for Retrieval and Recommendation. arXiv 2403.03952.",
        licence="no licence stated by the source; for research, do not redistribute",
        notices=["Amazon Reviews 2023, McAuley Lab; cite Hou et al. (2024)"],
        events=events,
        items=_items(meta, set(events["item"].unique().cast(pl.String).to_list())),
        rating_range=(1, 5),
        dropped={"rated_zero": unrated},
    )


def _files(folder: Path) -> tuple[Path, Path]:
    """Reviews and meta of the one category in a folder; CSV before JSONL, since it is much smaller."""
    endings = (".jsonl", ".jsonl.gz", ".jsonl.zip")
    metas = sorted(p for p in folder.glob("meta_*.jsonl*") if p.name.endswith(endings))
    if len(metas) != 1:
        have = ", ".join(p.name for p in metas) or "none"
        raise UserError(
            f"{folder} should hold one meta_CATEGORY.jsonl (or .gz), but has {have}; "
            "give each category a folder of its own"
        )
    category = metas[0].name.removeprefix("meta_").split(".")[0]
    for name in (f"{category}.csv", f"{category}.jsonl"):
        if found := find(folder, name):
            return found, metas[0]
    raise UserError(
        f"{folder} has {metas[0].name} but no {category}.csv or {category}.jsonl (nor .gz of it); "
        "put the reviews there"
    )


def _items(path: Path, wanted: set[str]) -> pl.DataFrame:
    """Described items among `wanted`; streamed, since the file may hold gigabytes of text we do not need."""
    frames, batch = [item_frame(())], []
    for row in _rows(path):
        id = one_line(str(row["parent_asin"]))
        if id in wanted:
            wanted.discard(id)
            batch.append(_item(id, row))
        if len(batch) == _BATCH:
            frames.append(item_frame(batch))
            batch = []
    return pl.concat([*frames, item_frame(batch)])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a meta file."""
    number = 0
    with unpacked(path) as handle:
        for number, line in enumerate(iter(lambda: handle.readline(_LINE), b""), 1):
            if len(line) == _LINE:
                raise UserError(
                    f"{path}: line {number} is longer than {_LINE >> 20} MiB; repair or fetch it again"
                )
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except UnicodeDecodeError:
                raise UserError(f"{path} is not UTF-8 text (in line {number}); convert it to UTF-8") from None
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}: line {number} is not JSON ({brief(error)}); each line must be one JSON object"
                ) from None
            if not isinstance(row, dict) or "parent_asin" not in row or "title" not in row:
                raise UserError(
                    f"{path}: line {number} has no parent_asin and title; give the meta file of the category"
                )
            yield row
    if not number:
        raise UserError(f"{path} is empty; expected one JSON object per line")


def _item(id: str, row: dict[str, Any]) -> Item:
    author, store = row.get("author"), _words(row.get("store"))
    if isinstance(author, dict) and _words(author.get("name")):
        creators = [_words(author["name"])]
    else:
        # The store of a book reads "A. Writer (Author), B. Drawer (Illustrator)"; else it is a brand.
        named = [name.strip() for name in re.findall(r"(?:^|,)([^(]+\([^()]*\))", store)]
        creators = [name for name in named if role_of(name)[1]] or [
            re.sub(r"\s*\([^()]*\).*", "", store).strip()
        ]
    # The first category repeats the department ("Books"), the rest run from wide to narrow.
    given = row.get("categories")
    categories = [words for c in (given if isinstance(given, list) else []) if (words := _words(c))]
    genres = [c.lower() for c in (categories[1:] or categories)][::-1][:4]
    return Item(
        id, _words(row["title"]) or id, tuple(filter(None, creators)), genres=tuple(dict.fromkeys(genres))
    )


def _words(value: object) -> str:
    """Text or number of a field, as one line; empty for any other type."""
    return one_line(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""
