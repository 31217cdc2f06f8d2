"""Choosing how much a ranking takes in of the one by heart, and the mean of two checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import reading
import toys
from safetensors.torch import load_file, save_file

from star import metrics
from star.dataset import Dataset
from star.errors import UserError
from star.fingerprint import fingerprint
from star.graph import Graph
from star.student import decoding
from star.student.ranker import StarRanker, order, written
from star.tasks import make_tasks, split
from training import average, tune_prior


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_WRITTEN", 25)


def test_hit_rates_are_those_of_every_weight(tmp_path: Path) -> None:
    data = reading.dataset()
    parts = split(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    student = StarRanker.load(data, graph, toys.save_checkpoint(tmp_path / "tiny", layers=2))
    tasks = make_tasks(data.interactions, parts.valid, "classic", "uniform", graph.counts, None, 12)
    found = tune_prior.hit_rates(student, [tasks[:6], tasks[6:]])
    expected = []
    for weight in tune_prior.WEIGHTS:
        done = written(tune_prior.weighted(student, weight).writers(tasks))
        ranks = [1 + order(w, t.candidates).index(t.target) for w, t in zip(done, tasks, strict=True)]
        expected.append(metrics.mean_hit_rate(np.array(ranks)).mean())
    assert found == pytest.approx(expected, abs=1e-6) and len(set(expected)) > 1


def test_an_answer_without_a_ranking_is_last_for_every_weight(tmp_path: Path) -> None:
    data = reading.dataset()
    parts = split(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    student = StarRanker.load(data, graph, toys.save_checkpoint(tmp_path / "tiny", without=60))
    tasks = make_tasks(data.interactions, parts.valid, "classic", "uniform", graph.counts, None, 12)
    even = tune_prior.weighted(student, 1.0)
    for task, fresh, done in zip(tasks, even.writers(tasks), written(even.writers(tasks)), strict=True):
        assert set(tune_prior.ranks_of(fresh, task.target)) == {20}
        ranks = tune_prior.ranks_of(done, task.target)
        assert set(ranks) == {20} if task.target >= 60 else 1 <= min(ranks) <= len(done.candidates)
    assert any(task.target >= 60 for task in tasks) and any(task.target < 60 for task in tasks)


@pytest.mark.parametrize(("followed", "chosen"), [(0.0, "best"), (1.1, 0.0)])
def test_the_weight_is_the_best_that_leaves_evidence_followed(
    followed: float, chosen: float | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toys.save_checkpoint(tmp_path / "tiny", layers=2)
    monkeypatch.setattr(Dataset, "load", classmethod(lambda cls, name: reading.dataset()))
    monkeypatch.setattr(tune_prior, "WEIGHTS", (0.0, 0.5, 1.0))
    monkeypatch.setattr(tune_prior, "hit_rates", lambda student, cells: np.array([0.2, 0.4, 0.3]))
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
