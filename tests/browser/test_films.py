"""A page over films in a browser: no word of it is of books, whatever is pressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from films import write_films  # noqa: E402
from serving import served, star_command  # noqa: E402
from test_explore import LONG, ask  # noqa: E402

from star.data.importers import import_dataset  # noqa: E402

pytestmark = pytest.mark.browser

OF_BOOKS = re.compile(r"\b(books?|readers?|shelf|author)\b", re.IGNORECASE)
# The text of the page, folded parts too, and the attributes that are shown or read out, those of templates too. The raw
# words of a trace are the grammar's, which are of books everywhere.
SHOWN = """() => {
  const roots = [document.body, ...[...document.querySelectorAll("template")].map((one) => one.content)];
  const found = [];
  for (const root of roots) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode())
      if (!node.parentElement?.closest("script, style, .star-words, .star-words + pre")) found.push(node.data);
    for (const element of root.querySelectorAll("[aria-label], [title], [placeholder]"))
      for (const name of ["aria-label", "title", "placeholder"]) found.push(element.getAttribute(name) || "");
    for (const input of root.querySelectorAll("input")) found.push(input.value);
  }
  return found.filter((text) => text.trim());
}"""
VALUES = {"reader", "shelf"}  # of the two radio buttons; nobody sees them


@pytest.fixture(scope="module")
def films_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("films")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAR_DATA", str(folder / "sets"))
        import_dataset("movielens", write_films(folder / "in"), "films")
    with served(star_command("--dataset", "films"), folder / "log", STAR_DATA=str(folder / "sets")) as url:
        yield url


def quiet(page: Any) -> None:
    shown = [text for text in page.evaluate(SHOWN) if text not in VALUES]
    assert len(shown) > 50
    assert [text for text in shown if OF_BOOKS.search(text)] == []


def test_no_word_of_books(films_url: str, visit: Any) -> None:
    page = visit(films_url).page
    viewer = page.get_by_role("combobox", name="Viewer")
    expect(viewer).to_have_value(re.compile(r"Viewer \d+ · 14 films · lately Picture \d+"), timeout=LONG)
    quiet(page)
    ask(page)
    expect(page.locator("#cards .star-card")).to_have_count(5)
    expect(page.locator("#status")).to_contain_text(re.compile(r"5 films for Viewer \d+"))
    expect(page.locator(".star-legend")).to_contain_text("on the watch list")
    quiet(page)
    page.get_by_text("Your own watch list").click()
    page.get_by_role("combobox", name="Add a film").fill("Picture 7")
    page.get_by_role("listbox").get_by_role("option").first.click()
    page.get_by_role("combobox", name="Add a film").fill("Picture 7")
    page.get_by_role("listbox").get_by_role("option").first.click()
    expect(page.locator(".star-picker [data-said]")).to_have_text(re.compile("is on the watch list already"))
    quiet(page)
    page.get_by_role("tab", name="Annotate").click()
    expect(page.locator("#annotate").get_by_label(re.compile("enter your name|Your name")).first).to_be_visible(timeout=LONG)
    quiet(page)
    page.get_by_role("tab", name="Lead").click()
    page.locator("#lead").get_by_label("Your name").fill("Lea", timeout=LONG)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="New campaign").click(timeout=LONG)
    expect(page.get_by_text("Difficulty: shares of viewers")).to_be_visible()
    quiet(page)
