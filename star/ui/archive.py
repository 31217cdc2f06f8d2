"""The database behind `Runs`: finished answers, which outlive the server, and votes between two of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from star.annotation.storage import feedback, runs, votes
from star.annotation.storage.database import Database, Unavailable
from star.annotation.storage.models import Choice
from star.annotation.workflow.frozen import kept_document, reopened
from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.display import isolated
from star.errors import UserError
from star.recommend.recommendation import Feedback, Recommendation
from star.recommend.recommender import TEACHER
from star.student.checkpoint import fingerprint

log = logging.getLogger(__name__)

Changes = tuple[Mapping[str, Any], ...]
"""Edits under which an answer was given, as `edits.to_json` has them, each with its `words`."""
PAUSE = 30.0  # seconds without a write after one that failed, so that no visitor waits for a database that is away


@dataclass(frozen=True)
class Heading:
    """What a list says of an answer. `reader`: row, None for a shelf of `length` items; `first`: title of the first item;
    `at`: seconds since 1970; `changed`: what the visitor changed before it, in words."""

    reader: int | None
    length: int
    first: str
    checkpoint: str
    at: float
    changed: tuple[str, ...] = ()


class Archive:
    """Stores answers and opens them again over the data set that is served.

    Args:
        dataset: waits until the data set is loaded.
        model: checkpoint that the page answers with, as the settings name it.
        most: runs that are kept.
    """

    def __init__(
        self,
        database: Database,
        dataset: Callable[[], Dataset],
        model: str | None = None,
        most: int = runs.KEPT,
    ) -> None:
        self._database, self._dataset, self._most = database, dataset, most
        self._hash = cache(lambda checkpoint: _hash(model, checkpoint))
        self._paused = 0.0

    def keep(self, run: str, answer: Recommendation, catalog: Catalog, changes: Changes = ()) -> None:
        """Store an answer. Where that fails, the log says why, and the answer does not outlive the server."""
        if time.monotonic() < self._paused:
            return
        try:
            document = kept_document(answer, catalog, changes)
            if not runs.keep(self._database, run, document, self._hash(answer.checkpoint), self._most):
                log.warning("an answer is too large to be stored")
        except Unavailable as error:
            self._paused = time.monotonic() + PAUSE
            log.warning("an answer is not stored: %s", error)
        except (UserError, ValueError) as error:  # a value that neither JSON nor the database can hold
            log.warning("an answer is not stored: %s", error)

    def find(self, run: str) -> tuple[Recommendation, Catalog, float, Changes] | None:
        """A stored answer, its catalogue, when it was stored, and its changes; None where there is none.

        Raises:
            UserError: it belongs to another data set or an earlier version of this one, or the database is away.
        """
        found = runs.find(self._database, run)
        if found is None:
            return None
        data = self._dataset()
        if found.dataset != data.name:
            raise UserError(
                f"This answer is about the data set {isolated(found.dataset)}, and this page serves {isolated(data.name)}."
            )
        try:
            answer = reopened(found.document, data.catalog)
            return answer, data.catalog, found.at, tuple(found.document.get("changes", ()))
        except UserError:
            items = data.catalog.words.items
            raise UserError(f"This answer names {items} that the data set no longer has.") from None

    def headings(self, ids: Sequence[str]) -> dict[str, Heading]:
        """Id → heading of the answers with these ids, as far as there are any on this data set.

        Raises:
            Unavailable: the database cannot be reached.
        """
        data = self._dataset()
        return {
            key: Heading(
                found.document["query"]["reader"],
                len(found.document["shelf"]),
                str(found.document["items"][0]["title"]) if found.document["items"] else "",
                found.checkpoint,
                found.at,
                tuple(each["words"] for each in found.document.get("changes", ())),
            )
            for key, found in runs.find_all(self._database, ids).items()
            if found.dataset == data.name
        }

    def cast(
        self,
        sides: tuple[tuple[str, Recommendation], tuple[str, Recommendation]],
        catalog: Catalog,
        choice: Choice,
        visitor: str,
        seconds: float,
    ) -> None:
        """Store a vote with its two runs, (key, answer) of the left one first.

        Raises:
            Unavailable: the database cannot be reached.
        """
        left, right = (
            votes.VotedRun(key, kept_document(answer, catalog), self._hash(answer.checkpoint))
            for key, answer in sides
        )
        votes.cast(self._database, left, right, choice, visitor, seconds)

    def counts(self, first: Recommendation, second: Recommendation) -> dict[str, int]:
        """Stored votes between the two checkpoints: `first`, `second`, `tie`.

        Raises:
            Unavailable: the database cannot be reached.
        """
        return votes.counts(self._database, first.dataset, first.checkpoint, second.checkpoint)

    def say(self, token: str, run: str, answer: Recommendation, catalog: Catalog, said: Feedback) -> None:
        """Store what a visitor said of an item of an answer, in place of what they said of it before.

        Args:
            token: of the visitor's consent.

        Raises:
            Unavailable: the database cannot be reached.
        """
        document = kept_document(answer, catalog)
        item = catalog[said.item].id
        feedback.keep(self._database, token, run, document, item, said.do, self._hash(answer.checkpoint))

    def unsay(self, token: str, item: str | None = None) -> None:
        """Delete what was kept under a consent of one item, or all of it.

        Raises:
            Unavailable: the database cannot be reached.
        """
        feedback.forget(self._database, token, item)


def _hash(model: str | None, checkpoint: str) -> str:
    """Hash of the weights that answer under this name; empty for the teacher and for what has no folder of weights."""
    try:
        return "" if checkpoint == TEACHER else fingerprint(model or checkpoint)
    except UserError:
        return ""
