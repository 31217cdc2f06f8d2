"""Write the generated parts of README and docs/, and the model cards, so that no number is typed by hand.

    python -m docs.build            (a test fails where a page and its sources differ)

A page holds blocks `<!-- NAME -->` … `<!-- end -->`; all between the two lines is generated. `table: X` holds all tables
of `assets/evaluation/X.json`; the other names are functions in `BLOCKS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs import reference
from docs.cards import cards, evaluation
from star import ROOT
from star.cli.app import app
from star.errors import UserError, command
from star.evaluation.report import tables
from star.evaluation.tabular import Table, markdown
from training.studies import scale
from training.studies.compare import shown

README = ROOT / "README.md"
EVALUATIONS = ROOT / "assets" / "evaluation"
STAGES = "stages-"
BLOCK = re.compile(r"<!-- (table: )?(?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
FRONT = {
    "random": "random order",
    "popularity": "popularity",
    "itemknn:recent": "item-kNN of the last books",
    "sasrec": "SASRec",
    "fusion": "boosted trees over the tools' signals",
    "mars": "MARS, the teacher",
    "star": "**STAR**",
}
MARKS = {"supported": "✓ supported", "unsupported": "✗ unsupported", "opinion": "opinion"}


def pages() -> list[Path]:
    """Every page that may hold generated blocks."""
    return [README, *sorted((ROOT / "docs").rglob("*.md"))]


def rendered(text: str) -> str:
    """A page with every block written again.

    Raises:
        UserError: a block of an unknown name.
    """

    def block(found: re.Match[str]) -> str:
        name = found["name"]
        if found[1] is None and name not in BLOCKS:
            raise UserError(f"there is no block {name!r}; expected table: NAME or one of {', '.join(BLOCKS)}")
        body = table(name) if found[1] else BLOCKS[name]()
        return f"{found[0].splitlines()[0]}\n{body}\n<!-- end -->"

    return BLOCK.sub(block, text)


def table(name: str) -> str:
    """One evaluation in Markdown, its command first."""
    document = evaluation(name)
    if name.startswith(STAGES):
        return f"`{document['command']}`\n\n{markdown(shown(document))}"
    timing = document.get("latency")
    said = (
        ""
        if not timing
        else (
            f"\n\nLatency on two CPU cores, one query after the other ({timing['n']} readers), medians: the first word "
            f"comes after {timing['first_word_s']:.2f} s, the whole answer after {timing['total_s']:.2f} s."
        )
    )
    return f"`{document['command']}`\n\n{markdown(tables(document))}{said}"


def front() -> str:
    """README's one table: a few methods, pooled over all cells, on both data sets; the goodbooks command under it."""
    made = {name: evaluation(name) for name in ("goodbooks", "demo")}
    at = {
        (name, r["method"]): r
        for name, document in made.items()
        for r in document["rows"]
        if r["scenario"] == "pooled"
    }

    def cell(name: str, method: str) -> str:
        found = at[name, method]
        low, high = found["ci"]["mean"]
        return f"{found['mean']:.3f} ({low:.3f} to {high:.3f})"

    rows = tuple((title, *(cell(name, method) for name in made)) for method, title in FRONT.items())
    calls = "\n".join(document["command"] for document in made.values())
    heads = ("method", "goodbooks, real readers", "demo, simulated readers")
    body = markdown([Table("", heads, rows)]).strip()
    return f"{body}\n\n<details><summary>The commands</summary>\n\n```\n{calls}\n```\n</details>"


