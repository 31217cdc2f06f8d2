"""Fixtures that tests of several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import annotating
import pytest
import torch

from star.annotation.storage.database import Database


@pytest.fixture(params=annotating.BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An annotation database with its tables: SQLite always, PostgreSQL where STAR_TEST_POSTGRES_URL names a server."""
    with annotating.ready(request.param, tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def every_float() -> Iterator[None]:
    """Training sets its process to take tiny numbers for 0 (`training/lib/device.py`); tests share one."""
    yield
    torch.set_flush_denormal(False)
