"""Figures of the committed evaluations: every number is the document's, and no text of it becomes markup."""

from __future__ import annotations

import json
from typing import Any

import pytest

from star.ui.views import results_view as views

DOCUMENTS = views.documents()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_figures_show_the_means_of_the_document(name: str) -> None:
    document = DOCUMENTS[name]
    chart = views.by_scenario(document).to_dict()
    shown = {(r["method"], r["scenario"]): r for r in _values(chart)}
    for row in document["rows"]:
        if row["negatives"] == "pooled" and row["method"] not in views.FLOORS:
            found = shown[row["method"], row["scenario"]]
            assert (found["mean"], found["low"], found["high"]) == (row["mean"], *row["ci"]["mean"])
    at = {r["method"]: r for r in _values(views.against_seconds(document).to_dict())}
    assert at and all(r["seconds"] > 0 and r["scenario"] == "pooled" for r in at.values())
    best = max(at.values(), key=lambda r: r["mean"])
    assert f"<b>{best['method']}</b>" in views.summary(document)
    assert document["command"].split(" --")[0] in views.words(document)


def _values(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a chart holds."""
    (rows,) = chart["datasets"].values()
    return list(rows)


def test_names_are_escaped() -> None:
    document = json.loads(json.dumps(next(iter(DOCUMENTS.values())))) | {"command": "<b>x</b>", "dataset": "<i>"}
    assert "<b>x" not in views.words(document) and "<i>" not in views.summary(document)


def test_nothing_leads_to_another_host() -> None:
    chart = views.by_scenario(next(iter(DOCUMENTS.values()))).to_dict()
    assert chart["usermeta"]["embedOptions"]["actions"] is False
