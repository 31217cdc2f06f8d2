"""The document of `star evaluate`, its tables, readers from a file, and the command itself."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reading
from typer.testing import CliRunner

from star.cli import evaluate as cli_evaluate
from star.cli.app import app
from star.data.dataset import Dataset
from star.data.tasks import SCENARIOS, Task, cells
from star.errors import UserError
from star.evaluation import evaluate as evaluation
from star.evaluation.evaluate import evaluate
from star.evaluation.pooling import METRICS
from star.evaluation.report import tables
from star.evaluation.tabular import markdown
from star.evaluation.unseen import read_unseen
from star.methods.registry import METHODS, Context
from star.ranking import Ranked

QUICK = ["unchanged", "popularity", "itemknn", "userknn"]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return evaluate(reading.dataset(), QUICK, tasks=30, seed=3)


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the data set `reading`, as an import leaves it."""
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    reading.dataset().save(tmp_path / "sets" / "reading")
    return tmp_path


@dataclass(frozen=True)
class Stub:
    """Ranks the target at a fixed place, as no honest ranker could."""

    name: str
    place: int

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        out = []
        for task in tasks:
            rest = [c for c in task.candidates if c != task.target]
            out.append(Ranked((*rest[: self.place - 1], task.target, *rest[self.place - 1 :]), 0.25, 30, 2))
        return out


def test_one_row_per_method_and_cell_and_one_pooled(document: dict[str, Any]) -> None:
    found = [(r["method"], r["scenario"], r["negatives"]) for r in document["rows"]]
    there = [
        (s, n) for s, n in cells() if s != "item_cold_start"
    ]  # no pooling over its one kind of negatives
    pools = [(s, "pooled") for s in dict.fromkeys(s for s, _ in there)] + [("pooled", "pooled")]
    expected = [(m, *cell) for m in QUICK for cell in [*there, ("item_cold_start", "matched"), *pools]]
    assert sorted(found) == sorted(expected)
    head = [document[name] for name in ("dataset", "checkpoint", "seed", "split", "tasks", "test_users")]
    assert head == ["reading", None, 3, "test", 30, None]


def test_rows_hold_what_the_design_names(document: dict[str, Any]) -> None:
    for row in document["rows"]:
        if row["scenario"] != "item_cold_start" and row["negatives"] != "pooled":
            assert row["n"] == 30
        for name in METRICS:
            low, high = row["ci"][name]
            assert 0 <= low <= row[name] <= high <= 1
        assert row["mean"] == pytest.approx((row["hr@1"] + row["hr@3"] + row["hr@5"]) / 3, abs=2e-4)
        assert 0 < row["coverage"] <= 1 and 0 <= row["popularity"] <= 100
        assert row["seconds_per_query"] > 0 and row["generated_tokens"] == row["model_calls"] == 0
    json.dumps(document, allow_nan=False)


def test_pooled_is_the_mean_of_the_cells(document: dict[str, Any]) -> None:
    rows = [r for r in document["rows"] if r["method"] == "itemknn"]
    single = [r for r in rows if r["negatives"] != "pooled"]
    for pool in (r for r in rows if r["negatives"] == "pooled"):
        of = [r for r in single if pool["scenario"] in (r["scenario"], "pooled")]
        assert pool["mean"] == pytest.approx(np.mean([r["mean"] for r in of]), abs=1e-3)
        assert pool["n"] == sum(r["n"] for r in of) and pool["ci"]["mean"][0] <= pool["mean"]


def test_same_seed_same_numbers(document: dict[str, Any]) -> None:
    again = evaluate(reading.dataset(), QUICK, tasks=30, seed=3)
    for row, same in zip(document["rows"], again["rows"], strict=True):
        assert {**row, "seconds_per_query": 0} == {**same, "seconds_per_query": 0}
    assert {**document, "rows": 0} == {**again, "rows": 0}


def test_recall_of_retrieval(document: dict[str, Any]) -> None:
    for row in document["retrieval"]:
        assert 0 < row["recall@20"] <= row["recall@50"] <= row["recall@100"] <= 1


