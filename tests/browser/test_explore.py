"""Explore in a browser: ask, read the trace, select, switch theme, at several widths, by several visitors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from serving import free_port, serve, toy_command  # noqa: E402

pytestmark = pytest.mark.browser

LONG = 60_000  # milliseconds: the real model may still load during the first test


def ready(page: Any) -> None:
    """Wait until the page's scripts have started; earlier clicks are lost."""
    expect(page.locator("[data-history] li").first).to_be_visible(timeout=LONG)


def ask(page: Any) -> None:
    """Press the button and wait for the complete answer."""
    ready(page)
    page.get_by_role("button", name="Recommend", exact=True).click()
    complete(page)


def complete(page: Any) -> None:
    expect(page.locator(".star-status.done")).to_be_visible(timeout=LONG)
    expect(page.locator(".star-canvas")).to_have_attribute("data-run", re.compile(r"[0-9a-f]{32}"))


def unfold(page: Any, depth: str) -> None:
    """Open the steps or the raw words below the argument."""
    page.locator(f'#trace details[data-key="{depth}"] > summary').click()


def choose_book(page: Any, text: str, title: str) -> None:
    page.get_by_role("combobox", name="Add a book").fill(text)
    page.get_by_role("listbox").get_by_role("option").filter(has_text=title).first.click()


def click_node(page: Any, node: str) -> None:
    """Click a node where vis-network painted it."""
    canvas = page.locator(".star-canvas")
    canvas.scroll_into_view_if_needed()
    at = canvas.evaluate("(c, id) => c.starNetwork.canvasToDOM(c.starNetwork.getPosition(id))", node)
    canvas.click(position=at)


def test_reader_to_evidence(base_url: str, visit: Any) -> None:
    page = visit(base_url).page
    reader = page.get_by_role("combobox", name="Reader")
    expect(reader).not_to_have_value("", timeout=LONG)
    reader.click()
    page.get_by_role("listbox").get_by_role("option").nth(2).click()
    expect(reader).to_have_value(re.compile(r"Reader \d+ · \d+ books · lately .+"))
    ask(page)
    expect(page.locator("#cards .star-card")).to_have_count(5)
    unfold(page, "steps")
    expect(page.locator("#trace .star-step.plan")).to_be_visible()
    expect(page.locator("#trace details.star-tool").first).to_be_attached()
    item = page.locator("#cards .star-card").first.get_attribute("data-item")
    title = page.locator("#cards .star-card h3").first.inner_text()
    click_node(page, f"i:{item}")
    expect(page.locator("#evidence header:visible h3")).to_have_text(title)
    line = page.locator("#evidence [data-evidence]:visible").first
    expect(line.locator(".star-claim .star-detail")).to_be_visible()
    number = line.get_attribute("data-evidence")
    expect(line.locator(".star-claim")).to_have_text(page.locator(f'#trace [data-claim-row="{number}"]').text_content())
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show all claims").click()
    lines = page.locator("#evidence [data-evidence]").count()
    expect(page.locator("#evidence [data-evidence] > .star-claim:visible")).to_have_count(lines)


def test_nothing_is_recommended_before_the_ranking(slow_url: str, visit: Any) -> None:
    page = visit(slow_url).page
    expect(page.locator("[data-history] li").first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.locator("#trace .star-step p").first).to_be_visible()
    expect(page.locator("#cards h3")).to_have_count(0)
    complete(page)
    expect(page.locator("#cards h3")).to_have_count(5)
    expect(page.locator("#trace details[open]")).to_have_count(0)


def test_an_empty_shelf_is_a_friendly_message_and_a_full_one_is_answered(base_url: str, visit: Any) -> None:
    page = visit(base_url).page
    ready(page)
    page.get_by_text("Your own shelf").click()
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.locator(".star-status.error")).to_contain_text("add at least one book", timeout=LONG)
    expect(page.get_by_role("button", name="Recommend", exact=True)).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("Traceback")
    box = page.get_by_role("combobox", name="Add a book")
    for text in ("dune", "hobbit"):
        box.fill(text)
        expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible(timeout=LONG)
        box.press("ArrowDown")
        box.press("Enter")
        expect(box).to_have_value("")
    shelf = page.locator("[data-shelf] li")
    expect(shelf).to_have_count(2)
    first = shelf.nth(0).locator("b").inner_text()
    shelf.nth(1).get_by_role("button", name="up").click()
    expect(shelf.nth(1).locator("b")).to_have_text(first)
    shelf.nth(1).get_by_role("button", name="Remove").click()
    expect(shelf).to_have_count(1)
    page.get_by_role("button", name="Recommend", exact=True).click()
    complete(page)
    expect(page.locator("#cards .star-card h3")).to_have_count(5)


