"""Choosing how much a ranking takes in of the one by heart, and the mean of two checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import reading
import torch
import toys
from safetensors.torch import load_file, save_file

from star.data.tasks import Task, make_tasks, split
from star.errors import UserError
from star.evaluation import counterfactual, metrics
from star.evidence.graph import Graph
from star.methods.student import StarRanker, generate, order
from star.student import decoding
from star.student.checkpoint import fingerprint
from training import average, tune_prior


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_WRITTEN", 25)


def test_hits_are_those_of_every_weight(tmp_path: Path) -> None:
    student, tasks = _student_and_tasks(tmp_path)
    found = tune_prior.hits(tune_prior.weighted(student, 1.0), tasks)
    assert found.shape == (12, len(tune_prior.WEIGHTS)) and len(set(found.mean(0))) > 1
    for n, weight in enumerate(tune_prior.WEIGHTS):
        done = generate(tune_prior.weighted(student, weight).states(tasks))
        ranks = [1 + order(w, t.candidates).index(t.target) for w, t in zip(done, tasks, strict=True)]
        assert found[:, n] == pytest.approx(metrics.mean_hit_rate(np.array(ranks)), abs=1e-6)


def test_exchanged_evidence_is_followed_as_permutation_test_counts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student, tasks = _student_and_tasks(tmp_path)
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=(3, len(task.candidates))) for task in tasks]
    given = [dict(zip(t.candidates, np.roll(t.candidates, -1).tolist(), strict=True)) for t in tasks]

    def answers(weight: float) -> Iterator[tuple[Task, SimpleNamespace, SimpleNamespace, dict[int, int]]]:
        """Evidence that moves along with some noise, and what is known by heart, which stays."""
        for task, (evidence, noise, heart), to in zip(tasks, drawn, given, strict=True):
            both = [
                SimpleNamespace(
                    words=[],
                    candidates=np.array(task.candidates),
                    prior_log_p=torch.tensor(heart).log_softmax(0),
                    scores=np.exp((seen + weight * heart) / (1 + weight)),
                )
                for seen in (evidence, np.roll(evidence, 1) + 0.1 * noise)
            ]
            yield task, both[0], both[1], to

    monkeypatch.setattr(tune_prior, "swapped_answers", lambda *_: answers(1.0))
    found = tune_prior.moved(student, tasks).mean(0)
    assert found[0, 0] > found[-1, 0] and found[0, 1] < found[-1, 1]
    for weight, (follows, stays) in zip(tune_prior.WEIGHTS, found, strict=True):
        monkeypatch.setattr(counterfactual, "swapped_answers", lambda *_, w=weight: answers(w))
        counted = counterfactual.permutation_test(student, tasks)
        assert (counted["follows"], counted["stays"]) == pytest.approx((follows, stays))


def test_an_answer_without_a_ranking_is_last_for_every_weight(tmp_path: Path) -> None:
    student, tasks = _student_and_tasks(tmp_path, without=60)
    even = tune_prior.weighted(student, 1.0)
    assert all(tune_prior.of_each_weight(fresh) is None for fresh in even.states(tasks))
    hit, lacking = tune_prior.hits(even, tasks), np.array([task.target >= 60 for task in tasks])
    assert lacking.any() and not hit[lacking].any() and hit[~lacking].any()


def test_many_processes_find_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # a helper has the length of its own module
    student, tasks = _student_and_tasks(tmp_path)
    jobs = [("hits", tasks[:6]), ("moved", tasks[:4]), ("hits", tasks[6:])]
    even = tune_prior.Even(student.dataset, student.graph, tmp_path / "tiny")
    one, two = (tune_prior.all_of(jobs, even, n) for n in (1, 2))
    assert one[0].any() and one[1].any()
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def _student_and_tasks(tmp_path: Path, without: int = 0) -> tuple[StarRanker, list[Task]]:
    data = reading.dataset()
    parts = split(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    folder = toys.save_checkpoint(tmp_path / "tiny", layers=2, without=without)
    tasks = make_tasks(data.interactions, parts.valid, "classic", "uniform", graph.counts, None, 12)
    return StarRanker.load(data, graph, folder), tasks


@pytest.mark.parametrize(("followed", "chosen"), [(0.0, "best"), (1.1, 0.0)])
def test_the_weight_is_the_best_that_leaves_evidence_followed(
    followed: float, chosen: float | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toys.save_checkpoint(tmp_path / "tiny", layers=2)
    monkeypatch.setattr(tune_prior, "load_dataset", lambda name: reading.dataset())
    monkeypatch.setattr(tune_prior, "WEIGHTS", (0.0, 0.5, 1.0))
    monkeypatch.setattr(tune_prior, "hits", lambda student, tasks: np.array([[0.2, 0.4, 0.3]]))
    monkeypatch.setattr(tune_prior, "EXCHANGED", 4)
    file = tmp_path / "config.yaml"
    file.write_text(f"dataset: reading\nruns: {tmp_path}\nout: {folder}\nheart: 4\n", "utf-8")
    given = ["tune_prior", "--config", str(file), "--tasks", "2", "--followed", str(followed)]
    monkeypatch.setattr("sys.argv", given)
    tune_prior.main()
    about = json.loads((folder / "star.json").read_text("utf-8"))
    assert about["prior"] == (0.5 if chosen == "best" else chosen)


def test_the_mean_of_two_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = toys.save_checkpoint(tmp_path / "one", layers=2), tmp_path / "two"
    shutil.copytree(one, two)
    weights = load_file(two / "model.safetensors")
    save_file({name: w * 3 for name, w in weights.items()}, two / "model.safetensors", {"format": "pt"})
    expected = {"with": fingerprint(str(one)), "of": fingerprint(str(two))}
    file = tmp_path / "config.yaml"
    file.write_text(f"dataset: reading\nruns: {tmp_path}\nstart: {one}\nout: {two}\naverage: true\n", "utf-8")
    monkeypatch.setattr("sys.argv", ["average", "--config", str(file)])
    average.main()
    mean = load_file(two / "model.safetensors")
    for name, w in weights.items():
        np.testing.assert_allclose(mean[name].float(), w.float() * 2, rtol=0.01)
    assert json.loads((two / "star.json").read_text("utf-8"))["stages"]["average"] == expected
    with pytest.raises(UserError, match="is a mean already"):
        average.main()
    (two / "adapter").mkdir()
    with pytest.raises(UserError, match=r"has an adapter.*move .*adapter away"):
        average.main()
    (two / "adapter").rmdir()
    other = toys.save_checkpoint(tmp_path / "other", layers=1)
    with pytest.raises(UserError, match="other words or another shape"):
        average.average(one, other)
