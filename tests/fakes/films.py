"""A small MovieLens of made-up films and viewers, in two tastes, as the files that `star import movielens` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GENRES = ("Comedy", "Horror")


def write_films(folder: Path, viewers: int = 120, films: int = 40) -> Path:
    """`ratings.csv` and `movies.csv` in a new folder."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    titles = [f'{n},"Picture {n} ({1950 + n})",{GENRES[n % 2]}|Drama' for n in range(1, films + 1)]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *titles, ""]), "utf-8")
    rows = ["userId,movieId,rating,timestamp"]
    for viewer in range(1, viewers + 1):
        likes = np.where(np.arange(1, films + 1) % 2 == viewer % 2, 6.0, 1.0)
        seen = rng.choice(films, 14, replace=False, p=likes / likes.sum())
        rows += [f"{viewer},{film + 1},4.0,{1_000 * viewer + place}" for place, film in enumerate(seen)]
    (folder / "ratings.csv").write_text("\n".join([*rows, ""]), "utf-8")
    return folder
