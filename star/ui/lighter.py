"""Gradio without work that this page has no use for: copies of settings, answers sent twice, applications nobody serves.

Gradio keeps a copy of every component's settings for links to a page's state, which this page does not offer
(`star/ui/security/guard.py` closes the route). It takes more time than most events, and a session is forgotten as soon as
its event is answered. An event that gives its answer piece by piece sends the whole of it once more when it ends, half a
megabyte and more, and the browser draws it again. Gradio also makes an application of a hundred routes each time a page is
begun, queued and laid out; only the one is served that mounting makes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio.blocks
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage, ProcessGeneratingMessage
from gradio.state_holder import SessionState, StateHolder


class _Session(SessionState):
    def __init__(self, blocks: gr.Blocks) -> None:
        without: Any = SimpleNamespace(default_config=blocks.default_config, blocks=())
        super().__init__(without)

    def __setitem__(self, key: int, value: Any) -> None:
        self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class _Sessions(StateHolder):
    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks)
        return super().__getitem__(session_id)


class _Queue(Queue):
    def send_message(self, event: Event, event_message: EventMessage) -> None:
        if isinstance(event_message, ProcessGeneratingMessage):
            event.star_sent = True  # type: ignore[attr-defined]
        elif isinstance(event_message, ProcessCompletedMessage) and event_message.success and hasattr(event, "star_sent"):
            event_message.output = event_message.output | {"data": []}  # the browser leaves every component as it is
        super().send_message(event, event_message)


def lighten(page: gr.Blocks) -> None:
    """Make the sessions of a mounted page light ones, and send each answer once."""
    page.state_holder.__class__ = _Sessions
    page._queue.__class__ = _Queue


_laying_out = threading.Lock()


@contextmanager
def unserved() -> Iterator[None]:
    """Inside, pages are laid out without an application of their own; one thread at a time."""
    names = vars(gradio.blocks)
    with _laying_out:
        real = names["App"]
        names["App"] = SimpleNamespace(create_app=lambda *_, **__: None)
        try:
            yield
        finally:
            names["App"] = real
