"""The Question tab in a browser: an own shelf, a book cut and put back, why one and not the other, what carries one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from conftest import STAR  # noqa: E402
from serving import free_port, serve  # noqa: E402
from test_explore import LONG, ask, ready  # noqa: E402

pytestmark = pytest.mark.browser
SHELF = (("dune", "Dune"), ("hobbit", "The Hobbit"), ("pride prejudice", "Pride and Prejudice"))
PATIENT = 3 * LONG  # a search runs the model up to forty times


@pytest.fixture(scope="module")
def slots_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo, answered by the student for any catalogue."""
    port = free_port()
    command = [
        sys.executable,
        "-c",
        STAR,
        "serve",
        "--dataset",
        "demo",
        "--model",
        "star",
        "--port",
        str(port),
    ]
    process, url = serve(command, port, tmp_path_factory.mktemp("slots") / "log")
    yield url
    process.terminate()
    process.wait(10)


def open_tab(page: Any) -> None:
    ready(page)
    page.get_by_role("tab", name="Question").click()
    expect(page.locator("#take-last")).to_be_visible()


def begin(page: Any) -> None:
    """Put together a shelf of one's own and let the model answer."""
    open_tab(page)
    page.get_by_role("button", name="Or another reader").click()
    picker = page.locator("#question-picker")
    picker.get_by_text("Your own shelf").click()
    for text, title in SHELF:
        picker.get_by_role("combobox", name="Add a book").fill(text)
        page.get_by_role("option").filter(has_text=title).first.click()
    page.get_by_role("button", name="Begin with this one").click()
    expect(page.locator("#question-form [data-form]")).to_be_visible(timeout=PATIENT)


def done(page: Any) -> None:
    expect(page.locator("#question-status")).to_contain_text("Done. Ask on.", timeout=PATIENT)
    expect(page.locator("#question-stop")).to_be_hidden()


def order(page: Any, column: int) -> list[tuple[str, str]]:
    """(Title, what this column says) of the table of moves."""
    rows = page.locator("#asked .moves tbody tr")
    return [
        (row.locator("th").inner_text(), row.locator("td").nth(column).inner_text().strip())
        for row in rows.all()
    ]


def test_a_book_is_cut_and_put_back(slots_url: str, visit: Any) -> None:
    page = visit(slots_url).page
    begin(page)
    as_it_was = order(page, 0)
    assert len(as_it_was) == 5 and {moved for _, moved in order(page, 2)} == {"stays"}
    page.get_by_text("What if?").click()
    page.get_by_role("button", name="Take off The Hobbit").click()
    expect(page.locator("#asked")).to_contain_text("The Hobbit is taken off the shelf", timeout=LONG)
    expect(page.locator("#asked")).to_contain_text("For comparison, a random change", timeout=LONG)
    done(page)
    assert {moved for _, moved in order(page, 2)} != {"stays"}
    assert [row for row in order(page, 0) if row[1] != "–"] != order(page, 1)
    expect(page.locator("#asked [data-key=model] tbody tr").first).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#asked")).to_contain_text("No change is in force", timeout=LONG)
    done(page)
    assert order(page, 0) == as_it_was and order(page, 1) == as_it_was
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("#asked")).to_contain_text("The Hobbit is taken off the shelf", timeout=LONG)


def test_why_not_with_the_smallest_change(slots_url: str, visit: Any) -> None:
    page = visit(slots_url).page
    begin(page)
    first, second = (title for title, _ in order(page, 0)[:2])
    expect(page.get_by_role("combobox", name="Why this book")).to_have_value(first)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#asked .star-change.found")).to_contain_text(
        f"{second} is ahead of {first}", timeout=PATIENT
    )
    expect(page.locator("#asked .star-change.found")).to_contain_text(
        re.compile(r"found in \d+ runs? of the model")
    )
    done(page)
    assert page.locator("#asked .lines tbody tr").count() >= 5
    expect(page.locator("#asked .lines")).to_contain_text("Co-reading with the last 3 books")
    other = page.get_by_role("combobox", name="and not this book")  # by keyboard, out of the whole catalogue
    other.fill("handmaid")
    expect(page.get_by_role("option").first).to_contain_text("The Handmaid's Tale", timeout=LONG)
    other.press("ArrowDown")
    other.press("Enter")
    expect(other).to_have_value("The Handmaid's Tale")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#asked .lines thead")).to_contain_text("The Handmaid's Tale", timeout=LONG)


def test_what_carries_the_last_answer_of_explore(slots_url: str, visit: Any) -> None:
    page = visit(slots_url).page
    ask(page)
    title = page.locator("#cards .star-card h3").first.inner_text()
    page.get_by_role("tab", name="Question").click()
    page.get_by_role("button", name="Take my last answer").click()
    expect(page.locator("[data-about-whom]")).to_contain_text(title, timeout=LONG)
    page.get_by_text("What carries it?").click()
    page.get_by_role("button", name="Find out").click()
    expect(page.locator("#asked .carried tbody tr").first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#question-status")).to_contain_text("Stopped", timeout=LONG)
    assert page.locator("#asked .carried tbody tr").count() >= 1


def test_without_an_answer_it_says_what_to_do(slots_url: str, visit: Any) -> None:
    page = visit(slots_url).page
    open_tab(page)
    page.get_by_role("button", name="Take my last answer").click()
    expect(page.locator("#question-status .error")).to_contain_text("There is no answer yet", timeout=LONG)


@pytest.mark.parametrize("dark", [False, True])
def test_no_sideways_scrolling_on_a_phone(slots_url: str, visit: Any, dark: bool) -> None:
    page = visit(slots_url, width=400, dark=dark).page
    begin(page)
    page.get_by_text("What if?").click()
    page.get_by_role("button", name="Take off Dune").click()
    done(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.get_by_text("Why not?").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#asked .lines")).to_be_visible(timeout=LONG)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
