"""The protocol: split, targets, negatives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reading
from scipy.stats import chisquare

from star.data.interactions import Interactions
from star.data.tasks import (
    COLD_KNOWN,
    FOLDS,
    MIN_BOOKS,
    NEGATIVE_KINDS,
    NEGATIVES,
    TARGETS,
    Task,
    cells,
    draw_negatives,
    make_tasks,
    popularity_bins,
    positions,
    split,
)
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes

CELLS = cells()


def tasks(scenario: str, negatives: str, limit: int | None = None, seed: int = 0) -> list[Task]:
    data, graph = reading.dataset(), reading.graph()
    retriever = Retriever(graph, Attributes.of(data.catalog))
    readers = reading.parts().test
    return make_tasks(
        data.interactions, readers, scenario, negatives, graph.counts, retriever, limit, seed=seed
    )


def test_split_is_disjoint_and_complete() -> None:
    parts = reading.parts()
    together = np.concatenate([parts.train, parts.valid, parts.test])
    assert sorted(together.tolist()) == list(range(len(reading.dataset().interactions)))
    lengths = np.diff(reading.dataset().interactions.indptr)
    assert lengths[parts.test].min() >= MIN_BOOKS and lengths[parts.valid].min() >= MIN_BOOKS
    assert len(parts.test) > len(parts.valid) > 0
    assert set(parts.folds.tolist()) == set(range(FOLDS)) and len(parts.folds) == len(parts.train)


def test_split_does_not_depend_on_the_order_on_disk() -> None:
    whole = reading.dataset().interactions
    shuffled = whole.subset(np.random.default_rng(3).permutation(len(whole)))
    for name in ("test", "valid", "train"):
        one, two = getattr(split(whole), name), getattr(split(shuffled), name)
        assert [whole.users[r] for r in one] == [shuffled.users[r] for r in two]


def test_split_depends_on_ids_alone() -> None:
    whole = reading.dataset().interactions
    other = Interactions(whole.users, whole.indptr, whole.items[::-1].copy(), whole.n_items)
    assert np.array_equal(split(whole).test, split(other).test)


BEFORE = {  # length of the history, scenario → (start, stop, target)
    (12, "classic"): [(0, 11, 11), (0, 10, 10), (0, 9, 9), (0, 8, 8), (0, 7, 7)],
    (5, "classic"): [(0, 4, 4), (0, 3, 3)],
    (3, "classic"): [],
    (12, "user_cold_start"): [(0, 3, 3), (0, 3, 4), (0, 3, 5), (0, 3, 6), (0, 3, 7)],
    (4, "user_cold_start"): [(0, 3, 3)],
    (3, "user_cold_start"): [],
    (12, "short_term"): [(6, 11, 11), (5, 10, 10), (4, 9, 9), (3, 8, 8), (2, 7, 7)],
    (5, "short_term"): [(0, 4, 4), (0, 3, 3)],
    (40, "long_term"): [(9, 39, 39), (8, 38, 38), (7, 37, 37), (6, 36, 36), (5, 35, 35)],
}


@pytest.mark.parametrize(("given", "expected"), BEFORE.items())
def test_positions(given: tuple[int, str], expected: list[tuple[int, int, int]]) -> None:
    length, scenario = given
    assert positions(np.arange(length), None, scenario, np.full(length, 50)) == expected


def test_rare_targets() -> None:
    counts = np.array([5, 5, 5, 5, 2, 3, 50, 10, 11, 4, 4, 4, 4])
    expected = [
        (0, t, t) for t in (12, 11, 10, 9, 7)
    ]  # and 5, the sixth; the first three are the least that is known
    assert positions(np.arange(13), None, "item_cold_start", counts) == expected
    assert positions(np.arange(9), None, "item_cold_start", counts) == [(0, 7, 7), (0, 5, 5), (0, 3, 3)]


def test_spans_of_time() -> None:
    days = np.array([0, 100, 185, 186, 192, 193, 300, 300])
    found = {
        s: positions(np.arange(8), days * 86_400, s, np.full(8, 50)) for s in ("long_term", "short_term")
    }
    # nothing within the span before the book of day 300: no task, but its twin of the same day has it
    assert found["short_term"] == [(6, 7, 7), (3, 5, 5), (2, 4, 4), (2, 3, 3)]
    assert found["long_term"] == [(6, 7, 7), (2, 5, 5), (2, 4, 4), (1, 3, 3)]


@pytest.mark.parametrize(("scenario", "negatives"), CELLS)
def test_candidates(scenario: str, negatives: str) -> None:
    made = tasks(scenario, negatives)
    for task in made:
        whole = reading.dataset().interactions.history(task.reader).tolist()
        assert len(task.candidates) == len(set(task.candidates)) == NEGATIVES + 1
        assert task.candidates.count(task.target) == 1
        assert set(task.candidates) & set(whole) == {task.target}, "a negative was read by the reader"
        at, known = whole.index(task.target), list(task.history)
        assert known, "nothing is known"
        if scenario == "user_cold_start":
            assert known == whole[:COLD_KNOWN] and at >= COLD_KNOWN
        else:
            most = {"short_term": 5, "long_term": 30}.get(scenario, at)
            assert known == whole[max(0, at - most) : at]
        if scenario == "item_cold_start":
            assert 3 <= reading.graph().counts[task.target] <= 10


@pytest.mark.parametrize(("scenario", "negatives"), CELLS)
def test_the_first_tasks_are_one_per_reader(scenario: str, negatives: str) -> None:
    readers = reading.parts().test
    made = tasks(scenario, negatives, limit=2 * len(readers))
    first = [t.reader for t in made[: len(readers)]]
    if scenario == "item_cold_start":  # not every reader has such a book
        assert len(set(first)) > 3 and first[: len(set(first))] == [r for r in readers if r in set(first)]
    else:
        assert first == readers.tolist()
    assert {(t.reader, t.target, t.draw) for t in made} == {
        (t.reader, t.target, t.draw) for t in tasks(scenario, negatives)[: 2 * len(readers)]
    }


def test_all_targets_come_before_the_second_draw() -> None:
    made = tasks("classic", "uniform")
    draws = [t.draw for t in made]
    assert draws == sorted(draws) and set(draws) == {0, 1, 2}
    assert draws.count(0) == TARGETS * len(reading.parts().test)
    assert {t.draw for t in tasks("classic", "retrieved")} == {0}


def test_matched_negatives_come_from_the_targets_fixed_bin() -> None:
    bins = popularity_bins(reading.graph().counts)
    assert sorted(np.concatenate(bins).tolist()) == list(range(reading.BOOKS)) and len(bins) > 1
    for task in tasks("classic", "matched"):
        assert sum(set(task.candidates) <= set(b.tolist()) for b in bins) == 1


def test_negatives_of_a_rare_book_are_as_rare() -> None:
    """Otherwise the rarest candidate would be the target; in a catalogue with too few rare books the bin has to do."""
    rng = np.random.default_rng(0)
    bins, seen = [np.arange(60)], np.arange(3)
    rare, few = np.arange(60) >= 30, np.arange(60) >= 45
    drawn = [
        draw_negatives("matched", 50, seen, seen, bins, 60, None, rng, among) for among in (rare, few, None)
    ]
    assert [len(set(d.tolist())) for d in drawn] == [NEGATIVES] * 3
    assert [bool((d >= 30).all()) for d in drawn] == [True, False, False]


def test_bins_are_consecutive_ranks_500_wide() -> None:
    counts = np.random.default_rng(0).permutation(6_100)
    bins = popularity_bins(counts)
    assert [len(b) for b in bins] == [500] * 11 + [600]
    assert all(counts[a].min() > counts[b].max() for a, b in pairwise(bins))


@pytest.mark.parametrize("negatives", NEGATIVE_KINDS)
def test_the_target_stands_anywhere(negatives: str) -> None:
    made = tasks("classic", negatives) + tasks("user_cold_start", negatives)
    places = np.bincount([t.candidates.index(t.target) for t in made], minlength=NEGATIVES + 1)
    assert chisquare(places).pvalue > 1e-3


def test_same_seed_same_tasks_other_seed_other_negatives() -> None:
    one, again, other = (tasks("classic", "uniform", 50, seed) for seed in (0, 0, 1))
    assert one == again
    assert [t.target for t in one] == [t.target for t in other]
    assert [t.candidates for t in one] != [t.candidates for t in other]


def test_a_tiny_catalogue_gives_fewer_negatives() -> None:
    histories = [list(np.random.default_rng(n).permutation(14)[:11]) for n in range(30)]
    small = Interactions.from_histories(histories, 14)
    made = make_tasks(small, np.arange(5), "classic", "uniform", np.full(14, 3), limit=5)
    assert [len(t.candidates) for t in made] == [4] * 5


def test_retrieved_needs_a_retriever() -> None:
    with pytest.raises(ValueError, match="retriever"):
        data = reading.dataset().interactions
        make_tasks(data, reading.parts().test, "classic", "retrieved", reading.graph().counts)
