"""Tables of rankings from an evaluation's document, for the terminal and for docs/results."""

from __future__ import annotations

from typing import Any

from star.evaluation import rules
from star.evaluation.tabular import Table
from star.evaluation.trace_report import trace_tables

POOLED = "pooled"


def tables(document: dict[str, Any]) -> list[Table]:
    """Mean hit rates per scenario and per cell, all metrics per method, paired differences, retrieval, traces."""
    return [
        t
        for t in (
            _scenarios(document),
            _cells(document),
            _metrics(document),
            _pairs(document),
            _recall(document),
            _catalogue(document),
            *trace_tables(document.get("trace_quality") or {}),
        )
        if t.rows
    ]


def _scenarios(document: dict[str, Any]) -> Table:
    """Methods × scenarios: the mean over a scenario's kinds of negatives."""
    rows = document["rows"]
    kinds: dict[str, set[str]] = {}
    for r in rows:
        if r["negatives"] != POOLED:
            kinds.setdefault(r["scenario"], set()).add(r["negatives"])
    at = {
        (r["method"], r["scenario"]): r
        for r in rows
        if r["negatives"] == POOLED or len(kinds[r["scenario"]]) == 1
    }
    columns = [*kinds, *([POOLED] if any(scenario == POOLED for _, scenario in at) else [])]
    body = tuple(
        (method, *(_interval(at.get((method, column)), "mean") for column in columns))
        for method in dict.fromkeys(r["method"] for r in rows)
    )
    heads = tuple(c if c == POOLED or len(kinds[c]) > 1 else f"{c}, {next(iter(kinds[c]))}" for c in columns)
    most = max((r["n"] for r in rows if r["negatives"] != POOLED), default=0)
    who = {"file": "readers of a file"}.get(document["split"], f"{document['split']} readers")
    caption = (
        f"{document['dataset']}, {who}: mean of HR@1, HR@3, HR@5 among 1 + 19 candidates with 95 % intervals (readers "
        f"resampled), mean over the kinds of negatives, at most {most} tasks per cell, seed {document['seed']}; "
        "chance is .150"
    )
    return Table(caption, ("method", *heads), body)


def _cells(document: dict[str, Any]) -> Table:
    """Methods × cells, without intervals (they are in the JSON); empty if every scenario has one cell."""
    rows = [r for r in document["rows"] if r["negatives"] != POOLED]
    at = {(r["method"], r["scenario"], r["negatives"]): r for r in rows}
    columns = list(dict.fromkeys((r["scenario"], r["negatives"]) for r in rows))
    if len(columns) == len({scenario for scenario, _ in columns}):
        return Table("", (), ())
    body = tuple(
        (
            method,
            *(
                "n/a" if (row := at.get((method, *column))) is None else _short(row["mean"])
                for column in columns
            ),
        )
        for method in dict.fromkeys(r["method"] for r in rows)
    )
    heads = ("method", *(f"{s}, {n}" for s, n in columns))
    return Table("The same by kind of negatives; intervals are in the JSON", heads, body)


def _metrics(document: dict[str, Any]) -> Table:
    """All metrics: one line per method, pooled, or one per method and cell if nothing is pooled."""
    rows = document["rows"]
    pooled = [r for r in rows if r["scenario"] == POOLED]
    rows = [r for r in rows if r["negatives"] != POOLED]
    names = ("hr@1", "hr@3", "hr@5", "mean", "ndcg@10", "coverage")
    titles = ("HR@1", "HR@3", "HR@5", "mean", "NDCG@10", "coverage")
    heads = ("method", *titles, "popularity", "s / query", "tokens", "calls")
    body = tuple(
        (
            r["method"],
            *(_short(r[name]) for name in names),
            f"{r['popularity']:.0f}",
            f"{r['seconds_per_query']:.2g}",
            f"{r['generated_tokens']:.0f}",
            f"{r['model_calls']:.0f}",
        )
        for r in pooled or rows
    )
    caption = (
        "Mean over the cells. Coverage: share of the catalogue that is among the first five of any task. Popularity: mean "
        "percentile of the first five. Seconds, generated tokens and model calls are per query"
    )
    return Table(caption, heads, body)


def _pairs(document: dict[str, Any]) -> Table:
    body = tuple(
        (
            f"{r['method']} - {r['against']}",
            _named(r),
            f"{r['difference']:+.3f} ({r['ci']['difference'][0]:+.3f} to {r['ci']['difference'][1]:+.3f})",
            "n/a" if r["ratio"] is None else f"{r['ratio']:.2f} ({_span(r['ci']['ratio'])})",
        )
        for r in document["paired"]
    )
    caption = "Differences of the mean hit rate, paired on the same tasks; the second method is the best of its kind on them"
    return Table(caption, ("pair", "cell", "difference", "ratio"), body)


def _recall(document: dict[str, Any]) -> Table:
    body = tuple(
        (r["scenario"], str(r["n"]), *(_short(r[f"recall@{k}"]) for k in (20, 50, 100)))
        for r in document["retrieval"]
    )
    heads = ("scenario", "targets", "recall@20", "recall@50", "recall@100")
    return Table("Share of targets among the candidates retrieved from the whole catalogue", heads, body)


def _catalogue(document: dict[str, Any]) -> Table:
    """Methods over the whole catalogue, with intervals and paired differences."""
    found = document.get("full_catalogue")
    if not found:
        return Table("", (), ())
    names = {"recall@10": "recall@10", "recall@50": "recall@50", "ndcg@10": "NDCG@10", "ndcg@50": "NDCG@50"}
    body = tuple((row["method"], *(_interval(row, name) for name in names)) for row in found["rows"])
    differences = "; ".join(
        f"{p['method']} less {p['against']} {p['difference']:+.3f} ({p['ci'][0]:+.3f} to {p['ci'][1]:+.3f})"
        for p in found["paired"]
    )
    caption = (
        f"The whole catalogue of {found['items']:,} items except the shelf. The target is the last item of each of "
        f"{found['n']} readers; it is among the candidates only if retrieval finds it. retrieval + …: the method reorders "
        f"the first {found['depth']} retrieved items. 95 % intervals (readers resampled)"
    )
    if differences:
        caption += f". NDCG@10, paired: {differences}"
    if found.get("hygiene"):
        caption += f". {rules.line(found['hygiene'])}"
    return Table(caption, ("method", *names.values()), body)


def _named(row: dict[str, Any]) -> str:
    return row["scenario"] if row["negatives"] == POOLED else f"{row['scenario']}, {row['negatives']}"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"


def _interval(row: dict[str, Any] | None, metric: str) -> str:
    if row is None:
        return "n/a"
    low, high = row["ci"][metric]
    return f"{_short(row[metric])} ({_short(low)} to {_short(high)})"


def _span(ends: list[float | None]) -> str:
    return " to ".join("n/a" if end is None else f"{end:.2f}" for end in ends)
