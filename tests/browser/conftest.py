"""Fixtures of the browser tests: a running page, and browser pages that record errors and requests to other hosts.

The page uses the checkpoint that ships. `STAR_TEST_URL` names a page that already runs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from serving import served, star_command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with a profile on disk; without a browser, the tests are skipped with a reason."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    playwright.expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong
    with playwright.sync_playwright() as running:
        folder = tmp_path_factory.mktemp("profile")
        context = running.chromium.launch_persistent_context(folder, executable_path=CHROMIUM, args=FLAGS)
        yield context
        context.close()


@pytest.fixture(scope="session")
def chromium(profile: Any) -> Any:
    """The browser, for contexts of one's own."""
    return profile.browser


@pytest.fixture(scope="session")
def toy_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with the toy recommender, whose books and numbers are known."""
    with served([], tmp_path_factory.mktemp("toy") / "log") as url:
        yield url


@pytest.fixture(scope="session")
def slow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, writing slowly enough to be looked at or stopped meanwhile."""
    with served([], tmp_path_factory.mktemp("slow") / "log", TOY_DELAY="0.01") as url:
        yield url


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the log and the database of `own_url` are."""
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="session")
def own_url(own_folder: Path, fitted_demo: None) -> Iterator[str]:
    """A page with the checkpoint that ships, whose database holds what these tests write and nothing else."""
    with served(star_command("--dataset", "demo"), own_folder / "log") as url:
        yield url


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """A page with the checkpoint that ships."""
    given = os.environ.get("STAR_TEST_URL")
    return given.rstrip("/") if given else str(request.getfixturevalue("own_url"))


@dataclass
class Visitor:
    """One browser page, and all its errors."""

    page: Any
    host: str
    problems: list[str] = field(default_factory=list)

    def reload(self) -> None:
        """Load the page again. What the page that is left says of its open requests is no fault of the page."""
        before = len(self.problems)
        self.page.reload()
        left = ("AbortError", "Connection errored out")
        self.problems[before:] = [each for each in self.problems[before:] if not any(word in each for word in left)]

    def heard(self) -> dict[str, Any]:
        """Playwright's event → what is done when the page raises it."""
        add = self.problems.append

        def request(sent: Any) -> None:
            if urlsplit(sent.url).scheme not in ("data", "blob") and urlsplit(sent.url).netloc != self.host:
                add(f"outside request: {sent.url}")

        return {
            "request": request,
            "console": lambda message: add(f"console: {message.text}") if message.type == "error" else None,
            "pageerror": lambda error: add(f"page error: {error}"),
            "dialog": lambda box: (add(f"dialog: {box.message}"), box.dismiss()),
        }


REMEMBERED = "cookies,local_storage,indexeddb,service_workers,cache_storage"


@dataclass
class Seat:
    """A browser page that is kept from one test to the next: opening one and compiling Gradio's scripts for it take longer
    than the page itself. Nothing of a visit is kept but the scripts."""

    context: Any
    page: Any

    def leave(self, host: str) -> None:
        """Forget all that this host stored, and stay at it, at a file that does nothing there: elsewhere, or with the page
        closed, Chromium would end the process with the compiled scripts."""
        if self.page.is_closed():
            self.page = self.context.new_page()
        self.page.unroute_all()
        try:
            self.page.goto(f"http://{host}/star-assets/star.js", timeout=5_000)
            self.page.evaluate("sessionStorage.clear()")
        except Exception:  # the test stopped its server
            self.page.close()
            self.page = self.context.new_page()
        for page in self.context.pages:
            if page != self.page:
                page.close()
        session = self.context.new_cdp_session(self.page)
        session.send("Storage.clearDataForOrigin", {"origin": f"http://{host}", "storageTypes": REMEMBERED})
        session.detach()
        self.context.clear_cookies()


@pytest.fixture(scope="session")
def seats(profile: Any) -> list[Seat]:
    """The first is the profile's, which holds compiled scripts on disk; each further one has a context of its own."""
    return [Seat(profile, profile.pages[0])]


@pytest.fixture
def visit(seats: list[Seat], chromium: Any) -> Iterator[Any]:
    """Opens pages: `visit(url, width=1600, dark=False, motion=False)`. A console error or a request to another host fails
    the test at its end. Without `motion` the visitor prefers none: a dot that pulses keeps a core busy."""
    opened: list[tuple[Visitor, dict[str, Any]]] = []

    def open_page(
        url: str, width: int = 1600, height: int = 1000, dark: bool = False, motion: bool = False
    ) -> Visitor:
        if len(opened) == len(seats):
            context = chromium.new_context()
            seats.append(Seat(context, context.new_page()))
        page = seats[len(opened)].page
        visitor = Visitor(page, urlsplit(url).netloc)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(
            color_scheme="dark" if dark else "light", reduced_motion="no-preference" if motion else "reduce"
        )
        heard = visitor.heard()
        for event, done in heard.items():
            page.on(event, done)
        opened.append((visitor, heard))
        page.goto(url)
        return visitor

    yield open_page
    problems = [problem for visitor, _ in opened for problem in visitor.problems]
    for seat, (visitor, heard) in zip(seats, opened, strict=False):
        for event, done in heard.items():
            visitor.page.remove_listener(event, done)
        seat.leave(visitor.host)
    assert not problems, problems
