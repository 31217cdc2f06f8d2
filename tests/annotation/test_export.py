"""Export: nothing is lost on the way out and in, no cell is a formula, and TRL gets the rows it expects."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from star.annotation.exchange import export, preferences, tables
from star.annotation.exchange.export import Export, TraceRow
from star.annotation.exchange.rows import Comparison, Rating
from star.errors import UserError
from star.trace.grammar import prompt

HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'", "''", "'=1", "", " ", "a,b", 'say "x"', "line\nline",
    "line\r\nline", "\u202egnp.exe", "\x00nul\x00", "<script>alert(1)</script>", "![](http://x)", "ＡＢ", "＝1", "true",
    "None", "\u2028", "\x85", "\ufeff=1", "x" * 1_000_000,
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Note:
    text: str
    maybe: str | None
    number: int | None
    share: float
    right: bool
    side: Literal["left", "right"]


NOTES = st.builds(
    Note,
    st.text() | st.sampled_from(HOSTILE),
    st.none() | st.text() | st.sampled_from(HOSTILE),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.sampled_from(["left", "right"]),
)


@pytest.mark.parametrize("format", tables.FORMATS)
@given(rows=st.lists(NOTES, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_comes_back_as_it_was(tmp_path: Path, format: str, rows: list[Note]) -> None:
    file = tmp_path / f"notes.{format}"
    tables.write_rows(rows, Note, file)
    assert tables.read_rows(file, Note) == rows


@pytest.mark.parametrize("format", tables.FORMATS)
def test_hostile_text_comes_back_as_it_was(tmp_path: Path, format: str) -> None:
    rows = [Note(text, text, -3, -0.5, False, "left") for text in HOSTILE]
    tables.write_rows(rows, Note, tmp_path / f"notes.{format}")
    assert tables.read_rows(tmp_path / f"notes.{format}", Note) == rows


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    rows = [Note(text, None, -3, -0.5, True, "left") for text in HOSTILE]
    tables.write_rows(rows, Note, tmp_path / "notes.csv")
    with (tmp_path / "notes.csv").open(encoding="utf-8", newline="") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert len(cells) == 6 * (len(HOSTILE) + 1)
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\n＝＋－＠")]


def test_a_csv_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text("text,maybe,number,share,right,side\nx,,3,1,TRUE,left\n")
    assert tables.read_rows(file, Note) == [Note("x", None, 3, 1.0, True, "left")]
    file.write_text("text,maybe,number,share,right,side\nx,,3,nan,TRUE,left\n")
    with pytest.raises(UserError, match="line 2 has 'nan' as share; expected float"):
        tables.read_rows(file, Note)
    file.write_text(f"text,maybe,number,share,right,side\nx,,{2**63},1,TRUE,left\n")
    with pytest.raises(UserError, match="a number too large as number; expected a whole number or nothing"):
        tables.read_rows(file, Note)


def made() -> Export:
    """Two queries; STAR and MARS on both, in A/B records and as single ratings by two people."""
    asked = [prompt([0, 1], [2, 3]), prompt([4], [2, 3])]
    written, ratings, comparisons = [], [], []
    for n, words in enumerate(asked):
        for system, first, second in (("star", 2, 3), ("mars", 3, 2)):
            text = f"<plan> </plan> <recommend> <i{first}> <i{second}> </recommend>"
            hash = "abc" if system == "star" else ""
            written.append(TraceRow("toy", f"ab{n}", system, hash, " ".join(words), text))
            written.append(TraceRow("toy", f"{system}{n}", system, hash, " ".join(words), text))
            for who, value in (("ann", 5 if system == "star" else 3), ("=bob", 3)):
                for criterion in ("faithful", "plan"):
                    gold = 4 if n else None
                    ratings.append(
                        Rating(f"{system}{n}", system, who, criterion, value, 12.5, gold, "trace@2")
                    )
    ratings.append(Rating("star0", "star", "ann", "persuasive", None, 12.5, None, "trace@2"))
    comparisons.append(Comparison("ab0", "mars", "star", "ann", "right", 4.0, "trace@2"))
    comparisons.append(Comparison("ab1", "star", "mars", "=bob", "right", 3.0, "trace@2"))
    comparisons.append(Comparison("ab1", "star", "mars", "ann", "tie", 3.0, "trace@2"))
    items = tuple(f"id{n}" for n in range(5))
    return Export("toy", items, tuple(written), tuple(ratings), tuple(comparisons))


def test_no_export_is_mixed_with_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export.save_export(made(), out, "jsonl")
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    for save in (lambda: export.save_export(made(), out, "csv"), lambda: preferences.save_trl(made(), out)):
        with pytest.raises(UserError, match=r"holds .* of another export; name another folder"):
            save()
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    export.save_export(made(), out, "jsonl")
    assert export.load_export(out) == made()


@pytest.mark.parametrize("format", tables.FORMATS)
def test_an_export_comes_back_as_it_was(tmp_path: Path, format: str) -> None:
    export.save_export(made(), tmp_path / "out", format)
    assert export.load_export(tmp_path / "out") == made()
    file = tmp_path / "out" / f"comparisons.{format}"
    if format == "parquet":
        row: dict[str, Any] = pl.read_parquet(file).row(0, named=True)
    elif format == "csv":
        row = pl.read_csv(file).row(0, named=True)
    else:
        row = json.loads(file.read_text("utf-8").splitlines()[0])
    assert row["right_checkpoint"] == "abc" and row["dataset"] == "toy" and row["rubric"] == "trace@2"
    assert row["annotator"] == "ann" and row["record"] == "ab0"


def test_preferences_come_from_comparisons_and_from_gaps() -> None:
    found = preferences.preferences(made(), gap=2.0)
    seen = [(p.record, p.rejected_record, p.annotator, p.source, p.chosen_checkpoint) for p in found]
    assert seen == [
        ("ab0", "ab0", "ann", "comparison", "abc"),
        ("ab1", "ab1", "=bob", "comparison", ""),
        ("star0", "mars0", "ann", "gap", "abc"),
        ("star1", "mars1", "ann", "gap", "abc"),
    ]
    for p in found:
        assert p.prompt.startswith("<history>") and p.rubric == "trace@2" and p.dataset == "toy"
        wins_with = "<i2>" if p.chosen_checkpoint else "<i3>"
        assert p.chosen.split()[3] == wins_with != p.rejected.split()[3]
    assert len(preferences.preferences(made(), gap=2.1)) == 2


def test_equal_texts_are_no_preference() -> None:
    same = made()
    text = same.written[0].completion
    same = dataclasses.replace(
        same, written=tuple(dataclasses.replace(w, completion=text) for w in same.written)
    )
    assert preferences.preferences(same) == []


def test_labels_come_from_comparisons_and_from_clear_ratings() -> None:
    found = preferences.labels(made(), good=5, bad=2)
    assert [(row.record, row.label, row.source) for row in found] == [
        ("ab0", False, "comparison"), ("ab0", True, "comparison"), ("ab1", False, "comparison"),
        ("ab1", True, "comparison"), ("star0", True, "rating"), ("star1", True, "rating"),
    ]  # fmt: skip
    assert {row.label for row in preferences.labels(made(), good=6, bad=3) if row.source == "rating"} == {
        False
    }


def test_trl_files_come_back_and_load_as_a_data_set(tmp_path: Path) -> None:
    from datasets import Dataset

    preferences.save_trl(made(), tmp_path, gap=2.0, good=5)
    assert preferences.load_preferences(tmp_path) == preferences.preferences(made(), 2.0)
    assert preferences.load_labels(tmp_path) == preferences.labels(made(), 5)
    assert export.read_manifest(tmp_path) == ("toy", tuple(f"id{n}" for n in range(5)))
    rows = [json.loads(line) for line in (tmp_path / "preferences.jsonl").read_text("utf-8").splitlines()]
    assert {"prompt", "chosen", "rejected"} < set(Dataset.from_list(rows).column_names)
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text("utf-8").splitlines()]
    assert set(Dataset.from_list(rows).features["label"].dtype.split()) == {"bool"}


def test_items_are_mapped_by_id() -> None:
    text = "<history> 2 <i0> <i1> <candidates> <i2> 7 x1.5"
    place = {"id0": 4, "id2": 0}
    words = "<history> 2 <i4> ? <candidates> <i0> 7 x1.5"
    assert export.in_items_of(text, [f"id{n}" for n in range(3)], place, "?") == words
    with pytest.raises(UserError, match="lists 2 items"):
        export.in_items_of(text, ["id0", "id1"], place, "?")


def test_a_prompt_names_shelf_and_candidates() -> None:
    assert export.prompt_of([0, 1, 2], [3, 4]) == " ".join(prompt([0, 1, 2], [3, 4]))


def one_line(error: pytest.ExceptionInfo[UserError], *parts: str) -> None:
    text = str(error.value)
    assert "\n" not in text and len(text) < 400 and all(part in text for part in parts), text


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        export.load_export(tmp_path / "nowhere")
    one_line(error, "no manifest.json")
    folder = tmp_path / "out"
    export.save_export(made(), folder)
    good = {file.name: file.read_bytes() for file in folder.iterdir()}

    def broken(name: str, content: bytes, *parts: str) -> None:
        (folder / name).write_bytes(content)
        with pytest.raises(UserError) as error:
            export.load_export(folder)
        one_line(error, *parts)
        (folder / name).write_bytes(good[name])

    lines = good["ratings.jsonl"].splitlines(keepends=True)
    broken("manifest.json", b"{", "damaged")
    broken("manifest.json", b'{"version": 9, "dataset": "toy", "items": []}', "version 9", "expected 1")
    broken("ratings.jsonl", b"\xff\xfe", "UTF-8")
    broken("ratings.jsonl", lines[0] + b"[1]\n", "line 2", "expected an object")
    broken("ratings.jsonl", lines[0] + b"{not json}\n" * 3, "line 2", "not JSON")
    broken(
        "ratings.jsonl",
        lines[0].replace(b'"value": 5', b'"value": "five"'),
        "line 1",
        "'five' as value",
        "whole",
    )
    broken("ratings.jsonl", lines[0].replace(b'"value": 5', b'"value": true'), "True as value")
    broken("ratings.jsonl", lines[0].replace(b'"value"', b'"worth"'), "line 1", "expected dataset, record")
    broken(
        "comparisons.jsonl", good["comparisons.jsonl"].replace(b'"tie"', b'"both"'), "left or right or tie"
    )
    broken("traces.jsonl", good["traces.jsonl"].splitlines(keepends=True)[0], "has no trace")
    broken("traces.jsonl", good["traces.jsonl"] * 2, "two traces of one system")
    (folder / "ratings.csv").write_text("a,b\n")
    with pytest.raises(UserError) as error:
        export.load_export(folder)
    one_line(error, "ratings.jsonl, ratings.csv")
    for content, part in (
        ("text,maybe\n1\n", "1 cells"),
        ('"text\n', "not CSV"),
        ("text\nx\n", "expected text, maybe"),
    ):
        (tmp_path / "x.csv").write_text(content)
        with pytest.raises(UserError) as error:
            tables.read_rows(tmp_path / "x.csv", Note)
        one_line(error, part)
    (tmp_path / "x.parquet").write_bytes(b"PAR0")
    with pytest.raises(UserError) as error:
        tables.read_rows(tmp_path / "x.parquet", Note)
    one_line(error, "not Parquet")
    with pytest.raises(UserError) as error:
        export.save_export(made(), folder, "xlsx")
    one_line(error, "'xlsx'", "jsonl, csv, parquet or trl")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as error:
        export.save_export(made(), tmp_path / "file" / "out")
    one_line(error, "cannot be written")
