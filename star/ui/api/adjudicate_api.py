"""Adjudicate API: records over which annotators disagree, and decisions on them; for adjudicators and leads."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StrictInt

from star.annotation.workflow import adjudication, campaigns
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.people import Person
from star.ui.api.numbers import Named, Number
from star.ui.security.auth import Door
from star.ui.views.record_view import form, sides


class Decision(BaseModel):
    """`after`: how many decisions on the record the page showed; `uuid`: of this one, made by the page."""

    model_config = ConfigDict(extra="forbid")
    record: Named
    after: StrictInt
    uuid: str
    answer: Answer


def router(door: Door) -> APIRouter:
    """The routes under `/star-adjudicate/`."""
    database = door.database
    routes = APIRouter(prefix="/star-adjudicate")
    adjudicator = Depends(door.needs("adjudicator"))

    @routes.get("/campaigns")
    def all_campaigns(who: Person = adjudicator) -> dict[str, Any]:
        return {"campaigns": [{"id": id, "name": name} for id, name in campaigns.names(database).items()]}

    @routes.get("/conflicts/{campaign}")
    def conflicts(campaign: Number, who: Person = adjudicator) -> dict[str, Any]:
        """What waits for a decision, the widest disagreement first; records one rated oneself are left out."""
        found = adjudication.conflicts(database, who, campaign)
        return {"conflicts": [{"record": c.record, "disagreement": c.disagreement} for c in found]}

    @routes.get("/case/{record}")
    def case(record: Number, who: Person = adjudicator) -> dict[str, Any]:
        """A record with everyone's answers. Who gave them and which system wrote it is not said."""
        found = adjudication.look(database, who, record)
        answers = found.conflict.answers.items()
        return {
            "record": record,
            "kind": "pair" if len(found.runs) == 2 else "single",
            "disagreement": found.conflict.disagreement,
            "decisions": found.conflict.decisions,
            "answers": [{"who": f"Rater {n}"} | answer.to_json() for n, (_, answer) in enumerate(answers, 1)],
            "sides": sides(found.runs),
            "rubric": form(found.rubric),
        }

    @routes.post("/decide")
    def decide(asked: Decision, who: Person = adjudicator) -> dict[str, Any]:
        """A decision is a new row; it changes nobody's answer."""
        number = adjudication.decide(
            database, who, asked.record, asked.answer, after=asked.after, uuid=asked.uuid
        )
        return {"number": number}

    return routes
