"""`star annotations create|status|add|withdraw|rubric|backup|restore`: campaigns and the database, from the command line.

Whoever has a shell beside the database leads: commands that need a lead act as the person `command line`, or as `--as NAME`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from star.display import document, echo, isolated, line
from star.errors import UserError

if TYPE_CHECKING:
    from star.annotation.storage.database import Database
    from star.annotation.workflow.people import Person

SELF = "command line"

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
As = Annotated[str | None, typer.Option("--as", help="Name of the lead who does it.")]
NAMING = (
    "Number or name of the campaign. #3 is always the number and name:3 always the name; a plain 3 that is the number of "
    "one campaign and the name of another is refused."
)
Campaign = Annotated[str, typer.Argument(help=NAMING)]


def create(
    name: Annotated[str, typer.Argument(help="Name of the campaign.")],
    dataset: Annotated[str, typer.Option(help="Data set: demo, or an imported one.")] = "demo",
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="star or mars; a seed as star@7, a checkpoint as star=FOLDER. Repeatable."
        ),
    ] = None,
    pair: Annotated[bool, typer.Option(help="Two traces side by side, blinded.")] = False,
    records: Annotated[int, typer.Option(help="How many records.")] = 50,
    overlap: Annotated[int, typer.Option(help="Ratings per record.")] = 3,
    gold_share: Annotated[
        float, typer.Option(help="Share of gold items with a known answer, 0 to 0.5.")
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
    from star.annotation.workflow.making import CampaignRequest, make
    from star.data.loading import load_dataset
    from star.data.tasks import MIX

    request = CampaignRequest(
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
    database = database_here()

    made = 0

    def watch(done: int, total: int) -> None:
        nonlocal made
        made = done
        if sys.stderr.isatty():
            print(
                f"\r{done} of {total} records", end="\n" if done == total else "", file=sys.stderr, flush=True
            )

    with interruptible() as stopped:
        number = make(
            database, lead_here(database, who), request, load_dataset(dataset), model, None, watch, stopped
        )
    words = f"campaign {number} {name!r} is ready to be rated"
    total = request.records + request.hidden
    if stopped() and made < total:
        words += f"; it was stopped and holds {made} of {total} records"
    say({"campaign": number, "name": name, "records": made, "asked": total}, [words], as_json)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C is kept for whoever asks, so that work can end after the step it is at; a second one ends it at once."""
    caught = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield caught.is_set  # signals reach the main thread alone
        return

    def keep(*_: object) -> None:
        caught.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, keep)
    try:
        yield caught.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def status(
    campaign: Annotated[str | None, typer.Argument(help="All campaigns if left out. " + NAMING)] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Where campaigns stand: ratings done and wanted, conflicts, everyone's pace."""
    from star.annotation.workflow import campaigns
    from star.annotation.workflow.status import status as look

    database = database_here()
    lead = lead_here(database, who)
    shown: list[dict[str, Any]] = []
    number = None if campaign is None else campaign_here(database, campaign)
    for one in campaigns.campaigns(database):
        if number in (None, one.id):
            at = look(database, lead, one.id)
            shown.append({"id": one.id, "rubric": one.rubric, "plan": asdict(one.plan), "status": asdict(at)})
    lines = []
    for found in shown:
        plan, at_ = found["plan"], found["status"]
        lines.append(
            f"{found['id']}  {isolated(plan['name'])}: {at_['done']} of {at_['wanted']} ratings, {at_['complete']} of "
            f"{at_['records']} records complete, {at_['conflicts']} conflicts, {at_['hidden']} gold items"
        )
        for work in at_["people"] if campaign is not None else ():
            pace = "" if work["seconds"] is None else f", {work['seconds']:.0f} s each"
            lines.append(
                f"   {isolated(work['person']['name'])}: {work['submitted']} submitted, {work['skipped']} skipped{pace}"
            )
    none = "there is no campaign yet; make one with star annotations create NAME"
    say({"database": database.place, "campaigns": shown}, lines or [none], as_json)


def add(
    campaign: Campaign,
    record: Annotated[int, typer.Argument(help="Number of a record.")],
    known: Annotated[
        list[str] | None, typer.Option(help="The right answer: faithful=1, or left, right, tie. Repeatable.")
    ] = None,
    who: As = None,
) -> None:
    """Give a record a known answer: it becomes a gold item from now on."""
    from star.annotation.workflow.campaigns import set_gold
    from star.annotation.workflow.documents import GoldAnswer
    from star.annotation.workflow.text import digits

    database = database_here()
    number = campaign_here(database, campaign)
    record_here(database, number, record)
    scores: dict[str, int] = {}
    choice: Any = None
    for given in known or ():
        key, sign, value = given.partition("=")
        if sign and (score := digits(value)) is not None:
            scores[key] = score
        elif not sign and key in ("left", "right", "tie"):
            choice = key
        else:
            raise UserError(f"--known {given[:80]!r}; expected CRITERION=1 to 5, or left, right, tie")
    set_gold(database, lead_here(database, who), record, GoldAnswer(scores, choice))
    echo(f"record {record} is a gold item now")


def withdraw(
    name: Annotated[str, typer.Argument(help="Name or pseudonym of the annotator.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    who: As = None,
) -> None:
    """Take an annotator out: answers leave statistics and exports for good; a pseudonymous event stays."""
    from star.annotation.workflow import people

    database = database_here()
    person = people.find(database, name)
    if not yes:
        typer.confirm(line(f"Withdraw {isolated(person.name)} for good?"), abort=True)
    people.withdraw(database, lead_here(database, who), person.id)
    echo(f"{person.pseudonym} is withdrawn")


def backup(
    file: Annotated[Path, typer.Argument(help="FILE.jsonl for a portable dump, else a SQLite copy.")],
) -> None:
    """Write the whole database to a file, while others go on working."""
    from star.annotation.storage.backup import backup as write

    database = database_here()
    write(database, file)
    echo(f"{database.place} is backed up in {file}; it holds names and password hashes, keep it private")


def restore(file: Annotated[Path, typer.Argument(help="What star annotations backup wrote.")]) -> None:
    """Fill an empty database from a backup."""
    from star.annotation.storage.backup import restore as read

    database = database_here()
    read(database, file)
    echo(f"{database.place} is restored from {file}")


def rubric(
    file: Annotated[Path | None, typer.Argument(help="YAML to publish as the next version.")] = None,
    show: Annotated[
        int | None, typer.Option(help="Print the rubric with this number; 0 is the one that ships.")
    ] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """List published rubrics, print one, or publish the next version."""
    from star.annotation.workflow import rubric as rubrics

    database = database_here()
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"rubric {file} cannot be read ({error}); expected a YAML file") from None
        made = rubrics.publish(database, lead_here(database, who), rubrics.parse(text))
        return say(
            {"id": made.id, "label": made.label}, [f"rubric {made.id}: {isolated(made.label)}"], as_json
        )
    known = rubrics.versions(database)
    if show is not None:
        found = rubrics.default() if show == 0 else next((v.rubric for v in known if v.id == show), None)
        if found is None:
            raise UserError(f"there is no rubric number {show}; star annotations rubric lists them")
        return say(asdict(found), rubrics.text(found).splitlines(), as_json, indent=1)
    rows = [{"id": v.id, "label": v.label, "criteria": list(v.rubric.keys)} for v in known]
    none = "none is published yet; the first campaign publishes the one that ships (--show 0 prints it)"
    say(
        {"rubrics": rows},
        [f"{v.id}  {isolated(v.label)}: {', '.join(map(isolated, v.rubric.keys))}" for v in known] or [none],
        as_json,
    )


def database_here() -> Database:
    from star.annotation.storage.migrate import open_database

    return open_database()


def lead_here(database: Database, name: str | None) -> Person:
    from star.annotation.workflow import people

    if name is not None:
        return people.require(people.find(database, name), "lead")
    try:
        return people.require(people.find(database, SELF), "lead")
    except people.Refused:
        raise
    except UserError:
        return people.add(database, SELF, "lead")


def campaign_here(database: Database, given: str) -> int:
    """Number of the campaign that somebody named (`NAMING`).

    Raises:
        UserError: none is meant, or two.
    """
    from star.annotation.workflow import campaigns
    from star.annotation.workflow.text import digits

    known = campaigns.names(database)
    named = {id for id, name in known.items() if name in (given, given.removeprefix("name:"))}
    number = digits(given.removeprefix("#"))
    meant = named | {id for id in known if id == number}
    if len(meant) == 1:
        return meant.pop()
    if meant:
        ways = " or ".join(f"#{id} for {known[id]!r}" for id in sorted(meant))
        raise UserError(f"{given[:80]!r} names {len(meant)} campaigns, by number and by name; write {ways}")
    have = ", ".join(f"{id} {name!r}" for id, name in known.items()) or "none"
    raise UserError(f"there is no campaign {given[:80]!r}; there are: {have[:2000]}")


def record_here(database: Database, campaign: int, record: int) -> None:
    """Look that a campaign has this record.

    Raises:
        UserError: it has not.
    """
    from star.annotation.storage.models import Record
    from star.annotation.workflow.text import ID_MOST, whole

    whole(record, "the record's number", 1, ID_MOST)
    with database.read() as session:
        row = session.get(Record, record)
        if row is None or row.campaign_id != campaign:
            raise UserError(f"campaign {campaign} has no record number {record}")


def _mix(given: list[str] | None) -> dict[str, float]:
    mix = {}
    for part in given or ():
        level, _, share = part.partition("=")
        try:
            mix[level] = float(share)
        except ValueError:
            raise UserError(f"--difficulty {part[:80]!r}; expected a share, as hard=0.5") from None
    return mix


def say(answer: Any, words: Sequence[str], as_json: bool, indent: int | None = None) -> None:
    """An answer as one JSON document, or in lines of words."""
    if as_json:
        print(document(answer, indent))
    else:
        echo(*words)
