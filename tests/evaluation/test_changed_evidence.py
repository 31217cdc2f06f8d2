"""Changed evidence: what is swapped is said of the other item, what is erased is gone, and all else stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import reading
import toys

from star.data.tasks import Task, make_tasks
from star.evaluation.changed_evidence import ChangedTools, changed_evidence, erase, resting, swap
from star.evaluation.own_words import answered
from star.evidence.claims import COMPARED
from star.evidence.tools import Attributes, Tools
from star.methods.student import StarRanker
from star.recommend.recommendation import Query
from star.recommend.recommender import Star, answer
from star.student.vocabulary import plan, word_of


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> StarRanker:
    """An untrained one: what is measured does not depend on how well it ranks."""
    folder = toys.save_checkpoint(tmp_path_factory.mktemp("models") / "tiny", layers=2)
    return StarRanker.load(reading.dataset(), reading.graph(), reading.signals(), folder)


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    data, graph = reading.dataset(), reading.graph()
    return make_tasks(data.interactions, reading.parts().test, "classic", "uniform", graph.counts, limit=6)


def heard(tools: Tools) -> dict[int, set[int]]:
    """Candidate → words that the tools say of it."""
    out: dict[int, set[int]] = {}
    for call in plan(len(tools.history)):
        for line in tools.call(*call).lines:
            for evidence in line:
                if (word := word_of(evidence.claim)) is not None and evidence.claim.subject is not None:
                    out.setdefault(evidence.claim.subject, set()).add(word)
    return out


@pytest.mark.parametrize("kind", COMPARED)
def test_a_signal_of_two_items_is_swapped_and_nothing_else(
    ranker: StarRanker, tasks: list[Task], kind: str
) -> None:
    tools = next(iter(ranker.states(tasks[:1]))).tools
    one, other = tools.candidates.tolist()[:2]
    before, after = heard(tools), heard(ChangedTools(tools, swap(kind, one, other)))

    def of(words: set[int], own: bool) -> set[int]:
        from star.evaluation.changed_evidence import _kind

        return {w for w in words if (_kind(w) == kind) == own}

    for item in tools.candidates.tolist():
        source = {one: other, other: one}.get(item, item)
        assert of(after.get(item, set()), True) == of(before.get(source, set()), True)
        assert of(after.get(item, set()), False) == of(before.get(item, set()), False)


def test_what_is_erased_is_gone(ranker: StarRanker, tasks: list[Task]) -> None:
    tools = next(iter(ranker.states(tasks[:1]))).tools
    before = heard(tools)
    item, words = next(iter(before.items()))
    gone = frozenset((item, word) for word in words)
    assert heard(ChangedTools(tools, erase(gone))) == {s: w for s, w in before.items() if s != item}


def test_the_measurement_counts_every_answer_once(ranker: StarRanker, tasks: list[Task]) -> None:
    found: dict[str, Any] = changed_evidence(ranker, tasks, answered(ranker, tasks))
    assert found["n"] == len(tasks)
    for row in found["swapped"].values():
        assert row["n"] <= len(tasks) and row["decisive"]["n"] == 0
        assert row["said"] is None or 0 <= row["said"] <= 1
    assert found["erased"]["n"] <= len(tasks)


def test_trees_say_what_is_decisive(ranker: StarRanker, tasks: list[Task]) -> None:
    """A tree that looks at one signal alone is turned by that signal, and by no other."""
    from star.evaluation.changed_evidence import COLUMNS, _Turning
    from star.methods.fusion import Scorer, signal_columns

    names = list(
        signal_columns(
            ranker.graph, ranker.dataset, Attributes.of(ranker.dataset.catalog), tasks[0], ranker.signals
        )
    )

    class Whole:
        def decision_function(self, rows: Any) -> Any:
            return rows[:, names.index("whole")]

    trees = Scorer(ranker.graph, ranker.dataset, Whole(), signals=ranker.signals)
    scores = trees(tasks[0])
    best, worst = (tasks[0].candidates[int(at)] for at in (scores.argmax(), scores.argmin()))
    turning = _Turning(ranker, tasks[0], trees, best, worst)
    assert [kind for kind in COLUMNS if turning.by(kind)] == ["whole"]
    assert not any(_Turning(ranker, tasks[0], trees, worst, best).by(kind) for kind in COLUMNS)


def test_a_first_choice_rests_on_what_is_said_of_it_more_than_on_what_is_said_of_another() -> None:
    star = Star(reading.dataset())
    falls = []
    for row in reading.parts().test[:6].tolist():
        query = Query(tuple(reading.dataset().interactions.history(row)[:8].tolist()))
        done = answer(star, query)
        found = resting(star, replace(query, candidates=done.candidates), done.items[0].item)
        assert set(found) == {"erasure", "erasure, control"}
        falls.append((found["erasure"], found["erasure, control"]))
    assert sum(own for own, _ in falls) / len(falls) > 0.1 + sum(abs(other) for _, other in falls) / len(falls)
