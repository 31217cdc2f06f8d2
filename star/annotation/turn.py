"""Turn: a lock that is given in the order it was asked for, so that nobody starves while others come again and again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class TooLong(Exception):
    """The turn did not come in time."""


class Turn:
    """`threading.Lock` may go to whoever happens to run; this one does not."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @contextmanager
    def __call__(self, patience: float) -> Iterator[None]:
        """Hold the turn.

        Args:
            patience: seconds.

        Raises:
            TooLong: it did not come within `patience`.
        """
        me = object()
        with self._changed:
            self._line.append(me)
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: self._line[0] is me, patience):
                    raise TooLong
            yield
        finally:
            with self._changed:
                self._line.remove(me)
                self._changed.notify_all()
