"""A toy page to attack, served by its own process, open or with accounts."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import annotating
import httpx
from serving import Page, free_port, serve, toy_command

from star.annotation.storage.migrate import open_database
from star.annotation.workflow import people

NAME, PASSWORD = "Ann", "correct horse battery"
HEADERS = {"x-star": "1"}


@dataclass
class Attacked:
    """`url`, the process, the folder with its log, its database and (in `scratch`) all temporary files."""

    url: str
    process: Page
    folder: Path
    auth: bool
    cookies: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def client(self, signed_in: bool = True) -> Iterator[httpx.Client]:
        """A visitor, signed in: with accounts as annotator, on an open page as its lead."""
        with httpx.Client(base_url=self.url, timeout=30, headers=HEADERS) as client:
            if signed_in and not self.cookies:  # once: attacks fail often enough to lock sign-in
                account = {"name": NAME, "password": PASSWORD}
                enter = {"name": "Lea", "role": "lead"}
                path, body = ("sign-in", account) if self.auth else ("enter", enter)
                client.post(f"/star-door/{path}", json=body).raise_for_status()
                self.cookies = dict(client.cookies)
            elif signed_in:
                client.cookies.update(self.cookies)
            yield client

    @contextmanager
    def posting(self) -> Iterator[Callable[[str, str], tuple[int, str]]]:
        """Posts JSON to a path as a signed-in visitor, with the standard library's client, since httpx takes longer:
        status and text of the answer."""
        with self.client():
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**HEADERS, "content-type": "application/json", "cookie": cookies}
        wire = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)

        def post(path: str, body: str) -> tuple[int, str]:
            wire.request("POST", path, body.encode(), headers)
            answer = wire.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")

        yield post
        wire.close()

    @property
    def database(self) -> Path:
        return self.folder / "annotations.sqlite"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def memory(self) -> int:
        """Resident memory of the server's process, in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def attacked(folder: Path, auth: bool, database: str | None = None) -> Iterator[Attacked]:
    """Serve until the end of the block. `database`: its address, where it is not a SQLite file in the folder."""
    (folder / "scratch").mkdir()
    opened = open_database(database or str(folder / "annotations.sqlite"))
    annotating.campaign(opened, 6)
    if auth:
        people.add(opened, NAME, "annotator", PASSWORD)
    opened.close()
    port = free_port()
    more = {"STAR_AUTH": str(auth).lower(), "TMPDIR": str(folder / "scratch"), "TOY_DELAY": "0"}
    more["TOY_IMPORTS"] = (
        "torch torch._dynamo sklearn.ensemble sklearn.metrics sklearn.feature_extraction.text sklearn.linear_model"
    )
    if database is not None:
        more["STAR_DATABASE_URL"] = database
    process, url = serve(toy_command(port), port, folder / "log", **more)
    try:
        yield Attacked(url, process, folder, auth)
    finally:
        process.kill()
        process.wait(20)
