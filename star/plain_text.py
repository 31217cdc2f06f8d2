"""Plain text: one line, without control characters, terminal codes, or marks that turn the reading direction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl  # here for its types alone: the command line reads this module before it needs polars

# The patterns are read by Python and by polars alike. Terminal codes: CSI, OSC (a title, a link), other strings, two-byte.
_CODES = (
    r"(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b\]|\x{9d})[^\x07\x1b\x{9c}]*(?:\x07|\x1b\\|\x{9c})?"
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS = r"[\t\n\x0b\x0c\r\x1c-\x1f\x{85}\x{2028}\x{2029}]"
# Controls; zero-width space, joiner and byte order mark; embeddings, overrides and isolates of direction; annotations.
_UNSEEN = r"[\x00-\x08\x0e-\x1b\x7f-\x{9f}\x{200b}\x{2060}\x{feff}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{fff9}-\x{fffb}]"
_STEPS = ((_CODES, ""), (_BREAKS, " "), (_UNSEEN, ""), (r"\s+", " "))
_UNTIDY = rf"{_CODES}|{_BREAKS}|{_UNSEEN}|^\s|\s$|\s\s|[^\S ]"


def _python(pattern: str) -> re.Pattern[str]:
    """The pattern with `\\x{85}` as the character itself."""
    return re.compile(re.sub(r"\\x\{(\w+)\}", lambda found: re.escape(chr(int(found[1], 16))), pattern))


_PYTHON_STEPS = [(_python(pattern), instead) for pattern, instead in _STEPS]


def one_line(text: str) -> str:
    """`text` as it may stand in a terminal, a list or a table cell; empty where nothing of it can be seen.

    >>> one_line("\\x1b[31mred\\x1b[0m\\tline\\n")
    'red line'
    """
    text = text.encode("utf-8", "replace").decode("utf-8")  # halves of a character, as JSON may hold them
    for pattern, instead in _PYTHON_STEPS:
        text = pattern.sub(instead, text)
    return text.strip()


def one_lines(column: pl.Series) -> pl.Series:
    """The same for a column of String; what has nothing to be seen becomes null. Clean columns cost one look."""
    if column.str.contains(_UNTIDY).any():
        for pattern, instead in _STEPS:
            column = column.str.replace_all(pattern, instead)
        column = column.str.strip_chars()
    # A title of direction marks and joiners alone is no title.
    unseen = column.str.contains(r"^[\p{Cf}\s]*$").fill_null(False)
    return column.set(unseen, None) if unseen.any() else column


def one_line_lists(column: pl.Series) -> pl.Series:
    """A column of List(String) with every member one line; without nulls, members unseen, and repeats."""
    long = flat(column)
    return gathered(long.with_columns(member=one_lines(long["member"])))


def flat(column: pl.Series) -> pl.DataFrame:
    """Lists as rows: `row` of the column and `member`, in order; an empty list is one null."""
    rows = column.to_frame("member").with_row_index("row")
    return rows.explode("member", empty_as_null=True)


def gathered(long: pl.DataFrame) -> pl.Series:
    """The inverse of `flat` for members of String, without nulls and repeats; a row without any is null."""
    rows = long.select("row").unique(maintain_order=True)
    kept = long.drop_nulls("member").unique(["row", "member"], keep="first", maintain_order=True)
    whole = kept.group_by("row", maintain_order=True).agg("member")
    return rows.join(whole, on="row", how="left", maintain_order="left")["member"]
