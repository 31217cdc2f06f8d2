"""Votes of visitors: stored with both runs, counted for each system, and exported as comparisons."""

from __future__ import annotations

from pathlib import Path

import answering
import pytest

from star.annotation.exchange.export import load_export
from star.annotation.exchange.preferences import load_preferences
from star.annotation.exchange.visitors import RUBRIC, export_votes, gathered_votes
from star.annotation.storage import runs
from star.annotation.storage.database import Database
from star.annotation.storage.votes import VotedRun, cast, counts, votes
from star.annotation.workflow.frozen import kept_document, reopened
from star.errors import UserError
from star.questions.running import fixed
from star.recommend.recommender import answer
from star.trace import grammar

NAME, CATALOG = answering.dataset().name, answering.dataset().catalog


@pytest.fixture(scope="module")
def pair() -> tuple[VotedRun, VotedRun]:
    """The student's and the teacher's run over the same candidates."""
    student, teacher = (answering.recommender(name) for name in ("student", "teacher"))
    catalog = student.dataset.catalog
    one = answer(student, answering.query(0))
    other = answer(teacher, fixed(answering.query(0), one.candidates))
    return (
        VotedRun("a" * 32, kept_document(one, catalog), "0123456789abcdef"),
        VotedRun("b" * 32, kept_document(other, catalog)),
    )


def other(side: VotedRun, key: str) -> VotedRun:
    return VotedRun(key * 32, side.document, side.hash)


def test_a_vote_is_stored_with_both_runs_and_counted(database: Database, pair: tuple[VotedRun, VotedRun]) -> None:
    student, teacher = pair
    names = NAME, student.document["checkpoint"], teacher.document["checkpoint"]
    assert counts(database, *names) == {"first": 0, "second": 0, "tie": 0}
    cast(database, student, teacher, "left", "v-1", 3.5)
    cast(database, other(teacher, "c"), other(student, "d"), "left", "v-1", 1.0)
    cast(database, other(teacher, "e"), other(student, "f"), "right", "v-2", 1.0)
    cast(database, student, teacher, "tie", "v-2", 1.0)
    assert counts(database, *names) == {"first": 2, "second": 1, "tie": 1}
    assert counts(database, "another", *names[1:]) == {"first": 0, "second": 0, "tie": 0}
    first, *_, last = votes(database)
    assert (first.choice, first.visitor, first.seconds) == ("left", "v-1", 3.5) and first.at > 0
    assert [reopened(run.document, CATALOG) for run in (first.left, first.right)] == [
        reopened(side.document, CATALOG) for side in pair
    ]
    assert (last.left.key, last.choice) == ("a" * 32, "tie")
    assert runs.find(database, "b" * 32) is not None


def test_the_oldest_votes_are_dropped(database: Database, pair: tuple[VotedRun, VotedRun]) -> None:
    for number in range(5):
        cast(database, *pair, "tie", f"v-{number}", 1.0, most=2)
    assert [vote.visitor for vote in votes(database, NAME)] == ["v-3", "v-4"]


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_votes_are_exported_as_comparisons(
    database: Database, pair: tuple[VotedRun, VotedRun], tmp_path: Path, format: str
) -> None:
    with pytest.raises(UserError, match="no visitor has voted"):
        export_votes(database, NAME, tmp_path / "out", format)
    cast(database, *pair, "right", "v-1", 3.5)
    export_votes(database, NAME, tmp_path / "out", format)
    read = load_export(tmp_path / "out")
    assert read == gathered_votes(database, NAME)
    (row,) = read.comparisons
    student = f"{pair[0].document['checkpoint']}@01234567"
    assert (row.left_system, row.right_system) == (student, pair[1].document["checkpoint"])
    assert (row.choice, row.annotator, row.rubric, row.seconds) == ("right", "v-1", RUBRIC, 3.5)
    one, two = read.written
    assert one.prompt == two.prompt and one.checkpoint == "0123456789abcdef" and two.checkpoint == ""
    words = set(one.completion.split())
    rows = [grammar.item_row(word) for word in words]
    assert any(row is not None for row in rows) and max(row or 0 for row in rows) < len(read.items)


def test_votes_train_a_preference(database: Database, pair: tuple[VotedRun, VotedRun], tmp_path: Path) -> None:
    cast(database, *pair, "left", "v-1", 3.5)
    cast(database, *pair, "tie", "v-1", 3.5)
    export_votes(database, NAME, tmp_path / "out", "trl")
    (row,) = load_preferences(tmp_path / "out")
    assert row.chosen_checkpoint == "0123456789abcdef" and row.rejected_checkpoint == "" and row.chosen != row.rejected
    with pytest.raises(UserError, match="no format"):
        export_votes(database, NAME, tmp_path / "out", "xml")
