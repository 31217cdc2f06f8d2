"""SECURITY.md keeps its word: every promise names tests, and every test it names exists."""

from __future__ import annotations

import ast
import re

from star import ROOT

TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def promises() -> dict[str, list[tuple[str, str]]]:
    """Promise → the tests named for it, as file and function."""
    table = TEXT[TEXT.index("<!-- promises:") : TEXT.index("<!-- end of promises -->")]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return {promise.strip(): NAMED.findall(tests) for promise, tests in rows[2:]}


def test_every_promise_names_a_test() -> None:
    made = promises()
    assert len(made) > 10
    assert not [promise for promise, tests in made.items() if not tests]


def test_every_test_that_is_named_exists() -> None:
    """Whatever SECURITY.md calls a test is found, in the table or outside it."""
    named = set(NAMED.findall(TEXT))
    assert {pair for tests in promises().values() for pair in tests} <= named
    assert len(named) == len(set(re.findall(r"tests/[\w/]+\.py::\w+", TEXT))), (
        "a test is named in another form"
    )
    for file, name in sorted(named):
        path = ROOT / file
        assert path.is_file(), f"SECURITY.md names {file}, which is not there"
        defined = {
            node.name
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert name in defined, f"SECURITY.md names {file}::{name}, which is not there"
