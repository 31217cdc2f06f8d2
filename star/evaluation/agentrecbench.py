"""Reads and writes tasks in AgentRecBench's files (arXiv 2505.19623).

A folder holds `tasks/task_<n>.json` and `groundtruth/groundtruth_<n>.json` beside line-delimited `item.json`,
`user.json` and `review.json`. Written tasks have one user each, whose reviews are the history before the target, and a
reader has one task: no tool of the benchmark can look the target up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from star.data.dataset import Dataset
from star.data.tasks import Split, Task
from star.errors import UserError

TRUTH = "ground truth"  # with a space: AgentRecBench's own key


@dataclass(frozen=True)
class Benchmark:
    """Tasks of a folder. `counts`: numbers of tasks read and left out, by reason."""

    tasks: list[Task]
    counts: dict[str, int]

    @property
    def report(self) -> dict[str, int]:
        """The same, and how many are `evaluated`."""
        return self.counts | {"evaluated": len(self.tasks)}


def write_tasks(tasks: Sequence[Task], dataset: Dataset, split: Split, folder: Path) -> int:
    """Write tasks with the data to answer them: reviews of the training readers and of each task's history.

    Of each reader the first task is written: the history of a later one may hold the target of an earlier one.

    Returns:
        number of tasks written.

    Raises:
        UserError: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and not empty; name a new folder")
    for part in ("tasks", "groundtruth"):
        (folder / part).mkdir(parents=True)
    ids, category = [item.id for item in dataset.catalog], dataset.catalog.words.item
    first: dict[int, Task] = {}
    for task in tasks:
        first.setdefault(task.reader, task)
    tasks = list(first.values())
    for n, task in enumerate(tasks):
        question = {
            "type": "recommendation",
            "user_id": f"task-{n}",
            "candidate_category": category,
            "candidate_list": [ids[i] for i in task.candidates],
            "loc": [-1, -1],
        }
        _dump(folder / "tasks" / f"task_{n}.json", question)
        _dump(folder / "groundtruth" / f"groundtruth_{n}.json", {TRUTH: ids[task.target]})
    shelves = [(f"task-{n}", task.history) for n, task in enumerate(tasks)]
    shelves += [
        (f"reader-{row}", dataset.interactions.history(int(row)).tolist()) for row in split.train.tolist()
    ]
    _lines(folder / "user.json", ({"user_id": user} for user, _ in shelves))
    _lines(
        folder / "item.json",
        (
            {
                "item_id": item.id,
                "title": item.title,
                "authors": list(item.creators),
                "publication_year": item.year,
                "categories": list(item.genres),
                "type": category,
            }
            for item in dataset.catalog
        ),
    )
    reviews = (
        {"review_id": f"{user}-{place}", "user_id": user, "item_id": ids[item], "position": place}
        for user, shelf in shelves
        for place, item in enumerate(shelf)
    )
    _lines(folder / "review.json", reviews)
    return len(tasks)


