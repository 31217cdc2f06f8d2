"""goodbooks-10k (Zygmunt Zając): ratings.csv, books.csv; book_genres.csv, or book_tags.csv with tags.csv."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from star.data.catalog import Item
from star.data.importers.columns import Say, years
from star.data.importers.files import find, need
from star.data.importers.genres import clean_genres
from star.data.importers.raw import Raw, item_frame, say
from star.data.importers.separated import read_csv

WANTED = re.compile(r"(ratings|books|book_genres|book_tags|tags)\.csv(\.gz)?")


def read_goodbooks(path: Path, say: Say = say) -> Raw:
    """Read the folder of goodbooks-10k, the public original or a part of it in the same format.

    There are no timestamps: the row order of ratings.csv is the order in which a reader read.

    Raises:
        UserError: a file or column is missing or damaged.
    """
    ratings, books = need(path, ("ratings.csv", "books.csv"), "goodbooks-10k")
    events = read_csv(ratings, {"user_id": pl.Int32, "book_id": pl.Int32, "rating": pl.Float32}, say=say)
    return Raw(
        format="goodbooks",
        title="goodbooks-10k",
        source="goodbooks-10k: ratings of ten thousand popular books by readers of Goodreads",
        citation="Zygmunt Zając (2017). Goodbooks-10k: a new dataset for book recommendations. FastML.",
        licence="CC BY-SA 4.0",
        notices=["goodbooks-10k, Zygmunt Zając, CC BY-SA 4.0"],
        items=_books(books, _shelves(path, say), say),
        events=events.rename({"user_id": "user", "book_id": "item"}),
        rating_range=(1, 5),
        min_item_readers=10,
        min_reader_items=5,
    )


def split_title(text: str) -> tuple[str, str | None, float | None]:
    """Title, series and number of a Goodreads title; of several series the first.

    An omnibus ("#1-3") belongs to the series but has no number, so it is never taken for the first volume.

    >>> split_title("The Hunger Games (The Hunger Games, #1)")
    ('The Hunger Games', 'The Hunger Games', 1.0)
    """
    found = re.fullmatch(r"(.+?)\s*\(((?:[^()]|\([^()]*\))*#(?:[^()]|\([^()]*\))*)\)\s*", text)
    if not found:
        return " ".join(text.split()), None, None
    title, inside = " ".join(found[1].split()), found[2].split(";")[0]
    series, _, rest = inside.partition("#")
    series = " ".join(series.split()).rstrip(" ,:").removeprefix("Includes: ").removesuffix(" Part")
    # "5, Part 1 of 2" is one volume; "1-3", "1–3", "1 & 2", "0.5, 2.5" and "4.1, #4.3" are several.
    number = re.match(r"\s*(\d+(?:\.\d+)?)(?!\s*(?:[-–&+]|,\s*#?\s*\d))", rest)
    whole = number and not re.match(r"[\d.]", rest[number.end() :])
    return title, series or None, float(number[1]) if number and whole else None


def _books(path: Path, shelves: dict[int, list[tuple[str, float]]], say: Say) -> pl.DataFrame:
    """Items of books.csv; `shelves` by book_id."""
    columns = {"book_id": pl.Int64, "authors": pl.String, "title": pl.String}
    columns["original_publication_year"] = pl.String
    frame = read_csv(path, columns, ("original_publication_year",), say)
    if "original_publication_year" in frame.columns:
        given = frame["original_publication_year"]
        frame = frame.with_columns(year=years(given, f"{path}: column 'original_publication_year'", say))
    items = []
    for row in frame.iter_rows(named=True):
        title, series, number = split_title(row["title"] or f"book {row['book_id']}")
        authors = [" ".join(name.split()) for name in (row["authors"] or "").split(", ")]
        items.append(Item(
            id=str(row["book_id"]),
            title=title,
            creators=tuple(dict.fromkeys(filter(None, authors))),
            year=row.get("year"),
            series=series,
            number=number,
            genres=clean_genres(shelves.get(row["book_id"], ())),
        ))  # fmt: skip
    return item_frame(items)


def _shelves(folder: Path, say: Say) -> dict[int, list[tuple[str, float]]]:
    """Shelves of each book with weights: from book_genres.csv (each counts 1), else from book_tags.csv."""
    genres, tagged, tags = (find(folder, name) for name in ("book_genres.csv", "book_tags.csv", "tags.csv"))
    if genres:
        frame = read_csv(genres, {"book_id": pl.Int64, "genres": pl.String}, say=say)
        return {
            book: [(shelf, 1.0) for shelf in (names or "").split(",")] for book, names in frame.iter_rows()
        }
    if not (tagged and tags):
        return {}
    books = read_csv(
        need(folder, ("books.csv",), "goodbooks-10k")[0],
        {"book_id": pl.Int64, "goodreads_book_id": pl.Int64},
        say=say,
    )
    names = read_csv(tags, {"tag_id": pl.Int64, "tag_name": pl.String}, say=say)
    columns = dict.fromkeys(("goodreads_book_id", "tag_id", "count"), pl.Int64)
    counts = read_csv(tagged, columns, say=say)
    joined = (
        counts.join(names, on="tag_id")
        .join(books, on="goodreads_book_id")
        .select("book_id", "tag_name", "count")
    )
    shelves: dict[int, list[tuple[str, float]]] = {}
    for book, name, count in joined.iter_rows():
        shelves.setdefault(book, []).append((name or "", float(max(count, 0))))
    return shelves
