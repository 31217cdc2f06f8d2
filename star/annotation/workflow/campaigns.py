"""Campaigns: what a lead sets up. Records are frozen when a campaign is made and never change."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from star.annotation.storage import events, models
from star.annotation.storage.database import Database, lock
from star.annotation.storage.models import Gold, Kind, Record
from star.annotation.storage.schema import check_runs
from star.annotation.workflow.documents import GoldAnswer, Sample, checksum
from star.annotation.workflow.people import Person, active
from star.annotation.workflow.rubric import SCALE, Rubric, version
from star.annotation.workflow.text import ID_MOST, clean_document, clean_name, name_key, real, whole
from star.errors import UserError

SEEDS = 2**31
HIDDEN_AT_MOST = 0.5
OVERLAP_AT_MOST = 1_000
THRESHOLD_AT_MOST = 4
SYSTEMS_AT_MOST = 100


@dataclass(frozen=True)
class System:
    """What wrote runs: a name for exports, its checkpoint and the hash of it (`checkpoint.fingerprint`; empty for MARS)."""

    name: str
    checkpoint: str
    hash: str


@dataclass(frozen=True)
class Plan:
    """What a lead chooses. `overlap`: ratings per record. `gold_share`: share of gold items among those an annotator gets.

    `threshold`: records whose scores are further apart than this (`disagreement.disagreement`) are adjudicated.
    `rubric`: id of a published version. `seed`: of order, sides and the places of gold items.
    """

    name: str
    dataset: str
    systems: tuple[System, ...]
    rubric: int
    kind: Kind = "single"
    overlap: int = 3
    gold_share: float = 0.0
    threshold: float = 2.0
    seed: int = 0


@dataclass(frozen=True)
class CampaignSummary:
    """One row of the list of campaigns."""

    id: int
    plan: Plan
    rubric: str
    created_at: float


def create(
    database: Database,
    lead: Person,
    plan: Plan,
    samples: Iterable[Sample],
    cut: Callable[[], bool] = lambda: False,
) -> int:
    """Freeze the samples as records of a new campaign; returns its id.

    Samples are taken one by one before anything is written, so making them may be slow. Their order is shuffled, and the
    sides of half of the pairs are swapped.

    Args:
        cut: called after the last sample; true if sampling was cut short. Without gold items the share then becomes 0.

    Raises:
        UserError: what does not fit, in plan or samples, or the name is taken. Refused: the caller is no lead.
    """
    name = clean_name(plan.name)
    check_plan(plan)
    with database.read() as session:
        active(session, lead, "lead")
        rubric = version(session, plan.rubric).rubric
    frozen = [_frozen(sample, plan, rubric) for sample in samples]
    ordinary = sum(1 for sample in frozen if sample.gold is None)
    if not ordinary:
        raise UserError("a campaign of no records; give at least one run that is not a gold item")
    if cut() and ordinary == len(frozen):
        plan = replace(plan, gold_share=0.0)
    if plan.gold_share > 0 and ordinary == len(frozen):
        raise UserError(
            f"{plan.gold_share:.0%} gold items are wanted and none are given; give some, or a share of 0"
        )
    rng = random.Random(plan.seed)
    rng.shuffle(frozen)
    turned = [number % 2 == 1 for number in range(len(frozen))]
    rng.shuffle(turned)
    now = time.time()
    try:
        with database.write(long=True) as session:
            who = active(session, lead, "lead")
            row = models.Campaign(
                name=name,
                key=name_key(name),
                kind=plan.kind,
                dataset=plan.dataset,
                systems=[asdict(system) for system in plan.systems],
                overlap=plan.overlap,
                gold_share=plan.gold_share,
                threshold=plan.threshold,
                seed=plan.seed,
                rubric_id=plan.rubric,
                created_at=now,
            )
            session.add(row)
            session.flush()
            for position, (sample, turn) in enumerate(zip(frozen, turned, strict=True)):
                _add(session, row.id, position, _turned(sample) if turn else sample, now)
            content = asdict(plan) | {"name": name, "records": len(frozen), "hidden": len(frozen) - ordinary}
            events.write(session, "campaign created", who.pseudonym, row.id, content=content, at=now)
            return row.id
    except IntegrityError:
        raise UserError(f"there is already a campaign called {name!r}; choose another name") from None


def set_gold(database: Database, lead: Person, record: int, known: GoldAnswer) -> None:
    """Give a record a known answer, which makes it a gold item; a later one replaces it."""
    whole(record, "the record's number", 1, ID_MOST)
    with database.write() as session:
        row = session.get(Record, record)
        if row is None:
            raise UserError(f"there is no record number {record}")
        plan = lock(session, row.campaign_id)
        who = active(session, lead, "lead")
        known = fitting(known, plan.kind, version(session, plan.rubric_id).rubric)
        now = time.time()
        session.add(Gold(record_id=record, ratings=dict(known.ratings), choice=known.choice, created_at=now))
        events.write(session, "gold set", who.pseudonym, plan.id, record, content=asdict(known), at=now)


def campaigns(database: Database) -> tuple[CampaignSummary, ...]:
    """All campaigns, newest first. For leads: it names the systems."""
    with database.read() as session:
        rows = session.scalars(select(models.Campaign).order_by(models.Campaign.id.desc()))
        return tuple(_campaign(session, row) for row in rows)


def names(database: Database) -> dict[int, str]:
    """id → name of all campaigns, newest first: what annotators choose from."""
    with database.read() as session:
        found = session.execute(
            select(models.Campaign.id, models.Campaign.name).order_by(models.Campaign.id.desc())
        )
        return {id: name for id, name in found}


def _campaign(session: Session, row: models.Campaign) -> CampaignSummary:
    plan = Plan(
        row.name,
        row.dataset,
        tuple(System(**system) for system in row.systems),
        row.rubric_id,
        row.kind,
        row.overlap,
        row.gold_share,
        row.threshold,
        row.seed,
    )
    return CampaignSummary(row.id, plan, version(session, row.rubric_id).label, row.created_at)


def check_plan(plan: Plan) -> None:
    """Check a plan.

    Raises:
        UserError: what does not fit.
    """
    known = [system.name for system in plan.systems]
    if not known or len(set(known)) < len(known):
        raise UserError(f"the campaign's systems are called {known}; expected one or more, no two the same")
    if plan.kind not in ("single", "pair"):
        raise UserError(f"the campaign's kind is {plan.kind!r}; expected single or pair")
    if len(known) > SYSTEMS_AT_MOST:
        raise UserError(f"the campaign has {len(known)} systems; expected at most {SYSTEMS_AT_MOST}")
    check_numbers(plan.overlap, plan.gold_share, plan.threshold, plan.seed)


def check_numbers(overlap: object, gold_share: object, threshold: object, seed: object) -> None:
    """Check the numbers of a plan.

    Raises:
        UserError: one of them is no number, or out of range.
    """
    whole(overlap, "the overlap", 1, OVERLAP_AT_MOST, " ratings per record")
    real(gold_share, "the share of gold items", 0, HIDDEN_AT_MOST)
    real(threshold, "the threshold", 0, THRESHOLD_AT_MOST, " points of the scale")
    whole(seed, "the seed", 0, SEEDS - 1)


def _frozen(sample: Sample, plan: Plan, rubric: Rubric) -> Sample:
    """The sample as it is stored; raises UserError if it does not fit."""
    wanted = 2 if plan.kind == "pair" else 1
    if len(sample.runs) != wanted or len(sample.systems) != wanted:
        raise UserError(
            f"a sample has {len(sample.runs)} runs of {len(sample.systems)} systems; expected {wanted}"
        )
    unknown = [name for name in sample.systems if name not in [system.name for system in plan.systems]]
    if unknown:
        raise UserError(f"a sample is by {unknown[0]!r}, which is none of the campaign's systems")
    for run in sample.runs:
        if not isinstance(run.get("trace"), dict) or "steps" not in run["trace"] or "items" not in run:
            raise UserError(
                "a run lacks its trace or its items; expected a document of star recommend --json"
            )
    runs = tuple(clean_document(run) for run in sample.runs)
    checksum(runs)  # says what is no JSON
    check_runs(runs, "a run of " + " and ".join(sample.systems))
    return Sample(
        sample.systems,
        runs,
        sample.scenario,
        sample.difficulty,
        None if sample.gold is None else fitting(sample.gold, plan.kind, rubric),
    )


def fitting(known: GoldAnswer, kind: Kind, rubric: Rubric) -> GoldAnswer:
    """A known answer, checked against kind and rubric.

    Raises:
        UserError: it does not.
    """
    wrong = [
        key
        for key, score in known.ratings.items()
        if key not in rubric.keys or type(score) is not int or score not in SCALE
    ]
    if wrong:
        raise UserError(
            f"the known answer rates {wrong[0]!r} {known.ratings[wrong[0]]!r}; expected 1 to 5 for some of "
            f"{', '.join(rubric.keys)}"
        )
    if (kind == "pair") != (known.choice is not None) or (kind == "single") != bool(known.ratings):
        raise UserError(
            "a known answer is ratings of a single record or the choice of a pair; this one does not fit"
        )
    return known


def _turned(sample: Sample) -> Sample:
    """A pair with its sides swapped; a single record as it is."""
    gold = sample.gold
    if gold is not None and gold.choice is not None:
        gold = GoldAnswer(gold.ratings, {"left": "right", "right": "left", "tie": "tie"}[gold.choice])  # type: ignore[arg-type]
    return Sample(sample.systems[::-1], sample.runs[::-1], sample.scenario, sample.difficulty, gold)


def _add(session: Session, campaign: int, position: int, sample: Sample, now: float) -> None:
    row = Record(
        campaign_id=campaign,
        position=position,
        systems=list(sample.systems),
        runs=list(sample.runs),
        checksum=checksum(sample.runs),
        scenario=sample.scenario,
        difficulty=sample.difficulty,
    )
    session.add(row)
    if sample.gold is not None:
        session.flush()
        gold = Gold(
            record_id=row.id, ratings=dict(sample.gold.ratings), choice=sample.gold.choice, created_at=now
        )
        session.add(gold)
