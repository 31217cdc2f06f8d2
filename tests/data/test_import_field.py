"""Files from the field: each kind of dirty column, in CSV, JSON lines and Parquet, gives the right value or one line."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_sources import (
    AMAZON,
    BOOKS,
    GOODBOOKS,
    META,
    MOVIELENS,
    MOVIES,
    RATINGS,
    STARS,
    histories,
    load,
    write,
)

from star import ROOT
from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.errors import UserError

CASES = ROOT.parent / "shared" / "cases" / "import"
NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sets"
    monkeypatch.setenv("STAR_DATA", str(folder))
    return folder


def text(tmp_path: Path, content: str | bytes, name: str = "log.csv", **options: Any) -> Dataset:
    """The table with this content."""
    return load("table", write(tmp_path / "in", {name: content}) / name, **options)


def parquet(tmp_path: Path, **columns: Any) -> Dataset:
    """A Parquet table with readers and items, two rows unless given, and these columns."""
    rows = len(next(iter(columns.values()))) if columns else 2
    given: dict[str, Any] = {"user": ["u"] * rows, "item": [f"i{n}" for n in range(rows)]}
    path = tmp_path / "log.parquet"
    pl.DataFrame(given | columns).write_parquet(path)
    return load("table", path)


def first(data: Dataset, field: str) -> Any:
    return getattr(data.catalog[0], field)


# Lines and quotes


@pytest.mark.parametrize(
    "content",
    [
        "user,item\r1,2\r1,3\r",
        "user,item\r1,2\r1,3",
        "user,item\r\n1,2\r\n1,3",
        "\nuser,item\n1,2\n1,3\n",
        "\r\n \r\n,\r\nuser,item\r\n1,2\r\n1,3\r\n",
        "\r\ruser,item\r1,2\r1,3\r",
        "sep=,\nuser,item\n1,2\n1,3\n",
        "\ufeffuser,item\n1,2\n1,3\n",
        "\ufeff\n\n\"user\",item\n1,2\n1,3\n",
        " user , item\n1 , 2\n 1,3\n",
        "user,item\n1,2\n\n1,3\n\n\n",
        "user,item\n1,2\n  \n1,3\n",
        "x,item,user,x\n0,2,1,0\n0,3,1,0\n",
    ],
    ids=repr,
)  # fmt: skip
def test_line_ends_blank_lines_and_blanks_in_a_header(tmp_path, content, capsys):
    assert histories(text(tmp_path, content)) == {"1": ["2", "3"]}
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.csv", "", "is empty"),
        ("log.csv", "\n\n \n", "is empty"),
        ("log.csv", "\ufeff", "is empty"),
        ("log.csv", "user,item\n", "no rows"),
        ("log.csv", "user,item\n\n\n", "no rows"),
        ("log.csv", "user,item\n1,2,3\n", "comma-separated"),
        ("log.csv", "user,item\n1\n", "'item' is empty in 1 rows"),
        ("log.csv", "user,item,user\n1,2,3\n", "'user' more than once"),
        ("log.csv", "user,item\n1,2\n".encode("utf-16"), "UTF-16"),
        ("log.csv", "user,item\n1,2\n".encode("utf-16-le"), "null bytes"),
        ("log.csv", "user,item\n1,é\n".encode("latin-1"), "not UTF-8"),
        ("log.csv", 'user,item,title\n1,2,a\n1,3,"b\n1,4,c\n', "quote is left open or .* line 3"),
        ("log.csv", 'user,item,title\n1,2,a\n1,3,5" b\n1,4,c\n', "quote is left open or .* line 3"),
        ("log.tsv", "user,item\n1,2\n", "no column user, item"),
        ("log.jsonl", "", "is empty"),
        ("log.jsonl", '{"user": 1, "item": 2}\n{"user', "one JSON object per line"),
        ("log.jsonl", '[{"user": 1, "item": 2}]', "one JSON object per line"),
        ("log.jsonl", '{"user": 1, "thing": 2}', "no column item; it has user"),
        ("log.json", "3", "one JSON object per line"),
        ("log.parquet", b"PAR1" + b"x" * 90 + b"PAR1", "not a Parquet file"),
        ("log.parquet", "", "not a Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message) as caught:
        text(tmp_path, content, name)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_rows_that_a_quote_swallows_are_counted_and_the_first_is_named(tmp_path, capsys):
    data = text(tmp_path, 'user,item,title\n1,1,"One\n1,2,Two\n2,1,One"\n3,3,Three\n')
    assert data.manifest["counts"]["interactions"] == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(said) == 1 and "2 lines lie within quotes" in said[0] and "line 3;" in said[0]


def test_a_column_that_is_not_read_swallows_rows_too(tmp_path, capsys):
    folder = write(tmp_path / "in", {"a.csv": 'user,note,item\n1,"a,1\n2,b,2\n3,c",3\n4,d,4\n'})
    load("table", folder / "a.csv")
    assert "2 lines lie within quotes" in capsys.readouterr().err


# Readers and items


@pytest.mark.parametrize(
    ("content", "readers"),
    [
        ("user,item\nann,1\nann ,2\n", {"ann": ["1", "2"]}),
        ("user,item\n\u00a0ann,1\nann\t,2\n", {"ann": ["1", "2"]}),
        ("user,item\n1.0,5.0\n2.0,5.0\n", {"1": ["5"], "2": ["5"]}),
        ("user,item\n007,1\n7,2\n", {"007": ["1"], "7": ["2"]}),
        ("user,item\n1.5,1\n2.0,1\n", {"1.5": ["1"], "2.0": ["1"]}),
    ],
)
def test_ids_of_text(tmp_path, content, readers):
    assert histories(text(tmp_path, content)) == readers


IDS: list[tuple[Any, dict[str, list[str]]]] = [
    (pl.Series([1.0, 2.0]), {"1": ["i0"], "2": ["i1"]}),
    (pl.Series([1.0, 2.0], dtype=pl.Float32), {"1": ["i0"], "2": ["i1"]}),
    (pl.Series([7, 7], dtype=pl.Decimal(10, 2)), {"7": ["i0", "i1"]}),
    (pl.Series(["a", "a"], dtype=pl.Categorical), {"a": ["i0", "i1"]}),
    (pl.Series(["a", "a"], dtype=pl.Enum(["a"])), {"a": ["i0", "i1"]}),
    (pl.Series([b"a", b"a "]), {"a": ["i0", "i1"]}),
    (pl.Series([2**64 - 1, 1], dtype=pl.UInt64), {"1": ["i1"], str(2**64 - 1): ["i0"]}),
    (pl.Series([1, 2], dtype=pl.Int8), {"1": ["i0"], "2": ["i1"]}),
]


@pytest.mark.parametrize(("column", "readers"), IDS, ids=[str(column.dtype) for column, _ in IDS])
def test_ids_of_any_type_that_can_be_one(tmp_path, column, readers):
    assert histories(parquet(tmp_path, user=column)) == readers


@pytest.mark.parametrize("field", ["user", "item"])
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, NAN, NAN], "is empty in 2 rows"),
        ([1.0, None], "is empty in 1 rows"),
        (["a", None], "is empty in 1 rows"),
        (["a", " "], "is empty in 1 rows"),
        (["a", "\u200b"], "is empty in 1 rows"),
        (["a", "NaN"], "is empty in 1 rows"),
        ([None, None], "is empty in 2 rows"),
        ([1.5, 1.0], "float64.*no id in 1 rows, such as 1.5"),
        ([INF, 1.0], "no id in 1 rows, such as inf"),
        ([1e300, 1.0], "no id in 1 rows"),
        ([True, False], "has the type boolean"),
        ([dt.date(2020, 1, 1)], "has the type date"),
        ([dt.timedelta(1)], "has the type duration"),
        ([b"\xff1", b"\xff2"], "has the type binary and is not UTF-8"),
        ([{"id": 1}], "has the type struct"),
        ([["a"]], "has the type list"),
    ],
    ids=repr,
)
def test_ids_that_are_none(tmp_path, field, column, message):
    with pytest.raises(UserError, match=f"column '{field}'.*{message}"):
        parquet(tmp_path, **{field: column})


# Times


def seconds(data: Dataset) -> list[int]:
    assert data.interactions.times is not None
    return data.interactions.times.tolist()


NOON = 1600087400  # 2020-09-14 12:43:20 UTC
DAY = 1600041600  # its midnight
TIMES: list[tuple[list[Any], list[int]]] = [
    ([NOON, NOON * 1000 + 1000, NOON + 2], [NOON, NOON + 1, NOON + 2]),
    ([NOON * 10**6, (NOON + 1) * 10**9, NOON + 2], [NOON, NOON + 1, NOON + 2]),
    ([20200914, NOON], [DAY, NOON]),
    ([20200914124320, NOON + 1], [NOON, NOON + 1]),
    ([202009141243, NOON], [NOON - 20, NOON]),
    ([5, 6, 20200914], [5, 6, 20200914]),
    ([5, 20200914], [5, 20200914]),
    ([NOON + 0.5, NOON + 0.25], [NOON, NOON]),
    ([-5, 0], [-5, 0]),
    (["2020-09-14 12:43:20+00:00", "2020-09-14T12:43:21Z"], [NOON, NOON + 1]),
    (["2020-09-14T14:43:20+0200", "2020-09-14 07:43:21.5-05"], [NOON, NOON + 1]),
    (["2020-09-14 12:43:20 UTC", "2020/09/14 12:44"], [NOON, NOON + 40]),
    (["2020-09-14", str(NOON), "20200914124321"], [DAY, NOON, NOON + 1]),
    ([" 1600087400.0 ", "1600087401"], [NOON, NOON + 1]),
]


@pytest.mark.parametrize(("column", "expected"), TIMES, ids=[str(column) for column, _ in TIMES])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_times_row_by_row(tmp_path, column, expected, form):
    rows = [{"user": "u", "item": f"i{n}", "time": value} for n, value in enumerate(column)]
    frame, path = (
        pl.DataFrame(rows, schema_overrides={"time": pl.Series(column).dtype}),
        tmp_path / f"log.{form}",
    )
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[form](path)
    assert seconds(load("table", path)) == expected


def test_order_within_a_second_is_kept(tmp_path):
    data = text(tmp_path, f"user,item,time\n1,b,{NOON}900\n1,a,{NOON}100\n1,c,{NOON}901\n")
    assert histories(data) == {"1": ["a", "b", "c"]}


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([dt.datetime(2020, 9, 14, 12, 43, 20)] * 2, dtype=pl.Datetime("ns")),
        pl.Series([dt.datetime(2020, 9, 14, 12, 43, 20, tzinfo=dt.UTC)] * 2),
        pl.Series(["2020-09-14 12:43:20"] * 2, dtype=pl.Categorical),
        pl.Series([NOON] * 2, dtype=pl.Decimal(20, 3)),
        pl.Series([b"2020-09-14 12:43:20"] * 2),
        pl.Series([NOON] * 2, dtype=pl.UInt64),
    ],
    ids=lambda column: str(column.dtype),
)
def test_times_of_any_type_that_can_be_one(tmp_path, column):
    assert seconds(parquet(tmp_path, time=column)) == [NOON, NOON]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, NAN], "is empty in 1 rows"),
        ([1, None], "is empty in 1 rows"),
        ([None, None], "is empty in 2 rows"),
        (["2020-09-14", ""], "is empty in 1 rows"),
        (["1", "NaN"], "is empty in 1 rows"),
        ([1.0, INF], "is no time in 1 of 2 rows, such as inf"),
        ([1.0, 1e30], r"is no time in 1 of 2 rows, such as 1e\+30"),
        (["1", "1e30"], "is not a number in 1 of 2 rows, such as '1e30'"),
        (["2020-02-30"], "is no time in 1 of 1 rows"),
        ([20190203, 20190204, 20190231], "is no time in 1 of 3 rows, such as 20190231"),
        ([20190203, 20190204, 0], "is no time in 1 of 3 rows, such as 0"),
        (["14/09/2020"], "is no time in 1 of 1 rows"),
        ([dt.timedelta(1)], "has the type duration"),
        ([dt.time(1)], "has the type time"),
        ([True], "has the type boolean"),
        ([b"\xff"], "has the type binary"),
        ([{"t": 1}], "has the type struct"),
        ([[1]], "has the type list"),
    ],
    ids=repr,
)
def test_times_that_are_none(tmp_path, column, message):
    with pytest.raises(UserError, match=f"column 'time'.*{message}"):
        parquet(tmp_path, time=column)


@pytest.mark.parametrize("value", ["NaN", "inf", "1e30", ""])
def test_times_of_text_that_are_none(tmp_path, value):
    with pytest.raises(UserError, match=r"column 'time' is (empty|not a number) in 1"):
        text(tmp_path, f"user,item,time\n1,2,1600000000\n1,3,{value}\n")
    with pytest.raises(UserError, match=r"column 'timestamp' is (empty|no time) in 1"):
        load("movielens", write(tmp_path / "ml", MOVIELENS | {"ratings.csv": STARS + f"1,2,4.0,{value}\n"}))


def test_float_and_mixed_timestamps_of_movielens(tmp_path):
    rows = f"userId,movieId,rating,timestamp\n1,1,4.0,{NOON}.0\n1.0,2,5,{NOON - 1}000\n"
    data = load("movielens", write(tmp_path / "in", MOVIELENS | {"ratings.csv": rows}))
    assert histories(data) == {"1": ["2", "1"]} and seconds(data) == [NOON - 1, NOON]


# Ratings, years, numbers in a series


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["5", "4.0"], dtype=pl.Categorical),
        pl.Series([" 5", "4 "]),
        pl.Series([5, 4], dtype=pl.Decimal(4, 1)),
        pl.Series([5, 4], dtype=pl.UInt8),
        pl.Series([b"5", b"4"]),
    ],
    ids=lambda column: str(column.dtype),
)
def test_ratings_of_any_type_that_can_be_one(tmp_path, column):
    assert parquet(tmp_path, rating=column).interactions.ratings.tolist() == [5, 4]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, NAN], "is empty in 1 rows"),
        ([1.0, None], "is empty in 1 rows"),
        ([1.0, INF], "is not a number in 1 of 2 rows, such as inf"),
        ([1e300], "beyond 3e38"),
        (["4,5"], "is not a number in 1 of 1 rows, such as '4,5'"),
        ([True], "has the type boolean"),
        ([dt.date(2020, 1, 1)], "has the type date"),
        ([dt.timedelta(1)], "has the type duration"),
        ([[5]], "has the type list"),
        ([{"r": 5}], "has the type struct"),
    ],
    ids=repr,
)
def test_ratings_that_are_none(tmp_path, column, message):
    with pytest.raises(UserError, match=f"column 'rating'.*{message}"):
        parquet(tmp_path, rating=column)


YEARS: list[tuple[Any, int | None, bool]] = [
    (1965.0, 1965, False),
    ("1965.0", 1965, False),
    (" 1965", 1965, False),
    ("1965-08-01", 1965, False),
    (dt.date(1965, 8, 1), 1965, False),
    (dt.datetime(1965, 8, 1), 1965, False),
    ("-750", -750, False),
    (NAN, None, False),
    ("NaN", None, False),
    (None, None, False),
    ("", None, False),
    (INF, None, True),
    (1e30, None, True),
    (0, None, True),
    (99999, None, True),
    (1965.5, None, True),
    ("c. 1965", None, True),
]


@pytest.mark.parametrize(("value", "year", "said"), YEARS, ids=[repr(row[0]) for row in YEARS])
def test_years(tmp_path, capsys, value, year, said):
    assert first(parquet(tmp_path, title=["Dune"], year=[value]), "year") == year
    assert ("is no year in 1 of 1 rows" in capsys.readouterr().err) == said


def test_a_year_as_text_categories_and_one_of_a_type_that_is_none(tmp_path):
    column = pl.Series(["1965"], dtype=pl.Categorical)
    assert first(parquet(tmp_path, title=["Dune"], year=column), "year") == 1965
    for column, kind in (([True], "boolean"), ([dt.timedelta(1)], "duration"), ([{"y": 1}], "struct")):
        with pytest.raises(UserError, match=f"column 'year' has the type {kind}"):
            parquet(tmp_path, title=["Dune"], year=column)


@pytest.mark.parametrize("year", ["NaN", "nan", "", "inf", "1e30", "about 1900"])
def test_goodbooks_years_that_are_none(tmp_path, capsys, year):
    books = BOOKS.replace("1997.0", year)
    data = load("goodbooks", write(tmp_path / "in", GOODBOOKS | {"books.csv": books}))
    assert [item.year for item in data.catalog] == [None, None, -750]
    assert ("is no year in 1 of 3 rows" in capsys.readouterr().err) == (year in ("inf", "1e30", "about 1900"))


@pytest.mark.parametrize(
    ("value", "number"), [(2.0, 2.0), ("2.5", 2.5), (NAN, None), (INF, None), ("1-3", None)]
)
def test_numbers_in_a_series(tmp_path, value, number):
    assert first(parquet(tmp_path, title=["Two"], series=["Cycle"], number=[value]), "number") == number


# Text and lists of text


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("\x00nul", "nul"),
        ("\x1b[31mred\x1b[0m\x07", "red"),
        ("\x1b]8;;x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("Line one\nline two", "Line one line two"),
        ("a\tb\x85c\u2028d", "a b c d"),
        ("\u202eRed Queen", "Red Queen"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("1984", "1984"),
        ("nan", "nan"),
        ("   ", "i0"),
        ("\u200b\u200f", "i0"),
        (None, "i0"),
        (1984, "1984"),
        (1984.0, "1984"),
        (NAN, "i0"),
        (b"bytes", "bytes"),
    ],
)
def test_titles(tmp_path, title, expected):
    assert first(parquet(tmp_path, title=[title]), "title") == expected


@pytest.mark.parametrize("field", ["title", "series", "creators", "genres"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "boolean"), ({"name": "x"}, "struct"), (dt.date(2020, 1, 1), "date"), (b"\xff", "binary")],
)
def test_text_of_a_type_that_is_none(tmp_path, field, value, kind):
    with pytest.raises(UserError, match=f"column '{field}' has the type {kind}"):
        parquet(tmp_path, **{"title": ["A"], field: [value]})


@pytest.mark.parametrize("field", ["creators", "genres"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["A", None], ("A",)),
        ([""], ()),
        ([" ", "nan", "B", "B "], ("B",)),
        (["sci\nfi\tx"], ("sci fi x",)),
        ([], ()),
        (None, ()),
        ([1, 2], ("1", "2")),
        ("A| B|", ("A", "B")),
        ("A, B", ("A, B",)),
        ("['A', 'B']", ("A", "B")),
        ('["A \\u00e9", "B|C"]', ("A é", "B|C")),
        ("['A' 'B']", ("A", "B")),
        ("('A',)", ("A",)),
        ("[\"O'Hara\", 'Say \\'so\\'', None]", ("O'Hara", "Say 'so'")),
        ("[A, B]", ("A", "B")),
        ("[]", ()),
        ("nan", ()),
        ("\x1b[1mA\x1b[0m|B\nC", ("A", "B C")),
    ],
)
def test_lists_of_text(tmp_path, field, value, expected):
    assert first(parquet(tmp_path, title=["T"], **{field: [value]}), field) == expected
    if isinstance(value, str):
        quoted = value.replace('"', '""')
        assert first(text(tmp_path, f'user,item,{field}\n1,2,"{quoted}"\n'), field) == expected


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([["A", "B"]], dtype=pl.Array(pl.String, 2)),
        pl.Series([["A", "B"]], dtype=pl.List(pl.Categorical)),
        pl.Series([[b"A", b"B"]]),
        pl.Series(["A|B"], dtype=pl.Categorical),
    ],
    ids=lambda column: str(column.dtype),
)
def test_lists_of_any_type_that_can_be_one(tmp_path, column):
    assert first(parquet(tmp_path, title=["T"], creators=column), "creators") == ("A", "B")


@pytest.mark.parametrize(
    ("value", "kind"),
    [([{"name": "x"}], "struct"), ([["x"]], "list"), ([b"\xff"], "binary"), ([True], "boolean")],
)
def test_lists_of_a_type_that_is_none(tmp_path, value, kind):
    with pytest.raises(UserError, match=f"column 'genres' holds lists of the type {kind}"):
        parquet(tmp_path, title=["T"], genres=[value])


def test_what_looks_like_a_list_but_is_none_is_said(tmp_path, capsys):
    data = text(tmp_path, "user,item,genres\n1,2,\"[{'id': 1}]\"\n")
    assert first(data, "genres") == ("[{'id': 1}]",)
    assert "column 'genres' looks like a list in 1 of 1 rows" in capsys.readouterr().err


def test_control_characters_in_every_source(tmp_path):
    books = BOOKS.replace("Second", "\x1b[31mSec\x00ond").replace("Bob Drawer", "Bob\x07 Drawer\u202e")
    data = load("goodbooks", write(tmp_path / "g", GOODBOOKS | {"books.csv": books}))
    assert (data.catalog[1].title, data.catalog[1].creators) == ("Second", ("Ann Writer", "Bob Drawer"))
    movies = MOVIES.replace("Toy", "\x1b[1mToy").replace("Adventure", "Adven\x08ture")
    data = load("movielens", write(tmp_path / "m", MOVIELENS | {"movies.csv": movies}))
    assert (data.catalog[0].title, data.catalog[0].genres) == ("Toy Story", ("adventure", "comedy"))
    meta = META.replace('"One"', '"\\u001b[31mOne\\u202e"').replace('"Fantasy"', '"Fan\\ntasy"')
    data = load("amazon", write(tmp_path / "a", AMAZON | {"meta_Books.jsonl": meta}))
    assert (data.catalog[0].title, data.catalog[1].genres) == ("One", ("fan tasy", "fiction"))


def test_a_catalogue_written_before_is_clean_when_read(tmp_path, home):
    parquet(tmp_path, title=["A", "B"])
    path = home / "small" / "catalogue.parquet"
    dirty = pl.read_parquet(path).with_columns(
        title=pl.Series(["\x1b[31mA\x00", " "]), genres=pl.Series([["a\nb", None, ""], ["c"]])
    )
    dirty.write_parquet(path)
    assert [(item.title, item.genres) for item in load_dataset("small").catalog] == [
        ("A", ("a b",)),
        ("i1", ("c",)),
    ]


# Amazon


def test_amazon_ratings_of_zero_are_dropped_and_counted(tmp_path, capsys):
    reviews = str(AMAZON["Books.csv"]) + "AC,B1,0.0,1600000000000\n"
    data = load("amazon", write(tmp_path / "in", AMAZON | {"Books.csv": reviews}))
    assert "AC" not in data.interactions.users and data.manifest["counts"]["dropped"]["rated_zero"] == 1
    assert data.manifest["counts"]["rows_read"] == 4
    assert "dropped 1 of 4 reviews with a rating of 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "row",
    [
        {"parent_asin": "B1", "title": 1984, "author": {"name": 5}, "store": ["x"], "categories": "Books"},
        {"parent_asin": "B1", "title": None, "author": [], "store": 7, "categories": [None, 3, {"a": 1}]},
        {
            "parent_asin": "B1",
            "title": {"a": 1},
            "author": {"name": None},
            "store": None,
            "categories": {"a": 1},
        },
    ],
)
def test_amazon_fields_of_other_types(tmp_path, row):
    other = (
        json.dumps({"parent_asin": ["B1"], "title": "?"})
        + "\n"
        + json.dumps(row)
        + "\n"
        + META.splitlines()[0]
    )
    data = load("amazon", write(tmp_path / "in", AMAZON | {"meta_Books.jsonl": other}))
    assert data.catalog[0].title in ("1984", "B1")


@pytest.mark.parametrize("line", ["[" * 100_000, '{"parent_asin": ' + "9" * 5000 + "}", "NaN", '"x"', "\xff"])
def test_amazon_lines_that_are_no_objects(tmp_path, line):
    meta = META.encode() + line.encode("latin-1")
    with pytest.raises(UserError, match=r"line 3|not UTF-8") as caught:
        load("amazon", write(tmp_path / "in", AMAZON | {"meta_Books.jsonl": meta}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_amazon_readers_that_are_empty(tmp_path, form):
    rows = {
        "csv": "user_id,parent_asin,rating,timestamp\n ,B1,5.0,2000\n",
        "jsonl": '{"user_id": " ", "parent_asin": "B1", "rating": 5.0, "timestamp": 2000}\n',
    }
    files = {f"Books.{form}": rows[form], "meta_Books.jsonl": META}
    with pytest.raises(UserError, match="column 'user_id' is empty in 1 rows"):
        load("amazon", write(tmp_path / "in", files))


def test_whole_numbers_with_a_point_are_whole(tmp_path):
    ratings = "user_id,book_id,rating\n9.0, 2,5\n10,10.0,1\n"
    data = load("goodbooks", write(tmp_path / "in", GOODBOOKS | {"ratings.csv": ratings}))
    assert histories(data) == {"9": ["2"], "10": ["10"]}
    for bad in ("9.5", "inf", "99999999999"):
        with pytest.raises(UserError, match=f"'user_id' holds '{bad}' in row 7.*expected a whole number"):
            load("goodbooks", write(tmp_path / "in", GOODBOOKS | {"ratings.csv": RATINGS + f"{bad},2,5\n"}))


@pytest.mark.real
def test_cases_of_the_field(capsys):
    if not CASES.is_dir():
        pytest.skip(f"{CASES} is not here")
    found = {path.name: path for path in CASES.iterdir() if path.name != "README.md"}
    refused = {
        "02-nan-time.csv": "'time' is empty in 1 rows",
        "07-nan-user.parquet": "'user' is empty in 2 rows",
        "10d-duration.parquet": "'time' has the type duration",
        "10e-binary-not-utf8.parquet": "'user' has the type binary",
        "10g-struct-creators.parquet": "'creators' has the type struct",
        "10j-nan-time.parquet": "'time' is empty in 1 rows",
    }
    folders = {"03-goodbooks-nan-year": "goodbooks", "16-float-timestamp": "movielens"}
    made: dict[str, Dataset] = {}
    for name, path in found.items():
        if name in refused:
            with pytest.raises(UserError, match=refused[name]):
                load("table", path)
        else:
            made[name] = load(folders.get(name, "table"), path)
    assert histories(made["01-cr-only.csv"]) == {"1": ["2", "3"]}
    assert first(made["03-goodbooks-nan-year"], "year") is None
    assert first(made["05-float-year.csv"], "year") == 1965
    assert histories(made["08-mixed-units.csv"]) == {"1": ["first", "second", "third"]}
    assert made["10a-categorical-rating.parquet"].interactions.ratings.tolist() == [5, 4]
    assert len(set(seconds(made["10b-categorical-time.parquet"]))) == 1
    assert not any(item.creators for item in made["11-empty-author.parquet"].catalog)
    assert first(made["12-python-lists.csv"], "creators") == ("F. Herbert", "B. Herbert")
    assert histories(made["13-trailing-space.csv"]) == {"ann": ["1", "2"]}
    assert histories(made["15-leading-blank.csv"]) == {"1": ["2"]}
    assert seconds(made["16-float-timestamp"]) == [964982703]
    assert seconds(made["19-tz.csv"]) == [NOON]
    for name in (
        "04-null-in-genres.parquet",
        "04b-null-in-genres-demo-ids.parquet",
        "23-hostile-titles.parquet",
    ):
        assert all(all(item.genres) and all(item.creators) for item in made[name].catalog)
    titles = {item.title for item in made["23-hostile-titles.parquet"].catalog}
    assert {"nul", "red", "Line one line two", "1984", "nan"} <= titles
    assert not any(set(title) & set("\x00\x07\x1b\n\u202e") or not title.strip() for title in titles)
    assert "2 lines lie within quotes" in capsys.readouterr().err
