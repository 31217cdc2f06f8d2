"""Tables that a person at this machine opens on the page: one CSV at a time, imported in memory, gone with the server.

The route exists with `star serve --uploads` alone, and that is refused where others can reach the page.
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import anyio.to_thread
from fastapi.responses import JSONResponse, Response
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.importers.build import build
from star.data.importers.guess import guessed
from star.data.importers.raw import silent
from star.data.importers.separated import layout
from star.data.importers.table import read_table
from star.data.words import words_for
from star.errors import UserError
from star.plain_text import one_line
from star.settings import Settings
from star.ui.offered import Offered
from star.ui.security import scratch
from star.ui.security.auth import HEADER
from star.ui.security.guard import Unfit, local, whole
from star.ui.security.policy import Policy

ROUTE = "/star-upload/table"
LARGEST = 8_000_000  # bytes of a table
ROWS = 500_000
COLUMNS = 100
LINE = 20_000  # bytes of one row
MOST = 4  # tables at a time
NAME = 60  # characters of a file's name that are shown
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def allowed(settings: Settings) -> bool:
    """Whether tables may be uploaded.

    Raises:
        UserError: they are asked for, and other machines can reach the page.
    """
    if settings.uploads and not local(settings):
        raise UserError(
            "--uploads is for a page that only this machine reaches; leave it out, or leave out --host, --proxy and "
            "--allowed-hosts"
        )
    return settings.uploads


class Uploads:
    """Imports tables and adds them to what the server offers. What is fitted to them lies in a private temporary folder."""

    def __init__(self, offered: Offered) -> None:
        self._offered = offered
        self._one = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="tables-", dir=scratch.folder()))
        self._made = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: the route. `?name=` is shown as the data set's title, `?domain=` chooses its words."""
        request = HTTPConnection(scope)
        answer: Response
        try:
            if scope["method"] != "POST":
                raise Unfit(405, f"{str(scope['method'])[:20]} is not used here")
            if HEADER not in request.headers:
                raise Unfit(403, f"this call lacks the header {HEADER}, which our own page sends")
            body = await whole(request, receive, LARGEST, "text/csv")
            title, domain = request.query_params.get("name", ""), request.query_params.get("domain", "item")
            made = await anyio.to_thread.run_sync(self.add, body, title, domain)
            answer = JSONResponse({"dataset": made.name})
        except Unfit as error:
            headers = {"Connection": "close"} if error.status == 413 else None
            answer = JSONResponse({"error": str(error)}, error.status, headers)
        except UserError as error:
            answer = JSONResponse({"error": one_line(str(error))}, 400)
        await Policy(answer)(scope, receive, send)

    def add(self, body: bytes, title: str, domain: str) -> Dataset:
        """Import a table; only a whole one is added.

        Args:
            title: name of its file, which is shown and names no path.
            domain: of `star.data.words.DOMAINS`.

        Raises:
            UserError: no table that can be used, or too many.
        """
        if not self._one.acquire(blocking=False):
            raise UserError("another table is being read; try again in a moment")
        try:
            if self._made >= MOST:
                raise UserError(f"{MOST} tables are open already; start the server again to open others")
            _plain(body)
            name = self._offered.free("upload")
            with tempfile.TemporaryDirectory(dir=self._folder) as place:
                read = _imported(Path(place) / "table.csv", body, name)
            title = one_line(title.replace("\\", "/").rpartition("/")[2])[:NAME] or name
            words = words_for("table", domain)
            made = replace(
                read,
                catalog=Catalog(read.catalog.items, words),
                manifest=read.manifest | {"title": title, "source": "a table of your own"},
                fitted=self._folder / name,
            )
            self._offered.add(made, title)
            self._made += 1
            return made
        finally:
            self._one.release()


def _plain(body: bytes) -> None:
    """Raises UserError for what is no plain text of separated lines, or is too long or too wide."""
    try:
        if b"\x00" in body:
            raise ValueError
        body.decode("utf-8")
    except ValueError:
        raise UserError("the file is no CSV: it is not UTF-8 text; export the sheet as CSV UTF-8") from None
    lines = body.splitlines()
    if not any(line.strip() for line in lines):
        raise UserError("the file is empty; expected comma-separated text with a header line")
    if body.lstrip()[:1] in (b"{", b"[", b"<"):
        raise UserError("the file is no CSV; expected comma-separated text with a header line")
    if len(lines) > ROWS + 1:
        raise UserError(f"the table has more than {ROWS:,} rows; import it with: star import table")
    if max(map(len, lines)) > LINE:
        raise UserError(f"a row of the table has more than {LINE:,} bytes; shorten its text")


def _imported(file: Path, body: bytes, name: str) -> Dataset:
    file.write_bytes(body)
    try:
        names = layout(file, file).names
        if len(names) > COLUMNS:
            raise UserError(f"the table has {len(names)} columns, and at most {COLUMNS} can be read")
        if len(names) == 1:
            for mark, word in OTHER_SEPARATORS.items():
                if mark in names[0]:
                    raise UserError(f"the table is separated by {word}; expected commas")
        raw = read_table(file, guessed(names), "your own", say=silent)
        return build(raw, name, say=silent)
    except UserError as error:
        said = str(error).replace(f"{file}: ", "").replace(str(file), "the table")
        raise UserError(said.partition("; lower --")[0]) from None
