"""`star annotations export|votes|feedback|import|agreement|adjudicate`: what was rated, from the command line."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from star.cli.annotations import (
    As,
    AsJson,
    Campaign,
    campaign_here,
    database_here,
    lead_here,
    record_here,
    say,
)
from star.display import echo, isolated
from star.errors import UserError


def export(
    campaign: Campaign,
    folder: Annotated[Path, typer.Argument(help="Folder to write; files in it are replaced.")],
    format: Annotated[str, typer.Option(help="jsonl, csv, parquet, or trl for DPO and KTO.")] = "jsonl",
) -> None:
    """Write a campaign's ratings, records and traces as files."""
    from star.annotation.exchange.collect import export as write

    database = database_here()
    for file in write(database, campaign_here(database, campaign), folder, format):
        echo(file)


def votes(
    folder: Annotated[Path, typer.Argument(help="Folder to write; files in it are replaced.")],
    dataset: Annotated[str, typer.Option(help="Data set that was voted on.")] = "demo",
    format: Annotated[str, typer.Option(help="jsonl, csv, parquet, or trl for DPO and KTO.")] = "jsonl",
) -> None:
    """Write the votes of the page's visitors, with both traces of each, as comparisons."""
    from star.annotation.exchange.visitors import export_votes

    for file in export_votes(database_here(), dataset, folder, format):
        echo(file)


def feedback(
    folder: Annotated[Path, typer.Argument(help="Folder to write; files in it are replaced.")],
    dataset: Annotated[str, typer.Option(help="Data set that the feedback is about.")] = "demo",
    format: Annotated[str, typer.Option(help="jsonl, csv, parquet, or trl for KTO.")] = "jsonl",
) -> None:
    """Write what visitors said of recommended items and agreed to have kept, with the trace of each answer."""
    from star.annotation.exchange.visitors import export_feedback

    for file in export_feedback(database_here(), dataset, folder, format):
        echo(file)


def import_(
    folder: Annotated[Path, typer.Argument(help="Folder that star annotations export wrote.")],
    name: Annotated[str | None, typer.Option(help="Name of the campaign here; its own if left out.")] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Bring an exported campaign with its answers into this database."""
    from star.annotation.exchange.importing import import_campaign

    database = database_here()
    made = import_campaign(database, lead_here(database, who), folder, name)
    left = f", {made.left_out} of withdrawn people left out" if made.left_out else ""
    words = f"campaign {made.campaign}: {made.records} records, {made.answers} answers, {made.decisions} decisions{left}"
    say(asdict(made), [words], as_json)


def agreement(
    campaign: Campaign,
    seed: Annotated[int, typer.Option(help="Of the bootstraps.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Krippendorff's α per criterion, win rates, everyone's conduct."""
    from star.annotation.exchange.collect import campaign_report
    from star.annotation.workflow.campaigns import SEEDS
    from star.annotation.workflow.text import whole

    whole(seed, "the seed", 0, SEEDS - 1)
    database = database_here()
    made = campaign_report(database, campaign_here(database, campaign), seed)
    lines = [
        f"{isolated(row['criterion'])}: α {_number(row['alpha'])} ({_number(row['alpha_ci'][0])} to "
        f"{_number(row['alpha_ci'][1])}), mean {_number(row['mean'])}, {row['ratings']} ratings"
        for row in made["criteria"]
    ]
    lines += [
        f"{isolated(row['system'])} against {isolated(row['against'])}: preferred in {_number(row['rate'])} "
        f"({_number(row['ci'][0])} to {_number(row['ci'][1])}) of {row['n']} answers"
        for row in made["contest"]["win_rates"]
    ]
    for row in made["annotators"]:
        gold = f", gold items passed {_number(row['gold_pass_rate'])}" if row["gold"] else ""
        lines.append(f"{isolated(row['annotator'])}: {row['records']} records{gold}")
    say(made, lines or ["nothing has been submitted yet"], as_json)


def adjudicate(
    campaign: Campaign,
    record: Annotated[
        int | None, typer.Argument(help="Decide on this record; without, list those that wait.")
    ] = None,
    rating: Annotated[
        list[str] | None,
        typer.Option(help="A criterion's score, as faithful=2 or plan=? (cannot judge). Repeatable."),
    ] = None,
    choice: Annotated[str | None, typer.Option(help="Of a pair: left, right or tie.")] = None,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """List records over which annotators disagree, or decide on one."""
    from star.annotation.workflow import adjudication
    from star.annotation.workflow.answers import Answer
    from star.annotation.workflow.rubric import CANNOT_JUDGE
    from star.annotation.workflow.text import digits

    database = database_here()
    lead, number = lead_here(database, who), campaign_here(database, campaign)
    if record is None:
        waiting = adjudication.conflicts(database, lead, number)
        document = [
            {
                "record": c.record,
                "disagreement": c.disagreement,
                "answers": {name: answer.to_json() for name, answer in c.answers.items()},
            }
            for c in waiting
        ]
        lines = [f"record {c.record}: {c.disagreement} points apart" for c in waiting]
        return say({"conflicts": document}, lines or ["no record waits for a decision"], as_json)
    record_here(database, number, record)
    scores: dict[str, Any] = {}
    for given in rating or ():
        key, _, value = given.partition("=")
        score = CANNOT_JUDGE if value == "?" else digits(value)
        if score is None:
            raise UserError(f"--rating {given[:80]!r}; expected CRITERION=1 to 5, or CRITERION=?")
        scores[key] = score
    seen = adjudication.look(database, lead, record).conflict.decisions
    answer = Answer(scores, choice, reason=reason)  # type: ignore[arg-type]
    made = adjudication.decide(database, lead, record, answer, after=seen)
    say({"record": record, "decision": made}, [f"record {record} is decided (decision {made})"], as_json)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"
