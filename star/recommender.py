"""Recommender: a query in, a stream of growing `Recommendation` snapshots out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from star.dataset import Dataset
from star.evidence import Claim
from star.recommendation import Query, Recommendation, Timing
from star.shelf import Draft, Shelf
from star.tools import Tools
from star.verify import Finding, check


class Recommender(Protocol):
    """What the page and the commands talk to. The data set and model behind it are loaded once and read-only."""

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
        """How much the ranking takes in of the one by heart, before anything was looked up; 0 for none."""
        ...

    @property
    def adapter(self) -> str | None:
        """What the model's LoRA adapter was trained by (`grpo`, `dpo`), None where there is none to switch off."""
        ...

    def stream(self, query: Query) -> Iterator[Recommendation]:
        """Snapshots of one answer; the last one, and only it, is `finished` and holds items, nodes and edges.

        Claims of closed steps are checked as they come; their paths (`edges`) are known at the end.

        Raises:
            UserError: empty history, unknown item rows, k below 1.
        """
        ...


class Star:
    """The trained student: one model, one pass."""

    def __init__(self, dataset: Dataset, model: str | None = None, adapter: bool = True):
        """`adapter`: with the LoRA adapter of GRPO, where the checkpoint has one; False answers as after SFT."""
        from star.student.model import (
            Checkpoint,
        )  # torch and transformers take seconds: the page is up before

        self._shelf = Shelf(dataset)
        self._model = Checkpoint.load(model or dataset.name, adapter)
        self._plain = Checkpoint.load(model or dataset.name, adapter=False) if self.adapter else self._model
        self._items = self._model.match(dataset.catalog)

    @property
    def dataset(self) -> Dataset:
        return self._shelf.dataset

    @property
    def checkpoint(self) -> str:
        return self._model.name

    @property
    def shelf(self) -> Shelf:
        return self._shelf

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
        """What the LoRA adapter was trained by, None where there is none to switch off."""
        return self._model.adapter

    @property
    def known(self) -> np.ndarray:
        """bool (I,): items the checkpoint can recommend."""
        return self._items.known

    def weights(self, tools: Tools, seed: int = 0) -> dict[int, float]:
        """Candidate → its probability where the ranking begins, for an answer written with these tools."""
        from star.student.decoding import Writer, write

        writer = Writer(self._model, self._items, tools)
        for _ in write(writer, seed=seed or None):
            pass
        scores = np.zeros(len(writer.candidates)) if writer.scores is None else writer.scores
        return dict(zip(writer.candidates.tolist(), scores.tolist(), strict=True))

    def stream(self, query: Query) -> Iterator[Recommendation]:
        from star.student.decoding import Writer, write

        start = time.perf_counter()
        tools = self._shelf.tools(query, self._items.known)
        model = self._model if query.adapter else self._plain
        writer = Writer(model, self._items, tools, k=min(query.k, len(tools.candidates)))
        draft = Draft(writer.words, writer.own, [])
        name = (
            self.checkpoint
            if query.adapter or not self.adapter
            else f"{self.checkpoint} without {self.adapter}"
        )
        answer = Recommendation(self.dataset.name, name, query, tuple(tools.candidates.tolist()))
        claims: list[tuple[Claim, bool, int]] = []
        findings: list[Finding] = []
        first: float | None = None
        for _ in write(writer, seed=query.seed or None):
            now = time.perf_counter() - start
            first = now if first is None else first
            draft.at.extend([now] * (len(draft.words) - len(draft.at)))
            steps, claims = self._shelf.view(draft, tools, 0.0)
            if len(claims) > len(findings):
                findings += [check(claim, tools) for claim, _, _ in claims[len(findings) :]]
                answer = replace(answer, claims=self._shelf.checked(claims, findings))
            timing = Timing(first, now, sum(draft.own), writer.calls)
            answer = replace(answer, text=" ".join(draft.words), steps=steps, timing=timing)
            if not writer.finished:
                yield answer
        ranking = [
            int(w[2:-1]) for w in writer.words[writer.words.index("<recommend>") + 1 :] if w.startswith("<i")
        ]
        score = dict(
            zip(
                writer.candidates.tolist(),
                (writer.scores if writer.scores is not None else np.zeros(len(writer.candidates))).tolist(),
                strict=True,
            )
        )
        answer = self._shelf.finish(answer, claims, findings, tools, ranking, [score[i] for i in ranking])
        yield replace(answer, timing=replace(answer.timing, total_s=time.perf_counter() - start))


def load(dataset: str, model: str | None = None) -> Recommender:
    """The recommender over a data set, with the checkpoint of that name if none is given.

    Raises:
        UserError: no such data set or checkpoint.
    """
    return Star(Dataset.load(dataset), model)


def answer(
    recommender: Recommender, query: Query, watch: Callable[[Recommendation], None] = lambda _: None
) -> Recommendation:
    """The finished answer; `watch` sees every snapshot."""
    last: Recommendation | None = None
    for last in recommender.stream(query):
        watch(last)
    assert last is not None
    return last
