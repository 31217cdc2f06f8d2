"""Two answers side by side: what each costs, and where they part. Mostly two recommenders on the same candidates.

Which of the two stands on which side is drawn, so that a visitor can vote before the names are shown.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal

import numpy as np

from star.data.catalog import Catalog
from star.questions.evidence_lines import Line, lines, parting
from star.questions.rivals import Contestant, Turn
from star.questions.running import fixed, rerun
from star.recommend.recommendation import CheckedClaim, Query, Recommendation
from star.recommend.recommender import Recommender, answer

Vote = Literal["left", "right", "tie"]
VOTES: tuple[Vote, ...] = ("left", "right", "tie")


@dataclass(frozen=True)
class Side:
    """One system's answer and what it took.

    Attributes:
        name: of the checkpoint.
        calls: calls of tools; words: of the whole trace, tools' answers among them; seconds: None where not measured.
        own: what the system itself wrote, as claims.
        tokens: that the system itself wrote; turns: that it took, where they were watched.
    """

    name: str
    answer: Recommendation
    calls: int
    words: int
    seconds: float | None
    own: tuple[CheckedClaim, ...]
    tokens: int = 0
    turns: tuple[Turn, ...] = ()

    @classmethod
    def of(cls, done: Recommendation, name: str | None = None, turns: Sequence[Turn] = ()) -> Side:
        own = tuple(claim for claim in done.claims if claim.author == "model")
        took = done.timing
        words = len(done.text.split())
        # The student counts words of its own language; of agents that write the trace itself, tools' words are no work.
        tokens = min(took.generated_tokens, sum(s.tokens for s in done.steps if s.type != "tool_response"))
        return cls(
            name or done.checkpoint, done, took.tool_calls, words, took.total_s, own, tokens, tuple(turns)
        )

    @property
    def order(self) -> tuple[int, ...]:
        """Recommended item rows, best first."""
        return tuple(r.item for r in self.answer.items)


@dataclass(frozen=True)
class Comparison:
    """Two answers, over the same candidates or each over its own.

    Attributes:
        place: the first place, from 1, where the rankings part; None: they are the same.
        one, other: the items at that place; None where a ranking has ended.
        lines: the evidence about these two, signal by signal, as the first system heard it; none without `same`.
        parts: the signal that favours the first system's item most; None: no signal does.
        against: the signal that favours the second system's item most.
    """

    first: Side
    second: Side
    place: int | None
    one: int | None
    other: int | None
    lines: tuple[Line, ...] = ()
    parts: Line | None = None
    against: Line | None = None

    @property
    def same(self) -> bool:
        """Whether both ranked the same candidates, so that one hearing of the evidence speaks for both."""
        return {*self.first.answer.candidates} == {*self.second.answer.candidates}

    @property
    def common(self) -> int:
        """Items that both recommend."""
        return len({*self.first.order} & {*self.second.order})


def compare(
    recommender: Recommender, rival: Recommender, query: Query, before: Recommendation | None = None
) -> Comparison:
    """Both answer the same query over the candidates that the first one retrieved.

    Args:
        rival: over the same data set.
        before: the first one's answer to `query`, where it is at hand.

    Raises:
        UserError: as `Recommender.stream`.
    """
    before = answer(recommender, query) if before is None else before
    after = rerun(rival, fixed(query, before.candidates))
    return side_by_side(before, after, recommender.dataset.catalog)


@dataclass(frozen=True)
class Underway:
    """A comparison that runs: the names of both, and the turns so far. The second begins when the first is done."""

    names: tuple[str, str]
    turns: tuple[tuple[Turn, ...], tuple[Turn, ...]]
    second: bool


def watched(
    first: Contestant, second: Contestant, query: Query, catalog: Catalog
) -> Iterator[Underway | Comparison]:
    """Both answer a query that names its candidates; yields after every turn, and last the comparison.

    Raises:
        UserError: as `Recommender.stream`.
    """
    names = (first.name, second.name)
    taken: tuple[list[Turn], list[Turn]] = ([], [])
    done: list[Recommendation] = []
    for at, each in enumerate((first, second)):
        running = each.turns(query)
        while True:
            yield Underway(names, (tuple(taken[0]), tuple(taken[1])), at == 1)
            try:
                taken[at].append(next(running))
            except StopIteration as end:
                done.append(end.value)
                break
    one, other = (Side.of(*each) for each in zip(done, names, taken, strict=True))
    yield beside(one, other, catalog)


def side_by_side(
    before: Recommendation, after: Recommendation, catalog: Catalog, names: tuple[str, str] | None = None
) -> Comparison:
    """Two finished answers compared. `names`: of the sides; None: their checkpoints."""
    first, second = Side.of(before), Side.of(after)
    if names is not None:
        first, second = replace(first, name=names[0]), replace(second, name=names[1])
    return beside(first, second, catalog)


def beside(first: Side, second: Side, catalog: Catalog) -> Comparison:
    """Where two sides part, and which signals speak for each."""
    before = first.answer
    place = first_difference(first.order, second.order)
    if place is None:
        return Comparison(first, second, None, None, None)
    one, other = (order[place - 1] if place <= len(order) else None for order in (first.order, second.order))
    found = Comparison(first, second, place, one, other)
    if one is None or other is None or not found.same:
        return found
    heard = lines(before, one, other, catalog)
    return replace(found, lines=heard, parts=parting(heard, True), against=parting(heard, False))


def first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The first place, from 1, where two rankings differ; None where they do not.

    Example: `first_difference([4, 2], [4, 3])` is 2, and `first_difference([4], [4, 3])` is 2.
    """
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False), 1):
        if mine != theirs:
            return place
    return None if len(one) == len(other) else min(len(one), len(other)) + 1


def sides(seed: int) -> bool:
    """Whether the first system stands on the left, drawn by a seed that the visitor does not see."""
    return bool(np.random.default_rng(seed).integers(2))


@dataclass(frozen=True)
class OpenVote:
    """A comparison that waits for its vote. `left_first`: the first system stands on the left; `since`: `time.monotonic`
    when it was drawn."""

    found: Comparison
    left_first: bool
    since: float

    def won(self, vote: Vote) -> Literal["first", "second", "tie"]:
        """The system that a vote is for."""
        if vote == "tie":
            return "tie"
        return "first" if (vote == "left") == self.left_first else "second"


class Ballot:
    """Open comparisons, in memory. Each takes one vote; safe to use from several threads."""

    def __init__(self, limit: int = 256) -> None:
        self._limit, self._lock = limit, Lock()
        self._open: OrderedDict[str, OpenVote] = OrderedDict()

    def begin(self, name: str, found: Comparison, seed: int) -> bool:
        """Open a comparison under a name. Returns whether the first system stands left."""
        drawn = OpenVote(found, sides(seed), time.monotonic())
        self.reopen(name, drawn)
        return drawn.left_first

    def close(self, name: str) -> OpenVote | None:
        """Take the comparison of this name for its one vote; None where none is open."""
        with self._lock:
            return self._open.pop(name, None)

    def reopen(self, name: str, taken: OpenVote) -> None:
        """Put a comparison back whose vote could not be stored; the oldest is dropped first."""
        with self._lock:
            self._open[name] = taken
            self._open.move_to_end(name)
            while len(self._open) > self._limit:
                self._open.popitem(last=False)
