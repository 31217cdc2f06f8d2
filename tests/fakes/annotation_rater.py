"""A process that rates: `python annotation_rater.py URL CAMPAIGN NAME…`, a thread for each name.

Prints one line for every acknowledged save (name, uuid, revision), flushed at once. A test that kills this process knows
from the lines which saves must exist. Ends when no record is left.

`python annotation_rater.py forks` reads such arguments from its input, a JSON list a line; see `forks`.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import threading
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from annotating import campaign, full, ready

from star.annotation.storage import store
from star.annotation.storage.database import Database
from star.annotation.workflow import people, queue
from star.annotation.workflow.answers import Answer


def rate(database: Database, number: int, name: str) -> None:
    me = people.enter(database, name)
    while (given := queue.claim(database, me, number)) is not None:
        revision = given.revision
        for answer in (Answer(note=f"{name} {time.time()}"), full(random.randint(1, 5), note=name)):
            revision += 1
            save = store.submit if answer.ratings else store.save_draft
            saved = save(database, me, given.uuid, revision, answer)
            sys.stdout.write(f"{saved.uuid} {saved.revision} {saved.state}\n")
            sys.stdout.flush()


def main() -> None:
    if sys.argv[1:] == ["forks"]:
        forks()
    else:
        work(*sys.argv[1:])


def work(url: str, number: str, *names: str) -> None:
    database = Database(url)
    threads = [threading.Thread(target=rate, args=(database, int(number), name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def forks() -> None:
    """For each line of arguments, a new process that rates: it is forked, since the imports take longest, as do the first
    statements, which are made ready here. Prints its number first and, on a line that begins with "ended", its status at
    the end."""
    with TemporaryDirectory() as folder, ready("sqlite", Path(folder)) as database, redirect_stdout(StringIO()):
        rate(database, campaign(database, 1), "First")
    gc.freeze()  # a fork copies no page of it
    for line in sys.stdin:
        number = os.fork()
        if number == 0:
            sys.stdout.write(f"{os.getpid()}\n")
            sys.stdout.flush()
            work(*json.loads(line))
            os._exit(0)
        _, status = os.waitpid(number, 0)
        sys.stdout.write(f"\nended {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
