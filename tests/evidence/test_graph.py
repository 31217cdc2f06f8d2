"""The graph: counts by hand, the reader's own row, cross-fitting."""

from __future__ import annotations

import numpy as np
import pytest
import reading
from hypothesis import given, settings
from hypothesis import strategies as st

from star.data.interactions import Interactions
from star.evidence.graph import NEXT_WINDOW, Graph, crossfit

HISTORIES = [[0, 1, 2, 3, 4], [1, 0], [4], [2, 4, 0]]


def toy(rows: list[int] | None = None) -> Graph:
    interactions = Interactions.from_histories(HISTORIES, 6)
    return Graph.build(interactions, np.arange(len(HISTORIES)) if rows is None else np.array(rows))


def every(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Readers of both and read-next counts of all pairs of items."""
    items = np.arange(graph.n_items)
    return graph.pairs(items, items)


def test_counts_by_hand() -> None:
    graph = toy()
    assert graph.counts.tolist() == [3, 2, 2, 1, 3, 0]
    both = every(graph)[0]
    assert both[0].tolist() == [3, 2, 2, 1, 2, 0]
    assert both[2].tolist() == [2, 1, 2, 1, 2, 0]
    assert (both == both.T).all()
    assert graph.n_readers == 4


def test_read_next_within_three() -> None:
    assert every(toy())[1].tolist() == [
        [0, 1, 1, 1, 0, 0],  # 4 is the fourth after 0
        [1, 0, 1, 1, 1, 0],
        [1, 0, 0, 1, 2, 0],
        [0, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_last_book_of_one_reader_is_not_followed_by_the_first_of_the_next() -> None:
    graph = Graph.build(Interactions.from_histories([[0], [1], [2]], 3), np.arange(3))
    assert not every(graph)[1].any()


def test_built_of_some_readers() -> None:
    graph = toy([3, 1])
    assert graph.counts.tolist() == [2, 1, 1, 0, 1, 0]
    assert [graph.position(r) for r in (0, 1, 2, 3, None, 99)] == [None, 1, None, 0, None, None]


@pytest.mark.parametrize("reader", range(len(HISTORIES)))
def test_pairs_leave_out_the_reader(reader: int) -> None:
    others = [r for r in range(len(HISTORIES)) if r != reader]
    items = np.arange(6)
    both, after = toy().pairs(items, items, reader)
    without = every(toy(others))
    np.testing.assert_array_equal(both, without[0])
    np.testing.assert_array_equal(after, without[1])


def test_pairs_of_nobody_are_the_whole_counts() -> None:
    graph, anchors, items = toy(), np.array([2, 0]), np.array([4, 5, 2])
    for reader in (None, 99):
        both, after = graph.pairs(anchors, items, reader)
        assert both.tolist() == [[2, 0, 2], [2, 0, 2]]
        assert after.tolist() == [[2, 0, 0], [0, 0, 1]]


def test_similar_readers_by_hand() -> None:
    graph = toy()
    found, similarity = graph.similar_readers(np.array([4]), 10)
    idf = np.log1p(4 / np.array([3, 2, 2, 1, 3])) ** 2
    expected = {
        2: 1.0,
        3: np.sqrt(idf[4]) / np.sqrt(idf[[2, 4, 0]].sum()),
        0: np.sqrt(idf[4]) / np.sqrt(idf.sum()),
    }
    assert found.tolist() == [2, 3, 0]
    np.testing.assert_allclose(similarity, [expected[r] for r in (2, 3, 0)], rtol=1e-5)
    assert graph.similar_readers(np.array([4]), 2)[0].tolist() == [2, 3]


def test_similar_readers_never_holds_the_reader_itself() -> None:
    graph, data = reading.graph(), reading.dataset()
    for reader in reading.parts().train[:40].tolist():
        history = data.interactions.history(reader)
        assert graph.similar_readers(history, 1)[0].tolist() == [graph.position(reader)]
        found, similarity = graph.similar_readers(history, 50, reader)
        assert graph.position(reader) not in found.tolist()
        assert len(found) == 50 and (np.diff(similarity) <= 0).all() and similarity[-1] > 0


def test_who_shares_nothing_is_left_out() -> None:
    found, similarity = toy().similar_readers(np.array([3]), 5)
    assert found.tolist() == [0] and similarity.shape == (1,)
    for history, reader in (([5], None), ([3], 0)):
        found, similarity = toy().similar_readers(np.array(history), 5, reader)
        assert len(found) == len(similarity) == 0


def test_crossfit_equals_building_on_the_other_folds() -> None:
    interactions, parts = reading.dataset().interactions, reading.parts()
    seen: list[int] = []
    for inside, graph in crossfit(interactions, parts.train, parts.folds):
        seen += inside.tolist()
        outside = np.array([r for r in parts.train.tolist() if r not in set(inside.tolist())])
        built = Graph.build(interactions, outside)
        np.testing.assert_array_equal(graph.rows, outside)
        for found, expected in zip(every(graph), every(built), strict=True):
            np.testing.assert_array_equal(found, expected)
        assert (graph.matrix != built.matrix).nnz == 0
        assert all(graph.position(r) is None for r in inside.tolist())
    assert sorted(seen) == sorted(parts.train.tolist())


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[list[int]], int, list[int], list[int], int | None]:
    """Histories over a small catalogue, its size, anchors, items (with repeats), and a reader to leave out or none."""
    size = draw(st.integers(1, 9))
    shelf = st.lists(st.integers(0, size - 1), max_size=size, unique=True)
    histories = draw(st.lists(shelf, min_size=1, max_size=8))
    some = st.lists(st.integers(0, size - 1), max_size=6)
    return histories, size, draw(some), draw(some), draw(st.sampled_from([None, *range(len(histories))]))


@settings(max_examples=200, deadline=None)
@given(questions())
def test_counts_equal_a_count_by_brute_force(
    question: tuple[list[list[int]], int, list[int], list[int], int | None],
) -> None:
    histories, size, anchors, items, reader = question
    graph = Graph.build(Interactions.from_histories(histories, size), np.arange(len(histories)))
    others = [h for row, h in enumerate(histories) if row != reader]
    both, after = graph.pairs(np.array(anchors, np.int64), np.array(items, np.int64), reader)
    assert both.shape == after.shape == (len(anchors), len(items))
    for row, a in enumerate(anchors):
        for column, i in enumerate(items):
            assert both[row, column] == sum(a in h and i in h for h in others)
            soon = (h[h.index(a) + 1 : h.index(a) + 1 + NEXT_WINDOW] for h in others if a in h)
            assert after[row, column] == sum(i in books for books in soon)
    assert graph.without(reader).tolist() == [sum(i in h for h in others) for i in range(size)]
    weights = np.arange(1, size + 1, dtype=np.float32)
    expected = [
        sum(weights[a] * sum(a in h and i in h for h in others) for a in range(size)) for i in range(size)
    ]
    np.testing.assert_allclose(graph.co_reading(weights[:, None], reader)[:, 0], expected)
    follow = graph.read_next(np.array(anchors, np.int64), np.ones(len(anchors)), reader)
    everything = graph.after(np.array(anchors, np.int64), np.arange(size), reader)
    np.testing.assert_allclose(follow, everything.sum(0))


def test_a_catalogue_has_no_largest_size_and_an_item_no_most_readers() -> None:
    graph = Graph.build(Interactions.from_histories([[0, 1]], 100_001), np.arange(1))
    assert graph.both(np.array([0]), np.array([1, 100_000])).tolist() == [[1, 0]]
    graph = Graph.build(Interactions.from_histories([[0]] * 65_536, 1), np.arange(65_536))
    assert graph.counts.tolist() == [65_536]
    assert graph.both(np.array([0]), np.array([0])).tolist() == [[65_536]]


@settings(max_examples=100, deadline=None)
@given(questions())
def test_bits_of_readers_give_the_same_counts(
    question: tuple[list[list[int]], int, list[int], list[int], int | None],
) -> None:
    histories, size, anchors, items, reader = question
    graph = Graph.build(Interactions.from_histories(histories, size), np.arange(len(histories)))
    given = np.array(anchors, np.int64), np.array(items, np.int64), reader
    marked = graph.both(*given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("star.evidence.graph.MARKED", -1)
        patch.setattr("star.evidence.graph.BITS", 1)  # one item at a time
        np.testing.assert_array_equal(graph.both(*given), marked)


def test_a_graph_of_arrays_is_the_graph_that_they_come_from() -> None:
    built, data = reading.graph(), reading.dataset().interactions
    again = Graph.from_arrays(built.arrays(), data)
    assert again.interactions.users == built.interactions.users
    for found, expected in zip(every(again), every(built), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (again.matrix != built.matrix).nnz == (again.by_item != built.by_item).nnz == 0
    history = data.history(int(reading.parts().valid[0]))
    for found, expected in zip(
        again.similar_readers(history, 9), built.similar_readers(history, 9), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
