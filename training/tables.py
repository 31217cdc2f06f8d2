"""Write README's tables and tree, and the model cards, from their sources, so that no number is typed by hand.

    python -m training.tables            (a test fails where README and its sources differ)

`<!-- table: NAME -->` … `<!-- end -->` holds the tables of `assets/evaluation/NAME.json`, as `star evaluate --json` wrote
it; `<!-- tree -->` … `<!-- end -->` holds every module with the first sentence of its docstring.
"""

from __future__ import annotations

import ast
import re

from star.errors import command
from star.report import tables
from star.settings import ROOT
from star.tabular import markdown
from training.cards import cards, evaluation

README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- (table: (?P<name>[\w-]+)|tree) -->\n.*?<!-- end -->", re.DOTALL)


def rendered(text: str) -> str:
    """README with every block made anew."""

    def block(found: re.Match[str]) -> str:
        body = table(found["name"]) if found["name"] else tree()
        head = found[0].splitlines()[0]
        return f"{head}\n{body}\n<!-- end -->"

    return BLOCK.sub(block, text)


def table(name: str) -> str:
    """One evaluation in Markdown, its command first."""
    document = evaluation(name)
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
