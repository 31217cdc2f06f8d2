"""Screenshots of every tab with a result in it, light and dark, at three widths, from a served demo.

    python -m docs.screenshots --out FOLDER [--url http://127.0.0.1:7860] [--only learn,question] [--widths 400,1366,1600]

Without `--url` a demo is served for the time of the command. Needs Playwright and Chromium, as the browser tests do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from star import ROOT
from star.errors import UserError, command
from star.ui.security.connections import free_port

WIDTHS = (400, 1366, 1600)
HEIGHT = 900
WAIT = 240_000  # milliseconds for an answer
SCHEMES = ("light", "dark")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
SERVE = "from star.cli.app import main; main()"
Shot = tuple[str, Callable[[Any], None]]


def _explore(page: Any) -> None:
    page.locator("[data-history] li").first.wait_for(timeout=WAIT)  # the scripts have started
    page.locator("#recommend").click()
    page.locator("#cards .star-card h3").first.wait_for(timeout=WAIT)
    page.locator("#status .done").wait_for(timeout=WAIT)


def _question(page: Any) -> None:
    _tab(page, "Question")
    page.locator("#take-last").click()
    page.locator("#question-form [data-form]").wait_for(timeout=WAIT)
    page.locator("#question-form [data-ask=why_not]").click()
    page.locator("#asked .lines tbody tr").first.wait_for(timeout=WAIT)
    # The search for a change may take long, or be over before Playwright's click.
    page.evaluate("document.querySelector('#question-stop')?.click()")
    page.locator("#question-status .busy").wait_for(state="detached", timeout=WAIT)


def _compare(page: Any) -> None:
    page.locator("#question-form").get_by_text("Teacher and student", exact=True).first.click()
    page.locator("#question-form [data-ask=compare]").click()
    page.locator("#question-status .done").filter(has_text="Ask on").wait_for(timeout=WAIT)
    page.locator("#asked .took").wait_for(timeout=WAIT)


def _saved(page: Any) -> None:
    _tab(page, "Saved")
    page.locator("#mine li").first.wait_for(timeout=WAIT)


def _step(number: int) -> Callable[[Any], None]:
    def open_step(page: Any) -> None:
        if number == 1:
            _tab(page, "Learn")
        page.locator(f"#step-{number}-button").click()
        page.wait_for_function(f"() => document.querySelector('#figure-{number}').innerText.trim()", timeout=WAIT)
        page.locator(f"#step-{number} details summary").click()

    return open_step


def _play(page: Any) -> None:
    _tab(page, "Play")
    page.locator("#player [data-words] section").first.wait_for(state="attached", timeout=WAIT)
    for _ in range(4):
        page.locator("#player [data-move=step-forward]").click()


def _zoom(page: Any) -> None:
    _tab(page, "Zoom")
    page.locator("#zoom .star-zoom").wait_for(timeout=WAIT)


def _results(page: Any) -> None:
    _tab(page, "Results")
    page.locator("#results-seconds canvas, #results-seconds svg.marks").first.wait_for(timeout=WAIT)


def _cohort(page: Any) -> None:
    _tab(page, "Cohort")
    page.get_by_role("spinbutton", name="How many").fill("8")
    page.locator("#cohort-go").click()
    page.locator("#cohort-status .done").wait_for(timeout=WAIT)


def _open(name: str) -> Callable[[Any], None]:
    def open_tab(page: Any) -> None:
        _tab(page, name)
        page.wait_for_timeout(1500)

    return open_tab


def _tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


SHOTS: tuple[Shot, ...] = (
    ("start", lambda page: page.locator("#start .star-start").wait_for(timeout=WAIT)),
    ("explore", _explore),
    ("question", _question),
    ("compare", _compare),
    ("saved", _saved),
    *((f"learn-{number}", _step(number)) for number in range(1, 9)),
    ("learn-play", _play),
    ("learn-zoom", _zoom),
    ("results", _results),
    ("cohort", _cohort),
    ("annotate", _open("Annotate")),
    ("lead", _open("Lead")),
)


def names(only: list[str], widths: list[int]) -> list[str]:
    """File names of the screenshots, without their folder."""
    return [
        f"{name}-{width}-{scheme}.png" for scheme in SCHEMES for name, _ in chosen(only) for width in widths
    ]


def chosen(only: list[str]) -> list[Shot]:
    """The screenshots whose name begins with one of these; all without any.

    Raises:
        UserError: none begins so.
    """
    found = [shot for shot in SHOTS if not only or any(shot[0].startswith(name) for name in only)]
    if not found:
        raise UserError(f"there is no screenshot {', '.join(only)}; expected {', '.join(name for name, _ in SHOTS)}")
    return found


def take(url: str, out: Path, only: list[str], widths: list[int]) -> list[Path]:
    """Take them; each tab is filled once in each scheme, and then shown at every width."""
    out.mkdir(parents=True, exist_ok=True)
    wanted, made = {name for name, _ in chosen(only)}, []
    with browsing() as browser:
        for scheme in SCHEMES:
            page = browser.new_page(color_scheme=scheme, viewport={"width": max(widths), "height": HEIGHT})
            page.goto(url)
            for name, fill in SHOTS:
                if name in wanted or name in ("explore", "question", "learn-1", "results"):  # others need what these do
                    fill(page)
                for width in widths if name in wanted else ():
                    page.set_viewport_size({"width": width, "height": HEIGHT})
                    page.wait_for_timeout(600)  # what is drawn anew at another width
                    made.append(out / f"{name}-{width}-{scheme}.png")
                    page.screenshot(path=made[-1], full_page=True)
                page.set_viewport_size({"width": max(widths), "height": HEIGHT})
            page.close()
    return made


@contextmanager
def browsing() -> Iterator[Any]:
    """A browser without a window.

    Raises:
        UserError: Playwright or Chromium is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise UserError("this needs Playwright; run make setup") from None
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise UserError("this needs Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def served() -> Iterator[str]:
    """The address of a demo that is served meanwhile, with an annotation database of its own."""
    with serving() as (url, _):
        yield url


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """As `served`, with the number of the process."""
    port = free_port("127.0.0.1", 7860)
    with tempfile.TemporaryDirectory() as folder:
        known = os.environ | {"STAR_DATABASE_URL": f"{folder}/annotations.sqlite"}
        call = [sys.executable, "-c", SERVE, "serve", "--dataset", "demo", "--port", str(port)]
        process = subprocess.Popen(call, cwd=ROOT, env=known, stdout=subprocess.DEVNULL)
        try:
            yield _answering(f"http://127.0.0.1:{port}", process), process.pid
        finally:
            process.terminate()
            process.wait(20)


def _answering(url: str, process: subprocess.Popen[bytes]) -> str:
    for _ in range(6000):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return url
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise UserError(f"the demo did not start at {url}; see star serve")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the screenshots")
    parser.add_argument("--url", help="a page that already runs")
    parser.add_argument("--only", default="", help="names that those wanted begin with, separated by commas")
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)), help="in pixels, separated by commas")
    given = parser.parse_args()
    only = [name for name in given.only.split(",") if name]
    chosen(only)
    widths = [int(width) for width in given.widths.split(",")]
    if given.url:
        made = take(given.url, given.out, only, widths)
    else:
        with served() as url:
            made = take(url, given.out, only, widths)
    print(f"{len(made)} screenshots in {given.out}")


if __name__ == "__main__":
    command(main)
