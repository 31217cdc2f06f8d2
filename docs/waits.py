"""How long a visitor waits, in headless Chromium on a served demo: seconds, median and 95th percentile.

    python -m docs.waits [--repeat 20] [--json]

The page is served twice, and the second start is measured, when everything that is fitted once is kept. Needs Playwright and
Chromium, as the browser tests do. Measure on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from docs.screenshots import WAIT, browsing, served
from star.errors import command

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
        began = time.perf_counter()
        with served() as url:
            _measured(page, url, began, repeat, found)
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
    for name, seconds in found.items():
        late = sorted(seconds)[max(0, -(-len(seconds) * 95 // 100) - 1)]
        print(f"{name}: median {statistics.median(seconds):.2f} s, 95th percentile {late:.2f} s ({len(seconds)} times)")


if __name__ == "__main__":
    command(main)
