"""MARS through a chat endpoint: a small server that answers well, badly, late and not at all."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest
import reading
import toys

from star.errors import UserError
from star.evaluation.evaluate import evaluate
from star.evidence.tools import Tools
from star.mars.dialogue import Spoken, converse
from star.mars.voices import ChatVoice, Silent, View, words_in
from star.trace.grammar import RANKED
from star.trace.steps import parse

Answer = Callable[[str, str, int], tuple[int, str]]
"""(system prompt, request, how many requests before) → (status, body)."""


def completion(text: str, finish: str = "stop") -> str:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 1, "completion_tokens": 7, "total_tokens": 8}
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
    )


def words(text: str) -> str:
    return completion(json.dumps({"words": text}))


def good(system: str, request: str, _: int) -> tuple[int, str]:
    """A sensible team: quotes the first line it finds, looks again once, ranks the list as it is."""
    candidates = re.findall(r"<i\d+>", request.split("Candidates:")[1].split("The run so far")[0])
    log = request.split("The run so far:\n")[1]
    if "You plan" in system:
        return 200, words("look back 10 books ; ask 50 readers ;")
    if "`profile`" in system:
        return 200, words("profile")
    if "user_cf" in system:
        return 200, words("user_cf 50")
    if "item_cf" in system:
        again = "look again at" in log
        return 200, words(f"item_cf 5 {' '.join(candidates[:3])}" if again else "item_cf 10")
    if "reflection" in log or "You rank" in system:
        if "You rank" in system:
            return 200, words(" ".join(candidates[:RANKED]))
        return 200, words(f"second look favours {candidates[0]} ;")
    line = re.search(r"(<i\d+> [^;]*?) <i\d+> ;", log.split("user_cf 50")[1])
    assert line
    return 200, words(f"{line[1]} ; look again at {' '.join(candidates[:3])} ;")


class Server:
    """Serves `answer` and counts requests."""

    def __init__(self, answer: Answer) -> None:
        outer = self
        self.requests: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(asked)
                system, request = (m["content"] for m in asked["messages"])
                status, body = answer(system, request, len(outer.requests) - 1)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("retry-after", "0.01")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    made: list[Server] = []

    def start(answer: Answer) -> Server:
        made.append(Server(answer))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def tools() -> Tools:
    return toys.reading_tools(3)


def run(tools: Tools, server: Server, **settings: Any) -> Spoken:
    return converse(tools, ChatVoice(server.url, "m", timeout=settings.pop("timeout", 5), **settings), 0)


def test_a_good_team(serve: Callable[[Answer], Server], tools: Tools) -> None:
    server = serve(good)
    done = run(tools, server)
    trace = parse(done.words(), len(tools.history))
    assert (done.ruled, done.asked) == (0, len(server.requests)) and done.turns == 6
    assert trace.ranking == tuple(tools.candidates[:RANKED].tolist()) == done.order[:RANKED]
    assert sorted(done.order) == sorted(tools.candidates.tolist())
    calls = [(s.name, s.arguments) for s in trace.steps if s.type == "tool_call"]
    again = ("item_cf", (5, *tools.candidates[:3].tolist()))
    assert calls == [("profile", ()), ("user_cf", (50,)), ("item_cf", (10,)), again]
    assert [s.type for s in trace.steps].count("reflection") == 2, "an objection leads to a second look"
    assert "older books" in server.requests[0]["messages"][1]["content"] or len(tools.history) <= 20


def test_429_is_waited_out(serve: Callable[[Answer], Server], tools: Tools) -> None:
    server = serve(lambda s, r, n: (429, "{}") if n % 3 == 0 else good(s, r, n))
    done = run(tools, server)
    assert done.ruled == 0 and len(server.requests) > done.asked


BAD: dict[str, Answer] = {
    "malformed body": lambda s, r, n: (200, '{"choices": ['),
    "no choices": lambda s, r, n: (200, '{"choices": []}'),
    "another document": lambda s, r, n: (200, "[]"),
    "no JSON in the answer": lambda s, r, n: (200, completion("I would recommend Book 3.")),
    "JSON of another form": lambda s, r, n: (200, completion('{"answer": 3}')),
    "cut off": lambda s, r, n: (200, completion('{"words": "look back 10 books ;"}', "length")),
    "empty": lambda s, r, n: (200, completion("")),
    "null": lambda s, r, n: (200, completion(None)),  # type: ignore[arg-type]
    "words outside the grammar": lambda s, r, n: (200, words("<i99999> is very good")),
    "server error": lambda s, r, n: (500, "oops"),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_where_the_voice_fails_the_rules_speak(
    answer: Answer, serve: Callable[[Answer], Server], tools: Tools
) -> None:
    done = run(tools, serve(answer), retries=0)
    assert parse(done.words(), len(tools.history)).ranking == done.order[:RANKED]
    assert done.ruled == done.asked / 2 >= 6


def test_a_late_answer_is_not_waited_for(serve: Callable[[Answer], Server], tools: Tools) -> None:
    def late(system: str, request: str, n: int) -> tuple[int, str]:
        time.sleep(0.4 if "You plan" in system else 0)
        return good(system, request, n)

    done = run(tools, serve(late), timeout=0.2, retries=0)
    assert done.ruled == 1 and parse(done.words(), len(tools.history))


def test_a_complaint_helps(serve: Callable[[Answer], Server], tools: Tools) -> None:
    def learns(system: str, request: str, n: int) -> tuple[int, str]:
        if "You rank" in system and "could not be used" not in request:
            return 200, words("")
        return good(system, request, n)

    server = serve(learns)
    done = run(tools, server)
    assert done.ruled == 0
    assert "expected 5 different candidates" in server.requests[-1]["messages"][1]["content"]


@pytest.mark.parametrize(
    "text", ['{"words": "a b"}', '```json\n{"words": "a b"}\n```', 'Sure: {"words": " a  b "} Done.']
)
def test_json_is_found_in_what_models_write(text: str) -> None:
    assert words_in(text) == ["a", "b"]


@pytest.mark.parametrize("text", ["", "{", "words", '{"words"}', "[1]", '{"word": "a"}'])
def test_no_json(text: str) -> None:
    with pytest.raises(Silent, match="no JSON"):
        words_in(text)


def test_long_histories_are_summarised() -> None:
    data = reading.dataset()
    text = View(data.catalog, tuple(range(50)), ()).summary()
    assert text.startswith("30 older books: 30 genre 0") and len(text.splitlines()) == 21
    assert "older" not in View(data.catalog, tuple(range(20)), ()).summary()


def test_as_a_method_of_the_table(serve: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAR_CHAT_URL", raising=False)
    with pytest.raises(UserError, match="STAR_CHAT_URL and STAR_CHAT_MODEL"):
        evaluate(reading.dataset(), ["mars:chat"], tasks=1)
    server = serve(good)
    monkeypatch.setenv("STAR_CHAT_URL", server.url)
    monkeypatch.setenv("STAR_CHAT_MODEL", "m")
    made = evaluate(reading.dataset(), ["mars:chat"], ["classic"], ["uniform"], tasks=2)
    assert made["rows"][0]["n"] == 2 and made["rows"][0]["model_calls"] >= 6
    server.close()
    monkeypatch.setattr(
        openai.OpenAI, "_calculate_retry_timeout", lambda *_, **__: 0.0
    )  # it tries again at once
    with pytest.raises(UserError, match="no usable message"):
        evaluate(reading.dataset(), ["mars:chat"], ["classic"], ["uniform"], tasks=1)
