"""Trace quality, from what a student that is known through and through writes to the document and its tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import reading
import scribe
import toys

from star.evaluation import evaluate as evaluation
from star.evaluation.answers import answers
from star.evaluation.evaluate import evaluate
from star.evaluation.report import tables
from star.evaluation.trace_quality import quality
from star.evaluation.trace_report import trace_tables
from star.methods.registry import METHODS
from star.methods.student import StarRanker


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "star", lambda context: scribe.student(scribe.by_item_cf))
        patch.setattr(evaluation, "_latency", lambda *_: None)
        return evaluate(
            reading.dataset(),
            ["slots", "star"],
            ["classic"],
            ["uniform"],
            tasks=16,
            split_name="valid",
            traces=14,
        )


@pytest.mark.slow
def test_what_the_student_writes_is_counted(document: dict[str, Any]) -> None:
    for mode in ("served", "free"):
        found = document["trace_quality"][mode]
        assert (found["valid"], found["claim_precision"], found["call_validity"]) == (1, 1, 1)
        assert found["calls"] == 2 * 14 and found["distinct_plans"] == pytest.approx(1 / 14)
        assert 0 < found["claim_recall"] < 1 and found["lines"] > 3 * 14


def test_recall_and_distinct_lines_by_hand(document: dict[str, Any]) -> None:
    ranker = scribe.student(scribe.by_item_cf)
    made = quality(ranker, scribe.tasks(6))["served"]
    cited = there = 0
    lines: list[str] = []
    for answer in answers(ranker, scribe.tasks(6)):
        text = " ".join(answer.writer.words)
        five = {f"<i{item}>" for item in answer.trace.ranking}
        for part in text.split("<tool_response> ")[1:]:
            heard = [line.split()[:1] for line in part.split(" </tool_response>")[0].split(" ;")]
            there += sum(bool(line) and line[0] in five for line in heard)
        quotes = text.split("<reflection> ")[1].split(" </reflection>")[0].split(" ;")
        own = [line.split() for line in quotes if line.strip()]
        cited += sum(line[0] in five for line in own)
        lines += [" ".join(line) for line in own]
    assert made["claim_recall"] == pytest.approx(cited / there)
    assert made["distinct_lines"] == pytest.approx(len(set(lines)) / len(lines)) and made["lines"] == len(
        lines
    )


def test_calls_no_tool_takes_are_not_valid() -> None:
    """Free, the parrot calls item_cf with a number that it does not take; as served it cannot."""
    ranker = scribe.student(scribe.by_evidence)
    table = {**toys.GOOD, "item_cf": "7", "7": "</tool_call>"}
    wrong = StarRanker(ranker.dataset, ranker.graph, toys.parrot(ranker.checkpoint, table))
    found = quality(wrong, scribe.tasks(4))
    assert (found["free"]["calls"], found["free"]["call_validity"], found["free"]["valid"]) == (4, 0, 0)
    assert found["served"]["call_validity"] == 1 and found["served"]["claim_recall"] == 0
    assert found["free"]["claim_recall"] is found["free"]["distinct_lines"] is None


def test_counterfactuals_are_in_the_document(document: dict[str, Any]) -> None:
    found = document["trace_quality"]
    assert found["erasure"]["n"] + found["erasure"]["left_out"] == 14
    assert found["erasure"]["anew"]["arms"]["cited"]["drop"] > 1
    assert found["swapped"]["item_cf"]["turns"] > 0.8 > found["swapped"]["user_cf"]["turns"] == 0
    assert found["reflection"]["first"] == 0 and found["reflection"]["n"] == 14
    json.dumps(document, allow_nan=False)


def test_tables_only_of_what_was_measured(document: dict[str, Any]) -> None:
    captions = [table.caption for table in tables(document)]
    starts = (
        "14 traces",
        "Erasure",
        "Swap within one tool",
        "Does the reflection",
        "One pass",
        "The student's own words",
        "Changed evidence",
    )
    assert [any(caption.startswith(start) for caption in captions) for start in starts] == [True] * 7
    made = [table for table in trace_tables(document["trace_quality"]) if table.rows]
    assert [len(table.rows) for table in made] == [2, 10, 2, 1, 2, 13, 7]
    assert all(len(row) == len(table.heads) for table in made for row in table.rows)
    old = {key: value for key, value in document["trace_quality"].items() if key in ("n", "served", "free")}
    recent = ("calls", "call_validity", "claim_recall", "lines", "distinct_lines", "distinct_plans")
    for mode in ("served", "free"):
        old[mode] = {key: value for key, value in old[mode].items() if key not in recent}
    (traces,) = (table for table in trace_tables(old) if table.rows)
    assert "recall" not in traces.caption and len(traces.heads) == 7
    assert not any(table.rows for table in trace_tables({}))
    nothing = {"erasure": {"n": 0}, "swapped": {"item_cf": {"n": 0}}, "reflection": {"n": 0}}
    assert not any(table.rows for table in trace_tables(old | nothing)[1:])
    assert np.isfinite(document["trace_quality"]["turns"]["time_ratio"])
