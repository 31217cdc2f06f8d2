"""Feedback is kept only once a visitor agrees, and deleted when they take that back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from serving import free_port, serve, toy_command  # noqa: E402
from test_explore import LONG, ask  # noqa: E402

from star.annotation.storage.feedback import feedback  # noqa: E402
from star.annotation.storage.migrate import open_database  # noqa: E402

pytestmark = pytest.mark.browser


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    process, made = serve(toy_command(port), port, tmp_path / "log")
    yield made
    process.terminate()
    process.wait(10)


def test_a_visitor_agrees_changes_a_word_and_takes_it_back(url: str, visit: Any, tmp_path: Path) -> None:
    database = open_database(tmp_path / "annotations.sqlite")

    def said() -> list[str]:
        return [each.said for each in feedback(database, "toy")]

    visitor = visit(url, width=1366)
    page = visitor.page
    ask(page)
    box = page.get_by_role("checkbox", name="Keep what I say")
    note = page.locator("#consent [data-said]")
    expect(box).to_be_hidden()
    buttons = page.locator("#cards [data-feedback]")
    buttons.nth(2).click()  # more like this
    expect(box).not_to_be_checked()
    assert said() == []
    box.check()
    expect(note).to_have_text("Kept.", timeout=LONG)
    assert said() == ["more"]
    buttons.nth(4).click()  # not for me, of the second
    expect(page.locator("[data-told] li")).to_have_count(2)
    buttons.nth(2).click()
    expect(note).to_have_text("Deleted.", timeout=LONG)
    assert said() == ["no"]
    visitor.reload()
    expect(box).to_be_checked(timeout=LONG)
    box.uncheck()
    expect(note).to_contain_text("deleted", timeout=LONG)
    assert said() == []
    expect(box).not_to_be_checked()
