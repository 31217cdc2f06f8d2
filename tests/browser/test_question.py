"""The Question tab in a browser: an own shelf, a book cut and put back, why one and not the other, what carries one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from test_explore import LONG, ask, ready  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from star.annotation.exchange.export import load_export  # noqa: E402
from star.cli.app import app  # noqa: E402

pytestmark = pytest.mark.browser
SHELF = (("dune", "Dune"), ("hobbit", "The Hobbit"), ("pride prejudice", "Pride and Prejudice"))
PATIENT = 3 * LONG  # a search runs the model up to forty times


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
        page.get_by_role("listbox").get_by_role("option").filter(has_text=title).first.click()
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


def test_a_book_is_cut_and_put_back(own_url: str, visit: Any) -> None:
    page = visit(own_url).page
    begin(page)
    as_it_was = order(page, 0)
    assert len(as_it_was) == 5
    page.get_by_text("What if?").click()
    page.get_by_role("button", name="Take off The Hobbit").click()
    expect(page.locator("#asked")).to_contain_text("“The Hobbit” is taken off the shelf", timeout=LONG)
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
    expect(page.locator("#asked")).to_contain_text("“The Hobbit” is taken off the shelf", timeout=LONG)


def test_why_not_with_the_smallest_change(own_url: str, visit: Any) -> None:
    page = visit(own_url).page
    begin(page)
    first, second = (title for title, _ in order(page, 0)[:2])
    expect(page.get_by_role("combobox", name="Why this book")).to_have_value(first)
    page.get_by_role("button", name="Find out").first.click()
    expect(page.locator("#asked .star-change.found")).to_contain_text(
        f"“{second}” is ahead of “{first}”", timeout=PATIENT
    )
    expect(page.locator("#asked .star-change.found")).to_contain_text(
        re.compile(r"the search took \d+ runs? of the model")
    )
    done(page)
    assert page.locator("#asked .lines tbody tr").count() >= 5
    expect(page.locator("#asked .lines")).to_contain_text("Co-reading with the last 3 books")
    other = page.get_by_role("combobox", name="and not this book")  # by keyboard, out of the whole catalogue
    other.fill("handmaid")
    expect(page.get_by_role("listbox").get_by_role("option").first).to_contain_text("The Handmaid's Tale", timeout=LONG)
    other.press("ArrowDown")
    other.press("Enter")
    expect(other).to_have_value("The Handmaid's Tale")
    page.get_by_role("button", name="Find out").first.click()
    expect(page.locator("#asked .lines thead")).to_contain_text("The Handmaid's Tale", timeout=LONG)


def test_a_card_leads_to_its_question_and_the_change_that_is_found_is_tried(own_url: str, visit: Any) -> None:
    page = visit(own_url, width=1366, height=768).page
    ask(page)
    first, second = page.locator("#cards .star-card h3").all_inner_texts()[:2]
    why = page.get_by_role("button", name=f"Why this book? {second}")
    why.click()
    passage = page.locator("#trace section.asked")
    expect(passage).to_contain_text(f"Why {second}")
    expect(passage).to_be_in_viewport()
    page.get_by_role("button", name=f"Why not first? {second}").click()
    expect(page.get_by_role("combobox", name="and not this book")).to_have_value(second, timeout=LONG)
    found = page.locator("#asked .star-change.found")
    expect(found).to_contain_text(f"“{second}” is ahead of “{first}”", timeout=PATIENT)
    found.get_by_role("button", name="Try it").click()
    expect(page.locator("#question-form [data-pane=what_if]")).to_be_visible()
    # the search is done, and says so until the model answers again
    expect(page.locator("#asked .moves tbody tr").first).to_be_visible(timeout=LONG)
    done(page)
    rows = dict(order(page, 1))
    assert int(rows[second]) < int(rows.get(first, "99").replace("–", "99"))


# In the page itself: by the time a test has seen the first row and found the button, all rows may be there.
STOP_AT_THE_FIRST_ROW = """() => new Promise((done) => {
  const look = () => {
    if (!document.querySelector("#asked .carried tbody tr")) return setTimeout(look, 5);
    document.querySelector("#question-stop").click();
    done();
  };
  look();
})"""


def test_without_an_answer_it_says_what_to_do_and_with_one_what_carries_it(own_url: str, visit: Any) -> None:
    page = visit(own_url).page
    open_tab(page)
    page.get_by_role("button", name="Take my last answer").click()
    expect(page.locator("#question-status .error")).to_contain_text("There is no answer yet", timeout=LONG)
    page.get_by_role("tab", name="Explore").click()
    ask(page)
    title = page.locator("#cards .star-card h3").first.inner_text()
    page.get_by_role("tab", name="Question").click()
    page.get_by_role("button", name="Take my last answer").click()
    expect(page.locator("[data-about-whom]")).to_contain_text(title, timeout=LONG)
    page.get_by_text("What carries it?").click()
    page.get_by_role("button", name="Find out").click()
    page.evaluate(STOP_AT_THE_FIRST_ROW)
    expect(page.locator("#question-status")).to_contain_text("Stopped", timeout=LONG)
    assert page.locator("#asked .carried tbody tr").count() >= 1


def test_a_book_that_is_typed_and_not_chosen_is_not_asked_about(toy_url: str, visit: Any) -> None:
    page = visit(toy_url).page
    ask(page)
    page.get_by_role("tab", name="Question").click()
    page.locator("#take-last").click()
    other = page.locator("#question-form [data-combo=other] input")
    expect(other).not_to_have_value("", timeout=LONG)
    other.fill("Emma")
    other.press("Tab")
    page.locator("[data-ask=why_not]").click()
    expect(page.locator("#question-status")).to_contain_text("Choose two books from the list first")
    expect(page.locator("#asked .lines")).to_have_count(0)


def test_mars_beside_star(own_url: str, visit: Any) -> None:
    page = visit(own_url).page
    begin(page)
    page.get_by_role("radiogroup", name="What do you ask?").get_by_text("Teacher and student").click()
    expect(page.get_by_label("Another system")).to_have_value("mars")
    page.get_by_role("button", name="Let both answer").click()
    done(page)
    asked = page.locator("#asked")
    expect(asked).to_contain_text("They part at place")
    student, mars = asked.locator(".star-turns section").all()
    expect(student).to_contain_text("one pass")
    expect(mars).to_contain_text(re.compile(r"\d agents in \d+ turns"))
    for who in ("planner", "historical interest", "reflector", "ranker"):
        expect(mars).to_contain_text(who)
    expect(asked.locator("thead").last).to_contain_text("Seconds")
    page.get_by_label("Another system").select_option("own")
    page.get_by_role("button", name="Let both answer").click()
    expect(page.locator("#question-status .error")).to_contain_text("two different systems", timeout=LONG)


def test_a_vote_is_in_the_database_and_in_the_export(
    own_url: str, own_folder: Path, visit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(own_url).page
    begin(page)
    page.locator("#question-form .star-modes").get_by_text("Teacher and student").click()
    page.locator('[data-ask="duel"]').click()
    expect(page.locator("#asked .star-blind h3").first).to_have_text("Left", timeout=PATIENT)
    assert "mars" not in page.locator("#asked").inner_text()
    page.locator('[data-ask="tie"]').click()
    expect(page.locator("#asked")).to_contain_text("1 vote so far", timeout=PATIENT)
    done(page)
    monkeypatch.setenv("STAR_DATABASE_URL", str(own_folder / "annotations.sqlite"))
    written = CliRunner().invoke(app, ["annotations", "votes", str(tmp_path / "out")])
    assert written.exit_code == 0, written.output
    (row,) = load_export(tmp_path / "out").comparisons
    assert row.choice == "tie" and "mars" in (row.left_system, row.right_system)


def narrow(page: Any) -> None:
    """Nothing scrolls sideways, neither in the light nor in the dark."""
    for _ in range(2):
        page.get_by_role("switch", name="Dark").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_no_sideways_scrolling_on_a_phone(own_url: str, visit: Any) -> None:
    page = visit(own_url, width=400).page
    begin(page)
    page.get_by_text("What if?").click()
    page.get_by_role("button", name="Take off Dune").click()
    done(page)
    narrow(page)
    page.get_by_text("Why not?").click()
    page.get_by_role("button", name="Find out").first.click()
    expect(page.locator("#asked .lines")).to_be_visible(timeout=LONG)
    narrow(page)
