"""The teacher as a recommender: a run of MARS, verified and shown as STAR's answers are."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np

from star.data.dataset import Dataset
from star.mars.agents import Message
from star.mars.run import ended, turns
from star.recommend.assembly import Draft, assemble
from star.recommend.recommendation import Query, Recommendation, Timing
from star.recommend.serving import ServingContext


class Teacher:
    """MARS by rules as a `Recommender`. The rules answer at once, so the only snapshot is the finished answer."""

    checkpoint = "mars"

    def __init__(self, dataset: Dataset) -> None:
        self._serving = ServingContext(dataset)

    @property
    def dataset(self) -> Dataset:
        return self._serving.dataset

    def stream(self, query: Query) -> Iterator[Recommendation]:
        yield ended(self.turns(query))

    def turns(self, query: Query) -> Generator[Message, None, Recommendation]:
        """The same answer, agent by agent: yields each message, and returns the finished answer.

        Raises:
            UserError: as `Recommender.stream`.
        """
        tools = self._serving.tools(query)
        candidates = tools.candidates.tolist()
        done = yield from turns(
            tools,
            [query.seed, len(tools.history), *sorted(candidates)],
            various=False,
        )
        start = time.perf_counter()
        words, said = done.words(), done.seconds
        draft = Draft(words, [True] * len(words), [said * (n + 1) / len(words) for n in range(len(words))])
        # Rules give points; a softmax over the candidates makes them comparable with the student's probabilities.
        points = np.array([done.points[c] for c in candidates])
        share = np.exp(points - points.max())
        scores = dict(zip(candidates, (share / share.sum()).tolist(), strict=True))
        answer = Recommendation(self.dataset.name, self.checkpoint, query, tuple(candidates))
        answer = assemble(answer, draft, tools, done.order[: query.k], scores)
        calls = sum(1 for message in done.log if message.response is not None)
        total = said + time.perf_counter() - start
        timing = Timing(total, total, sum(step.tokens for step in answer.steps), calls)
        return replace(answer, timing=timing)
