"""Evaluations as figures: method × scenario, accuracy against seconds, and how far the student's words are true.

Pure functions from the documents that `star evaluate` writes to altair charts and escaped HTML.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from star import ROOT
from star.evaluation.report import POOLED
from star.evaluation.tabular import Table
from star.evaluation.trace_report import trace_tables
from star.ui.views.tables import table

if TYPE_CHECKING:
    import altair as alt

Document = Mapping[str, Any]
FOLDER = ROOT / "assets" / "evaluation"
FLOORS = ("unchanged", "random", "centre")  # they check the protocol; the summary states chance
CHANCE = 0.15  # mean of HR@1, HR@3 and HR@5 among twenty
SCENARIOS = {
    "classic": "next book, long shelf",
    "user_cold_start": "three books known",
    "item_cold_start": "rarely read target",
    "long_term": "last three months known",
    "short_term": "last week known",
    POOLED: "all together",
}
GREY = "#86827a"
MEAN = "mean of HR@1, HR@3, HR@5"


@cache
def documents() -> dict[str, Document]:
    """Name → document of every committed evaluation of methods, by name."""
    found = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))}
    return {name: each for name, each in found.items() if "rows" in each and "stages" not in each}


def titled(document: Document) -> str:
    """What the document measures, for the picker: `goodbooks, test readers`."""
    return f"{document['dataset']}, {document['split']} readers"


def _rows(document: Document) -> list[dict[str, Any]]:
    """A row for every method and scenario, the mean over its kinds of negatives."""
    alone = {r["scenario"] for r in document["rows"]} - {
        r["scenario"] for r in document["rows"] if r["negatives"] == POOLED
    }
    return [
        {
            "method": r["method"],
            "scenario": r["scenario"],
            "shown": SCENARIOS.get(r["scenario"], r["scenario"]),
            "mean": r["mean"],
            "low": r["ci"]["mean"][0],
            "high": r["ci"]["mean"][1],
            "seconds": r.get("seconds_per_query"),
            "kind": "student" if r["method"].split(":")[0] == "star" else "other",
        }
        for r in document["rows"]
        if (r["negatives"] == POOLED or r["scenario"] in alone) and r["method"] not in FLOORS
    ]


def by_scenario(document: Document) -> Any:
    """Mean hit rate of every method with its 95 % interval, a panel for each scenario."""
    import altair as alt  # takes a third of a second, and the page opens before

    rows = _rows(document)
    order = [r["method"] for r in sorted(rows, key=lambda r: -r["mean"]) if r["scenario"] == POOLED]
    base = alt.Chart().encode(
        y=alt.Y("method:N", sort=order, title=None),
        color=alt.Color("kind:N", legend=None, scale=_colours()),
    )
    whisker = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=MEAN), x2="high:Q")
    point = base.mark_point(filled=True, size=60).encode(
        x=alt.X("mean:Q", title=MEAN, scale=alt.Scale(zero=False)),
        shape=alt.Shape("kind:N", legend=None),
        tooltip=[
            alt.Tooltip("method:N"),
            alt.Tooltip("shown:N", title="scenario"),
            alt.Tooltip("mean:Q", format=".3f"),
            alt.Tooltip("low:Q", format=".3f"),
            alt.Tooltip("high:Q", format=".3f"),
        ],
    )
    panels = [shown for name, shown in SCENARIOS.items() if any(r["scenario"] == name for r in rows)]
    layered: Any = alt.layer(whisker, point, data=alt.InlineData(values=rows))
    layered = layered.properties(width=240, height=16 * max(len(order), 4))
    return _plain(layered.facet(facet=alt.Facet("shown:N", sort=panels, title=None), columns=2))


def against_seconds(document: Document) -> Any:
    """Mean hit rate of every method, all scenarios together, against seconds for a query."""
    import altair as alt  # takes a third of a second, and the page opens before

    rows = [r for r in _rows(document) if r["scenario"] == POOLED and r["seconds"]]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("seconds:Q", scale=alt.Scale(type="log"), title="seconds for a query"),
        y=alt.Y("mean:Q", scale=alt.Scale(zero=False), title=MEAN),
        color=alt.Color("kind:N", legend=None, scale=_colours()),
    )
    names = base.mark_text(align="left", dx=8).encode(text="method:N")
    points = base.mark_point(filled=True, size=70).encode(
        shape=alt.Shape("kind:N", legend=None),
        tooltip=[alt.Tooltip("method:N"), alt.Tooltip("mean:Q", format=".3f"), alt.Tooltip("seconds:Q")],
    )
    return _plain(alt.layer(points, names).properties(width=520, height=300))


def _plain(chart: Any) -> Any:
    """The chart on the page's own ground, in a grey that can be read on light and dark, without links to other hosts."""
    chart = chart.properties(usermeta={"embedOptions": {"actions": False}})
    return (
        chart.configure(background="transparent")
        .configure_axis(labelColor=GREY, titleColor=GREY, gridOpacity=0.25, domainColor=GREY, tickColor=GREY)
        .configure_header(labelColor=GREY, labelFontWeight="bold")
        .configure_view(stroke=None)
    )


def _colours() -> alt.Scale:
    """Of the students and of all others; both stand out on light and dark ground. Shapes tell them apart as well."""
    import altair as alt  # takes a third of a second, and the page opens before

    return alt.Scale(domain=["student", "other"], range=["#c77700", "#3f83a8"])


def words(document: Document) -> str:
    """Tables on the student's traces, and the command that made all of it, as HTML."""
    tables = [table for table in trace_tables(dict(document.get("trace_quality") or {})) if table.rows]
    command = f"<p>Made by <code>{escape(document['command'])}</code></p>"
    return command + "".join(map(_table, tables))


def _table(shown: Table) -> str:
    rows = [list(map(escape, row)) for row in shown.rows]
    return table(f"{shown.caption}.", list(map(escape, shown.heads)), rows)


def summary(document: Document) -> str:
    """What the figures show, in a few sentences, as HTML."""
    pooled = sorted((r for r in _rows(document) if r["scenario"] == POOLED), key=lambda r: -r["mean"])
    if not pooled:
        return ""
    best = pooled[0]
    most = max(r["n"] for r in document["rows"] if r["negatives"] != POOLED)
    at = f"{best['mean']:.3f} ({best['low']:.3f} to {best['high']:.3f})"
    return (
        f"<p>On {escape(document['dataset'])}, <b>{escape(best['method'])}</b> ranks best over all scenarios: {at}. "
        "Each method ranks one book really read next among twenty candidates; "
        f"chance gives {CHANCE:.3f}. Bars are 95 % intervals over readers, at most {most:,} questions of each kind.</p>"
    )
