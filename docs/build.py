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

README = ROOT / "README.md"
EVALUATIONS = ROOT / "assets" / "evaluation"
BLOCK = re.compile(r"<!-- (table: )?(?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
FRONT = {
    "popularity": "popularity",
    "itemknn:recent": "item-kNN of the last books",
    "sasrec": "SASRec",
    "fusion": "boosted trees over the tools' signals",
    "mars": "MARS, the teacher",
    "star": "**STAR**",
}
COLUMNS = {
    "goodbooks": "goodbooks, real readers",
    "ml-small": "ml-small, not used in training",
    "demo": "demo, simulated readers",
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
    said = "".join(
        f"\n\nLatency with {timing['candidates']} candidates, one query after the other ({timing['n']} readers), medians: "
        f"the first word comes after {timing['first_word_s']:.2f} s, the whole answer after {timing['total_s']:.2f} s."
        for timing in document.get("latency") or ()
    )
    return f"`{document['command']}`\n\n{markdown(tables(document))}{said}"


def front() -> str:
    """README's one table: a few methods, pooled over all cells, on three data sets; the commands under it."""
    made = {name: evaluation(name) for name in COLUMNS}
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
    heads = ("method", *COLUMNS.values())
    body = markdown([Table("", heads, rows)]).strip()
    return f"{body}\n\n<details><summary>The commands</summary>\n\n```\n{calls}\n```\n</details>"


def trace() -> str:
    """A trace in a few lines: what is said, by whom, and whether the graph supports it."""
    document = json.loads((EVALUATIONS / "trace-demo.json").read_text("utf-8"))
    claims, steps = document["claims"], document["trace"]["steps"]
    first = document["items"][0]["id"]

    def of(kind: str) -> list[dict[str, Any]]:
        """What steps of one type say, in order."""
        return [claims[i] for step in steps if step["type"] == kind for i in step["claims"]]

    plan = next(step for step in steps if step["type"] == "plan")
    found = next(c for c in of("tool_response") if c["subject"] == first and "both" in c["stated"])
    own = [c for c in of("reflection") if c["subject"] == first]
    quoted = [c for c in own if c["kind"] != "over"][:2]
    compared = [c for c in of("reflection") if c["kind"] == "over"][:1]
    call = next(step for step in steps if step["type"] == "tool_call" and step["name"] == "item_cf")
    arguments = ", ".join(f"{name}={value}" for name, value in call["arguments"].items())
    ranked = ", ".join(item["title"] for item in document["items"])
    lines = [
        ("plan", plan["text"].rstrip("; "), MARKS["opinion"]),
        ("tool call", f"{call['name']}({arguments})", ""),
        ("tool", found["text"], "read from the graph"),
        *(("reflection", claim["text"], MARKS[claim["verdict"]]) for claim in (*quoted, *compared)),
        ("ranking", ranked, ""),
    ]
    command = (
        f"star recommend --dataset {document['dataset']} --user {document['user']} --seed {document['seed']}"
    )
    return markdown([Table(f"`{command}` (excerpt)", ("step", "words", "mark"), tuple(lines))])


BLOCKS: dict[str, Callable[[], str]] = {
    "front": front,
    "trace": trace,
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