def test_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "star", lambda context: Stub("star", 1))
    monkeypatch.setitem(METHODS, "mars", lambda context: Stub("mars", 2))
    made = evaluate(reading.dataset(), ["star", "mars", *QUICK], negatives=["uniform"], tasks=40)
    found = {(p["method"], p["against"], p["scenario"]): p for p in made["paired"]}
    pooled = found["star", "mars", "pooled"]
    assert pooled["difference"] == pytest.approx(1 / 3, abs=1e-3) and pooled["ratio"] == pytest.approx(1.5)
    assert pooled["ci"] == {"difference": [pooled["difference"]] * 2, "ratio": [1.5, 1.5]}
    uniform = [s for s in SCENARIOS if s != "item_cold_start"]
    assert {(m, s) for m, _, s in found} == {(m, s) for m in ("star", "mars") for s in (*uniform, "pooled")}
    assert all(a in (*QUICK, "mars") for _, a, _ in found) and len(found) == 3 * 5
    cost = next(r for r in made["rows"] if r["method"] == "star")
    assert (cost["seconds_per_query"], cost["generated_tokens"], cost["model_calls"]) == (0.25, 30, 2)


def test_the_share_of_the_oracle_is_taken_where_the_oracle_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, rank in (("star", 2), ("mars", 4), ("oracle", 1)):
        monkeypatch.setitem(METHODS, name, lambda context, name=name, rank=rank: Stub(name, rank))
    made = evaluate(reading.dataset(), ["star", "mars", "oracle"], tasks=20)
    rows = [p for p in made["paired"] if p["against"] == "oracle"]
    assert [(p["method"], p["scenario"], p["negatives"]) for p in rows] == [
        (name, "the oracle's cells", "pooled") for name in ("star", "mars")
    ]
    assert [p["ratio"] for p in rows] == [pytest.approx(2 / 3, abs=1e-4), pytest.approx(1 / 3, abs=1e-4)]


def test_every_method_gets_the_same_tasks_and_the_training_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[Task]] = {"star": [], "mars": []}
    contexts: list[Context] = []

    def spy(name: str):  # type: ignore[no-untyped-def]
        class Spy(Stub):
            def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
                asked[name] += tasks
                return super().rank(tasks)

        def make(context: Context) -> Stub:
            contexts.append(context)
            return Spy(name, 1)

        return make

    for name in asked:
        monkeypatch.setitem(METHODS, name, spy(name))
    evaluate(reading.dataset(), ["star", "mars"], tasks=30, split_name="valid")
    assert asked["star"] == asked["mars"]
    assert {t.reader for t in asked["star"]} <= set(reading.parts().valid.tolist())
    held_out = {*reading.parts().valid.tolist(), *reading.parts().test.tolist()}
    assert all(not held_out & set(c.graph.rows.tolist()) for c in contexts)


def test_an_answer_that_is_no_permutation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Inventing(Stub):
        def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
            return [Ranked((*t.candidates[:-1], t.candidates[0]), 0.1) for t in tasks]

    monkeypatch.setitem(METHODS, "mars", lambda context: Inventing("mars", 1))
    with pytest.raises(ValueError, match="mars did not return the 20 candidates"):
        evaluate(reading.dataset(), ["mars"], tasks=5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scenarios": ["lukewarm"]}, "no scenario lukewarm; expected classic, user_cold_start"),
        ({"negatives": ["hard"]}, "no kind of negatives hard; expected uniform"),
        ({"negatives": []}, "no kind of negatives given"),
        ({"split_name": "train"}, "no split train; expected test, valid"),
        ({"tasks": 0}, "0 tasks per cell"),
        ({"methods": ["magic"]}, "no method magic"),
        ({"test_users": Path("nowhere.csv")}, "nowhere.csv is not a file"),
    ],
)
def test_what_is_not_known_is_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        evaluate(reading.dataset(), **{"methods": QUICK, **given})
    assert "\n" not in str(error.value)


