"""Reads a campaign from the database, for agreement and for exports.

Beside the tables of `export.py`, an export folder holds what `importing.py` needs to rebuild the campaign:
`campaign.json`, `records.*` with the frozen runs, and `answers.*` with notes, flags and decisions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from star.annotation.exchange import rows, tables
from star.annotation.exchange.export import Export, TraceRow, parts_of, prompt_of, write_into
from star.annotation.exchange.preferences import labels, preferences, save_trl
from star.annotation.statistics.agreement import Measures, report
from star.annotation.statistics.annotator_quality import annotator_quality
from star.annotation.storage.database import Database
from star.annotation.storage.models import Adjudication, Annotator, Campaign, Gold, Record, Response
from star.annotation.storage.writing import folder_of
from star.annotation.workflow.rubric import version
from star.errors import UserError
from star.trace.grammar import item_row, item_word

FORMATS = (*tables.FORMATS, "trl")


@dataclass(frozen=True)
class RecordRow:
    """A frozen record. `systems`, `runs` and `gold` are JSON."""

    record: str
    position: int
    systems: str
    runs: str
    scenario: str | None
    difficulty: str | None
    gold: str | None


@dataclass(frozen=True)
class AnswerRow:
    """One answer to a record. `ratings` and `flags` are JSON.

    `kind`: submitted, skipped, or decided (by an adjudicator; `number` counts the decisions on a record).
    """

    dataset: str
    record: str
    rubric: str
    annotator: str
    kind: str
    number: int
    ratings: str
    choice: str | None
    note: str
    reason: str
    flags: str
    seconds: float
    at: float


def measure(run: Mapping[str, Any]) -> dict[str, float]:
    """Automatic measures of one run: the number of verifiable claims, the share that the graph supports, and the stored
    `measures`."""
    verdicts = [
        c["verdict"] for c in run.get("claims", ()) if c["author"] == "model" and c["verdict"] != "opinion"
    ]
    found = {"claims": float(len(verdicts))} | dict(run.get("measures") or {})
    if verdicts:
        found["claim precision"] = verdicts.count("supported") / len(verdicts)
    return found


def campaign_report(database: Database, campaign: int, seed: int = 0) -> dict[str, Any]:
    """`agreement.report` of a campaign. Gold items count for annotator quality only: they are bad on purpose, so nearly
    everybody agrees on them."""
    rated = list(rows.ratings(database, campaign))
    chosen = list(rows.comparisons(database, campaign))
    hidden = list(rows.comparisons(database, campaign, hidden=True))
    gold_items = _gold_items(database, campaign)
    ordinary = [row for row in rated if row.record not in gold_items]
    made = report(ordinary, chosen, _measures(database, campaign), seed)
    made["annotators"] = annotator_quality(rated, chosen)
    for one in made["annotators"]:
        mine = [row for row in hidden if row.annotator == one["annotator"]]
        if mine:
            one["records"] += len(mine)
            one["gold"] = len(mine)
            one["gold_pass_rate"] = sum(row.choice == row.gold for row in mine) / len(mine)
    return {"campaign": campaign} | made


def export(database: Database, campaign: int, folder: Path, format: str = "jsonl") -> list[Path]:
    """Write a campaign's answers: everything as jsonl, csv or parquet, or the training rows as trl.

    Raises:
        UserError: no such campaign, another format, or a folder that cannot be written.
    """
    if format not in FORMATS:
        raise UserError(f"there is no format {format!r}; expected {', '.join(FORMATS)}")
    whole = gathered(database, campaign)
    if format == "trl":
        gold_items = {str(record) for record in _gold_items(database, campaign)}
        shown = replace(whole, ratings=tuple(row for row in whole.ratings if row.record not in gold_items))
        if not preferences(shown) and not labels(shown):
            raise UserError(
                f"campaign {campaign} has nothing to train on yet: no choice between two traces, and no trace rated "
                "clearly good or bad; nothing was written"
            )
        return save_trl(shown, folder)
    parts = parts_of(whole, str(folder), format)
    with database.read(long=True) as session:
        plan = _plan(session, campaign)
        rubric = version(session, plan.rubric_id)
        about = {
            "name": plan.name,
            "kind": plan.kind,
            "dataset": plan.dataset,
            "systems": plan.systems,
            "overlap": plan.overlap,
            "gold_share": plan.gold_share,
            "threshold": plan.threshold,
            "seed": plan.seed,
            "created_at": plan.created_at,
            "rubric": {"version": rubric.version} | asdict(rubric.rubric),
        }
        records, answers = list(_records(session, campaign)), list(_answers(session, plan, rubric.label))
    parts += [("records", records, RecordRow), ("answers", answers, AnswerRow)]
    with folder_of(folder) as beside:
        names = write_into(beside, whole, parts, format)
        text = json.dumps(about, ensure_ascii=False, indent=1)
        (beside / "campaign.json").write_text(text + "\n", "utf-8")
    return [folder / name for name in (*names, "campaign.json")]


def gathered(database: Database, campaign: int) -> Export:
    """Ratings, comparisons and traces of a campaign. Item rows count the items that its records name."""
    with database.read(long=True) as session:
        plan = _plan(session, campaign)
        marks = {system["name"]: system["hash"] for system in plan.systems}
        found = [
            (record.id, list(record.systems), list(record.runs))
            for record in session.scalars(_of(campaign))
            if len(set(record.systems)) == len(record.systems)
        ]  # both sides of a pair may come from one system; such answers compare no systems
        dataset = plan.dataset
    items, written = traced(dataset, found, marks)
    kept = {row.record for row in written}
    return Export(
        dataset,
        items,
        written,
        tuple(
            replace(row, record=str(row.record))
            for row in rows.ratings(database, campaign)
            if str(row.record) in kept
        ),
        tuple(
            replace(row, record=str(row.record))
            for row in rows.comparisons(database, campaign)
            if str(row.record) in kept
        ),
    )


def traced(
    dataset: str, found: Sequence[tuple[Any, Sequence[str], Sequence[Mapping[str, Any]]]], marks: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[TraceRow, ...]]:
    """Ids of the items that runs name, and the runs as traces over these items.

    Args:
        found: (record, its systems, their runs).
        marks: hash of each system's checkpoint.
    """
    place: dict[str, int] = {}
    for _, _, runs in found:
        for run in runs:
            for id in (*run.get("shelf", ()), *run.get("candidates", ()), *(run.get("books") or ())):
                place.setdefault(id, len(place))
    written = tuple(
        TraceRow(dataset, str(record), system, marks.get(system, ""), _prompt(run, place), _words(run, place))
        for record, systems, runs in found
        for system, run in zip(systems, runs, strict=True)
    )
    return tuple(place), written


def _prompt(run: Mapping[str, Any], place: Mapping[str, int]) -> str:
    return prompt_of(
        [place[id] for id in run.get("shelf", ())], [place[id] for id in run.get("candidates", ())]
    )


def _words(run: Mapping[str, Any], place: Mapping[str, int]) -> str:
    """The trace with items mapped to rows of the export; the word of an unlisted book stays."""
    ids = {about.get("row"): id for id, about in (run.get("books") or {}).items()}
    out = []
    for word in str(run["trace"].get("text", "")).split():
        row = item_row(word)
        id = None if row is None else ids.get(row)
        out.append(word if id is None else item_word(place[id]))
    return " ".join(out)


def _measures(database: Database, campaign: int) -> Measures:
    out: dict[str, dict[int, float]] = {}
    with database.read(long=True) as session:
        for record in session.scalars(_of(campaign)):
            if len(record.runs) == 1:
                for name, value in measure(record.runs[0]).items():
                    out.setdefault(name, {})[record.id] = value
    return out


def _gold_items(database: Database, campaign: int) -> set[int]:
    with database.read(long=True) as session:
        return set(session.scalars(select(Gold.record_id).join(Record).where(Record.campaign_id == campaign)))


def _of(campaign: int) -> Any:
    return select(Record).where(Record.campaign_id == campaign).order_by(Record.position)


def _plan(session: Session, campaign: int) -> Campaign:
    plan = session.get(Campaign, campaign)
    if plan is None:
        raise UserError(
            f"there is no campaign number {campaign}; star annotations status lists those there are"
        )
    return plan


def _records(session: Session, campaign: int) -> Iterator[RecordRow]:
    golds = select(Gold).join(Record).where(Record.campaign_id == campaign).order_by(Gold.id)
    known = {gold.record_id: gold for gold in session.scalars(golds)}
    for row in session.scalars(_of(campaign)):
        gold = known.get(row.id)
        said = None if gold is None else _json({"ratings": gold.ratings, "choice": gold.choice})
        yield RecordRow(
            str(row.id), row.position, _json(row.systems), _json(row.runs), row.scenario, row.difficulty, said
        )


def _answers(session: Session, plan: Campaign, rubric: str) -> Iterator[AnswerRow]:
    responses = session.execute(
        select(Response.record_id, Annotator.pseudonym, Response.state, Response.answer, Response.answered_at)
        .join(Annotator, Annotator.id == Response.annotator_id)
        .join(Record, Record.id == Response.record_id)
        .where(
            Record.campaign_id == plan.id,
            Response.state.in_(("submitted", "skipped")),
            Annotator.withdrawn_at.is_(None),
        )
        .order_by(Record.position, Response.answered_at, Response.id)
    )
    decided = session.execute(
        select(
            Adjudication.record_id,
            Annotator.pseudonym,
            Adjudication.number,
            Adjudication.answer,
            Adjudication.created_at,
        )
        .join(Annotator, Annotator.id == Adjudication.annotator_id)
        .join(Record, Record.id == Adjudication.record_id)
        .where(Record.campaign_id == plan.id, Annotator.withdrawn_at.is_(None))
        .order_by(Record.position, Adjudication.number)
    )
    for record, who, state, answer, at in responses:
        yield _answer(plan.dataset, record, rubric, who, state, 1, answer, at)
    for record, who, number, answer, at in decided:
        yield _answer(plan.dataset, record, rubric, who, "decided", number, answer, at)


def _answer(
    dataset: str, record: int, rubric: str, who: str, kind: str, number: int, said: dict[str, Any], at: float
) -> AnswerRow:
    return AnswerRow(
        dataset,
        str(record),
        rubric,
        who,
        kind,
        number,
        _json(said["ratings"]),
        said["choice"],
        said["note"],
        said["reason"],
        _json(said["flags"]),
        float(said["seconds"]),
        at,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
