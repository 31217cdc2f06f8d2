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
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @contextmanager
    def __call__(self, patience: float) -> Iterator[None]:
        """Hold the lock.

        Args:
            patience: seconds.

        Raises:
            TooLong: not granted within `patience`, or `most` reached.
        """
        me = object()
        with self._changed:
            if self._most is not None and len(self._line) >= self._most:
                raise TooLong
            self._line.append(me)
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: me in islice(self._line, self._places), patience):
                    raise TooLong
            yield
        finally:
            with self._changed:
                self._line.remove(me)
                self._changed.notify_all()
