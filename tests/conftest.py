"""Fixtures that tests of several modules share."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import annotating
import pytest
from huggingface_hub import constants

from star.annotation.storage.database import Database
from star.annotation.workflow import passwords
from star.evidence import read_after

# Files that open a browser, start a server, run a training stage, load a shipped model or work for many seconds, longest
# first. Their tests are marked `slow`, which `make test-fast` leaves out; and they begin first, so that none is left for
# one process at the end.
SLOW = """
browser/test_annotate browser/test_accessibility browser/test_question browser/test_learn ui/test_attacks
browser/test_data_sets browser/test_argument browser/test_answers ui/test_pages ui/test_uploads
browser/test_explore browser/test_around_the_answer annotation/test_load annotation/test_crash annotation/test_queue
annotation/test_hidden_items data/test_simulator ui/test_annotation_api methods/test_baselines ui/test_server_crash
evidence/test_leak annotation/test_half_made training/test_preference training/test_grpo training/test_answers
training/test_simulated_raters training/test_trajectories training/test_sft training/test_stages training/test_causal
cli/test_recommend browser/test_hostile browser/test_covers evaluation/test_evaluate ui/test_outage ui/test_guard
evaluation/test_parallel evaluation/test_cluster recommend/test_recommender annotation/test_numbers questions/test_zoom
evaluation/test_changed_evidence recommend/test_odd_queries ui/test_learn training/test_scale evaluation/test_own_words
training/test_sample_readers training/test_scale_stages mars/test_unread_items ui/test_question questions/test_what_if
questions/test_why_not
""".split()


# What the imports make stays to the end: the collector neither runs through it meanwhile nor visits it later.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


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
def kept_fits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of what is fitted to data sets: one for all processes of a run, and none of the checkout's."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAR_DATA", str(folder / "sets"))
        yield folder / "sets"


@pytest.fixture(scope="session")
def fitted_demo(kept_fits: Path, quick_fits: None) -> None:
    """The demo is simulated and its signals are fitted, once for all processes of a run."""
    from star.methods.answering import load_recommender  # imports torch, which most tests do without

    kept_fits.mkdir(exist_ok=True)
    with (kept_fits / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        load_recommender("demo")


@pytest.fixture(scope="session", autouse=True)
def quick_fits() -> Iterator[None]:
    """What comes after is fitted in a tenth of the steps: tests look at what is done with it, not at how well it ranks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_after, "FEWEST", 50)
        patch.setattr(read_after, "EPOCHS", 2)
        yield


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """Boosted trees in a quarter of their rounds."""
    from sklearn import ensemble  # most tests do without

    trees = ensemble.HistGradientBoostingClassifier
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "HistGradientBoostingClassifier", lambda **given: trees(**given | {"max_iter": 60}))
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """argon2 at its cheapest: tests are about what is done with hashes. Pages in processes of their own take it as it is."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = passwords.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(passwords, "HASHER", cheap)
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
