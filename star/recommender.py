"""Recommender: a query in, a stream of growing `Recommendation` snapshots out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from star.dataset import Dataset
from star.recommendation import Query, Recommendation


class Recommender(Protocol):
    """What the page and the commands talk to. The data set and model behind it are loaded once and read-only."""

    @property
    def dataset(self) -> Dataset: ...

    @property
    def checkpoint(self) -> str:
        """Name of the model that answers, as shown to people."""
        ...

    def stream(self, query: Query) -> Iterator[Recommendation]:
        """Snapshots of one answer; the last one, and only it, is `finished` and holds items, nodes and edges.

        Raises:
            UserError: empty history, unknown item rows, k below 1.
        """
        ...
