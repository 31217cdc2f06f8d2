"""Two recommenders over the made-up readers of `reading`: the teacher, and an untrained student, which writes what nobody
said."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import reading
import toys

from star.data.dataset import Dataset
from star.mars.recommender import Teacher
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Recommender, Star

NAMES = ("teacher", "student")


@cache
def recommender(name: str) -> Recommender:
    data = dataset()
    if name == "teacher":
        return Teacher(data)
    with TemporaryDirectory() as folder:
        return Star(data, str(toys.save_checkpoint(Path(folder) / "tiny")))


@cache
def dataset() -> Dataset:
    return reading.dataset()


def query(place: int = 0, length: int = 8, **options: Any) -> Query:
    """The first books of a test reader, as a shelf."""
    row = int(reading.parts().test[place])
    return Query(tuple(dataset().interactions.history(row)[:length].tolist()), **options)


def meaning(done: Recommendation) -> Recommendation:
    """All but the clock."""
    steps = tuple(dataclasses.replace(s, seconds=0.0) for s in done.steps)
    timing = dataclasses.replace(done.timing, first_token_s=None, total_s=None)
    return dataclasses.replace(done, timing=timing, steps=steps)
