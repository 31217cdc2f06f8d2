"""The tab Learn in a browser: steps, their knobs and answers, the stepper, the zoom, and the hand-out without a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

pytestmark = pytest.mark.browser
FIGURE = "#figure-3"
LONG = 60_000  # milliseconds
BLANK = re.compile(r"^\s*$")


def test_a_link_opens_its_step_and_the_knob_changes_the_figure(visit: Any, toy_url: str) -> None:
    page = visit(f"{toy_url}/?step=3", 1366, 768).page
    page.wait_for_selector("#step-3", state="visible")
    page.wait_for_function(f"() => document.querySelector('{FIGURE}').innerText.includes('times')")
    before = page.locator(FIGURE).inner_text()
    knob = page.locator("#step-3 input[type=number]")
    knob.fill("40")
    knob.press("Enter")
    page.wait_for_function(f"old => document.querySelector('{FIGURE}').innerText != old", arg=before)


def settled(page: Any) -> None:
    """Wait until nothing is under way that a reload would break off with an error."""
    expect(page.locator("#figure-1")).not_to_have_text(BLANK, timeout=LONG)
    expect(page.locator("#start .star-start")).to_be_attached(timeout=LONG)


def test_all_eight_steps_are_walked_and_counted_after_a_reload(visit: Any, toy_url: str) -> None:
    visitor = visit(f"{toy_url}/?step=1", 1366, 768)
    page = visitor.page
    count = page.locator("#lesson-progress [data-count]")
    expect(count).to_be_visible(timeout=LONG)
    for number in range(1, 9):
        page.locator(f"#step-{number}-button").click()
        expect(page.locator(f"#figure-{number}")).not_to_have_text(BLANK, timeout=LONG)
        expect(page.locator(f"#figure-{number}")).not_to_contain_text("Something went wrong")
        page.locator(f"#step-{number} [data-answer] summary").press("Enter")  # a figure that grows moves it from the mouse
        expect(count).to_have_text(f"{number} of 8 done")
    page.locator("#step-8 [data-answer] summary").click()  # folding it again takes nothing back
    expect(count).to_have_text("8 of 8 done")
    visitor.reload()
    expect(count).to_have_text("8 of 8 done", timeout=LONG)
    settled(page)
    page.get_by_role("button", name="Start over").click()
    expect(count).to_have_text("0 of 8 done")
    visitor.reload()
    expect(count).to_have_text("0 of 8 done", timeout=LONG)
    settled(page)


def test_next_leads_through_the_tour_which_says_what_is_left(visit: Any, toy_url: str) -> None:
    page = visit(f"{toy_url}/?step=1", 1366, 768).page
    for number in range(1, 9):
        expect(page.locator(f"#figure-{number}")).not_to_have_text(BLANK, timeout=LONG)
        if number not in (2, 5):
            page.locator(f"#step-{number} [data-answer] summary").click()
        if number < 8:
            page.locator(f"#step-{number}").get_by_role("button", name=re.compile("^Next: ")).click()
            expect(page.locator(f"#step-{number + 1}-button")).to_be_focused()
            expect(page.locator("#lesson")).to_be_in_viewport()
    said = page.locator("#step-8 [data-tour]")
    expect(said).to_have_text("Left of the tour: steps 2 and 5. A step is done once you open its answer.")
    for number in (2, 5):
        page.locator(f"#step-{number}-button").click()
        page.locator(f"#step-{number} [data-answer] summary").click()
    page.locator("#step-8-button").click()
    expect(said).to_have_text("The tour is finished: all 8 steps are done.")
    page.locator("#step-8").get_by_role("button", name=re.compile("^Back: ")).click()
    expect(page.locator("#step-7")).to_be_visible()


@pytest.mark.parametrize("by_link", [True, False])
def test_the_teacher_s_slider_ends_at_its_ranking(by_link: bool, visit: Any, toy_url: str) -> None:
    page = visit(f"{toy_url}/?step={5 if by_link else 1}", 1366, 768).page
    if not by_link:
        expect(page.locator("#figure-1")).not_to_have_text(BLANK, timeout=LONG)
        page.locator("#step-5-button").click()
    figure, knob = page.locator("#figure-5"), page.locator("#step-5 input[type=range]")
    expect(figure).to_contain_text("3 of ", timeout=LONG)
    steps = re.search(r"3 of (\d+) steps", figure.inner_text())
    assert steps
    expect(knob).to_have_attribute("max", steps[1])
    knob.focus()
    page.keyboard.press("End")
    expect(figure).to_contain_text(f"{steps[1]} of {steps[1]} steps", timeout=LONG)
    expect(figure).to_contain_text("Ranking")


def test_a_trace_plays_word_by_word_and_back(visit: Any, toy_url: str) -> None:
    page = visit(f"{toy_url}/?step=play", 1366, 768, motion=True).page
    player, play = page.locator("#player"), page.locator("#player [data-play]")
    where, slider = player.locator("[data-where]"), player.locator("[data-place]")
    expect(where).to_contain_text("0 of", timeout=LONG)
    forward, back = (player.get_by_role("button", name=name, exact=True) for name in ("Forward", "Back"))
    forward.click()
    forward.click()
    expect(player.locator(".now")).to_have_text("shelf")  # the second word of the toy's plan
    assert player.locator("section:visible").count() == 1
    back.click()
    expect(player.locator(".now")).to_have_text("The")
    play.click()
    expect(play).to_have_text("Pause")
    # Pressed in the page, at the first frame of a later step: a slow test would find the end.
    pause = """() => /Step [2-9] of/.test(document.querySelector('#player [data-where]').textContent)
        && (document.querySelector('#player [data-play]').click(), true)"""
    page.wait_for_function(pause, timeout=LONG)
    expect(play).to_have_text("Play")
    stopped = slider.input_value()
    page.wait_for_timeout(1200)
    assert slider.input_value() == stopped
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value(str(int(stopped) - 1))
    page.keyboard.press("End")
    expect(player.locator("section.tool").first).to_be_visible()
    expect(forward).to_be_disabled()
    assert player.locator("section.own").count() > player.locator("section.tool").count() > 0
    player.get_by_text("The teacher’s").click()
    expect(where).to_contain_text(re.compile(r"^0 of"), timeout=LONG)
    player.get_by_role("button", name="Next step").click()
    expect(where).to_contain_text("Step 1 of")


def test_without_motion_whole_steps_are_shown(visit: Any, toy_url: str) -> None:
    page = visit(f"{toy_url}/?step=play").page
    expect(page.locator("#player [data-where]")).to_contain_text("0 of", timeout=LONG)
    page.locator("#player [data-play]").click()
    expect(page.locator("#player [data-where]")).to_contain_text("Step 1 of")
    assert int(page.locator("#player [data-place]").input_value()) > 5


def test_a_sentence_is_followed_to_its_probability(visit: Any, base_url: str) -> None:
    page = visit(f"{base_url}/?step=zoom", 1366, 768).page
    panels = page.locator("#zoom .star-zoom > li")
    expect(panels).to_have_count(4, timeout=3 * LONG)
    page.locator("#zoom .star-zoom-items button").nth(1).click()
    title = page.locator("#zoom .star-zoom-items [aria-pressed=true] bdi")
    expect(page.locator("#zoom .star-zoom-items button").nth(1)).to_have_attribute("aria-pressed", "true", timeout=LONG)
    expect(page.locator("#zoom .star-zoom-item")).to_have_text([title.inner_text()] * 4)
    page.locator("#zoom .star-zoom li button").last.click()
    expect(page.locator("#zoom .star-zoom li button").last).to_have_attribute("aria-pressed", "true", timeout=LONG)
    expect(panels.last).to_contain_text("Its logits")
    page.get_by_role("button", name="My last answer from Explore").click()
    expect(page.locator("#zoom .error")).to_contain_text("You have no answer yet", timeout=LONG)


def test_the_hand_out_opens_without_a_network(visit: Any, chromium: Any, toy_url: str, tmp_path: Path) -> None:
    page = visit(f"{toy_url}/?step=1", 1366, 768).page
    expect(page.locator("#lesson-progress")).to_be_visible(timeout=LONG)
    with page.expect_download(timeout=3 * LONG) as download:
        page.get_by_role("button", name="Download the hand-out").click()
    download.value.save_as(tmp_path / "hand-out.html")
    offline = chromium.new_context(offline=True)
    paper = offline.new_page()
    asked: list[str] = []
    paper.on("request", lambda request: asked.append(request.url))
    paper.goto((tmp_path / "hand-out.html").as_uri())
    expect(paper.locator(".sheet")).to_have_count(8)
    expect(paper.locator(".answers li")).to_have_count(8)
    assert asked == [(tmp_path / "hand-out.html").as_uri()]
    assert paper.pdf(path=tmp_path / "hand-out.pdf") and paper.locator("svg").count() == 1
    offline.close()
