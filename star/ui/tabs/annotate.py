"""The tab for rating records one at a time, by mouse or by keyboard alone.

The frame never changes; assets/js fills it with the answers of `annotate_api`. Only the HTML of the views (cards, trace,
evidence, edges) enters the page as HTML; everything else enters as text.
"""

from __future__ import annotations

from html import escape

import gradio as gr

from star.data.words import Words
from star.ui.assets import script
from star.ui.views.graph_view import template as graph


def side(w: Words) -> str:
    """The frame of one trace: cards, trace, graph and evidence. Records of any data set are shown in it."""
    return f"""
<template data-side>
  <section class="star-scope star-side">
    <h2 data-side-name hidden></h2>
    <div class="star-side-cards"><div class="star-live" role="region" aria-label="Recommended {escape(w.items)}"></div></div>
    <div class="star-why">
      <div class="star-left">
        <h2>Trace</h2>
        <div class="star-trace" data-trace><div class="star-live" role="region" aria-label="Trace"></div></div>
      </div>
      <div class="star-right">
        <h2>Graph</h2>
        <div data-graph>{graph(w)}</div>
        <h2>Evidence</h2>
        <div class="star-evidence-panel"><div class="star-live" role="region" aria-label="Evidence"></div></div>
        <details class="star-edges"><summary>Edges of the graph as a table</summary>
          <div data-edges><div class="star-live" role="region" aria-label="Edges of the graph"></div></div>
        </details>
      </div>
    </div>
  </section>
</template>
"""


def frame(w: Words) -> str:
    """What the scripts fill."""
    return f"""
<div class="star-annotate" data-annotate>
  {side(w)}
  <div data-entrance></div>
  <div data-desk hidden>
    <div class="star-bar">
      <div data-who></div><div data-campaign></div><div class="star-progress" data-progress></div>
      <div class="star-bar-tools" data-tools></div>
    </div>
    <p class="star-status" role="status" data-said></p>
    <div class="star-record" data-record hidden>
      <div class="star-shown">
        <div data-shelf></div>
        <div class="star-sides" data-sides></div>
      </div>
      <form class="star-form" data-form aria-label="Your rating"></form>
    </div>
  </div>
</div>
"""


def annotate(w: Words) -> gr.HTML:
    """Lay out the tab inside the Blocks being built."""
    return gr.HTML(
        html_template=frame(w),
        js_on_load="STAR.annotate(element.querySelector('[data-annotate]'));",
        head=script("saver.js") + script("annotate.js"),
        apply_default_css=False,
        elem_id="annotate",
    )
