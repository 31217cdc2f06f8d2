"""A process that rates: `python annotation_rater.py URL CAMPAIGN NAME…`, a thread for each name.

Prints one line for every acknowledged save (name, uuid, revision), flushed at once. A test that kills this process knows
from the lines which saves must exist. Ends when no record is left.
"""

from __future__ import annotations

import random
import sys
import threading
import time

from annotating import full

from star.annotation.storage import store
from star.annotation.storage.database import Database
from star.annotation.workflow import people, queue
from star.annotation.workflow.answers import Answer


def rate(database: Database, campaign: int, name: str) -> None:
    me = people.enter(database, name)
    while (given := queue.claim(database, me, campaign)) is not None:
        revision = given.revision
        for answer in (Answer(note=f"{name} {time.time()}"), full(random.randint(1, 5), note=name)):
            revision += 1
            save = store.submit if answer.ratings else store.save_draft
            saved = save(database, me, given.uuid, revision, answer)
            sys.stdout.write(f"{saved.uuid} {saved.revision} {saved.state}\n")
            sys.stdout.flush()


def main() -> None:
    url, campaign, *names = sys.argv[1:]
    database = Database(url)
    threads = [threading.Thread(target=rate, args=(database, int(campaign), name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
