"""Amazon Reviews 2023 (McAuley Lab): X.csv or X.jsonl with reviews, and meta_X.jsonl, for one category X."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from star.catalog import Item
from star.errors import UserError
from star.importers.files import need, read_csv, read_jsonl
from star.importers.raw import Raw, item_frame

_COLUMNS = {"user_id": pl.String, "parent_asin": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}
_BATCH = 100_000


def read_amazon(path: Path) -> Raw:
    """Read the folder of one category; histories are ordered by timestamp (milliseconds in the source).

    Raises:
        UserError: there is not one category in the folder, or a file or column is missing or damaged.
    """
    need(path, (), "Amazon Reviews 2023")
    reviews, meta = _files(path)
    read = read_csv if ".csv" in reviews.suffixes else read_jsonl
    events = read(reviews, _COLUMNS).rename({"user_id": "user", "parent_asin": "item", "timestamp": "time"})
    events = events.with_columns(pl.col("time") // 1000)
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
        items=_items(meta, set(events["item"].unique().to_list())),
        rating_range=(1, 5),
    )


def _files(folder: Path) -> tuple[Path, Path]:
    """Reviews and meta of the one category in a folder; CSV before JSONL, since it is much smaller."""
    metas = sorted(p for p in folder.glob("meta_*.jsonl*") if p.name.endswith((".jsonl", ".jsonl.gz")))
    if len(metas) != 1:
        have = ", ".join(p.name for p in metas) or "none"
        raise UserError(
            f"{folder} should hold one meta_CATEGORY.jsonl (or .gz), but has {have}; "
            "give each category a folder of its own"
        )
    category = metas[0].name.removeprefix("meta_").split(".")[0]
    for ending in (".csv", ".csv.gz", ".jsonl", ".jsonl.gz"):
        if (folder / f"{category}{ending}").is_file():
            return folder / f"{category}{ending}", metas[0]
    raise UserError(
        f"{folder} has {metas[0].name} but no {category}.csv or {category}.jsonl (nor .gz of it); "
        "put the reviews there"
    )


def _items(path: Path, wanted: set[str]) -> pl.DataFrame:
    """Described items among `wanted`; streamed, since the file may hold gigabytes of text we do not need."""
    frames, batch = [item_frame(())], []
    for row in _rows(path):
        if row.get("parent_asin") in wanted:
            wanted.discard(row["parent_asin"])
            batch.append(_item(row))
        if len(batch) == _BATCH:
            frames.append(item_frame(batch))
            batch = []
    return pl.concat([*frames, item_frame(batch)])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as handle
        ):
            for number, line in enumerate(handle, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict) or "parent_asin" not in row or "title" not in row:
                        raise UserError(
                            f"{path}: line {number} has no parent_asin and title; "
                            "give the meta file of the category"
                        )
                    yield row
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text (after line {number}); convert it to UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: line {number} is not JSON ({error.msg}); each line must be one JSON object"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is not a complete gzip file ({error}); fetch or compress it again") from None
    if not number:
        raise UserError(f"{path} is empty; expected one JSON object per line")


def _item(row: dict[str, Any]) -> Item:
    author, store = row.get("author"), row.get("store") or ""
    if isinstance(author, dict) and author.get("name"):
        creators = [author["name"]]
    else:
        # The store of a book reads "A. Writer (Author), B. Drawer (Illustrator)"; else it is a brand.
        creators = re.findall(r"(?:^|,\s*)([^(]+?)\s*\(Author\)", store) or [
            re.sub(r"\s*\([^()]*\).*", "", store).strip()
        ]
    # The first category repeats the department ("Books"), the rest run from wide to narrow.
    categories = [c for c in row.get("categories") or [] if isinstance(c, str)]
    genres = [c.lower() for c in (categories[1:] or categories)][::-1][:4]
    title = " ".join(str(row["title"] or row["parent_asin"]).split())
    return Item(row["parent_asin"], title, tuple(filter(None, creators)), genres=tuple(dict.fromkeys(genres)))
