"""Commands about data: `star import`, `star datasets`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def import_(
    format: Annotated[str, typer.Argument(help="goodbooks, movielens, amazon or table")],
    path: Annotated[Path, typer.Argument(help="Folder (table: file) with the source's files, plain or .gz")],
    name: Annotated[str, typer.Option(help="Name of the data set to make or replace")],
    min_item_readers: Annotated[int | None, typer.Option(min=1, help="Drop items with fewer readers")] = None,
    min_reader_items: Annotated[int | None, typer.Option(min=1, help="Then drop readers with fewer items")] = None,
) -> None:
    """Make a data set from files on disk."""
    from star.importers import import_dataset

    made = import_dataset(format, path, name, min_item_readers, min_reader_items)
    counts = made.manifest["counts"]
    print(
        f"{name}: {counts['readers']} readers, {counts['items']} items, {counts['interactions']} interactions",
        file=sys.stderr,
    )


def datasets(as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """List the data sets at hand."""
    print(json.dumps([]))
