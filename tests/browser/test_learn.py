"""The tab Learn in a browser: an address opens its step, the figure is drawn, and its knob changes it."""

from __future__ import annotations

from typing import Any

FIGURE = "#figure-3"


def test_a_link_opens_its_step_and_the_knob_changes_the_figure(visit: Any, toy_url: str) -> None:
    page = visit(f"{toy_url}/?step=3", 1366, 768).page
    page.wait_for_selector("#step-3", state="visible")
    page.wait_for_function(f"() => document.querySelector('{FIGURE}').innerText.includes('times')")
    before = page.locator(FIGURE).inner_text()
    knob = page.locator("#step-3 input[type=number]")
    knob.fill("40")
    knob.press("Enter")
    page.wait_for_function(f"old => document.querySelector('{FIGURE}').innerText != old", arg=before)
