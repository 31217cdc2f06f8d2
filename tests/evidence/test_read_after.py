"""What comes after: it learns the order of reading, its parts are the network's, and it is silent where none is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from star.data.interactions import Interactions
from star.evidence import read_after as R
from star.evidence.attention import Attention
from star.evidence.graph import Graph

NAMES = ("vectors", "maps", "scales", "distance", "own")


def graph_of(histories: list[list[int]], items: int) -> Graph:
    return Graph.build(Interactions.from_histories(histories, items), np.arange(len(histories)))


@pytest.fixture(scope="module", autouse=True)
def as_shipped() -> Iterator[None]:
    """Other tests fit in fewer steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(R, "FEWEST", 300)
        patch.setattr(R, "EPOCHS", 20)
        yield


@pytest.fixture(scope="module")
def ordered(as_shipped: None) -> R.ReadAfter:
    """Readers go from each item to the next one; nobody reads the last."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 30, 200)
    return R.ReadAfter.fit(graph_of([[(s + n) % 30 for n in range(8)] for s in starts], 31))


def test_it_follows_the_order_of_reading(ordered: R.ReadAfter) -> None:
    for last in (4, 11, 20):
        shelf = np.array([last - 2, last - 1, last])
        assert int(np.argmax(ordered.scores(shelf))) == last + 1
        chances = ordered.chances(shelf)
        assert chances[last + 1] == 1 and chances[last - 1] < 0.1
    # No reader jumps, so one pair proves nothing: of two books far apart, the last one counts more in nearly all pairs.
    pairs = [np.array([a, b]) for a in range(3, 29) for b in range(3, 29) if abs(a - b) > 4]
    assert np.mean([ordered.scores(pair)[pair[1] + 1] > ordered.scores(pair)[pair[0] + 1] for pair in pairs]) > 0.9


def test_parts_sum_to_the_scores_of_the_network(ordered: R.ReadAfter) -> None:
    network = Attention(31, R.WIDTH, R.HEADS, R.LENGTH, 0.0, torch.Generator())
    with torch.no_grad():
        for name in NAMES:
            getattr(network, name).copy_(torch.from_numpy(getattr(ordered, name)))
        for shelf in ([3], [3, 9, 1], list(range(25))):
            state = network.states(torch.tensor([shelf]))[0, -1].numpy()
            expected = (ordered.vectors[:30] - ordered.mean) @ state
            parts = ordered.parts(np.array(shelf), np.arange(30))
            assert parts.shape == (len(shelf), 30)
            np.testing.assert_allclose(parts.sum(0), expected, atol=1e-4)
            np.testing.assert_allclose(ordered.scores(np.array(shelf))[:30], expected, atol=1e-4)


def test_of_long_shelves_the_last_books_count_and_unknown_items_do_not(ordered: R.ReadAfter) -> None:
    long = np.tile(np.arange(30), 3)
    assert not ordered.parts(long, np.arange(31))[: -R.LENGTH].any()
    assert not ordered.parts(np.array([30, 2]), np.arange(31))[0].any()
    assert (
        not ordered.parts(np.array([1, 2]), np.array([30])).any() and ordered.chances(np.array([2]))[30] == 0
    )
    np.testing.assert_array_equal(
        ordered.parts(np.array([30, 2]), np.arange(31))[1], ordered.parts(np.array([2]), np.arange(31))[0]
    )
    assert not ordered.scores(np.array([30])).any() and not ordered.scores(np.zeros(0, np.int64)).any()


def test_the_same_fit_gives_the_same_weights_and_leaves_other_random_numbers_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(R, "FEWEST", 5)
    monkeypatch.setattr(R, "EPOCHS", 1)
    graph = graph_of([[0, 1, 2], [2, 1], [3, 0]], 4)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, other = R.ReadAfter.fit(graph), R.ReadAfter.fit(graph)
    assert torch.rand(1) == expected
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_large_catalogues_are_learned_from_drawn_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(R, "NEGATIVES", 8)
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 30, 200)
    after = R.ReadAfter.fit(graph_of([[(s + n) % 30 for n in range(8)] for s in starts], 30))
    assert np.mean([int(np.argmax(after.scores(np.array([i - 1, i])))) == i + 1 for i in range(1, 29)]) > 0.9


@pytest.mark.parametrize("histories", [[], [[]], [[0]], [[0], [1]]])
def test_without_two_books_in_a_row_it_is_silent(histories: list[list[int]]) -> None:
    after = R.ReadAfter.fit(graph_of(histories, 3))
    assert not after.parts(np.array([0, 1]), np.arange(3)).any() and not after.chances(np.array([0])).any()
