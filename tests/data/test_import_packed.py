"""Sources as they are downloaded: `.zip`, `.gz`, MovieLens 100k and 1M, RecBole, JSON lines; bombs and full disks."""

from __future__ import annotations

import base64
import errno
import gzip
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_sources import AMAZON, GOODBOOKS, META, MOVIELENS, REVIEWS, Files, histories, load, write

from star import ROOT
from star.data.importers import archives, import_dataset
from star.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sets"
    monkeypatch.setenv("STAR_DATA", str(folder))
    return folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own, empty again after every import."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def zipped(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def under(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": content for name, content in files.items()}


# Zip


@pytest.mark.parametrize(
    ("format", "files"), [("goodbooks", GOODBOOKS), ("movielens", MOVIELENS), ("amazon", AMAZON)]
)
@pytest.mark.parametrize("folder", ["", "as-downloaded", "a/b"])
def test_a_zip_gives_what_its_folder_gives(tmp_path, temporary, format, files, folder):
    plain = load(format, write(tmp_path / "as-downloaded", files))
    packed = under(folder, files) if folder else files
    noise = {"README.txt": "x", "__MACOSX/._ratings.csv": "x", f"{folder}/samples/ratings.csv": "x"}
    data = load(format, zipped(tmp_path / "as-downloaded.zip", packed | noise))
    assert data.catalog == plain.catalog and histories(data) == histories(plain)
    assert data.manifest["title"] == plain.manifest["title"], "not named after a temporary folder"
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("format", "files"), [("goodbooks", GOODBOOKS), ("movielens", MOVIELENS), ("amazon", AMAZON)]
)
def test_files_of_a_folder_may_each_be_a_zip(tmp_path, format, files):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in files.items():
        zipped(folder / f"{name}.zip", {name: content})
    assert histories(load(format, folder)) == histories(load(format, write(tmp_path / "plain", files)))


def test_what_is_said_of_a_zip_names_the_zip(tmp_path, temporary, capsys):
    files = {name: content for name, content in K100.items() if name != "u.genre"}
    load("movielens", zipped(tmp_path / "ml-100k.zip", under("ml-100k", files)))
    items = ITEMS.replace("1995", "about 1995")
    load("table", zipped(tmp_path / "a.zip", {"a.inter": RECBOLE, "a.item": items}))
    said = capsys.readouterr().err
    assert "ml-100k.zip has no u.genre" in said and "a.zip/a.item: column 'year' is no year in 1 of 2" in said
    assert str(temporary) not in said


def test_no_path_of_a_zip_is_trusted(tmp_path, temporary):
    outside = {f"../../{name}": content for name, content in GOODBOOKS.items()}
    assert load("goodbooks", zipped(tmp_path / "a.zip", outside)).manifest["counts"]["interactions"] == 5
    absolute = {str(tmp_path / "evil" / name): content for name, content in GOODBOOKS.items()}
    assert load("goodbooks", zipped(tmp_path / "b.zip", absolute)).manifest["counts"]["interactions"] == 5
    windows = {f"..\\..\\{name}": content for name, content in GOODBOOKS.items()}
    assert load("goodbooks", zipped(tmp_path / "c.zip", windows)).manifest["counts"]["interactions"] == 5
    assert not (tmp_path / "evil").exists() and not (tmp_path.parent / "ratings.csv").exists()
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        link = zipfile.ZipInfo("ratings.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("books.csv", GOODBOOKS["books.csv"])
    with pytest.raises(UserError, match=r"d\.zip/ratings\.csv has no column user_id.*; it has /etc/passwd;"):
        load("goodbooks", tmp_path / "d.zip")
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": "x"}, r"x\.zip has no ratings.csv or books.csv"),
        (under("a", GOODBOOKS) | under("b", GOODBOOKS), r"x\.zip holds 2 files .*csv; unpack it"),
        (GOODBOOKS | {"ratings.csv": "user_id,book_id\n1,2\n"}, r"x\.zip/ratings.csv has no column rating"),
    ],
)
def test_a_zip_with_other_files_is_one_line(tmp_path, temporary, files, message):
    with pytest.raises(UserError, match=message) as caught:
        load("goodbooks", zipped(tmp_path / "x.zip", files))
    assert str(temporary) not in str(caught.value) and not list(temporary.iterdir())


