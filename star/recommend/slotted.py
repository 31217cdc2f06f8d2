"""The slot student as a recommender: one checkpoint for every data set, with the fitted tools."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from star.data.dataset import Dataset
from star.evidence.verification import Finding
from star.recommend.assembly import Draft, assemble, snapshot
from star.recommend.recommendation import Query, Recommendation, Timing
from star.recommend.serving import ServingContext
from star.student.checkpoint import checkpoint_folder


class SlotStar:
    """The trained student that knows no catalogue. It ranks by what it wrote (`star.student.slotted`)."""

    without_token = 0
    prior = 0.0
    adapter: str | None = None

    def __init__(self, dataset: Dataset, model: str):
        from star.student.slot_network import SlotCheckpoint  # brings torch, and the page opens before

        self._serving = ServingContext(dataset, fitted=True)
        self._model = SlotCheckpoint.load(checkpoint_folder(model))

    @property
    def dataset(self) -> Dataset:
        return self._serving.dataset

    @property
    def checkpoint(self) -> str:
        return self._model.name

    def stream(self, query: Query) -> Iterator[Recommendation]:
        from star.student.slotted import SlotState, write

        start = time.perf_counter()
        state = SlotState(self._model, self._serving.tools(query), query.k)
        answer = Recommendation(self.dataset.name, self.checkpoint, query, tuple(state.candidates))
        draft, findings, first = Draft(state.words, state.own, []), list[Finding](), None
        for _ in write(state, query.seed or None):
            now = time.perf_counter() - start
            first = now if first is None else first
            draft.at.extend([now] * (len(draft.words) - len(draft.at)))
            # Of a longer list, the first look has left at most twenty candidates.
            answer = replace(answer, candidates=tuple(state.candidates))
            answer = snapshot(answer, draft, state.tools, findings)
            answer = replace(answer, timing=Timing(first, now, state.generated, state.calls))
            if not state.finished:
                yield answer
        answer = assemble(answer, draft, state.tools, state.order[: state.k], state.scores, findings)
        yield replace(answer, timing=replace(answer.timing, total_s=time.perf_counter() - start))
