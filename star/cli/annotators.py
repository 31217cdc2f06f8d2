"""`star annotators`: accounts for `star serve --auth`, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from star.cli.annotations import AsJson, database_here, say
from star.display import echo, isolated
from star.errors import UserError


def add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[str, typer.Option(help="annotator, adjudicator or lead.")] = "annotator",
    password_file: Annotated[
        Path | None, typer.Option(help="File whose first line is the password; else it is asked for.")
    ] = None,
) -> None:
    """Make an account."""
    from star.annotation.workflow import people

    person = people.add(database_here(), name, role, _password(password_file))  # type: ignore[arg-type]
    echo(f"{isolated(person.name)} may sign in as {person.role}")


def password(
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    password_file: Annotated[
        Path | None, typer.Option(help="File whose first line is the password; else it is asked for.")
    ] = None,
) -> None:
    """Give an account a new password: its sessions end, a lock is lifted."""
    from star.annotation.workflow import people

    person = people.set_password(database_here(), name, _password(password_file))
    echo(f"{isolated(person.name)} has a new password")


def unlock(name: Annotated[str, typer.Argument(help="Name of the account.")]) -> None:
    """Lift the locks on a name after failed sign-ins, and those on addresses."""
    from star.annotation.workflow import people

    person = people.unlock(database_here(), name)
    echo(f"{isolated(person.name)} may try again, from any address")


def list_(as_json: AsJson = False) -> None:
    """Who there is."""
    from star.annotation.workflow import people

    rows = [
        {"name": p.name, "role": p.role, "pseudonym": p.pseudonym} for p in people.everyone(database_here())
    ]
    lines = [f"{row['pseudonym']}  {row['role']:<11} {isolated(row['name'])}" for row in rows]
    say({"people": rows}, lines or ["nobody yet"], as_json)


def _password(file: Path | None) -> str:
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"password file {file} cannot be read ({error})") from None
    return lines[0] if lines else ""
