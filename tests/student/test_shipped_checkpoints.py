"""The shipped checkpoints: load offline, answer, and write what the grammar and the graph bear out."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from star import ROOT
from star.data import tasks
from star.data.dataset import names
from star.data.loading import load_dataset
from star.errors import UserError
from star.evidence.graph import Graph
from star.methods.registry import Context, rankers
from star.methods.student import ConditionedOnTeacher
from star.recommend.recommendation import Query
from star.recommend.recommender import Star, answer
from star.trace.grammar import TraceError
from star.trace.steps import parse

MODELS = ROOT / "assets" / "models"
pytestmark = pytest.mark.checkpoint


@pytest.fixture(scope="module")
def star() -> Star:
    if not (MODELS / "demo" / "star.json").is_file():
        pytest.skip("assets/models/demo is not there; train it with training/run.sh")
    return Star(load_dataset("demo"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
def test_it_loads_and_answers_offline() -> None:
    if not (MODELS / "demo" / "star.json").is_file():
        pytest.skip("assets/models/demo is not there; train it with training/run.sh")
    star = Star(load_dataset("demo"))
    done = answer(star, Query((star.dataset.catalog.search("Dune")[0],)))
    assert done.finished and len(done.items) == 5 and star.without_token == 0


def test_answers_are_traces_whose_numbers_are_the_graphs(star: Star) -> None:
    readers = sorted(star.dataset.held_out)[:20]
    verdicts: list[str] = []
    broken = 0
    for reader in readers:
        history = tuple(star.dataset.interactions.history(reader).tolist())
        done = answer(star, Query(history, reader))
        assert len({r.item for r in done.items}) == 5, "a ranking comes out of every answer, readable or not"
        try:
            trace = parse(done.text.split(), len(history))
        except TraceError:
            broken += 1
            continue
        assert set(trace.ranking) <= set(done.candidates) and not set(trace.ranking) & set(history)
        assert [r.item for r in done.items] == list(trace.ranking)
        verdicts += [c.verdict for c in done.claims if c.author == "model" and c.verdict != "opinion"]
        assert all(c.verdict != "unsupported" for c in done.claims if c.author == "tool")
    # README has the measured shares; these floors are a few standard errors below them at twenty answers.
    assert broken <= 1
    assert len(verdicts) > 4 * len(readers)
    assert np.mean([v == "supported" for v in verdicts]) > 0.95


def test_same_seed_same_answer_other_seed_other_words(star: Star) -> None:
    history = tuple(star.dataset.interactions.history(sorted(star.dataset.held_out)[0]).tolist())
    texts = [answer(star, Query(history, seed=seed)).text for seed in (0, 0, 3, 3, 4)]
    assert texts[0] == texts[1] and texts[2] == texts[3]
    assert len(set(texts)) > 1


def test_any_checkpoint_is_a_method_by_its_folder(star: Star) -> None:
    data = star.dataset
    parts = tasks.split(data.interactions)
    context = Context(data, parts, Graph.build(data.interactions, parts.train))
    some = tasks.make_tasks(
        data.interactions, parts.valid, "classic", "uniform", context.graph.counts, limit=6
    )
    one, two = rankers(["star", f"star:{MODELS / 'demo'}"], context)
    assert [r.order for r in one.rank(some)] == [r.order for r in two.rank(some)]
    with pytest.raises(UserError, match="no method star:nowhere"):
        rankers(["star:nowhere"], context)


@pytest.mark.parametrize("name", ["demo", "goodbooks"])
def test_size_and_kind(name: str) -> None:
    folder = MODELS / name
    if not (folder / "star.json").is_file():
        pytest.skip(f"assets/models/{name} is not there")
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert "model.safetensors" in files and sum(files.values()) < 40 * 2**20


@pytest.mark.real
def test_goodbooks_checkpoint_knows_the_imported_items() -> None:
    if "goodbooks" not in names() or not (MODELS / "goodbooks" / "star.json").is_file():
        pytest.skip("data set goodbooks is not imported here; star import goodbooks PATH --name goodbooks")
    star = Star(load_dataset("goodbooks"))
    assert star.without_token == 0


def test_a_missing_checkpoint_is_one_line(tmp_path: Path) -> None:
    from star.student.model import Checkpoint

    with pytest.raises(UserError, match="no checkpoint"):
        Checkpoint.load(str(tmp_path))


def test_behind_the_teachers_trace_it_only_ranks(star: Star) -> None:
    data = star.dataset
    parts = tasks.split(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    asked = tasks.make_tasks(data.interactions, parts.valid, "classic", "uniform", graph.counts, limit=30)
    context = Context(data, parts, graph)
    behind, teacher, own = rankers(["star:behind-mars", "mars", "star"], context)
    assert isinstance(behind, ConditionedOnTeacher)
    begun = behind.begun(asked)
    for words, task in zip(begun, asked, strict=True):
        assert words == behind.teacher.run(task).words()[: len(words)] and words[-1] == "<recommend>"
    ranked = behind.rank(asked)
    assert all(
        a.generated_tokens == 5 and sorted(a.order) == sorted(t.candidates)
        for a, t in zip(ranked, asked, strict=True)
    )
    orders = [a.order for a in ranked]
    assert orders != [a.order for a in teacher.rank(asked)] and orders != [a.order for a in own.rank(asked)]


def test_readmes_trace_is_what_the_shipped_weights_answer(star: Star) -> None:
    """README's excerpt comes from a stored answer: weights that rank otherwise need it written again."""
    from docs.build import EVALUATIONS

    stored = json.loads((EVALUATIONS / "trace-demo.json").read_text("utf-8"))
    data = load_dataset("demo")
    reader = data.interactions.row(stored["user"])
    made = answer(star, Query(tuple(data.interactions.history(reader).tolist()), reader, seed=stored["seed"]))
    titles = [data.catalog[item.item].title for item in made.items]
    assert titles == [item["title"] for item in stored["items"]], "see docs/reproduce.md, Results again"