def read_tasks(folder: Path, dataset: Dataset, split: Split) -> Benchmark:
    """Read a folder. Items are the data set's own ids; a user's reviews are in reading order, or have `position`, `date`
    or `timestamp`.

    Left out and counted: unknown candidates and reviewed items; tasks with an unknown target or without a known history;
    tasks whose whole history and target one training reader read, since the graph holds their answer.

    Raises:
        UserError: no tasks, a task without its answer, a file that is no JSON or lacks a field.
    """
    files = sorted((folder / "tasks").glob("task_*.json"), key=_number)
    if not files:
        raise UserError(f"{folder} has no tasks/task_<n>.json; give a folder in AgentRecBench's layout")
    questions = [_fields(_load(file), file, ("user_id", "candidate_list")) for file in files]
    answers = []
    for file in files:
        truth = folder / "groundtruth" / f"groundtruth_{_number(file)}.json"
        if not truth.is_file():
            raise UserError(f"{file.name} has no answer; expected {truth.relative_to(folder)} beside it")
        answers.append(str(_fields(_load(truth), truth, (TRUTH,))[TRUTH]))
    histories = _histories(folder / "review.json", {str(q["user_id"]) for q in questions})
    training = _Training(dataset, split)
    report = dict.fromkeys(
        ("tasks", "unknown_candidates", "unknown_targets", "without_history", "in_training"), 0
    )
    tasks: list[Task] = []
    readers: dict[str, int] = {}
    for question, answer in zip(questions, answers, strict=True):
        report["tasks"] += 1
        user = str(question["user_id"])
        rows = [dataset.catalog.get(str(id)) for id in question["candidate_list"]]
        candidates = tuple(dict.fromkeys(row for row in rows if row is not None))
        report["unknown_candidates"] += rows.count(None)
        target = dataset.catalog.get(answer)
        known = (dataset.catalog.get(id) for id in histories.get(user, ()))
        history = tuple(dict.fromkeys(row for row in known if row is not None and row != target))
        if target is None or target not in candidates:
            report["unknown_targets"] += 1
        elif not history:
            report["without_history"] += 1
        elif training.holds((*history, target)):
            report["in_training"] += 1
        else:
            reader = readers.setdefault(user, len(dataset.interactions) + len(readers))
            rng = np.random.default_rng(
                [len(tasks), *sorted(candidates)]
            )  # the given order may reveal the target
            shuffled = tuple(int(c) for c in rng.permutation(sorted(candidates)))
            tasks.append(Task(reader, history, target, shuffled, "file", "file"))
    if not tasks:
        counts = ", ".join(f"{key.replace('_', ' ')} {n}" for key, n in report.items())
        raise UserError(f"{folder} leaves no task for data set {dataset.name!r} ({counts})")
    return Benchmark(tasks, report)


class _Training:
    """Tells whether one training reader read all given items."""

    def __init__(self, dataset: Dataset, split: Split):
        self.matrix = dataset.interactions.subset(split.train).matrix.tocsc()

    def holds(self, items: Sequence[int]) -> bool:
        if len(items) < 10:  # short shelves coincide by chance
            return False
        return int(self.matrix[:, list(items)].sum(1).max()) == len(set(items))


def _histories(file: Path, users: set[str]) -> dict[str, list[str]]:
    """user → item ids, oldest first."""
    found: dict[str, list[tuple[Any, int, str]]] = {}
    for place, line in enumerate(_read_lines(file)):
        row = _fields(line, file, ("user_id", "item_id"))
        user = str(row["user_id"])
        if user in users:
            when = next(
                (row[key] for key in ("position", "timestamp", "date") if row.get(key) is not None), place
            )
            found.setdefault(user, []).append((when, place, str(row["item_id"])))
    try:
        return {user: [id for _, _, id in sorted(rows)] for user, rows in found.items()}
    except TypeError:
        raise UserError(f"{file.name} gives dates as text for some rows and as numbers for others") from None


def _number(file: Path) -> int:
    found = re.search(r"_(\d+)\.json$", file.name)
    return int(found[1]) if found else -1


def _load(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} is no JSON document ({error}); give AgentRecBench's files as they are"
        ) from None


def _read_lines(file: Path) -> Iterator[Any]:
    if not file.is_file():
        raise UserError(f"{file} is not there; the reviews of the tasks' users are read from it")
    with file.open("rb") as handle:
        for number, line in enumerate(handle, 1):
            try:
                yield json.loads(line)
            except ValueError:  # also where it is not UTF-8
                raise UserError(f"{file} line {number} is no JSON object; expected one per line") from None


def _fields(row: Any, file: Path, names: Iterable[str]) -> dict[str, Any]:
    missing = [name for name in names if not isinstance(row, dict) or name not in row]
    if missing:
        raise UserError(
            f"{file} has no field {', '.join(map(repr, missing))}; expected AgentRecBench's layout"
        )
    return dict(row)


def _dump(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False) + "\n", "utf-8")


def _lines(file: Path, rows: Iterable[Any]) -> None:
    with file.open("w", encoding="utf-8") as handle:
        handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
