"""Write README's tables and tree, and the model cards, from their sources, so that no number is typed by hand.

    python -m training.tables            (a test fails where README and its sources differ)

`<!-- table: NAME -->` … `<!-- end -->` holds the tables of `assets/evaluation/NAME.json`, as `star evaluate --json` wrote
it; `<!-- table: stages-NAME -->` those that `python -m training.compare --json` wrote; `<!-- table: preferences -->` those
of every `assets/evaluation/preferences-TASTE.json`, as `python -m training.simulated_raters --json` wrote them;
`<!-- tree -->` holds every module with the first sentence of its docstring.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from star.errors import command
from star.report import tables
from star.settings import ROOT
from star.tabular import Table, markdown
from training.cards import cards, evaluation
from training.compare import shown

README = ROOT / "README.md"
STAGES = "stages-"
BLOCK = re.compile(r"<!-- (table: (?P<name>[\w-]+)|tree) -->\n.*?<!-- end -->", re.DOTALL)


def rendered(text: str) -> str:
    """README with every block made anew."""

    def block(found: re.Match[str]) -> str:
        name = found["name"]
        body = preferences() if name == "preferences" else table(name) if name else tree()
        head = found[0].splitlines()[0]
        return f"{head}\n{body}\n<!-- end -->"

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
            f"\n\nOn two cores, one query after the other ({timing['n']} readers), medians: first word after "
            f"{timing['first_word_s']:.2f} s, whole answer after {timing['total_s']:.2f} s."
        )
    )
    return f"`{document['command']}`\n\n{markdown(tables(document))}{said}"


MEASURED = {"readable": "traces that can be read", "hr_mean": "mean hit rate", "words": "words written"}


def documents() -> list[dict[str, Any]]:
    """What was measured with simulated raters, one document per taste."""
    files = sorted((ROOT / "assets" / "evaluation").glob("preferences-*.json"))
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


def tree() -> str:
    """Every Python module of the project with the first sentence of its docstring."""
    lines = []
    files = [
        ROOT / "app.py",
        *sorted((ROOT / "star").rglob("*.py")),
        *sorted((ROOT / "training").glob("*.py")),
    ]
    for file in files:
        doc = ast.get_docstring(ast.parse(file.read_text("utf-8")))
        if file.name != "__init__.py" and doc:
            sentence = re.split(r"(?<=[.:])\s", doc.split("\n\n")[0].replace("\n", " "))[0].rstrip(".:")
            lines.append(f"{file.relative_to(ROOT)!s:<34} {sentence}")
    return "```\n" + "\n".join(lines) + "\n```"


def main() -> None:
    made = {README: rendered(README.read_text("utf-8")), **cards()}
    for file, text in made.items():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    command(main)
