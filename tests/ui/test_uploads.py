"""Tables of one's own: what is taken, what is refused and costs nothing, and that there is no route without the switch."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy
from fastapi.testclient import TestClient
from own_table import own_table
from test_pages import Toys

from star.errors import UserError
from star.evidence.fitting import kept_signals
from star.settings import Settings
from star.ui import uploads as module
from star.ui.security.guard import HERE
from star.ui.server import several
from star.ui.uploads import LARGEST, ROUTE, Uploads, allowed

SENT = {"x-star": "1", "content-type": "text/csv"}


def offer() -> Toys:
    return Toys(("toy", "pictures"), {"star": None, "mars": "mars"})


@pytest.fixture
def uploads() -> Uploads:
    return Uploads(offer())


def served(uploads: Uploads | None, offered: Toys) -> Iterator[TestClient]:
    pages = several(offered, offered.loader(offered.home), Settings(), None, None, HERE.__contains__, uploads)
    with TestClient(pages, base_url="http://127.0.0.1", follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def client() -> Iterator[TestClient]:
    offered = offer()
    yield from served(Uploads(offered), offered)


@pytest.fixture(scope="module")
def closed() -> Iterator[TestClient]:
    """One for all requests that are refused, and so leave nothing."""
    offered = offer()
    yield from served(Uploads(offered), offered)


def left(uploads: Uploads) -> list[Path]:
    return [file for file in uploads._folder.rglob("*")]


def test_without_the_switch_there_is_no_route() -> None:
    for client in served(None, offer()):
        for root in ("", "/at/pictures/star"):
            client.get(f"{root}/")
            for method in ("POST", "GET", "PUT", "OPTIONS"):
                answer = client.request(method, root + ROUTE, content=own_table(), headers=SENT)
                assert answer.status_code in (404, 405, 413, 415), (method, root)
        assert "data-upload" not in client.get("/").text


def test_a_table_is_offered_and_its_page_opens(client: TestClient) -> None:
    sent = client.post(ROUTE, params={"name": "songs.csv", "domain": "item"}, content=own_table(), headers=SENT)
    assert (sent.status_code, sent.json()) == (200, {"dataset": "upload-1"})
    assert client.get("/?dataset=upload-1").headers["location"] == "/at/upload-1/star/"
    page = client.get("/at/upload-1/star/").text
    assert "songs.csv" in page and "data-upload" in page
    assert client.get("/at/upload-1/star/star-lead/team").status_code == 404, "nothing of it is kept"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b" \n \n", "is empty"),
        (gzip.compress(b"user,item\n" * 1_000_000), "no CSV"),
        (b"\x89PNG\r\n\x1a\n\x00", "no CSV"),
        (b"PAR1\x00\x00PAR1", "no CSV"),
        ("user,item\nä,b\n".encode("utf-16"), "no CSV"),
        (b'{"user": 1, "item": 2}\n', "no CSV"),
        (b"<html><body>no</body></html>", "no CSV"),
        (b"a,b\n1,2\n", "the columns are"),
        (b"user;item\n1;2\n", "separated by semicolons"),
        (b"user,item\n", "no rows"),
        (b"user,item\n1,2\n", "no reader with 5 or more items"),
        (b"user,item\n,2\n", "is empty in 1 rows"),
        (b"user,item,time\n1,2,never\n", "time"),
        (b"user,item\n" + b"x" * (module.LINE + 1) + b",1\n", "20,000 bytes"),
        (b"user,item\n" + b"1,2\n" * (module.ROWS + 1), "500,000 rows"),
        (b"user,item," + b",".join(b"c%d" % n for n in range(200)) + b"\n", "columns"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_costs_nothing(uploads: Uploads, body: bytes, words: str) -> None:
    before = uploads._offered.datasets
    with pytest.raises(UserError, match=words) as error:
        uploads.add(body, "x.csv", "item")
    said = str(error.value)
    assert "\n" not in said and str(uploads._folder) not in said and "--min" not in said, said
    assert uploads._offered.datasets == before and left(uploads) == []
    uploads.add(own_table(), "good.csv", "item")


def test_a_zip_bomb_is_refused_unopened(uploads: Uploads) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", b"user,item\n" + b"1,2\n" * 1_000_000)
    assert len(packed.getvalue()) < LARGEST
    with pytest.raises(UserError, match="no CSV"):
        uploads.add(packed.getvalue(), "table.csv", "item")
    assert left(uploads) == []


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\loans.csv", "loans.csv"),
        ("/etc/", "upload-1"),
        ("a\nb\x00.csv", None),
        ("x" * 5_000, "x" * module.NAME),
    ],
)
def test_a_files_name_names_no_path(uploads: Uploads, name: str, title: str | None) -> None:
    made = uploads.add(own_table(), name, "book")
    shown = made.manifest["title"]
    assert title is None or shown == title
    assert "\n" not in shown and "\x00" not in shown and len(shown) <= module.NAME
    assert made.name == "upload-1" and left(uploads) == [], "the table itself is not kept"
    assert made.catalog.words.item == "book"


def test_what_is_fitted_to_a_table_lies_in_the_sandbox(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from star.data.tasks import split
    from star.evidence.graph import Graph
    from star.evidence.tools import Attributes

    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    made = uploads.add(own_table(), "songs.csv", "item")
    parts = split(made.interactions)
    kept_signals(made, parts, Graph.build(made.interactions, parts.train), Attributes.of(made.catalog))
    assert left(uploads) and list(tmp_path.iterdir()) == []
    assert uploads._folder.stat().st_mode & 0o077 == 0, "others could read it"


def test_there_are_only_so_many(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    uploads.add(own_table(), "a.csv", "item")
    uploads.add(own_table(), "b.csv", "item")
    with pytest.raises(UserError, match="2 tables are open already"):
        uploads.add(own_table(), "c.csv", "item")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"x-star": None}, 403),
        ({"content-type": "application/json"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"origin": "http://evil.example"}, 403),
        ({"host": "evil.example"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
    ],
    ids=str,
)
def test_only_the_page_itself_uploads(closed: TestClient, change: dict[str, str | None], status: int) -> None:
    headers = {name: value for name, value in (SENT | change).items() if value is not None}
    assert closed.post(ROUTE, content=own_table(), headers=headers).status_code == status
    assert closed.get(ROUTE).status_code in (404, 405)


def test_a_body_that_is_too_large_is_not_read(closed: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(2 * LARGEST // 100_000):
            yield b"1" * 100_000

    assert closed.post(ROUTE, content=b"1" * (LARGEST + 1), headers=SENT).status_code == 413
    assert closed.post(ROUTE, content=endless(), headers=SENT).status_code == 413


def test_the_switch_opens_nothing_else(closed: TestClient) -> None:
    for path in ("/gradio_api/upload", f"{ROUTE}/x", "/star-upload/", "/star-upload/other"):
        assert closed.post(path, content=own_table(), headers=SENT).status_code in (404, 405, 415), path
    large = {"x-star": "1", "content-type": "application/json"}
    assert closed.post("/gradio_api/queue/join", content=b" " * 1_000_001, headers=large).status_code == 413


@pytest.mark.parametrize(
    "reached", [{"host": "0.0.0.0"}, {"host": "192.168.1.2"}, {"proxy": "127.0.0.1"}, {"allowed_hosts": "a.example"}]
)
def test_uploads_are_for_this_machine_alone(reached: dict[str, str]) -> None:
    assert allowed(Settings(uploads=True)) and not allowed(Settings())
    assert not allowed(Settings(**reached))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="only this machine"):
        allowed(Settings(uploads=True, **reached))  # type: ignore[arg-type]


def test_a_title_is_shown_as_text(client: TestClient) -> None:
    client.post(ROUTE, params={"name": toy.HOSTILE}, content=own_table(), headers=SENT)
    assert toy.HOSTILE not in client.get("/").text
