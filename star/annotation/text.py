"""Text from people: bounded, without null bytes, otherwise kept as it was written.

Nothing is escaped here: what is stored is what was typed, and each place that shows it shows it as text.
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
    """What makes two names the same: case, width, controls and invisible direction marks do not tell them apart."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc")).strip()


def storable(text: str) -> str:
    """`text` without null bytes and lone surrogates, which no database takes, in a query neither."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
