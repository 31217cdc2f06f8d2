"""Importers: a source on disk → Dataset under `star.dataset.home()`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from star import dataset
from star.dataset import Dataset
from star.errors import UserError
from star.importers.amazon import read_amazon
from star.importers.build import Say, build, say
from star.importers.goodbooks import read_goodbooks
from star.importers.movielens import read_movielens
from star.importers.raw import Raw
from star.importers.table import read_table

FORMATS: dict[str, Callable[..., Raw]] = {
    "goodbooks": read_goodbooks,
    "movielens": read_movielens,
    "amazon": read_amazon,
    "table": read_table,
}


def import_dataset(
    format: str,
    path: Path,
    name: str,
    min_item_readers: int | None = None,
    min_reader_items: int | None = None,
    say: Say = say,
    **options: Any,
) -> Dataset:
    """Read `path` as `format`, check and threshold it, save it under `name`, and return it.

    Thresholds left None are the format's own. `options` go to the format's reader. A data set of this name is
    replaced only once everything is read, checked and written.

    Raises:
        UserError: the name, the format, or anything in the source is not as expected.
    """
    check_name(name)
    if format not in FORMATS:
        raise UserError(f"there is no format {format!r}; give one of {', '.join(FORMATS)}")
    say(f"reading {path} as {format}")
    try:
        raw = FORMATS[format](Path(path), **options)
    except OSError as error:
        what = error.filename or path
        raise UserError(f"{what} cannot be read ({error.strerror or error}); check its permissions") from None
    try:
        made = build(raw, name, min_item_readers, min_reader_items, say)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    try:
        made.save(dataset.home() / name)
    except OSError as error:
        reason = f"{dataset.home()} cannot be written ({error.strerror})"
        raise UserError(f"{reason}; make room there or set STAR_DATA to another folder") from None
    return made


def check_name(name: str) -> None:
    """Raise UserError unless `name` can be a folder of its own and does not hide the embedded `demo`."""
    if name == "demo":
        raise UserError("the name 'demo' is taken by the embedded data set; give another --name")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", name):
        raise UserError(
            f"{name!r} cannot name a data set; use letters, digits, '-', '_' and '.', not first a '.'"
        )
