"""Routes of the annotators' page: records, saves and progress as JSON, outside Gradio's queue so that no save waits in it.

Handlers are plain functions, which FastAPI runs in threads. A handler that waits for the database delays no other request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StrictInt

from star.annotation.storage import store
from star.annotation.storage.store import OpenRecord
from star.annotation.workflow import campaigns, queue
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.people import Person
from star.annotation.workflow.recent import recent
from star.ui.api.numbers import Named, Number
from star.ui.security.auth import Auth
from star.ui.views.record_view import form, sides

KEPT = 128  # records whose rendered HTML is kept; a record never changes


class NextBody(BaseModel):
    """`uuid`: made by the page; it becomes the response's id if a new record is given."""

    model_config = ConfigDict(extra="forbid")
    campaign: Named
    uuid: str


class SaveBody(BaseModel):
    """One save. `revision`: one more than the last revision that the page knows."""

    model_config = ConfigDict(extra="forbid")
    uuid: str
    revision: StrictInt
    to: Literal["draft", "submitted", "skipped"]
    answer: Answer


class Views:
    """Rendered sides of the last `KEPT` records. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, list[dict[str, Any]]] = OrderedDict()

    def of(self, opened: OpenRecord) -> list[dict[str, Any]]:
        with self._lock:
            found = self._kept.get(opened.record)
        made = sides(opened.runs) if found is None else found
        with self._lock:
            self._kept[opened.record] = made
            self._kept.move_to_end(opened.record)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def router(auth: Auth) -> APIRouter:
    """The routes under `/star-annotate/`, all for annotators."""
    database, views = auth.database, Views()
    routes = APIRouter(prefix="/star-annotate")
    annotator = Depends(auth.needs("annotator"))

    def record(who: Person, uuid: str) -> dict[str, Any]:
        opened = store.open_record(database, who, uuid)
        answer = None if opened.answer is None else opened.answer.to_json()
        return {
            "uuid": opened.uuid,
            "campaign": opened.campaign,
            "record": opened.record,
            "kind": opened.kind,
            "state": opened.state,
            "revision": opened.revision,
            "editable": opened.editable,
            "answer": answer,
            "sides": views.of(opened),
            "rubric": form(opened.rubric),
        }

    def progress(who: Person, campaign: int) -> dict[str, Any]:
        """The caller's own numbers, and those of the team that also grow with gold items, so that none reveals them."""
        far = queue.progress(database, who, campaign)
        return {
            "submitted": far.submitted,
            "skipped": far.skipped,
            "seconds": far.seconds,
            "last_hour": far.last_hour,
            "team": far.given,
            "share": round(far.share, 1),
        }

    @routes.get("/campaigns")
    def all_campaigns(who: Person = annotator) -> dict[str, Any]:
        return {"campaigns": [{"id": id, "name": name} for id, name in campaigns.names(database).items()]}

    @routes.post("/next")
    def next_record(asked: NextBody, who: Person = annotator) -> dict[str, Any]:
        """The record to rate now, or None, and the progress."""
        given = queue.claim(database, who, asked.campaign, uuid=asked.uuid)
        return {
            "record": None if given is None else record(who, given.uuid),
            "progress": progress(who, asked.campaign),
        }

    @routes.get("/record/{uuid}")
    def one_record(uuid: str, who: Person = annotator) -> dict[str, Any]:
        """A record that this person was given before."""
        return record(who, uuid)

    @routes.post("/save")
    def save(asked: SaveBody, who: Person = annotator) -> dict[str, Any]:
        """Store an answer. The reply is sent once the answer is on disk."""
        keep = {"draft": store.save_draft, "submitted": store.submit, "skipped": store.skip}[asked.to]
        return asdict(keep(database, who, asked.uuid, asked.revision, asked.answer))

    @routes.get("/recent/{campaign}")
    def last_answers(campaign: Number, who: Person = annotator) -> dict[str, Any]:
        """The answers that may still be changed, and the progress."""
        rows = [asdict(row) | {"answer": row.answer.to_json()} for row in recent(database, who, campaign)]
        return {"recent": rows, "progress": progress(who, campaign)}

    return routes
