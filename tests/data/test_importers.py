"""Importers: what each format yields."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from small_sources import AMAZON, BOOKS, GOODBOOKS, MOVIELENS, RATINGS, Files, histories, load, write

from star import ROOT
from star.data.importers import genres, goodbooks, import_dataset, movielens
from star.data.loading import load_dataset

SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sets"
    monkeypatch.setenv("STAR_DATA", str(folder))
    return folder


def test_goodbooks_keeps_row_order_of_readers_that_are_not_grouped(tmp_path):
    data = load("goodbooks", write(tmp_path / "in", GOODBOOKS))
    assert histories(data) == {"9": ["2", "10", "1"], "10": ["10", "2"]}
    assert [item.id for item in data.catalog] == ["1", "2", "10"], "numerical order"
    assert data.interactions.ratings.tolist() == [5, 4, 2, 1, 3], "one star is an interaction too"
    assert data.interactions.times is None
    second = data.catalog[1]
    assert (second.title, second.series, second.number, second.year) == ("Second", "Cycle", 2.0, 1997)
    assert second.creators == ("Ann Writer", "Bob Drawer")
    assert (data.catalog[2].year, data.catalog[0].year) == (-750, None)
    assert data.catalog[0].title == "First (Boxed) Book"


def test_goodbooks_manifest(tmp_path):
    manifest = load("goodbooks", write(tmp_path / "in", GOODBOOKS)).manifest
    assert manifest["counts"] == {
        "readers": 2,
        "items": 3,
        "interactions": 5,
        "rows_read": 5,
        "dropped": {
            "unknown_item": 0,
            "duplicate": 0,
            "item_below_threshold": 0,
            "reader_below_threshold": 0,
        },
    }
    assert manifest["notices"] == ["goodbooks-10k, Zygmunt Zając, CC BY-SA 4.0"]
    assert manifest["simulated"] is False and len(manifest["checksum"]) == 64


@pytest.mark.parametrize(
    "shelves",
    [
        {"book_genres.csv": 'book_id,goodreads_book_id,genres\n2,20,"fantasy,fiction,ya,to-read"\n'},
        {
            "tags.csv": "tag_id,tag_name\n1,fantasy\n2,ya\n3,owned\n4,horror\n",
            "book_tags.csv": "goodreads_book_id,tag_id,count\n20,1,900\n20,2,400\n20,3,5000\n20,4,3\n",
        },
    ],
)
def test_goodbooks_genres_from_either_file(tmp_path, shelves):
    data = load("goodbooks", write(tmp_path / "in", GOODBOOKS | shelves))
    assert data.catalog[1].genres == ("fantasy", "young adult")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Hunger Games (The Hunger Games, #1)", ("The Hunger Games", "The Hunger Games", 1.0)),
        ("Gift (Ender's Saga, #1.1)", ("Gift", "Ender's Saga", 1.1)),
        ("Guards (Discworld, #8; City Watch #1)", ("Guards", "Discworld", 8.0)),
        ("Night Play (Dark-Hunter #5, Were-Hunter #1)", ("Night Play", "Dark-Hunter", 5.0)),
        ("Strange (Anita Blake, Vampire Hunter #0.5)", ("Strange", "Anita Blake, Vampire Hunter", 0.5)),
        ("Box (Divergent, #0.1 - 0.4)", ("Box", "Divergent", None)),
        ("Plays (The Theban Plays, #1–3)", ("Plays", "The Theban Plays", None)),
        ("All  (Twilight, #1-4 + 3.5)", ("All", "Twilight", None)),
        ("Set (Sand, #10-12)", ("Set", "Sand", None)),
        ("Stories (The Selection, #0.4, 0.5)", ("Stories", "The Selection", None)),
        ("Touch (Sookie, #4.1, #4.3)", ("Touch", "Sookie", None)),
        ("Order (Harry Potter, #5, Part 1 of 2)", ("Order", "Harry Potter", 5.0)),
        ("Vol. 1 (Ranma (US 2nd), #1)", ("Vol. 1", "Ranma (US 2nd)", 1.0)),
        ("Moody (Judy Moody, # 1)", ("Moody", "Judy Moody", 1.0)),
        ("#GIRLBOSS", ("#GIRLBOSS", None, None)),
        ("Castle (Dramatization)", ("Castle (Dramatization)", None, None)),
    ],
)
def test_goodbooks_titles(text, expected):
    assert goodbooks.split_title(text) == expected


@pytest.mark.parametrize(
    ("shelves", "expected"),
    [
        ("sci-fi,scifi,science-fiction,fiction", ("science fiction",)),
        ("fantasy,epic-fantasy,sci-fi-fantasy,childrens,ya", ("fantasy", "children", "young adult")),
        ("fiction,novels", ("fiction",)),
        ("non-fiction,history,biography", ("biography and memoir", "history")),
        ("fiction,history,historical-fiction", ("historical fiction",)),
        ("mystery,thriller,horror,romance,crime,suspense", ("horror", "mystery", "thriller", "romance")),
        ("to-read,owned", ()),
    ],
)
def test_clean_genres(shelves, expected):
    assert genres.clean_genres((shelf, 1.0) for shelf in shelves.split(",")) == expected


def test_movielens(tmp_path):
    data = load("movielens", write(tmp_path / "in", MOVIELENS))
    assert histories(data) == {"1": ["2", "1"], "2": ["2", "1"]}, "by time, ties by row"
    assert data.interactions.times.tolist() == [200, 300, 50, 50]
    assert [(i.title, i.year, i.genres) for i in data.catalog] == [
        ("Toy Story", 1995, ("adventure", "comedy")),
        ("The Matrix", 1999, ()),
    ]
    assert "Harper" in data.manifest["citation"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Seven (a.k.a. Se7en) (1995)", ("Seven (a.k.a. Se7en)", 1995)),
        ("Postman, The (Postino, Il) (1994)", ("The Postman (Il Postino)", 1994)),
        ("Avventura, L' (Adventure, The) (1960) ", ("L'Avventura (The Adventure)", 1960)),
        ("Fawlty Towers (1975-1979)", ("Fawlty Towers", 1975)),
        ("Babylon 5", ("Babylon 5", None)),
        ("Good, the Bad (1966)", ("Good, the Bad", 1966)),
    ],
)
def test_movielens_titles(text, expected):
    assert movielens.split_title(text) == expected


@pytest.mark.parametrize("form", ["csv", "jsonl", "csv.gz"])
def test_amazon(tmp_path, form):
    files = dict(AMAZON)
    reviews = pl.read_csv(str(files.pop("Books.csv")).encode())
    if form == "jsonl":
        files["Books.jsonl"] = reviews.with_columns(text=pl.lit("long")).write_ndjson()
    else:
        text = reviews.write_csv().encode()
        files[f"Books.{form}"] = gzip.compress(text) if form.endswith("gz") else text
    data = load("amazon", write(tmp_path / "in", files))
    assert histories(data) == {"AA": ["B2"], "AB": ["B2", "B1"]}
    assert data.interactions.times.tolist() == [9, 1, 2], "seconds, not milliseconds"
    assert [(i.title, i.creators, i.genres) for i in data.catalog] == [
        ("One", ("C. Quill",), ()),
        ("Two", ("A. Pen",), ("fantasy", "fiction")),
    ]


TABLE = pl.DataFrame(
    {
        "member": ["b", "a", "b"],
        "isbn": ["007", "12", "12"],
        "when": ["2024-01-02", "2024-01-01", "2023-05-01T10:00:00"],
        "name": ["Seven", "Twelve", "ignored"],
        "genres": ["x| y", "", None],
        "year": [1999, None, None],
    }
)
MAPPING = {"user": "member", "item": "isbn", "time": "when", "title": "name"}


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_table(tmp_path, form):
    path = tmp_path / f"log.{form}"
    if form == "parquet":
        TABLE.with_columns(pl.col("genres").str.split("|")).write_parquet(path)
    else:
        text = TABLE.write_csv().encode()
        path.write_bytes(gzip.compress(text) if form.endswith("gz") else text)
    data = load("table", path, columns=MAPPING, licence="CC0")
    assert histories(data) == {"a": ["12"], "b": ["12", "007"]}
    assert [(i.id, i.title, i.year) for i in data.catalog] == [("007", "Seven", 1999), ("12", "Twelve", None)]
    assert data.catalog[0].genres[0] == "x"
    assert data.manifest["licence"] == "CC0"


def test_table_without_titles_shows_ids(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\n1,30,1700000000000\n1,4,1600000000\n")
    data = load("table", tmp_path / "log.csv")
    assert [item.title for item in data.catalog] == ["4", "30"]


def test_gzip_and_byte_order_mark(tmp_path):
    files: Files = {
        "ratings.csv.gz": gzip.compress(RATINGS.encode()),
        "books.csv": b"\xef\xbb\xbf" + BOOKS.encode(),
    }
    assert load("goodbooks", write(tmp_path / "in", files)).manifest["counts"]["interactions"] == 5


def test_thresholds_items_first_then_readers(tmp_path):
    folder = write(tmp_path / "in", GOODBOOKS)
    data = load("goodbooks", folder, min_item_readers=2, min_reader_items=2)
    assert histories(data) == {"9": ["2", "10"], "10": ["10", "2"]}
    assert data.manifest["counts"]["dropped"]["item_below_threshold"] == 1
    data = load("goodbooks", folder, min_item_readers=1, min_reader_items=3)
    assert list(histories(data)) == ["9"]
    assert data.manifest["counts"]["dropped"]["reader_below_threshold"] == 2


def test_duplicates_keep_the_first_and_are_counted(tmp_path, capsys):
    files = GOODBOOKS | {"ratings.csv": RATINGS + "9,2,1\n"}
    data = load("goodbooks", write(tmp_path / "in", files))
    assert histories(data)["9"] == ["2", "10", "1"] and data.interactions.ratings[0] == 5
    assert data.manifest["counts"]["dropped"]["duplicate"] == 1
    assert "warning: dropped 1 of 6 rows that repeat a reader and item" in capsys.readouterr().err


def test_few_unknown_items_are_dropped_and_counted(tmp_path, capsys):
    rows = "".join(f"{user},2,5\n" for user in range(100, 300))
    data = load("goodbooks", write(tmp_path / "in", GOODBOOKS | {"ratings.csv": RATINGS + rows + "9,77,5\n"}))
    assert data.manifest["counts"]["dropped"]["unknown_item"] == 1
    assert "warning: dropped 1 of 206 ratings" in capsys.readouterr().err


def test_same_source_same_bytes(tmp_path, home):
    folder = write(tmp_path / "in", GOODBOOKS)
    import_dataset("goodbooks", folder, "a", 1, 1)
    import_dataset("goodbooks", folder, "b", 1, 1)
    first, second = (json.loads((home / n / "manifest.json").read_text("utf-8")) for n in "ab")
    assert first["checksum"] == second["checksum"]


@pytest.mark.slow
def test_a_large_import_calls_no_function_for_a_row(tmp_path):
    from counting import calls
    from make_large_goodbooks import make

    made, spent = [], []
    for rows in (40_000, 400_000):
        make(tmp_path / str(rows), rows=rows, users=rows // 100, books=1_000)
        spent.append(calls(lambda n=rows: made.append(import_dataset("goodbooks", tmp_path / str(n), f"set{n}"))))
    assert made[1].manifest["counts"]["interactions"] > 396_000
    assert spent[1] - spent[0] < 360_000, "less than one call for each row more"


@pytest.mark.real
@pytest.mark.parametrize(
    ("format", "folder", "counts"),
    [
        ("goodbooks", "goodbooks", {"readers": 2376, "items": 5843, "interactions": 240_879}),
        ("movielens", "ml-latest-small", {"readers": 610, "items": 3650, "interactions": 90_274}),
    ],
)
def test_real_data(format, folder, counts):
    if not (SHARED / folder).is_dir():
        pytest.skip(f"{SHARED / folder} is not here")
    made = import_dataset(format, SHARED / folder, "real")
    assert {key: made.manifest["counts"][key] for key in counts} == counts
    back = load_dataset("real")
    assert back.catalog == made.catalog and (back.interactions.items == made.interactions.items).all()
    if format == "goodbooks":
        first = back.catalog[back.catalog.index("1")]
        assert (first.title, first.number, first.year) == ("The Hunger Games", 1.0, 2008)
        assert sum(bool(item.genres) for item in back.catalog) > 0.99 * len(back.catalog)
