"""A frozen record and its rating form as the page draws them, with the views of the Explore tab. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from star.annotation.workflow.frozen import from_json
from star.annotation.workflow.rubric import CANNOT_JUDGE, Version
from star.recommend.readable import NAMES, plural
from star.ui.views import cards as views
from star.ui.views.evidence_view import edge_table, evidence
from star.ui.views.graph_view import payload
from star.ui.views.trace_view import trace

Run = Mapping[str, Any]


def side(run: Run) -> dict[str, Any]:
    """One trace as the page draws it. Annotators' flags point into `steps` and `claims`.

    `cards`, `trace`, `evidence` and `edges` are HTML of the views, which escape all text; the rest is plain text.
    """
    answer, catalog = from_json(run)
    shelf, w = [catalog[row] for row in answer.query.history], catalog.words
    return {
        "heading": f"The {w.user}'s {w.shelf}: {plural(len(shelf), w.item, w.items)}, latest first",
        "shelf": [{"title": item.title, "by": views.byline(item)} for item in reversed(shelf)],
        "cards": views.cards(answer, catalog),
        "trace": trace(answer, catalog),
        "graph": payload(answer, catalog),
        "evidence": evidence(answer, catalog),
        "edges": edge_table(answer, catalog),
        "steps": [
            {"name": NAMES[step.type], "text": step.text, "claims": list(step.claims)}
            for step in answer.steps
        ],
        "claims": [claim.text for claim in answer.claims],
    }


def sides(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One side for a single record; left and right for a pair."""
    return [side(run) for run in runs]


def form(version: Version) -> dict[str, Any]:
    """A rubric for the rating form and its guidelines."""
    return {"label": version.label, "cannot_judge": CANNOT_JUDGE} | asdict(version.rubric)
