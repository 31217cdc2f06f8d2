"""Explore around an answer, in a browser: buttons in reach, nothing jumps, whose answer it is, its address."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import page_client
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from serving import ROOT, free_port, serve, toy_command  # noqa: E402
from test_explore import LONG, ask, choose_book, complete, ready  # noqa: E402

pytestmark = pytest.mark.browser

# Sums how far the headings below the cards move on the page, from now on.
WATCH = """() => {
  window.moved = {};
  const heads = Object.fromEntries([...document.querySelectorAll(".star-answer h2")].map((h) => [h.textContent, h]));
  const place = (head) => head.getBoundingClientRect().top + window.scrollY;
  const before = Object.fromEntries(Object.entries(heads).map(([name, head]) => [name, place(head)]));
  const look = () => {
    for (const name of window.watched) {
      const now = place(heads[name]);
      window.moved[name] = (window.moved[name] || 0) + Math.abs(now - before[name]);
      before[name] = now;
    }
    requestAnimationFrame(look);
  };
  look();
}"""


# The browser reads the end of a stream of answers only after the server has taken on one more event.
LATE = """(() => {
  const send = window.fetch.bind(window);
  let taken = () => {};
  window.fetch = async (what, how) => {
    const reply = await send(what, how);
    const { pathname } = new URL(what instanceof Request ? what.url : what, location.href);
    if (pathname.endsWith("/queue/join")) setTimeout(() => taken(), 50);
    if (!pathname.endsWith("/queue/data")) return reply;
    let text = "";
    const late = new TransformStream({
      async transform(chunk, out) {
        const messages = (text + chunk).split(/(?<=\\n\\n)/);
        text = messages.at(-1).endsWith("\\n\\n") ? "" : messages.pop();
        for (const message of messages) {
          if (window.late && message.includes('"msg":"close_stream"')) {
            await new Promise((done) => { taken = done; document.body.dataset.held = ""; });
          }
          out.enqueue(message);
        }
      },
    });
    const body = reply.body.pipeThrough(new TextDecoderStream()).pipeThrough(late).pipeThrough(new TextEncoderStream());
    return new Response(body, { headers: reply.headers });
  };
})();
"""


def button(page: Any) -> Any:
    return page.get_by_role("button", name="Recommend", exact=True)


def seen(page: Any, selector: str) -> bool:
    """Whether the element's box lies wholly in the window."""
    return bool(
        page.locator(selector).first.evaluate(
            "(e) => { const b = e.getBoundingClientRect(); return b.height > 0 && b.top >= 0 && b.bottom <= innerHeight; }"
        )
    )


@pytest.mark.parametrize(("width", "heights"), [(1366, [768]), (400, [640, 800])])
def test_recommend_is_in_reach_without_scrolling(toy_url: str, visit: Any, width: int, heights: list[int]) -> None:
    page = visit(toy_url, width=width, height=heights[0]).page
    ready(page)
    assert page.evaluate("scrollY") == 0
    for height in heights:
        page.set_viewport_size({"width": width, "height": height})
        assert seen(page, "#recommend")
    page.get_by_text("Your own shelf").click()
    for text in ("dune", "emma", "hyperion", "foundation", "hobbit", "snow crash", "neuromancer"):
        choose_book(page, text, "")
    for height in heights[::-1]:
        page.set_viewport_size({"width": width, "height": height})
        assert seen(page, "#recommend")


@pytest.mark.parametrize("width", [400, 1366])
def test_nothing_jumps_when_the_ranking_arrives(slow_url: str, visit: Any, width: int) -> None:
    page = visit(slow_url, width=width, height=768, motion=True).page
    ready(page)
    expect(page.locator("#start .star-start")).to_be_attached(timeout=LONG)  # they move what is below them
    # On a narrow page the graph is below the argument, which grows while it is written; and the examples, which are above
    # it, give way to the cards as soon as the button is pressed.
    page.evaluate("(names) => { window.watched = names; }", ["Argument", "Graph"] if width > 860 else ["Argument"])
    if width > 860:
        page.evaluate(WATCH)
    button(page).click()
    if width <= 860:
        expect(page.locator("#cards .star-cards:not(.star-idle)")).to_be_visible(timeout=LONG)
        page.evaluate(WATCH)
    complete(page)
    page.wait_for_timeout(300)
    moved = page.evaluate("window.moved")
    assert all(pixels <= 1 for pixels in moved.values()), moved
    if width == 400:
        expect(page.locator("#status .star-live")).to_be_focused()
        assert seen(page, "#status") and seen(page, "#cards .star-card h3")
    else:
        expect(button(page)).to_be_focused()


