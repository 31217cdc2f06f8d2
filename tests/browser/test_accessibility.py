"""axe-core finds no serious or critical fault on any tab with a result in it, light and dark."""

from __future__ import annotations

import re
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (make setup installs it)")

from docs.screenshots import SHOTS  # noqa: E402

pytestmark = pytest.mark.browser
GRAVE = ("serious", "critical")


ELSEWHERE = ("learn-zoom",)
"""The toy page has no second reading to look into; a test of its own looks at the page that ships."""
ALIKE = ["tbody tr:nth-child(n + 4)", "li:nth-child(n + 5)", "option:nth-child(n + 4)", "article:nth-of-type(n + 3)"]
"""Further rows and items of a list are like those before them; axe takes minutes for all."""


def faults(page: Any, name: str) -> list[str]:
    """Tab, rule and element of every grave fault of what the page shows now, light and dark. In the dark only colours are
    looked at again."""
    found = _faults(page, f"{name}, light", {})
    _switch(page)
    found += _faults(page, f"{name}, dark", {"runOnly": ["color-contrast"]})
    _switch(page)
    return found


def _switch(page: Any) -> None:
    page.evaluate("document.querySelector('[data-theme-switch]').click()")


def _faults(page: Any, name: str, options: dict[str, Any]) -> list[str]:
    # What is around a step of Learn is around the first one too.
    whole = not re.match(r"learn-[2-8]", name)
    context = {"include": [["body" if whole else "#lesson"]], "exclude": [[some] for some in ALIKE]}
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.Axe().axe_script)
    options = {"resultTypes": ["violations"], "preload": False} | options  # no rule that runs reads style sheets itself
    run = "(given) => axe.run(...given).then((done) => done.violations)"
    return [
        f"{name}: {rule['impact']} {rule['id']}: {node['target']} {node['html'][:160]}"
        for rule in page.evaluate(run, [context, options])
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def test_no_tab_has_a_serious_fault(toy_url: str, visit: Any) -> None:
    page = visit(toy_url, width=1366).page
    found = []
    for name, fill in SHOTS:
        if name not in ELSEWHERE:
            fill(page)
            found += faults(page, name)
    assert found == []


def test_the_zoom_has_no_serious_fault(base_url: str, visit: Any) -> None:
    page = visit(f"{base_url}/?step=zoom", width=1366).page
    page.locator("#zoom .star-zoom").wait_for(timeout=240_000)
    assert faults(page, "zoom") == []
