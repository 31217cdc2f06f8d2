"""MovieLens (GroupLens), every release: ratings.csv, ratings.dat (1M, 10M) or u.data (100k)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from star.data.catalog import Item
from star.data.importers.archives import plain
from star.data.importers.columns import Say
from star.data.importers.files import find, need
from star.data.importers.raw import Raw, by_time, item_frame, say
from star.data.importers.separated import read_bare, read_csv
from star.data.importers.times import times
from star.errors import UserError

WANTED = re.compile(r"((ratings|movies)\.(csv|dat)|u\.(data|item|genre))(\.gz)?")
# The number columns of every release, named as in ratings.csv.
_RATINGS = {"userId": pl.Int32, "movieId": pl.Int32, "rating": pl.Float32, "timestamp": pl.Float64}
_ARTICLES = "The|A|An|La|Le|Les|L'|Il|Lo|Gli|I|El|Los|Las|Der|Die|Das|Det|Den|De|Un|Une|Uno|Una|O|Os|As"
_TRAILING = re.compile(rf"(.+), ({_ARTICLES})")


def read_movielens(path: Path, say: Say = say) -> Raw:
    """Read the folder of a MovieLens release; histories are ordered by timestamp, equal ones by row.

    Raises:
        UserError: a file or column is missing or damaged.
    """
    if find(path, "u.data"):
        ratings, films = need(path, ("u.data", "u.item"), "MovieLens 100k")
        events, items = read_bare(ratings, _RATINGS, "\t"), _films(films, find(path, "u.genre"), say)
    elif find(path, "ratings.dat"):
        ratings, movies = need(path, ("ratings.dat", "movies.dat"), "MovieLens 1M and 10M")
        # polars separates by one byte: every other column of it is empty.
        events = read_bare(ratings, _RATINGS, ":", every=2)
        items = _movies((id, "::".join(title), genres) for id, *title, genres in _lines(movies, "::", 3))
    else:
        ratings, movies = need(path, ("ratings.csv", "movies.csv"), "MovieLens")
        events = read_csv(ratings, _RATINGS, say=say)
        columns = {"movieId": pl.Int32, "title": pl.String, "genres": pl.String}
        items = _movies(read_csv(movies, columns, say=say).iter_rows())
    events = events.rename({"userId": "user", "movieId": "item"})
    seconds = times(events["timestamp"], f"{ratings}: column 'timestamp'")
    events = by_time(events.drop("timestamp"), seconds)
    return Raw(
        format="movielens",
        title=f"MovieLens ({path.resolve().name})",
        source="MovieLens: ratings of films, collected by GroupLens, University of Minnesota",
        citation="F. Maxwell Harper and Joseph A. Konstan (2015). The MovieLens Datasets: History and "
        "Context. ACM Transactions on Interactive Intelligent Systems 5(4), article 19.",
        licence="GroupLens terms: non-commercial; redistribution under the same terms; see its README.txt",
        notices=[
            "MovieLens, GroupLens, University of Minnesota; cite Harper & Konstan (2015)",
            "May be redistributed, transformed too, under the same terms only; no commercial use without "
            "permission; no endorsement by the University of Minnesota or GroupLens may be stated or implied",
        ],
        events=events,
        items=items,
        rating_range=(0.5, 5),
    )


def split_title(text: str) -> tuple[str, int | None]:
    """Title and year of a MovieLens title, the article moved to the front.

    >>> split_title("Matrix, The (1999)")
    ('The Matrix', 1999)
    """
    found = re.fullmatch(r"(.*\S)\s*\((\d{4})(?:[-–]\d{0,4})?\)\s*", text.strip())
    title, year = (found[1], int(found[2])) if found else (text.strip(), None)
    # "City of Lost Children, The (Cité des enfants perdus, La)": the second title has an article too.
    pieces = [re.sub(r"^\((.*)\)$", r"\1", piece) for piece in re.split(r"\s+(?=\([^()]*\)$)", title)]
    first, *second = [_front(piece) for piece in pieces]
    return first + "".join(f" ({other})" for other in second), year


def _front(title: str) -> str:
    found = _TRAILING.fullmatch(title)
    if not found:
        return title
    return f"{found[2]}{'' if found[2].endswith(chr(39)) else ' '}{found[1]}"


def _movies(rows: Iterable[Sequence[Any]]) -> pl.DataFrame:
    """Items of rows of id, title, and genres with bars between."""
    items = []
    for id, text, genres in rows:
        title, year = split_title(text or f"film {id}")
        named = tuple(
            g.strip().lower() for g in (genres or "").split("|") if g.strip() and not g.startswith("(")
        )
        items.append(Item(id=str(id), title=title, year=year, genres=named))
    return item_frame(items)


def _films(path: Path, genres: Path | None, say: Say) -> pl.DataFrame:
    """Items of u.item (id, title, two dates, an address, a flag per genre), genres named by u.genre."""
    if genres is None:
        say(f"warning: {path.parent} has no u.genre, which names the genres of u.item; they are left out")
    names = {int(number): name for name, number in _lines(genres, "|", 2, 1)} if genres else {}
    rows = (
        (id, title, "|".join(names.get(n, "") for n, flag in enumerate(flags) if flag == "1"))
        for id, title, _, _, _, *flags in _lines(path, "|", 5)
    )
    return _movies((id, title, genres.replace("unknown", "")) for id, title, genres in rows)


def _lines(path: Path, separator: str, fields: int, number_at: int = 0) -> list[list[str]]:
    """Fields of each line, with a whole number at `number_at`; UTF-8, else Latin-1 as in 100k and 1M.

    Raises:
        UserError: a line has fewer fields, or no number at `number_at`.
    """
    with plain(path) as file:
        packed = file.read_bytes()
    try:
        text = packed.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = packed.decode("latin-1")
    rows = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not line.strip():
            continue
        row = [field.strip() for field in line.split(separator)]
        where = f"{path}: line {number}"
        if len(row) < fields:
            raise UserError(
                f"{where} has {len(row)} fields with {separator} between; expected {fields} or more"
            )
        if not re.fullmatch(r"[0-9]{1,9}", row[number_at]):
            raise UserError(f"{where} has no number but {row[number_at][:60]!r}; correct this line")
        row[number_at] = str(int(row[number_at]))
        rows.append(row)
    if not rows:
        raise UserError(f"{path} is empty; give the complete file")
    return rows
