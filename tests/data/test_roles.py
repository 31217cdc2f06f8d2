"""Creators are told apart from editors and translators, where the source says who is what."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from small_sources import AMAZON, GOODBOOKS, load, write

from star.data.catalog import Item
from star.data.importers.roles import by_role, role_of
from star.data.loading import load_dataset
from star.evidence.tools import Attributes
from star.recommend.readable import byline


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


@pytest.mark.parametrize(
    ("given", "name", "roles"),
    [
        ("Ann Pen", "Ann Pen", ()),
        ("Ann Pen (Author)", "Ann Pen", ("author",)),
        ("Bo Ink (Editor, Translator)", "Bo Ink", ("editor", "translator")),
        ("Bo Ink (Editor and Author)", "Bo Ink", ("author", "editor")),
        ("The Band (1999)", "The Band (1999)", ()),
        ("Orland (Park)", "Orland (Park)", ()),
        ("(Editor)", "(Editor)", ()),
    ],
)
def test_roles_of_a_name(given: str, name: str, roles: tuple[str, ...]) -> None:
    assert role_of(given) == (name, frozenset(roles))


@pytest.mark.parametrize(
    ("given", "creators", "contributors"),
    [
        (("Ann Pen", "Bo Ink"), ("Ann Pen", "Bo Ink"), ()),
        (("Bo Ink (Editor)", "Ann Pen (Author)"), ("Ann Pen",), ("Bo Ink (editor)",)),
        (("Bo Ink (Editor)",), (), ("Bo Ink (editor)",)),
        (("Ann Pen (Author, Illustrator)",), ("Ann Pen",), ()),
        (("The Band (1999)",), ("The Band (1999)",), ()),
    ],
)
def test_items_by_role(
    given: tuple[str, ...], creators: tuple[str, ...], contributors: tuple[str, ...]
) -> None:
    item = by_role(Item("1", "One", given))
    assert (item.creators, item.contributors) == (creators, contributors)


def test_a_store_with_roles(home: Path) -> None:
    data = load("amazon", write(home.parent / "in", AMAZON))
    two = data.catalog[data.catalog.index("B2")]
    assert two.creators == ("A. Pen",) and two.contributors == ("B. Ink (illustrator)",)
    assert byline(two) == "A. Pen, B. Ink (illustrator)"
    assert data.catalog.search("ink") == [data.catalog.index("B2")]


def test_a_table_with_roles_and_the_signal_of_creators(home: Path) -> None:
    rows = [
        {"user": 1, "item": 1, "title": "One", "creators": ["Ann Pen (Author)", "Bo Ink (Translator)"]},
        {"user": 1, "item": 2, "title": "Two", "creators": ["Bo Ink (Translator)", "Cy Quill (Author)"]},
        {"user": 2, "item": 3, "title": "Three", "creators": ["Bo Ink (Editor)"]},
        {"user": 2, "item": 4, "title": "Four", "creators": ["Ann Pen"]},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    data = load("table", write(home.parent / "in", {"log.jsonl": text}) / "log.jsonl")
    authors = Attributes.of(data.catalog).author
    assert authors.tolist() == [0, 1, -1, 0]
    assert data.catalog[2].contributors == ("Bo Ink (editor)",)


def test_goodbooks_tells_no_roles_and_a_catalogue_without_them_is_read(home: Path) -> None:
    before = load("goodbooks", write(home.parent / "in", GOODBOOKS))
    assert all(item.contributors == () for item in before.catalog)
    file = home / "small" / "catalogue.parquet"
    pl.read_parquet(file).drop("contributors").write_parquet(file)
    assert load_dataset("small").catalog.items == before.catalog.items
