"""The rankers of an evaluation, and their answers to its tasks, in chunks that workers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from star.data.dataset import Dataset
from star.data.tasks import Task, split
from star.evaluation import metrics
from star.evaluation.parallel import Each
from star.evaluation.pooling import Cell, Outcome
from star.evidence.graph import Graph
from star.methods.registry import Context, applies, check_methods, rankers
from star.ranking import Ranked, Ranker

CHUNK = 200  # tasks handed to a ranker at once

Progress = Callable[[str, int, int], None]
"""(what is running, tasks done, tasks in all)."""


@dataclass(frozen=True)
class Lineup:
    """Rankers by name, each built when first asked for. Another process is sent what they are built from."""

    context: Context
    _built: dict[str, Ranker] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Ranker:
        if name not in self._built:
            self._built[name] = rankers([name], self.context)[0]
        return self._built[name]

    def __reduce__(self) -> tuple[Any, ...]:
        context = self.context
        return _lineup, (context.dataset, context.model, context.seed)


def _lineup(dataset: Dataset, model: str | None, seed: int) -> Lineup:
    parts = split(dataset.interactions)
    graph = Graph.build(dataset.interactions, parts.train)
    return Lineup(Context(dataset, parts, graph, model, seed))


def _rank(lineup: Lineup, job: tuple[str, list[Task]]) -> list[Ranked]:
    name, tasks = job
    return lineup[name].rank(tasks)


class Answers:
    """The answers of every method to the tasks of every cell that it applies to; workers begin at once."""

    def __init__(self, methods: Sequence[str], questions: dict[Cell, list[Task]], each: Each):
        self.questions = questions
        self.plan = [
            (name, cell) for name in check_methods(methods) for cell in questions if applies(name, cell)
        ]
        self.chunks = [
            (name, cell, begin, questions[cell][begin : begin + CHUNK])
            for name, cell in self.plan
            for begin in range(0, len(questions[cell]), CHUNK)
        ]
        jobs = [
            (f"{name}, {', '.join(cell)}, tasks {begin + 1} to {begin + len(tasks)}", (name, tasks))
            for name, cell, begin, tasks in self.chunks
        ]
        self.found = each(_rank, jobs)

    def outcomes(self, progress: Progress) -> dict[tuple[str, Cell], Outcome]:
        """Outcomes by method and cell."""
        total, done = sum(len(tasks) for *_, tasks in self.chunks), 0
        answers: dict[tuple[str, Cell], list[Ranked]] = {key: [] for key in self.plan}
        for name, cell, _, tasks in self.chunks:
            progress(f"{name}, {', '.join(cell)}", done, total)
            answers[name, cell] += next(self.found)
            done += len(tasks)
        progress("done", total, total)
        return {key: self._outcome(*key, found) for key, found in answers.items()}

    def _outcome(self, name: str, cell: Cell, answers: list[Ranked]) -> Outcome:
        tasks = self.questions[cell]
        ranks = [_place(name, task, answer) for task, answer in zip(tasks, answers, strict=True)]
        return Outcome(np.array(ranks), np.array([t.reader for t in tasks]), answers)


def _place(name: str, task: Task, answer: Ranked) -> int:
    if sorted(answer.order) != sorted(task.candidates):
        raise ValueError(f"{name} did not return the {len(task.candidates)} candidates, each once")
    return metrics.rank_of(answer.order, task.target)
