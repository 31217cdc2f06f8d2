"""Feedback that visitors agreed to have kept: one row an item, deleted by who has the token, bounded, exported nameless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import answering
import pytest
import sqlalchemy as sa

from star.annotation.exchange import tables
from star.annotation.exchange.export import TraceRow, read_manifest
from star.annotation.exchange.preferences import load_labels
from star.annotation.exchange.visitors import FeedbackRow, export_feedback
from star.annotation.storage import runs
from star.annotation.storage.database import Database
from star.annotation.storage.feedback import feedback, forget, keep, number
from star.annotation.workflow.frozen import kept_document
from star.errors import UserError
from star.recommend.recommender import answer

NAME = answering.dataset().name
MINE, THEIRS = "1" * 32, "2" * 32
RUN = "a" * 32


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return kept_document(answer(answering.recommender("student"), answering.query(0)), answering.dataset().catalog)


def said(database: Database) -> list[tuple[str, str]]:
    return [(each.item, each.said) for each in feedback(database, NAME)]


def test_the_last_word_counts_and_only_its_visitor_takes_it_back(database: Database, document: dict[str, Any]) -> None:
    first, second = (item["id"] for item in document["items"][:2])
    keep(database, MINE, RUN, document, first, "no")
    keep(database, MINE, RUN, document, second, "read")
    keep(database, THEIRS, RUN, document, first, "more")
    keep(database, MINE, RUN, document, first, "read")
    assert said(database) == [(second, "read"), (first, "more"), (first, "read")]
    assert (number(database, NAME), number(database, "another")) == (3, 0)
    assert list(feedback(database, "another")) == []
    forget(database, MINE, first)
    assert said(database) == [(second, "read"), (first, "more")]
    forget(database, "3" * 32)
    forget(database, MINE)
    assert said(database) == [(first, "more")]
    with database.read() as session:
        assert THEIRS not in str(session.execute(sa.text("SELECT * FROM feedback")).all()), "a copy deletes nothing"


def test_rows_are_bounded_and_their_runs_stay(database: Database, document: dict[str, Any]) -> None:
    first, second = (item["id"] for item in document["items"][:2])
    for digit in range(4):
        keep(database, f"{digit}" * 32, f"{digit}" * 32, document, first, "no", most=2)
    assert len(said(database)) == 2
    for digit in range(4, 9):
        runs.keep(database, f"{digit}" * 32, document, most=2)
    there = [digit for digit in range(9) if runs.find(database, f"{digit}" * 32) is not None]
    assert there == [2, 3, 7, 8]
    with pytest.raises(sa.exc.IntegrityError):
        keep(database, MINE, RUN, document, second, "hate")


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_it_is_exported_with_traces_and_without_keys(
    database: Database, document: dict[str, Any], tmp_path: Path, format: str
) -> None:
    with pytest.raises(UserError, match="no feedback on the data set"):
        export_feedback(database, NAME, tmp_path / "out", format)
    second = document["items"][1]["id"]
    keep(database, MINE, RUN, document, second, "no", "0123456789abcdef")
    files = export_feedback(database, NAME, tmp_path / "out", format)
    (row,) = tables.read_rows(tmp_path / "out" / f"feedback.{format}", FeedbackRow)
    (trace,) = tables.read_rows(tmp_path / "out" / f"traces.{format}", TraceRow)
    assert (row.item, row.place, row.said, row.record) == (second, 2, "no", trace.record)
    assert row.system == trace.system == f"{document['checkpoint']}@01234567" and row.at > 0
    assert second in read_manifest(tmp_path / "out")[1]
    assert not any(key.encode() in file.read_bytes() for file in files for key in (MINE, RUN))


def test_first_places_become_labels_of_kto(database: Database, document: dict[str, Any], tmp_path: Path) -> None:
    first, second = (item["id"] for item in document["items"][:2])
    keep(database, MINE, RUN, document, first, "more")
    keep(database, MINE, RUN, document, second, "more")
    keep(database, THEIRS, RUN, document, first, "no")
    export_feedback(database, NAME, tmp_path / "out", "trl")
    made = load_labels(tmp_path / "out")
    assert [(label.label, label.source, label.annotator) for label in made] == [
        (True, "feedback", "visitor"),
        (False, "feedback", "visitor"),
    ]
    assert made[0].completion and made[0].prompt == made[1].prompt
    with pytest.raises(UserError, match="no format"):
        export_feedback(database, NAME, tmp_path / "out", "xml")