@pytest.mark.parametrize("width", [400, 1366])
def test_an_example_is_answered_at_once_and_can_be_reopened_and_questioned(
    base_url: str, visit: Any, width: int
) -> None:
    page = visit(base_url, width=width, height=768).page
    example = page.locator("[data-start]").nth(1)
    expect(example).to_be_visible(timeout=LONG)
    page.evaluate("(names) => { window.watched = names; }", ["Argument"])
    page.evaluate(WATCH)
    point = example.locator("b").inner_text()
    example.click()
    complete(page)
    if width > 860:  # on a narrow page the shelf, which is shown then, is above
        assert all(pixels <= 1 for pixels in page.evaluate("window.moved").values()), point
    expect(page.locator("#status")).to_contain_text("for your shelf")
    expect(page.locator("[data-shelf] li")).to_have_count(6)
    expect(page.locator(".star-stale")).to_have_text("")
    titles = page.locator("#cards .star-card h3").all_inner_texts()
    again = visit(page.url).page
    complete(again)
    assert again.locator("#cards .star-card h3").all_inner_texts() == titles
    expect(again.locator("#start")).to_be_hidden()
    page.get_by_role("tab", name="Question").click()
    page.get_by_role("button", name="Take my last answer from Explore").click()
    expect(page.locator("#question-form")).to_contain_text(titles[0], timeout=LONG)


def test_enter_takes_what_is_typed_and_nothing_that_was_listed_before(toy_url: str, visit: Any) -> None:
    page = visit(toy_url).page
    ready(page)
    options = page.get_by_role("listbox").get_by_role("option")
    page.get_by_role("combobox", name="Reader").click()
    expect(options.first).to_be_visible()
    page.keyboard.type("19")
    page.keyboard.press("Enter")  # before the list of what is typed has come
    expect(page.get_by_role("combobox", name="Reader")).to_have_value(re.compile("^Reader 19 "))
    page.get_by_text("Your own shelf").click()
    box = page.get_by_role("combobox", name="Add a book")
    box.press_sequentially("the")
    expect(options.first).to_be_visible()
    page.keyboard.type(" hobbit")
    page.keyboard.press("Enter")
    expect(page.locator("[data-shelf] li b")).to_have_text(["The Hobbit"])
    expect(box).to_have_value("")


def test_an_answer_for_another_shelf_is_marked(toy_url: str, visit: Any) -> None:
    page = visit(toy_url).page
    ask(page)
    note, answer = page.locator(".star-stale"), page.locator(".star-answer")
    expect(note).to_have_text("")
    first = page.get_by_role("combobox", name="Reader").input_value().split(" · ")[0].split()[1]
    page.get_by_role("button", name="Another reader").click()
    expect(note).to_have_text("This answer is for another reader; press Recommend.")
    expect(answer).to_have_class(re.compile("stale"))
    assert float(page.locator(".star-why").evaluate("(c) => getComputedStyle(c).opacity")) < 0.6
    reader = page.get_by_role("combobox", name="Reader")
    reader.fill(first)
    reader.press("Enter")
    expect(note).to_have_text("")
    page.get_by_text("Your own shelf").click()
    choose_book(page, "dune", "Dune")
    button(page).click()
    complete(page)
    expect(note).to_have_text("")
    choose_book(page, "emma", "Emma")
    expect(note).to_have_text("This answer is for another shelf; press Recommend.")
    page.locator("[data-shelf] li").nth(1).get_by_role("button", name="Remove").click()
    expect(note).to_have_text("")


def test_an_unknown_run_says_so_and_an_unknown_reader_is_refused_where_it_is_typed(toy_url: str, visit: Any) -> None:
    page = visit(f"{toy_url}/?reader=17&run={'0' * 32}").page
    expect(page.locator(".star-status.error")).to_contain_text("no longer kept", timeout=LONG)
    expect(page.get_by_role("combobox", name="Reader")).to_have_value(re.compile("^Reader 17 "))
    ask(page)
    expect(page.locator("#status")).to_contain_text("for Reader 17")
    run = page.locator(".star-canvas").get_attribute("data-run")
    reader, refused = page.get_by_role("combobox", name="Reader"), page.locator("[data-refused]")
    reader.fill("9999")
    button(page).click()
    expect(refused).to_contain_text("There is no reader “9999”")
    expect(reader).to_have_attribute("aria-invalid", "true")
    expect(reader).to_have_value("9999")
    expect(page.locator(".star-status.error")).to_contain_text("There is no reader “9999”")
    expect(page.locator(".star-canvas")).to_have_attribute("data-run", run)  # the answer before stays
    reader.fill("19")
    button(page).click()
    complete(page)
    expect(page.locator("#status")).to_contain_text("for Reader 19", timeout=LONG)
    expect(refused).to_have_text("")
    expect(reader).to_have_value(re.compile("^Reader 19 "))


