"""Explore with hostile names in every field, in a browser: no script runs, no markup appears, sentences keep their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

import toy  # noqa: E402
from serving import served  # noqa: E402
from test_explore import LONG, ask, choose_book, click_node, ready  # noqa: E402

pytestmark = pytest.mark.browser

# Names on one line with the next word, where that word is shown before the name.
TURNED = """(root) => [...root.querySelectorAll("bdi")].filter((name) => {
  const next = name.nextSibling;
  if (!next || next.nodeType !== Node.TEXT_NODE || !next.data.trim()) return false;
  const range = document.createRange();
  range.setStart(next, 0);
  range.setEnd(next, 1);
  const [end] = [...name.getClientRects()].slice(-1), [mark] = range.getClientRects();
  return end && mark && Math.abs(end.top - mark.top) < 4 && mark.left < end.right - 2;
}).map((name) => name.parentElement.textContent)"""


@pytest.fixture(scope="module")
def hostile_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served([], tmp_path_factory.mktemp("hostile") / "log", TOY="hostile") as url:
        yield url


def quiet(page: Any) -> None:
    assert page.evaluate("window.hacked === undefined"), "a script of a name ran"


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_of_a_name_runs_or_turns(hostile_url: str, visit: Any, dark: bool) -> None:
    page = visit(hostile_url, dark=dark).page
    ready(page)
    page.get_by_text("Your own shelf").click()
    for n in (11, 2, 0):  # markup, a script, a forced direction
        choose_book(page, toy.BOOKS[n][0], toy.BOOKS[n][0])
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.locator(".star-status.done")).to_be_visible(timeout=LONG)
    quiet(page)
    page.get_by_text("A reader", exact=True).click()
    ask(page)
    expect(page.locator("#cards .star-card")).to_have_count(5)
    page.evaluate("document.querySelectorAll('#trace details').forEach((part) => { part.open = true; })")
    assert page.locator(".star-answer").evaluate(TURNED) == []
    for card in range(5):
        item = page.locator("#cards .star-card").nth(card).get_attribute("data-item")
        page.locator("#cards .star-card").nth(card).get_by_role("button", name="Why this book?").click()
        expect(page.locator("#evidence header:visible h3")).to_have_count(1)
        page.locator("#cards .star-card").nth(card).get_by_role("button", name="Why this book?").click()
    click_node(page, f"i:{item}")
    page.mouse.wheel(0, 50)
    assert (
        page.locator(
            ".star-answer img, .star-answer script, .star-answer iframe, .star-answer [onload]"
        ).count()
        == 0
    )
    quiet(page)
    page.evaluate(
        "document.querySelectorAll('bdi').forEach((name) => { name.style.unicodeBidi = 'normal'; })"
    )
    assert page.locator(".star-answer").evaluate(TURNED), "without isolation the words after a name do move"


def test_the_download_runs_nothing(hostile_url: str, visit: Any, tmp_path: Path) -> None:
    page = visit(hostile_url).page
    ask(page)
    with page.expect_download() as download:
        page.locator("a[data-html]").click()
    file = tmp_path / "report.html"
    download.value.save_as(file)
    opened = visit(file.as_uri()).page
    expect(opened.locator("svg.picture")).to_be_visible(timeout=LONG)
    opened.locator("svg.picture text").first.hover()
    quiet(opened)
    assert opened.locator("h1").count() == 1 and opened.locator("img, iframe, script, a").count() == 0
    assert not re.search(r"[\u202a-\u202e]", opened.locator("body").inner_text())
