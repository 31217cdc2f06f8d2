"""Routes for leads: make and watch campaigns, read agreement, export ratings, publish rubrics, withdraw people."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StrictInt

from star.annotation.storage import feedback, votes
from star.annotation.storage.database import Database
from star.annotation.workflow import campaigns, people, rubric
from star.annotation.workflow.making import CampaignRequest
from star.annotation.workflow.people import Person
from star.annotation.workflow.status import status
from star.annotation.workflow.systems import at_hand
from star.data.tasks import MIX, SCENARIOS
from star.errors import UserError
from star.ui.api.campaign_job import CampaignJob
from star.ui.api.numbers import Named, Number
from star.ui.loader import Loader
from star.ui.security.auth import Auth
from star.ui.views.lead_view import figures


class CampaignBody(BaseModel):
    """`making.CampaignRequest` as the page sends it."""

    model_config = ConfigDict(extra="forbid")
    name: str
    systems: tuple[str, ...]
    kind: Literal["single", "pair"]
    records: StrictInt
    overlap: StrictInt
    gold_share: float
    threshold: float
    scenarios: tuple[str, ...]
    mix: dict[str, float]
    seed: StrictInt
    rubric: StrictInt | None = None


class RubricBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    document: str


class WithdrawBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: Named


def router(auth: Auth, loader: Loader, model: str | None = None) -> APIRouter:
    """The routes under `/star-lead/`, all for leads.

    Args:
        model: checkpoint that the page answers with; campaigns made here use it too.
    """
    routes = APIRouter(prefix="/star-lead")
    lead = Depends(auth.needs("lead"))
    _add_campaigns(routes, lead, auth.database, loader, model)
    _add_results(routes, lead, auth.database)
    _add_exports(routes, lead, auth.database, loader)
    _add_rubrics_and_people(routes, lead, auth.database)
    return routes


def _add_campaigns(
    routes: APIRouter, lead: Any, database: Database, loader: Loader, model: str | None
) -> None:
    """Routes that show and make campaigns. `lead`: the dependency that admits leads only."""
    job = CampaignJob(database, loader)

    @routes.get("/overview")
    def overview(who: Person = lead) -> dict[str, Any]:
        """Campaigns, what a new one can be made of, rubrics and people."""
        try:
            dataset, ready = loader.dataset(0.0).name, loader.recommender()
        except UserError:
            dataset, ready = "", None  # still loading, or it could not be loaded
        return {
            "campaigns": [
                asdict(c.plan) | {"id": c.id, "rubric": c.rubric, "created_at": c.created_at}
                for c in campaigns.campaigns(database)
            ],
            "dataset": dataset,
            "votes": votes.number(database, dataset),
            "feedback": feedback.number(database, dataset),
            "systems": at_hand(model, ready) if dataset else (),
            "scenarios": SCENARIOS,
            "mix": MIX,
            "rubrics": [{"id": v.id, "label": v.label} for v in rubric.versions(database)],
            "people": [
                {"id": p.id, "name": p.name, "pseudonym": p.pseudonym, "role": p.role}
                for p in people.everyone(database)
            ],
            "job": job.state(),
        }

    @routes.get("/job")
    def how_far(who: Person = lead) -> dict[str, Any]:
        """Progress of the campaign that is being made."""
        return job.state()

    @routes.post("/campaign")
    def create(asked: CampaignBody, who: Person = lead) -> dict[str, Any]:
        """Start making a campaign."""
        job.start(who, CampaignRequest(**asked.model_dump()), model)
        return job.state()

    @routes.get("/status/{campaign}")
    def where(campaign: Number, who: Person = lead) -> dict[str, Any]:
        """Progress of a campaign."""
        return asdict(status(database, who, campaign))


def _add_results(routes: APIRouter, lead: Any, database: Database) -> None:
    """Routes for what a campaign has gathered: agreement and figures."""

    @routes.get("/agreement/{campaign}")
    def agreement(campaign: Number, who: Person = lead) -> dict[str, Any]:
        """Agreement and annotator quality as JSON."""
        return _report(database, campaign)

    @routes.get("/figures/{campaign}")
    def drawn(campaign: Number, who: Person = lead) -> dict[str, Any]:
        """Agreement and annotator quality as figures in HTML; every name is escaped."""
        names = {p.pseudonym: p.name for p in people.everyone(database)}
        used = {c.plan.rubric for c in campaigns.campaigns(database) if c.id == campaign}
        asked = [v.rubric for v in rubric.versions(database) if v.id in used]
        labels = {c.key: c.label for form in asked for c in form.criteria}
        return {"html": figures(_report(database, campaign), names, labels)}


def _add_exports(routes: APIRouter, lead: Any, database: Database, loader: Loader) -> None:
    """Routes for a campaign's ratings and for visitors' votes and feedback, each as a zip of files."""

    @routes.get("/export/{campaign}/{format}")
    def export(campaign: Number, format: str, who: Person = lead) -> Response:
        """A zip of the files that `star annotations export` writes."""
        from star.annotation.exchange import collect

        return _zipped(
            f"campaign-{campaign}-{format}",
            lambda folder: collect.export(database, campaign, folder, format),
        )

    @routes.get("/votes/{format}")
    def voted(format: str, who: Person = lead) -> Response:
        """A zip of the files that `star annotations votes` writes for the data set that is served."""
        from star.annotation.exchange.visitors import export_votes

        dataset = loader.dataset(0.0).name
        return _zipped(f"votes-{format}", lambda folder: export_votes(database, dataset, folder, format))

    @routes.get("/feedback/{format}")
    def told(format: str, who: Person = lead) -> Response:
        """A zip of the files that `star annotations feedback` writes for the data set that is served."""
        from star.annotation.exchange.visitors import export_feedback

        dataset = loader.dataset(0.0).name
        return _zipped(f"feedback-{format}", lambda folder: export_feedback(database, dataset, folder, format))


def _zipped(name: str, write: Callable[[Path], list[Path]]) -> Response:
    """The files that `write` puts into a folder, as a zip to download."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder))
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, f"{name}/{file.name}")
    headers = {"Content-Disposition": f'attachment; filename="star-{name}.zip"', "Cache-Control": "no-store"}
    return Response(packed.getvalue(), media_type="application/zip", headers=headers)


