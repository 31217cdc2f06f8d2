"""Importers: one clear line for everything that can be wrong, and nothing damaged by it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from small_sources import (
    AMAZON,
    BOOKS,
    GOODBOOKS,
    META,
    MOVIELENS,
    RATINGS,
    REVIEWS,
    STARS,
    Files,
    load,
    write,
)

from star.data.importers import FORMATS, check_name, import_dataset
from star.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sets"
    monkeypatch.setenv("STAR_DATA", str(folder))
    return folder


PACKED = gzip.compress(META.encode())


def ratings(text: str) -> Files:
    """A goodbooks folder with these ratings."""
    return GOODBOOKS | {"ratings.csv": text}


BAD: list[tuple[str, str, Files, str]] = [
    ("no ratings", "goodbooks", {"books.csv": BOOKS}, "has no ratings.csv"),
    ("no files", "movielens", {}, "has no ratings.csv or movies.csv"),
    ("no column", "goodbooks", ratings("user_id,book,rating\n1,2,3\n"), "no column book_id"),
    ("semicolons", "goodbooks", ratings(RATINGS.replace(",", ";")), "semicolons"),
    ("tabs", "movielens", MOVIELENS | {"ratings.csv": STARS.replace(",", "\t")}, "separated by tabs"),
    ("latin-1", "goodbooks", GOODBOOKS | {"books.csv": BOOKS.replace("Poet", "Poët").encode("l1")}, "UTF-8"),
    ("latin-1 header", "goodbooks", GOODBOOKS | {"books.csv": "é,b\n".encode("latin-1")}, "not UTF-8"),
    ("word for number", "goodbooks", ratings(RATINGS + "9,x,4\n"), "'book_id' holds 'x' in row 7"),
    ("no value", "goodbooks", ratings(RATINGS + "9,,4\n"), "'book_id' is empty in 1 rows"),
    ("short row", "goodbooks", ratings(RATINGS + "9\n"), "is empty in 1 rows"),
    ("long row", "goodbooks", ratings(RATINGS + "9,1,2,3,4\n"), "comma-separated"),
    ("rating 7", "goodbooks", ratings(RATINGS + "1,2,7\n1,1,0\n"), "2 of 7 ratings are outside 1 to 5"),
    ("rating nan", "movielens", MOVIELENS | {"ratings.csv": STARS + "3,1,NaN,1\n"}, "outside 0.5 to 5"),
    ("unknown items", "goodbooks", ratings(RATINGS + "9,77,5\n"), "1 of 6 ratings (16.7%)"),
    ("repeated book", "goodbooks", GOODBOOKS | {"books.csv": BOOKS + "1,1,A,1,B\n"}, "more than once"),
    ("empty file", "goodbooks", ratings(""), "ratings.csv is empty"),
    ("header only", "goodbooks", ratings(RATINGS[:23]), "no rows"),
    ("half gzip", "goodbooks", {"ratings.csv.gz": PACKED[:-9], "books.csv": BOOKS}, "complete gzip"),
    ("no gzip", "goodbooks", {"ratings.csv.gz": RATINGS, "books.csv": BOOKS}, "complete gzip"),
    ("no meta", "amazon", {"Books.csv": REVIEWS}, "one meta_CATEGORY.jsonl"),
    ("two metas", "amazon", AMAZON | {"meta_Toys.jsonl": META}, "a folder of its own"),
    ("no reviews", "amazon", {"meta_Books.jsonl": META}, "no Books.csv"),
    ("broken meta", "amazon", AMAZON | {"meta_Books.jsonl": META + '{"a'}, "line 3 is not JSON"),
    ("empty meta", "amazon", AMAZON | {"meta_Books.jsonl": ""}, "is empty"),
    ("half meta", "amazon", {"Books.csv": REVIEWS, "meta_Books.jsonl.gz": PACKED[:-9]}, "complete gzip"),
    ("other meta", "amazon", AMAZON | {"meta_Books.jsonl": '{"asin": 1}\n'}, "no parent_asin and title"),
    ("broken reviews", "amazon", {"Books.jsonl": "{", "meta_Books.jsonl": META}, "one JSON object per line"),
    ("no user", "amazon", {"Books.jsonl": '{"rating": 1}\n', "meta_Books.jsonl": META}, "'user_id' is"),
]  # fmt: skip


@pytest.mark.parametrize(("format", "files", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_source_is_one_line(tmp_path, home, format, files, message):
    with pytest.raises(UserError) as caught:
        load(format, write(tmp_path / "in", files))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not home.exists(), "nothing was written"


BAD_TABLES: list[tuple[str, str, str | bytes, dict[str, str], str]] = [
    ("no item", "log.csv", "user,thing\n1,2\n", {}, "no column item"),
    ("mapped, absent", "log.csv", "user,thing\n1,2\n", {"item": "isbn"}, "no column isbn"),
    ("absent under another's name", "log.csv", "user,thing\n1,2\n", {"item": "title"}, "no column title"),
    ("no such field", "log.csv", "user,item\n1,2\n", {"reader": "user"}, "no field reader"),
    ("empty user", "log.csv", "user,item\n1,2\n,3\n", {}, "'user' is empty in 1 rows"),
    ("no time", "log.csv", "user,item,time\n1,2,soon\n", {}, "is no time in 1 of 1 rows, such as 'soon'"),
    ("mixed time", "log.csv", "user,item,time\n1,2,9\n1,3,x\n", {}, "'time' is not a number in 1 of 2"),
    ("no rating", "log.csv", "user,item,rating\n1,2,good\n", {}, "'rating' is not a number"),
    ("no parquet", "log.parquet", "user,item\n1,2\n", {}, "not a Parquet file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"), [b[1:] for b in BAD_TABLES], ids=[b[0] for b in BAD_TABLES]
)
def test_bad_table_is_one_line(tmp_path, name, content, columns, message):
    path = write(tmp_path / "in", {name: content}) / name
    with pytest.raises(UserError) as caught:
        load("table", path, columns=columns)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("format", list(FORMATS))
def test_path_that_is_not_there_or_of_the_wrong_kind(tmp_path, format):
    with pytest.raises(UserError, match="does not exist"):
        load(format, tmp_path / "absent")
    wrong = write(tmp_path / "in", {"a.csv": RATINGS})
    if format == "table":
        with pytest.raises(UserError, match="is a folder; give one"):
            load(format, wrong)
    else:
        with pytest.raises(UserError, match="is a file; give the folder"):
            load(format, wrong / "a.csv")


def test_nothing_left_after_thresholds(tmp_path):
    with pytest.raises(UserError, match=r"no reader with 9 or more items.*lower --min-item-readers"):
        load("goodbooks", write(tmp_path / "in", GOODBOOKS), min_reader_items=9)


@pytest.mark.parametrize("name", ["demo", "", ".", "..", ".x", "a/b", "../a", "a b", "a\n", "é", "x" * 101])
def test_bad_names(name):
    with pytest.raises(UserError) as caught:
        check_name(name)
    assert "\n" not in str(caught.value)


def test_unknown_format(tmp_path):
    with pytest.raises(UserError, match="no format 'netflix'; give one of goodbooks, movielens"):
        import_dataset("netflix", tmp_path, "x")


def test_failed_import_leaves_the_old_data_set_byte_by_byte(tmp_path, home):
    folder = write(tmp_path / "in", GOODBOOKS)
    load("goodbooks", folder)
    before = {path.name: path.read_bytes() for path in (home / "small").iterdir()}
    assert set(before) == {"catalogue.parquet", "interactions.parquet", "manifest.json"}
    write(folder, {"ratings.csv": RATINGS + "1,2,7\n"})
    with pytest.raises(UserError):
        load("goodbooks", folder)
    assert {path.name: path.read_bytes() for path in (home / "small").iterdir()} == before
    assert [path.name for path in home.iterdir()] == ["small"], "no temporary folder stays"


def test_home_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_DATA", str(write(tmp_path / "f", {"x": "file"}) / "x"))
    with pytest.raises(UserError, match="cannot be written"):
        import_dataset("goodbooks", write(tmp_path / "in", GOODBOOKS), "a", 1, 1)
