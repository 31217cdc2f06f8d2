"""kill -9 under load: what was acknowledged is there afterwards, the database is intact, and work goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from annotating import campaign, url

from star import ROOT
from star.annotation.storage.database import Database
from star.annotation.storage.models import Event, Response
from star.annotation.workflow import people, queue

RATER = ROOT / "tests" / "fakes" / "annotation_rater.py"
NAMES = [f"Rater {n}" for n in range(4)]


@pytest.fixture(scope="module")
def raters() -> Iterator[subprocess.Popen[str]]:
    """Starts processes that rate, one at a time; each is killed, this one lives."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(RATER), "forks"]
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def killed(
    raters: subprocess.Popen[str], database: Database, number: int, rng: random.Random
) -> list[tuple[str, int, str]]:
    """Start a process of four raters, kill it somewhere in its work; the saves it acknowledged."""
    assert raters.stdin and raters.stdout
    raters.stdin.write(json.dumps([url(database), str(number), *NAMES]) + "\n")
    raters.stdin.flush()
    process = int(raters.stdout.readline())
    first = "".join(raters.stdout.readline() for _ in range(rng.randint(1, 12)))  # it is at work
    time.sleep(rng.random() * 0.02)
    os.kill(process, signal.SIGKILL)
    rest = ""
    while not (line := raters.stdout.readline()).startswith("ended "):
        assert line, "the process that starts them has ended"
        rest += line
    assert int(line.split()[1]) == -signal.SIGKILL, "it was still at work"
    whole = (first + rest.removesuffix("\n")).split("\n")
    whole.pop()  # empty, or cut short and so not acknowledged
    return [(uuid, int(revision), state) for uuid, revision, state in map(str.split, whole)]


@pytest.mark.slow
def test_no_acknowledged_save_is_lost(raters: subprocess.Popen[str], database: Database) -> None:
    kills = 50 if database.sqlite else 10
    number = campaign(database, records=1000, overlap=4)
    rng = random.Random(kills)
    acknowledged: list[tuple[str, int, str]] = []
    for _ in range(kills):
        acknowledged += killed(raters, database, number, rng)
        with (
            database.read() as session
        ):  # one statement: on PostgreSQL the last commit may still be under way
            distinct, newest = sa.func.count(Event.revision.distinct()), sa.func.max(Event.revision)
            found = session.execute(
                sa.select(Response.uuid, Response.revision, Response.state, distinct, newest)
                .join(Event, Event.uuid == Response.uuid)
                .group_by(Response.id)
            ).all()
        stored = {uuid: (revision, state) for uuid, revision, state, _, _ in found}
        for uuid, revision, state in acknowledged:
            assert stored[uuid][0] >= revision
            assert state == "draft" or stored[uuid][1] == "submitted"
        for _, revision, _, told, last in found:  # from "assigned", 0, to the last save
            assert (told, last) == (revision + 1, revision), "a row and its events are one change"
        if database.file is not None:
            check = sqlite3.connect(database.file)
            assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert check.execute("PRAGMA foreign_key_check").fetchall() == []
            check.close()
    assert len(acknowledged) > 4 * kills, "there was load"
    assert queue.claim(database, people.enter(database, "Someone else"), number), "no lock of the dead is waited for"
