"""Item-kNN and EASE as recommenders: the order of one signal, with the tool's own sentences as reasons.

Each asks the one tool that states its signal, quotes what the tool says of the first items, and ranks by the score. So its
reasons are the whole truth about its ranking, and they are verified as STAR's are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from star.data.dataset import Dataset
from star.evidence.tools import WINDOWS, Tools
from star.recommend.assembly import Draft, assemble
from star.recommend.recommendation import Query, Recommendation, Timing
from star.recommend.serving import ServingContext
from star.trace.grammar import call_words, item_word, line, response_words

Signal = Literal["itemknn", "ease"]
NAMES: dict[Signal, str] = {"itemknn": "item-kNN", "ease": "EASE"}
QUOTED: dict[Signal, tuple[str, ...]] = {"itemknn": ("pull", "co_read"), "ease": ("whole", "carried")}
"""Kinds of sentences that the ranking rests on."""


class SingleSignal:
    """One signal as a `Recommender`. `checkpoint` is its name, since it has no weights of its own."""

    def __init__(self, signal: Signal, context: ServingContext) -> None:
        self.signal, self._serving = signal, context
        self.checkpoint = NAMES[signal]

    @property
    def dataset(self) -> Dataset:
        return self._serving.dataset

    def stream(self, query: Query) -> Iterator[Recommendation]:
        start = time.perf_counter()
        tools = self._serving.tools(query)
        name, arguments, scores = self._asked(tools)
        response = tools.call(name, arguments)
        order = np.lexsort((tools.candidates, -scores))
        ranking = [int(item) for item in tools.candidates[order][: query.k]]
        plan = f"look back {arguments[0]} books" if arguments else "know the shelf first"
        words = ["<plan>", *plan.split(), ";", "</plan>", *call_words(name, arguments), *response_words(response)]
        said = {lines[0].claim.subject: [e.claim for e in lines] for lines in response.lines}
        quotes = [[c for c in said.get(item, []) if c.kind in QUOTED[self.signal]] for item in ranking]
        quoted = [word for claims in quotes if claims for word in line(claims, closing=False)]
        words += ["<reflection>", *(quoted or ["evidence", "is", "thin", ";"]), "</reflection>"]
        words += ["<recommend>", *map(item_word, ranking), "</recommend>"]
        positive = np.maximum(scores, 0)
        shares = positive / (positive.sum() or 1.0)
        now = time.perf_counter() - start
        draft = Draft(words, [True] * len(words), [now] * len(words))
        answer = Recommendation(
            self.dataset.name, self.checkpoint, query, tuple(int(item) for item in tools.candidates)
        )
        by_item = dict(zip(answer.candidates, shares.tolist(), strict=True))
        answer = assemble(answer, draft, tools, ranking, by_item)
        total, own = time.perf_counter() - start, [s.tokens for s in answer.steps if s.type != "tool_response"]
        yield replace(answer, timing=Timing(total, total, sum(own), 1))

    def _asked(self, tools: Tools) -> tuple[str, tuple[int, ...], np.ndarray]:
        """The call that states the signal, and every candidate's score, (C,)."""
        if self.signal == "ease":
            return "whole_shelf", (), tools.parts("whole").sum(0)
        window = next((w for w in WINDOWS if w >= len(tools.history)), max(WINDOWS))
        return "item_cf", (window,), tools.pulls(window)[2]
