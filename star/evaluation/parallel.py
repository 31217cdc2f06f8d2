"""Distributes the tasks of an evaluation among processes: helpers begin with the last method, this process with the
first."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager

import numpy as np

from star.data.dataset import Dataset
from star.data.tasks import Task, split
from star.evaluation import metrics
from star.evaluation.pooling import Cell, Outcome
from star.evidence.graph import Graph
from star.methods.registry import Context, applies, check_methods, rankers
from star.ranking import Ranked, Ranker

CHUNK = 200  # tasks handed to a ranker at once

Progress = Callable[[str, int, int], None]
"""(what is running, tasks done, tasks in all)."""

_there: dict[str, Ranker] = {}  # in a helper: the rankers built so far
_context: list[Context] = []  # in a helper: the data they are built from


@contextmanager
def helpers(context: Context, many: int) -> Iterator[ProcessPoolExecutor | None]:
    """A pool of `many` helper processes, each with its own rankers; None without helpers."""
    if many < 1:
        yield None
        return
    if context.fitted:
        context.signals  # noqa: B018  fitted and kept once, before every helper asks for them
    given = (context.dataset, context.model, context.seed, context.fitted)
    pool = ProcessPoolExecutor(many, multiprocessing.get_context("spawn"), _begin, given)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(dataset: Dataset, model: str | None, seed: int, fitted: bool) -> None:
    parts = split(dataset.interactions)
    graph = Graph.build(dataset.interactions, parts.train)
    _context.append(Context(dataset, parts, graph, model, seed, fitted))


def _rank(name: str, tasks: list[Task]) -> list[Ranked]:
    if name not in _there:
        _there.update({name: rankers([name], _context[0])[0]})
    return _there[name].rank(tasks)


class Work:
    """The tasks of every method and cell that it applies to; helpers begin at once."""

    def __init__(
        self,
        methods: Sequence[str],
        questions: dict[Cell, list[Task]],
        pool: ProcessPoolExecutor | None = None,
    ):
        self.questions = questions
        self.plan = [
            (name, cell) for name in check_methods(methods) for cell in questions if applies(name, cell)
        ]
        self.chunks = [
            (name, cell, questions[cell][begin : begin + CHUNK])
            for name, cell in self.plan
            for begin in range(0, len(questions[cell]), CHUNK)
        ]
        self.begun: dict[int, Future[list[Ranked]]] = {}
        if pool is not None:
            for n in reversed(range(len(self.chunks))):
                name, _, tasks = self.chunks[n]
                self.begun[n] = pool.submit(_rank, name, tasks)

    def outcomes(self, lineup: Mapping[str, Ranker], progress: Progress) -> dict[tuple[str, Cell], Outcome]:
        """Answers by method and cell; `lineup`: this process's rankers by name."""
        total = sum(len(tasks) for *_, tasks in self.chunks)
        done, left = 0, []
        answers: dict[tuple[str, Cell], dict[int, list[Ranked]]] = {key: {} for key in self.plan}
        for n, (name, cell, tasks) in enumerate(self.chunks):
            progress(f"{name}, {cell[0]}, {cell[1]}", done, total)
            if n in self.begun and not self.begun[n].cancel():
                left.append(n)
                continue
            answers[name, cell][n] = lineup[name].rank(tasks)
            done += len(tasks)
        for n in left:
            name, cell, tasks = self.chunks[n]
            answers[name, cell][n] = self.begun[n].result()
            done += len(tasks)
            progress(f"{name}, {cell[0]}, {cell[1]}", done, total)
        progress("done", total, total)
        return {key: self._outcome(*key, found) for key, found in answers.items()}

    def _outcome(self, name: str, cell: Cell, found: dict[int, list[Ranked]]) -> Outcome:
        tasks, answers = self.questions[cell], [a for n in sorted(found) for a in found[n]]
        ranks = [_place(name, task, answer) for task, answer in zip(tasks, answers, strict=True)]
        return Outcome(np.array(ranks), np.array([t.reader for t in tasks]), answers)


def _place(name: str, task: Task, answer: Ranked) -> int:
    if sorted(answer.order) != sorted(task.candidates):
        raise ValueError(f"{name} did not return the {len(task.candidates)} candidates, each once")
    return metrics.rank_of(answer.order, task.target)
