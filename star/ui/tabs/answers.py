"""The tab with a visitor's own answers: a list of links, and two of them side by side.

The ids are kept in the visitor's browser; the server tells about an answer only to who names its id.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from star.errors import UserError
from star.questions.compare import side_by_side
from star.ui.assets import script
from star.ui.live import block, live
from star.ui.loader import Loader
from star.ui.runs import Kept, Runs
from star.ui.views import comparison_view as comparison
from star.ui.views.answers_view import named, row, template
from star.ui.views.cards import status as line
from star.ui.views.trace_view import Block

MOST = 50  # answers that a browser remembers
GONE = "One of the two is no longer kept here. Choose another."


def answers(loader: Loader, runs: Runs) -> None:
    """Lay out the tab inside the Blocks being built and connect its events."""
    w = loader.words

    def rows(ids: Any) -> dict[str, Any]:
        try:
            found = runs.headings(ids[:MOST] if isinstance(ids, list) else [])
            return {"rows": [row(run, heading, w) for run, heading in found.items()]}
        except UserError as error:
            return {"error": str(error)}

    with gr.Column(elem_classes="star-mine star-scope"):
        chosen = gr.HTML(
            value={"one": "", "other": ""},
            html_template=template(w),
            js_on_load="STAR.answers(element, props, server, trigger);",
            head=script("answers.js"),
            server_functions=[rows],
            apply_default_css=False,
            elem_id="mine",
        )
        status = live(label="Status of the comparison", polite=True, elem_id="mine-status")
        result = live(label="Two answers side by side", elem_id="compared")

    def compare(value: Any) -> tuple[list[Block], list[Block]]:
        return compared(runs, value)

    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    chosen.submit(compare, chosen, [status, result], **quiet)


def compared(runs: Runs, value: Any) -> tuple[list[Block], list[Block]]:
    """Status and comparison of the two answers that the value names as `one` and `other`."""
    value = value if isinstance(value, dict) else {}
    try:
        one, other = (runs.get(value.get(name)) for name in ("one", "other"))
        if one is None or other is None:
            raise UserError(GONE)
        found = side_by_side(one.answer, other.answer, one.catalog, (_name("A", one), _name("B", other)))
        return [], comparison.revealed(found, True, one.catalog)
    except UserError as error:
        return block(line(str(error), "error")), []


def _name(letter: str, kept: Kept) -> str:
    asked = kept.answer.query
    return f"{letter}: {named(asked.reader, len(asked.history), kept.catalog.words)}, {kept.answer.checkpoint}"
