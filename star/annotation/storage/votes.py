"""Votes of visitors between two runs whose systems were hidden from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import aliased

from star.annotation.storage import runs
from star.annotation.storage.database import Database, clock
from star.annotation.storage.models import Choice, Run, Vote
from star.annotation.storage.runs import StoredRun

KEPT = 10_000
"""Votes that the database keeps; the oldest are dropped."""


@dataclass(frozen=True)
class VotedRun:
    """One side of a vote: a run that is kept with it, under its own key."""

    key: str
    document: Mapping[str, Any]
    hash: str = ""


@dataclass(frozen=True)
class CastVote:
    """A stored vote with both runs, as they stood. `visitor`: pseudonym of one open page; `at`: seconds since 1970."""

    id: int
    left: StoredRun
    right: StoredRun
    choice: Choice
    visitor: str
    seconds: float
    at: float


def cast(
    database: Database,
    left: VotedRun,
    right: VotedRun,
    choice: Choice,
    visitor: str,
    seconds: float,
    most: int = KEPT,
) -> None:
    """Store a vote with both its runs, in one transaction, and drop the oldest votes beyond `most`.

    Raises:
        Unavailable: the database could not be reached.
    """
    with database.write() as session:
        for side in (left, right):
            runs.add(session, side.key, side.document, runs.packed(side.document), side.hash)
        session.add(
            Vote(
                dataset=left.document["dataset"],
                left_run=left.key,
                right_run=right.key,
                choice=choice,
                visitor=visitor,
                seconds=seconds,
                created_at=clock(session),
            )
        )
        session.flush()
        newest = session.scalar(select(func.max(Vote.id))) or 0
        session.execute(delete(Vote).where(Vote.id <= newest - most))


def counts(database: Database, dataset: str, first: str, second: str) -> dict[str, int]:
    """Votes on this data set between two checkpoints: for the `first`, for the `second`, and each `tie`.

    Raises:
        Unavailable: the database could not be reached.
    """
    left, right = aliased(Run), aliased(Run)
    won: Counter[str] = Counter({"first": 0, "second": 0, "tie": 0})
    with database.read() as session:
        found = session.execute(
            select(left.checkpoint, right.checkpoint, Vote.choice, func.count())
            .join(left, left.key == Vote.left_run)
            .join(right, right.key == Vote.right_run)
            .where(Vote.dataset == dataset, left.checkpoint.in_((first, second)))
            .where(right.checkpoint.in_((first, second)))
            .group_by(left.checkpoint, right.checkpoint, Vote.choice)
        )
        for on_left, on_right, choice, number in found:
            better = {"left": on_left, "right": on_right}.get(choice)
            won["tie" if better is None else "first" if better == first else "second"] += number
    return dict(won)


def number(database: Database, dataset: str) -> int:
    """Votes on this data set."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Vote).where(Vote.dataset == dataset)) or 0


def votes(database: Database, dataset: str | None = None) -> Iterator[CastVote]:
    """All votes, oldest first, or those on one data set."""
    left, right = aliased(Run), aliased(Run)
    query = (
        select(Vote, left, right)
        .join(left, left.key == Vote.left_run)
        .join(right, right.key == Vote.right_run)
        .order_by(Vote.id)
    )
    if dataset is not None:
        query = query.where(Vote.dataset == dataset)
    with database.read(long=True) as session:
        for vote, one, other in session.execute(query.execution_options(yield_per=100)):
            yield CastVote(
                vote.id,
                runs.stored(one),
                runs.stored(other),
                vote.choice,
                vote.visitor,
                vote.seconds,
                vote.created_at,
            )
