"""A small data set for tests: 300 made-up readers of 120 books in four tastes, series read in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest

from star.data.catalog import Catalog, Item
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.data.tasks import Split, split
from star.evidence import fitting, read_after
from star.evidence.fitting import fit_signals
from star.evidence.graph import Graph
from star.evidence.signals import Signals
from star.evidence.tools import Attributes

TASTES, BOOKS = 4, 120


def _catalog() -> Catalog:
    items = []
    for n in range(BOOKS):
        taste, place = divmod(n, BOOKS // TASTES)
        series = f"Series {taste}.{place // 3}" if place < 15 else None
        items.append(
            Item(
                f"b{n}",
                f"Book {n}",
                (f"Author {taste}.{place // 5}",),
                1950 + n % 70,
                series,
                float(place % 3 + 1) if series else None,
                (f"genre {taste}",),
            )
        )
    return Catalog(tuple(items))


@cache
def dataset(readers: int = 300, seed: int = 0) -> Dataset:
    """Every reader prefers one taste; a book's popularity falls with its place in the taste."""
    rng = np.random.default_rng(seed)
    taste = np.arange(BOOKS) // (BOOKS // TASTES)
    popularity = 1 / (3 + np.arange(BOOKS) % (BOOKS // TASTES))
    histories = []
    for _ in range(readers):
        weight = popularity * np.where(taste == rng.integers(TASTES), 12, 1)
        chosen = rng.choice(BOOKS, size=int(rng.integers(8, 25)), replace=False, p=weight / weight.sum())
        histories.append(np.sort(chosen) if rng.random() < 0.5 else chosen)
    manifest = {"name": "reading", "title": "Reading", "licence": "Apache-2.0", "simulated": True}
    return Dataset("reading", _catalog(), Interactions.from_histories(histories, BOOKS), manifest)


@cache
def parts() -> Split:
    return split(dataset().interactions)


@cache
def graph() -> Graph:
    """The training readers' graph."""
    return Graph.build(dataset().interactions, parts().train)


@cache
def signals() -> Signals:
    """The signals fitted over that graph."""
    catalog = dataset().catalog
    return fit_signals(graph(), catalog, Attributes.of(catalog))


@contextmanager
def quick() -> Iterator[None]:
    """Signals are fitted in fewer steps yet, and calibrated on fewer readers: these tests ask what is made of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_after, "FEWEST", 15)
        patch.setattr(fitting, "CALIBRATION", 60)
        yield
