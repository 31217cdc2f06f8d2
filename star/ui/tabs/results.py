"""The tab with the committed evaluations as figures, each with the command that made it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from star.ui.views import results_view as views

FIRST = "goodbooks"


def results(tab: gr.Tab) -> None:
    """Lay out the tab inside the Blocks being built and connect its events. Figures are drawn when it is opened."""
    found = views.documents()
    if not found:
        gr.HTML("<p>This installation has no evaluations (assets/evaluation).</p>", apply_default_css=False)
        return
    first = FIRST if FIRST in found else next(iter(found))
    with gr.Column(elem_classes="star-results star-scope"):
        picked = gr.Dropdown(
            [(views.titled(document), name) for name, document in found.items()],
            value=first,
            label="Evaluation",
            elem_id="evaluation",
        )
        said = gr.HTML(elem_id="results-summary", apply_default_css=False)
        gr.HTML("<h2>Methods in every scenario</h2>", apply_default_css=False)
        scenarios = gr.Plot(show_label=False, elem_id="results-scenarios")
        gr.HTML("<h2>Accuracy against seconds</h2>", apply_default_css=False)
        seconds = gr.Plot(show_label=False, elem_id="results-seconds")
        gr.HTML("<h2>What the student writes</h2>", apply_default_css=False)
        words = gr.HTML(elem_id="results-words", apply_default_css=False)

    def show(name: str) -> tuple[Any, ...]:
        # The name comes from the browser.
        document = found.get(name, found[first])
        return (
            views.summary(document),
            views.by_scenario(document),
            views.against_seconds(document),
            views.words(document),
        )

    outputs = [said, scenarios, seconds, words]
    picked.change(show, picked, outputs, show_progress="hidden", api_visibility="private")
    tab.select(show, picked, outputs, show_progress="hidden", api_visibility="private")
