"""STAR's answers to tasks, with parsed traces and their citations.

A trace that breaks the grammar gives no answer; `read_trace` returns the reason instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from star.data.tasks import Task
from star.methods.student import StarRanker, generate
from star.student.decoding import GenerationState
from star.trace.citation import Citations, citations
from star.trace.grammar import RANKED, TraceError
from star.trace.steps import Trace, parse


@dataclass(frozen=True)
class AnsweredTask:
    """A task and STAR's readable trace for it."""

    task: Task
    writer: GenerationState
    trace: Trace

    @cached_property
    def citations(self) -> Citations:
        return citations(self.trace, len(self.writer.tools.history))

    @property
    def first(self) -> int:
        return self.trace.ranking[0]


def answers(ranker: StarRanker, tasks: Sequence[Task]) -> list[AnsweredTask]:
    """Answers to these tasks with constrained decoding; those with an unreadable trace are left out."""
    traces = [(task, w, read_trace(w)) for task, w in zip(tasks, generate(ranker.states(tasks)), strict=True)]
    return [AnsweredTask(task, w, trace) for task, w, trace in traces if not isinstance(trace, str)]


def read_trace(writer: GenerationState) -> Trace | str:
    """The parsed trace, or why it is unreadable: broken off, against the grammar, or ranking other items than candidates."""
    if writer.broken:
        return writer.broken
    try:
        trace = parse(writer.words, len(writer.tools.history), min(RANKED, len(writer.candidates)))
    except TraceError as error:
        return str(error)
    outside = [item for item in trace.ranking if item not in writer.candidates]
    return f"{len(outside)} of the ranked items are no candidates" if outside else trace
