"""Importers: whatever a table holds, it is a data set that can be read back, or one line."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_sources import AMAZON, GOODBOOKS, MOVIELENS, Files, write

from star.data.importers import import_dataset
from star.data.loading import load_dataset
from star.errors import UserError

CELLS = [
    *("1", "2", "3", "a", "b ", " ", "", "NaN", "nan", "inf", "-inf", "1e30", "1.0", "007", "null", "-5", "0", "true"),
    *("2020-09-14", "2020-09-14 12:43:20+00:00", "20200914", "1600000000", "1600000000000", "9" * 20, "0000-00-00"),
    *("é", "\x00", "\x1b[31mx", "\u202e", "\ufeff", '"', '"x', 'a"b', "a,b", "x|y", "a\nb", "a\rb", "::", "\t", ";"),
    *("['A', 'B']", "[]", "[", '[{"a": 1}]', '["\\ud83d"]', "\\", "٣", "x" * 300, "(no genres listed)"),
]  # fmt: skip
COLUMNS: list[tuple[list[Any], Any]] = [
    ([1.0, float("nan"), float("inf"), None, 1e300, 1.5, 1.6e18], pl.Float64),
    ([1.0, None, float("nan")], pl.Float32),
    ([1, 2, None, 2**62, -(2**63), 1600000000, 20200914], pl.Int64),
    ([1, 2**64 - 1], pl.UInt64),
    (CELLS, pl.String),
    (CELLS, pl.Categorical),
    ([b"a", b"\xff", None], pl.Binary),
    ([True, None], pl.Boolean),
    ([dt.date(1, 1, 1), dt.date(9999, 12, 31), None], pl.Date),
    ([dt.datetime(2020, 1, 1), None], pl.Datetime("ns")),
    ([dt.timedelta(1)], pl.Duration),
    ([dt.time(1)], pl.Time),
    ([1, 2], pl.Decimal(12, 2)),
    ([["A", None, ""], [], None], pl.List(pl.String)),
    ([[1.0, float("nan")], [None]], pl.List(pl.Float64)),
    ([[["x"]]], pl.List(pl.List(pl.String))),
    ([{"a": 1}], pl.Struct({"a": pl.Int64})),
    ([["a", "b"]], pl.Array(pl.String, 2)),
    ([None], pl.Null),
]
FIELDS = ("time", "rating", "title", "creators", "year", "series", "number", "genres")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Now and then a few bytes changed, cut out or put in."""
    made = bytearray(content)
    for _ in range(rng.choice([0] * 9 + [1, 3])):
        at = rng.randrange(len(made) + 1)
        made[at : at + rng.randint(0, 9)] = rng.randbytes(rng.randint(0, 4))
    return bytes(made)


def text(heads: list[str], rng: random.Random) -> bytes:
    """A CSV as the field writes it."""
    end = rng.choice(["\n", "\n", "\r\n", "\r"])
    lines = [rng.choice(["", "", "", "\ufeff", end, "sep=," + end]) + ",".join(heads)]
    for _ in range(rng.randint(0, 5)):
        row = [rng.choice(CELLS) if rng.random() < 0.3 else rng.choice("123") for _ in heads]
        if rng.random() < 0.8:
            row = ['"' + cell.replace('"', '""') + '"' for cell in row]
        lines.append(",".join(row[: len(row) - (rng.random() < 0.05)]))
    encoding = rng.choice(["utf-8"] * 9 + ["latin-1", "utf-16"])
    return damaged(end.join(lines).encode(encoding, "replace"), rng)


def parquet(rng: random.Random, path: Path) -> None:
    rows = rng.randint(0, 5)
    columns = [pl.Series("user", ["u"] * rows), pl.Series("item", [f"i{n}" for n in range(rows)])]
    for name in rng.sample(("user", "item", *FIELDS), rng.randint(0, 5)):
        cells, kind = rng.choice(COLUMNS)
        columns = [column for column in columns if column.name != name]
        columns.append(pl.Series(name, rng.choices(cells, k=rows), dtype=kind))
    pl.DataFrame(columns).write_parquet(path)
    path.write_bytes(damaged(path.read_bytes(), rng))


def source(rng: random.Random, folder: Path) -> tuple[str, Path]:
    """A format, and a source of it of which some file is dirty."""
    kind = rng.choice(["csv", "csv", "parquet", "parquet", "goodbooks", "movielens", "amazon"])
    if kind in ("csv", "parquet"):
        path = folder / f"log.{kind}"
        if kind == "csv":
            path.write_bytes(text(["user", "item", *rng.sample(FIELDS, rng.randint(0, 5))], rng))
        else:
            parquet(rng, path)
        return "table", path
    files: Files = dict({"goodbooks": GOODBOOKS, "movielens": MOVIELENS, "amazon": AMAZON}[kind])
    dirty = rng.choice(sorted(files))
    head = str(files[dirty]).split("\n", 1)[0]
    files[dirty] = (
        text(head.split(","), rng) if dirty.endswith("csv") else damaged(str(files[dirty]).encode(), rng)
    )
    return kind, write(folder / kind, files)


@pytest.mark.parametrize("seed", range(4))
def test_an_import_or_one_line(tmp_path, monkeypatch, seed):
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    rng, made, refused = random.Random(seed), 0, 0
    for n in range(60):
        folder = tmp_path / str(n)
        folder.mkdir()
        format, path = source(rng, folder)
        try:
            data = import_dataset(format, path, "x", 1, 1, say=lambda line: None)
        except UserError as error:
            assert "\n" not in str(error) and "\x1b" not in str(error)
            refused += 1
            continue
        back = load_dataset("x")
        assert back.catalog == data.catalog and back.interactions.users == data.interactions.users
        for item in data.catalog:
            words = (item.id, item.title, *item.creators, *item.genres)
            assert all(word == word.strip() != "" and not set(word) & set("\x00\x1b\n\t") for word in words)
        made += 1
    assert made > 5 and refused > 5
