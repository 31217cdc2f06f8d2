"""The tab for making and watching campaigns, deciding conflicts and exporting ratings."""

from __future__ import annotations

import gradio as gr

from star.ui.assets import script
from star.ui.tabs.annotate import SIDE

FRAME = f"""
<div class="star-lead" data-lead>
  {SIDE}
  <div data-entrance></div>
  <div data-desk hidden></div>
</div>
"""

SCRIPTS = ("vis-network.js", "star.js", "graph.js", "desk.js", "side.js", "form.js", "lead.js")


def lead() -> gr.HTML:
    """Lay out the tab inside the Blocks being built."""
    return gr.HTML(
        html_template=FRAME,
        js_on_load="STAR.lead(element.querySelector('[data-lead]'));",
        head="".join(map(script, SCRIPTS)),
        apply_default_css=False,
        elem_id="lead",
    )
