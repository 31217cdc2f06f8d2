"""The data sets and checkpoints that a server offers, and one loader for each pair that somebody opens."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from star.data.dataset import Dataset
from star.data.loading import load_dataset, load_words
from star.methods.answering import recommender_for
from star.recommend.recommender import TEACHER
from star.settings import Settings
from star.student.checkpoint import SHIPPED, checkpoints
from star.ui.loader import Loader


class Choice(NamedTuple):
    """A data set and a checkpoint, by the names that addresses and pickers use."""

    dataset: str
    model: str


class Offered:
    """What visitors may choose from.

    Args:
        datasets: names; the page at `/` shows the first.
        models: name in addresses → checkpoint as `recommender_for` takes it; the page at `/` answers with the first.
    """

    def __init__(self, datasets: Sequence[str], models: Mapping[str, str | None]) -> None:
        self.datasets, self.models = tuple(datasets), dict(models)
        self._lock = threading.Lock()
        self._loaded: dict[str, Dataset] = {}
        self._own: dict[str, str] = {}

    @classmethod
    def of(cls, settings: Settings) -> Offered:
        """What the settings name, with every checkpoint on this machine and the teacher."""
        given = settings.model
        found: dict[str, str | None] = {_label(given or SHIPPED): given}
        for name in (*checkpoints(), TEACHER):
            found.setdefault(name, name)
        return cls(settings.served, found)

    @property
    def home(self) -> Choice:
        """What the page at `/` shows."""
        return Choice(self.datasets[0], next(iter(self.models)))

    def has(self, choice: Choice) -> bool:
        return choice.dataset in self.datasets and choice.model in self.models

    def title(self, dataset: str) -> str:
        """What the pickers call a data set."""
        return self._own.get(dataset, dataset)

    def free(self, stem: str) -> str:
        """A name that no data set has: `upload-1`."""
        return next(name for n in range(1, 1_000) if (name := f"{stem}-{n}") not in self.datasets)

    def add(self, data: Dataset, title: str) -> None:
        """Offer a data set that lies in memory alone."""
        with self._lock:
            self._loaded[data.name], self._own[data.name] = data, title
            self.datasets = (*self.datasets, data.name)

    def in_memory_alone(self, dataset: str) -> bool:
        """Whether a data set was added: nothing of it is kept when the server ends."""
        return dataset in self._own

    def loader(self, choice: Choice) -> Loader:
        """A loader of this pair. A data set that several of them need is read once."""
        read = partial(self._read, choice.dataset)
        model = self.models[choice.model]
        words = (
            read().catalog.words if self.in_memory_alone(choice.dataset) else load_words(choice.dataset)
        )
        return Loader(lambda: recommender_for(read(), model), read, model, words)

    def _read(self, name: str) -> Dataset:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load_dataset(name)
            return self._loaded[name]


def _label(model: str) -> str:
    """The name of a checkpoint in addresses. A folder goes by its last part, `runs/NAME/checkpoint` by NAME."""
    path = Path(model)
    name = path.parent.name if path.name == "checkpoint" and path.parent.name else path.name
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name).lstrip(".")[:60] or "checkpoint"
