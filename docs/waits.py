"""How long a visitor waits, in headless Chromium on a served demo: seconds, median and 95th percentile.

    python -m docs.waits [--repeat 20] [--json]

The page is served twice, and the second start is measured, when everything that is fitted once is kept. Visitors at once
come without a browser, which would take the cores from the server. Needs Playwright and Chromium, as the browser tests do.
Measure on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from docs.screenshots import WAIT, browsing, served, serving
from star.errors import command

AT_ONCE = 20
MEMORY = "GiB of memory after ten visitors"
# Presses an element and waits until another one says what it should; milliseconds, counted in the page itself.
PRESSED = """([pressed, seen, gone]) => new Promise((done) => {
  const began = performance.now();
  const look = () => {
    const there = document.querySelector(seen) && !(gone && document.querySelector(gone));
    if (there) requestAnimationFrame(() => done(performance.now() - began)); else setTimeout(look, 4);
  };
  document.querySelector(pressed).click();
  look();
})"""


def waits(repeat: int) -> dict[str, list[float]]:
    """What is waited for → seconds, one for each time."""
    found: dict[str, list[float]] = {}
    with browsing() as browser:
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.set_default_timeout(WAIT)
        with served() as url:  # the first start fits what is kept
            page.goto(url)
            page.locator("#start .star-start").wait_for()
            page.goto("about:blank")  # a page that looks for its server would share the cores with the next one
        began = time.perf_counter()
        with serving() as (url, process):
            _measured(page, url, began, repeat, found)
            page.goto("about:blank")
            _visitors(url, process, found)
    return found


def _measured(page: Any, url: str, began: float, repeat: int, found: dict[str, list[float]]) -> None:
    """Everything that is waited for after a process began."""
    found["page answers after the process starts"] = [time.perf_counter() - began]
    page.goto(url)
    page.locator("#start .star-start").wait_for()
    found["examples shown after the process starts"] = [time.perf_counter() - began]
    page.wait_for_timeout(15_000)  # all examples are answered by then
    for name, act in _acts():
        found[name] = [act(page, place) for place in range(repeat)]


def _visitors(url: str, process: int, found: dict[str, list[float]]) -> None:
    """Ten visitors one after the other, and then others all at once."""
    with httpx.Client(base_url=url) as client:
        configured = re.search(r"window\.gradio_config = (.*?);</script>", client.get("/").text, re.DOTALL)
    assert configured is not None, "the page holds no configuration"
    config = json.loads(configured[1])
    [button] = [part["id"] for part in config["components"] if part["props"].get("elem_id") == "recommend"]
    [event] = [event["id"] for event in config["dependencies"] if [button, "click"] in map(list, event["targets"])]
    status = Path(f"/proc/{process}/status")
    with httpx.Client(base_url=url, timeout=WAIT / 1000, limits=httpx.Limits(max_connections=2 * AT_ONCE)) as client:
        visit = partial(_visit, client, event)
        found["one visitor, whole answer without a browser"] = [visit(n) for n in range(10)]
        kilobytes = int(re.findall(r"VmRSS:\s+(\d+) kB", status.read_text("utf-8"))[0])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found[f"{AT_ONCE} visitors at once, each"] = list(pool.map(visit, range(10, 10 + AT_ONCE)))
    found[MEMORY] = [kilobytes / 2**20]


def _visit(client: httpx.Client, event: int, place: int) -> float:
    """Seconds until a reader's whole answer is there, after the press. It is parsed after that, to leave the cores to the
    server."""
    question = {"mode": "reader", "reader": 5 + place * 41, "shelf": [], "k": 5, "seed": 0}
    session = uuid.uuid4().hex[:11]
    began = time.perf_counter()
    asked = {"data": [question], "fn_index": event, "session_hash": session}
    client.post("/gradio_api/queue/join", json=asked).raise_for_status()
    whole = client.get("/gradio_api/queue/data", params={"session_hash": session}).content
    took = time.perf_counter() - began
    last = next(line for line in whole.splitlines() if b"process_completed" in line)
    assert json.loads(last.removeprefix(b"data:"))["success"], last
    return took


def _acts() -> Sequence[tuple[str, Callable[[Any, int], float]]]:
    return (
        ("first answer, from an example on a fresh page", _example),
        ("whole answer, after Recommend", _answer),
        ("a click on a card, until the graph is that of its item", _path),
        ("what if, after a book is taken off", _what_if),
    )


def _example(page: Any, place: int) -> float:
    page.goto(page.url.split("?")[0])
    page.locator("#start .star-start").wait_for()
    examples = page.locator("[data-start]").count()
    page.evaluate(f"document.querySelectorAll('[data-start]')[{place % examples}].id = 'pressed'")
    return _pressed(page, "#pressed", "#cards h3")


def _answer(page: Any, place: int) -> float:
    page.goto(page.url.split("?")[0] + f"?reader={8 + place * 37}")
    page.locator("[data-history] li").first.wait_for()
    page.wait_for_timeout(500)
    return _pressed(page, "#recommend", "#status .done", "#status .busy")


def _path(page: Any, place: int) -> float:
    """The card is marked when the graph has taken the path of its item."""
    card = f"#cards li:nth-child({1 + place % 5})"
    return _pressed(page, f"{card} .star-card-text h3", f"{card}.shown")


def _what_if(page: Any, place: int) -> float:
    if place == 0:
        page.get_by_role("tab", name="Question", exact=True).click()
        page.locator("#asked .moves").wait_for()
        page.locator("#question-form .star-modes").get_by_text("What if?").click()
    page.evaluate(
        "(at) => { document.querySelector('#off')?.removeAttribute('id'); "
        "document.querySelectorAll('[data-books] button')[at].id = 'off'; }",
        place % 5,
    )
    took = _pressed(page, "#off", "#asked [data-key=kept] a", "#asked.star-old")
    page.locator("#question-status .done").wait_for()  # the random change is over
    page.locator("[data-undo]").click()
    page.locator("#asked").get_by_text("No change is in force").wait_for()
    page.locator("#question-status .done").wait_for()
    return took


def _pressed(page: Any, pressed: str, seen: str, gone: str = "") -> float:
    return float(page.evaluate(PRESSED, [pressed, seen, gone])) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20, help="times that each wait is measured (20)")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    given = parser.parse_args()
    found = waits(given.repeat)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{MEMORY}: {found.pop(MEMORY)[0]:.2f}")
    for name, seconds in found.items():
        late = sorted(seconds)[max(0, -(-len(seconds) * 95 // 100) - 1)]
        print(f"{name}: median {statistics.median(seconds):.2f} s, 95th percentile {late:.2f} s ({len(seconds)} times)")


if __name__ == "__main__":
    command(main)
