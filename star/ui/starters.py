"""Examples that are answered before anybody asks, so that a first visitor's answer is there at once."""

from __future__ import annotations

import hashlib
import logging
import threading

from star.errors import UserError
from star.recommend.examples import Example, examples
from star.recommend.recommender import answer
from star.ui.loader import PATIENCE, Loader
from star.ui.runs import ID, Runs

log = logging.getLogger(__name__)


class Starters:
    """Finds the examples in a thread of its own once the model is loaded, and then answers them one after the other."""

    def __init__(self, loader: Loader, runs: Runs) -> None:
        self._loader, self._runs = loader, runs
        self._listed = threading.Event()
        self._answering = threading.Lock()
        self._found: dict[str, Example] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, name="star-starters", daemon=True).start()

    def wait(self, seconds: float) -> list[tuple[Example, str]]:
        """All examples with the ids of their answers; none if none are found in so many seconds."""
        return [(example, run) for run, example in self._found.items()] if self._listed.wait(seconds) else []

    def bring(self, run: object) -> None:
        """Answer the example of this run now, if it is not answered yet; nothing for other runs. Waits until the examples
        are found, since a link to one may be opened right after the server has started.

        Raises:
            UserError: it cannot be answered.
        """
        if not isinstance(run, str) or not ID.fullmatch(run):
            return
        if run not in self._found:
            self._listed.wait(PATIENCE)
        if run not in self._found:
            return
        with self._answering:
            if self._runs.get(run) is None:
                recommender = self._loader.ready()
                made = answer(recommender, self._found[run].query)
                self._runs.pin(run, made, recommender.dataset.catalog)

    def _run(self) -> None:
        try:
            recommender = self._loader.ready()
            of = f"{recommender.dataset.name} {recommender.checkpoint}"
            self._found = {_id(of, each): each for each in examples(recommender.dataset)}
        except UserError:
            return  # the page says why nothing is loaded
        except Exception:
            log.exception("no examples could be found")
        finally:
            self._listed.set()  # or every visitor would wait for them
        for run in self._found:
            try:
                self.bring(run)
            except UserError:
                continue  # a press on the example says why it has no answer
            except Exception:
                log.exception("an example could not be answered")


def _id(of: str, example: Example) -> str:
    """The id of an example's answer: the same at every start, so that links to it last. Examples are no secret."""
    return hashlib.sha256(f"{of} {example.label} {example.query}".encode()).hexdigest()[:32]
