"""Exchanged evidence: lines change their subject and nothing else; who ranks by a tool follows it, who does not does not.
Rankings without a reflection differ where the reflection ranks, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import scribe
import toys

from star.data import tasks as T
from star.data.loading import load_dataset
from star.evaluation.answers import answers
from star.evaluation.counterfactual import Permuted, permutation_test, reflection_test, swap_test
from star.evidence.graph import Graph
from star.evidence.verification import check
from star.methods.student import StarRanker, order
from star.student.checkpoint import MODELS


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


def test_one_tool_alone_is_permuted() -> None:
    tools = toys.reading_tools(0)
    candidates = tools.candidates.tolist()
    to = dict(zip(candidates, [*candidates[1:], candidates[0]], strict=True))
    permuted = Permuted(tools, to, "user_cf")
    assert permuted.call("item_cf", (10,)) == tools.call("item_cf", (10,))
    assert permuted.call("user_cf", (50,)) == Permuted(tools, to).call("user_cf", (50,))
    assert permuted.call("user_cf", (50,)) != tools.call("user_cf", (50,))


def test_who_ranks_by_a_tool_follows_its_swap() -> None:
    given = answers(scribe.student(scribe.by_item_cf, scribe.by_item_cf), scribe.tasks())
    moved = swap_test(given, "item_cf")
    assert (moved["n"], moved["quotes"], moved["stale"], moved["unreadable"]) == (len(given), 1, 0, 0)
    assert moved["turns"] == moved["first"] > 0.8  # but where the two have equal strengths
    still = swap_test(given, "user_cf")
    assert still["n"] > 3 and (still["turns"], still["first"], still["stale"]) == (0, 0, 0)
    assert swap_test(given, "item_cf") == moved != swap_test(given, "item_cf", 1)
    assert swap_test([], "item_cf")["n"] == 0


def test_quoting_what_was_said_before_is_stale() -> None:
    """A student that does not listen: it goes on reading the unswapped answer to itself."""
    ranker = scribe.student(scribe.by_item_cf, scribe.by_item_cf)
    given = answers(ranker, scribe.tasks(6))
    network = ranker.checkpoint.model
    old = [list(a.writer.words) for a in given]
    spans = [w[w.index("<reflection>") : w.index("<recommend>")] for w in old]
    rows = {str(a.writer._prompt): span for a, span in zip(given, spans, strict=True)}
    network.reflection = lambda words: rows[str(words[: words.index("<plan>")])]  # type: ignore[method-assign]
    moved = swap_test(given, "item_cf")
    assert (moved["quotes"], moved["stale"]) == (0, 1)


def test_a_reflection_that_ranks_changes_the_ranking() -> None:
    tasks = scribe.tasks()
    led = answers(scribe.student(scribe.by_reflection), tasks)
    found = reflection_test(led)
    assert (found["n"], found["first"], found["five"]) == (len(tasks), 1, 1)
    ranks = np.array([order(a.writer, a.task.candidates).index(a.task.target) for a in led])
    assert found["mean"] == pytest.approx(np.mean([(ranks < k).mean() for k in (1, 3, 5)]), abs=1e-4)
    assert found["mean_without"] < found["mean"] and found["ci"][0] <= found["mean"] - found["mean_without"]
    same = reflection_test(answers(scribe.student(scribe.by_evidence), tasks))
    assert (same["n"], same["first"], same["five"], same["ci"]) == (len(tasks), 0, 0, [0, 0])
    assert same["mean"] == same["mean_without"]


def test_answers_that_do_not_reflect_are_not_counted() -> None:
    ranker = scribe.student(scribe.by_evidence)
    ranker.checkpoint.model.reflection = lambda words: []  # type: ignore[method-assign]
    assert reflection_test(answers(ranker, scribe.tasks(3))) == {"n": 0}


@pytest.mark.checkpoint
def test_the_shipped_student_follows_the_evidence() -> None:
    folder = MODELS / "demo"
    if not (folder / "star.json").is_file():
        pytest.skip("assets/models/demo is not there; train it with training/run.sh")
    data = load_dataset("demo")
    split = T.split(data.interactions)
    graph = Graph.build(data.interactions, split.train)
    tasks = T.make_tasks(data.interactions, split.valid, "classic", "uniform", graph.counts, limit=60)
    moved = permutation_test(StarRanker.load(data, graph, folder), tasks)
    assert moved["follows"] > 0.5 > moved["stays"]
    assert moved["mean_permuted"] < moved["mean"] - 0.2
    low, high = moved.pop("follows_ci")
    assert 0 < low < moved["follows"] < high < 1
    assert np.isfinite(list(moved.values())).all()
