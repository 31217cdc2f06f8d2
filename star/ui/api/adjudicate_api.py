"""Routes for records on which annotators disagree and for decisions on them; for adjudicators and leads."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StrictInt

from star.annotation.workflow import adjudication, campaigns
from star.annotation.workflow.answers import Answer
from star.annotation.workflow.people import Person
from star.ui.api.numbers import Named, Number
from star.ui.security.auth import Auth
from star.ui.views.record_view import form, sides


class DecisionRequest(BaseModel):
    """`after`: number of decisions on the record that the page showed; `uuid`: of this decision, made by the page."""

    model_config = ConfigDict(extra="forbid")
    record: Named
    after: StrictInt
    uuid: str
    answer: Answer


def router(auth: Auth) -> APIRouter:
    """The routes under `/star-adjudicate/`."""
    database = auth.database
    routes = APIRouter(prefix="/star-adjudicate")
    adjudicator = Depends(auth.needs("adjudicator"))

    @routes.get("/campaigns")
    def all_campaigns(who: Person = adjudicator) -> dict[str, Any]:
        return {"campaigns": [{"id": id, "name": name} for id, name in campaigns.names(database).items()]}

    @routes.get("/conflicts/{campaign}")
    def conflicts(campaign: Number, who: Person = adjudicator) -> dict[str, Any]:
        """Records that wait for a decision, widest disagreement first, without those that the caller rated."""
        found = adjudication.conflicts(database, who, campaign)
        return {"conflicts": [{"record": c.record, "disagreement": c.disagreement} for c in found]}

    @routes.get("/case/{record}")
    def case(record: Number, who: Person = adjudicator) -> dict[str, Any]:
        """A record with all its answers, without the names of its raters and of the system that wrote it."""
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
    def decide(asked: DecisionRequest, who: Person = adjudicator) -> dict[str, Any]:
        """Store a decision as a new row; no answer changes."""
        number = adjudication.decide(
            database, who, asked.record, asked.answer, after=asked.after, uuid=asked.uuid
        )
        return {"number": number}

    return routes
