"""Making a campaign: from what a lead asks for to frozen records, with systems loaded and readers sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from star.annotation.storage.database import Database
from star.annotation.storage.models import Kind
from star.annotation.workflow import rubric
from star.annotation.workflow.campaigns import SYSTEMS_AT_MOST, Plan, check_numbers, create
from star.annotation.workflow.documents import Sample, deserved
from star.annotation.workflow.people import Person
from star.annotation.workflow.sampling import samples
from star.annotation.workflow.systems import LoadedSystems, open_systems, wanted
from star.annotation.workflow.text import ID_MOST, clean_name, whole
from star.data.dataset import Dataset
from star.data.tasks import MIX, SCENARIOS
from star.errors import UserError
from star.recommend.recommendation import Query
from star.recommend.recommender import Recommender, Star

MOST = 5_000


@dataclass(frozen=True)
class CampaignRequest:
    """What a lead asks for. `systems`: their names (`systems.wanted`). `gold_share`: share of gold items among those an
    annotator gets. `rubric`: id of a version; None takes the newest, or publishes the default.
    """

    name: str
    systems: tuple[str, ...] = ("star",)
    kind: Kind = "single"
    records: int = 50
    overlap: int = 3
    gold_share: float = 0.0
    threshold: float = 2.0
    scenarios: tuple[str, ...] = ("classic",)
    mix: Mapping[str, float] = field(default_factory=lambda: dict(MIX))
    seed: int = 0
    rubric: int | None = None

    @property
    def hidden(self) -> int:
        """Gold items to make: each annotator gets each of them once."""
        return round(self.records * self.gold_share / (1 - self.gold_share)) or int(self.gold_share > 0)


def make(
    database: Database,
    lead: Person,
    request: CampaignRequest,
    dataset: Dataset,
    model: str | None = None,
    ready: Recommender | None = None,
    watch: Callable[[int, int], None] = lambda done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run the systems for sampled readers and store the campaign; returns its id. Takes about a second per record.

    Args:
        model, ready: as in `open_systems`.
        watch: called with the number of records made and wanted.
        stopped: called after each record; true ends the work, and the campaign holds the records made so far. Gold items
            come last: without any, their share is 0.

    Raises:
        UserError: what does not fit in the request. Refused: the caller is no lead.
    """
    check_request(request)
    version = request.rubric
    if version is None:
        known = rubric.versions(database)
        version = known[0].id if known else rubric.publish(database, lead, rubric.default()).id
    with database.read() as session:
        criteria = rubric.version(session, version).rubric.keys
    if request.hidden and request.kind == "single":
        deserved(criteria)  # says so before anything is made
    opened = open_systems(request.systems, dataset, model, ready)
    total = request.records + request.hidden

    def watched() -> Iterator[Sample]:
        made = samples(
            opened.recommenders,
            request.records,
            request.kind == "pair",
            request.hidden,
            request.scenarios,
            request.mix,
            request.seed,
            opened.seeds,
            criteria,
        )
        watch(0, total)
        for done, sample in enumerate(made, 1):
            watch(done, total)
            yield _measured(sample, opened, dataset)
            if stopped():
                return

    plan = Plan(
        request.name,
        dataset.name,
        opened.systems,
        version,
        request.kind,
        request.overlap,
        request.gold_share,
        request.threshold,
        request.seed,
    )
    return create(database, lead, plan, watched(), stopped)


def _measured(sample: Sample, opened: LoadedSystems, dataset: Dataset) -> Sample:
    """A student's run with how far its first choice rests on its evidence, to be correlated with ratings."""
    name, run = sample.systems[0], sample.runs[0]
    student = opened.recommenders[name]
    if len(sample.runs) > 1 or sample.gold is not None or not isinstance(student, Star) or not run["items"]:
        return sample
    from star.evaluation.changed_evidence import resting  # brings torch

    shelf, candidates = (
        tuple(dataset.catalog.index(id) for id in run[part]) for part in ("shelf", "candidates")
    )
    reader = dataset.interactions.row(run["user"])
    query = Query(shelf, reader, candidates, seed=run["seed"])
    found = resting(student, query, dataset.catalog.index(run["items"][0]["id"]))
    return replace(sample, runs=(run | {"measures": found},))


def check_request(request: CampaignRequest) -> None:
    """Check what would otherwise fail only after all runs.

    Raises:
        UserError: a name, number or word that does not fit.
    """
    clean_name(request.name)
    if request.kind not in ("single", "pair"):
        raise UserError(f"the campaign's kind is {request.kind!r}; expected single or pair")
    if type(request.records) is not int or not 1 <= request.records <= MOST:
        raise UserError(f"{str(request.records)[:40]} records are asked for; expected 1 to {MOST:,}")
    check_numbers(request.overlap, request.gold_share, request.threshold, request.seed)
    if request.rubric is not None:
        whole(request.rubric, "the rubric's number", 1, ID_MOST)
    if (request.kind == "pair" and len(request.systems) != 2) or not request.systems:
        raise UserError(
            f"{len(request.systems)} systems are named; pairs need two, single records one or more"
        )
    if len(request.systems) > SYSTEMS_AT_MOST:
        raise UserError(f"{len(request.systems)} systems are named; expected at most {SYSTEMS_AT_MOST}")
    for name in request.systems:
        wanted(name)
    unknown = [name for name in request.scenarios if name not in SCENARIOS]
    if unknown or not request.scenarios:
        raise UserError(
            f"there is no scenario {(unknown or ['(none)'])[0][:40]!r}; expected {', '.join(SCENARIOS)}"
        )
    if len(set(request.scenarios)) < len(request.scenarios):
        raise UserError("a scenario is named twice; name each once")
    wrong = [level for level in request.mix if level not in MIX]
    if wrong or any(not 0 <= share <= 1 for share in request.mix.values()) or sum(request.mix.values()) <= 0:
        raise UserError(
            f"the mix of difficulties is {str(dict(request.mix))[:200]}; expected shares of {', '.join(MIX)}, as 0.3"
        )
