"""Recommender: a query in, a stream of growing `Recommendation` snapshots out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from star.dataset import Dataset
from star.errors import UserError
from star.evidence import Claim
from star.fingerprint import checkpoint_folder
from star.recommendation import Query, Recommendation, Timing
from star.shelf import Draft, Shelf
from star.tools import Tools
from star.verify import Finding, check

if TYPE_CHECKING:
    from star.student.decoding import Writer

TEACHER = "mars"  # the name under which the teacher answers, and is asked for
TRAINING = "training/run.sh --dataset {name}"  # the command that trains a student for a data set of one's own


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
        from star.student.model import Checkpoint  # torch takes seconds: the page is up before

        self._shelf = Shelf(dataset)
        name = model or dataset.name
        self._model = Checkpoint.to_answer(name, adapter)
        self._plain = Checkpoint.to_answer(name, adapter=False) if self.adapter else self._model
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
        from star.student.decoding import write

        start = time.perf_counter()
        writer, answer = self._begun(query)
        draft = Draft(writer.words, writer.own, [])
        claims: list[tuple[Claim, bool, int]] = []
        findings: list[Finding] = []
        first: float | None = None
        for _ in write(writer, seed=query.seed or None):
            now = time.perf_counter() - start
            first = now if first is None else first
            draft.at.extend([now] * (len(draft.words) - len(draft.at)))
            steps, claims = self._shelf.view(draft, writer.tools, 0.0)
            if len(claims) > len(findings):
                findings += [check(claim, writer.tools) for claim, _, _ in claims[len(findings) :]]
                answer = replace(answer, claims=self._shelf.checked(claims, findings))
            timing = Timing(first, now, sum(draft.own), writer.calls)
            answer = replace(answer, text=" ".join(draft.words), steps=steps, timing=timing)
            if not writer.finished:
                yield answer
        answer = self._ended(answer, writer, claims, findings)
        yield replace(answer, timing=replace(answer.timing, total_s=time.perf_counter() - start))

    def together(self, queries: Sequence[Query]) -> Iterator[Recommendation]:
        """The finished answers in order, written side by side: all but the times as `stream` has it.

        Times: `total_s` is a batch's divided by its answers, the first word's and those of steps are not known.

        Raises:
            UserError: as `stream`, when the batch with that query is reached.
        """
        from star.student.beside import AT_ONCE, write_beside

        for place in range(0, len(queries), AT_ONCE):
            start, part = time.perf_counter(), queries[place : place + AT_ONCE]
            begun = [self._begun(query) for query in part]
            write_beside([writer for writer, _ in begun], [query.seed or None for query in part])
            done = []
            for writer, answer in begun:
                draft = Draft(writer.words, writer.own, [0.0] * len(writer.words))
                steps, claims = self._shelf.view(draft, writer.tools, 0.0)
                findings = [check(claim, writer.tools) for claim, _, _ in claims]
                answer = replace(answer, text=" ".join(writer.words), steps=steps)
                done.append((writer, self._ended(answer, writer, claims, findings)))
            seconds = (time.perf_counter() - start) / len(part)
            for writer, answer in done:
                yield replace(answer, timing=Timing(None, seconds, sum(writer.own), writer.calls))

    def _begun(self, query: Query) -> tuple[Writer, Recommendation]:
        """The writer of an answer, and the answer without a word."""
        from star.student.decoding import Writer

        tools = self._shelf.tools(query, self._items.known)
        model = self._model if query.adapter else self._plain
        writer = Writer(model, self._items, tools, k=min(query.k, len(tools.candidates)))
        without = "" if query.adapter or not self.adapter else f" without {self.adapter}"
        candidates = tuple(tools.candidates.tolist())
        return writer, Recommendation(self.dataset.name, self.checkpoint + without, query, candidates)

    def _ended(
        self,
        answer: Recommendation,
        writer: Writer,
        claims: list[tuple[Claim, bool, int]],
        findings: list[Finding],
    ) -> Recommendation:
        """The answer whose words all stand, with its items and their scores, and the subgraph."""
        ranked = writer.words[writer.words.index("<recommend>") + 1 :]
        ranking = [int(word[2:-1]) for word in ranked if word.startswith("<i")]
        scores = np.zeros(len(writer.candidates)) if writer.scores is None else writer.scores
        score = dict(zip(writer.candidates.tolist(), scores.tolist(), strict=True))
        chosen = [score[i] for i in ranking]
        return self._shelf.finish(answer, claims, findings, writer.tools, ranking, chosen)


def load(dataset: str, model: str | None = None) -> Recommender:
    """The recommender over a data set by name; see `recommender_for`.

    Raises:
        UserError: no such data set or checkpoint.
    """
    return recommender_for(Dataset.load(dataset), model)


def recommender_for(dataset: Dataset, model: str | None = None) -> Recommender:
    """Who answers over a data set.

    Args:
        model: a checkpoint's folder or name; `mars`: the teacher; None: the student trained for the data set, and where
            there is none the teacher, who explains any catalogue untrained (`untaught` has what people are told then).

    Raises:
        UserError: no such checkpoint.
    """
    if model == TEACHER or (model is None and not has_student(dataset.name)):
        from star.mars.recommender import Teacher

        return Teacher(dataset)
    return Star(dataset, model)


def has_student(dataset: str) -> bool:
    """Whether there is a checkpoint named like the data set."""
    try:
        checkpoint_folder(dataset)
    except UserError:
        return False
    return True


def untaught(recommender: Recommender) -> str | None:
    """Where the teacher answers because there is no student: that it is so, the command that trains one, and how long that
    takes; None otherwise. Plain text, one line.
    """
    name = recommender.dataset.name
    if recommender.checkpoint != TEACHER or has_student(name):
        return None
    return (
        f"the teacher answers; no student is trained for this catalogue. {TRAINING.format(name=name)} trains one, which "
        "takes hours: on two CPU cores it took two for MovieLens’s 610 viewers and 3,650 films, and four for goodbooks"
    )


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
    """The finished answers to many queries, in order; the student writes them side by side.

    Raises:
        UserError: as `Recommender.stream`, for the first query that cannot be answered.
    """
    if isinstance(recommender, Star) and len(queries) > 1:  # one alone knows when its words came
        yield from recommender.together(queries)
    else:
        for query in queries:
            yield answer(recommender, query)