def trace() -> str:
    """README's six lines of a trace: what is said, by whom, and whether the graph supports it."""
    document = json.loads((EVALUATIONS / "trace-demo.json").read_text("utf-8"))
    claims, steps = document["claims"], document["trace"]["steps"]

    def counts(kind: str) -> list[dict[str, Any]]:
        """What steps of one type say of co-reading, in order."""
        said = [claims[i] for step in steps if step["type"] == kind for i in step["claims"]]
        return [claim for claim in said if claim["kind"] == "co_read" and "both" in claim["stated"]]

    plan = next(step for step in steps if step["type"] == "plan")
    own = counts("reflection")[:2]
    found = next(claim for claim in counts("tool_response") if claim["text"] == own[0]["text"])
    call = next(step for step in steps if step["type"] == "tool_call" and step["name"] == "item_cf")
    arguments = ", ".join(f"{name}={value}" for name, value in call["arguments"].items())
    ranked = ", ".join(item["title"] for item in document["items"])
    lines = [
        ("plan", plan["text"].rstrip("; "), MARKS["opinion"]),
        ("tool call", f"{call['name']}({arguments})", ""),
        ("tool", found["text"], "read from the graph"),
        *(("reflection", claim["text"], MARKS[claim["verdict"]]) for claim in own),
        ("ranking", ranked, ""),
    ]
    command = (
        f"star recommend --dataset {document['dataset']} --user {document['user']} --seed {document['seed']}"
    )
    return markdown([Table(f"`{command}` (excerpt)", ("step", "words", "mark"), tuple(lines))])


MEASURED = {"readable": "valid traces", "hr_mean": "mean hit rate", "words": "words written"}


def documents() -> list[dict[str, Any]]:
    """What was measured with simulated raters, one document per taste."""
    files = sorted(EVALUATIONS.glob("preferences-*.json"))
    return [json.loads(file.read_text("utf-8")) for file in files]


def preferences() -> str:
    """Simulated raters' tastes in Markdown: the commands, and a table per taste."""
    made = documents()
    commands = "\n".join(f"`{document['command']}`" for document in made)
    return f"{commands}\n\n{markdown([moved(document) for document in made])}"


def moved(document: dict[str, Any]) -> Table:
    """How training on one taste moved it, the traces and the ranking."""
    taste, config = document["taste"], document["config"]
    stage = document["training"][config["method"]]
    raters, agreed = len(document["raters"]), document["alpha"]["ratings"]
    caption = (
        f"Taste `{taste}`: {document['liked']}. Data set {document['dataset']}, checkpoint `{document['checkpoint']}` "
        f"({document['fingerprint']}), seed {document['seed']}. {raters} raters (α of their ratings {agreed:.2f}) on "
        f"{document['queries']} pairs of traces for training readers; {config['method'].upper()} on {stage['rows']} "
        f"preferences, {stage['steps']} steps. Measured on {document['tasks']} tasks of {document['readers']} "
        f"{document['split']} readers; 95 % intervals (readers resampled, differences paired)"
    )
    body = tuple(
        (
            title,
            str(row["n"]),
            f"{row['before']:.3f} ({_span(row['before_ci'])})",
            f"{row['after']:.3f} ({_span(row['after_ci'])})",
            f"{row['difference']:+.3f} ({row['ci'][0]:+.3f} to {row['ci'][1]:+.3f})",
        )
        for name, title in ({taste: "**their taste**"} | MEASURED).items()
        if (row := document["unseen"][name])
    )
    return Table(caption, ("measured", "tasks", "before", "after", "difference"), body)


def _span(ends: list[float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


BLOCKS: dict[str, Callable[[], str]] = {
    "front": front,
    "trace": trace,
    "preferences": preferences,
    "modules": reference.module_tables,
    "scale": lambda: scale.table(json.loads(scale.RESULTS.read_text("utf-8"))),
    "scale-evidence": lambda: scale.evidence_table(json.loads(scale.RESULTS.read_text("utf-8"))),
    "commands": lambda: reference.command_tables(app),
    "training": reference.training_tables,
    "config": lambda: reference.field_table(ROOT / "training" / "lib" / "config.py", "Config"),
    "preference-config": lambda: reference.field_table(
        ROOT / "training" / "preference.py", "PreferenceConfig"
    ),
}


def main() -> None:
    made = {page: rendered(page.read_text("utf-8")) for page in pages()} | cards()
    for file, text in made.items():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    command(main)
