"""From a source on disk to a `Dataset` under `star.data.dataset.home()`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from star.data import dataset
from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.importers import amazon, goodbooks, movielens, recbole
from star.data.importers.amazon import read_amazon
from star.data.importers.archives import FULL, folder_of, is_zip
from star.data.importers.build import build
from star.data.importers.columns import Say
from star.data.importers.files import brief
from star.data.importers.goodbooks import read_goodbooks
from star.data.importers.movielens import read_movielens
from star.data.importers.raw import UNREADABLE, Raw, Step, say, silent
from star.data.importers.recbole import read_recbole
from star.data.importers.table import read_table
from star.data.words import words_for
from star.errors import UserError
from star.plain_text import one_line

FORMATS: dict[str, Callable[..., Raw]] = {
    "goodbooks": read_goodbooks,
    "movielens": read_movielens,
    "amazon": read_amazon,
    "recbole": read_recbole,
    "table": read_table,
}
# Files that each format reads from a downloaded .zip; a table is one file, packed or not.
ZIPPED = {
    "goodbooks": goodbooks.WANTED,
    "movielens": movielens.WANTED,
    "amazon": amazon.WANTED,
    "recbole": recbole.WANTED,
}


def import_dataset(
    format: str,
    path: Path,
    name: str,
    min_item_readers: int | None = None,
    min_reader_items: int | None = None,
    say: Say = say,
    progress: Step = silent,
    domain: str | None = None,
    words: Mapping[str, str] | None = None,
    **options: Any,
) -> Dataset:
    """Read `path` as `format`, check and threshold it, save it under `name`, and return it.

    Thresholds left None are the format's own. `domain` and `words` say what people call items and users
    (`star.data.words.words_for`). `options` go to the format's reader.
    `progress` is told of each step before it begins. A data set of this name is
    replaced only once everything is read, checked and written.

    Raises:
        UserError: the name, the format, or anything in the source is not as expected.
    """
    check_name(name)
    if format not in FORMATS:
        raise UserError(f"there is no format {format!r}; give one of {', '.join(FORMATS)}")
    called = words_for(format, domain, words)
    if str(path) != str(path).encode("utf-8", "replace").decode("utf-8"):
        raise UserError(one_line(f"{path} has a name that is not UTF-8 text; rename it"))
    say(f"reading {path} as {format}")
    progress("reading the source")
    raw = _read(format, Path(path), say, options)
    try:
        made = build(raw, name, min_item_readers, min_reader_items, say, progress)
    except UserError as error:
        raise UserError(one_line(f"{path}: {error}")) from None
    made = replace(made, catalog=Catalog(made.catalog.items, called))
    progress("writing the data set")
    try:
        made.save(dataset.home() / name)
    except UNREADABLE as error:
        # polars reports a full disk as an error of its own.
        why = (error.strerror if isinstance(error, OSError) else None) or brief(error)
        reason = f"{dataset.home()} cannot be written ({why})"
        raise UserError(f"{reason}; make room there or set STAR_DATA to another folder") from None
    return made


def _read(format: str, path: Path, say: Say, options: dict[str, Any]) -> Raw:
    try:
        zipped = format in ZIPPED and path.is_file() and (path.suffix.lower() == ".zip" or is_zip(path))
        opened = folder_of(path, ZIPPED[format], say) if zipped else nullcontext((path, say))
        with opened as (place, tell):
            return FORMATS[format](place, say=tell, **options)
    except UserError as error:
        # The message may quote column names, which come from the file.
        raise UserError(one_line(str(error))) from None
    except OSError as error:
        what, why = error.filename or path, error.strerror or error
        todo = "make room there" if error.errno in FULL else "check its permissions and the disk it is on"
        raise UserError(f"{what} cannot be read ({why}); {todo}") from None


def check_name(name: str) -> None:
    """Raise UserError unless `name` can be a folder of its own and does not hide the embedded `demo`."""
    if name == "demo":
        raise UserError("the name 'demo' is taken by the embedded data set; give another --name")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", name):
        raise UserError(
            f"{name!r} cannot name a data set; use letters, digits, '-', '_' and '.', not first a '.'"
        )
