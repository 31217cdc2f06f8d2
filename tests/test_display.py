"""Names from data in HTML, in plain text and in a terminal: nothing steers, nothing reorders the words around it."""

from __future__ import annotations

import json
import re
import unicodedata
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star.display import CLOSE, OPEN, bdi, clean, document, echo, html, isolated, isolating, line

HEBREW = "שלום, עולם!"
REVERSED = "\u202eeniltfel"
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Dune", "Dune"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b2Jgone", "gone"),
        ("\x1b]0;title\x07window", "window"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("half \x1b[", "half ["),
        ("a\x00\x08\x7f\x85b", "a b"),
        ("two\r\nlines\u2028three", "two  lines three"),
        (REVERSED, "eniltfel"),
        ("\u2066open, never closed", "open, never closed"),
        ("byte \udcff", "byte \ufffd"),
        ("left-to-right mark\u200e stays", "left-to-right mark\u200e stays"),
    ],
)
def test_clean(given: str, shown: str) -> None:
    assert clean(given) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Dune", "Dune"),
        (HEBREW, OPEN + HEBREW + CLOSE),
        ("١٢٣", OPEN + "١٢٣" + CLOSE),
        (CLOSE + HEBREW, OPEN + HEBREW + CLOSE),
        (REVERSED, "eniltfel"),
        (17, "17"),
    ],
)
def test_isolated(name: object, shown: str) -> None:
    assert isolated(name) == shown


def test_names_are_isolated_where_they_were_put_and_nowhere_else() -> None:
    named = isolating({"שלום", "שלום עולם", "Dune", "(א)", "iב"})
    assert named("12 of the 30 readers of שלום also read שלום  עולם, 3 times") == (
        f"12 of the 30 readers of {OPEN}שלום{CLOSE} also read {OPEN}שלום  עולם{CLOSE}, 3 times"
    )
    assert named("“(א)” and Dune") == f"“{OPEN}(א){CLOSE}” and Dune"
    assert named("Iב is read") == f"{OPEN}Iב{CLOSE} is read"
    assert named("שלומי") == "שלומי"


def test_html_escapes_and_isolates() -> None:
    assert html(f"<b> {isolated(HEBREW)} & {REVERSED}") == f"&lt;b&gt; <bdi>{HEBREW}</bdi> &amp; eniltfel"
    assert bdi('"><script>') == "<bdi>&quot;&gt;&lt;script&gt;</bdi>"
    assert html(OPEN + "one " + OPEN + "two" + CLOSE) == "one <bdi>two</bdi>"


@given(st.text(st.characters(), max_size=30), st.text(st.characters(), max_size=30))
def test_no_name_reaches_beyond_itself(first: str, second: str) -> None:
    """Whatever two names hold: no control is left, and our words stand outside every isolate that a name needs."""
    shown = line(f"readers of {isolated(first)} also read {isolated(second)}, 3 times")
    outside = re.sub(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", "", shown)
    assert not FORBIDDEN.search(outside)
    assert outside.startswith("readers of ") and outside.endswith(", 3 times")
    assert not any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in outside)
    made = html(f"of {isolated(first)} and {isolated(second)}")
    assert not re.search(r"<(?!/?bdi>)", made) and not FORBIDDEN.search(unescape(made))


def test_echo_prints_each_as_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a\nb\x1b[2J", isolated(HEBREW))
    echo("wrong \udcff", err=True)
    assert capsys.readouterr() == (f"a b\n{OPEN}{HEBREW}{CLOSE}\n", "wrong \ufffd\n")


def test_a_document_keeps_its_values_and_holds_nothing_that_steers() -> None:
    value = {"title": f"\x1b[31m\x9b{REVERSED}{HEBREW}\u2066\x7f\n"}
    text = document(value)
    assert json.loads(text) == value and not FORBIDDEN.search(text) and "שלום" in text
    assert document({"a": "Émile"}) == '{"a": "Émile"}'
