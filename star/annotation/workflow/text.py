"""Checks of text and numbers from people: bounded, without null bytes, otherwise stored as written.

Nothing is escaped here; every view that shows such text escapes it.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from star.errors import UserError

NAME = 80
REASON = 2_000
NOTE = 10_000
SPAN = 2_000
FLAGS = 100
ID_MOST = 2**31 - 1
"""Largest number of a row: an integer column of PostgreSQL holds no larger one."""


def clean(text: object, what: str, limit: int) -> str:
    """`text` without null bytes and lone surrogates, which no database stores.

    Raises:
        UserError: not text, or longer than `limit` characters.
    """
    if not isinstance(text, str):
        raise UserError(f"{what} is {type(text).__name__}, expected text")
    if len(text) > limit:
        raise UserError(f"{what} has {len(text):,} characters, at most {limit:,} are kept; shorten it")
    return storable(text)


def clean_document(value: Any) -> Any:
    """A JSON value with every string in it made storable, keys too."""
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(key)): clean_document(inside) for key, inside in value.items()}
        case list() | tuple():
            return [clean_document(inside) for inside in value]
        case _:
            return value


def clean_name(name: object) -> str:
    """A person's or campaign's name: trimmed, one line, not empty.

    Raises:
        UserError: empty, or longer than 80 characters.
    """
    kept = " ".join(unicodedata.normalize("NFC", clean(name, "name", NAME)).split())
    if not name_key(kept):
        raise UserError(f"name {kept!r} has no letter to be seen, expected 1 to {NAME} characters")
    return kept


def name_key(name: str) -> str:
    """Key of a name, without case, width, control characters and direction marks; look-alike names have equal keys."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc")).strip()


def storable(text: str) -> str:
    """`text` without null bytes and lone surrogates, which no database accepts, not even in a query."""
    if text.isascii() and "\x00" not in text:  # most texts, thousands in a run
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def printable(text: str) -> str:
    """`text` for one line of a terminal: control characters, ANSI codes and marks of direction become `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)


def whole(value: object, what: str, least: int, most: int, of: str = "") -> int:
    """`value`, if it is a whole number from `least` to `most`, and neither float nor bool.

    Raises:
        UserError: anything else.
    """
    if type(value) is not int or not least <= value <= most:
        raise UserError(f"{what} is {_short(value)}; expected a whole number from {least:,} to {most:,}{of}")
    return value


def real(value: object, what: str, least: float, most: float, of: str = "") -> float:
    """`value`, if it is a number from `least` to `most` and not NaN.

    Raises:
        UserError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise UserError(f"{what} is {_short(value)}; expected {least:g} to {most:g}{of}")
    return float(value)


def digits(text: str, most: int = ID_MOST) -> int | None:
    """The whole number written in the digits 0 to 9, at most `most`; None for anything else.

    `str.isdigit` also takes ², which `int` does not read, and `int` gives up on a text of thousands of digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return number if (number := int(text)) <= most else None


def within(value: Any, what: str, deepest: int) -> None:
    """Check that a JSON value is nested at most `deepest` deep, without descending further.

    Raises:
        UserError: it is nested deeper.
    """
    level = [value]
    for _ in range(deepest + 1):
        level = [
            inside
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inside in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise UserError(f"{what} is nested more than {deepest} deep")


def _short(value: object) -> str:
    """A value for a message of one line. Python cannot print whole numbers of thousands of digits."""
    if type(value) is int and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    return repr(value)[:80]
