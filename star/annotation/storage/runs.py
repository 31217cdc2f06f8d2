"""Finished answers of the page, each under a random key. A run is found by its key only; nothing lists the keys."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from star.annotation.storage.database import Database, clock
from star.annotation.storage.models import Feedback, Run, Vote

KEPT = 5_000
"""Runs that the database keeps (`STAR_RUNS_KEPT`); the oldest are dropped, unless a vote or feedback names them."""
LARGEST = 500_000
"""Characters of a packed document; a longer one is not kept. One of the demo has some 25,000."""


@dataclass(frozen=True)
class StoredRun:
    """A run as it is stored. `document`: of `frozen.kept_document`; `at`: seconds since 1970."""

    key: str
    dataset: str
    checkpoint: str
    hash: str
    document: dict[str, Any]
    at: float


def keep(database: Database, key: str, document: Mapping[str, Any], hash: str = "", most: int = KEPT) -> bool:
    """Store a run, and drop the oldest beyond `most`. What a key already holds stays.

    Returns:
        whether the run is stored: a document that is too large is not.

    Raises:
        Unavailable: the database could not be reached.
    """
    text = packed(document)
    if len(text) > LARGEST:
        return False
    with database.write() as session:
        add(session, key, document, text, hash)
        prune(session, most)
    return True


def add(session: Session, key: str, document: Mapping[str, Any], text: str, hash: str = "") -> None:
    """Add a run to the transaction, unless its key is there already. `text`: the document, packed."""
    if session.scalar(select(Run.id).where(Run.key == key)) is None:
        session.add(
            Run(
                key=key,
                dataset=document["dataset"],
                checkpoint=document["checkpoint"],
                hash=hash,
                document=text,
                created_at=clock(session),
            )
        )
        session.flush()


def prune(session: Session, most: int) -> None:
    """Drop the oldest runs beyond the newest `most`, apart from those that a vote or feedback names."""
    newest = session.scalar(select(func.max(Run.id))) or 0
    named = select(Vote.id).where(or_(Vote.left_run == Run.key, Vote.right_run == Run.key))
    said = select(Feedback.id).where(Feedback.run == Run.key)
    session.execute(
        delete(Run)
        .where(Run.id <= newest - most, ~named.exists(), ~said.exists())
        .execution_options(synchronize_session=False)
    )


def find(database: Database, key: str) -> StoredRun | None:
    """The run with this key; None where there is none.

    Raises:
        Unavailable: the database could not be reached.
    """
    with database.read() as session:
        row = session.scalar(select(Run).where(Run.key == key))
        return None if row is None else stored(row)


def find_all(database: Database, keys: Sequence[str]) -> dict[str, StoredRun]:
    """The runs with these keys, as far as there are any.

    Raises:
        Unavailable: the database could not be reached.
    """
    with database.read() as session:
        return {row.key: stored(row) for row in session.scalars(select(Run).where(Run.key.in_(keys)))}


def stored(row: Run) -> StoredRun:
    """A row of the table as data."""
    return StoredRun(row.key, row.dataset, row.checkpoint, row.hash, unpacked(row.document), row.created_at)


def packed(document: Mapping[str, Any]) -> str:
    """A document as compressed JSON in letters, a seventh of its size."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode())).decode()


def unpacked(text: str) -> dict[str, Any]:
    """The document that was packed."""
    return dict(json.loads(zlib.decompress(base64.b85decode(text))))
