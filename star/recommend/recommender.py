"""Recommender: a query in, a stream of growing `Recommendation` snapshots out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from star.data.dataset import Dataset
from star.evidence.tools import Tools
from star.evidence.verification import Finding
from star.recommend.assembly import Draft, assemble, snapshot
from star.recommend.recommendation import Query, Recommendation, Timing
from star.recommend.serving import ServingContext
from star.trace.grammar import item_rows

if TYPE_CHECKING:
    from star.student.decoding import GenerationState

TEACHER = "mars"  # the teacher's name in `--model` and as a checkpoint


class Recommender(Protocol):
    """Interface of the page and the commands to student and teacher. Data set and model are loaded once and read-only."""

    @property
    def dataset(self) -> Dataset: ...

    @property
    def checkpoint(self) -> str:
        """Name of the model that answers, as shown to people."""
        ...

    @property
    def without_token(self) -> int:
        """Items of the data set that the checkpoint cannot recommend."""
        ...

    @property
    def prior(self) -> float:
        """Product-of-experts weight of the parametric prior in the ranking; 0 for none."""
        ...

    @property
    def adapter(self) -> str | None:
        """Stage that trained the model's LoRA adapter (`grpo`, `dpo`); None without an adapter to switch off."""
        ...

    def stream(self, query: Query) -> Iterator[Recommendation]:
        """Snapshots of one answer; the last one, and only it, is `finished` and holds items, nodes and edges.

        Claims of a step are verified once it is closed; their paths (`edges`) are known at the end.

        Raises:
            UserError: empty history, unknown item rows, k below 1.
        """
        ...


class Star:
    """The trained student: one model, one pass."""

    def __init__(self, dataset: Dataset, model: str | None = None, adapter: bool = True):
        """`adapter`: whether to use the checkpoint's GRPO adapter, if any; False answers as after SFT."""
        from star.student.model import Checkpoint  # importing torch takes seconds, and the page opens before

        self._serving = ServingContext(dataset)
        name = model or dataset.name
        self._model = Checkpoint.to_answer(name, adapter)
        self._plain = Checkpoint.to_answer(name, adapter=False) if self.adapter else self._model
        self._items = self._model.match(dataset.catalog)

    @property
    def dataset(self) -> Dataset:
        return self._serving.dataset

    @property
    def checkpoint(self) -> str:
        return self._model.name

    @property
    def serving(self) -> ServingContext:
        return self._serving

    @property
    def without_token(self) -> int:
        """Items of the data set that the checkpoint cannot recommend."""
        return self._items.unknown

    @property
    def prior(self) -> float:
        """`Checkpoint.prior`."""
        return self._model.prior

    @property
    def adapter(self) -> str | None:
        """Stage that trained the LoRA adapter; None without an adapter to switch off."""
        return self._model.adapter

    @property
    def known(self) -> np.ndarray:
        """bool (I,): items the checkpoint can recommend."""
        return self._items.known

    def weights(self, tools: Tools, seed: int = 0) -> dict[int, float]:
        """Candidate → its probability at the first ranking position, for an answer written with these tools."""
        from star.student.decoding import GenerationState, write

        state = GenerationState(self._model, self._items, tools)
        for _ in write(state, seed=seed or None):
            pass
        return _probabilities(state)

    def stream(self, query: Query) -> Iterator[Recommendation]:
        from star.student.decoding import write

        start = time.perf_counter()
        state, answer = self._begun(query)
        draft = Draft(state.words, state.own, [])
        findings: list[Finding] = []
        first: float | None = None
        for _ in write(state, seed=query.seed or None):
            now = time.perf_counter() - start
            first = now if first is None else first
            draft.at.extend([now] * (len(draft.words) - len(draft.at)))
            answer = snapshot(answer, draft, state.tools, findings)
            answer = replace(answer, timing=Timing(first, now, sum(draft.own), state.calls))
            if not state.finished:
                yield answer
        answer = self._ended(answer, state, draft, findings)
        yield replace(answer, timing=replace(answer.timing, total_s=time.perf_counter() - start))

    def together(self, queries: Sequence[Query]) -> Iterator[Recommendation]:
        """The finished answers in order, decoded together; all but the times equals `stream`. `total_s` is the time of a
        batch divided by its answers; the times of the first word and of steps are unknown.

        Raises:
            UserError: as `stream`, once the batch of that query begins.
        """
        from star.student.beside import AT_ONCE, write_beside

        for place in range(0, len(queries), AT_ONCE):
            start, part = time.perf_counter(), queries[place : place + AT_ONCE]
            begun = [self._begun(query) for query in part]
            write_beside([state for state, _ in begun], [query.seed or None for query in part])
            done = [
                (state, self._ended(answer, state, Draft(state.words, state.own, [0.0] * len(state.words))))
                for state, answer in begun
            ]
            seconds = (time.perf_counter() - start) / len(part)
            for state, answer in done:
                yield replace(answer, timing=Timing(None, seconds, sum(state.own), state.calls))

    def _begun(self, query: Query) -> tuple[GenerationState, Recommendation]:
        """The generation's state at its prompt, and the answer without any words."""
        from star.student.decoding import GenerationState

        tools = self._serving.tools(query, self._items.known)
        model = self._model if query.adapter else self._plain
        state = GenerationState(model, self._items, tools, k=min(query.k, len(tools.candidates)))
        without = "" if query.adapter or not self.adapter else f" without {self.adapter}"
        candidates = tuple(tools.candidates.tolist())
        return state, Recommendation(self.dataset.name, self.checkpoint + without, query, candidates)

    def _ended(
        self, answer: Recommendation, state: GenerationState, draft: Draft, findings: Sequence[Finding] = ()
    ) -> Recommendation:
        """The answer of a finished generation."""
        ranking = item_rows(state.words[state.words.index("<recommend>") + 1 :])
        return assemble(answer, draft, state.tools, ranking, _probabilities(state), findings)


def _probabilities(state: GenerationState) -> dict[int, float]:
    """Candidate → its probability at the first ranking position; 0 for all if no ranking began."""
    scores = np.zeros(len(state.candidates)) if state.scores is None else state.scores
    return dict(zip(state.candidates.tolist(), scores.tolist(), strict=True))


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
    """The finished answers to many queries, in order; the student decodes them together.

    Raises:
        UserError: as `Recommender.stream`, for the first query that cannot be answered.
    """
    if isinstance(recommender, Star) and len(queries) > 1:  # a single answer records the times of its words
        yield from recommender.together(queries)
    else:
        for query in queries:
            yield answer(recommender, query)
