"""Catalogues with readers that nobody wrote: each drawn with a popularity slope, tastes, drift, series and size of its own.

A student that trains on many of them cannot know an item; it learns to weigh signals in context.
"""

from __future__ import annotations

import numpy as np

from star.data.catalog import Catalog, Item
from star.data.dataset import Dataset
from star.data.simulator import Figures, Relations, simulate

WORDS = 40  # words that a genre's titles are made of


def universe(seed: int) -> Dataset:
    """A data set drawn from this seed: 150 to 1,200 items, 500 to 2,500 readers."""
    rng = np.random.default_rng([20_261_129, seed])
    items, readers = int(np.exp(rng.uniform(np.log(150), np.log(1_200)))), int(rng.integers(500, 2_500))
    genres, factors = int(rng.integers(4, 20)), int(rng.integers(4, 25))
    genre = rng.choice(genres, size=items, p=rng.dirichlet(np.full(genres, 2.0)))
    catalog, place = _catalog(rng, genre, items)
    spread = rng.uniform(0.3, 1.0)
    taste = rng.normal(0, 1, (genres, factors))[genre] * spread + rng.normal(0, 1, (items, factors))
    taste += rng.normal(0, 1, (items, factors))[place] * rng.uniform(
        0, 1.0
    )  # creators and series have tastes of their own
    taste /= np.sqrt(factors)
    turn = rng.normal(0, 1, (factors, factors)) * rng.uniform(0, 0.6) / np.sqrt(factors) + np.eye(factors)
    strength = rng.uniform(0.6, 2.2)
    ranks = rng.permutation(items) + 1.0
    states = 3
    figures = Figures(
        ids=tuple(item.id for item in catalog),
        popularity=-rng.uniform(0.3, 1.2) * np.log(ranks + rng.uniform(0, 20)),
        tempo=rng.normal(0, rng.uniform(0, 0.15), items),
        taste_in=taste + rng.normal(0, 1, taste.shape) * rng.uniform(0, 0.5) / np.sqrt(factors),
        taste_out=taste @ turn,
        scale=rng.gamma(1.5, 1, (states, 1))
        * rng.uniform(0.5, 1.5, (states, factors))
        * strength
        * [[1.0], [0.35], [0.35]],
        decay=np.array([rng.uniform(0.6, 0.95), rng.uniform(0.1, 0.8)]),
        damping=float(rng.uniform(0.3, 1.0)),
        relation=np.stack(
            [
                np.append(rng.gamma(1.5, 0.5, 2), rng.uniform(0.2, 0.8)),
                np.append(rng.gamma(1.5, 0.6, 2), rng.uniform(0.2, 0.8)),
            ]
        ),
        volume=np.array([rng.gamma(1.5, 1.2), rng.uniform(0.2, 0.8), rng.gamma(1.5, 0.8)]),
        sharpness=float(rng.uniform(0.7, 1.3)),
        lengths=rng.dirichlet(np.full(51, 3.0) * np.exp(-np.arange(51) * rng.uniform(0, 0.06))),
        relations=Relations.of(catalog),
    )
    return Dataset(
        f"universe-{seed}", catalog, simulate(figures, readers, seed), {"name": f"universe-{seed}"}
    )


def _catalog(rng: np.random.Generator, genre: np.ndarray, items: int) -> tuple[Catalog, np.ndarray]:
    """Items with titles of their genre's words, creators, and for some a place in a series; creator of each, (I,)."""
    each, in_series = rng.uniform(1.0, 8.0), rng.uniform(0, 0.6)
    creator = np.zeros(items, np.int64)
    series: list[str | None] = [None] * items
    number: list[float | None] = [None] * items
    order, at, who, run = np.argsort(genre + rng.uniform(0, 1, items), kind="stable"), 0, 0, 0
    while at < items:  # a creator writes a few items of one genre, some of them as a series
        works = order[at : at + 1 + rng.poisson(each - 1)]
        creator[works], at = who, at + len(works)
        if len(works) > 1 and rng.random() < in_series:
            for volume, item in enumerate(works[: rng.integers(2, len(works) + 1)], 1):
                series[item], number[item] = f"series {run}", float(volume)
            run += 1
        who += 1
    titles = [
        " ".join(f"w{genre[i]}x{w}" for w in rng.integers(0, WORDS, rng.integers(1, 5))) for i in range(items)
    ]
    return (
        Catalog(
            tuple(
                Item(
                    id=f"u{i}",
                    title=titles[i],
                    creators=(f"creator {creator[i]}",),
                    year=None,
                    series=series[i],
                    number=number[i],
                    genres=(f"genre {genre[i]}",),
                    theme=None,
                )
                for i in range(items)
            )
        ),
        creator,
    )
