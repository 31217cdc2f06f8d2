"""Write a folder in goodbooks-10k's format and of its size, with invented readers, to measure an import:

.venv/bin/python tests/fakes/make_large_goodbooks.py FOLDER [ROWS]
STAR_DATA=FOLDER/sets /usr/bin/time -v .venv/bin/star import goodbooks FOLDER --name large
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl


def make(
    folder: Path, rows: int = 6_000_000, users: int = 53_424, books: int = 10_000, seed: int = 0
) -> None:
    """Write books.csv, and ratings.csv with its rows not grouped by user, as in the original."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    # About 1 % of the random pairs repeat, so draw more than are needed.
    book = np.minimum((books * rng.random(int(rows * 1.2)) ** 2).astype(np.int64), books - 1)
    pair = rng.integers(0, users, len(book)) * books + book
    _, first = np.unique(pair, return_index=True)
    pair = pair[np.sort(first)][:rows]
    ratings = rng.choice(5, len(pair), p=[0.02, 0.06, 0.23, 0.36, 0.33]) + 1
    pl.DataFrame({"user_id": pair // books + 1, "book_id": pair % books + 1, "rating": ratings}).write_csv(
        folder / "ratings.csv"
    )
    numbers = np.arange(1, books + 1)
    pl.DataFrame(
        {
            "book_id": numbers,
            "goodreads_book_id": numbers + 5000,
            "authors": [f"Writer {n % 3000}, Drawer {n % 70}" for n in numbers],
            "original_publication_year": 1900.0 + numbers % 120,
            "title": [f"Book {n} (Series {n % 2000}, #{n // 2000 + 1})" for n in numbers],
        }
    ).write_csv(folder / "books.csv")


if __name__ == "__main__":
    make(Path(sys.argv[1]), *(int(value) for value in sys.argv[2:3]))