@pytest.mark.parametrize("format", ["goodbooks", "movielens", "amazon", "recbole", "table"])
@pytest.mark.parametrize("damage", ["none", "cut", "bits", "locked", "method"])
def test_a_damaged_zip_is_one_line(tmp_path, temporary, format, damage):
    inside = GOODBOOKS | MOVIELENS | AMAZON | {"a.inter": RECBOLE, "a.item": ITEMS}
    inside = {"log.csv": "user,item\n1,2\n"} if format == "table" else inside
    content = bytearray(zipped(tmp_path / "x.zip", inside).read_bytes())
    if damage == "none":
        content = bytearray(b"no zip at all")
    if damage == "cut":
        content = content[:-40]
    if damage == "bits":
        at = content.index(b".csv" if format != "recbole" else b".inter") + 12
        content[at : at + 4] = bytes(255 - byte for byte in content[at : at + 4])
    for mark, flag, method in ((b"PK\x03\x04", 6, 8), (b"PK\x01\x02", 8, 10)):
        at = content.find(mark)
        while at >= 0 and damage in ("locked", "method"):
            if damage == "locked":
                content[at + flag] |= 1
            else:
                content[at + method] = 99
            at = content.find(mark, at + 4)
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.zip") as caught:
        load(format, tmp_path / "x.zip")
    assert "\n" not in str(caught.value) and not list(temporary.iterdir())


# One table


TABLE = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "title": ["X", "Y", "X"]})


def written(form: str) -> bytes:
    out = io.BytesIO()
    if form == "tsv":
        TABLE.write_csv(out, separator="\t")
    else:
        {"csv": TABLE.write_csv, "jsonl": TABLE.write_ndjson, "ndjson": TABLE.write_ndjson,
         "json": TABLE.write_ndjson, "parquet": TABLE.write_parquet}[form](out)  # fmt: skip
    return out.getvalue()


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "ndjson", "json", "parquet"])
@pytest.mark.parametrize("packed", ["", ".gz", ".zip"])
def test_a_table_plain_and_packed(tmp_path, temporary, form, packed):
    path = tmp_path / f"log.{form}{packed}"
    if form == "json" and packed == ".zip":
        path = tmp_path / "log.zip"
        zipped(path, {"deep/log.jsonl": written(form), "readme.md": "x"})
    elif packed == ".zip":
        zipped(path, {f"deep/log.{form}": written(form), "__MACOSX/deep/._log.csv": "x"})
    else:
        path.write_bytes(gzip.compress(written(form)) if packed else written(form))
    data = load("table", path)
    assert histories(data) == {"a": ["x", "y"], "b": ["x"]}
    assert [item.title for item in data.catalog] == ["X", "Y"] and data.manifest["title"] == "log"
    assert not list(temporary.iterdir())


def test_json_lines(tmp_path):
    rows = [
        {"user": 1, "item": "b", "title": "B", "genres": ["x", None, ""], "time": 1600000001, "rating": 4},
        {"user": 1, "item": "a", "title": 1984, "creators": ["P"], "time": 1600000000.5, "rating": "5"},
    ]
    (tmp_path / "log.jsonl").write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    data = load("table", tmp_path / "log.jsonl")
    assert histories(data) == {"1": ["a", "b"]}
    assert [(i.title, i.genres, i.creators) for i in data.catalog] == [
        ("1984", (), ("P",)),
        ("B", ("x",), ()),
    ]
    assert data.interactions.ratings.tolist() == [5, 4]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.xlsx", b"PK\x03\x04", "is a spreadsheet; export its sheet as CSV UTF-8"),
        ("log.ods", b"PK\x03\x04", "is a spreadsheet; export"),
        ("log.csv", b"PK\x03\x04", "is a zip archive or a spreadsheet"),
        ("log.tar.gz", b"\x1f\x8b", "is packed .*unpack it and give one .csv, .jsonl or .parquet"),
        ("log.csv.zst", b"x", "is packed .*unpack it"),
        ("log.csv", b"\x1f\x8b\x08", "is compressed by gzip; name it .gz"),
    ],
)
def test_what_is_no_table_says_what_to_do(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message):
        load("table", write(tmp_path / "in", {name: content}) / name)


def test_a_name_of_a_file_that_is_no_text(tmp_path):
    path = tmp_path / os.fsdecode(b"l\xff\x1b[31mog.csv")
    path.write_bytes(written("csv"))
    with pytest.raises(UserError, match=r"/l\?og\.csv has a name that is not UTF-8 text; rename it"):
        load("table", path)


