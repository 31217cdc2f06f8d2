"""From an answer to its reasons, in a browser: sentences, path, argument, numbers, readers; and feedback with undo."""

from __future__ import annotations

import re
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from test_explore import LONG, ask, choose_book, complete, ready  # noqa: E402

pytestmark = pytest.mark.browser

DRAWN = "(c) => c.starNetwork.body.data.nodes.getIds()"


def drawn(page: Any) -> list[str]:
    found: list[str] = page.locator(".star-canvas").evaluate(DRAWN)
    return found


def shelf(page: Any, *titles: str) -> None:
    ready(page)
    page.get_by_text("Your own shelf").click()
    for title in titles:
        choose_book(page, title, "")


def test_sentences_path_argument_number_readers(base_url: str, visit: Any) -> None:
    page = visit(base_url, width=1366, height=768).page
    expect(page.locator("#loaded")).to_contain_text("Checkpoint", timeout=2 * LONG)
    ask(page)
    cards = page.locator("#cards .star-card")
    for card in cards.all():
        said = card.locator(".star-sentences .star-sentence")
        assert 1 <= said.count() <= 2
        assert not re.search(r"\d+ of|_cf", said.first.inner_text())
    item = cards.nth(1).get_attribute("data-item")
    first = drawn(page)
    assert len(first) <= 12 and "user" in first
    cards.nth(1).locator(".star-sentence").first.click()
    expect(cards.nth(1)).to_have_class(re.compile("shown"))
    assert f"i:{item}" in drawn(page)
    page.keyboard.press("Escape")
    cards.nth(2).get_by_role("button", name="Why this book?").click()
    path = drawn(page)
    assert len(path) <= 12 and path != first and f"i:{cards.nth(2).get_attribute('data-item')}" in path
    page.get_by_role("switch", name="Whole graph").click()
    assert len(drawn(page)) > len(path)
    expect(page.locator(".star-verdict")).to_contain_text("It recommends")
    expect(page.locator(".star-argument section.why")).to_have_count(5)
    number = page.locator(".star-figure", has_text=re.compile(r"\d+ of \d+ readers")).first
    number.click()
    expect(number).to_have_attribute("aria-expanded", "true")
    behind = page.locator(f'.star-behind[data-behind="{number.get_attribute("data-claim")}"]').first
    expect(behind).to_be_visible()
    expect(behind.locator(".star-users li").first).to_contain_text(re.compile(r"reader \d+"))
    number.click()
    expect(behind).to_be_hidden()
    place = page.locator(".star-said:has(.star-sum) .star-figure").first
    place.click()
    expect(page.locator(".star-sum:visible").first).to_contain_text("%")


@pytest.mark.parametrize("width", [400, 1366])
def test_a_press_brings_the_graph_into_view(toy_url: str, visit: Any, width: int) -> None:
    page = visit(toy_url, width=width, height=768, motion=True).page
    ask(page)
    seen = "(c) => { const b = c.getBoundingClientRect(); return b.bottom > 60 && b.top < innerHeight - 60; }"
    for pressed in (page.locator("#cards .star-sentence").first, page.locator("#trace .star-sentence").last):
        pressed.click()
        page.wait_for_function(f"({seen})(document.querySelector('.star-canvas'))")
        page.keyboard.press("Escape")


def test_feedback_changes_the_next_answer_and_undo_restores_it(toy_url: str, visit: Any) -> None:
    visitor = visit(toy_url)
    page = visitor.page
    shelf(page, "dune", "hyperion")
    page.get_by_role("button", name="Recommend", exact=True).click()
    complete(page)
    titles = page.locator("#cards h3")
    first = titles.all_inner_texts()
    page.locator("#cards .star-card").nth(0).get_by_role("button", name="Not for me").click()
    page.locator("#cards .star-card").nth(1).get_by_role("button", name="More like this").click()
    told, note = page.locator("[data-told]"), page.locator(".star-stale")
    expect(told).to_contain_text(first[0])
    expect(note).to_contain_text("counts from the next answer on")
    assert titles.all_inner_texts() == first
    note.get_by_role("button", name="Recommend again").click()
    expect(titles.first).not_to_have_text(first[0], timeout=LONG)
    complete(page)
    second = titles.all_inner_texts()
    assert not {first[0], first[1]} & set(second)
    expect(note).to_have_text("")
    expect(page).to_have_url(re.compile(r"no=\d+.*more=\d+"))
    visitor.reload()
    expect(told).to_contain_text(first[1], timeout=LONG)
    expect(titles).to_have_text(second, timeout=LONG)
    told.get_by_role("button", name="Undo all").click()
    expect(told).to_be_hidden()
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(titles).to_have_text(first, timeout=LONG)


def test_one_word_at_a_time_can_be_undone(toy_url: str, visit: Any) -> None:
    page = visit(toy_url).page
    ask(page)
    card = page.locator("#cards .star-card").first
    read = card.get_by_role("button", name="Read it")
    read.click()
    expect(read).to_have_attribute("aria-pressed", "true")
    card.get_by_role("button", name="Not for me").click()
    expect(read).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Undo what you said of").click()
    expect(page.locator("[data-told]")).to_be_hidden()
    expect(page.locator(".star-stale")).to_have_text("")
    read.click()
    page.get_by_role("button", name="Another reader").click()
    expect(page.locator("[data-told]")).to_be_hidden()  # it was said for the reader before
