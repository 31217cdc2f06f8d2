"""`star annotations` and `star annotators`: campaigns, ratings, people and the database, from the command line.

Whoever has a shell beside the database leads: commands that need a lead act as the person `command line`, or as `--as NAME`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from star.errors import UserError

if TYPE_CHECKING:
    from star.annotation.database import Database
    from star.annotation.people import Person

SELF = "command line"

app = typer.Typer(help="Campaigns: make them, see how far they are, take ratings out.", no_args_is_help=True)
people_app = typer.Typer(help="Accounts of annotators, for star serve --auth.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
As = Annotated[str | None, typer.Option("--as", help="Name of the lead who does it.")]
Campaign = Annotated[str, typer.Argument(help="Number or name of the campaign.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the campaign.")],
    dataset: Annotated[str, typer.Option(help="Data set: demo, or an imported one.")] = "demo",
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="star, star:sft or mars; a seed as star@7, a checkpoint as star=FOLDER. Repeatable."
        ),
    ] = None,
    pair: Annotated[bool, typer.Option(help="Two traces side by side, blinded.")] = False,
    records: Annotated[int, typer.Option(help="How many records.")] = 50,
    overlap: Annotated[int, typer.Option(help="Ratings per record.")] = 3,
    gold_share: Annotated[
        float, typer.Option(help="Share of hidden items with a known answer, 0 to 0.5.")
    ] = 0.0,
    threshold: Annotated[
        float, typer.Option(help="Points apart beyond which a record is adjudicated.")
    ] = 2.0,
    scenario: Annotated[list[str] | None, typer.Option(help="Scenario of the readers. Repeatable.")] = None,
    difficulty: Annotated[
        list[str] | None, typer.Option(help="Share of a difficulty, as hard=0.5. Repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of readers, order and sides.")] = 0,
    rubric: Annotated[int | None, typer.Option(help="Number of a rubric; the newest if left out.")] = None,
    model: Annotated[str | None, typer.Option(help="Checkpoint of plain star.")] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Sample readers, let the systems answer them, and freeze the answers as records to be rated."""
    from star.annotation.making import Order, make
    from star.dataset import Dataset
    from star.tasks import MIX

    order = Order(
        name,
        tuple(system or (("star", "mars") if pair else ("star",))),
        "pair" if pair else "single",
        records,
        overlap,
        gold_share,
        threshold,
        tuple(scenario or ("classic",)),
        _mix(difficulty) or dict(MIX),
        seed,
        rubric,
    )
    database = _database()

    def watch(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(
                f"\r{done} of {total} records", end="\n" if done == total else "", file=sys.stderr, flush=True
            )

    number = make(database, _lead(database, who), order, Dataset.load(dataset), model, None, watch)
    _say({"campaign": number, "name": name}, f"campaign {number} {name!r} is ready to be rated", as_json)


@app.command()
def status(
    campaign: Annotated[str | None, typer.Argument(help="Number or name; all campaigns if left out.")] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Where campaigns stand: ratings done and wanted, conflicts, everyone's pace."""
    from star.annotation import campaigns
    from star.annotation.status import status as look

    database = _database()
    lead = _lead(database, who)
    shown: list[dict[str, Any]] = []
    for one in campaigns.campaigns(database):
        if campaign is None or one.id == _campaign(database, campaign):
            at = look(database, lead, one.id)
            shown.append({"id": one.id, "rubric": one.rubric, "plan": asdict(one.plan), "status": asdict(at)})
    lines = []
    for found in shown:
        plan, at_ = found["plan"], found["status"]
        lines.append(
            f"{found['id']}  {plan['name']}: {at_['done']} of {at_['wanted']} ratings, {at_['complete']} of "
            f"{at_['records']} records complete, {at_['conflicts']} conflicts, {at_['hidden']} hidden items"
        )
        for work in at_["people"] if campaign is not None else ():
            pace = "" if work["seconds"] is None else f", {work['seconds']:.0f} s each"
            lines.append(
                f"   {work['person']['name']}: {work['submitted']} submitted, {work['skipped']} skipped{pace}"
            )
    none = "there is no campaign yet; make one with star annotations create NAME"
    _say({"database": database.place, "campaigns": shown}, "\n".join(lines) or none, as_json)


@app.command()
def add(
    campaign: Campaign,
    record: Annotated[int, typer.Argument(help="Number of a record.")],
    known: Annotated[
        list[str] | None, typer.Option(help="The right answer: faithful=1, or left, right, tie. Repeatable.")
    ] = None,
    who: As = None,
) -> None:
    """Give a record a known answer: it becomes a hidden item from now on."""
    from star.annotation.campaigns import set_gold
    from star.annotation.documents import Known
    from star.annotation.models import Record

    database = _database()
    number = _campaign(database, campaign)
    with database.read() as session:
        row = session.get(Record, record)
        if row is None or row.campaign_id != number:
            raise UserError(f"campaign {number} has no record number {record}")
    scores: dict[str, int] = {}
    choice: Any = None
    for given in known or ():
        key, sign, value = given.partition("=")
        if sign and value.isdigit():
            scores[key] = int(value)
        elif not sign and key in ("left", "right", "tie"):
            choice = key
        else:
            raise UserError(f"--known {given!r}; expected CRITERION=1 to 5, or left, right, tie")
    set_gold(database, _lead(database, who), record, Known(scores, choice))
    typer.echo(f"record {record} is a hidden item now")


@app.command()
def withdraw(
    name: Annotated[str, typer.Argument(help="Name or pseudonym of the annotator.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    who: As = None,
) -> None:
    """Take an annotator out: answers leave statistics and exports for good; a pseudonymous event stays."""
    from star.annotation import people

    database = _database()
    person = people.find(database, name)
    if not yes:
        typer.confirm(f"Withdraw {person.name} for good?", abort=True)
    people.withdraw(database, _lead(database, who), person.id)
    typer.echo(f"{person.pseudonym} is withdrawn")


@app.command()
def export(
    campaign: Campaign,
    folder: Annotated[Path, typer.Argument(help="Folder to write; files in it are replaced.")],
    format: Annotated[str, typer.Option(help="jsonl, csv, parquet, or trl for DPO and KTO.")] = "jsonl",
) -> None:
    """Write a campaign's ratings, records and traces as files."""
    from star.annotation.collect import export as write

    database = _database()
    for file in write(database, _campaign(database, campaign), folder, format):
        typer.echo(str(file))


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="Folder that star annotations export wrote.")],
    name: Annotated[str | None, typer.Option(help="Name of the campaign here; its own if left out.")] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Bring an exported campaign with its answers into this database."""
    from star.annotation.importing import bring

    database = _database()
    made = bring(database, _lead(database, who), folder, name)
    left = f", {made.left_out} of withdrawn people left out" if made.left_out else ""
    words = f"campaign {made.campaign}: {made.records} records, {made.answers} answers, {made.decisions} decisions{left}"
    _say(asdict(made), words, as_json)


@app.command()
def agreement(
    campaign: Campaign,
    seed: Annotated[int, typer.Option(help="Of the bootstraps.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Krippendorff's α per criterion, win rates, everyone's conduct."""
    from star.annotation.collect import campaign_report

    database = _database()
    made = campaign_report(database, _campaign(database, campaign), seed)
    lines = [
        f"{row['criterion']}: α {_number(row['alpha'])} ({_number(row['alpha_ci'][0])} to "
        f"{_number(row['alpha_ci'][1])}), mean {_number(row['mean'])}, {row['ratings']} ratings"
        for row in made["criteria"]
    ]
    lines += [
        f"{row['system']} against {row['against']}: preferred in {_number(row['rate'])} "
        f"({_number(row['ci'][0])} to {_number(row['ci'][1])}) of {row['n']} answers"
        for row in made["contest"]["win_rates"]
    ]
    for row in made["annotators"]:
        gold = f", hidden items passed {_number(row['gold_pass_rate'])}" if row["gold"] else ""
        lines.append(f"{row['annotator']}: {row['records']} records{gold}")
    _say(made, "\n".join(lines) or "nothing has been submitted yet", as_json)


@app.command()
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
    from star.annotation import adjudication
    from star.annotation.answers import Answer
    from star.annotation.rubric import CANNOT_JUDGE

    database = _database()
    lead, number = _lead(database, who), _campaign(database, campaign)
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
        return _say({"conflicts": document}, "\n".join(lines) or "no record waits for a decision", as_json)
    scores: dict[str, Any] = {}
    for given in rating or ():
        key, _, value = given.partition("=")
        if value != "?" and not value.isdigit():
            raise UserError(f"--rating {given!r}; expected CRITERION=1 to 5, or CRITERION=?")
        scores[key] = CANNOT_JUDGE if value == "?" else int(value)
    seen = adjudication.look(database, lead, record).conflict.decisions
    answer = Answer(scores, choice, reason=reason)  # type: ignore[arg-type]
    made = adjudication.decide(database, lead, record, answer, after=seen)
    _say({"record": record, "decision": made}, f"record {record} is decided (decision {made})", as_json)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="FILE.jsonl for a portable dump, else a SQLite copy.")],
) -> None:
    """Write the whole database to a file, while others go on working."""
    from star.annotation.backup import backup as write

    database = _database()
    write(database, file)
    typer.echo(
        f"{database.place} is backed up in {file}; it holds names and password hashes, keep it private"
    )


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="What star annotations backup wrote.")]) -> None:
    """Fill an empty database from a backup."""
    from star.annotation.backup import restore as read

    database = _database()
    read(database, file)
    typer.echo(f"{database.place} is restored from {file}")


