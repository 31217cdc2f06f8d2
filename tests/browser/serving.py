"""Starts a page for the browser tests, in its own process and on its own port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def serve(command: list[str], port: int, log: Path, **more: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a page of this checkout and wait until it answers. Annotations are stored beside the log."""
    known = {"STAR_DATABASE_URL": str(log.parent / "annotations.sqlite"), "PYTHONPATH": str(ROOT)}
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=os.environ | known | more
        )
    deadline = time.monotonic() + 240  # takes half a minute on an idle machine
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return process, url
        except urllib.error.HTTPError:  # an answer all the same: with accounts, sign in first
            return process, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    process.kill()
    pytest.fail(f"the page did not come up: {' '.join(command)}\n{log.read_text()[-2000:]}")


def toy_command(port: int, *awaited: Path) -> list[str]:
    """Command of a page with the toy recommender, which loads once the awaited files exist."""
    return [sys.executable, "tests/browser/toy_app.py", str(port), *map(str, awaited)]