def test_parquet_and_json_lines_under_another_name(tmp_path):
    for form in ("parquet", "jsonl"):
        path = write(tmp_path / "in", {"log.data": written(form)}) / "log.data"
        assert histories(load("table", path)) == {"a": ["x", "y"], "b": ["x"]}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": "user,item\n1,2\n", "b.csv": "user,item\n1,2\n"}, "has a.csv, b.csv; unpack it"),
        ({"a.doc": "x"}, "has none; unpack it"),
        ({}, "has none; unpack it"),
    ],
)
def test_a_zip_of_other_than_one_table(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        load("table", zipped(tmp_path / "x.zip", files))


# MovieLens 100k and 1M


GENRES = "unknown|0\nAction|1\nDrama|2\n\n"
FILMS = (
    "1|Toy Story (1995)|01-Jan-1995||http://x|0|1|1\n2|Misérables, Les (1995)|01-Jan-1995||http://x|1|0|0\n"
)
DATA = "196\t2\t3\t881250949\n186\t1\t3\t891717742\n196\t1\t1\t878887116\n"
K100: Files = {"u.data": DATA, "u.item": FILMS.encode("latin-1"), "u.genre": GENRES}
M1: Files = {
    "ratings.dat": "1::2::5::978300760\n1::10::3::978300000\n2::2::4.5::978300760\n",
    "movies.dat": "2::Star Wars: Episode IV (1977)::Action|Sci-Fi\n10::Misérables, Les (1995)::Drama\n".encode(
        "latin-1"
    ),
}


@pytest.mark.parametrize("form", ["folder", "gz", "zip"])
def test_movielens_100k(tmp_path, form):
    folder = write(tmp_path / "ml-100k", K100)
    if form == "gz":
        path = folder / "u.data"
        (folder / "u.data.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    path = zipped(tmp_path / "ml-100k.zip", under("ml-100k", K100)) if form == "zip" else folder
    data = load("movielens", path)
    assert histories(data) == {"186": ["1"], "196": ["1", "2"]}
    assert data.interactions.times.tolist() == [891717742, 878887116, 881250949]
    assert data.interactions.ratings.tolist() == [3, 1, 3]
    assert [(i.title, i.year, i.genres) for i in data.catalog] == [
        ("Toy Story", 1995, ("action", "drama")),
        ("Les Misérables", 1995, ()),
    ]
    assert data.manifest["title"] == "MovieLens (ml-100k)"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_movielens_1m_and_10m(tmp_path, encoding):
    movies = bytes(M1["movies.dat"]).decode("latin-1").encode(encoding)  # type: ignore[arg-type]
    data = load("movielens", zipped(tmp_path / "ml-1m.zip", under("ml-1m", M1 | {"movies.dat": movies})))
    assert histories(data) == {"1": ["10", "2"], "2": ["2"]}
    assert data.interactions.ratings.tolist() == [3, 5, 4.5]
    assert [(i.id, i.title, i.year, i.genres) for i in data.catalog] == [
        ("2", "Star Wars: Episode IV", 1977, ("action", "sci-fi")),
        ("10", "Les Misérables", 1995, ("drama",)),
    ]


def test_movielens_titles_that_hold_the_separator(tmp_path):
    movies = "2::Star Wars::IV (1977)::Action\n10::Heat (1995)::Drama\n"
    data = load("movielens", write(tmp_path / "in", M1 | {"movies.dat": movies}))
    assert [(i.title, i.genres) for i in data.catalog] == [("Star Wars::IV", ("action",)), ("Heat", ("drama",))]


def test_movielens_100k_without_names_of_genres(tmp_path, capsys):
    data = load("movielens", write(tmp_path / "in", {k: v for k, v in K100.items() if k != "u.genre"}))
    assert data.catalog[0].genres == () and "has no u.genre" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"u.data": DATA}, "has no u.item"),
        (K100 | {"u.data": DATA.replace("\t", ",")}, "u.data has 1 columns; expected 4, userId, movieId"),
        (K100 | {"u.data": DATA + "1\tx\t3\t1\n"}, "u.data: column 'movieId' holds 'x' in row 4"),
        (K100 | {"u.data": DATA + "1\t1\n"}, "'rating' is empty in 1 rows"),
        (K100 | {"u.data": DATA + "1\t1\t9\t1\n"}, "1 of 4 ratings are outside"),
        (K100 | {"u.data": ""}, "u.data is empty"),
        (K100 | {"u.item": FILMS + "x\n"}, "u.item: line 3 has 1 fields with | between; expected 5"),
        (K100 | {"u.item": FILMS + "x|y|z||a|0\n"}, "u.item: line 3 has no number but 'x'"),
        (K100 | {"u.item": ""}, "u.item is empty"),
        (K100 | {"u.genre": "Action\n"}, "u.genre: line 1 has 1 fields"),
        (M1 | {"ratings.dat": "1,2,3,4\n"}, "ratings.dat has 1 columns; expected 4"),
        (M1 | {"ratings.dat": "1:2:3:4\n"}, "ratings.dat has 4 columns; expected 4"),
        (M1 | {"movies.dat": "1::x\n"}, "movies.dat: line 1 has 2 fields with :: between"),
        ({"ratings.dat": M1["ratings.dat"]}, "has no movies.dat"),
    ],
)
def test_a_movielens_release_that_is_damaged(tmp_path, files, message):
    with pytest.raises(UserError) as caught:
        load("movielens", write(tmp_path / "in", files))
    assert message in str(caught.value) and "\n" not in str(caught.value)