@app.command()
def rubric(
    file: Annotated[Path | None, typer.Argument(help="YAML to publish as the next version.")] = None,
    show: Annotated[
        int | None, typer.Option(help="Print the rubric with this number; 0 is the one that ships.")
    ] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """List published rubrics, print one, or publish the next version."""
    from star.annotation import rubric as rubrics

    database = _database()
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"rubric {file} cannot be read ({error}); expected a YAML file") from None
        made = rubrics.publish(database, _lead(database, who), rubrics.parse(text))
        return _say({"id": made.id, "label": made.label}, f"rubric {made.id}: {made.label}", as_json)
    known = rubrics.versions(database)
    if show is not None:
        found = rubrics.default() if show == 0 else next((v.rubric for v in known if v.id == show), None)
        if found is None:
            raise UserError(f"there is no rubric number {show}; star annotations rubric lists them")
        typer.echo(
            json.dumps(asdict(found), ensure_ascii=False, indent=1) if as_json else rubrics.text(found)
        )
        return
    rows = [{"id": v.id, "label": v.label, "criteria": list(v.rubric.keys)} for v in known]
    none = "none is published yet; the first campaign publishes the one that ships (--show 0 prints it)"
    _say(
        {"rubrics": rows},
        "\n".join(f"{v.id}  {v.label}: {', '.join(v.rubric.keys)}" for v in known) or none,
        as_json,
    )


