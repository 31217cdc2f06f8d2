"""Lead API: campaigns made and watched, agreement, exports, rubric and people, for leads."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StrictInt

from star.annotation.workflow import campaigns, people, rubric
from star.annotation.workflow.making import Order
from star.annotation.workflow.people import Person
from star.annotation.workflow.status import status
from star.annotation.workflow.systems import at_hand
from star.data.tasks import MIX, SCENARIOS
from star.errors import UserError
from star.ui.api.campaign_job import CampaignJob
from star.ui.api.numbers import Named, Number
from star.ui.loader import Loader
from star.ui.security.auth import Door
from star.ui.views.lead_view import figures


class Ordered(BaseModel):
    """`making.Order` as the page sends it."""

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


class Published(BaseModel):
    model_config = ConfigDict(extra="forbid")
    document: str


class Withdrawn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: Named


def router(door: Door, loader: Loader, model: str | None = None) -> APIRouter:
    """The routes under `/star-lead/` that only leads may use."""
    database, job = door.database, CampaignJob(door.database, loader)
    routes = APIRouter(prefix="/star-lead")
    lead = Depends(door.needs("lead"))

    def report(campaign: int) -> dict[str, Any]:
        from star.annotation.exchange.collect import (
            campaign_report,  # scipy.stats takes a second: the page is up before
        )

        return campaign_report(database, campaign)

    @routes.get("/overview")
    def overview(who: Person = lead) -> dict[str, Any]:
        """Campaigns, what new ones can be made of, rubrics, people."""
        try:
            dataset, ready = loader.dataset(0.0).name, loader.recommender()
        except UserError:
            dataset, ready = "", None  # still loading, or what it needs is not there
        return {
            "campaigns": [
                asdict(c.plan) | {"id": c.id, "rubric": c.rubric, "created_at": c.created_at}
                for c in campaigns.campaigns(database)
            ],
            "dataset": dataset,
            "systems": at_hand(dataset, model, ready) if dataset else (),
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
        """The campaign being made."""
        return job.state()

    @routes.post("/campaign")
    def create(asked: Ordered, who: Person = lead) -> dict[str, Any]:
        """Begin to make a campaign."""
        job.start(who, Order(**asked.model_dump()), model)
        return job.state()

    @routes.get("/status/{campaign}")
    def where(campaign: Number, who: Person = lead) -> dict[str, Any]:
        """Where a campaign stands."""
        return asdict(status(database, who, campaign))

    @routes.get("/agreement/{campaign}")
    def agreement(campaign: Number, who: Person = lead) -> dict[str, Any]:
        """Everything that tells whether the ratings can be trusted, as JSON."""
        return report(campaign)

    @routes.get("/figures/{campaign}")
    def drawn(campaign: Number, who: Person = lead) -> dict[str, Any]:
        """The same as figures: HTML in which every name is escaped."""
        names = {p.pseudonym: p.name for p in people.everyone(database)}
        used = {c.plan.rubric for c in campaigns.campaigns(database) if c.id == campaign}
        asked = [v.rubric for v in rubric.versions(database) if v.id in used]
        labels = {c.key: c.label for form in asked for c in form.criteria}
        return {"html": figures(report(campaign), names, labels)}

    @routes.get("/export/{campaign}/{format}")
    def export(campaign: Number, format: str, who: Person = lead) -> Response:
        """A zip of what `star annotations export` writes."""
        from star.annotation.exchange import collect

        packed = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder:
            files = collect.export(database, campaign, Path(folder), format)
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in files:
                    archive.write(file, f"campaign-{campaign}-{format}/{file.name}")
        headers = {
            "Content-Disposition": f'attachment; filename="star-campaign-{campaign}-{format}.zip"',
            "Cache-Control": "no-store",
        }
        return Response(packed.getvalue(), media_type="application/zip", headers=headers)

    @routes.get("/rubric/{number}")
    def shown(number: Number, who: Person = lead) -> dict[str, Any]:
        """A rubric as YAML; 0 is the one that ships."""
        if number == 0:
            return {"label": "the one that ships", "document": rubric.DEFAULT.read_text("utf-8")}
        found = next((v for v in rubric.versions(database) if v.id == number), None)
        if found is None:
            raise UserError(f"there is no rubric number {number}")
        return {"label": found.label, "document": rubric.text(found.rubric)}

    @routes.post("/rubric")
    def publish(asked: Published, who: Person = lead) -> dict[str, Any]:
        """Publish a rubric as the next version; campaigns that run keep theirs."""
        made = rubric.publish(database, who, rubric.parse(asked.document))
        return {"id": made.id, "label": made.label}

    @routes.post("/withdraw")
    def withdraw(asked: Withdrawn, who: Person = lead) -> dict[str, Any]:
        """Take someone's answers out of statistics and exports, for good."""
        people.withdraw(database, who, asked.id)
        return {"withdrawn": asked.id}

    return routes
