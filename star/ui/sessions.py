"""Gradio's sessions without the copy of every component's settings that each new one makes.

Gradio keeps the copy for links to a page's state, which this page does not offer (`star/ui/security/guard.py` closes the
route). It takes more time than most events, and a session is forgotten as soon as its event is answered.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class _Session(SessionState):
    def __init__(self, blocks: gr.Blocks) -> None:
        without: Any = SimpleNamespace(default_config=blocks.default_config, blocks=())
        super().__init__(without)

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class _Sessions(StateHolder):
    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks)
        return super().__getitem__(session_id)


def lighten(page: gr.Blocks) -> None:
    """Make the sessions of a mounted page light ones."""
    page.state_holder.__class__ = _Sessions
