"""Plain text: the same cleaning of one string and of a column, and only of what cannot be seen."""

from __future__ import annotations

import random

import polars as pl
import pytest

from star.errors import UserError, command
from star.plain_text import one_line, one_lines

CASES = [
    ("plain", "plain"),
    ("\x1b[31mred\x1b[0m\x07", "red"),
    ("\x9b1mbold", "bold"),
    ("\x1b]0;title\x07shown", "shown"),
    ("\x1b]8;;there\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x1b", ""),
    ("\x00n\x7ful", "nul"),
    ("a\r\nb\tc\x0bd\x85e\u2028f", "a b c d e f"),
    ("  a \u00a0 b\u3000", "a b"),
    ("\u202eabc\u202c \u2066d\u2069", "abc d"),
    ("\ufeffa\u200bb", "ab"),
    ("\U0001f468\u200d\U0001f469 \u05e9\u05dc", "\U0001f468\u200d\U0001f469 \u05e9\u05dc"),
    ("half \ud83d", "half ?"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_one_line(text, expected):
    assert one_line(text) == expected


def test_a_column_is_cleaned_as_its_cells_are():
    rng = random.Random(0)
    pool = [
        *map(chr, range(0x100)),
        *"\u200b\u2028\u202e\u2069\ufeff\u3000\u2003\ufff9",
        "\x1b[",
        "\x1b]",
        "ab",
    ]
    cells = ["".join(rng.choices(pool, k=rng.randint(0, 8))) for _ in range(3000)]
    expected = [one_line(cell) for cell in cells]
    assert one_lines(pl.Series(cells)).fill_null("").to_list() == [
        text if any(c not in "\xad" for c in text) else "" for text in expected
    ]
    assert [one_line(text) for text in expected] == expected
    for cell in cells[:300]:
        assert (one_lines(pl.Series([cell]))[0] or "") == one_line(cell).strip("\xad") or "\xad" in cell


def test_what_a_command_says_of_a_fault_has_no_control_characters(capsys):
    def fails() -> None:
        raise UserError("a \x1b[31mred\x1b[0m\x00 column\nin two lines")

    with pytest.raises(SystemExit) as done:
        command(fails)
    assert done.value.code == 2 and capsys.readouterr().err == "star: a red column in two lines\n"
