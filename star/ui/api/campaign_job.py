"""Makes campaigns in a background thread, one at a time, since their runs share the model with the visitors."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, dataclass, replace
from typing import Any

from star.annotation.storage.database import Database
from star.annotation.workflow.making import CampaignRequest, check_request, make
from star.annotation.workflow.people import Person
from star.errors import UserError
from star.ui.loader import Loader

log = logging.getLogger(__name__)

PATIENCE = 300.0  # seconds to wait for a model that still loads


@dataclass(frozen=True)
class State:
    """Progress of the last job. `campaign`: its id once it is stored; `problem`: why it failed."""

    name: str = ""
    running: bool = False
    done: int = 0
    total: int = 0
    campaign: int | None = None
    problem: str | None = None


class CampaignJob:
    """Makes campaigns in its own thread. Safe to use from several threads."""

    def __init__(self, database: Database, loader: Loader) -> None:
        self._database, self._loader = database, loader
        self._lock = threading.Lock()
        self._state = State()

    def state(self) -> dict[str, Any]:
        """The state as JSON."""
        with self._lock:
            return asdict(self._state)

    def start(self, lead: Person, request: CampaignRequest, model: str | None) -> None:
        """Begin.

        Raises:
            UserError: another one is under way, or something in the request does not fit.
        """
        check_request(request)
        with self._lock:
            if self._state.running:
                raise UserError(f"campaign {self._state.name!r} is still being made; wait until it is there")
            self._state = State(request.name, True, 0, request.records + request.hidden)
        threading.Thread(
            target=self._run, args=(lead, request, model), name="star-campaign", daemon=True
        ).start()

    def _run(self, lead: Person, request: CampaignRequest, model: str | None) -> None:
        def watch(done: int, total: int) -> None:
            self._set(done=done, total=total)

        try:
            ready = self._loader.recommender(PATIENCE)
            if ready is None:
                raise UserError("the model is still loading; try again when the page says that it is there")
            made = make(self._database, lead, request, ready.dataset, model, ready, watch)
            self._set(running=False, campaign=made)
        except UserError as error:
            self._set(running=False, problem=str(error))
        except Exception:
            log.exception("a campaign could not be made")
            self._set(running=False, problem="something went wrong on our side, and the server's log has it")

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self._state = replace(self._state, **changes)
