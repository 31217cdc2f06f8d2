"""The server of the page: checks of requests, one visitor's answers apart from another's, loading and stopping."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import page_client
import pytest
import toy
from fastapi.testclient import TestClient

from star.errors import UserError
from star.recommend.recommendation import Query
from star.recommend.turns import Turns
from star.settings import Settings
from star.ui import server
from star.ui.assets import SHARED
from star.ui.loader import Loader
from star.ui.picker import find_books, find_readers, query, reader_detail, spread
from star.ui.runs import Runs
from star.ui.security.connections import free_port
from star.ui.server import application
from star.ui.tabs import explore
from star.ui.tabs.explore import answer

DATA = toy.dataset()


def ready() -> Loader:
    loader = Loader(lambda: toy.ToyRecommender(DATA, 0))
    loader.start()
    assert loader.recommender(10) is not None
    return loader


def drawn(update: tuple[Any, ...]) -> dict[str, Any]:
    """What the update tells the graph."""
    return dict(json.loads(update[3]["drawn"]))


def status(update: tuple[Any, ...]) -> str:
    return str(update[0][0]["html"])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "No reader is picked"),
        ("reader", "No reader is picked"),
        ({"mode": "reader", "reader": None}, "No reader is picked"),
        ({"mode": "reader", "reader": 10_000}, "no reader '10000'"),
        ({"mode": "reader", "reader": -1}, "no reader"),
        ({"mode": "reader", "reader": "3; drop table"}, "no reader"),
        ({"mode": "reader", "reader": True}, "no reader"),
        ({"mode": "shelf", "shelf": []}, "shelf is empty"),
        ({"mode": "shelf", "shelf": "12"}, "shelf is empty"),
        ({"mode": "shelf", "shelf": [3, 99]}, "no book '99'"),
    ],
)
def test_what_the_browser_sends_is_checked(value: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        query(value, DATA)


@pytest.mark.parametrize("k", [0, 11, 10**9, 2.5, "5", None, True, float("nan"), float("inf")])
def test_number_of_books_is_checked(k: Any) -> None:
    with pytest.raises(UserError, match="whole number from 1 to 10"):
        query({"mode": "shelf", "shelf": [3], "k": k}, DATA)


@pytest.mark.parametrize("seed", [-1, 1.5, 2**40, "x"])
def test_seed_is_checked(seed: Any) -> None:
    with pytest.raises(UserError, match="seed"):
        query({"mode": "shelf", "shelf": [3], "k": 5.0, "seed": seed}, DATA)


def test_query_of_reader_and_shelf() -> None:
    asked = query({"mode": "reader", "reader": 4, "k": 3, "seed": 7}, DATA)
    assert asked == Query(tuple(int(i) for i in DATA.interactions.history(4)), 4, None, 3, 7)
    assert query({"mode": "shelf", "shelf": [3, 0, 3]}, DATA) == Query((3, 0), None, None, 5, 0)


def test_readers_are_found_by_number_id_and_latest_book() -> None:
    assert find_readers(DATA, "17")[0]["id"] == 16
    assert find_readers(DATA, "Reader 17")[0]["label"] == "Reader 17"
    assert find_readers(DATA, "u42")[0]["id"] == 41
    for row in find_readers(DATA, "dune"):
        titles = [DATA.catalog[int(i)].title for i in DATA.interactions.history(row["id"])[-5:]]
        assert any("Dune" in title for title in titles)
    assert find_readers(DATA, "no such thing") == []
    assert 0 < len(find_readers(DATA, "")) <= 20
    assert reader_detail(DATA, 0)["total"] == len(DATA.interactions.history(0))
    assert find_books(DATA.catalog, "tolkein hobit")[0]["label"] == "The Hobbit"
    assert find_books(DATA.catalog, "le guin")[0]["note"].startswith("Ursula K. Le Guin")


def test_spread_of_small_data_sets() -> None:
    from star.data.interactions import Interactions

    assert spread(Interactions.from_histories([[0], [1]], 2), []) == [0, 1]
    assert spread(Interactions((), np.zeros(1, np.int64), np.zeros(0, np.int32), 2), []) == []


def test_answer_streams_and_keeps_the_run() -> None:
    runs = Runs()
    updates = list(answer(ready(), runs, Turns(), "s", {"mode": "shelf", "shelf": [3]}))
    assert "busy" in status(updates[0]) and "done" in status(updates[-1])
    run = drawn(updates[-1])["run"]
    kept = runs.get(run)
    assert kept is not None and kept[0].finished


def test_updates_are_about_ten_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which every word takes 10 ms."""
    words = itertools.count()
    monkeypatch.setattr(explore, "time", SimpleNamespace(monotonic=lambda: 100 + 0.01 * next(words)))
    question = Query((3,), k=5)
    shown = sum(1 for _ in explore._throttled(toy.ToyRecommender(DATA, 0).stream(question)))
    written = next(words)
    assert written > 100 and written / 12 - 2 <= shown <= written / 8 + 3