def test_an_answer_asked_for_while_the_stream_of_answers_ends_arrives(toy_url: str, visit: Any) -> None:
    page = visit(f"{toy_url}/star-assets/star.js").page
    script = (ROOT / "assets" / "js" / "stream.js").read_text()
    page.route("**/star-assets/stream.js*", lambda route: route.fulfill(body=LATE + script, content_type="text/javascript"))
    page.goto(toy_url)
    ready(page)
    page.evaluate("window.late = true")
    ask(page)
    expect(page.locator("body[data-held]")).to_be_attached()
    before = page.locator(".star-canvas").get_attribute("data-run")
    button(page).click()
    expect(page.locator(".star-canvas")).not_to_have_attribute("data-run", before)
    complete(page)


def test_an_answer_is_sent_once(toy_url: str) -> None:
    with httpx.Client(base_url=toy_url, timeout=60) as client:
        ask = page_client.event(page_client.config(client), "recommend", "click")["id"]
        question = {"mode": "reader", "reader": 17, "shelf": [], "k": 5, "seed": 0}
        *_, last, end, close = page_client.messages(client, ask, [question])
    assert [last["msg"], end["msg"], close["msg"]] == ["process_generating", "process_completed", "close_stream"]
    assert "star-card" in json.dumps(last["output"]["data"]) and end["success"] and end["output"]["data"] == []


def keyboards_and_names(page: Any) -> None:
    assert page.locator(".star-canvas [tabindex]").count() == 0
    assert page.locator('#edges [tabindex="0"]').count() == 1
    rows = page.locator("#edges tr[data-edge]")
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    expect(rows.nth(1)).to_have_attribute("tabindex", "0")
    page.keyboard.press("End")
    expect(rows.last).to_be_focused()
    assert page.locator('#edges [tabindex="0"]').count() == 1
    names = page.locator(".star-answer button:visible, .star-ask button:visible").evaluate_all(
        "(all) => all.filter((b) => b.dataset.claim === undefined)"
        ".map((b) => b.getAttribute('aria-label') || b.textContent.trim())"
    )
    assert all(names) and len(set(names)) == len(names), names
    inputs = page.locator(".gradio-container input:visible")
    named = "(all) => all.map((i) => i.labels?.length > 0 || Boolean(i.getAttribute('aria-label')))"
    assert all(inputs.evaluate_all(named))


def test_keyboards_names_and_whole_numbers_of_which_a_wrong_one_changes_nothing_else(toy_url: str, visit: Any) -> None:
    page = visit(toy_url).page
    ask(page)
    keyboards_and_names(page)
    run = page.locator(".star-canvas").get_attribute("data-run")
    count = page.get_by_label("How many books")
    for wrong in ("2.5", "0", "11", "", "x", "1e1"):
        count.fill(wrong)
        expect(count).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#star-k-refused")).to_contain_text("whole number from 1 to 10")
    button(page).click()
    expect(count).to_be_focused()
    expect(page.locator(".star-status.done")).to_be_visible()
    expect(page.locator(".star-canvas")).to_have_attribute("data-run", run)
    count.fill("3")
    page.get_by_text("Advanced").click()
    page.get_by_label("Seed").fill("7")
    button(page).click()
    expect(page.locator("#cards .star-card h3")).to_have_count(3, timeout=LONG)


def test_reload_and_back_keep_reader_shelf_and_answer(toy_url: str, visit: Any) -> None:
    visitor = visit(toy_url)
    page = visitor.page
    ask(page)
    first = page.locator(".star-canvas").get_attribute("data-run")
    reader = page.get_by_role("combobox", name="Reader").input_value()
    titles = page.locator("#cards h3").all_inner_texts()
    expect(page).to_have_url(re.compile(f"run={first}"))
    page.get_by_text("Your own shelf").click()
    choose_book(page, "dune", "Dune")
    choose_book(page, "emma", "Emma")
    page.get_by_label("How many books").fill("4")
    button(page).click()
    expect(page.locator("#cards h3")).to_have_count(4, timeout=LONG)
    second = page.locator("#cards h3").all_inner_texts()
    visitor.reload()
    expect(page.locator("#cards h3")).to_have_count(4, timeout=LONG)
    assert page.locator("#cards h3").all_inner_texts() == second
    expect(page.locator("[data-shelf] li b")).to_have_text(["Dune", "Emma"])
    expect(page.get_by_label("How many books")).to_have_value("4")
    expect(page.locator(".star-stale")).to_have_text("")
    page.go_back()
    expect(page.locator("#cards h3")).to_have_count(5, timeout=LONG)
    assert page.locator("#cards h3").all_inner_texts() == titles
    expect(page.get_by_role("combobox", name="Reader")).to_have_value(reader)
    expect(page.locator(".star-stale")).to_have_text("")


