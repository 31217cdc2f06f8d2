"""Background thread for data set and model, so that the page opens at once (importing torch alone takes seconds)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from star.data.dataset import Dataset
from star.data.words import BOOK, Words
from star.errors import UserError
from star.mars.recommender import Teacher
from star.recommend.recommender import TEACHER, Recommender

log = logging.getLogger(__name__)

PATIENCE = 180.0  # seconds to wait for a model that still loads


class Loader:
    """Loads once, in its own thread. Callers wait, or ask how far it is.

    Args:
        load: returns the recommender; may take long.
        load_dataset: returns the data set alone, much sooner, so that visitors can search while the model loads. This copy
            is dropped once the recommender is loaded.
        words: what the page calls items and users before the data set is loaded.
        model: name or folder of the checkpoint that `load` takes; `mars`: the teacher; None: the checkpoint named like the
            data set, or the teacher without one.
    """

    def __init__(
        self,
        load: Callable[[], Recommender],
        load_dataset: Callable[[], Dataset] | None = None,
        model: str | None = None,
        words: Words = BOOK,
    ) -> None:
        self.model, self.words = model, words
        self._load, self._load_dataset = load, load_dataset
        self._changed = threading.Condition()
        self._dataset: Dataset | None = None
        self._recommender: Recommender | None = None
        self._problem: str | None = None
        self._started: float | None = None
        self._teaching = threading.Lock()
        self._teacher: Recommender | None = None

    def start(self) -> None:
        """Start loading; a second call does nothing."""
        with self._changed:
            if self._started is not None:
                return
            self._started = time.monotonic()
        threading.Thread(target=self._run, name="star-loader", daemon=True).start()

    def _run(self) -> None:
        try:
            if self._load_dataset is not None:
                self._set(dataset=self._load_dataset())
            recommender = self._load()
            self._set(dataset=recommender.dataset, recommender=recommender)
            recommender.dataset.catalog.search("")  # makes the index, so that the first visitor's search does not wait
        except UserError as error:
            self._set(problem=str(error))
        except Exception:
            log.exception("the recommender could not be loaded")
            self._set(problem="the recommender could not be loaded; the server's log says why")

    def _set(
        self,
        dataset: Dataset | None = None,
        recommender: Recommender | None = None,
        problem: str | None = None,
    ) -> None:
        with self._changed:
            self._dataset = dataset or self._dataset
            self._recommender = recommender or self._recommender
            self._problem = problem
            self._changed.notify_all()

    def dataset(self, timeout: float = 60.0) -> Dataset:
        """The data set; waits until it is loaded.

        Raises:
            UserError: loading failed, or took longer than `timeout` seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._dataset is not None or self._problem is not None, timeout)
            if self._dataset is None:
                raise UserError(self._problem or "the data set is still loading; try again in a moment")
            return self._dataset

    def recommender(self, timeout: float = 0.0) -> Recommender | None:
        """The recommender, or None if it still loads after `timeout` seconds.

        Raises:
            UserError: loading failed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._recommender is not None or self._problem is not None, timeout
            )
            if self._recommender is None and self._problem is not None:
                raise UserError(self._problem)
            return self._recommender

    def ready(self) -> Recommender:
        """The recommender; waits until it is loaded.

        Raises:
            UserError: loading failed, or took longer than `PATIENCE`.
        """
        recommender = self.recommender(PATIENCE)
        if recommender is None:
            raise UserError("The model is still loading; try again in a moment.")
        return recommender

    def teacher(self) -> Recommender:
        """The teacher over the loaded data set, one for the whole page, made when it is asked for first.

        Raises:
            UserError: as `ready`.
        """
        recommender = self.ready()
        if recommender.checkpoint == TEACHER:
            return recommender
        with self._teaching:
            self._teacher = self._teacher or Teacher(recommender.dataset)
            return self._teacher

    @property
    def seconds(self) -> float:
        """Seconds since loading began."""
        return 0.0 if self._started is None else time.monotonic() - self._started
