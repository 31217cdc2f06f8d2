"""The one error a user of STAR can cause: shown as a single line, exit status 2."""


class UserError(ValueError):
    """Something given was not as expected.

    The message is one line that names what was given, what was expected, and what to do.
    """