# RecBole


RECBOLE = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\ti1\t4\t964982703.0\nu1\ti2\t3\t964982000\n"
ITEMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    'i1\tToy "Story\t1995\tAnimation Comedy\n'
    "i2\tHeat\t\t\n"
)


@pytest.mark.parametrize("form", ["folder", "file", "table", "zip", "table zip", "gz"])
def test_recbole_needs_no_mapping(tmp_path, form):
    folder = write(tmp_path / "ml", {"ml.inter": RECBOLE, "ml.item": ITEMS, "ml.user": "user_id:token\nu1\n"})
    format, path = ("table" if "table" in form else "recbole"), folder
    if form in ("file", "table"):
        path = folder / "ml.inter"
    elif form == "zip":
        path = zipped(tmp_path / "ml.zip", {"ml/ml.inter": RECBOLE, "ml/ml.item": ITEMS})
    elif form == "table zip":
        path = zipped(tmp_path / "ml.zip", {"ml/ml.inter": RECBOLE, "ml/ml.item": ITEMS})
    elif form == "gz":
        path = folder / "ml.inter"
        (folder / "ml.inter.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        path = folder
    data = load(format, path)
    assert histories(data) == {"u1": ["i2", "i1"]}
    assert data.interactions.times.tolist() == [964982000, 964982703]
    assert data.interactions.ratings.tolist() == [3, 4]
    assert [(i.title, i.year, i.genres) for i in data.catalog] == [
        ('Toy "Story', 1995, ("Animation", "Comedy")),
        ("Heat", None, ()),
    ]


def test_recbole_without_items_or_times(tmp_path):
    path = write(tmp_path / "in", {"a.inter": "user_id:token\titem_id:token\n1\t2\n1\t1\n"}) / "a.inter"
    data = load("table", path)
    assert histories(data) == {"1": ["2", "1"]} and data.interactions.times is None
    assert [item.title for item in data.catalog] == ["1", "2"]


def test_recbole_lists_in_quotes_and_brands(tmp_path):
    items = (
        "item_id:token\ttitle:token\tcategories:token_seq\tbrand:token\n"
        "i1\tOne\t'Toys & Games', 'Dolls'\tAcme\n"
        "i2\tTwo\t['Books', 'Drama']\t\n"
    )
    data = load("recbole", write(tmp_path / "in", {"a.inter": RECBOLE, "a.item": items}))
    assert [(i.title, i.genres, i.creators) for i in data.catalog] == [
        ("One", ("Toys & Games", "Dolls"), ("Acme",)),
        ("Two", ("Books", "Drama"), ()),
    ]


def test_recbole_parts_are_one_after_the_other(tmp_path):
    head = "user_id:token\titem_id:token\n"
    parts = {
        "a.test.inter": head + "u\t3\n",
        "a.train.inter": head + "u\t1\n",
        "a.valid.inter": head + "u\t2\n",
    }
    assert histories(load("recbole", write(tmp_path / "in", parts))) == {"u": ["1", "2", "3"]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": "whem"}, "has no column whem:token; it has user_id:token"),
        ({"tiem": "timestamp"}, "there is no field tiem; these can be mapped: user, item"),
        ({"title": "name"}, "title is a column of a.item, which is not there; leave out --column title="),
    ],
)
def test_recbole_columns_that_are_not_there(tmp_path, columns, message):
    path = write(tmp_path / "in", {"a.inter": RECBOLE})
    with pytest.raises(UserError, match=message):
        load("recbole", path, columns=columns)
    named = load("recbole", path, columns={"time": "timestamp:float"})  # as the header has it
    assert named.interactions.times is not None