def graph_tools(page: Any, tmp_path: Path) -> None:
    page.get_by_label("Find a node").fill("genre nobody has")
    page.get_by_label("Find a node").fill("reader")
    page.get_by_label("Find a node").press("Enter")
    expect(page.locator("#evidence header:visible h3")).to_contain_text("reader")
    page.get_by_role("switch", name="Whole graph").click()
    physics = page.get_by_role("switch", name="Physics")
    physics.click()
    expect(physics).to_have_attribute("aria-checked", "true")
    physics.click()
    key = page.locator(".star-key.node").filter(has_text="other reader")
    key.click()
    expect(key).to_have_attribute("aria-pressed", "false")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as download:
        page.get_by_role("link", name="report").click()
    saved = tmp_path / "report.html"
    download.value.save_as(saved)
    assert "<svg" in saved.read_text("utf-8")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    assert json.loads(Path(download.value.path()).read_text("utf-8"))["items"]
    alone = page.context.browser.new_context(offline=True).new_page()
    wrong: list[str] = []
    alone.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    alone.on("pageerror", lambda error: wrong.append(str(error)))
    alone.on(
        "request",
        lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None,
    )
    alone.goto(saved.as_uri())
    expect(alone.locator("svg.picture")).to_be_visible()
    expect(alone.locator(".star-card")).to_have_count(page.locator("#cards .star-card").count())
    alone.emulate_media(media="print")
    expect(alone.get_by_role("heading", name="Trace")).to_be_visible()
    assert wrong == []
    alone.context.close()


def test_claim_highlights_its_path_and_the_graph_has_tools(toy_url: str, visit: Any, tmp_path: Path) -> None:
    page = visit(toy_url).page
    ask(page)
    graph_tools(page, tmp_path)
    page.keyboard.press("Escape")
    unfold(page, "steps")
    wrong = page.locator("#trace .star-claim.unsupported")
    wrong.get_by_role("button").click()
    expect(wrong).to_contain_text("not supported")
    expect(wrong.locator(".star-differs").first).to_have_text("differs")
    expect(page.locator("#edges tr.on")).to_have_count(1)
    edge = int(page.locator("#edges tr.on").get_attribute("data-edge"))
    faint = page.locator(".star-canvas").evaluate(
        "c => c.starNetwork.body.data.edges.get().filter(e => e.color.opacity === 1).map(e => e.id)"
    )
    assert faint == [edge]
    page.keyboard.press("Escape")
    expect(page.locator("#edges tr.on")).to_have_count(0)
    row = page.locator("#edges tr[data-edge]").nth(1)
    row.focus()
    row.press("Enter")
    expect(row).to_have_attribute("aria-current", "true")
    expect(page.locator("#evidence header:visible")).to_contain_text("edge")


def test_two_visitors(base_url: str, visit: Any) -> None:
    one, two = visit(base_url).page, visit(base_url).page
    for page in (one, two):
        ready(page)
        page.get_by_text("Your own shelf").click()
    choose_book(one, "dune", "Dune")
    choose_book(two, "pride prejudice", "Pride and Prejudice")
    for page in (one, two):
        page.get_by_role("button", name="Recommend", exact=True).click()
    for page in (one, two):
        complete(page)
    runs = [page.locator(".star-canvas").get_attribute("data-run") for page in (one, two)]
    assert runs[0] != runs[1]
    expect(one.locator("#edges")).not_to_contain_text("Pride and Prejudice – read")
    shelves = []
    for page in (one, two):
        page.locator("#edges tr[data-edge]").first.wait_for()
        shelves.append(
            page.locator(".star-canvas").evaluate(
                "c => c.starNetwork.body.data.nodes.get().filter(n => n.group === 'history').map(n => n.full)"
            )
        )
    assert "Pride and Prejudice" in shelves[1] and "Pride and Prejudice" not in shelves[0]


