"""Tasks in AgentRecBench's files: ours come back as they were, and theirs are read with care."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import reading

from star.data.tasks import Task
from star.errors import UserError
from star.evaluation.agentrecbench import TRUTH, read_tasks, write_tasks
from star.evaluation.evaluate import evaluate, questions
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    data, graph = reading.dataset(), reading.graph()
    retriever, scenarios = Retriever(graph, Attributes.of(data.catalog)), ["classic", "user_cold_start"]
    made = questions(data, reading.parts(), graph, retriever, scenarios, ["uniform"], 20, 0, "test")
    by_reader = {task.reader: task for cell in made.values() for task in cell}
    return list(by_reader.values())


@pytest.fixture
def folder(tmp_path: Path, tasks: list[Task]) -> Path:
    write_tasks(tasks, reading.dataset(), reading.parts(), tmp_path / "bench")
    return tmp_path / "bench"


def load(file: Path) -> dict[str, object]:
    return json.loads(file.read_text("utf-8"))  # type: ignore[no-any-return]


def test_round_trip(folder: Path, tasks: list[Task]) -> None:
    found = read_tasks(folder, reading.dataset(), reading.parts())
    assert found.report["tasks"] == found.report["evaluated"] == len(tasks) == len(found.tasks)
    for one, two in zip(tasks, found.tasks, strict=True):
        assert (one.history, one.target, set(one.candidates)) == (
            two.history,
            two.target,
            set(two.candidates),
        )
        assert two.reader >= len(reading.dataset().interactions)


def test_the_layout_is_the_benchmarks(folder: Path, tasks: list[Task]) -> None:
    question = load(folder / "tasks" / "task_3.json")
    assert set(question) == {"type", "user_id", "candidate_category", "candidate_list", "loc"}
    assert question["type"] == "recommendation" and len(question["candidate_list"]) == 20  # type: ignore[arg-type]
    ids = [item.id for item in reading.dataset().catalog]
    assert load(folder / "groundtruth" / "groundtruth_3.json") == {TRUTH: ids[tasks[3].target]}


def test_what_is_to_be_predicted_cannot_be_read_back(folder: Path, tasks: list[Task]) -> None:
    data = reading.dataset()
    rows = [json.loads(line) for line in (folder / "review.json").read_text("utf-8").splitlines()]
    for n, task in enumerate(tasks):
        own = [row["item_id"] for row in rows if row["user_id"] == f"task-{n}"]
        assert own == [data.catalog[i].id for i in task.history] and data.catalog[task.target].id not in own
    others = {row["user_id"] for row in rows if not row["user_id"].startswith("task-")}
    assert others == {f"reader-{row}" for row in reading.parts().train}


def test_no_other_task_holds_the_answer(tmp_path: Path) -> None:
    """The history of a reader's later task holds the target of an earlier one."""
    data, graph = reading.dataset(), reading.graph()
    retriever = Retriever(graph, Attributes.of(data.catalog))
    made = questions(data, reading.parts(), graph, retriever, ["classic"], ["uniform"], 400, 0, "test")
    many = [task for cell in made.values() for task in cell]
    readers = {task.reader for task in many}
    assert len(readers) < len(many)
    assert write_tasks(many, data, reading.parts(), tmp_path / "bench") == len(readers)
    assert len(list((tmp_path / "bench" / "tasks").iterdir())) == len(readers)
    rows = [json.loads(line) for line in (tmp_path / "bench" / "review.json").read_text("utf-8").splitlines()]
    shelves: dict[str, list[str]] = {}
    for row in rows:
        shelves.setdefault(row["user_id"], []).append(row["item_id"])
    for n in range(len(readers)):
        own, truth = shelves[f"task-{n}"], load(tmp_path / "bench" / "groundtruth" / f"groundtruth_{n}.json")[TRUTH]
        for user, other in shelves.items():
            longer = user.startswith("task-") and other[: len(own)] == own and user != f"task-{n}"
            assert not (longer and truth in other)


