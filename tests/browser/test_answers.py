"""Answers that are kept, in a browser: a link after the server has restarted, one's own list, two side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from serving import Page, free_port, serve, toy_command  # noqa: E402
from test_explore import LONG, ask, choose_book, complete, ready  # noqa: E402

pytestmark = pytest.mark.browser


class Server:
    """The toy page on one port and one database, which can be restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: Page | None = None
        self.url = ""

    def start(self) -> str:
        self.process, self.url = serve(toy_command(self.port), self.port, self.folder / "log")
        return self.url

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


def run_of(page: Any) -> str:
    found = re.search(r"[?&]run=([0-9a-f]{32})", page.url)
    assert found, page.url
    return found[1]


def shown(page: Any) -> list[str]:
    return [page.locator(part).inner_text() for part in ("#status", "#cards", "#trace", "#edges")]


def test_a_link_opens_the_answer_after_a_restart_in_a_fresh_browser(server: Server, visit: Any) -> None:
    page = visit(server.url).page
    ready(page)
    page.get_by_text("Your own shelf").click()
    for text, title in (("dune", "Dune"), ("emma", "Emma")):
        choose_book(page, text, title)
    page.get_by_role("button", name="Recommend", exact=True).click()
    complete(page)
    before, run = shown(page), run_of(page)
    page.close()
    server.stop()
    server.start()
    other = visit(f"{server.url}/?run={run}").page
    complete(other)
    assert shown(other) == before
    expect(other.locator("[data-shelf] li")).to_have_count(2)
    expect(other.locator(".star-stale")).to_have_text("")
    other.get_by_role("tab", name="Question").click()
    other.get_by_role("button", name="Take my last answer").click()
    expect(other.locator("[data-about-whom]")).to_contain_text("your shelf", timeout=LONG)
    nobody = visit(f"{server.url}/?run={'0' * 32}").page
    expect(nobody.locator("#status .error")).to_contain_text("no longer kept", timeout=LONG)


@pytest.mark.parametrize("width", [400, 1366])
def test_ones_own_answers_are_listed_and_two_are_compared(toy_url: str, visit: Any, width: int) -> None:
    visitor = visit(toy_url, width=width)
    page = visitor.page
    ask(page)
    first = run_of(page)
    page.get_by_text("Your own shelf").click()
    choose_book(page, "emma", "Emma")
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page).not_to_have_url(re.compile(first), timeout=LONG)
    complete(page)
    second = run_of(page)
    page.get_by_role("tab", name="Saved").click()
    rows = page.locator("#mine li")
    expect(rows).to_have_count(2, timeout=LONG)
    expect(rows.first).to_contain_text("A shelf of 1 book")
    assert rows.locator("a").evaluate_all("links => links.map((a) => a.getAttribute('href'))") == [
        f"?run={second}",
        f"?run={first}",
    ]
    compare = page.get_by_role("button", name="Compare the two marked")
    expect(compare).to_be_disabled()
    for box in rows.get_by_role("checkbox").all():
        box.check()
    compare.click()
    expect(page.locator("#compared .star-verdict")).to_contain_text("A: a shelf of 1 book", timeout=LONG)
    expect(page.locator("#compared")).to_contain_text("They part at place")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    visitor.reload()
    complete(page)  # the answer that is opened again is noted in the list: not after it is removed there
    page.get_by_role("tab", name="Saved").click()
    expect(rows).to_have_count(2, timeout=LONG)
    rows.first.get_by_role("button", name="Remove").click()
    expect(rows).to_have_count(1, timeout=LONG)
    fresh = visit(toy_url, width=width).page
    ready(fresh)
    fresh.get_by_role("tab", name="Saved").click()
    expect(fresh.locator("#mine")).to_contain_text("Nothing here yet")
    rows.first.get_by_role("link").click()
    complete(page)
    assert run_of(page) == first
