"""Dataset: catalogue, interactions and manifest of one source, on disk as two Parquet files and one JSON.

Layout of a folder: `catalogue.parquet`, `interactions.parquet`, `manifest.json`. Written to a temporary folder beside
the target and moved into place once complete, so a failed import never damages an existing data set.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from star import ROOT
from star.data.catalog import Catalog, Item
from star.data.interactions import Interactions
from star.plain_text import one_line_lists, one_lines

if TYPE_CHECKING:  # the demo is no file of polars', and answers for it need not wait for its import
    import polars as pl

DEMO = ROOT / "data" / "demo"


def home() -> Path:
    """Folder that holds imported data sets: `$STAR_DATA` or `data/sets` of the checkout."""
    return Path(os.environ.get("STAR_DATA", ROOT / "data" / "sets"))


@cache
def polars_failures(*more: type[BaseException]) -> tuple[type[BaseException], ...]:
    """What polars raises for damaged files (a PanicException is no Exception), and `more`."""
    import polars as pl

    return (pl.exceptions.PolarsError, pl.exceptions.PanicException, *more)


def item_schema() -> dict[str, Any]:
    """Column → type of the catalogue's file."""
    import polars as pl

    return {
        "id": pl.String,
        "title": pl.String,
        "creators": pl.List(pl.String),
        "year": pl.Int32,
        "series": pl.String,
        "number": pl.Float64,
        "genres": pl.List(pl.String),
        "theme": pl.String,
    }


@dataclass(frozen=True)
class Dataset:
    """One data set. `manifest` holds at least name, title, source, licence, counts, checksum, simulated (bool)."""

    name: str
    catalog: Catalog
    interactions: Interactions
    manifest: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def held_out(self) -> frozenset[int]:
        """Rows of the test and validation readers: no graph and no model has seen them."""
        from star.data.tasks import (
            split,
        )  # tasks is about interactions alone; imported here to keep this module first

        parts = split(self.interactions)
        return frozenset(map(int, (*parts.test, *parts.valid)))

    def save(self, folder: Path) -> None:
        """Write to `folder`, replacing what stands there only once everything is written."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _catalogue_frame(self.catalog).write_parquet(temporary / "catalogue.parquet")
            _interactions_frame(self.interactions).write_parquet(temporary / "interactions.parquet")
            manifest = dict(
                self.manifest, name=self.name, checksum=checksum(temporary / "interactions.parquet")
            )
            (temporary / "manifest.json").write_text(
                json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8"
            )
            temporary.chmod(0o755)  # mkdtemp makes it private
            old = None
            if folder.exists():
                old = folder.with_name(f".{folder.name}.old{os.getpid()}")
                folder.rename(old)
            try:
                temporary.rename(folder)
            except OSError:
                if old is not None:
                    old.rename(folder)
                raise
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def names() -> list[str]:
    """Names of the data sets at hand; `demo` is always there."""
    found = sorted(p.parent.name for p in home().glob("[!.]*/manifest.json")) if home().is_dir() else []
    return ["demo", *found]


def checksum(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _catalogue_frame(catalog: Catalog) -> pl.DataFrame:
    import polars as pl

    columns: dict[str, Any] = {name: [getattr(item, name) for item in catalog] for name in item_schema()}
    for name in ("creators", "genres"):
        columns[name] = [list(values) for values in columns[name]]
    return pl.DataFrame(columns, schema=item_schema())


def clean_items(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of `item_schema` whose words are each one clean line; an item without a title is called by its id."""
    import polars as pl

    words = {name: one_lines(frame[name]) for name in ("title", "series", "theme") if name in frame.columns}
    members = {name: one_line_lists(frame[name]) for name in ("creators", "genres")}
    number = pl.when(pl.col("number").is_finite()).then(pl.col("number")).alias("number")
    return frame.with_columns(number, **words, **members).with_columns(
        pl.col("title").fill_null(pl.col("id"))
    )


def read_catalogue(frame: pl.DataFrame) -> Catalog:
    import polars as pl

    frame = clean_items(frame.select(pl.col(name).cast(kind) for name, kind in item_schema().items()))
    return Catalog(
        tuple(
            Item(**dict(row, creators=tuple(row["creators"] or ()), genres=tuple(row["genres"] or ())))
            for row in frame.to_dicts()
        )
    )


def _interactions_frame(interactions: Interactions) -> pl.DataFrame:
    import polars as pl

    lengths = np.diff(interactions.indptr)
    frame = pl.DataFrame(
        {
            "user": pl.Series(np.repeat(np.arange(len(interactions)), lengths)).cast(pl.Int32),
            "item": interactions.items,
        }
    ).with_columns(
        pl.Series(
            "user_id",
            np.array(interactions.users, dtype=object)[np.repeat(np.arange(len(interactions)), lengths)],
            dtype=pl.String,
        )
    )
    if interactions.times is not None:
        frame = frame.with_columns(pl.Series("time", interactions.times))
    if interactions.ratings is not None:
        frame = frame.with_columns(pl.Series("rating", interactions.ratings))
    return frame


def read_interactions(frame: pl.DataFrame, n_items: int) -> Interactions:
    rows = frame["user"].to_numpy()
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    return Interactions(
        users=tuple(frame["user_id"].gather(starts).to_list()),
        indptr=np.append(starts, len(rows)).astype(np.int64),
        items=frame["item"].to_numpy().astype(np.int32),
        n_items=n_items,
        times=frame["time"].to_numpy() if "time" in frame.columns else None,
        ratings=frame["rating"].to_numpy() if "rating" in frame.columns else None,
    )
