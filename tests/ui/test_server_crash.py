"""kill -9 of the web server while annotators save: no acknowledged save is lost, and the server soon runs again."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import uuid
from pathlib import Path

import annotating
import httpx
from serving import Page, free_port, started, toy_command
from test_load import OURS, wait

from star.annotation.storage import events
from star.annotation.storage.migrate import open_database
from star.annotation.workflow import queue

RATERS = 6
Saves = list[tuple[str, int, dict[str, int]]]


def serve(port: int, place: str) -> Page:
    return started(toy_command(port), Path(place).with_name("log"), STAR_DATABASE_URL=place)


def rate(url: str, n: int, over: threading.Event, acknowledged: Saves) -> None:
    """Saves without pause; after a crash continues with the server's record and revision."""
    rng = random.Random(n)
    with httpx.Client(base_url=url, headers=OURS, timeout=10) as page:
        record = None
        while not over.is_set():
            try:
                if record is None:
                    page.post("/star-door/enter", json={"name": f"Rater {n}"}).raise_for_status()
                    body = {"campaign": 1, "uuid": str(uuid.uuid4())}
                    reply = page.post("/star-annotate/next", json=body)
                    reply.raise_for_status()
                    record = reply.json()["record"]
                ratings = dict.fromkeys(annotating.KEYS, rng.randint(1, 5))
                revision = record["revision"] + 1
                last = revision % 4 == 0
                save = {"uuid": record["uuid"], "revision": revision, "answer": {"ratings": ratings}}
                reply = page.post("/star-annotate/save", json=save | {"to": "submitted" if last else "draft"})
                reply.raise_for_status()
                acknowledged.append((record["uuid"], revision, ratings))
                record = None if last else record | {"revision": revision}
            except httpx.HTTPError:
                record = None
                time.sleep(0.05)


KILLS = int(
    os.environ.get("STAR_KILLS", "3")
)  # 50 take four minutes; tests/annotation/test_crash.py kills writers often


def test_a_killed_server_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    kills = KILLS
    place = str(tmp_path / "annotations.sqlite")
    database = open_database(place)
    annotating.campaign(database, 200 + 20 * kills, overlap=6)
    database.close()
    rng = random.Random(kills)
    port, acknowledged, over = free_port(), [], threading.Event()  # type: ignore[var-annotated]
    url = f"http://127.0.0.1:{port}"
    server = serve(port, place)
    with httpx.Client() as page:
        first = wait(page, url, server)
        work = [threading.Thread(target=rate, args=(url, n, over, acknowledged)) for n in range(RATERS)]
        for thread in work:
            thread.start()
        try:
            polls = []
            for _ in range(kills):
                time.sleep(rng.uniform(0.3, 1.2))
                server.kill()
                server.wait()
                server = serve(port, place)
                polls.append(wait(page, url, server))
            time.sleep(0.5)
        finally:
            over.set()
            for thread in work:
                thread.join()
            server.kill()
            server.wait()
    assert len(acknowledged) > 10 * kills
    with sqlite3.connect(place) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database = open_database(place)
    written = {
        (entry.uuid, entry.revision): entry.content["ratings"]
        for entry in events.history(database, 1)
        if entry.kind in ("draft saved", "submitted")
    }
    for named, revision, ratings in acknowledged:
        assert written[named, revision] == ratings
    ann = next(p for p in annotating.people.everyone(database) if p.name == "Rater 0")
    assert queue.claim(database, ann, 1) is not None
    database.close()
    # Asked five times a second, and busy with the raters' calls besides.
    assert max(polls) <= 5 * (first + 5), "starting after a kill takes much longer than starting"
