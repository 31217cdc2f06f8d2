"""Item vectors: fitted without the readers they are shown for, and exchanged without harm to what was learned."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import reading
import small_runs
import torch

from star.data.interactions import Interactions
from star.data.loading import load_dataset
from star.data.tasks import split
from star.errors import UserError
from star.student.model import Checkpoint
from star.trace.grammar import item_word
from training import pretrain
from training.lib import vectors as V
from training.lib.vectors import WHOLE, Embedded, Vectors, fit_vectors
from training.pretrain import batches


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return fit_vectors(reading.dataset(), reading.parts(), (8, 9), 8)


def test_nothing_of_a_fold_is_in_the_vectors_without_it(vectors: Vectors) -> None:
    """Other histories for the readers of fold 3 change the vectors of every other fold, and not those without it."""
    data, split = reading.dataset(), reading.parts()
    rows = data.interactions
    inside = set(split.train[split.folds == 3].tolist())
    rng = np.random.default_rng(0)
    histories: list[np.ndarray] = [
        rng.permutation(rows.n_items)[: len(rows.history(r))] if r in inside else rows.history(r)
        for r in range(len(rows))
    ]
    other = SimpleNamespace(interactions=Interactions.from_histories(histories, rows.n_items))
    again = fit_vectors(other, split, (8, 9), 8)  # type: ignore[arg-type]

    def likeness(vectors: np.ndarray) -> np.ndarray:  # which turning does not change
        return vectors @ vectors.T / (vectors**2).mean()

    scale = [np.abs(likeness(v)).max() for v in (vectors.without[3], vectors.without[4])]
    change = [
        np.abs(likeness(again.without[f]) - likeness(vectors.without[f])).max() / s
        for f, s in zip((3, 4), scale, strict=True)
    ]
    assert change[0] < 1e-3 < 1e-2 < change[1]


def test_turned_undoes_a_rotation() -> None:
    rng = np.random.default_rng(0)
    onto = rng.normal(size=(40, 6))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert np.allclose(V.turned(onto @ rotation, onto), onto)


def test_vectors_of_folds_lie_on_the_axes_of_the_whole(vectors: Vectors) -> None:
    assert sorted(vectors.without) == list(range(8))
    assert vectors.whole.std() == pytest.approx(1)
    for some in vectors.without.values():
        assert np.corrcoef(some.ravel(), vectors.whole.ravel())[0, 1] > 0.8


def test_showing_exchanges_vectors_and_keeps_what_is_learned(vectors: Vectors) -> None:
    items = len(vectors.whole)
    words = {"<pad>": 0} | {
        item_word(n): items - n for n in range(items)
    }  # tokens in another order than items
    table = torch.nn.Parameter(torch.randn(items + 1, 20))
    before = table.detach().clone()
    embedded = Embedded(table, words, vectors)
    embedded.show(3)
    learned = torch.randn_like(table)
    with torch.no_grad():
        table += learned
    for fold in (4, WHOLE, 0, WHOLE):
        embedded.show(fold)
    difference = (table - before - learned).detach()
    assert (
        torch.equal(difference[:, :12], torch.zeros(items + 1, 12)) or difference[:, :12].abs().max() < 1e-5
    )
    token = words[item_word(5)]
    expected = torch.from_numpy(vectors.whole[5]).float() * embedded.spread
    assert torch.allclose(difference[token, 12:], expected, atol=1e-5) and difference[0].abs().max() < 1e-5
    later = Embedded(table, words, vectors, embedded.spread, WHOLE)  # as a start that holds them
    later.show(None)
    assert torch.allclose(table, before + learned, atol=1e-5)


def test_a_batch_is_of_one_fold_and_small_folds_are_not_lost() -> None:
    sequences = [
        SimpleNamespace(tokens=np.zeros(5 + n % 7), fold=fold)
        for fold, many in ((0, 50), (1, 20), (2, 3))
        for n in range(many)
    ]
    stream = batches(sequences, 8, np.random.default_rng(0), lambda n, _: sequences[n])  # type: ignore[arg-type]
    seen = [next(stream) for _ in range(60)]
    assert all(len({s.fold for s in batch}) == 1 for batch in seen)
    assert {batch[0].fold for batch in seen} == {0, 1, 2}
    assert {len(batch) for batch in seen if batch[0].fold < 2} == {8}
    assert {id(s) for batch in seen for s in batch} == {id(s) for s in sequences}


def test_a_start_that_holds_vectors_is_not_given_them_twice(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    config = dataclasses.replace(small_runs.make(tmp_path / "runs", readers=4), vectors=True)
    first = pretrain.train(config, 0.03)
    later = dataclasses.replace(
        config,
        runs=str(tmp_path / "again"),
        trajectories=str(config.trajectory_folder),
        start=str(first),
    )
    second = pretrain.train(later, 0.0)
    one, other = (Checkpoint.load(str(folder)) for folder in (first, second))
    assert one.about["stages"]["pretrain"]["vectors"] == other.about["stages"]["pretrain"]["vectors"] > 0
    tables = [c.model.get_input_embeddings().weight.detach() for c in (one, other)]
    assert torch.allclose(*tables, atol=1e-6)
    items = torch.tensor([one.vocabulary[item_word(n)] for n in range(len(one.about["items"]))])
    data = load_dataset("demo")
    expected = fit_vectors(data, split(data.interactions), config.sft_folds, 16).whole
    assert np.corrcoef(tables[0][items, 16:].ravel(), expected.ravel())[0, 1] > 0.5
    with pytest.raises(UserError, match="has item vectors"):
        pretrain.train(dataclasses.replace(later, vectors=False), 0.0)
