"""The cohort in a browser: answered bit by bit, sorted by keyboard, opened without leaving the table for good."""

from __future__ import annotations

import re
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from test_explore import LONG, ready  # noqa: E402

pytestmark = pytest.mark.browser


def column(page: Any, number: int) -> list[str]:
    return [text.strip() for text in page.locator(f"#cohort tbody tr > :nth-child({number})").all_inner_texts()]


@pytest.mark.parametrize(("served", "width"), [("toy_url", 400), ("slow_url", 1366)])
def test_readers_are_answered_sorted_and_opened(
    request: pytest.FixtureRequest, visit: Any, served: str, width: int
) -> None:
    page = visit(request.getfixturevalue(served), width=width).page
    ready(page)
    page.get_by_role("tab", name="Results").click()
    page.get_by_role("tab", name="Cohort").click()
    page.get_by_role("spinbutton", name="How many readers").fill("10")
    page.get_by_role("button", name="Answer them").click()
    if served == "slow_url":
        expect(page.locator("#cohort tbody tr")).to_have_count(8, timeout=LONG)
    expect(page.locator("#cohort-status")).to_contain_text("10 of 10", timeout=LONG)
    head = page.get_by_role("columnheader", name="Books")
    for direction, order in (("descending", -1), ("ascending", 1)):
        head.get_by_role("button").focus()
        page.keyboard.press("Enter")
        expect(head).to_have_attribute("aria-sort", direction)
        lengths = [int(text) for text in column(page, 2)]
        assert lengths == sorted(lengths)[::order] and len(lengths) == 10
    first = page.get_by_role("columnheader", name="First place")
    first.get_by_role("button").click()
    assert column(page, 3) == sorted(column(page, 3)) and head.get_attribute("aria-sort") == "none"
    assert "recommended first" in (first.get_by_role("button").get_attribute("title") or "")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    reader, title = column(page, 1)[0], column(page, 3)[0]
    page.locator("#cohort tbody tr").first.get_by_role("link").press("Enter")
    expect(page.locator("#status")).to_contain_text(f"for {reader}", timeout=LONG)
    expect(page.locator(".star-canvas")).to_have_attribute("data-run", re.compile(r"[0-9a-f]{32}"), timeout=LONG)
    expect(page.locator("#cards h3").first).to_have_text(title)
    expect(page).to_have_url(re.compile(r"reader=\d+&run=[0-9a-f]{32}"))
    page.get_by_role("tab", name="Results").click()
    expect(page.locator("#cohort tbody tr")).to_have_count(10)
    page.get_by_role("tab", name="Saved").click()
    expect(page.locator("#mine li")).to_contain_text([reader])
