"""Counterfactuals: what becomes of an answer when its evidence is changed.

If the trace is no decoration, exchanging the candidates inside the tools' answers must move the ranking with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from star.recommendation import Query
from star.recommender import Star
from star.student.decoding import Writer, write_many
from star.student.ranker import BATCH, StarRanker, order
from star.tasks import Task
from star.tools import Response, Tools


class Permuted(Tools):
    """The same tools, but what they found of one candidate is said of another.

    Args:
        tools: whose shelf, candidates and graph are used.
        to: candidate → the candidate its evidence is given to; a permutation of the candidates.
    """

    def __init__(self, tools: Tools, to: dict[int, int]):
        super().__init__(
            tools.graph,
            tools.catalog,
            tools.attributes,
            tools.history.tolist(),
            tools.candidates.tolist(),
            tools.reader,
        )
        self.to = to
        self.back = {new: old for old, new in to.items()}

    def call(self, name: str, arguments: Sequence[int]) -> Response:
        asked = [*arguments[:1], *(self.back.get(item, item) for item in arguments[1:])]
        found = super().call(name, asked)
        place = {int(item): at for at, item in enumerate(self.candidates)}
        lines = [
            tuple(replace(e, claim=replace(e.claim, subject=self.to.get(_item(e)))) for e in line)
            for line in found.lines
        ]
        if name in ("user_cf", "item_cf"):
            lines.sort(key=lambda line: place[_item(line[0])])  # in the order of the candidates, as ever
        return Response(name, tuple(arguments), tuple(lines))


class Erased(Tools):
    """The same tools, but of one candidate they find nothing."""

    def __init__(self, tools: Tools, item: int):
        super().__init__(
            tools.graph,
            tools.catalog,
            tools.attributes,
            tools.history.tolist(),
            tools.candidates.tolist(),
            tools.reader,
        )
        self.item = item

    def call(self, name: str, arguments: Sequence[int]) -> Response:
        found = super().call(name, arguments)
        return replace(found, lines=tuple(line for line in found.lines if _item(line[0]) != self.item))


def erasure(star: Star, query: Query, first: int) -> dict[str, float]:
    """What the first choice loses when its evidence is taken away (ERASER's comprehensiveness, arXiv 1911.03429).

    Returns:
        `erasure`: by how much its probability falls; `erasure, control`: the same where the evidence of another candidate,
        the next in the list, is taken away in its place.
    """
    tools = star.shelf.tools(query, star.known)
    candidates = tools.candidates.tolist()
    other = candidates[(candidates.index(first) + 1) % len(candidates)]
    before = star.weights(tools, query.seed)[first]
    return {
        name: before - star.weights(Erased(tools, item), query.seed)[first]
        for name, item in (("erasure", first), ("erasure, control", other))
    }


def _item(evidence: Any) -> int:
    subject = evidence.claim.subject
    return -1 if subject is None else int(subject)


def permutation_test(ranker: StarRanker, tasks: Sequence[Task], seed: int = 0) -> dict[str, float]:
    """How the first choice moves when the evidence of the candidates is permuted.

    Returns:
        n; `follows`: share of tasks whose first choice is the book that was given the evidence of the former first choice;
        `stays`: share whose first choice is the same book as before, evidence notwithstanding; `mean`, `mean_permuted`:
        mean of HR@1/3/5 before and after (chance is .150).
    """
    rng = np.random.default_rng(seed)
    follows, stays, ranks, permuted = [], [], [], []
    for start in range(0, len(tasks), BATCH):
        part = tasks[start : start + BATCH]
        before = ranker.writers(part)
        write_many(before)
        maps = [dict(zip(t.candidates, _cycle(t.candidates, rng).tolist(), strict=True)) for t in part]
        after = [
            Writer(w.checkpoint, w.items, Permuted(w.tools, to), k=w.k)
            for w, to in zip(before, maps, strict=True)
        ]
        write_many(after)
        for task, one, two, to in zip(part, before, after, maps, strict=True):
            first, second = order(one, task.candidates), order(two, task.candidates)
            follows.append(second[0] == to[first[0]])
            stays.append(second[0] == first[0])
            ranks.append(first.index(task.target))
            permuted.append(second.index(task.target))
    return {
        "n": len(tasks), "follows": float(np.mean(follows)), "stays": float(np.mean(stays)),
        "mean": _mean(ranks), "mean_permuted": _mean(permuted),
    }  # fmt: skip


def _cycle(candidates: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A random permutation without fixed points: along one cycle through all candidates."""
    around = rng.permutation(len(candidates))
    given = np.empty(len(candidates), dtype=np.int64)
    given[around] = np.asarray(candidates)[np.roll(around, -1)]
    return given


def _mean(ranks: Sequence[int]) -> float:
    return float(np.mean([(np.array(ranks) < k).mean() for k in (1, 3, 5)]))
