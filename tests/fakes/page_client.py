"""A client of the page without a browser: it reads the page's events from its configuration and calls them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx


def config(page: httpx.Client) -> dict[str, Any]:
    """The configuration that Gradio's script reads: components, events, layout."""
    found = re.search(r"window\.gradio_config = (.*?);</script>", page.get("/").text, re.DOTALL)
    assert found is not None, "the page holds no configuration"
    return dict(json.loads(found.group(1)))


def event(config: dict[str, Any], element: str, target: str) -> dict[str, Any]:
    """The event that a component triggers, found by its `elem_id`."""
    ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    [found] = [d for d in config["dependencies"] if [ids[element], target] in [list(t) for t in d["targets"]]]
    return dict(found)


def run(page: httpx.Client, number: int, data: list[Any]) -> dict[str, Any]:
    """Call an event through the queue, wait for its end, and return the last message."""
    for message in messages(page, number, data):
        if message["msg"] == "process_completed":
            return message
    raise AssertionError("the answer broke off")


def messages(page: httpx.Client, number: int, data: list[Any]) -> Iterator[dict[str, Any]]:
    """Call an event through the queue; what the server sends of it."""
    session = uuid.uuid4().hex[:11]
    asked = {"data": data, "fn_index": number, "session_hash": session}
    page.post("/gradio_api/queue/join", json=asked).raise_for_status()
    with page.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                yield dict(json.loads(line[5:]))
