"""What is to be predicted is never in the evidence: the reader's own row shows nowhere, on no path.

A training reader's later books are planted in the graph. Whatever is asked about that reader must come out
as from a graph that never held them; and asked about a stranger it must not, else the tests could not fail.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import reading
import toys

from star.data.interactions import Interactions
from star.data.tasks import NEGATIVE_KINDS, SCENARIOS, make_tasks
from star.evidence.claims import Edge
from star.evidence.fitting import fit_signals
from star.evidence.graph import Graph, crossfit
from star.evidence.retrieval import Retriever
from star.evidence.tools import ASKED, WINDOWS, Attributes, Tools
from star.evidence.verification import check
from training.lib.lists import Row, lists_of

DATA, PARTS = reading.dataset(), reading.parts()
ATTRIBUTES = Attributes.of(DATA.catalog)
READERS = PARTS.train[[0, 1, 57, 120, len(PARTS.train) - 1]].tolist()


def without(reader: int) -> Graph:
    return Graph.build(DATA.interactions, np.array([r for r in PARTS.train.tolist() if r != reader]))


def bind(graph: Graph, reader: int | None, known: np.ndarray, target: int, seed: int) -> Tools:
    rng = np.random.default_rng(seed)
    others = rng.choice(np.setdiff1d(np.arange(reading.BOOKS), [*known, target]), 19, replace=False)
    candidates = rng.permutation(np.append(others, target))
    return Tools(graph, DATA.catalog, ATTRIBUTES, known, candidates, reader)


def said(tools: Tools) -> list[Any]:
    """What the tools say to any call, and what verification finds; readers named by their row on disk."""

    def name(edge: Edge) -> Edge:
        rows = [
            f"r:{tools.graph.rows[int(n[2:])]}" if n[:2] == "r:" else n for n in (edge.source, edge.target)
        ]
        return dataclasses.replace(edge, source=rows[0], target=rows[1])

    calls: list[tuple[str, tuple[int, ...]]] = [("profile", ())]
    calls += [("recent", (w,)) for w in WINDOWS] + [("user_cf", (a,)) for a in ASKED]
    calls += [("item_cf", (w, *only)) for w in WINDOWS for only in ((), tools.candidates[:3].tolist())]
    out: list[Any] = []
    for call in calls:
        for line in tools.call(*call).lines:
            for evidence in line:
                found = check(evidence.claim, tools)
                edges = [[name(e) for e in part] for part in (evidence.edges, found.edges)]
                out.append((call, evidence.claim, evidence.interval, edges, found.found, found.verdict))
    return out


def cases() -> list[tuple[int, int]]:
    lengths = {r: len(DATA.interactions.history(r)) for r in READERS}
    return [(r, at) for r in READERS for at in sorted({1, 4, lengths[r] // 2, lengths[r] - 1})]


@pytest.mark.parametrize(("reader", "at"), cases())
def test_tools_never_show_the_readers_own_row(reader: int, at: int) -> None:
    history = DATA.interactions.history(reader)
    known, target = history[:at], int(history[at])
    there = said(bind(reading.graph(), reader, known, target, at))
    gone = said(bind(without(reader), None, known, target, at))
    assert there == gone
    named = {n for *_, edges, _, _ in there for part in edges for e in part for n in (e.source, e.target)}
    assert any(n[:2] == "r:" for n in named)
    assert f"r:{reader}" not in named


def test_it_would_show_if_the_reader_were_not_left_out() -> None:
    differ = named = 0
    for reader, at in cases():
        history = DATA.interactions.history(reader)
        known, target = history[:at], int(history[at])
        stranger = said(bind(reading.graph(), None, known, target, at))
        differ += stranger != said(bind(without(reader), None, known, target, at))
        named += f"'r:{reader}'" in str(stranger)
    assert differ == len(cases()) and named > len(cases()) / 3


def test_a_planted_interaction_does_not_tip_a_count_over_five() -> None:
    """Four others read both books, the reader asked about is the fifth."""
    histories = [[0, 3]] * 5 + [[5, 6]] * 15
    tools = toys.hand_tools([0], [3], 4, histories)
    (line,) = tools.call("item_cf", [5]).lines
    assert line[-1].claim.numbers == {"window": 1} and not line[-1].edges and not line[1].edges
    ((similar,),) = tools.call("user_cf", [30]).lines
    assert similar.claim.numbers == {"of": 30} and not similar.edges
    stranger = toys.hand_tools([0], [3], None, histories).call("item_cf", [5]).lines[0][-1].claim
    assert stranger.numbers["both"] == 5


def test_a_book_that_nobody_else_read_is_not_found() -> None:
    tools = toys.hand_tools([0], [7, 3], 20, [*toys.BY_HAND, [0, 7]])
    lines = tools.call("item_cf", [5]).lines + tools.call("user_cf", [30]).lines
    assert lines and 7 not in [line[0].claim.subject for line in lines]


@pytest.mark.parametrize("reader", READERS)
def test_retrieval_is_blind_to_the_readers_own_row(reader: int) -> None:
    history, gone = DATA.interactions.history(reader), without(reader)
    differ = 0
    for at in (1, 5, len(history) - 1):
        there = Retriever(reading.graph(), ATTRIBUTES)
        blind = Retriever(gone, ATTRIBUTES)(history[:at], 40)
        assert there(history[:at], 40, reader).tolist() == blind.tolist()
        differ += there(history[:at], 40).tolist() != blind.tolist()
    assert differ


def test_the_filling_up_of_retrieval_is_blind_too() -> None:
    """Where all signals are silent the most read books fill up; the reader's later books do not count."""
    histories = [[1, 2]] * 3 + [[3, 4]] * 3 + [[7, 4]]
    tools = toys.hand_tools([7], [1], 6, histories)
    gone = toys.hand_tools([7], [1], None, histories[:-1])
    there = Retriever(tools.graph, tools.attributes)(np.array([7]), 4, 6)
    assert there.tolist() == Retriever(gone.graph, gone.attributes)(np.array([7]), 4).tolist()


