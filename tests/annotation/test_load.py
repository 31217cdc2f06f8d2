"""Twenty-five annotators at once on the real page while two recommendations stream: how long a save takes."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import annotating
import httpx
import numpy as np
import page_client
import pytest

from star import ROOT
from star.annotation.storage.migrate import open_database

PEOPLE, SECONDS, THINK = 25, 40.0, (1.0, 3.0)
OURS = {"X-Star": "1"}


def rater(url: str, n: int, until: float, saves: list[float], problems: list[str]) -> None:
    """Rates until the time is over: a draft after each thought, then submits."""
    rng = random.Random(n)
    with httpx.Client(base_url=url, headers=OURS, timeout=30) as page:
        page.post("/star-door/enter", json={"name": f"Rater {n}"})
        while time.monotonic() < until:
            body = {"campaign": 1, "uuid": str(uuid.uuid4())}
            record = page.post("/star-annotate/next", json=body).json()["record"]
            if record is None:
                problems.append("the campaign was too small")
                return
            ratings: dict[str, int] = {}
            for revision, key in enumerate((*annotating.KEYS, None), 1):
                time.sleep(rng.uniform(*THINK))
                ratings |= {} if key is None else {key: rng.randint(1, 5)}
                save = {"uuid": record["uuid"], "revision": revision, "answer": {"ratings": ratings}}
                start = time.monotonic()
                reply = page.post("/star-annotate/save", json=save | {"to": "draft" if key else "submitted"})
                saves.append(time.monotonic() - start)
                if reply.status_code != 200:
                    problems.append(reply.text[:200])
                if time.monotonic() > until:
                    return


def stream(url: str, n: int, until: float, done: list[int], problems: list[str]) -> None:
    """Asks for one recommendation after another, as a visitor of Explore does."""
    with httpx.Client(base_url=url, timeout=60) as page:
        ask = page_client.event(page_client.config(page), "recommend", "click")["id"]
        while time.monotonic() < until:
            data = [{"mode": "reader", "reader": 7 + n + len(done), "shelf": []}, 5, 0, True]
            if not page_client.run(page, ask, data)["success"]:
                problems.append("a recommendation failed")
            done.append(1)


@pytest.mark.slow
@pytest.mark.checkpoint
def test_saves_stay_quick_while_others_stream(tmp_path: Path) -> None:
    if not (ROOT / "assets" / "models" / "demo").is_dir():
        pytest.skip("assets/models/demo is not there; train it with training/run.sh")
    busy = os.getloadavg()[0]
    if busy > 2 * (os.cpu_count() or 1):
        pytest.skip(f"others keep this machine busy (load {busy:.1f}); times would say nothing")
    place = str(tmp_path / "annotations.sqlite")
    database = open_database(place)
    annotating.campaign(database, 60, overlap=25)
    database.close()
    with httpx.Client() as page:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-c", "from star.cli.app import main; main()", "serve", "--port", str(port)]
        environment = os.environ | {"STAR_DATABASE_URL": place, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            wait(page, url, server)
            saves, done, problems = [], [], []  # type: ignore[var-annotated]
            stream(url, 0, time.monotonic() + 0.01, done, problems)  # waits until the model is there
            done.clear()
            until = time.monotonic() + SECONDS
            work: list[Any] = [
                threading.Thread(target=rater, args=(url, n, until, saves, problems)) for n in range(PEOPLE)
            ]
            work += [threading.Thread(target=stream, args=(url, n, until, done, problems)) for n in range(2)]
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
        finally:
            server.terminate()
            server.wait(20)
    p50, p95 = (float(np.percentile(saves, q)) for q in (50, 95))
    print(f"{len(saves)} saves, median {p50:.3f} s, p95 {p95:.3f} s, {len(done)} recommendations")
    assert problems == []
    assert len(saves) > PEOPLE * SECONDS / 4 and len(done) >= 2
    assert p95 <= 0.5


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def wait(page: httpx.Client, url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            page.get(url)
            return
        except httpx.TransportError:
            assert server.poll() is None, "the page did not start"
            time.sleep(0.2)
    pytest.fail("the page did not come up")