def test_too_few_readers_to_evaluate() -> None:
    small = reading.dataset()
    few = Dataset("few", small.catalog, small.interactions.subset(np.arange(4)))
    with pytest.raises(UserError, match="'few' has no test readers"):
        evaluate(few, QUICK)


def write(path: Path, rows: list[tuple[object, object]], header: str = "user_id,book_id,rating") -> Path:
    path.write_text("\n".join([header, *(f"{u},{b},5" for u, b in rows)]) + "\n", "utf-8")
    return path


def strangers(n: int = 6) -> list[tuple[object, object]]:
    rng = np.random.default_rng(5)
    return [(f"s{u}", f"b{b}") for u in range(n) for b in rng.permutation(120)[:12]]


def test_readers_from_a_file(tmp_path: Path) -> None:
    data, parts = reading.dataset(), reading.parts()
    known = int(parts.train[np.diff(data.interactions.indptr)[parts.train].argmax()])
    rows = strangers()
    rows += [("s0", "b999"), ("s1", "b998"), rows[0], ("short", "b1"), ("short", "b2"), ("lost", "nothing")]
    rows += [("again", f"b{item}") for item in data.interactions.history(known)]
    found = read_unseen(write(tmp_path / "new.csv", rows), data, parts)
    assert found.report == {
        "rows": len(rows),
        "readers": 9,
        "unknown_items": 3,
        "rows_of_unknown_items": 3,
        "repeated_rows": 1,
        "readers_too_short": 2,
        "readers_in_training": 1,
        "readers_evaluated": 6,
    }
    assert found.rows.min() == len(data.interactions)
    first = found.dataset.interactions.history(int(found.rows[0]))
    assert [f"b{i}" for i in first] == [b for u, b in strangers() if u == "s0"], "reading order is the file's"
    assert found.dataset.interactions.users[found.rows[0]] == "file:s0"
    assert np.array_equal(data.interactions.history(7), found.dataset.interactions.history(7))


def test_held_out_readers_of_the_data_set_may_come_from_a_file(tmp_path: Path) -> None:
    data, parts = reading.dataset(), reading.parts()
    own = data.interactions
    rows = [(own.users[r], f"b{b}") for r in parts.test for b in own.history(int(r))]
    path = write(tmp_path / "held_out.csv", rows)
    made = evaluate(data, ["itemknn"], ["classic"], ["uniform"], 40, test_users=path)
    assert made["split"] == "file" and made["test_users"]["readers_evaluated"] == len(parts.test)
    there = evaluate(data, ["itemknn"], ["classic"], ["uniform"], 40)
    assert made["rows"][0]["mean"] == pytest.approx(there["rows"][0]["mean"], abs=0.2)


@pytest.mark.parametrize("header", ["user,item,x", "reader,asin,x", "\ufeffuserId,movieId,rating"])
def test_names_of_the_columns_may_be_another_sources(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "new.csv", strangers(), header)
    assert read_unseen(path, reading.dataset(), reading.parts()).report["readers_evaluated"] == 6


def test_a_column_time_gives_the_order(tmp_path: Path) -> None:
    path = tmp_path / "timed.csv"
    path.write_text("user_id,book_id,time\n" + "".join(f"u,b{b},{100 - b}\n" for b in range(8)), "utf-8")
    found = read_unseen(path, reading.dataset(), reading.parts())
    assert found.dataset.interactions.history(int(found.rows[0])).tolist() == list(range(7, -1, -1))


