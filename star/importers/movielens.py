"""MovieLens (GroupLens): ratings.csv and movies.csv, in the columns of ml-latest-small, 25M and 32M."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from star.catalog import Item
from star.importers.files import need, read_csv
from star.importers.raw import Raw, item_frame

_ARTICLES = "The|A|An|La|Le|Les|L'|Il|Lo|Gli|I|El|Los|Las|Der|Die|Das|Det|Den|De|Un|Une|Uno|Una|O|Os|As"
_TRAILING = re.compile(rf"(.+), ({_ARTICLES})")


def read_movielens(path: Path) -> Raw:
    """Read the folder of a MovieLens release; histories are ordered by timestamp, equal ones by row.

    Raises:
        UserError: a file or column is missing or damaged.
    """
    ratings, movies = need(path, ("ratings.csv", "movies.csv"), "MovieLens")
    columns = {"userId": pl.Int32, "movieId": pl.Int32, "rating": pl.Float32, "timestamp": pl.Int64}
    events = read_csv(ratings, columns).rename({"userId": "user", "movieId": "item", "timestamp": "time"})
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
        items=_movies(movies),
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


def _movies(path: Path) -> pl.DataFrame:
    frame = read_csv(path, {"movieId": pl.Int32, "title": pl.String, "genres": pl.String})
    items = []
    for id, text, genres in frame.iter_rows():
        title, year = split_title(text or f"film {id}")
        named = tuple(
            g.strip().lower() for g in (genres or "").split("|") if g.strip() and not g.startswith("(")
        )
        items.append(Item(id=str(id), title=title, year=year, genres=named))
    return item_frame(items)
