"""The request guard and the listener, part by part; attacks on a served page are in test_attacks.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import toy
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio.state_holder import SessionState
from serving import free_port

from star import ROOT
from star.ui.loader import Loader
from star.ui.security import connections as listen
from star.ui.security import scratch
from star.ui.security.guard import Surface, hosts
from star.ui.server import application


@pytest.mark.parametrize(
    ("host", "auth", "allowed", "known", "unknown"),
    [
        ("127.0.0.1", False, (), ["127.0.0.1", "localhost", "::1"], ["evil.example", "10.0.0.1", ""]),
        ("0.0.0.0", False, (), ["10.0.0.1", "::2", socket.gethostname().lower()], ["evil.example", ""]),
        ("0.0.0.0", False, ("Books.Example.",), ["books.example", "10.0.0.1"], ["evil.example"]),
        ("0.0.0.0", True, (), ["evil.example", "books.example"], []),
        ("0.0.0.0", True, ("books.example",), ["books.example", "localhost"], ["evil.example", "10.0.0.1"]),
    ],
)
def test_names_that_the_page_answers_to(
    host: str, auth: bool, allowed: tuple[str, ...], known: list[str], unknown: list[str]
) -> None:
    answered = hosts(host, auth, allowed)
    assert [name for name in (*known, *unknown) if answered(name)] == known


def copied(has_launched: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a bare Gradio page, mounted like ours, copies a file that a request names."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
    secret = Path(folder / "elsewhere" / "secret.txt")
    secret.parent.mkdir()
    secret.write_text("secret")
    monkeypatch.chdir(folder / "elsewhere")
    with gr.Blocks(analytics_enabled=False) as page:
        value = gr.HTML()
        page.load(lambda given: given, value, value, queue=False)
    page.has_launched = has_launched
    app = gr.mount_gradio_app(FastAPI(), page, path="", show_error=False)
    bad = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    with TestClient(app) as client:
        asked = {"data": [bad], "fn_index": 0, "session_hash": "a"}
        client.post("/gradio_api/run/predict", json=asked)
    return any(file.is_file() for file in (folder / "gradio").rglob("*"))


def test_gradio_checks_paths_only_where_the_flag_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half fails if a newer Gradio needs no flag (remove it from server.py), the second if it has no effect."""
    for name, launched in (("bare", False), ("ours", True)):
        (tmp_path / name).mkdir()
        assert copied(launched, tmp_path / name, monkeypatch) is not launched
    [page] = _pages(application(Loader(lambda: toy.ToyRecommender(delay=0))))
    assert page.has_launched and page.state_session_capacity <= 32
    assert not [block for block in page.blocks.values() if isinstance(block, gr.State)], (
        "the guard forgets a session when its answer is there (server.py); a page with gr.State must keep it"
    )


def test_a_session_copies_no_settings_of_the_page() -> None:
    """Gradio's own copies those of every component, for links that this page does not offer. Fails if Gradio's changes."""
    [page] = _pages(application(Loader(lambda: toy.ToyRecommender(delay=0))))
    assert len(SessionState(page).config_values) > 50
    ours = page.state_holder["visitor"]
    picker = next(number for number, block in page.blocks.items() if block.elem_id == "picker")
    ours._update_config(picker)
    ours._update_value_in_config(picker, {})
    assert ours.config_values == {} and ours[picker] is page.blocks[picker]
    assert page.state_holder["visitor"] is ours and "visitor" in page.state_holder


def _pages(app: FastAPI) -> list[gr.Blocks]:
    inner = [getattr(route, "app", None) for route in app.routes]
    return [found.get_blocks() for found in inner if hasattr(found, "get_blocks")]


def test_events_and_functions_are_read_off_the_page() -> None:
    [page] = _pages(application(Loader(lambda: toy.ToyRecommender(delay=0))))
    surface = Surface.of(page)
    assert set(surface.events) == set(page.fns) and surface.queued < set(surface.events)
    assert list(surface.functions.values()) == [
        {"readers", "reader", "books", "named", "shelf"},  # Explore
        {"readers", "reader", "books", "named", "shelf"},  # the picker of Question, and its form
        {"books"},
        {"rows"},  # the list of one's answers
        {"handout"},  # Learn
    ]


def test_the_scratch_folder_is_private_and_those_of_the_dead_are_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    old, alive = tmp_path / f"star-page-{gone.pid}-x", tmp_path / f"star-page-{os.getpid()}-y"
    for folder in (old, alive):
        folder.mkdir()
        (folder / "file").write_text("left")
    script = "import os; from star.ui.security.scratch import folder; print(folder(), oct(os.stat(folder()).st_mode))"
    command = [sys.executable, "-c", script]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    found = subprocess.check_output(command, env=environment, cwd=ROOT, text=True).split()
    assert found[1] == "0o40700" and Path(found[0]).parent == tmp_path
    assert not old.exists() and alive.exists() and not Path(found[0]).exists(), "emptied at its end"
    assert os.environ["GRADIO_TEMP_DIR"] == scratch.folder()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server on which requests must arrive within half a second."""
    monkeypatch.setattr(listen, "REQUEST_S", 0.5)
    app = FastAPI()

    @app.post("/echo")
    def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    port = free_port()
    config: Any = {"http": listen.PunctualProtocol, "ws": "none", "log_level": "critical"}
    server = uvicorn.Server(uvicorn.Config(app, port=port, **config))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_half_sent_requests_are_closed(impatient: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as raw:
        raw.sendall(sent)
        try:
            assert raw.recv(100) == b""
        except ConnectionResetError:
            pass


def test_requests_that_dribble_are_closed_too(impatient: int) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as raw, pytest.raises(OSError):
        for _ in range(100):
            raw.sendall(b"P")
            time.sleep(0.05)


def test_whole_requests_on_one_connection_are_answered_after_that_time(impatient: int) -> None:
    whole = b'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as raw:
        for _ in range(3):
            raw.sendall(whole[:20])
            time.sleep(0.3)
            raw.sendall(whole[20:])
            answer = b""
            while not answer.endswith(b'{"a":1}'):
                answer += raw.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.3)


# It waits a second for what hangs, not END_S. The loop sleeps, as it hangs just so if it works and takes a core for it.
FROZEN = """
import sys, threading, time
from fastapi import FastAPI
from star.ui.security import connections
connections.END_S = 1.0
app = FastAPI()
@app.get("/loop")
async def loop():
    print("frozen", flush=True)
    while True:
        time.sleep(0.01)
@app.get("/thread")
def thread():
    print("frozen", flush=True)
    threading.Event().wait()
connections.listen(app, "127.0.0.1", int(sys.argv[1]), {})
"""


@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_whatever_hangs(where: str, sent: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-c", FROZEN, str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                raw = socket.create_connection(("127.0.0.1", port), timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        with raw:
            raw.sendall(f"GET /{where} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert server.stdout is not None and server.stdout.readline() == b"frozen\n"
            server.send_signal(sent)
            server.wait(30)  # a second, and more on a busy machine
    finally:
        server.kill()
    assert listen.END_S < 5
