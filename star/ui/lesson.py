"""What the tab Learn shows, from the loaded data set: a reader, a pair of items, answers of teacher and student."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from star.data import tasks as T
from star.data.dataset import Dataset
from star.errors import UserError
from star.evidence.graph import Graph
from star.evidence.keeping import training_graph
from star.evidence.tools import lift_interval
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Recommender, answer

SHELF = 12  # books of the reader of the lesson
PUPILS = 12  # readers whose next item the teacher looks for
FEW = 40  # readers of the item whose lift is shown, at least
DRAWS = 8  # answers to one question, whose advantages are shown


@dataclass(frozen=True)
class Attempt:
    """One answer to a question whose right item is known. `place`: of that item, from 1; None: not recommended."""

    seed: int
    first: int
    place: int | None
    stated: int
    true: int

    def reward(self, cost: float) -> float:
        """Gain of the place, less `cost` for each false statement."""
        gain = 0.0 if self.place is None else 1 / float(np.log2(1 + self.place))
        return gain - cost * (self.stated - self.true)


@dataclass(frozen=True)
class Lesson:
    """A test reader of the data set, whom no graph holds, and everything that is asked about them."""

    recommender: Recommender
    teacher: Callable[[], Recommender]

    @property
    def dataset(self) -> Dataset:
        return self.recommender.dataset

    @cached_property
    def split(self) -> T.Split:
        return T.split(self.dataset.interactions)

    @cached_property
    def graph(self) -> Graph:
        return training_graph(self.dataset, self.split)

    @cached_property
    def reader(self) -> int:
        """The test reader whose shelf is nearest to the middle of all in length."""
        rows = self.split.test
        if not len(rows):
            w = self.dataset.catalog.words
            raise UserError(
                f"this data set has no test {w.users}, and a lesson needs one; it has too few {w.users} with "
                f"{T.MIN_BOOKS} {w.items}"
            )
        lengths = np.diff(self.dataset.interactions.indptr)[rows]
        return int(rows[np.argmin(np.abs(lengths - np.median(lengths)))])

    @cached_property
    def shelf(self) -> list[int]:
        """Items known of this reader, oldest first."""
        found: list[int] = self.dataset.interactions.history(self.reader)[:SHELF].tolist()
        return found

    @property
    def counted(self) -> str:
        """`2,400 of 3,000 readers`: those of the graph, of all in the data set."""
        return f"{self.graph.n_readers:,} of {len(self.dataset.interactions):,} {self.dataset.catalog.words.users}"

    @cached_property
    def query(self) -> Query:
        return Query(tuple(self.shelf), self.reader)

    @cached_property
    def answer(self) -> Recommendation:
        return answer(self.recommender, self.query)

    @cached_property
    def taught(self) -> Recommendation:
        """The teacher's answer about the reader."""
        return answer(self.teacher(), self.query)

    def co_readers(self, item: int) -> list[tuple[int, int, float]]:
        """All other items that readers of this one read: item, readers of both, lift; the most often read together first."""
        readers = self.graph.by_item[item].indices
        both = np.asarray(self.graph.matrix[readers].sum(0)).ravel().astype(np.int64)
        both[item] = 0
        best = np.argsort(-both, kind="stable")[: int((both > 0).sum())]
        share = both[best] / max(len(readers), 1)
        lift = share / np.maximum(self.graph.counts[best] / self.graph.n_readers, 1e-9)
        return [(int(i), int(both[i]), float(x)) for i, x in zip(best, lift, strict=True)]

    @cached_property
    def pair(self) -> tuple[int, int]:
        """An item of the shelf, and the item that it is read with most above chance, by at least five readers.

        The first is the least read with `FEW` readers or more, so that a few readers more or less are seen in the lift.
        """
        counts = {item: int(self.graph.counts[item]) for item in self.shelf}
        enough = [item for item in self.shelf if counts[item] >= FEW]
        anchor = min(enough, key=counts.__getitem__) if enough else max(self.shelf, key=counts.__getitem__)
        found = [(lift, item) for item, both, lift in self.co_readers(anchor) if both >= 5]
        return anchor, max(found)[1] if found else anchor

    @cached_property
    def most_of_both(self) -> int:
        """As many readers as can have both items of the pair."""
        return int(min(self.graph.counts[item] for item in self.pair))

    def lift(self, both: int) -> tuple[float, float, float]:
        """Lift of the pair were it read by so many readers of both, and its 95 % interval."""
        anchor, item = self.pair
        both, of = min(both, self.most_of_both), max(int(self.graph.counts[anchor]), 1)
        base = max(int(self.graph.counts[item]), 1) / self.graph.n_readers
        low, high = lift_interval(both, of, base)
        return both / of / base, low, high

    @cached_property
    def tasks(self) -> list[T.Task]:
        """Questions about test readers whose next item is known."""
        data = self.dataset
        found = T.make_tasks(
            data.interactions, self.split.test, "classic", "uniform", self.graph.counts, None, PUPILS, 1, 0
        )
        if not found:
            raise UserError(f"no {data.catalog.words.user} of this data set has a next one that is known")
        return found

    @cached_property
    def trajectories(self) -> list[tuple[T.Task, int | None]]:
        """Each of these questions with the teacher's place of the item really read next, from 1; None: beyond 10."""
        found = []
        for task in self.tasks:
            made = answer(self.teacher(), Query(task.history, task.reader, task.candidates, k=10))
            items = [r.item for r in made.items]
            found.append((task, items.index(task.target) + 1 if task.target in items else None))
        return found

    @cached_property
    def attempts(self) -> list[Attempt]:
        """Several answers to the first question, drawn with seeds 1, 2, …"""
        task = self.tasks[0]
        asked = Query(task.history, task.reader, task.candidates)
        found = []
        for seed in range(1, DRAWS + 1):
            made = answer(self.recommender, replace(asked, seed=seed))
            items = [r.item for r in made.items]
            own = [c for c in made.claims if c.author == "model" and c.verdict != "opinion"]
            found.append(
                Attempt(
                    seed,
                    items[0],
                    items.index(task.target) + 1 if task.target in items else None,
                    len(own),
                    sum(c.verdict == "supported" for c in own),
                )
            )
        return found
