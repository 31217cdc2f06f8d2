"""What visitors said of recommended items and agreed to have kept for training. It names nobody.

A visitor's consent is a random token in their browser. The database has its hash, so that what was kept under it can be
deleted, and nothing else tells whose it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, func, select

from star.annotation.storage import runs
from star.annotation.storage.database import Database, clock
from star.annotation.storage.models import Feedback, Run
from star.annotation.storage.runs import StoredRun

KEPT = 10_000
"""Rows that the database keeps; the oldest are dropped."""


@dataclass(frozen=True)
class KeptFeedback:
    """What a visitor said of an item, with the run that recommended it. `run_id`: its number in the database."""

    run_id: int
    run: StoredRun
    item: str
    said: Literal["read", "no", "more"]
    at: float


def keep(
    database: Database,
    token: str,
    run: str,
    document: Mapping[str, Any],
    item: str,
    said: str,
    hash: str = "",
    most: int = KEPT,
) -> None:
    """Store what is said of an item of a run, in place of what was said of it before, with the run.

    Args:
        token: of the visitor's consent; run: key of the run; document: of `frozen.kept_document`; item: its id.
        hash: of the checkpoint's weights.

    Raises:
        Unavailable: the database could not be reached.
    """
    with database.write() as session:
        runs.add(session, run, document, runs.packed(document), hash)
        consent = _hashed(token)
        session.execute(delete(Feedback).where(Feedback.consent == consent, Feedback.run == run, Feedback.item == item))
        session.add(Feedback(consent=consent, run=run, item=item, said=said, created_at=clock(session)))
        session.flush()
        newest = session.scalar(select(func.max(Feedback.id))) or 0
        session.execute(delete(Feedback).where(Feedback.id <= newest - most))


def forget(database: Database, token: str, item: str | None = None) -> None:
    """Delete what was kept under a consent of one item, or all of it.

    Raises:
        Unavailable: the database could not be reached.
    """
    with database.write() as session:
        gone = delete(Feedback).where(Feedback.consent == _hashed(token))
        session.execute(gone if item is None else gone.where(Feedback.item == item))


def number(database: Database, dataset: str) -> int:
    """Rows kept on this data set."""
    query = select(func.count()).select_from(Feedback).join(Run, Run.key == Feedback.run).where(Run.dataset == dataset)
    with database.read() as session:
        return session.scalar(query) or 0


def feedback(database: Database, dataset: str) -> Iterator[KeptFeedback]:
    """What was kept on this data set, oldest first."""
    query = (
        select(Feedback, Run).join(Run, Run.key == Feedback.run).where(Run.dataset == dataset).order_by(Feedback.id)
    )
    with database.read(long=True) as session:
        for row, run in session.execute(query.execution_options(yield_per=100)):
            yield KeptFeedback(run.id, runs.stored(run), row.item, row.said, row.created_at)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
