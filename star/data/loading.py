"""Looks up a data set by name: the embedded demo, or an imported one."""

from __future__ import annotations

import json
from pathlib import Path

from star.data.catalog import Catalog
from star.data.dataset import Dataset, home, names
from star.data.simulator import load_demo
from star.data.words import BOOK, Words, words_of
from star.errors import UserError


def load_dataset(name: str) -> Dataset:
    """The embedded `demo`, or a data set imported under `name`.

    Raises:
        UserError: no such data set, or its files are damaged.
    """
    if name == "demo":
        return load_demo()
    # Imported late: polars takes time to import, and the demo needs none.
    from star.data import parquet

    damaged: tuple[type[BaseException], ...] = (*parquet.POLARS_FAILURES, OSError, ValueError, RecursionError)
    folder = home() / Path(name).name
    if not (folder / "manifest.json").is_file():
        have = ", ".join(names())
        raise UserError(
            f"no data set {name!r} in {home()}; there are: {have}; make one with: star import FORMAT PATH --name {name}"
        )
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        catalog, interactions = parquet.read_tables(folder)
        if not isinstance(manifest, dict):
            raise ValueError("manifest.json is no JSON object")
        catalog = Catalog(catalog.items, words_of(manifest))
    except damaged as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"data set {name!r} in {folder} is damaged ({reason}); import it again") from None
    return Dataset(name, catalog, interactions, manifest)


def load_words(name: str) -> Words:
    """What people call the items and users of a data set, from its manifest alone.

    The page is laid out with them before the data set is loaded. A manifest that cannot be read has the words of books:
    loading the data set will say what is wrong.
    """
    try:
        manifest = json.loads((home() / Path(name).name / "manifest.json").read_text("utf-8"))
        return words_of(manifest) if isinstance(manifest, dict) and name != "demo" else BOOK
    except (OSError, ValueError, RecursionError):
        return BOOK
