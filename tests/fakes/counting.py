"""How much work something is, in calls of Python functions: the same on any machine, however busy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """The block may call Python functions and C functions so often; the call after that fails, so nothing hangs.

    Raises:
        AssertionError: in the block, at the call too many.
    """
    left = calls

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise AssertionError(f"more than {calls} calls")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)
        if left < 0:  # also where the work caught it
            raise AssertionError(f"more than {calls} calls")


def calls(work: Callable[[], object]) -> int:
    """How many Python functions and C functions the work calls in this thread."""
    made = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made
