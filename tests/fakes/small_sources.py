"""Tiny sources in each import format, and functions that write and import them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from star.data.dataset import Dataset
from star.data.importers import import_dataset
from star.data.loading import load_dataset

Files = dict[str, str | bytes]

BOOKS = """book_id,goodreads_book_id,authors,original_publication_year,title
2,20,"Ann Writer, Bob Drawer",1997.0,"Second (Cycle, #2)"
10,100,Ann Writer,-750.0,Tenth
1,11,Cleo Poet,,First (Boxed) Book
"""
RATINGS = "user_id,book_id,rating\n9,2,5\n10,10,1\n9,10,4\n10,2,3\n9,1,2\n"
MOVIES = (
    'movieId,title,genres\n1,Toy Story (1995),Adventure|Comedy\n2,"Matrix, The (1999)",(no genres listed)\n'
)
STARS = "userId,movieId,rating,timestamp\n1,1,4.0,300\n1,2,0.5,200\n2,2,5.0,50\n2,1,3.5,50\n"
META = (
    '{"parent_asin": "B2", "title": "Two", "store": "A. Pen (Author), B. Ink (Illustrator)", "author": null, '
    '"categories": ["Books", "Fiction", "Fantasy"], "price": "x"}\n'
    '{"parent_asin": "B1", "title": "One", "author": {"name": "C. Quill"}, "categories": null}\n'
)
REVIEWS = "user_id,parent_asin,rating,timestamp\nAB,B1,5.0,2000\nAB,B2,1.0,1000\nAA,B2,3.0,9999\n"
GOODBOOKS: Files = {"ratings.csv": RATINGS, "books.csv": BOOKS}
MOVIELENS: Files = {"ratings.csv": STARS, "movies.csv": MOVIES}
AMAZON: Files = {"Books.csv": REVIEWS, "meta_Books.jsonl": META}


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def load(format: str, path: Path, **options: Any) -> Dataset:
    """Import without thresholds, and read back what was written."""
    import_dataset(format, path, "small", **{"min_item_readers": 1, "min_reader_items": 1, **options})
    return load_dataset("small")


def histories(data: Dataset) -> dict[str, list[str]]:
    """Reader id → item ids, oldest first."""
    rows = (data.interactions.history(row) for row in range(len(data.interactions)))
    ids = ([data.catalog[i].id for i in row] for row in rows)
    return dict(zip(data.interactions.users, ids, strict=True))