def test_recbole_parts_with_other_columns(tmp_path):
    parts = {
        "a.train.inter": "user_id:token\titem_id:token\ttimestamp:float\nu\t1\t5\n",
        "a.test.inter": "user_id:token\titem_id:token\nu\t3\n",
    }
    with pytest.raises(UserError, match=r"a.test.inter has user, item, and a.train.inter has user, item, time"):
        load("recbole", write(tmp_path / "in", parts))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "should hold one X.inter, but has none"),
        ({"a.inter": RECBOLE, "b.inter": RECBOLE}, "but has a.inter, b.inter"),
        ({"a.inter": "x:token\ty:token\n1\t2\n"}, "has no column user_id:token; it has x:token, y:token"),
        ({"a.inter": RECBOLE + "\ti1\t4\t1\n"}, "column 'user' is empty in 1 rows"),
        ({"a.inter": RECBOLE + "u1\ti3\tx\t1\n"}, "column 'rating' is not a number in 1 of 3"),
        ({"a.inter": RECBOLE + "u1\ti3\t4\tNaN\n"}, "column 'time' is empty in 1 rows"),
        ({"a.inter": ""}, "is empty"),
        ({"a.inter": RECBOLE, "a.item": ITEMS + "i1\tx\t\t\n"}, "lists 1 items more than once"),
    ],
)
def test_recbole_that_is_damaged(tmp_path, files, message):
    with pytest.raises(UserError) as caught:
        load("recbole", write(tmp_path / "in", files))
    assert message in str(caught.value) and "\n" not in str(caught.value)