def test_a_file_as_the_field_brings_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "field.csv"
    lines = ["", "user_id,book_id,time", *(f"u ,b{b},2020-09-14 12:{59 - b}:00+00:00" for b in range(8))]
    path.write_text("\r".join(lines), "utf-8", newline="")
    found = read_unseen(path, reading.dataset(), reading.parts())
    assert found.dataset.interactions.users[found.rows[0]] == "file:u"
    assert found.dataset.interactions.history(int(found.rows[0])).tolist() == list(range(7, -1, -1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"user_id,book_id,time\n1,b1,NaN\n", "'time' is empty in 1 rows"),
        (b"user_id,book_id\n", "no rows"),
        (b"user_id;book_id\n1;2\n", "separated by semicolons"),
        (b"a,b\n1,2\n", "has no column user_id, book_id"),
        (b"user_id,title\n1,2\n", "has no column book_id"),
        (b"user_id,book_id\n,b2\n", "'user_id' is empty in 1 rows"),
        (b"user_id,book_id\n1,zzz\n", "leaves no reader to evaluate.*1 item ids are unknown"),
        (b"user_id,book_id,time\n1,b1,soon\n", "'time' is no time"),
        (b"\xff\xfe\x00\x01", "not UTF-8"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_unseen(path, reading.dataset(), reading.parts())
    assert "\n" not in str(error.value) and "bad.csv" in str(error.value)


def test_tables(document: dict[str, Any]) -> None:
    scenarios, by_kind, metrics, recall = made = tables(document)
    assert all([row[0] for row in table.rows] == QUICK for table in (scenarios, by_kind, metrics))
    assert scenarios.heads == (
        "method", "classic", "user_cold_start", "item_cold_start, matched", "long_term", "short_term", "pooled",
    )  # fmt: skip
    assert len(by_kind.heads) == 1 + len(cells())
    assert all(len(row) == len(table.heads) for table in made for row in table.rows)
    text = markdown([scenarios, recall])
    assert text.count("\n| --- |") == 2 and "test readers" in text and "chance is .150" in text


def test_a_method_that_does_not_apply_is_said_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "oracle", lambda context: Stub("oracle", 1))
    made = evaluate(reading.dataset(), ["oracle", "unchanged"], ["classic"], tasks=20)
    assert [r["negatives"] for r in made["rows"] if r["method"] == "oracle"] == ["uniform", "matched"]
    assert tables(made)[1].rows[0][3:] == ("n/a",)


def test_the_command_writes_the_document(sets: Path) -> None:
    out = sets / "table.json"
    arguments = ["--dataset", "reading", "--methods", "popularity,itemknn", "--tasks", "10"]
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--negatives", "uniform", "--json", str(out)])
    assert result.exit_code == 0, result.output
    made = json.loads(out.read_text("utf-8"))
    assert list(made)[:5] == ["command", "dataset", "checkpoint", "seed", "split"]
    assert made["command"] == (
        "star evaluate --dataset reading --methods popularity,itemknn "
        "--scenarios classic,user_cold_start,item_cold_start,long_term,short_term "
        "--negatives uniform --tasks 10 --seed 0 --split test"
    )
    assert "itemknn" in result.stdout


def test_the_command_prints_json_alone(sets: Path) -> None:
    path = write(sets / "new.csv", strangers())
    arguments = ["--dataset", "reading", "--methods", "popularity", "--tasks", "10", "--json", "-"]
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--test-users", str(path)])
    made = json.loads(result.stdout)
    assert made["test_users"]["readers_evaluated"] == 6
    assert "--test-users new.csv" in made["command"] and str(sets) not in result.stdout
    assert "readers evaluated 6" in result.stderr


def test_the_command_prints_markdown(sets: Path) -> None:
    arguments = ["--dataset", "reading", "--methods", "popularity", "--tasks", "10", "--markdown"]
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.stdout.count("\n| --- |") == 4


def test_an_unwritable_target_fails_before_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluation, "evaluate", None)
    for out in (tmp_path, tmp_path / "no" / "where.json", Path("/proc/where.json")):
        with pytest.raises(UserError, match="cannot be written"):
            cli_evaluate.evaluate(dataset="reading", json_out=str(out))
    os.mkfifo(tmp_path / "pipe")  # nobody reads it yet; a trial would wait, or look like the end to its reader
    assert cli_evaluate._writable(str(tmp_path / "pipe")) == tmp_path / "pipe"
