"""Two recommenders on the same reader and the same candidates, side by side: what each costs, and where they part.

Which of the two stands on which side is drawn, so that a visitor can vote before the names are shown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np

from star.data.catalog import Catalog
from star.questions.evidence_lines import Line, lines, parting
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
    """

    name: str
    answer: Recommendation
    calls: int
    words: int
    seconds: float | None
    own: tuple[CheckedClaim, ...]

    @classmethod
    def of(cls, done: Recommendation) -> Side:
        own = tuple(claim for claim in done.claims if claim.author == "model")
        return cls(
            done.checkpoint, done, done.timing.tool_calls, len(done.text.split()), done.timing.total_s, own
        )

    @property
    def order(self) -> tuple[int, ...]:
        """Recommended item rows, best first."""
        return tuple(r.item for r in self.answer.items)


@dataclass(frozen=True)
class Comparison:
    """Two answers over the same candidates.

    Attributes:
        place: the first place, from 1, where the rankings part; None: they are the same.
        one, other: the items at that place; None where a ranking has ended.
        lines: the evidence about these two, signal by signal, as the first system heard it.
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


def side_by_side(before: Recommendation, after: Recommendation, catalog: Catalog) -> Comparison:
    """Two finished answers compared."""
    first, second = Side.of(before), Side.of(after)
    place = first_difference(first.order, second.order)
    if place is None:
        return Comparison(first, second, None, None, None)
    one, other = (order[place - 1] if place <= len(order) else None for order in (first.order, second.order))
    if one is None or other is None:
        return Comparison(first, second, place, one, other)
    found = lines(before, one, other, catalog)
    return Comparison(first, second, place, one, other, found, parting(found, True), parting(found, False))


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


class Ballot:
    """Open comparisons and the votes so far, in memory. Each comparison takes one vote; safe to use from several threads."""

    def __init__(self, limit: int = 256) -> None:
        self._limit, self._lock = limit, Lock()
        self._open: OrderedDict[str, tuple[bool, Comparison]] = OrderedDict()
        self._counts = {"first": 0, "second": 0, "tie": 0}

    def begin(self, name: str, found: Comparison, seed: int) -> bool:
        """Open a comparison under a name; the oldest is dropped first. Returns whether the first system stands left."""
        with self._lock:
            self._open[name] = (sides(seed), found)
            self._open.move_to_end(name)
            while len(self._open) > self._limit:
                self._open.popitem(last=False)
            return self._open[name][0]

    def vote(self, name: str, vote: Vote) -> tuple[bool, Comparison] | None:
        """Count a vote, and close the comparison.

        Returns:
            whether the first system stood left, and the comparison; None where no comparison of this name is open.
        """
        with self._lock:
            found = self._open.pop(name, None)
            if found is not None:
                left = found[0]
                won = "tie" if vote == "tie" else "first" if (vote == "left") == left else "second"
                self._counts[won] += 1
            return found

    @property
    def counts(self) -> dict[str, int]:
        """Votes for the first system, for the second, and ties."""
        with self._lock:
            return dict(self._counts)
