"""Seconds from a question to the first word and to the whole answer, one question at a time, as on the page."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from star.recommend.recommendation import Query
from star.recommend.recommender import Star
from star.recommend.serving import CANDIDATES

READERS = 30
DEPTHS = (CANDIDATES, 100)


def latency(star: Star, readers: Sequence[int]) -> list[dict[str, float]]:
    """Median seconds for retrieved lists of each of `DEPTHS` candidates; the first reader warms up and does not count. Of
    fewer than two readers nothing is measured."""
    if len(readers) < 2:
        return []
    return [_of(star, readers[: READERS + 1], depth) for depth in DEPTHS]


def _of(star: Star, readers: Sequence[int], depth: int) -> dict[str, float]:
    first, total = [], []
    for reader in readers:
        shelf = star.dataset.interactions.history(int(reader)).astype(np.int64)
        began, seen = time.perf_counter(), None
        found = tuple(star.serving.retriever(shelf, depth, int(reader)).tolist())
        for snapshot in star.stream(Query(tuple(shelf.tolist()), int(reader), found)):
            seen = seen if seen is not None or not snapshot.text else time.perf_counter() - began
        first.append(seen or 0.0)
        total.append(time.perf_counter() - began)
    return {
        "candidates": depth,
        "n": len(first) - 1,
        "first_word_s": float(np.median(first[1:])),
        "total_s": float(np.median(total[1:])),
    }