def test_user_errors_and_faults_become_messages() -> None:
    updates = list(answer(ready(), Runs(), Turns(), "s", {"mode": "shelf", "shelf": []}))
    assert "add at least one book" in status(updates[-1]) and "error" in status(updates[-1])

    class Broken(toy.ToyRecommender):
        def stream(self, asked: Query) -> Any:
            raise RuntimeError("secret path")

    loader = Loader(lambda: Broken(DATA))
    loader.start()
    last = list(answer(loader, Runs(), Turns(), "s", {"mode": "shelf", "shelf": [3]}))[-1]
    assert "Something went wrong" in status(last) and "secret" not in str(last)


@pytest.mark.parametrize("value", [{"k": 2.5}, {"seed": -1}, {"typed": "99999", "reader": None}, {"mode": "shelf"}])
def test_a_refused_question_changes_nothing_but_the_status(value: dict[str, Any]) -> None:
    asked = {"mode": "reader", "reader": 3, "shelf": []} | value
    for update in answer(ready(), Runs(), Turns(), "s", asked):
        assert all(isinstance(part, dict) and set(part) == {"__type__"} for part in update[1:6])
    assert "error" in status(update)


@pytest.mark.parametrize(("text", "row"), [("17", 16), ("Reader 17", 16), (" reader 17 ", 16), ("u42", 41)])
def test_a_typed_reader_is_the_one_of_that_number_or_id(text: str, row: int) -> None:
    assert query({"mode": "reader", "reader": None, "typed": text}, DATA).reader == row


@pytest.mark.parametrize("text", ["999", "0", "-1", "nobody", "dune", "1" * 50, "²", "<b>"])
def test_an_unknown_reader_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="There is no reader “"):
        query({"mode": "reader", "reader": None, "typed": text}, DATA)


def test_a_kept_answer_is_restored_and_an_unknown_one_says_so() -> None:
    runs = Runs()
    updates = list(answer(ready(), runs, Turns(), "s", {"mode": "reader", "reader": 3, "k": 4, "seed": 7}))
    run = drawn(updates[-1])["run"]
    asked = {"mode": "reader", "reader": 3, "shelf": [], "feedback": [], "k": 4, "seed": 7}
    assert drawn(updates[-1])["asked"] == asked
    assert explore.restored(runs, {"run": run}, DATA.catalog.words) == updates[-1]
    for unknown in ("0" * 32, "x", 7, ["a"]):
        gone = explore.restored(runs, {"run": unknown}, DATA.catalog.words)
        assert "no longer kept" in status(gone) and "error" in status(gone) and drawn(gone)["nodes"] == []
    for without in ({}, None, {"run": ""}):
        blank = explore.restored(runs, without, DATA.catalog.words)
        assert "press Recommend" in status(blank) and "idle" in status(blank)


class Held(Turns):
    """Turns at a model that answers others first."""

    def stream(self, recommender: Any, query: Query) -> Any:
        yield from (None, None)
        yield from recommender.stream(query)


def test_whoever_waits_for_others_is_told_once_and_can_stop() -> None:
    asked = {"mode": "shelf", "shelf": [3]}
    updates = list(answer(ready(), Runs(), Held(), "s", asked))
    assert sum("Others are being answered" in status(update) for update in updates) == 1
    assert drawn(updates[-1])["run"] and "5 books for" in status(updates[-1])
    runs = Runs()
    stream = answer(ready(), runs, Held(), "s", asked)
    assert any("Others are being answered" in status(update) for update in stream)
    runs.stop("s")
    assert ["Stopped" in status(update) for update in stream] == [True]


