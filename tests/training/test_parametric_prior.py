"""What is known besides the tools, from the shelf as a prompt shows it, and learning it by heart."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reading
import small_runs
import torch

from star import ROOT
from star.data import tasks as T
from star.data.loading import load_dataset
from star.data.tasks import Task
from star.errors import UserError
from star.evidence.graph import crossfit
from star.student.model import Checkpoint, new_model
from star.student.vocabulary import words_of
from star.trace import grammar
from training.lib import device
from training.lib.corpus import encode
from training.lib.latent import file_of, fit_latent, latent, network_of
from training.lib.parametric_prior import ParametricPrior, short


def asked(history: tuple[int, ...]) -> Task:
    return Task(0, history, 40, tuple(range(40, 60)), "training", "uniform")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = file_of(tmp_path_factory.mktemp("runs"), 3)
    fit_latent(reading.graph(), 3, file)
    assert [p.name for p in file.parent.iterdir()] == ["fold3.npz"]
    return file


def test_the_shelf_is_seen_as_the_prompt_shows_it(fitted: Path) -> None:
    score, shelf = latent(fitted), tuple(range(30))
    assert score(asked(shelf)).shape == (20, 2)
    assert np.array_equal(score(asked(shelf)), score(asked(shelf[-20:])))
    assert not np.isclose(score(asked(shelf)), score(asked(shelf[-19:]))).all(0).any()
    turned = (*shelf[:-2], shelf[-1], shelf[-2])
    same = np.isclose(score(asked(shelf)), score(asked(turned)), atol=1e-4).all(0)
    assert same.tolist() == [True, False], "only the sequence model sees the order"


def test_without_epochs_there_is_no_sequence_model(tmp_path: Path) -> None:
    fit_latent(reading.graph(), 0, file_of(tmp_path, 0))
    assert latent(file_of(tmp_path, 0))(asked((1, 2))).shape == (20, 1)
    for fold in (0, 1):
        with pytest.raises(UserError, match="latent_epochs above 0"):
            network_of(tmp_path, fold)


def test_learning_by_heart_comes_near_both_teachers(tmp_path: Path) -> None:
    """A model that sees prompts alone takes over the sequence model's probabilities, and the guide's of the candidates."""
    data = reading.dataset()
    fit_latent(reading.graph(), 8, file_of(tmp_path, 0))
    words = words_of(data.catalog, 300)
    vocabulary = {word: n for n, word in enumerate(words)}
    rng = np.random.default_rng(0)
    sequences = []
    for shelf in (3, 20, 8, 12):
        history, candidates = rng.permutation(60)[:shelf], 60 + rng.permutation(60)[:20]
        prompt = " ".join(grammar.prompt(history.tolist(), candidates.tolist()))
        trace = f"<recommend> <i{candidates[0]}> </recommend>"
        guide = rng.normal(size=20).tolist()
        sequences.append(dataclasses.replace(encode(prompt, trace, vocabulary, guide), fold=0))
    model = new_model(words, 32, 2, 2, 64, 0)
    heart = ParametricPrior(sequences, tmp_path, vocabulary, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    reports = []
    for _ in range(80):
        loss, report = heart.loss(model, 0, rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        reports.append(report)
    for name in ("prompt_prior", "after"):
        begun, done = (np.mean([r[name] for r in part]) for part in (reports[:3], reports[-5:]))
        assert 0 <= done < begun / 4, (name, begun, done)


def test_attention_to_a_prompt_is_that_of_a_trace_only_faster() -> None:
    """Serving computes it in torch's own way: with other states, what is learned by heart would not be known there."""
    model = new_model(words_of(reading.dataset().catalog, 300), 32, 2, 2, 64, 0)
    before, prompts = model.config._attn_implementation, torch.arange(120).view(3, 40)
    served = model(input_ids=prompts).logits
    with short(model):
        assert model.config._attn_implementation != before
        learned = model(input_ids=prompts).logits
    assert model.config._attn_implementation == before
    assert torch.allclose(served, learned, atol=1e-5)


def _averages(rank: int, folder: str) -> None:
    os.environ.update(WORLD_SIZE="2", RANK=str(rank), MASTER_ADDR="127.0.0.1")
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    assert device.together()
    weights = [torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(4))]
    weights[0].grad, weights[1].grad = torch.full((2, 3), 1.0 + rank), torch.arange(4.0) * rank
    device.average_gradients([*weights, torch.nn.Parameter(torch.zeros(1))])
    assert weights[0].grad.eq(1.5).all() and weights[1].grad.tolist() == [0, 0.5, 1, 1.5]
    assert device.agreed(10.0 + rank, torch.device("cpu")) == 10
    torch.distributed.destroy_process_group()
    Path(folder, f"done{rank}").touch()


def test_processes_take_the_mean_of_their_gradients(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_averages, (str(tmp_path),), nprocs=2)
    assert {p.name for p in tmp_path.glob("done*")} == {"done0", "done1"}


def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """Started with torch.distributed.run; one of the two writes."""
    config = dataclasses.replace(small_runs.make(tmp_path), heart=4, latent_epochs=1)
    data = load_dataset("demo")
    split = T.split(data.interactions)
    for fold, (_, graph) in zip(
        range(2), crossfit(data.interactions, split.train, split.folds), strict=False
    ):
        fit_latent(graph, 1, file_of(config.trajectory_folder, fold))
    file = small_runs.written(config)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "training.pretrain", "--config", str(file), "--minutes", "0.1"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    about = Checkpoint.load(str(tmp_path / "pretrain" / "model")).about["stages"]["pretrain"]
    assert about["steps"] > 2
    assert about["sequences"] == about["prompts"] == about["steps"] * 4, "the two share each step out"
    assert done.stdout.count('"pretrain"') == 1
