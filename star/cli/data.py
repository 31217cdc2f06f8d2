"""Commands about data: `star import`, `star datasets`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from star.data.words import Words
from star.display import document, echo, isolated
from star.errors import UserError

# Format → the files that it reads; `FORMATS` in star/data/importers/__init__.py has the readers under the same names.
SOURCES = {
    "goodbooks": "ratings.csv, books.csv; book_genres.csv, or book_tags.csv with tags.csv, if there",
    "movielens": "ratings.csv, movies.csv; ratings.dat, movies.dat (1M, 10M); u.data, u.item, u.genre (100k)",
    "amazon": "CATEGORY.csv or CATEGORY.jsonl, and meta_CATEGORY.jsonl",
    "recbole": "X.inter, and X.item if there",
    "table": "one CSV, JSON lines or Parquet file, plain, .gz or .zip; or a folder of Parquet parts, as Spark or Dask write",
}


def import_(
    format: Annotated[str, typer.Argument(help=f"One of {', '.join(SOURCES)}")],
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder with the source's files, plain or .gz, or a .zip of it; table: one file, or a folder of parts"
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the data set to make or replace")],
    min_item_readers: Annotated[
        int | None,
        typer.Option(min=1, help="Drop items with fewer readers (goodbooks: 10, others: 5)"),
    ] = None,
    min_reader_items: Annotated[
        int | None, typer.Option(min=1, help="Then drop readers with fewer items (5)")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="table and recbole, once per column: FIELD=COLUMN such as user=member; FIELD is user, item, time, "
            "rating, title, creators, year, series, number or genres"
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="table and recbole: licence of the rows")] = None,
    citation: Annotated[str | None, typer.Option(help="table and recbole: whom to cite")] = None,
    domain: Annotated[
        str | None,
        typer.Option(
            help="What the page speaks of: book, film, product or item (goodbooks: book, movielens: film, amazon: "
            "product, others: item)"
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            help="A word of one's own, once per word: FIELD=WORD such as item=song; FIELD is item, items, user, users, "
            "past, participle, gerund, shelf, on, creator, series, volume or genre"
        ),
    ] = None,
) -> None:
    """Make a data set from files on disk."""
    from star.data.importers import FORMATS, import_dataset

    options: dict[str, Any] = {"licence": licence, "citation": citation}
    options["columns"] = _mapping("--column", "COLUMN", "user=member", column) if column else None
    options = {key: value for key, value in options.items() if value is not None}
    takers = [name for name, read in FORMATS.items() if "columns" in signature(read).parameters]
    if options and format not in takers:
        raise UserError(
            f"--column, --licence and --citation belong to {' and '.join(takers)}, not to {format}; leave them out"
        )
    own = _mapping("--words", "WORD", "item=song", words or [])
    with _bar() as progress:
        made = import_dataset(
            format,
            path,
            name,
            min_item_readers,
            min_reader_items,
            progress=progress,
            domain=domain,
            words=own,
            **options,
        )
    echo(f"{name}: {_counts(made.manifest, made.catalog.words)}", err=True)


# `star import --help` says which files each format reads.
import_.__doc__ = "\n\n".join(
    [str(import_.__doc__), *(f"{name}: {files}." for name, files in SOURCES.items())]
)


@contextmanager
def _bar() -> Iterator[Callable[[str], None]]:
    """A bar of the steps of an import on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from star.data.importers.raw import STEPS

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=STEPS, completed=-1)
        yield lambda step: bar.update(task, description=step, advance=1)


def datasets(as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """List the data sets at hand; a broken one is named last, and the exit status is 2."""
    from star.data import dataset, loading

    rows, broken = [], []
    for name in dataset.names():
        try:
            rows.append(_row(name))
        except UserError as error:
            broken.append(str(error))
    if as_json:
        print(document(rows, indent=2))
    else:
        for row in rows:
            title, licence = isolated(row["title"]), isolated(row["licence"])
            echo(
                f"{isolated(row['name'])}: {title}; {_counts({'counts': row}, loading.load_words(row['name']))}; {licence}"
            )
    if broken:
        for line in broken[:-1]:
            echo(f"star: {line}", err=True)
        raise UserError(broken[-1])


def _row(name: str) -> dict[str, Any]:
    """What `star datasets` tells of one data set.

    Raises:
        UserError: its manifest cannot be read, or lacks one of these.
    """
    manifest = _manifest(name)
    try:
        counts = {key: int(manifest["counts"][key]) for key in ("readers", "items", "interactions")}
        title, licence = (str(manifest[key]) for key in ("title", "licence"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"the manifest of data set {name!r} lacks a title, a licence or counts "
            f"({type(error).__name__}: {error}); import {name} again"
        ) from None
    return {"name": name, "title": title, **counts, "licence": licence}


def _mapping(option: str, value: str, example: str, pairs: list[str]) -> dict[str, str]:
    """`["user=member"]` to `{"user": "member"}`."""
    for pair in pairs:
        field, mark, given = pair.partition("=")
        if not (field and mark and given):
            raise UserError(f"{option} {pair!r} is not FIELD={value}; write it like {example}")
    return dict(pair.split("=", 1) for pair in pairs)


def _manifest(name: str) -> dict[str, Any]:
    """The manifest of a data set, without reading its rows."""
    from star.data import dataset, loading

    if name == "demo":
        demo = loading.load_dataset(name)
        books, readers = len(demo.catalog), len(demo.interactions)
        counts = {"readers": readers, "items": books, "interactions": len(demo.interactions.items)}
        return {**demo.manifest, "counts": counts}
    path = dataset.home() / name / "manifest.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a manifest ({error}); import {name} again") from None


def _counts(manifest: dict[str, Any], w: Words) -> str:
    counts = manifest["counts"]
    return f"{counts['readers']} {w.users}, {counts['items']} items, {counts['interactions']} interactions"
