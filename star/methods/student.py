"""STAR as a `Ranker`: many tasks decoded in step, each in one pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from star.data.dataset import Dataset
from star.data.tasks import Task
from star.evidence.graph import Graph
from star.evidence.tools import Attributes, Tools
from star.mars.run import MarsRanker
from star.ranking import Ranked
from star.student.decoding import GenerationState, write_many
from star.student.model import Checkpoint

BATCH = 200


@dataclass(frozen=True)
class StarRanker:
    """The student of one checkpoint. Seconds are those of a batch divided by its tasks, so they are no latency."""

    most: ClassVar[int] = 20  # candidates of a list
    dataset: Dataset
    graph: Graph
    checkpoint: Checkpoint
    name: str = "star"

    @classmethod
    def load(
        cls, dataset: Dataset, graph: Graph, folder: Path, name: str = "star", adapter: bool = True
    ) -> StarRanker:
        return cls(dataset, graph, Checkpoint.load(str(folder), adapter), name)

    def states(
        self, tasks: Sequence[Task], free: bool = False, begun: Sequence[Sequence[str]] | None = None
    ) -> list[GenerationState]:
        """One GenerationState per task, at its prompt.

        Args:
            begun: the words of each trace that are given.
        """
        attributes, items = Attributes.of(self.dataset.catalog), self.checkpoint.match(self.dataset.catalog)
        return [
            GenerationState(
                self.checkpoint,
                items,
                Tools(self.graph, self.dataset.catalog, attributes, t.history, t.candidates, t.reader),
                free=free,
                words=list(words),
            )
            for t, words in zip(tasks, begun or [()] * len(tasks), strict=True)
        ]

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        out: list[Ranked] = []
        for start in range(0, len(tasks), BATCH):
            part, began = tasks[start : start + BATCH], time.perf_counter()
            writers = generate(self.states(part, begun=self.begun(part)))
            seconds = (time.perf_counter() - began) / len(part)
            out += [
                Ranked(order(w, t.candidates), seconds, sum(w.own), 1)
                for w, t in zip(writers, part, strict=True)
            ]
        return out

    def begun(self, tasks: Sequence[Task]) -> list[list[str]] | None:
        """The given words of each trace, after which the student continues; None: no words."""
        return None


@dataclass(frozen=True)
class ConditionedOnTeacher(StarRanker):
    """The student's ranking conditioned on the teacher's trace: it separates how the student weighs evidence from what
    it collects and quotes."""

    teacher: MarsRanker = field(kw_only=True)

    def begun(self, tasks: Sequence[Task]) -> list[list[str]]:
        said = [self.teacher.run(task).words() for task in tasks]
        return [words[: words.index("<recommend>") + 1] for words in said]


def generate(writers: Sequence[GenerationState]) -> list[GenerationState]:
    """The same states, driven to their ends batch by batch."""
    for start in range(0, len(writers), BATCH):
        write_many(writers[start : start + BATCH])
    return list(writers)


def order(writer: GenerationState, candidates: Sequence[int]) -> tuple[int, ...]:
    """All candidates: the written ranking first, then the rest by probability, then those without a token."""
    start = writer.words.index("<recommend>") + 1 if "<recommend>" in writer.words else len(writer.words)
    written = [
        int(w[2:-1]) for w in writer.words[start:] if w.startswith("<i") and int(w[2:-1]) in candidates
    ]
    ranked = list(dict.fromkeys(written))
    scores = writer.scores if writer.scores is not None else np.zeros(len(writer.candidates))
    rest = [int(c) for c in writer.candidates[np.argsort(-scores, kind="stable")] if int(c) not in ranked]
    return (*ranked, *rest, *(c for c in candidates if c not in ranked and c not in rest))
