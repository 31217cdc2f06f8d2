"""Several pages behind one server: which one an address opens, what stays closed, and how many there are at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy
from fastapi import FastAPI
from fastapi.testclient import TestClient

from star.annotation.storage.database import Database
from star.annotation.storage.migrate import open_database
from star.data.words import FILM
from star.recommend.recommendation import Query
from star.recommend.recommender import answer
from star.settings import Settings
from star.ui import pages as module
from star.ui.loader import Loader
from star.ui.offered import Choice, Offered
from star.ui.pages import Pages
from star.ui.security.guard import HERE
from star.ui.server import several

RUN = "ab" * 16


class Toys(Offered):
    """Two toy data sets: `toy` has books, `pictures` has films."""

    def loader(self, choice: Choice) -> Loader:
        data = replace(toy.dataset(), name=choice.dataset)
        words = FILM if choice.dataset == "pictures" else data.catalog.words
        return Loader(lambda: toy.ToyRecommender(data, 0), lambda: data, words=words)


def served(auth: bool = False, database: Database | None = None) -> Pages:
    offered = Toys(("toy", "pictures"), {"star": None, "mars": "mars"})
    first = offered.loader(offered.home)
    return several(offered, first, Settings(auth=auth), database, database, HERE.__contains__)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(served(), base_url="http://127.0.0.1", follow_redirects=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/?dataset=pictures", "/at/pictures/star/"),
        ("/?model=mars", "/at/toy/mars/"),
        ("/?dataset=toy&model=star", "/"),
        ("/?dataset=pictures&model=mars&step=3", "/at/pictures/mars/?step=3"),
        ("/at/pictures/mars/?dataset=toy", "/at/toy/mars/"),
        ("/at/toy/star/?model=star", "/"),
        ("/at/pictures/star", "/at/pictures/star/"),
    ],
)
def test_an_address_leads_to_the_page_of_its_data_set(client: TestClient, asked: str, leads: str) -> None:
    found = client.get(asked)
    assert (found.status_code, found.headers["location"]) == (303, leads)
    assert "content-security-policy" in found.headers


def test_each_page_calls_itself_and_speaks_its_own_words(client: TestClient) -> None:
    first, second = client.get("/").text, client.get("/at/pictures/star/").text
    assert '"root":"http://127.0.0.1/at/pictures/star"' in second.replace(": ", ":")
    assert "/at/pictures" not in first
    assert "Recommended films" in second and "Recommended films" not in first
    assert 'name=\\"dataset\\"' in second and "pictures" in first
    for path in ("/star-assets/star.js", "/at/pictures/star/star-assets/star.js"):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "path",
    ["/?dataset=none", "/?model=none", "/at/none/star/", "/at/toy/none/", "/at/..%2f..%2fetc/star/", "/at/toy/", "/at/"],
)
def test_what_is_not_offered_is_not_there(client: TestClient, path: str) -> None:
    found = client.get(path)
    assert found.status_code == 404 and "Traceback" not in found.text


def test_a_name_in_an_address_is_shown_as_text(client: TestClient) -> None:
    assert "<img" not in client.get("/", params={"dataset": toy.HOSTILE}).text


@pytest.mark.parametrize(
    "path", ["gradio_api/upload", "gradio_api/info", "star-upload/table", "file=/etc/passwd", "config", "at/toy/mars/"]
)
def test_the_guard_stands_before_every_page(client: TestClient, path: str) -> None:
    client.get("/at/pictures/star/")
    for root in ("/", "/at/pictures/star/"):
        assert client.post(root + path, json={}).status_code in (404, 405), root
    assert client.get("/at/pictures/star/" + path).status_code == 404


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}])
def test_other_sites_open_nothing(headers: dict[str, str]) -> None:
    made = served()
    with TestClient(made, base_url="http://127.0.0.1", follow_redirects=False) as client:
        for path in ("/?dataset=pictures", "/at/pictures/star/", "/at/none/star/"):
            assert client.get(path, headers=headers).status_code == 403, path
        assert not made._open


def test_only_an_opened_page_is_made_and_one_that_was_closed_says_so(client: TestClient) -> None:
    found = client.get("/at/toy/mars/star-assets/star.js")
    assert found.status_code == 404 and "open it again" in found.json()["error"]


def test_at_most_so_many_are_open_and_an_idle_one_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    made = served()
    with TestClient(made, base_url="http://127.0.0.1") as client:
        assert client.get("/at/pictures/star/").status_code == 200
        refused = client.get("/at/toy/mars/")
        assert refused.status_code == 503 and "in use" in refused.text
        monkeypatch.setattr(module, "IDLE_S", 0.0)
        assert client.get("/at/toy/mars/").status_code == 200
        assert list(made._open) == [Choice("toy", "mars")]
        assert client.get("/").status_code == 200


def test_an_answer_opens_on_its_own_data_set(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "kept.sqlite"))
    made = served(database=database)
    with TestClient(made, base_url="http://127.0.0.1", follow_redirects=False) as client:
        client.get("/at/pictures/star/")
        app: FastAPI = made._open[Choice("pictures", "star")].app
        recommender = toy.ToyRecommender(replace(toy.dataset(), name="pictures"), 0)
        done = replace(answer(recommender, Query((3,))), dataset="pictures")
        app.state.runs.keep(RUN, done, recommender.dataset.catalog)
        for _ in range(2):  # from memory, then from the database
            assert client.get(f"/?run={RUN}").headers["location"] == f"/at/pictures/star/?run={RUN}"
            assert client.get(f"/at/pictures/star/?run={RUN}").status_code == 200
            app.state.runs._kept.clear()
        assert client.get(f"/?run={'0' * 32}").status_code == 200
    database.close()


def test_without_a_session_no_page_is_opened_and_nothing_is_told(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "kept.sqlite"))
    made = served(auth=True, database=database)
    with TestClient(made, base_url="http://127.0.0.1", follow_redirects=False) as client:
        told: set[Any] = set()
        for path in ("/at/pictures/star/", "/at/none/star/", "/?dataset=pictures", f"/?run={RUN}"):
            found = client.get(path, headers={"accept": "text/html"})
            told.add((found.status_code, found.headers["location"]))
        assert told == {(303, "star-door/login")} and not made._open
        assert client.get("/at/pictures/star/star-door/login").status_code == 200
    database.close()
