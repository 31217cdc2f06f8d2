"""Many readers asked alike: for each the first place, its confidence, false statements, whether the ranking follows the
words, and how much evidence there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from star.data.dataset import Dataset
from star.evidence.claims import STRENGTHS
from star.recommend.reasons import speaks_against
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Recommender, Star, answer

MOST = 200  # readers of a cohort
TOGETHER = 8  # readers that are answered together; progress shows in between
CLEAR = STRENGTHS[3:]  # strengths of a clear signal
THIN, RICH = 2, 4  # fewer clear signals are thin evidence; as many, or more, are rich


@dataclass(frozen=True)
class Member:
    """A reader of the cohort.

    Attributes:
        follows: whether the second item leads once what the trace states of the first two is swapped; None: the
            recommender does not rank by its words, or recommends one item only.
    """

    answer: Recommendation
    follows: bool | None

    @property
    def confidence(self) -> float | None:
        """Probability of the first place among the candidates."""
        return self.answer.items[0].score if self.answer.items else None

    @property
    def verdicts(self) -> tuple[int, int]:
        """Numbers of the model's unsupported statements, and of all its statements that can be checked."""
        own = [c.verdict for c in self.answer.claims if c.author == "model" and c.verdict != "opinion"]
        return own.count("unsupported"), len(own)

    @property
    def signals(self) -> int:
        """Number of different clear signals for the first place: those of strength `good` or more, series and author."""
        if not self.answer.items:
            return 0
        first = self.answer.items[0].item
        about = (c.claim for c in self.answer.claims if c.claim.subject == first and c.verdict == "supported")
        speaking = (claim for claim in about if not speaks_against(claim))
        return len({c.kind for c in speaking if c.strength in CLEAR or c.kind in ("series", "author")})

    @property
    def evidence(self) -> str:
        """`thin`, `some` or `rich`."""
        return "thin" if self.signals < THIN else "rich" if self.signals >= RICH else "some"


def fitting(dataset: Dataset, least: int = 1, most: int | None = None) -> list[int]:
    """Rows of the readers with so many items, of those that no model was trained on, where the data set has any."""
    log = dataset.interactions
    rows = np.array(sorted(dataset.held_out) or range(len(log)), dtype=np.int64)
    lengths = np.diff(log.indptr)[rows]
    found: list[int] = rows[(lengths >= max(least, 1)) & (lengths <= (most or lengths.max(initial=0)))].tolist()
    return found


def sampled(rows: Sequence[int], count: int, seed: int) -> list[int]:
    """So many of these rows, drawn without replacement; all, in a drawn order, where there are fewer."""
    drawn: list[int] = np.random.default_rng(seed).permutation(np.array(rows, dtype=np.int64))[:count].tolist()
    return drawn


def cohort(recommender: Recommender, rows: Sequence[int]) -> Iterator[list[Member]]:
    """The readers of these rows in order, several at once. Closing the generator stops it.

    Raises:
        UserError: as `Recommender.stream`.
    """
    log = recommender.dataset.interactions
    queries = [Query(tuple(map(int, log.history(row))), row) for row in rows]
    for place in range(0, len(queries), TOGETHER):
        part = queries[place : place + TOGETHER]
        if not isinstance(recommender, Star):
            yield [Member(answer(recommender, query), None) for query in part]
            continue
        # They bring torch, and the page opens before.
        from star.evaluation.own_words import exchanged, first_of

        yield [
            Member(done, first_of(state, exchanged(state)) == state.order[1] if len(state.order) > 1 else None)
            for done, state in recommender.together(part)
        ]