@people_app.command("add")
def add_person(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[str, typer.Option(help="annotator, adjudicator or lead.")] = "annotator",
    password_file: Annotated[
        Path | None, typer.Option(help="File whose first line is the password; else it is asked for.")
    ] = None,
) -> None:
    """Make an account."""
    from star.annotation import people

    person = people.add(_database(), name, role, _password(password_file))  # type: ignore[arg-type]
    typer.echo(f"{person.name} may sign in as {person.role}")


@people_app.command("password")
def new_password(
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    password_file: Annotated[
        Path | None, typer.Option(help="File whose first line is the password; else it is asked for.")
    ] = None,
) -> None:
    """Give an account a new password: its sessions end, a lock is lifted."""
    from star.annotation import people

    person = people.set_password(_database(), name, _password(password_file))
    typer.echo(f"{person.name} has a new password")


@people_app.command("list")
def list_people(as_json: AsJson = False) -> None:
    """Who there is."""
    from star.annotation import people

    rows = [{"name": p.name, "role": p.role, "pseudonym": p.pseudonym} for p in people.everyone(_database())]
    lines = [f"{row['pseudonym']}  {row['role']:<11} {row['name']}" for row in rows]
    _say({"people": rows}, "\n".join(lines) or "nobody yet", as_json)


def _database() -> Database:
    from star.annotation.migrate import open_database

    return open_database()


def _lead(database: Database, name: str | None) -> Person:
    from star.annotation import people

    if name is not None:
        return people.require(people.find(database, name), "lead")
    try:
        return people.require(people.find(database, SELF), "lead")
    except people.Refused:
        raise
    except UserError:
        return people.add(database, SELF, "lead")


def _campaign(database: Database, given: str) -> int:
    from star.annotation import campaigns

    known = campaigns.names(database)
    if given.isdigit() and int(given) in known:
        return int(given)
    for id, name in known.items():
        if name == given:
            return id
    have = ", ".join(f"{id} {name!r}" for id, name in known.items()) or "none"
    raise UserError(f"there is no campaign {given[:80]!r}; there are: {have}")


def _mix(given: list[str] | None) -> dict[str, float]:
    mix = {}
    for part in given or ():
        level, _, share = part.partition("=")
        try:
            mix[level] = float(share)
        except ValueError:
            raise UserError(f"--difficulty {part!r}; expected a share, as hard=0.5") from None
    return mix


def _password(file: Path | None) -> str:
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"password file {file} cannot be read ({error})") from None
    return lines[0] if lines else ""


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


def _say(document: Any, words: str, as_json: bool) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else words)
