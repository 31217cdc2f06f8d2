"""One data set in memory and on disk: catalogue, interactions and manifest.

The files are `catalogue.parquet`, `interactions.parquet` and `manifest.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from star import ROOT
from star.data.catalog import Catalog
from star.data.interactions import Interactions
from star.data.tasks import split

DEMO = ROOT / "data" / "demo"


def home() -> Path:
    """Folder that holds imported data sets: `$STAR_DATA` or `data/sets` of the checkout."""
    return Path(os.environ.get("STAR_DATA", ROOT / "data" / "sets"))


@dataclass(frozen=True)
class Dataset:
    """One data set. `manifest` holds at least name, title, source, licence, counts, checksum, simulated (bool).

    A saved manifest also holds the catalogue's `words`. `fitted`: folder of what is fitted to it; None: beside the data
    sets.
    """

    name: str
    catalog: Catalog
    interactions: Interactions
    manifest: dict[str, Any] = field(default_factory=dict)
    fitted: Path | None = None

    @cached_property
    def held_out(self) -> frozenset[int]:
        """Rows of the test and validation readers, whom no graph and no model has seen."""
        parts = split(self.interactions)
        return frozenset(map(int, (*parts.test, *parts.valid)))

    def save(self, folder: Path) -> None:
        """Write to `folder`, and replace its former files.

        The files are written to a temporary folder first, so a failure leaves the old data set as it was.
        """
        # Imported late: polars takes time to import, and the demo needs none.
        from star.data.parquet import write_tables

        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            write_tables(self.catalog, self.interactions, temporary)
            manifest = dict(
                self.manifest,
                name=self.name,
                checksum=checksum(temporary / "interactions.parquet"),
                words=self.catalog.words.to_json(),
            )
            (temporary / "manifest.json").write_text(
                json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8"
            )
            temporary.chmod(0o755)  # mkdtemp makes it private
            _replace(folder, temporary)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _replace(folder: Path, new: Path) -> None:
    """Rename `new` to `folder`; the old folder is deleted afterwards, or restored if the renaming fails."""
    old = None
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old{os.getpid()}")
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old is not None:
            old.rename(folder)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def names() -> list[str]:
    """Names of the data sets that can be loaded: `demo`, then the imported ones in order of name."""
    found = sorted(p.parent.name for p in home().glob("[!.]*/manifest.json")) if home().is_dir() else []
    return ["demo", *found]


def checksum(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
