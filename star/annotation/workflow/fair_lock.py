"""A ticket lock (Reed, Kanodia 1979), granted in the order of the requests, so that no thread starves."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice


class TooLong(Exception):
    """The lock was not granted in time, or too many wait for it already."""


class FairLock:
    """A lock granted in the order of the requests, unlike `threading.Lock`.

    Args:
        places: how many may hold it at a time.
        most: how many may hold it or wait for it; None sets no bound.
    """

    def __init__(self, places: int = 1, most: int | None = None) -> None:
        self._places, self._most = places, most
        self._guard = threading.Lock()
        self._line: deque[threading.Event] = deque()

    @contextmanager
    def __call__(self, patience: float) -> Iterator[None]:
        """Hold the lock.

        Args:
            patience: seconds.

        Raises:
            TooLong: not granted within `patience`, or `most` reached.
        """
        granted = threading.Event()
        with self._guard:
            if self._most is not None and len(self._line) >= self._most:
                raise TooLong
            self._line.append(granted)
            self._grant()
        try:
            if not granted.wait(patience):
                raise TooLong
            yield
        finally:
            with self._guard:
                self._line.remove(granted)
                self._grant()

    def _grant(self) -> None:
        """Wakes those whose turn it is, and nobody else: waking a long line at every turn costs more than the work."""
        for granted in islice(self._line, self._places):
            granted.set()