def test_stop_ends_the_run() -> None:
    runs = Runs()
    stream = answer(ready(), runs, Turns(), "s", {"mode": "shelf", "shelf": [3]})
    next(stream)
    next(stream)
    runs.stop("s")
    rest = list(stream)
    assert len(rest) == 1 and "Stopped" in status(rest[0])


def test_loader_tells_problems_and_gives_the_data_set_first() -> None:
    hold = threading.Event()

    def slow() -> toy.ToyRecommender:
        hold.wait(10)
        return toy.ToyRecommender(DATA, 0)

    loader = Loader(slow, lambda: DATA)
    loader.start()
    assert loader.dataset(5) is DATA and loader.recommender() is None
    hold.set()
    assert loader.recommender(5) is not None

    def missing() -> toy.ToyRecommender:
        raise UserError("no checkpoint here")

    loader = Loader(missing)
    loader.start()
    with pytest.raises(UserError, match="no checkpoint here"):
        loader.recommender(5)


def test_runs_are_bounded_and_found_only_by_id() -> None:
    runs = Runs(limit=3)
    *_, last = toy.ToyRecommender(DATA, 0).stream(Query((3,)))
    names = [runs.begin("s") for _ in range(5)]
    for name in names:
        runs.keep(name, last, DATA.catalog)
    assert [runs.get(name) is not None for name in names] == [False, False, True, True, True]
    assert runs.get("") is None and len(set(names)) == 5


def test_server_answers_with_its_policy_and_only_its_files() -> None:
    client = TestClient(application(ready()), base_url="http://127.0.0.1")
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "img-src 'self' data: blob:" in policy and "http" not in policy
    assert client.get("/star-assets/vis-network.js").status_code == 200
    for path in (
        "/star-assets/..%2fpyproject.toml",
        "/star-assets/none.js",
        "/star-runs/x/report.html",
        f"/star-runs/{'0' * 32}/report.html",
    ):
        assert client.get(path).status_code == 404, path


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) < port + 20
        with pytest.raises(UserError, match="no free port"):
            free_port("127.0.0.1", port, 1)
    with pytest.raises(UserError, match="not an address"):
        free_port("no such host", 7860)


def test_a_script_that_several_components_need_stands_in_the_page() -> None:
    """Gradio does not wait for a script that another component has asked for already."""
    client = TestClient(application(ready()), base_url="http://127.0.0.1")
    heads = [str(part["props"].get("head") or "") for part in page_client.config(client)["components"]]
    named = [name for head in heads for name in re.findall(r"star-assets/([^?]+)", head)]
    assert "question.js" in named and len(set(named)) == len(named) and not set(named) & set(SHARED)
    page = client.get("/").text
    places = [page.index(f"star-assets/{name}?v=") for name in SHARED]
    assert places == sorted(places) and places[-1] < page.index('type="module"')


def test_the_page_names_no_file_that_is_not_there() -> None:
    client = TestClient(application(ready()), base_url="http://127.0.0.1")
    named = re.findall(r'<link[^>]* href="(/[^"]*|\.[^"]*)"', client.get("/").text)
    assert named and [name for name in named if client.get(name).status_code != 200] == []


@pytest.mark.parametrize(
    "reached", [{}, {"host": "0.0.0.0"}, {"proxy": "127.0.0.1"}, {"allowed_hosts": "star.example.org"}]
)
def test_without_accounts_others_get_no_annotation(
    reached: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever way others reach the page by, also by a proxy on this machine."""
    monkeypatch.setenv("STAR_DATABASE_URL", str(tmp_path / "kept.sqlite"))
    served: list[Any] = []
    monkeypatch.setattr(server, "listen", lambda app, *_: served.append(app))
    loader = Loader(lambda: toy.ToyRecommender(DATA, 0), lambda: DATA)
    server.launch(loader, Settings(port=free_port("127.0.0.1", 7860), **reached))
    page = TestClient(served[0], f"http://{reached.get('allowed_hosts', '127.0.0.1')}", headers={"x-star": "1"})
    assert page.get("/").status_code == 200
    entered = page.post("/star-door/enter", json={"name": "Mallory", "role": "lead"})
    assert entered.status_code == (404 if reached else 200)
    assert page.get("/star-lead/overview").status_code == (404 if reached else 200)
    assert ("Annotate and Lead are left out" in capsys.readouterr().out) == bool(reached)
