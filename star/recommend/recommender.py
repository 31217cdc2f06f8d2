"""Recommender: a query in, a stream of growing `Recommendation` snapshots out."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from star.data.dataset import Dataset
from star.evidence.tools import Tools
from star.evidence.verification import Finding
from star.recommend.assembly import Draft, assemble, snapshot
from star.recommend.recommendation import Query, Recommendation, Timing
from star.recommend.serving import ServingContext
from star.student.checkpoint import SHIPPED, checkpoint_folder

if TYPE_CHECKING:
    from star.student.generation import GenerationState

TEACHER = "mars"  # the teacher's name in `--model` and as a checkpoint
EVERY = 0.05  # seconds between two snapshots of the student; one of each word takes as long as the writing


class Recommender(Protocol):
    """Interface of the page and the commands to student and teacher. Data set and model are loaded once and read-only."""

    @property
    def dataset(self) -> Dataset: ...

    @property
    def checkpoint(self) -> str:
        """Name of the model that answers, as shown to people."""
        ...

    def stream(self, query: Query) -> Iterator[Recommendation]:
        """Snapshots of one answer; the last one, and only it, is `finished` and holds items, nodes and edges.

        Claims of a step are verified once it is closed; their paths (`edges`) are known at the end.

        Raises:
            UserError: empty history, unknown item rows, k below 1.
        """
        ...


class Star:
    """The trained student. One checkpoint serves every data set, and ranks by what it wrote (`star.student.generation`)."""

    def __init__(self, dataset: Dataset, model: str = SHIPPED):
        import torch  # takes seconds, and the page opens before

        from star.student.network import Checkpoint

        torch.set_num_threads(1)  # its products are so small that sharing one takes longer than it
        self._serving = ServingContext(dataset)
        self._model = Checkpoint.load(checkpoint_folder(model))
        self._draw = 0

    @property
    def dataset(self) -> Dataset:
        return self._serving.dataset

    @property
    def checkpoint(self) -> str:
        return self._model.name

    @property
    def serving(self) -> ServingContext:
        return self._serving

    def redrawn(self, draw: int) -> Star:
        """The same student, which gives candidates their slots in another way."""
        made = copy.copy(self)
        made._draw = draw
        return made

    def stream(self, query: Query) -> Iterator[Recommendation]:
        from star.student.generation import write

        start = time.perf_counter()
        state, answer = self._begun(query)
        draft, findings, first, shown = Draft(state.words, state.own, []), list[Finding](), None, -EVERY
        for _ in write(state, query.seed or None):
            now = time.perf_counter() - start
            first = now if first is None else first
            draft.at.extend([now] * (len(draft.words) - len(draft.at)))
            # Of a longer list, the first look has left at most twenty candidates.
            answer = replace(answer, candidates=tuple(state.candidates))
            answer = replace(answer, timing=Timing(first, now, state.generated, state.calls))
            if not state.finished and now - shown >= EVERY:
                shown = now
                yield snapshot(answer, draft, state.tools, findings)
        answer = _ended(answer, state, draft, findings)
        yield replace(answer, timing=replace(answer.timing, total_s=time.perf_counter() - start))

    def together(self, queries: Sequence[Query]) -> Iterator[tuple[Recommendation, GenerationState]]:
        """The finished answers in order, written together, each with what was written; all but the times equals `stream`.
        `total_s` is the time of a batch divided by its answers; the times of the first word and of steps are unknown.

        Raises:
            UserError: as `stream`, once the batch of that query begins.
        """
        from star.student.generation import TOGETHER, write_all

        for place in range(0, len(queries), TOGETHER):
            start, part = time.perf_counter(), queries[place : place + TOGETHER]
            begun = [self._begun(query) for query in part]
            write_all([state for state, _ in begun], [query.seed or None for query in part])
            done = [
                (
                    state,
                    _ended(
                        replace(answer, candidates=tuple(state.candidates)),
                        state,
                        Draft(state.words, state.own, [0.0] * len(state.words)),
                    ),
                )
                for state, answer in begun
            ]
            seconds = (time.perf_counter() - start) / len(part)
            for state, answer in done:
                yield replace(answer, timing=Timing(None, seconds, state.generated, state.calls)), state

    def written(self, query: Query, tools: Tools | None = None) -> GenerationState:
        """A whole answer as the student wrote it. No snapshot is made on the way, which halves the time.

        Args:
            tools: that are asked; None: those of the query.
        """
        from star.student.generation import write

        state = self.unwritten(query, tools)
        for _ in write(state, query.seed or None):
            pass
        return state

    def unwritten(self, query: Query, tools: Tools | None = None) -> GenerationState:
        """An answer before its first word, which `write` drives."""
        from star.student.generation import GenerationState

        return GenerationState(self._model, tools or self._serving.tools(query), query.k, self._draw)

    def _begun(self, query: Query) -> tuple[GenerationState, Recommendation]:
        """The answer before its first word."""
        state = self.unwritten(query)
        return state, Recommendation(self.dataset.name, self.checkpoint, query, tuple(state.candidates))


def _ended(
    answer: Recommendation, state: GenerationState, draft: Draft, findings: Sequence[Finding] = ()
) -> Recommendation:
    return assemble(answer, draft, state.tools, state.order[: state.k], state.scores, findings)


def answer(
    recommender: Recommender, query: Query, watch: Callable[[Recommendation], None] = lambda _: None
) -> Recommendation:
    """The finished answer; `watch` sees every snapshot."""
    last: Recommendation | None = None
    for last in recommender.stream(query):
        watch(last)
    assert last is not None
    return last


def answers(recommender: Recommender, queries: Sequence[Query]) -> Iterator[Recommendation]:
    """The finished answers to many queries, in order; the student writes them together.

    Raises:
        UserError: as `Recommender.stream`, for the first query that cannot be answered.
    """
    if isinstance(recommender, Star) and len(queries) > 1:  # a single answer records the times of its words
        yield from (done for done, _ in recommender.together(queries))
    else:
        for query in queries:
            yield answer(recommender, query)
