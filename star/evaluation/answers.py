"""Answers: tasks as STAR answered them, their traces read.

A trace that does not follow the grammar to its end is none; what is wrong with it is said instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from star.data.tasks import Task
from star.methods.student import StarRanker, written
from star.student.decoding import Writer
from star.trace.citation import Citations, citations
from star.trace.grammar import RANKED, TraceError
from star.trace.steps import Trace, parse


@dataclass(frozen=True)
class Answer:
    """One task as STAR answered it, its trace readable."""

    task: Task
    writer: Writer
    trace: Trace

    @cached_property
    def citations(self) -> Citations:
        return citations(self.trace, len(self.writer.tools.history))

    @property
    def first(self) -> int:
        return self.trace.ranking[0]


def answers(ranker: StarRanker, tasks: Sequence[Task]) -> list[Answer]:
    """The answers to these tasks as they are served, without those whose trace cannot be read."""
    traces = [(task, w, read(w)) for task, w in zip(tasks, written(ranker.writers(tasks)), strict=True)]
    return [Answer(task, w, trace) for task, w, trace in traces if not isinstance(trace, str)]


def read(writer: Writer) -> Trace | str:
    """The parsed trace, or why it is none: broken off, not of the grammar, a ranking outside the candidates."""
    if writer.broken:
        return writer.broken
    try:
        trace = parse(writer.words, len(writer.tools.history), min(RANKED, len(writer.candidates)))
    except TraceError as error:
        return str(error)
    outside = [item for item in trace.ranking if item not in writer.candidates]
    return f"{len(outside)} of the ranked items are no candidates" if outside else trace
