"""The last answers, kept for their download links, and the current run of each visitor's tab.

An answer is found only by its random id, which only its visitor is told. Nothing lists the ids.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict

from star.data.catalog import Catalog
from star.recommend.recommendation import Recommendation


class Runs:
    """A bounded store, safe to use from several threads. The oldest answer is dropped first."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Recommendation, Catalog]] = OrderedDict()
        self._current: OrderedDict[str, str] = OrderedDict()
        self._last: OrderedDict[str, str] = OrderedDict()

    def begin(self, session: str) -> str:
        """Start a run for this visitor's tab and end the one before; returns the run's id."""
        run = uuid.uuid4().hex
        with self._lock:
            self._current[session] = run
            self._current.move_to_end(session)
            while len(self._current) > 16 * self._limit:
                self._current.popitem(last=False)
        return run

    def stop(self, session: str) -> None:
        """End this tab's run, if there is one."""
        with self._lock:
            self._current.pop(session, None)

    def wanted(self, session: str, run: str) -> bool:
        """Whether the visitor still waits for this run."""
        with self._lock:
            return self._current.get(session) == run

    def keep(self, run: str, answer: Recommendation, catalog: Catalog) -> None:
        """Store a finished answer under its id."""
        with self._lock:
            self._kept[run] = (answer, catalog)
            self._kept.move_to_end(run)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
            for session, current in self._current.items():
                if current == run:
                    self._last[session] = run
                    self._last.move_to_end(session)
            while len(self._last) > self._limit:
                self._last.popitem(last=False)

    def last(self, session: str) -> str | None:
        """Id of the answer that was kept last for this visitor's tab; None: there is none, or it was dropped."""
        with self._lock:
            run = self._last.get(session)
            return run if run in self._kept else None

    def get(self, run: str) -> tuple[Recommendation, Catalog] | None:
        """The answer with this id and the catalogue of its item rows; None when unknown or dropped."""
        with self._lock:
            return self._kept.get(run)
