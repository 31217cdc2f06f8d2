"""FairLock: a lock that is given in the order it was asked for, so that nobody starves while others come again and again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice


class TooLong(Exception):
    """The turn did not come in time, or too many wait for it already."""


class FairLock:
    """`threading.Lock` may go to whoever happens to run; this one does not.

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
        """Hold the turn.

        Args:
            patience: seconds.

        Raises:
            TooLong: it did not come within `patience`, or the line was full.
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
