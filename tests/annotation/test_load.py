"""Twenty-five annotators at once on the real page while two recommendations stream: no save waits for them."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from pathlib import Path

import annotating
import httpx
import page_client
import pytest
from serving import Page, served, star_command

from star.annotation.storage.migrate import open_database

PEOPLE, SAVES, THINK = 25, 8, (0.1, 0.6)
OURS = {"X-Star": "1"}


class Log:
    """What began and ended, in order, for all threads together."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ended = {"save": 0, "recommendation": 0}
        self.outlived: list[int] = []  # for each save, how many recommendations ended while it lasted
        self.problems: list[str] = []

    def now(self, kind: str) -> int:
        with self.lock:
            return self.ended[kind]

    def end(self, kind: str) -> None:
        with self.lock:
            self.ended[kind] += 1


def rater(url: str, n: int, log: Log) -> None:
    """Saves so often: a draft after each thought, then submits."""
    rng = random.Random(n)
    record, ratings, left = None, {}, list[str]()
    with httpx.Client(base_url=url, headers=OURS, timeout=60) as page:
        page.post("/star-door/enter", json={"name": f"Rater {n}"})
        for _ in range(SAVES):
            if record is None:
                body = {"campaign": 1, "uuid": str(uuid.uuid4())}
                record = page.post("/star-annotate/next", json=body).json()["record"]
                if record is None:
                    log.problems.append("the campaign was too small")
                    return
                revision, ratings, left = 0, dict[str, int](), [*annotating.KEYS]
            time.sleep(rng.uniform(*THINK))
            to = "draft" if left else "submitted"
            if left:
                ratings[left.pop()] = rng.randint(1, 5)
            revision += 1
            save = {"uuid": record["uuid"], "revision": revision, "answer": {"ratings": ratings}, "to": to}
            before = log.now("recommendation")
            reply = page.post("/star-annotate/save", json=save)
            log.outlived.append(log.now("recommendation") - before)
            log.end("save")
            if reply.status_code != 200:
                log.problems.append(reply.text[:200])
            record = None if to == "submitted" else record


def stream(url: str, n: int, over: threading.Event, log: Log) -> None:
    """Asks for one recommendation after another, as a visitor of Explore does; for one at least."""
    with httpx.Client(base_url=url, timeout=120) as page:
        ask = page_client.event(page_client.config(page), "recommend", "click")["id"]
        for asked in itertools.count():
            data = [{"mode": "reader", "reader": 7 + n + asked, "shelf": [], "k": 5, "seed": 0}]
            if not page_client.run(page, ask, data)["success"]:
                log.problems.append("a recommendation failed")
            log.end("recommendation")
            if over.is_set():
                return


@pytest.mark.slow
@pytest.mark.checkpoint
def test_no_save_waits_for_those_who_stream(tmp_path: Path, fitted_demo: None) -> None:
    """A recommendation takes seconds. A save that began during one ends before the next two have ended."""
    place = str(tmp_path / "annotations.sqlite")
    database = open_database(place)
    annotating.campaign(database, 60, overlap=25)
    database.close()
    log, over = Log(), threading.Event()
    with served(star_command(), tmp_path / "log") as url:
        over.set()
        stream(url, 0, over, log)  # waits until the model is there
        over.clear()
        raters = [threading.Thread(target=rater, args=(url, n, log)) for n in range(PEOPLE)]
        visitors = [threading.Thread(target=stream, args=(url, n, over, log)) for n in range(2)]
        for thread in (*raters, *visitors):
            thread.start()
        for thread in raters:
            thread.join()
        over.set()
        for thread in visitors:
            thread.join()
    assert log.problems == []
    assert log.ended["save"] == PEOPLE * SAVES and log.ended["recommendation"] >= 3
    # Two stream at once, so that one recommendation of each may end just then.
    assert max(log.outlived) <= 2, log.outlived


def wait(page: httpx.Client, url: str, server: Page) -> int:
    """Until the page answers; how often it was asked."""
    for asked in range(1, 601):
        try:
            page.get(url)
            return asked
        except httpx.TransportError:
            assert server.poll() is None, "the page did not start"
            time.sleep(0.2)
    pytest.fail("the page did not come up")
