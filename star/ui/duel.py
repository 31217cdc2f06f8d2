"""Comparisons of two systems on the page, and the votes that visitors cast while the names are hidden."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Iterator

from star.annotation.storage.database import Unavailable
from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.errors import UserError
from star.questions.compare import VOTES, Ballot, OpenVote, Underway, Vote, compare, watched
from star.questions.rivals import Rivals
from star.questions.running import fixed
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import TEACHER, Recommender
from star.ui.archive import Archive
from star.ui.loader import Loader
from star.ui.picker import spread
from star.ui.views import comparison_view as comparison
from star.ui.views.trace_view import Block


class Duel:
    """Comparisons, and votes on those with the teacher: in the archive, or counted in memory without one."""

    def __init__(self, archive: Archive | None = None) -> None:
        self.ballot, self._archive = Ballot(), archive
        self._counts = Counter({"first": 0, "second": 0, "tie": 0})
        self._rivals: Rivals | None = None

    def rivals(self, loader: Loader) -> Rivals:
        """The systems that can be compared on this page."""
        self._rivals = self._rivals or Rivals(loader.ready(), loader.teacher)
        return self._rivals

    def named(
        self, loader: Loader, first: str, second: str, before: Recommendation
    ) -> Iterator[list[Block]]:
        """Two systems over the candidates of the answer at hand: their turns, what each took, where they part. There is no
        vote, since the visitor has seen whose answer it is.

        Raises:
            UserError: a system that is not offered, or the same one twice.
        """
        if first == second:
            raise UserError("Choose two different systems.")
        one, other = (self.rivals(loader).get(name) for name in (first, second))
        catalog = loader.ready().dataset.catalog
        for state in watched(one, other, fixed(before.query, before.candidates), catalog):
            if isinstance(state, Underway):
                yield comparison.underway(state, catalog.words)
            else:
                yield comparison.revealed(state, True, catalog)

    def answers(
        self, recommender: Recommender, loader: Loader, kind: str, session: str
    ) -> Iterator[list[Block]]:
        """`duel`: two lists for a reader drawn at random, without names; a vote: their names, what each took, where they
        part.

        Raises:
            UserError: nothing is open to vote on, the vote cannot be stored, or the recommender is the teacher itself.
        """
        if recommender.checkpoint == TEACHER:
            raise UserError("The teacher answers on this page already; serve a student to compare it with.")
        catalog, rival = recommender.dataset.catalog, loader.teacher()
        if kind == "duel":
            found = compare(recommender, rival, drawn(recommender.dataset))
            left = self.ballot.begin(session, found, secrets.randbits(32))
            yield comparison.blind(found, left, catalog)
        else:
            vote = next(vote for vote in VOTES if vote == kind)
            voted = self._voted(vote, session, catalog)
            yield comparison.revealed(voted.found, voted.left_first, catalog, vote, self._so_far(voted))

    def _voted(self, vote: Vote, session: str, catalog: Catalog) -> OpenVote:
        """Close this visitor's comparison and store the vote."""
        taken = self.ballot.close(session)
        if taken is None:
            raise UserError(
                "There is nothing to vote on. Draw a new one first; each comparison takes one vote."
            )
        if self._archive is None:
            self._counts[taken.won(vote)] += 1
            return taken
        first, second = ((secrets.token_hex(16), side.answer) for side in (taken.found.first, taken.found.second))
        sides = (first, second) if taken.left_first else (second, first)
        visitor = f"v-{hashlib.sha256(session.encode()).hexdigest()[:12]}"
        try:
            self._archive.cast(sides, catalog, vote, visitor, time.monotonic() - taken.since)
        except Unavailable:
            self.ballot.reopen(session, taken)
            raise UserError("Your vote could not be stored. Vote again in a moment.") from None
        return taken

    def _so_far(self, voted: OpenVote) -> dict[str, int]:
        if self._archive is None:
            return dict(self._counts)
        return self._archive.counts(voted.found.first.answer, voted.found.second.answer)


def drawn(data: Dataset) -> Query:
    """A reader drawn at random among those that no model was trained on, without the last book, which may be recommended."""
    rows = spread(data.interactions, sorted(data.held_out), count=10**6)
    row = secrets.choice(rows)
    history = [int(item) for item in data.interactions.history(row)]
    return Query(tuple(history[:-1] or history), row)