def test_crossfitted_graphs_do_not_hold_who_they_serve() -> None:
    for inside, graph in crossfit(DATA.interactions, PARTS.train, PARTS.folds):
        assert not set(graph.rows.tolist()) & set(inside.tolist())
        reader = int(inside[0])
        history = DATA.interactions.history(reader)
        target = int(history[-1])
        one, two = (bind(graph, r, history[:-1], target, 1) for r in (reader, None))
        assert said(one) == said(two)
        assert f"'r:{reader}'" not in str(said(one))


@pytest.mark.parametrize("negatives", NEGATIVE_KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_tasks_do_not_give_the_target_away(scenario: str, negatives: str) -> None:
    retriever = Retriever(reading.graph(), ATTRIBUTES)
    made = make_tasks(
        DATA.interactions, PARTS.test, scenario, negatives, reading.graph().counts, retriever, None, 3
    )
    assert not set(PARTS.test.tolist()) & set(reading.graph().rows.tolist())
    for task in made:
        assert task.target not in task.history and task.candidates.count(task.target) == 1
        assert not set(task.candidates) & set(task.history)
        after = DATA.interactions.history(task.reader)[len(task.history) :].tolist()
        assert set(after) & set(task.candidates) == {task.target}
    places = np.bincount([t.candidates.index(t.target) for t in made], minlength=20)
    expected = len(made) / 20
    assert ((places - expected) ** 2 / expected).sum() < 43.8  # chi-square, 19 degrees of freedom, p = .001


def test_training_lists_come_from_a_graph_without_their_readers() -> None:
    """The lists of a fold are made again from a data set in which its readers read something else."""
    folds = PARTS.folds % 2
    made = {fold: _lists(DATA.interactions, DATA.interactions, fold, folds) for fold in (0, 1)}
    for fold, rows in made.items():
        own = set(PARTS.train[folds == fold].tolist())
        assert rows and {int(row["reader"]) for row in rows} <= own
        histories = [DATA.interactions.history(r) for r in range(len(DATA.interactions))]
        changed = [np.array([0, 1]) if r in own else h for r, h in enumerate(histories)]
        again = _lists(Interactions.from_histories(changed, reading.BOOKS), DATA.interactions, fold, folds)
        for one, same in zip(rows, again, strict=True):
            for name in one.keys() | same.keys():
                np.testing.assert_array_equal(one[name], same[name])


def _lists(known: Interactions, asked: Interactions, fold: int, folds: np.ndarray) -> list[Row]:
    """Lists of a fold's readers, from the evidence of the other folds of `known`."""
    inside, graph = list(crossfit(known, PARTS.train, folds))[fold]
    with reading.quick():
        signals = fit_signals(graph, DATA.catalog, ATTRIBUTES)
    data = dataclasses.replace(DATA, interactions=asked)
    return list(lists_of(graph, data, signals, inside[:12], 6, 0, ("classic",), ("uniform", "matched")))
