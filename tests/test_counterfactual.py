"""Permuted evidence: every line changes its subject and nothing else; a shipped student follows it."""

from __future__ import annotations

import numpy as np
import pytest
import toys

from star import tasks as T
from star.counterfactual import Erased, Permuted, erasure, permutation_test
from star.dataset import Dataset
from star.graph import Graph
from star.rankers import MODELS
from star.recommendation import Query
from star.recommender import Star, answer
from star.student.ranker import StarRanker
from star.verify import check


def test_lines_change_their_subject_and_nothing_else() -> None:
    tools = toys.reading_tools(0)
    candidates = tools.candidates.tolist()
    to = dict(zip(candidates, [*candidates[1:], candidates[0]], strict=True))
    permuted = Permuted(tools, to)
    for name, arguments in (
        ("item_cf", (10,)),
        ("user_cf", (50,)),
        ("item_cf", (10, to[candidates[2]], candidates[0])),
    ):
        asked = [arguments[0], *(permuted.back[a] for a in arguments[1:])]
        plain = {line[0].claim.subject: line for line in tools.call(name, asked).lines}
        found = {line[0].claim.subject: line for line in permuted.call(name, arguments).lines}
        assert found.keys() == {to[s] for s in plain} and plain
        for subject, line in plain.items():
            other = found[to[subject]]
            assert [e.claim.numbers for e in line] == [e.claim.numbers for e in other]
            assert [e.claim.strength for e in line] == [e.claim.strength for e in other]
        order = [candidates.index(s) for s in found]
        assert order == sorted(order)
    wrong = [check(e.claim, tools).verdict for line in permuted.call("item_cf", (10,)).lines for e in line]
    assert "unsupported" in wrong


@pytest.mark.checkpoint
def test_the_shipped_student_follows_the_evidence() -> None:
    folder = MODELS / "demo"
    if not (folder / "star.json").is_file():
        pytest.skip("assets/models/demo is not there; train it with training/run.sh")
    data = Dataset.load("demo")
    split = T.split(data.interactions)
    graph = Graph.build(data.interactions, split.train)
    tasks = T.make_tasks(data.interactions, split.valid, "classic", "uniform", graph.counts, limit=60)
    moved = permutation_test(StarRanker.load(data, graph, folder), tasks)
    assert moved["follows"] > 0.5 > moved["stays"]
    assert moved["mean_permuted"] < moved["mean"] - 0.2
    assert np.isfinite(list(moved.values())).all()


def test_erased_tools_say_nothing_of_one_candidate_and_the_same_of_others() -> None:
    tools = toys.reading_tools(0)
    for name, arguments in (("item_cf", (10,)), ("user_cf", (50,))):
        plain = tools.call(name, arguments).lines
        item = plain[0][0].claim.subject
        assert item is not None
        found = Erased(tools, item).call(name, arguments).lines
        assert found == tuple(line for line in plain if line[0].claim.subject != item)
        assert 0 < len(found) < len(plain)


@pytest.mark.checkpoint
def test_the_first_choice_rests_on_its_own_evidence() -> None:
    star = Star(Dataset.load("demo"))
    log = star.dataset.interactions
    losses = []
    for reader in sorted(star.dataset.held_out)[:6]:
        query = Query(tuple(log.history(reader).tolist()), reader)
        first = answer(star, query).items[0].item
        losses.append(erasure(star, query, first))
    own, other = (np.mean([loss[name] for loss in losses]) for name in ("erasure", "erasure, control"))
    assert own > 0.05 and own > 2 * abs(other), (own, other)
