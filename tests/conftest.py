"""Fixtures that tests of several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import annotating
import pytest
import torch
from huggingface_hub import constants

from star.annotation.storage.database import Database
from star.evidence import read_after

# Files that open a browser, start a server, run a training stage, load a shipped model or work for many seconds, longest
# first. Their tests are marked `slow`, which `make test-fast` leaves out; and they begin first, so that none is left for
# one process at the end.
SLOW = """
browser/test_annotate browser/test_question training/test_own_traces ui/test_attacks browser/test_explore
training/test_ablations
annotation/test_load training/test_trajectories training/test_parametric_prior annotation/test_crash
annotation/test_queue student/test_shipped_checkpoints annotation/test_hidden_items training/test_bases
training/test_prior evaluation/test_counterfactual data/test_simulator ui/test_annotation_api methods/test_baselines
ui/test_server_crash evaluation/test_erasure training/test_vectors evidence/test_leak training/test_pretrain
annotation/test_half_made training/test_preference cli/test_recommend browser/test_hostile browser/test_covers
evaluation/test_evaluate ui/test_outage ui/test_guard evaluation/test_parallel evaluation/test_cluster
evaluation/test_trace_quality
""".split()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is slow, before `-m` selects, and puts it first; the order within a file stays."""
    here = Path(__file__).parent
    place = {here / f"{name}.py": n for n, name in enumerate(SLOW)}
    for item in items:
        if item.path in place:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="session", autouse=True)
def quick_fits() -> Iterator[None]:
    """What comes after is fitted in a tenth of the steps: tests look at what is done with it, not at how well it ranks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_after, "FEWEST", 50)
        patch.setattr(read_after, "EPOCHS", 2)
        yield


@pytest.fixture(params=annotating.BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An annotation database with its tables: SQLite always, PostgreSQL where STAR_TEST_POSTGRES_URL names a server."""
    with annotating.ready(request.param, tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched; without this a name that is no folder is asked for six times over half a minute."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True)
def every_float() -> Iterator[None]:
    """Training sets its process to take tiny numbers for 0 (`training/lib/device.py`); tests share one."""
    yield
    torch.set_flush_denormal(False)
