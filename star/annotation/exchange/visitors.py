"""Visitors' votes as an export of pairwise preferences, as a campaign's comparisons are, and their feedback as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from star.annotation.exchange.collect import FORMATS, traced
from star.annotation.exchange.export import Export, TraceRow, save_export, write
from star.annotation.exchange.preferences import Label, save_trl
from star.annotation.exchange.rows import Comparison
from star.annotation.storage.database import Database
from star.annotation.storage.feedback import feedback
from star.annotation.storage.runs import StoredRun
from star.annotation.storage.votes import CastVote, votes
from star.errors import UserError

RUBRIC = "visitors' vote 1"
"""What stands as the rubric: which list is better, in one question, names hidden, a tie allowed."""


FEEDBACK_RUBRIC = "visitors' feedback 1"
"""What stands as the rubric of a label: whether the first place suits the visitor."""


@dataclass(frozen=True)
class FeedbackRow:
    """What a visitor said of a recommended item, with no word of who it was.

    `record`: number of the answer; `place`: of the item in it, from 1; `said`: `read` it before, `no` (not for me), `more`
    like this; `at`: seconds since 1970.
    """

    dataset: str
    record: str
    system: str
    checkpoint: str
    item: str
    place: int
    said: Literal["read", "no", "more"]
    at: float


def gathered_votes(database: Database, dataset: str) -> Export:
    """The votes on one data set with the traces of both sides.

    Two checkpoints of one name are two systems, told apart by the hash of their weights.
    """
    cast = list(votes(database, dataset))
    names = {vote.id: _systems(vote) for vote in cast}
    marks = {
        system: run.hash
        for vote in cast
        for system, run in zip(names[vote.id], (vote.left, vote.right), strict=True)
    }
    found = [(vote.id, names[vote.id], (vote.left.document, vote.right.document)) for vote in cast]
    items, written = traced(dataset, found, marks)
    comparisons = tuple(
        Comparison(str(vote.id), *names[vote.id], vote.visitor, vote.choice, vote.seconds, RUBRIC)
        for vote in cast
    )
    return Export(dataset, items, written, (), comparisons)


def _systems(vote: CastVote) -> tuple[str, str]:
    """Names of the left and the right system."""
    return _system(vote.left), _system(vote.right)


def _system(run: StoredRun) -> str:
    return f"{run.checkpoint}@{run.hash[:8]}" if run.hash else run.checkpoint


def export_votes(database: Database, dataset: str, folder: Path, format: str = "jsonl") -> list[Path]:
    """Write the votes on a data set: comparisons and traces as jsonl, csv or parquet, or training rows as trl.

    Raises:
        UserError: no vote, another format, or a folder that cannot be written.
    """
    _known(format)
    whole = gathered_votes(database, dataset)
    if not whole.comparisons:
        raise UserError(f"no visitor has voted on the data set {dataset!r} yet; nothing was written")
    return save_trl(whole, folder) if format == "trl" else save_export(whole, folder, format)


def export_feedback(database: Database, dataset: str, folder: Path, format: str = "jsonl") -> list[Path]:
    """Write the feedback on a data set that visitors agreed to have kept, with the traces of the answers: as jsonl, csv or
    parquet, or, of first places alone, as rows of KTO (trl).

    Raises:
        UserError: no feedback, another format, or a folder that cannot be written.
    """
    _known(format)
    kept = list(feedback(database, dataset))
    runs = {each.run_id: each.run for each in kept}
    found = [(id, (_system(run),), (run.document,)) for id, run in runs.items()]
    items, written = traced(dataset, found, {_system(run): run.hash for run in runs.values()})
    rows = [
        FeedbackRow(
            dataset,
            str(each.run_id),
            _system(each.run),
            each.run.hash,
            each.item,
            next((r["rank"] for r in each.run.document["items"] if r["id"] == each.item), 0),
            each.said,
            each.at,
        )
        for each in kept
    ]
    if not rows:
        raise UserError(f"no feedback on the data set {dataset!r} is kept; nothing was written")
    whole = Export(dataset, items, written)
    if format == "trl":
        return write(folder, whole, [("labels", _labels(rows, written), Label)], "jsonl")
    return write(folder, whole, [("feedback", rows, FeedbackRow), ("traces", written, TraceRow)], format)


def _labels(rows: list[FeedbackRow], written: tuple[TraceRow, ...]) -> list[Label]:
    """An answer is desirable if its first place was read before or more like it is wanted."""
    trace = {row.record: row for row in written}
    return [
        Label(
            trace[row.record].prompt,
            trace[row.record].completion,
            row.said != "no",
            row.dataset,
            row.record,
            "visitor",
            FEEDBACK_RUBRIC,
            row.checkpoint,
            "feedback",
        )
        for row in rows
        if row.place == 1
    ]


def _known(format: str) -> None:
    if format not in FORMATS:
        raise UserError(f"there is no format {format!r}; expected {', '.join(FORMATS)}")
