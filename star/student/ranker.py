"""STAR as a method of the table: many tasks decoded side by side, each in one pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from star.baselines import Ranked
from star.dataset import Dataset
from star.graph import Graph
from star.student.decoding import Writer, write_many
from star.student.model import Checkpoint
from star.tasks import Task
from star.tools import Attributes, Tools

BATCH = 200


@dataclass(frozen=True)
class StarRanker:
    """The student behind one checkpoint. Seconds are a batch's divided by its tasks: for comparing, not for latency."""

    dataset: Dataset
    graph: Graph
    checkpoint: Checkpoint
    name: str = "star"

    @classmethod
    def load(
        cls, dataset: Dataset, graph: Graph, folder: Path, name: str = "star", adapter: bool = True
    ) -> StarRanker:
        return cls(dataset, graph, Checkpoint.load(str(folder), adapter), name)

    def writers(self, tasks: Sequence[Task], free: bool = False) -> list[Writer]:
        """One writer per task, not yet driven."""
        attributes, items = Attributes.of(self.dataset.catalog), self.checkpoint.match(self.dataset.catalog)
        return [
            Writer(
                self.checkpoint,
                items,
                Tools(self.graph, self.dataset.catalog, attributes, t.history, t.candidates, t.reader),
                free=free,
            )
            for t in tasks
        ]

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        out: list[Ranked] = []
        for start in range(0, len(tasks), BATCH):
            part, began = tasks[start : start + BATCH], time.perf_counter()
            writers = written(self.writers(part))
            seconds = (time.perf_counter() - began) / len(part)
            out += [
                Ranked(order(w, t.candidates), seconds, sum(w.own), 1)
                for w, t in zip(writers, part, strict=True)
            ]
        return out


def written(writers: Sequence[Writer]) -> list[Writer]:
    """The same writers, driven to their ends batch by batch."""
    for start in range(0, len(writers), BATCH):
        write_many(writers[start : start + BATCH])
    return list(writers)


def order(writer: Writer, candidates: Sequence[int]) -> tuple[int, ...]:
    """All candidates: the written ranking first, then the rest by probability, then those without a token."""
    start = writer.words.index("<recommend>") + 1 if "<recommend>" in writer.words else len(writer.words)
    written = [
        int(w[2:-1]) for w in writer.words[start:] if w.startswith("<i") and int(w[2:-1]) in candidates
    ]
    ranked = list(dict.fromkeys(written))
    scores = writer.scores if writer.scores is not None else np.zeros(len(writer.candidates))
    rest = [int(c) for c in writer.candidates[np.argsort(-scores, kind="stable")] if int(c) not in ranked]
    return (*ranked, *rest, *(c for c in candidates if c not in ranked and c not in rest))
