"""The graph: counts by hand, the reader's own row, cross-fitting."""

from __future__ import annotations

import numpy as np
import pytest
import reading

from star.data.interactions import Interactions
from star.errors import UserError
from star.evidence.graph import MAX_ITEMS, Graph, crossfit

HISTORIES = [[0, 1, 2, 3, 4], [1, 0], [4], [2, 4, 0]]


def toy(rows: list[int] | None = None) -> Graph:
    interactions = Interactions.from_histories(HISTORIES, 6)
    return Graph.build(interactions, np.arange(len(HISTORIES)) if rows is None else np.array(rows))


def test_counts_by_hand() -> None:
    graph = toy()
    assert graph.co.dtype == graph.nxt.dtype == np.uint16
    assert graph.counts.tolist() == [3, 2, 2, 1, 3, 0]
    assert graph.co[0].tolist() == [3, 2, 2, 1, 2, 0]
    assert graph.co[2].tolist() == [2, 1, 2, 1, 2, 0]
    assert (graph.co == graph.co.T).all()
    assert graph.n_readers == 4


def test_read_next_within_three() -> None:
    assert toy().nxt.tolist() == [
        [0, 1, 1, 1, 0, 0],  # 4 is the fourth after 0
        [1, 0, 1, 1, 1, 0],
        [1, 0, 0, 1, 2, 0],
        [0, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_last_book_of_one_reader_is_not_followed_by_the_first_of_the_next() -> None:
    graph = Graph.build(Interactions.from_histories([[0], [1], [2]], 3), np.arange(3))
    assert not graph.nxt.any()


def test_built_of_some_readers() -> None:
    graph = toy([3, 1])
    assert graph.counts.tolist() == [2, 1, 1, 0, 1, 0]
    assert [graph.position(r) for r in (0, 1, 2, 3, None, 99)] == [None, 1, None, 0, None, None]


@pytest.mark.parametrize("reader", range(len(HISTORIES)))
def test_pairs_leave_out_the_reader(reader: int) -> None:
    others = [r for r in range(len(HISTORIES)) if r != reader]
    items = np.arange(6)
    both, after = toy().pairs(items, items, reader)
    without = toy(others)
    np.testing.assert_array_equal(both, without.co)
    np.testing.assert_array_equal(after, without.nxt)


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
        np.testing.assert_array_equal(graph.co, built.co)
        np.testing.assert_array_equal(graph.nxt, built.nxt)
        assert (graph.matrix != built.matrix).nnz == 0
        assert all(graph.position(r) is None for r in inside.tolist())
    assert sorted(seen) == sorted(parts.train.tolist())


def test_too_many_items() -> None:
    interactions = Interactions.from_histories([[0, 1]], MAX_ITEMS + 1)
    with pytest.raises(UserError, match=r"16001 items.*16000"):
        Graph.build(interactions, np.arange(1))
    with pytest.raises(UserError, match="16001 items"):
        next(iter(crossfit(interactions, np.arange(1), np.zeros(1, np.int64))))


def test_too_many_readers_of_one_item() -> None:
    interactions = Interactions.from_histories([[0]] * 65_536, 1)
    with pytest.raises(UserError, match="65536 readers"):
        Graph.build(interactions, np.arange(65_536))
    assert Graph.build(interactions, np.arange(65_535)).counts.tolist() == [65_535]
