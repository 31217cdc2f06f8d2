"""Simulated readers: the next book comes from the stated distribution, and the data set is as promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from counting import calls

from star.data import simulator, tasks
from star.data.catalog import Catalog, Item
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.data.loading import load_dataset
from star.data.simulator import (
    LONGEST,
    SEED,
    Figures,
    draw,
    items_checksum,
    load_demo,
    log_probabilities,
    log_probabilities_batch,
    read_catalog,
    simulate,
)
from star.errors import UserError
from training.demo.match_demo import match

# Changes only when the figures are fitted anew; otherwise the readers have drifted from the checkpoint's.
CHECKSUM = "4dc8f51cc59dd362100d41f75937ab9957d215d81e81de24282b58b7c3dcb53e"


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures.load()


@pytest.fixture(scope="module")
def demo() -> Dataset:
    return load_demo()


def rows(*titles: str) -> list[int]:
    catalog = read_catalog()
    return [next(i for i, item in enumerate(catalog) if item.title == title) for title in titles]


HISTORIES = [
    [],
    rows("Dune"),
    rows("The Hunger Games", "Dune", "Pride and Prejudice"),
    rows("The Three-Body Problem", "Foundation", "1984", "Emma", "Persuasion", "Jane Eyre", "Dune"),
]


@pytest.mark.parametrize("history", HISTORIES, ids=len)
def test_sampled_frequencies_follow_the_probabilities(figures: Figures, history: list[int]) -> None:
    n = 200_000
    log_p = log_probabilities(figures, history)
    p = np.exp(log_p)
    uniform = np.random.default_rng(5).random(n)
    drawn = np.concatenate([draw(log_p[None], u) for u in np.array_split(uniform, 100)])
    counts = np.bincount(drawn, minlength=len(p))
    assert not counts[history].any()
    usual = n * p >= 5
    chi_square = ((counts - n * p)[usual] ** 2 / (n * p)[usual]).sum()
    freedom = usual.sum() - 1
    assert abs(chi_square - freedom) < 4 * np.sqrt(2 * freedom)
    assert np.abs(counts / n - p).max() < 5 * np.sqrt(p.max() / n)


def test_simulated_readers_follow_the_probabilities(
    figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second book of 3,000 × 8 readers against the mixture of exact distributions after their first."""
    monkeypatch.setattr(simulator, "SHORTEST", 2)  # no more is looked at
    after = np.exp(log_probabilities_batch(figures, [[book] for book in range(len(figures.ids))]))
    short = replace(figures, lengths=np.append(1.0, np.full(len(figures.lengths) - 1, 1e-12)))
    seconds, expected = np.zeros(len(figures.ids)), np.zeros(len(figures.ids))
    for seed in range(8):
        readers = simulate(short, seed=seed)
        first, second = readers.items[readers.indptr[:-1]], readers.items[readers.indptr[:-1] + 1]
        books, times = np.unique(first, return_counts=True)
        expected += times @ after[books]
        seconds += np.bincount(second, minlength=len(figures.ids))
    usual = expected >= 5
    chi_square = ((seconds - expected)[usual] ** 2 / expected[usual]).sum()
    assert abs(chi_square - usual.sum()) < 4 * np.sqrt(2 * usual.sum())


def test_normalised_and_never_a_book_twice(figures: Figures) -> None:
    for history in HISTORIES:
        log_p = log_probabilities(figures, history)
        assert log_p.dtype == np.float64 and log_p.shape == (len(figures.ids),)
        assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-12)
        assert np.isneginf(log_p[history]).all() and np.isfinite(np.delete(log_p, history)).all()


def test_batch_equals_one_by_one(figures: Figures) -> None:
    together = log_probabilities_batch(figures, HISTORIES[::-1])
    for row, history in zip(together, HISTORIES[::-1], strict=True):
        np.testing.assert_allclose(row, log_probabilities(figures, history), rtol=0, atol=1e-12)


def test_every_simulated_book_is_drawn_from_the_oracle(figures: Figures, demo: Dataset) -> None:
    """Replays readers: the same random numbers through `log_probabilities` give the same books."""
    rng = np.random.default_rng(SEED)
    rng.random(len(demo.interactions))  # lengths
    uniform = rng.random((LONGEST, len(demo.interactions)))
    for reader in (0, 1, 777, 1_500, 2_999):
        history = demo.interactions.history(reader)
        log_p = log_probabilities_batch(figures, [history[:n] for n in range(len(history))])
        np.testing.assert_array_equal(draw(log_p, uniform[: len(history), reader]), history)


