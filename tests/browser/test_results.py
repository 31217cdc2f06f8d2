"""The tab Results in a browser: figures are drawn when it is opened, and another evaluation draws others."""

from __future__ import annotations

from typing import Any

import pytest
from test_explore import ready

pytestmark = pytest.mark.browser


def test_figures_are_drawn_and_follow_the_picker(visit: Any, toy_url: str) -> None:
    page = visit(toy_url, 1366, 768).page
    ready(page)
    page.get_by_role("tab", name="Results").click()
    for figure in ("#results-scenarios", "#results-seconds"):
        page.wait_for_selector(f"{figure} canvas, {figure} svg.marks")
    said = page.locator("#results-summary")
    assert "ranks best over all scenarios" in said.inner_text()
    page.get_by_label("Evaluation").click()
    page.get_by_role("option", name="ml-small").click()
    page.wait_for_function("() => document.querySelector('#results-summary').innerText.includes('On ml-small')")
    page.wait_for_function(
        "() => document.querySelector('#results-words').innerText.includes('star evaluate --dataset ml-small')"
    )
