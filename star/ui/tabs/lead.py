"""The tab for making and watching campaigns, deciding conflicts and exporting ratings."""

from __future__ import annotations

from html import escape

import gradio as gr

from star.data.words import Words
from star.ui.assets import script
from star.ui.tabs.annotate import side


def frame(w: Words) -> str:
    """What the scripts fill; `data-users` is what a new campaign samples."""
    return f"""
<div class="star-lead" data-lead data-users="{escape(w.users)}">
  {side(w)}
  <div data-entrance></div>
  <div data-desk hidden></div>
</div>
"""


def lead(w: Words) -> gr.HTML:
    """Lay out the tab inside the Blocks being built."""
    return gr.HTML(
        html_template=frame(w),
        js_on_load="STAR.lead(element.querySelector('[data-lead]'));",
        head=script("lead.js"),
        apply_default_css=False,
        elem_id="lead",
    )
