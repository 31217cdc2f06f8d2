"""An evaluation in several processes says what it says in one, but for the seconds."""

from __future__ import annotations

from typing import Any

import pytest
import reading

from star.evaluation.evaluate import evaluate

METHODS = ("random", "popularity", "itemknn", "mars")


def document(processes: int) -> dict[str, Any]:
    made = evaluate(
        reading.dataset(), METHODS, ("classic",), ("uniform", "matched"), 60, full=20, processes=processes
    )
    for row in made["rows"]:
        row["seconds_per_query"] = 0
    return made


def test_two_processes_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert document(1) == document(2)
