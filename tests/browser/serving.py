"""Starts a page for tests, in its own process and on its own port.

The processes are forked from one that has imported what a page needs, since the imports take longest.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["serving", "star.ui.server", "star.cli.serve", "star.recommend.recommender", "altair", "torch"]
)
TOY = "tests/browser/toy_app.py"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


class Page:
    """A process that serves a page, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: list[str], log: Path, environment: dict[str, str]) -> None:
        self._process = FORKS.Process(target=_page, args=(arguments, str(log), environment), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.kill, self.terminate = self._process.kill, self._process.terminate

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (status := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired("page", timeout or 0)
        return status


def _page(arguments: list[str], log: str, environment: dict[str, str]) -> None:
    """In the new process: run a script, or `star` with these arguments."""
    with open(log, "ab", buffering=0) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    theirs = os.environ["GRADIO_TEMP_DIR"]  # of the process with the imports, which removes it
    os.environ.clear()
    os.environ.update(environment, GRADIO_TEMP_DIR=theirs)
    os.chdir(ROOT)
    if "TMPDIR" in environment:  # its temporary files are looked at
        from star.ui.security import scratch

        tempfile.tempdir = None
        scratch.folder.cache_clear()
        os.environ["GRADIO_TEMP_DIR"] = scratch.folder()
    from star.evidence import read_after

    read_after.FEWEST, read_after.EPOCHS = 50, 2  # as in tests/conftest.py
    sys.argv = arguments
    if arguments[0] == "star":
        from star.cli.app import main

        main()
    else:
        runpy.run_path(arguments[0], run_name="__main__")


def started(arguments: list[str], log: Path, **more: str) -> Page:
    """The process of a page of this checkout. Annotations are stored beside the log."""
    return Page(arguments, log, _environment(log, more))


def _environment(log: Path, more: dict[str, str]) -> dict[str, str]:
    known = {"STAR_DATABASE_URL": str(log.parent / "annotations.sqlite"), "PYTHONPATH": str(ROOT)}
    return {**os.environ, **known, **more}


def serve(arguments: list[str], port: int, log: Path, **more: str) -> tuple[Page, str]:
    """Start a page and wait until it answers."""
    process = started(arguments, log, **more)
    return process, answering(process, port, log)


def answering(process: Page, port: int, log: Path) -> str:
    """The page's address, once it answers."""
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return url
        except urllib.error.HTTPError:  # an answer all the same: with accounts, sign in first
            return url
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    process.kill()
    pytest.fail(f"the page did not come up\n{log.read_text()[-2000:]}")


@contextmanager
def served(arguments: list[str], log: Path, **more: str) -> Iterator[str]:
    """The address of a page that runs until the end of the block; its port is added to the arguments of `star serve`."""
    port = free_port()
    whole = [*arguments, "--port", str(port)] if arguments else toy_command(port)
    process, url = serve(whole, port, log, **more)
    try:
        yield url
    finally:
        process.terminate()
        process.wait(20)


def star_command(*options: str) -> list[str]:
    return ["star", "serve", *options]


def toy_command(port: int, *awaited: Path) -> list[str]:
    """Command of a page with the toy recommender, which loads once the awaited files exist."""
    return [TOY, str(port), *map(str, awaited)]