def test_a_lost_server_is_said_and_the_visitor_can_go_on(visit: Any, tmp_path: Path) -> None:
    port = free_port()
    process, url = serve(toy_command(port), port, tmp_path / "log", TOY_DELAY="0.2")
    visitor = visit(url)
    page = visitor.page
    try:
        ready(page)
        page.get_by_text("Your own shelf").click()
        choose_book(page, "dune", "Dune")
        button(page).click()
        expect(page.locator("#trace .star-step").first).to_be_visible(timeout=LONG)
        process.kill()
        process.wait(10)
        expect(page.locator("#status")).to_contain_text("does not answer", timeout=LONG)
        expect(page.locator("#trace .star-step").first).to_be_visible()
        expect(page.locator("[data-shelf] li b")).to_have_text(["Dune"])
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#status")).to_contain_text("Stopped")
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#status")).to_contain_text("still does not answer")
        process, _ = serve(toy_command(port), port, tmp_path / "log")
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#cards h3")).to_have_count(5, timeout=LONG)
        expect(page.locator("[data-shelf] li b")).to_have_text(["Dune"])
    finally:
        process.kill()
        process.wait(10)
        # The browser reports every request to a server that is gone.
        gone = ("net::ERR_", "Failed to load", "network error", "EventSource", "fetch", "Connection")
        visitor.problems[:] = [p for p in visitor.problems if not any(word in p for word in gone)]


def test_a_sentence_lights_its_path_and_a_node_is_drawn_when_found(base_url: str, visit: Any) -> None:
    page = visit(base_url, width=1366, height=768).page
    ask(page)
    page.evaluate("document.querySelectorAll('#trace details').forEach((part) => { part.open = true; })")
    lit = """(c) => { const { nodes, edges } = c.starNetwork.body.data;
      return [edges.get().filter((e) => e.color.opacity === 1 && !e.hidden).map((e) => e.id),
        nodes.get().filter((n) => n.opacity === 1).length]; }"""
    shown = """(c) => { const box = c.getBoundingClientRect();
      return box.bottom > 120 && box.top < innerHeight - 120; }"""
    rows = "(rows) => rows.map((row) => Number(row.dataset.edge))"
    canvas = page.locator(".star-canvas")
    before = canvas.evaluate("(c) => c.starNetwork.body.data.nodes.length")
    claims = page.locator("#trace [data-claim]")
    for place in range(0, claims.count(), max(1, claims.count() // 25)):
        claims.nth(place).click()
        table = page.locator("#edges tr.on").evaluate_all(rows)
        edges, nodes = canvas.evaluate(lit)
        assert set(table) <= set(edges) and (nodes > 0 or not table)
        if table:
            assert canvas.evaluate(shown)
    after = canvas.evaluate("(c) => c.starNetwork.body.data.nodes.length")
    assert after >= before
    page.get_by_label("Find a node").fill("no node has this name")
    expect(page.locator("[data-find-said]")).to_contain_text("No node is called")


def test_finding_a_node_that_is_not_drawn_draws_it(toy_url: str, visit: Any) -> None:
    page = visit(f"{toy_url}/?shelf={','.join(map(str, range(20)))}").page
    expect(page.locator("[data-shelf] li")).to_have_count(20, timeout=LONG)
    button(page).click()
    complete(page)
    page.get_by_role("switch", name="Whole graph").click()
    more = page.locator(".star-legend")
    expect(more).to_contain_text("more nodes are not drawn")
    field = page.get_by_label("Find a node")
    field.fill("Three-Body")  # the oldest book of a long shelf
    expect(page.locator("[data-find-said]")).to_contain_text("press Enter to draw it")
    field.press("Enter")
    expect(page.locator("#evidence header:visible h3")).to_have_text("The Three-Body Problem")
    expect(page.locator("[data-find-said]")).to_have_text("")
    drawn = "(c) => c.starNetwork.body.data.nodes.getIds().includes('i:0')"
    assert page.locator(".star-canvas").evaluate(drawn)