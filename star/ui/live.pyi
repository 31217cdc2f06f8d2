"""Live: an HTML component whose keyed blocks are replaced one by one, so that open details and focus survive updates."""

from __future__ import annotations

from typing import Any

import gradio as gr

from star.ui.assets import script
from star.ui.trace_view import Block

from gradio.events import Dependency

class Live(gr.HTML):
    """Shows a list of blocks `{"key", "html"}`. The HTML must come from the views, which escape all text.

    The template is fixed: a template that held the value would be drawn anew at every update, ten times a second.
    """

    def __init__(self, value: list[Block] | None = None, *, label: str = "", live: str = "off", **options: Any) -> None:
        super().__init__(
            value=value or [],
            html_template=f'<div class="star-live" role="region" aria-label="{label}" aria-live="{live}"></div>',
            js_on_load="const draw = () => STAR.live(element, props.value); watch('value', draw); draw();",
            head=script("star.js"),
            apply_default_css=False,
            **options,
        )
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def block(html: str, key: str = "only") -> list[Block]:
    """A value of one block."""
    return [{"key": key, "html": html}]