def test_order_of_a_series_and_drifting_taste(figures: Figures) -> None:
    first, second, third = rows("The Hunger Games", "Catching Fire", "Mockingjay")
    after_first = log_probabilities(figures, [first])
    assert after_first[second] == after_first.max() and after_first[second] > after_first[third] + 1
    assert log_probabilities(figures, [])[first] > log_probabilities(figures, [])[second] + 1
    emma, jane, it, misery = rows("Emma", "Jane Eyre", "It", "Misery")
    (persuasion,) = rows("Persuasion")
    recent_austen = log_probabilities(figures, [it, misery, jane, emma])[persuasion]
    former_austen = log_probabilities(figures, [jane, emma, it, misery])[persuasion]
    assert recent_austen > former_austen


@pytest.mark.parametrize("history", [[3, 3], [-1], [100_000]])
def test_impossible_history_is_refused(figures: Figures, history: list[int]) -> None:
    with pytest.raises(ValueError, match="a history holds"):
        log_probabilities(figures, history)


def test_readers_of_the_demo(demo: Dataset) -> None:
    lengths = np.diff(demo.interactions.indptr)
    assert len(demo.interactions) == 3_000 and lengths.min() >= 10 and lengths.max() <= 60
    assert len(set(demo.interactions.users)) == 3_000 and demo.interactions.users[0] == "r0001"
    for reader in range(0, 3_000, 100):
        history = demo.interactions.history(reader)
        assert len(set(history.tolist())) == len(history)
    assert demo.manifest["simulated"] is True and "CC BY-SA 4.0" in demo.manifest["notices"][0]
    assert load_dataset("demo") is demo


def test_same_seed_same_readers_drawn_together(figures: Figures, demo: Dataset) -> None:
    again: list[Interactions] = []
    assert calls(lambda: again.append(simulate(figures))) < 30_000, "ten for each reader; readers are drawn together"
    assert items_checksum(again[0]) == demo.manifest["checksum"]
    assert items_checksum(simulate(figures, 50, seed=1)) != items_checksum(simulate(figures, 50, seed=2))


def test_readers_are_those_the_checkpoint_was_trained_on(demo: Dataset) -> None:
    assert demo.manifest["checksum"] == CHECKSUM, (
        "the simulated readers differ from those committed: figures, seed, catalogue or simulator changed; "
        "if on purpose, set CHECKSUM here and train the demo checkpoint again"
    )


def test_catalogue_keeps_its_rules() -> None:
    catalog = read_catalog()
    assert len(catalog) >= 600 and len({genre for item in catalog for genre in item.genres}) >= 12
    for item in catalog:
        assert item.creators and item.theme and len(item.theme.split()) <= 12, item
        assert 2 <= len(item.genres) <= 4, item
        assert item.number is None or item.series, item
    assert {"Dune", "The Three-Body Problem"} <= {item.title for item in catalog}


def test_split_of_the_demo(demo: Dataset) -> None:
    parts = tasks.split(demo.interactions)
    assert len(parts.test) == tasks.TEST_READERS and len(parts.valid) == tasks.VALID_READERS
    assert len(parts.train) == 2_400


def test_missing_or_foreign_figures_are_one_line(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="no fitted figures"):
        Figures.load(tmp_path / "figures.npz")
    with pytest.raises(UserError, match="no catalogue"):
        read_catalog(tmp_path / "catalog.csv")
    other = type(read_catalog())(read_catalog().items[:10])
    with pytest.raises(UserError, match="another catalogue"):
        Figures.load(catalog=other)


def test_books_are_matched_by_title_and_author() -> None:
    def book(id: str, title: str, *creators: str) -> Item:
        return Item(id=id, title=title, creators=creators)

    ours = Catalog((
        book("a", "The Three-Body Problem", "Cixin Liu"),
        book("b", "Fables and Reflections", "Neil Gaiman"),
        book("c", "Moby-Dick", "Herman Melville"),
        book("d", "Saga, Volume One", "Brian K. Vaughan"),
        book("e", "Emma", "Jane Austen"),
        book("f", "Angels and Demons", "Dan Brown"),
    ))  # fmt: skip
    theirs = Catalog((
        book("1", "Emma", "Alexander McCall Smith"),
        book("2", "Moby-Dick or, The Whale", "Herman Melville"),
        book("3", "Angels & Demons (Robert Langdon, #1)", "Dan Brown"),
        book("4", "The Sandman, Vol. 6: Fables and Reflections", "Neil Gaiman"),
        book("5", "The Three-Body Problem", "Liu Cixin", "Ken Liu"),
        book("6", "Saga, Vol. 1", "Brian K. Vaughan"),
        book("7", "Moby-Dick: A Pop-Up", "Herman Melville"),
    ))  # fmt: skip
    readers = np.array([9, 50, 9, 9, 9, 9, 3])
    assert match(ours, theirs, readers).tolist() == [4, 3, 1, 5, -1, 2]
