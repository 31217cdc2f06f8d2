"""Door API: entering by name on one machine, signing in with accounts, leaving; and the login page."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict

from star.annotation.workflow import people, sessions
from star.annotation.workflow.people import Person, Refused
from star.ui.assets import script, stylesheet
from star.ui.page import ICON
from star.ui.security.address import address
from star.ui.security.auth import COOKIE, Door


class Enter(BaseModel):
    """`role`: of a name not seen before."""

    model_config = ConfigDict(extra="forbid")
    name: str
    role: Literal["annotator", "lead"] = "annotator"


class SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    password: str


def router(door: Door) -> APIRouter:
    """The routes under `/star-door/`; nobody needs to be signed in for them."""
    database = door.database
    routes = APIRouter(prefix="/star-door")

    def said(person: Person | None) -> dict[str, Any]:
        shown = None if person is None else {"name": person.name, "role": person.role}
        # Names are picked from a list only where everybody sits at the same machine.
        names = [] if door.auth else [p.name for p in people.everyone(database)]
        return {"auth": door.auth, "person": shown, "people": names}

    @routes.get("/me")
    def me(request: Request) -> dict[str, Any]:
        """Who is here."""
        door.ours(request)
        return said(door.person(request))

    @routes.post("/enter")
    def enter(asked: Enter, request: Request, response: Response) -> dict[str, Any]:
        """Come in by name, without a password: on one machine only."""
        door.ours(request)
        if door.auth:
            raise Refused("this page has accounts; sign in with a password")
        person = people.enter(database, asked.name, asked.role)
        if asked.role == "lead" and person.role != "lead":
            raise Refused(f"{person.name!r} is known here as {person.role}; choose another name for the lead")
        door.let_in(response, request, person)
        return said(person)

    @routes.post("/sign-in")
    def sign_in(asked: SignIn, request: Request, response: Response) -> dict[str, Any]:
        """With name and password; failures lock the name for this address for a while (`attempts`)."""
        door.ours(request)
        person = people.authenticate(database, asked.name, asked.password, address(request))
        door.let_in(response, request, person)
        return said(person)

    @routes.post("/sign-out")
    def sign_out(request: Request, response: Response) -> dict[str, Any]:
        """With accounts all sessions of the person end; on one machine only this browser's."""
        door.ours(request)
        person = door.person(request)
        if person is not None and door.auth:
            sessions.sign_out(database, person)
        elif person is not None:
            sessions.end(database, request.cookies.get(COOKIE))
        response.delete_cookie(COOKIE, path="/")
        return said(None)

    @routes.get("/login")
    def login() -> HTMLResponse:
        """The page where one signs in."""
        return HTMLResponse(PAGE.format(head=_head()), headers={"Cache-Control": "no-store"})

    return routes


def _head() -> str:
    icon = f'<link rel="icon" href="{ICON}">'
    tags = icon + stylesheet("star.css") + stylesheet("annotate.css") + script("login.js")
    return tags.replace('="star-assets/', '="../star-assets/')


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>STAR · sign in</title>{head}</head>
<body class="star-login"><main>
<h1>STAR</h1><p>Sign in with the name and password that a lead gave you.</p>
<form>
<label>Name<input name="name" autocomplete="username" required autofocus maxlength="80"></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Sign in</button>
<p role="alert" data-said></p>
</form></main></body></html>
"""
