"""Converts columns to lists of text, such as creators: from lists, text with `|`, and lists printed as text."""

from __future__ import annotations

import ast

import polars as pl

from star.data.importers.columns import MISSING, Say, shown, text
from star.errors import UserError
from star.plain_text import flat, gathered

_QUOTED = r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"'
_MEMBER = rf"(?:[bu]?(?:{_QUOTED})|None|nan|NaN|null)"
# `['A', 'B']` as Python writes it, `["A", "B"]` as JSON does, `['A' 'B']` as numpy does, `('A',)`, `{'A'}`, `[]`.
_LIST = rf"(?s)^[\[({{]\s*(?:{_MEMBER}(?:[\s,]+{_MEMBER})*)?[\s,]*[\])}}]$"
# `[A, B]` as Spark and Hive write it.
_BARE = r"^\[[^\[\]{}'\"]*\]$"
_BRACKETED = r"^\[.*\]$|^\{.*\}$"


def lists(column: pl.Series, where: str, say: Say) -> pl.Series:
    """The column as List(String) without nulls, empty members and repeats; null where nothing is left.

    Raises:
        UserError: neither lists of text nor text.
    """
    kind = column.dtype
    if isinstance(kind, pl.Array):
        column, kind = column.arr.to_list(), pl.List(kind.inner)
    if isinstance(kind, pl.List):
        long = flat(column).with_columns(quoted=pl.lit(False))
    else:
        members, listed = _pieces(text(column, where), where, say)
        long = flat(members)
        long = long.with_columns(quoted=listed.gather(long["row"]))
    if long["quoted"].any():
        meant = _unquoted(long.filter("quoted")["member"])
        long = long.with_columns(long["member"].scatter(long["quoted"].arg_true(), meant))
    try:
        clean = text(long["member"], where)
    except UserError as error:
        raise UserError(str(error).replace("has the type", "holds lists of the type", 1)) from None
    return gathered(long.with_columns(member=clean.set(clean.is_in(MISSING).fill_null(False), None)))


def _pieces(column: pl.Series, where: str, say: Say) -> tuple[pl.Series, pl.Series]:
    """Text as List(String), and bool, whether the members are still quoted."""
    value = pl.col("value")
    listed, bare = value.str.contains(_LIST).fill_null(False), value.str.contains(_BARE)
    frame = pl.DataFrame({"value": column})
    odd = frame.filter(value.str.contains(_BRACKETED) & ~listed & ~bare)["value"]
    if len(odd):
        say(
            f"warning: {where} looks like a list in {len(odd)} of {len(column)} rows but is none that can be read, "
            f"such as {shown(odd[0])}; taken as it stands; expected text with | between the members"
        )
    made = frame.select(
        pl.when(listed)
        .then(value.str.extract_all(_QUOTED))
        .when(bare)
        .then(value.str.slice(1, value.str.len_chars() - 2).str.split(","))
        .otherwise(value.str.split("|"))
        .alias("member"),
        quoted=listed,
    )
    return made["member"], made["quoted"]


def _unquoted(quoted: pl.Series) -> pl.Series:
    """`'A'` to `A`."""
    inside = quoted.str.slice(1, quoted.str.len_chars() - 2)
    escaped = inside.str.contains(r"\\").fill_null(False)
    if not escaped.any():
        return inside
    # Rare; each is one quoted string.
    meant = pl.Series([_meant(cell) for cell in quoted.filter(escaped)], dtype=pl.String)
    return inside.scatter(escaped.arg_true(), meant)


def _meant(quoted: str) -> str:
    r"""The text of one quoted string, `\u00e9` and `\'` read; without its quotes if Python cannot read it."""
    try:
        # JSON writes what lies beyond 16 bits as two halves.
        return str(ast.literal_eval(quoted)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except (ValueError, SyntaxError):
        return quoted[1:-1]
