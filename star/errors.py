"""The one error a user of STAR can cause: shown as a single line, exit status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

from star.plain_text import one_line


class UserError(ValueError):
    """Something given was not as expected.

    The message is one line that names what was given, what was expected, and what to do.
    """


def command(run: Callable[[], object]) -> None:
    """Run what somebody called from a shell; a UserError is one line on stderr and exit status 2."""
    try:
        run()
    except UserError as error:
        print(f"star: {one_line(str(error))}", file=sys.stderr)
        sys.exit(2)