def _report(database: Database, campaign: int) -> dict[str, Any]:
    # scipy.stats takes a second to import, and the page opens before.
    from star.annotation.exchange.collect import campaign_report

    return campaign_report(database, campaign)


def _add_rubrics_and_people(routes: APIRouter, lead: Any, database: Database) -> None:
    """Routes that show and publish rubrics and withdraw a person's answers."""

    @routes.get("/rubric/{number}")
    def shown(number: Number, who: Person = lead) -> dict[str, Any]:
        """A rubric as YAML; number 0 is the rubric that ships."""
        if number == 0:
            return {"label": "the one that ships", "document": rubric.DEFAULT.read_text("utf-8")}
        found = next((v for v in rubric.versions(database) if v.id == number), None)
        if found is None:
            raise UserError(f"there is no rubric number {number}")
        return {"label": found.label, "document": rubric.text(found.rubric)}

    @routes.post("/rubric")
    def publish(asked: RubricBody, who: Person = lead) -> dict[str, Any]:
        """Publish a rubric as the next version; existing campaigns keep theirs."""
        made = rubric.publish(database, who, rubric.parse(asked.document))
        return {"id": made.id, "label": made.label}

    @routes.post("/withdraw")
    def withdraw(asked: WithdrawBody, who: Person = lead) -> dict[str, Any]:
        """Withdraw a person's answers from statistics and exports, permanently."""
        people.withdraw(database, who, asked.id)
        return {"withdrawn": asked.id}
