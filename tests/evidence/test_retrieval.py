"""Retrieval: permutations of the unread, blind to the reader's own row, popular books for unknown shelves."""

from __future__ import annotations

import numpy as np
import pytest
import reading
from counting import calls

from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    return Retriever(reading.graph(), Attributes.of(reading.dataset().catalog))


@pytest.mark.parametrize("length", [0, 1, 3, 8])
@pytest.mark.parametrize("n", [1, 20, 10_000])
def test_distinct_and_unread(retriever: Retriever, length: int, n: int) -> None:
    history = reading.dataset().interactions.history(int(reading.parts().test[0]))[:length]
    found = retriever(history, n)
    assert found.dtype == np.int64
    assert len(found) == min(n, reading.BOOKS - length) == len(set(found.tolist()))
    assert not set(found.tolist()) & set(history.tolist())


def test_an_empty_shelf_gets_the_most_read(retriever: Retriever) -> None:
    counts = reading.graph().counts
    assert (np.diff(counts[retriever(np.zeros(0, np.int64), 30)]) <= 0).all()


def test_a_longer_list_begins_with_the_shorter(retriever: Retriever) -> None:
    history = reading.dataset().interactions.history(int(reading.parts().test[1]))[:6]
    assert retriever(history, 50)[:20].tolist() == retriever(history, 20).tolist()


def test_next_volumes_come_first_among_the_related(retriever: Retriever) -> None:
    catalog = reading.dataset().catalog
    related = retriever.signals(np.array([0]))["related"]
    assert int(np.argmax(related)) == 1 and catalog[1].number == 2
    assert related[2] > related[3] > 0  # volume three before another series of the author
    assert related[40] == 0


def test_a_readers_own_row_does_not_count() -> None:
    """Asked about a reader in the graph, the scores are those of the graph without that reader."""
    data, parts = reading.dataset(), reading.parts()
    reader = int(parts.train[0])
    without = Graph.build(data.interactions, parts.train[1:])
    attributes = Attributes.of(data.catalog)
    history = data.interactions.history(reader)[:5]
    there = Retriever(reading.graph(), attributes).signals(history, reader)
    gone = Retriever(without, attributes).signals(history)
    for name in there:
        if name == "readers":  # idf counts readers of the whole graph
            assert np.corrcoef(there[name], gone[name])[0, 1] > 0.95
        else:
            np.testing.assert_allclose(there[name], gone[name], atol=2e-2 if name == "related" else 1e-6)


def test_it_finds_the_taste(retriever: Retriever) -> None:
    taste = retriever(np.array([60, 61, 62]), 15) // (reading.BOOKS // reading.TASTES)
    assert (taste == 2).mean() > 0.7


def test_no_loop_over_books_or_readers(retriever: Retriever) -> None:
    """All of it is done on whole arrays: few functions are called, however many readers read the books."""
    history = reading.dataset().interactions.history(int(reading.parts().test[0]))
    assert calls(lambda: retriever(history, 50)) < 2_000