# Bombs, full disks


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the smallest archives, a hundredth of the real one."""
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 2 << 20)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("packed", ["gz", "zip"])
@pytest.mark.parametrize(
    "format", ["goodbooks", "movielens", "amazon", "amazon meta", "table", "table parquet", "recbole"]
)
def test_a_bomb_stops_at_a_stated_size(tmp_path, temporary, format, packed):
    zeros = b"0" * (8 << 20)
    names = {"goodbooks": "ratings.csv", "movielens": "movies.csv", "amazon": "Books.csv",
             "amazon meta": "meta_Books.jsonl", "table": "log.csv", "table parquet": "log.parquet",
             "recbole": "a.inter"}  # fmt: skip
    name, files = names[format], GOODBOOKS | MOVIELENS | AMAZON | {"a.item": ITEMS}
    files = {key: content for key, content in files.items() if key != name}
    if format == "goodbooks":
        files = {"books.csv": GOODBOOKS["books.csv"]}
    folder = write(tmp_path / "in", {} if "table" in format else files)
    if packed == "gz":
        (folder / f"{name}.gz").write_bytes(gzip.compress(zeros))
    else:
        zipped(folder / f"{name}.zip", {name: zeros})
    path = folder / f"{name}.{packed}" if "table" in format else folder
    with pytest.raises(UserError, match=r"holds more than 2 MiB, .*unpack it yourself") as caught:
        load(format.split()[0], path)
    assert f"{name}.{packed}" in str(caught.value) and not list(temporary.iterdir())


@pytest.mark.usefixtures("small_limit")
def test_a_bomb_in_a_zip_of_a_folder_stops_too(tmp_path, temporary):
    path = zipped(tmp_path / "x.zip", GOODBOOKS | {"ratings.csv": b"0" * (8 << 20)})
    with pytest.raises(UserError, match=r"x\.zip holds more than 2 MiB"):
        load("goodbooks", path)
    assert not list(temporary.iterdir())


def test_what_is_allowed_grows_with_the_archive(monkeypatch, tmp_path):
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 1000)
    rows = "".join(f"{user},{item}\n" for user in range(60) for item in range(60))
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(f"user,item\n{rows}".encode()))
    assert load("table", tmp_path / "log.csv.gz").manifest["counts"]["interactions"] == 3600


def test_a_parquet_file_of_too_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("star.data.importers.typed.MOST_ROWS", 2)
    TABLE.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(UserError, match="has 3 rows, more than the 2 that are read"):
        load("table", tmp_path / "log.parquet")


def test_a_panic_of_the_parquet_reader_is_one_line(tmp_path, capfd):
    when = pl.Series([0, 0], dtype=pl.Datetime("us", "UTC"))
    pl.DataFrame({"user": ["a", "a"], "item": ["x", "y"], "time": when}).write_parquet(
        tmp_path / "log.parquet"
    )
    content = (tmp_path / "log.parquet").read_bytes()
    # The types stand in base64 near the end; a time zone that there is not makes polars panic.
    packed = max(re.findall(rb"[A-Za-z0-9+/]{100,}=*", content), key=len)
    types = base64.b64decode(packed).replace(b"UTC", b"U\x00C")
    (tmp_path / "log.parquet").write_bytes(content.replace(packed, base64.b64encode(types)))
    with pytest.raises(pl.exceptions.PanicException):
        pl.read_parquet(tmp_path / "log.parquet")
    assert "panicked" in capfd.readouterr().err, "or this test tests nothing"
    with pytest.raises(UserError, match="is not a Parquet file") as caught:
        load("table", tmp_path / "log.parquet")
    assert "\n" not in str(caught.value) and "panicked" not in capfd.readouterr().err


def limited(tmp_path: Path, most: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`star import …` in a process whose files hold at most `most` bytes, which fails as a full disk does."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}));"
        "from star.cli.app import main; main()"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    environment = os.environ | {
        "STAR_DATA": str(tmp_path / "sets"),
        "TMPDIR": str(scratch),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", code, "import", *map(str, arguments), "--min-item-readers", "1", "--min-reader-items", "1"],
        capture_output=True, text=True, env=environment, cwd=ROOT, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_the_old_data_set(tmp_path, home):
    folder = write(tmp_path / "in", GOODBOOKS)
    import_dataset("goodbooks", folder, "small", 1, 1)
    before = {path.name: path.read_bytes() for path in (home / "small").iterdir()}
    for most in (0, 700, max(map(len, before.values())) - 1):
        done = limited(tmp_path, most, "goodbooks", folder, "--name", "small")
        lines = [line for line in done.stderr.splitlines() if line.startswith("star:")]
        assert done.returncode == 2 and "Traceback" not in done.stderr, (most, done.stderr)
        assert len(lines) == 1 and "cannot be written" in lines[0] and "make room" in lines[0]
        assert {path.name: path.read_bytes() for path in (home / "small").iterdir()} == before
        assert [path.name for path in home.iterdir()] == ["small"]


@pytest.mark.slow
@pytest.mark.parametrize("packed", ["gz", "zip"])
def test_a_full_temporary_folder_says_so(tmp_path, home, packed):
    content = "user,item\n" + "".join(f"{n},{n}\n" for n in range(5000))
    path = tmp_path / f"log.csv.{packed}"
    if packed == "gz":
        path.write_bytes(gzip.compress(content.encode()))
    else:
        zipped(path, {"log.csv": content})
    done = limited(tmp_path, 10_000, "table", path, "--name", "small")
    lines = [line for line in done.stderr.splitlines() if line.startswith("star:")]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(lines) == 1 and "set TMPDIR to another folder" in lines[0] and "permissions" not in lines[0]
    assert str(tmp_path / "scratch") in lines[0]
    assert not list((tmp_path / "scratch").iterdir()) and not home.exists()


def test_a_temporary_folder_that_is_not_there(tmp_path, monkeypatch):
    def none(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(b"user,item\n1,2\n"))
    monkeypatch.setattr("tempfile.NamedTemporaryFile", none)
    with pytest.raises(UserError, match="set TMPDIR to another folder"):
        load("table", tmp_path / "log.csv.gz")


def test_reviews_and_meta_are_read_packed_alike(tmp_path):
    packed: Files = {
        "Books.csv.gz": gzip.compress(REVIEWS.encode()),
        "meta_Books.jsonl.gz": gzip.compress(META.encode()),
    }
    plain = load("amazon", write(tmp_path / "plain", AMAZON))
    assert load("amazon", zipped(tmp_path / "x.zip", packed)).catalog == plain.catalog
