"""A data set by its name: the embedded demo, or one that was imported."""

from __future__ import annotations

import json
from pathlib import Path

from star.data.dataset import Dataset, home, names, polars_failures, read_catalogue, read_interactions
from star.data.simulator import load_demo
from star.errors import UserError


def load_dataset(name: str) -> Dataset:
    """The embedded `demo`, or a data set imported under `name`.

    Raises:
        UserError: no such data set.
    """
    if name == "demo":
        return load_demo()
    import polars as pl

    folder = home() / Path(name).name
    if not (folder / "manifest.json").is_file():
        have = ", ".join(names())
        raise UserError(
            f"no data set {name!r} in {home()}; there are: {have}; make one with: star import FORMAT PATH --name {name}"
        )
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        catalog = read_catalogue(pl.read_parquet(folder / "catalogue.parquet"))
        interactions = read_interactions(pl.read_parquet(folder / "interactions.parquet"), len(catalog))
        if not isinstance(manifest, dict):
            raise ValueError("manifest.json is no JSON object")
    except polars_failures(OSError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"data set {name!r} in {folder} is damaged ({reason}); import it again") from None
    return Dataset(name, catalog, interactions, manifest)
