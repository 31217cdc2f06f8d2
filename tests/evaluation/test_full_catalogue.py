"""Full-catalogue ranking: places by hand on a toy, the shelf left out, the target never put in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reading
from typer.testing import CliRunner

from star.cli.app import app
from star.data.tasks import Task
from star.errors import UserError
from star.evaluation.evaluate import evaluate
from star.evaluation.full_catalogue import DEEPEST, HeldOutReader, full_catalogue, ranked, reordered
from star.evaluation.report import tables
from star.evaluation.rules import counts
from star.evidence.hygiene import NAMES, Hygiene
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes
from star.methods.baselines import ByScore
from star.methods.registry import METHODS
from star.ranking import Ranked


@dataclass(frozen=True)
class Stub:
    """Puts the target first where it is asked about it; keeps the tasks."""

    name: str = "star"
    asked: list[Task] = field(default_factory=list)

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        self.asked.extend(tasks)
        return [Ranked(tuple(sorted(t.candidates, key=lambda c: c != t.target)), 0.1) for t in tasks]


def retriever() -> Retriever:
    return Retriever(reading.graph(), Attributes.of(reading.dataset().catalog))


def run(lineup: Sequence[Any], depth: int = 20) -> dict[str, Any]:
    data = reading.dataset()
    return full_catalogue(lineup, data.interactions, reading.parts().valid, retriever(), depth)


def by_hand(scores: Sequence[float], target: int, shelf: Sequence[int]) -> int:
    return 1 + sum(s > scores[target] for i, s in enumerate(scores) if i not in shelf)


def test_places_over_the_whole_catalogue_by_hand() -> None:
    shelves = [HeldOutReader(0, (1, 3), 4, ()), HeldOutReader(1, (0,), 2, ())]
    scores = np.array([0.9, 0.8, 0.7, 0.95, 0.3, 0.5])
    ranker = ByScore("any", lambda task: scores[list(task.candidates)])
    assert ranked(ranker, shelves, 6, 0).tolist() == [4, 3]  # behind 0, 2, 5; behind 3, 1
    assert [by_hand(scores.tolist(), s.target, s.history) for s in shelves] == [4, 3]


def test_equal_scores_stand_in_random_order() -> None:
    shelves = [HeldOutReader(reader, (0,), 3, ()) for reader in range(300)]
    flat = ByScore("flat", lambda task: np.zeros(len(task.candidates)))
    places = ranked(flat, shelves, 11, 0)
    assert set(places) == set(range(1, 11)) and abs(places.mean() - 5.5) < 0.6
    assert np.array_equal(places, ranked(flat, shelves, 11, 0))
    assert not np.array_equal(places, ranked(flat, shelves, 11, 1))


def test_only_what_retrieval_found_is_reordered() -> None:
    found = tuple(range(10, 40))
    shelves = [HeldOutReader(n, (1,), target, found) for n, target in enumerate((10, 14, 15, 39, 99))]
    stub = Stub()
    assert reordered(stub, shelves, 5, 0).tolist() == [1, 1, 6, 30, np.inf]
    assert [t.reader for t in stub.asked] == [0, 1], "lists without the target are not ranked"
    assert all(sorted(t.candidates) == list(range(10, 15)) for t in stub.asked)
    assert stub.asked[0].candidates != stub.asked[1].candidates, "shuffled for each reader"


def test_the_document() -> None:
    stub = Stub()
    popularity = ByScore("popularity", lambda t: reading.graph().counts[list(t.candidates)].astype(float))
    made = run([popularity, stub, Stub("random")])
    rows = {row["method"]: row for row in made["rows"]}
    assert list(rows) == ["retrieval", "popularity", "retrieval + star"]
    history = {r: reading.dataset().interactions.history(r) for r in reading.parts().valid.tolist()}
    assert made["n"] == len(history) and made["items"] == reading.BOOKS
    found = {r: retriever()(h[:-1], DEEPEST).tolist() for r, h in history.items()}
    for k in (10, 50):
        there = np.mean([h[-1] in found[r][:k] for r, h in history.items()])
        assert rows["retrieval"][f"recall@{k}"] == pytest.approx(there, abs=1e-4)
        counts = reading.graph().counts.tolist()
        places = np.array([by_hand(counts, int(h[-1]), h[:-1].tolist()) for h in history.values()])
        assert rows["popularity"][f"recall@{k}"] == pytest.approx((places <= k).mean(), abs=0.05)  # ties
    top = np.mean([h[-1] in found[r][:20] for r, h in history.items()])
    best = rows["retrieval + star"]
    assert best["recall@10"] == best["ndcg@10"] == pytest.approx(top, abs=1e-4)
    assert best["recall@50"] == rows["retrieval"]["recall@50"], "reordering adds nothing to what was found"
    for task in stub.asked:
        assert task.target == history[task.reader][-1] and task.target in task.candidates
        assert task.history == tuple(history[task.reader][:-1]) and not set(task.history) & set(
            task.candidates
        )
    for row in made["rows"]:
        assert all(low <= row[name] <= high for name, (low, high) in row["ci"].items())
    pairs = {(p["method"], p["against"]): p for p in made["paired"]}
    assert set(pairs) == {("retrieval + star", "retrieval"), ("retrieval + star", "popularity")}
    for (one, two), pair in pairs.items():
        assert pair["difference"] == pytest.approx(rows[one]["ndcg@10"] - rows[two]["ndcg@10"], abs=2e-4)
        assert pair["ci"][0] <= pair["difference"] <= pair["ci"][1]


def test_the_rules_of_a_list_hold_for_every_method() -> None:
    data, stub = reading.dataset(), Stub()
    rules = Hygiene.of(data.catalog)
    served = Retriever(reading.graph(), Attributes.of(data.catalog), hygiene=rules)
    popularity = ByScore("popularity", lambda t: reading.graph().counts[list(t.candidates)].astype(float))
    made = full_catalogue([popularity, stub], data.interactions, reading.parts().valid, served, 20)
    rows = {row["method"]: row for row in made["hygiene"]["rows"]}
    assert (
        list(rows)
        == [row["method"] for row in made["rows"]]
        == ["retrieval", "popularity", "retrieval + star"]
    )
    for row in rows.values():
        assert sum(row["without"][name] for name in NAMES) > 0 == sum(row["with"][name] for name in NAMES)
        assert row["with"]["items"] == row["without"]["items"] == 5 * made["n"]
    for row in made["rows"]:
        assert row["recall@10"] == rows[row["method"]]["with"]["recall@10"]
    plain = {row["method"]: row["recall@10"] for row in run([popularity, Stub()])["rows"]}
    assert rows["retrieval"]["without"]["recall@10"] == plain["retrieval"]
    for task in stub.asked:
        assert len(task.candidates) == 20
    assert run([popularity])["hygiene"] is None


def test_what_is_counted() -> None:
    hygiene = Hygiene.of(reading.dataset().catalog)
    found = counts(hygiene, [(0,), ()], [(1, 2, 20, 21), (0, 4, 3, 50, 60, 2)])  # series of three, from row 0
    expected = {"edition": 0, "first_volume": 1, "next_volume": 1, "behind": 0, "two_of_a_series": 0}
    assert found == {"items": 9, "of_a_series": 6, **expected}


def test_a_shallower_reordering_gains_less() -> None:
    deep, shallow = (run([Stub()], depth)["rows"][1]["ndcg@10"] for depth in (20, 3))
    assert deep > shallow


def test_evaluate_writes_and_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "mars", lambda context: Stub("mars"))
    data = reading.dataset()
    given = (["itemknn", "popularity", "mars", "random"], ["classic"], ["uniform"])
    made = evaluate(data, *given, tasks=15, split_name="valid", full=10)
    found = made["full_catalogue"]
    assert (found["n"], found["depth"]) == (15, 10)
    assert [r["method"] for r in found["rows"]] == ["retrieval", "itemknn", "popularity", "retrieval + mars"]
    json.dumps(made, allow_nan=False)
    (table,) = (t for t in tables(made) if t.caption.startswith("The whole catalogue"))
    assert [row[0] for row in table.rows] == [r["method"] for r in found["rows"]]
    assert "120 items" in table.caption and "first 10 retrieved" in table.caption
    assert "retrieval + mars less retrieval" in table.caption
    assert "that break a rule of a list" in table.caption and "with the rules 0" in table.caption
    assert [r["method"] for r in found["hygiene"]["rows"]] == [r["method"] for r in found["rows"]]
    plain = evaluate(data, *given, tasks=15, split_name="valid")
    assert plain["full_catalogue"] is None
    assert not any(t.caption.startswith("The whole catalogue") for t in tables(plain))


@pytest.mark.parametrize("depth", [-1, 101, 500])
def test_a_depth_beyond_the_lists_is_refused(depth: int) -> None:
    with pytest.raises(UserError, match=f"{depth} retrieved books.*expected 1 to 100"):
        evaluate(reading.dataset(), ["popularity"], full=depth)


def test_tasks_from_files_name_their_candidates(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leave out --full or --tasks-from"):
        evaluate(reading.dataset(), ["popularity"], full=20, tasks_from=tmp_path)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    reading.dataset().save(tmp_path / "reading")
    arguments = [
        "--dataset",
        "reading",
        "--methods",
        "popularity",
        "--tasks",
        "10",
        "--full",
        "5",
        "--json",
        "-",
    ]
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert made["command"].endswith("--split test --full 5") and made["full_catalogue"]["depth"] == 5
