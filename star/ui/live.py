"""An HTML component whose keyed blocks are replaced one by one, so that open details and focus survive updates.

Components are made by functions, because Gradio writes a `.pyi` stub beside the source of every subclass.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from star.ui.views.trace_view import Block


def live(
    value: list[Block] | None = None, *, label: str, polite: bool = False, later: bool = False, **options: Any
) -> gr.HTML:
    """Shows a list of blocks `{"key", "html"}`. The HTML must come from the views, which escape all text.

    The template is fixed. A template that holds the value would be rebuilt at every update, ten times a second.
    `polite`: screen readers read changes out. `later`: what else has changed comes on the screen first.
    """
    draw = "STAR.live(element, props.value)"
    spoken, named = "polite" if polite else "off", f'aria-label="{escape(label)}"'
    return gr.HTML(
        value=value or [],
        html_template=f'<div class="star-live" role="region" {named} aria-live="{spoken}"></div>',
        js_on_load=f"const draw = () => {f'STAR.later(() => {draw})' if later else draw}; watch('value', draw); draw();",
        apply_default_css=False,
        **options,
    )


def block(html: str, key: str = "only") -> list[Block]:
    """A value of one block."""
    return [{"key": key, "html": html}]
