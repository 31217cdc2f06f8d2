"""An item that nobody has read is recommended by its description, with that as the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reading

from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.mars.recommender import Teacher
from star.recommend.recommendation import Query

UNREAD = 47  # of genre 1, in no series


def test_an_unread_item_that_fits_the_shelf_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    data = reading.dataset()
    histories = [h[h != UNREAD] for h in map(data.interactions.history, range(len(data.interactions)))]
    interactions = Interactions.from_histories(histories, len(data.catalog))
    teacher = Teacher(Dataset("newcomer", data.catalog, interactions, {**data.manifest, "name": "newcomer"}))

    def named(genre: str) -> list[str]:
        """Reasons for the unread item over shelves of one genre without a book by its author."""
        own = [i for i, item in enumerate(data.catalog) if item.genres == (genre,)]
        own = [i for i in own if data.catalog[i].creators != data.catalog[UNREAD].creators and i != UNREAD]
        found = []
        for seed in range(8):
            shelf = np.random.default_rng(seed).permutation(own)[:12].tolist()
            *_, answer = teacher.stream(Query(tuple(shelf), None, k=10))
            found += [r.reason for r in answer.items if r.item == UNREAD]
        return found

    reasons = named("genre 1")
    assert reasons and all("its description alone" in reason for reason in reasons)
    assert not named("genre 3")