def test_the_order_of_candidates_is_not_taken_over(folder: Path) -> None:
    """In the challenge's own files the answer stands early in the list."""
    for file in (folder / "tasks").iterdir():
        truth = load(folder / "groundtruth" / file.name.replace("task", "groundtruth"))[TRUTH]
        question = load(file)
        rest = [c for c in question["candidate_list"] if c != truth]  # type: ignore[attr-defined]
        file.write_text(json.dumps(question | {"candidate_list": [truth, *rest]}), "utf-8")
    found = read_tasks(folder, reading.dataset(), reading.parts()).tasks
    places = [t.candidates.index(t.target) for t in found]
    assert 5 < sum(places) / len(places) < 14


def test_it_can_be_evaluated(folder: Path) -> None:
    made = evaluate(reading.dataset(), ["popularity", "itemknn"], tasks=12, tasks_from=folder)
    assert made["split"] == "file" and made["tasks_from"]["evaluated"] == 12
    assert [(r["method"], r["n"], r["scenario"]) for r in made["rows"]] == [
        ("popularity", 12, "file"),
        ("itemknn", 12, "file"),
    ]
    with pytest.raises(UserError, match="0 tasks per cell"):
        evaluate(reading.dataset(), ["popularity"], tasks=0, tasks_from=folder)
    with pytest.raises(UserError, match="no split train"):
        evaluate(reading.dataset(), ["popularity"], split_name="train", tasks_from=folder)


def test_what_cannot_be_used_is_counted(folder: Path, tasks: list[Task]) -> None:
    first = load(folder / "tasks" / "task_0.json")
    (folder / "tasks" / "task_0.json").write_text(json.dumps(first | {"user_id": "stranger"}))
    (folder / "groundtruth" / "groundtruth_1.json").write_text(json.dumps({TRUTH: "elsewhere"}))
    second = load(folder / "tasks" / "task_2.json")
    truth_2 = load(folder / "groundtruth" / "groundtruth_2.json")[TRUTH]
    at = next(n for n, id in enumerate(second["candidate_list"]) if id != truth_2)  # type: ignore[arg-type,var-annotated]
    second["candidate_list"][at] = "elsewhere"  # type: ignore[index]
    (folder / "tasks" / "task_2.json").write_text(json.dumps(second))
    data, parts = reading.dataset(), reading.parts()
    trained = data.interactions.history(int(parts.train[0])).tolist()
    with (folder / "review.json").open("a") as handle:
        for item in trained[:-1]:
            handle.write(json.dumps({"user_id": "copy", "item_id": data.catalog[item].id}) + "\n")
    third = load(folder / "tasks" / "task_4.json")
    candidates = [data.catalog[trained[-1]].id, *third["candidate_list"][1:]]  # type: ignore[index]
    (folder / "tasks" / "task_4.json").write_text(
        json.dumps(third | {"user_id": "copy", "candidate_list": candidates})
    )
    truth = {TRUTH: data.catalog[trained[-1]].id}
    (folder / "groundtruth" / "groundtruth_4.json").write_text(json.dumps(truth))
    report = read_tasks(folder, data, parts).report
    assert report["without_history"] == report["unknown_targets"] == report["in_training"] == 1
    assert report["evaluated"] == len(tasks) - 3 and report["unknown_candidates"] == 1


def _remove(folder: Path, name: str) -> None:
    (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: [p.unlink() for p in (f / "tasks").iterdir()], "has no tasks"),
        (lambda f: _remove(f, "groundtruth/groundtruth_5.json"), "task_5.json has no answer"),
        (lambda f: _remove(f, "review.json"), "review.json is not there"),
        (lambda f: (f / "review.json").write_text("{}\n"), "no field 'user_id', 'item_id'"),
        (lambda f: (f / "review.json").write_text("{\n"), "line 1 is no JSON"),
        (lambda f: (f / "tasks" / "task_0.json").write_text("[]"), "no field 'user_id'"),
        (lambda f: (f / "tasks" / "task_0.json").write_text("nothing"), "no JSON document"),
        (lambda f: (f / "review.json").write_text(""), "leaves no task"),
    ],
)
def test_bad_files_are_one_line(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        read_tasks(folder, reading.dataset(), reading.parts())
    assert "\n" not in str(error.value)


def test_nothing_is_overwritten(folder: Path, tasks: list[Task]) -> None:
    with pytest.raises(UserError, match="not empty"):
        write_tasks(tasks, reading.dataset(), reading.parts(), folder)
