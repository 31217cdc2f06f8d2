"""Names and messages from data, made safe to show in HTML, in plain text and in a terminal.

A name is what a data set, a reader or an annotator calls something: a title, an author, a genre, an id. Two faults come
with names. Control characters steer a terminal. A right-to-left name, or a character that forces a direction, reorders the
words around it. So such characters are taken out, and a right-to-left name is isolated: U+2068 and U+2069 stand around it,
which `html` turns into `<bdi>` (Unicode Standard Annex 9). Documents (`--json`, exports) keep every name as it is.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

OPEN, CLOSE = "\u2068", "\u2069"  # first strong isolate, and its end
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
_DIRECTIONS = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_CONTROLS = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
# A byte of the command line that is not UTF-8 comes as half of a surrogate pair.
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_CLEAN = (
    dict.fromkeys(map(ord, _CONTROLS + _DIRECTIONS), "") | dict.fromkeys(map(ord, _SPACES), " ") | _SURROGATES
)
_ANSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)")
_ISOLATED = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")
_UNSAFE_IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029{_DIRECTIONS}\ud800-\udfff]")


def clean(text: str) -> str:
    """One line without terminal codes, control characters and characters that force a direction.

    What breaks a line becomes a space; half a surrogate pair becomes U+FFFD.
    """
    if text.isascii() and text.isprintable():  # most names and sentences; an answer has thousands of them
        return text
    return _ANSI.sub("", text).translate(_CLEAN)


def isolated(name: object) -> str:
    """A name as it stands among other words in plain text: cleaned, and isolated if it reads from right to left.

    Example: `isolated("Dune")` is `Dune`; `isolated("שלום")` has U+2068 before it and U+2069 behind it.
    """
    words = clean(str(name))
    leftward = not words.isascii() and any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in words)
    return f"{OPEN}{words}{CLOSE}" if leftward else words


def quoted(name: object) -> str:
    """A title among other words in plain text, in quotes: `“It” is first now`."""
    return f"“{isolated(name)}”"


def isolating(names: Iterable[str]) -> Callable[[str], str]:
    """A function that isolates these names where they stand in a text, the longest first; `html` or `line` shows it.

    Our own words hold no letter that reads from right to left. So a name that does is found nowhere but where it was put.
    """
    leftward = {name for name in names if isolated(name).startswith(OPEN)}
    parts = sorted((r"\s+".join(map(re.escape, name.split())) for name in leftward), key=len, reverse=True)
    if not parts:
        return str
    # A sentence may begin with a name, in upper case then.
    found = re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE)
    return lambda text: found.sub(lambda name: isolated(name[0]), text)


def html(text: str) -> str:
    """Text as HTML: escaped and cleaned, what is isolated in it as `<bdi>`."""
    if OPEN not in text:
        return escape(clean(text))
    return "".join(
        f"<bdi>{escape(clean(part))}</bdi>" if inside else escape(clean(part))
        for inside, part in _parts(text)
    )


def bdi(name: object) -> str:
    """A name that stands alone, as HTML."""
    return f"<bdi>{escape(clean(str(name)))}</bdi>"


def line(text: object) -> str:
    """Text as one line of a terminal: cleaned, what is isolated in it stays so."""
    return "".join(
        f"{OPEN}{clean(part)}{CLOSE}" if inside else clean(part) for inside, part in _parts(str(text))
    )


def echo(*lines: object, err: bool = False) -> None:
    """Print lines at once, on standard output or standard error. Every word from data goes to a terminal through here."""
    for each in lines:
        print(line(each), file=sys.stderr if err else sys.stdout, flush=True)


def document(value: Any, indent: int | None = None, allow_nan: bool = True) -> str:
    """JSON that a terminal can show: characters that would steer it are written as `\\u` escapes, so no value changes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=allow_nan)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _parts(text: str) -> Iterable[tuple[bool, str]]:
    """The text in pieces: (isolated, piece without the signs of isolation)."""
    end = 0
    for found in _ISOLATED.finditer(text):
        yield False, text[end : found.start()]
        yield True, found[1]
        end = found.end()
    yield False, text[end:]
