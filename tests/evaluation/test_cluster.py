"""The same work in this process, in local ones and on a Ray cluster of two nodes: the same results, in the same order."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from star.errors import UserError
from star.evaluation import parallel
from star.evaluation.evaluate import evaluate
from star.evaluation.parallel import workers

BOTH = (1, 2)


def twice(shared: np.ndarray, job: int) -> bytes:
    return (shared * job).tobytes()


def where(shared: str, job: float) -> tuple[str, str]:
    """The node of the cluster that works, and the process's folder."""
    import ray

    time.sleep(job)
    return ray.get_runtime_context().get_node_id(), os.getcwd()


def identity(shared: list[int], job: int) -> tuple[int, int]:
    return os.getpid(), id(shared)


def failing(shared: None, job: str) -> str:
    if job == "user":
        raise UserError("the file\nis not there")
    if job == "bug":
        raise KeyError("nothing")
    if job == "death":
        os._exit(3)
    return job


def jobs(*given: Any) -> list[tuple[str, Any]]:
    return [(f"job {n}", job) for n, job in enumerate(given, 1)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of two nodes of one CPU each."""
    pytest.importorskip("ray", reason="pip install 'star-recommender[ray]'")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args=node)
    try:
        made.add_node(**node)
        yield made.address
    finally:
        made.shutdown()


def test_a_cluster_gives_what_one_process_gives(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, asked = np.linspace(0, 1, 50), jobs(3, 1, 2)
    with workers(shared) as each:
        alone = list(each(twice, asked))
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    with workers(shared) as each:
        assert list(each(twice, asked)) == alone
        found = list(each(where, jobs(*[0.5] * 6)))
        assert len({node for node, _ in found}) == 2 and {folder for _, folder in found} == {os.getcwd()}
        again = list(each(identity, jobs(*range(4))))
        assert len(set(again)) == len({process for process, _ in again}), "sent with every job"
        for job, said in (("user", "job 2: the file is not there"), ("bug", "job 2: KeyError: 'nothing'")):
            with pytest.raises(UserError) as error:
                list(each(failing, jobs("good", job)))
            assert " ".join(str(error.value).split()).startswith(said)


def test_an_evaluation_on_a_cluster_says_what_it_says_in_one_process(cluster: str) -> None:
    assert document(None) == document(cluster)


def document(ray: str | None) -> dict[str, Any]:
    import reading  # here, since workers of the cluster import this file without the tests' own folders

    made = evaluate(
        reading.dataset(), ("random", "itemknn", "mars"), ("classic",), ("uniform",), 30, full=20, ray=ray
    )
    for row in made["rows"]:
        assert row["seconds_per_query"] > 0
        row["seconds_per_query"] = 0
    return made


@pytest.mark.parametrize("processes", BOTH)
def test_local_processes(processes: int) -> None:
    with workers(np.linspace(0, 1, 50), processes) as each:
        found = each(twice, jobs(3, 1, 2))
        assert [np.frombuffer(each)[-1] for each in found] == [3, 1, 2]
        one, two = each(twice, jobs(3)), each(twice, jobs(2))
        assert np.frombuffer(next(two))[-1] == 2 and np.frombuffer(next(one))[-1] == 3
    with workers(None, processes) as each:
        found = each(failing, jobs("good", "user"))
        assert next(found) == "good"
        with pytest.raises(UserError, match="job 2: the file"):
            next(found)


def test_a_local_process_that_fails_says_in_which_job() -> None:
    with workers(None, 2) as each:
        with pytest.raises(UserError, match=r"job 1: KeyError: 'nothing' \(.*test_cluster.py, line \d+\)"):
            list(each(failing, jobs("bug")))
        with pytest.raises(
            UserError, match=r"job 1: its process ended .*BrokenProcessPool.*take fewer processes"
        ):
            list(each(failing, jobs("death")))


@pytest.mark.parametrize(
    ("address", "patience", "said"),
    [("127.0.0.1:1", 1, "no answer within 1 seconds"), ("nowhere", 60, "Invalid address format")],
)
def test_an_address_without_a_cluster(
    address: str, patience: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="pip install 'star-recommender[ray]'")
    monkeypatch.setattr(parallel, "PATIENCE", patience)
    with pytest.raises(UserError, match=f"at '{address}' .*{said}.*expected HOST:PORT.* leave --ray out"):
        with workers(None, ray=address):
            pass


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'star-recommender\[ray\]'"):
        with workers(None, ray="auto"):
            pass
