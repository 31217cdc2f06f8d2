"""One function over many jobs: in this process, in a pool of processes, or on a Ray cluster, with the same results."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from star.errors import UserError
from star.settings import Settings

PATIENCE = 30  # seconds in which a cluster has to answer

Work = Callable[[Any, Any], Any]
"""(what is shared, job) → result. Other processes import it by its module, which therefore is not `__main__`."""

Each = Callable[[Work, Iterable[tuple[str, Any]]], Iterator[Any]]
"""Work and named jobs → their results, in the order of the jobs. The jobs begin at once, or in this process when asked for.
A job that fails raises a UserError with its name."""

_shared: dict[Any, Any] = {}  # in a worker: what the jobs share, by its reference on a cluster


@dataclass(frozen=True)
class Failed:
    """Why a job has no result."""

    why: str


@contextmanager
def workers(shared: Any, processes: int = 1, ray: str | None = None) -> Iterator[Each]:
    """Processes that work on jobs as long as the context is open.

    Args:
        shared: first argument of all work; sent to each worker once, so a large part is better loaded there, when it is
            first used.
        processes: number of local processes; with 1 this process does all.
        ray: address of a Ray cluster, whose CPUs work instead; None: that of the settings, if they have one.

    Raises:
        UserError: no cluster at that address, or Ray is not installed.
    """
    address = ray or Settings().ray_address
    if address:
        with _cluster(address, shared) as submit:
            yield partial(_results, submit)
    elif processes > 1:
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, spawn, _receive, (shared,))
        try:
            yield partial(_results, lambda *job: partial(_fetch, pool.submit(_do, None, *job).result))
        finally:
            pool.shutdown(cancel_futures=True)
    else:
        yield partial(_results, lambda work, job: partial(work, shared, job))


def _results(
    submit: Callable[[Work, Any], Callable[[], Any]], work: Work, jobs: Iterable[tuple[str, Any]]
) -> Iterator[Any]:
    waiting = [(name, submit(work, job)) for name, job in jobs]
    return (_named(name, result) for name, result in waiting)


def _named(name: str, result: Callable[[], Any]) -> Any:
    try:
        return result()
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _fetch(result: Callable[[], Any]) -> Any:
    """The result of another process. Whatever went wrong in it becomes a UserError."""
    try:
        found = result()
    except Exception as error:  # not of the work, which gives Failed
        last = (str(error).strip().splitlines() or [""])[-1]
        raise UserError(
            f"its process ended before it did ({type(error).__name__}: {last}); if memory ran out, take fewer processes"
        ) from error
    if isinstance(found, Failed):
        raise UserError(found.why)
    return found


def _receive(shared: Any) -> None:
    _shared[None] = shared


def _do(reference: Any, work: Work, job: Any) -> Any:
    """In a worker: one job, or why it failed."""
    try:
        return work(_shared[reference], job)
    except UserError as error:
        return Failed(str(error))
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return Failed(
            f"{type(error).__name__}: {error} ({at.filename}, line {at.lineno}); one local process shows more of it"
        )


@contextmanager
def _cluster(address: str, shared: Any) -> Iterator[Callable[[Work, Any], Callable[[], Any]]]:
    try:
        import ray
    except ImportError:
        raise UserError(
            f"the Ray cluster {address!r} needs the package ray; pip install 'star-recommender[ray]'"
        ) from None
    _check(address)
    with ray.init(address, log_to_driver=False, logging_level=logging.ERROR):
        # Nested, so that a worker fetches it once rather than for every job.
        reference = [ray.put(shared)]
        remote = ray.remote(_do_there).options(scheduling_strategy="SPREAD")
        here = os.getcwd()
        yield lambda *job: partial(_fetch, partial(ray.get, remote.remote(reference, here, *job)))


def _check(address: str) -> None:
    """Joins the cluster from another process first: where none answers, Ray waits for minutes and then ends the process."""
    join = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    try:
        done = subprocess.run(
            [sys.executable, "-c", join, address], capture_output=True, text=True, timeout=PATIENCE
        )
        said = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"no answer within {PATIENCE} seconds"
    if said:
        raise UserError(
            f"no Ray cluster was reached at {address!r} ({said}); expected HOST:PORT as `ray start --head` prints it, or "
            "auto for the one of this machine: start it, and run this on one of its machines, or leave --ray out"
        )


def _do_there(reference: list[Any], folder: str, work: Work, job: Any) -> Any:
    """`_do` in a worker of a cluster, in the folder in which the command was given."""
    import ray

    if reference[0] not in _shared:
        if not os.path.isdir(folder):
            return Failed(f"{socket.gethostname()} has no folder {folder}; share it among the machines")
        os.chdir(folder)
        _shared.clear()
        _shared[reference[0]] = ray.get(reference[0])
    return _do(reference[0], work, job)
