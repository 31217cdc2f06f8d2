"""The student as a `Ranker`. Answers are written together, so seconds are a share of the time that all of them took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from star.data.dataset import Dataset
from star.data.tasks import Task
from star.evidence.graph import Graph
from star.evidence.signals import Signals
from star.evidence.tools import Attributes, Tools
from star.ranking import Ranked
from star.student.generation import TOGETHER, GenerationState, write_all
from star.student.network import Checkpoint


@dataclass(frozen=True)
class StarRanker:
    """The student of one checkpoint, over the signals of one data set."""

    dataset: Dataset
    graph: Graph
    signals: Signals
    checkpoint: Checkpoint
    name: str = "star"

    @classmethod
    def load(
        cls, dataset: Dataset, graph: Graph, signals: Signals, folder: Path, name: str = "star"
    ) -> StarRanker:
        return cls(dataset, graph, signals, Checkpoint.load(folder), name)

    def states(self, tasks: Sequence[Task], draw: int = 0) -> Iterator[GenerationState]:
        """One state per task, at its start, with its candidates in the slots of this draw."""
        attributes, catalog = Attributes.of(self.dataset.catalog), self.dataset.catalog
        for t in tasks:
            tools = Tools(self.graph, catalog, attributes, t.history, t.candidates, t.reader, self.signals)
            yield GenerationState(self.checkpoint, tools, draw=draw)

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        parts = (tasks[at : at + TOGETHER] for at in range(0, len(tasks), TOGETHER))
        return [ranked for part in parts for ranked in self._ranked(part)]

    def _ranked(self, tasks: Sequence[Task]) -> list[Ranked]:
        out, began = [], time.perf_counter()
        states = list(self.states(tasks))
        write_all(states)
        seconds = (time.perf_counter() - began) / max(len(tasks), 1)
        for task, state in zip(tasks, states, strict=True):
            # What is not discussed cannot be recommended; it stands behind, as the first look has it.
            rest = [c for c in sorted(state.heard, key=lambda c: -state.heard[c]) if c not in state.order]
            out_of_sight = [c for c in sorted(task.candidates) if c not in state.heard]  # beyond twenty
            order = (*state.order, *rest, *out_of_sight)
            out.append(Ranked(order, seconds, state.generated, 1))
        return out
