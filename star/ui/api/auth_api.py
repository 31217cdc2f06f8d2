"""Routes for entering by name on one machine, for signing in with accounts and out again, and the login page."""

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
from star.ui.security.auth import COOKIE, Auth


class EnterBody(BaseModel):
    """`role`: given to a name that is new."""

    model_config = ConfigDict(extra="forbid")
    name: str
    role: Literal["annotator", "lead"] = "annotator"


class SignInBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    password: str


def router(auth: Auth) -> APIRouter:
    """The routes under `/star-door/`; nobody needs to be signed in for them."""
    database = auth.database
    routes = APIRouter(prefix="/star-door")

    def said(person: Person | None) -> dict[str, Any]:
        shown = None if person is None else {"name": person.name, "role": person.role}
        # Names are offered as a list only where everybody uses the same machine.
        names = [] if auth.accounts else [p.name for p in people.everyone(database)]
        return {"auth": auth.accounts, "person": shown, "people": names}

    @routes.get("/me")
    def me(request: Request) -> dict[str, Any]:
        """Who is signed in."""
        auth.require_header(request)
        return said(auth.person(request))

    @routes.post("/enter")
    def enter(asked: EnterBody, request: Request, response: Response) -> dict[str, Any]:
        """Sign in by name, without a password; on one machine only."""
        auth.require_header(request)
        if auth.accounts:
            raise Refused("this page has accounts; sign in with a password")
        person = people.enter(database, asked.name, asked.role)
        if asked.role == "lead" and person.role != "lead":
            raise Refused(f"{person.name!r} is known here as {person.role}; choose another name for the lead")
        auth.start_session(response, request, person)
        return said(person)

    @routes.post("/sign-in")
    def sign_in(asked: SignInBody, request: Request, response: Response) -> dict[str, Any]:
        """Sign in with a password. Failures lock the name for this address for a while (`attempts`)."""
        auth.require_header(request)
        person = people.authenticate(database, asked.name, asked.password, address(request))
        auth.start_session(response, request, person)
        return said(person)

    @routes.post("/sign-out")
    def sign_out(request: Request, response: Response) -> dict[str, Any]:
        """End all sessions of the person with accounts, and only this browser's without."""
        auth.require_header(request)
        person = auth.person(request)
        if person is not None and auth.accounts:
            sessions.sign_out(database, person)
        elif person is not None:
            sessions.end(database, request.cookies.get(COOKIE))
        response.delete_cookie(COOKIE, path="/")
        return said(None)

    @routes.get("/login")
    def login() -> HTMLResponse:
        """The login page."""
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