def test_stop_keeps_what_was_written(slow_url: str, visit: Any) -> None:
    page = visit(slow_url).page
    expect(page.locator("[data-history] li").first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.locator("#trace .star-step").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped")
    expect(page.locator("#trace .star-step").first).to_be_visible()
    ask(page)  # the page still answers


def test_hostile_title_stays_text(toy_url: str, visit: Any) -> None:
    page = visit(toy_url).page
    ready(page)
    page.get_by_text("Your own shelf").click()
    choose_book(page, "onerror", "<img src=x")
    expect(page.locator("[data-shelf] li")).to_contain_text("<img src=x")
    page.get_by_role("button", name="Recommend", exact=True).click()
    complete(page)
    page.locator(".star-canvas").hover()
    click_node(page, "i:29")
    expect(page.locator("#evidence header:visible h3")).to_contain_text("<img src=x")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0


def test_a_question_and_a_link_wait_for_the_model(visit: Any, tmp_path: Path) -> None:
    port = free_port()
    go_on = tmp_path / "go on"
    process, url = serve(toy_command(port, go_on), port, tmp_path / "log")
    try:
        page = visit(url).page
        expect(page.locator("[data-history] li").first).to_be_visible(timeout=LONG)
        expect(page.locator("#loaded")).to_contain_text("loading…")
        page.get_by_role("button", name="Recommend", exact=True).click()
        expect(page.locator("#status")).to_contain_text("still loading")
        followed = visit(f"{url}/?reader=17&run={'0' * 32}").page
        expect(followed.locator("#status")).to_contain_text("Looking for this answer", timeout=LONG)
        asked = visit(f"{url}/?reader=18&run={'0' * 32}").page
        expect(asked.locator("#status")).to_contain_text("Looking for this answer", timeout=LONG)
        asked.get_by_role("button", name="Recommend", exact=True).click()
        expect(asked.locator("#status")).to_contain_text("still loading")
        go_on.touch()
        expect(followed.locator(".star-status.error")).to_contain_text("no longer kept", timeout=LONG)
        complete(page)
        expect(page.locator("#loaded")).to_contain_text("toy-counter")
        complete(asked)  # and the link's answer does not take its place
        asked.wait_for_timeout(500)
        expect(asked.locator("#status")).to_contain_text("for Reader 18")
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(("dark", "widths"), [(False, [400, 900, 1600]), (True, [1600, 900, 400])])
def test_no_sideways_scrolling(base_url: str, visit: Any, dark: bool, widths: list[int]) -> None:
    """Opened at the first width; then the window grows, or shrinks."""
    page = visit(base_url, width=widths[0], dark=dark).page
    ask(page)
    for summary in page.locator("#trace summary").all()[:2]:
        summary.click()
    page.locator("#trace [data-claim]:visible").first.click()
    for width in widths:
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_function("(width) => document.documentElement.scrollWidth <= width", arg=width)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == dark


def test_what_is_loaded_is_said_and_the_theme_is_remembered(base_url: str, visit: Any) -> None:
    visitor = visit(base_url)
    page = visitor.page
    ready(page)
    expect(page.locator("#loaded")).to_contain_text("Checkpoint", timeout=LONG)
    expect(page.locator("#loaded")).to_contain_text("The readers are simulated", timeout=LONG)
    expect(page.locator("#start .star-start")).to_be_attached(timeout=LONG)
    switch = page.get_by_role("switch", name="Dark")
    page.emulate_media(color_scheme="dark")
    visitor.reload()  # whoever never pressed the switch has the system's theme
    expect(switch).to_have_attribute("aria-checked", "true")
    page.emulate_media(color_scheme="light")
    visitor.reload()
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    visitor.reload()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    ready(page)


def test_terms_say_what_they_mean(toy_url: str, visit: Any) -> None:
    page = visit(toy_url).page
    ask(page)
    said = page.locator("#status abbr")
    expect(said.first).to_be_visible()
    assert "token" in said.all_inner_texts()[0] and "the model chose" in str(said.first.get_attribute("title"))
    expect(page.locator("#cards bdi abbr, #cards h3 abbr, #trace cite abbr")).to_have_count(0)
    page.get_by_text("What the words mean").click()
    expect(page.locator(".star-terms dl")).to_contain_text("how many readers of one book also read the other")
