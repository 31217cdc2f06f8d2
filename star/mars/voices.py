"""Language models that speak for the agents; the rules are in `agents.py`.

A voice is asked for one step at a time, in the words of the grammar. Each message is checked before it enters the log:
it must follow the grammar and name existing tools and candidates. After an invalid message the voice gets the error and
tries again. After its last try the rules speak in this turn, and the run counts it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from star.data.catalog import Catalog
from star.errors import UserError
from star.evidence.tools import ASKED, WINDOWS
from star.trace.grammar import PLANS, RANKED, REMARKS, item_word

RAW = 20  # last books shown by title; older ones as a summary


class Silent(Exception):
    """The voice gave no usable message; the text says why."""


class Voice(Protocol):
    """Speaks for every agent of a run."""

    name: str

    def speak(self, agent: str, kind: str, log: Sequence[str], view: View) -> list[str]:
        """The words inside the step that this agent writes now.

        Args:
            agent: name of the agent; kind: type of the step (`plan`, `tool_call`, `reflection`, `recommend`).
            log: words of the run so far.
            view: the query.

        Raises:
            Silent: no answer, or none of the expected form.
        """
        ...


@dataclass(frozen=True)
class View:
    """The query as a voice sees it. `complaint`: the error in its last answer, on a further try."""

    catalog: Catalog
    history: tuple[int, ...]
    candidates: tuple[int, ...]
    complaint: str | None = None

    def summary(self) -> str:
        """The shelf as text: older books by genre and series, the last ones by title."""
        older, recent = self.history[:-RAW], self.history[-RAW:]
        lines = []
        if older:
            genres = Counter(g for i in older for g in self.catalog[i].genres).most_common(5)
            series = Counter(s for i in older if (s := self.catalog[i].series)).most_common(3)
            said = ", ".join(f"{n} {name}" for name, n in (*genres, *series))
            lines.append(f"{len(older)} older books: {said or 'nothing known of them'}")
        lines += [f"{item_word(i)} {self.catalog[i].title}" for i in recent]
        return "\n".join(lines)


ROLES = {
    "planner": f"You plan. Write phrases, each followed by ' ;', chosen from: {'; '.join(PLANS)} (n is "
    f"{'/'.join(map(str, WINDOWS))} for books and {'/'.join(map(str, ASKED))} for readers).",
    "user profile": "You look at the whole shelf. Write the tool call `profile`.",
    "historical interest": f"You look for similar readers. Write the tool call `user_cf N`, N one of {ASKED}.",
    "recent interest": f"You look at where the last books lead. Write the tool call `item_cf N`, N one of {WINDOWS}; for a "
    "second look add the candidates it is about, as `item_cf N <i…> <i…>`.",
    "reflector": "You check the analysts against each other. Quote the lines of evidence that matter word for word without "
    f"the closing name, and remarks chosen from: {'; '.join(REMARKS)} (candidates may follow a remark). Each line and "
    "each remark ends with ' ;'. If a second look is needed, write `look again at <i…> <i…> ;`.",
    "ranker": f"You rank. Write the {RANKED} best candidates, best first, as `<i…> <i…> …`, nothing else.",
}


@dataclass
class ChatVoice:
    """Any OpenAI-compatible chat endpoint, through the library `openai` (time-outs, 429 and back-off are its work).

    Args:
        url: base address of the endpoint, `http://…/v1`.
        model: name of the model there.
        key: API key; without one, `OPENAI_API_KEY`, or none for local servers.
    """

    url: str
    model: str
    key: str | None = None
    timeout: float = 60.0
    retries: int = 2
    name: str = "chat"

    def __post_init__(self) -> None:
        try:
            from openai import OpenAI
        except ImportError:
            raise UserError(
                "the chat voice needs the package openai; pip install 'star-recommender[chat]'"
            ) from None
        self._client = OpenAI(
            base_url=self.url,
            api_key=self.key or os.environ.get("OPENAI_API_KEY") or "none",
            timeout=self.timeout,
            max_retries=self.retries,
        )

    def speak(self, agent: str, kind: str, log: Sequence[str], view: View) -> list[str]:
        """One chat completion; the answer is `{"words": "…"}`."""
        from openai import OpenAIError

        candidates = "\n".join(f"{item_word(i)} {view.catalog[i].title}" for i in view.candidates)
        request = (
            f"Shelf, oldest first:\n{view.summary()}\n\nCandidates:\n{candidates}\n\n"
            f"The run so far:\n{' '.join(log) or 'nothing yet'}"
        )
        if view.complaint:
            request += f"\n\nYour last answer could not be used: {view.complaint}"
        system = (
            "You are one agent of a team that recommends books from the evidence of a reader-book graph. "
            f'{ROLES[agent]} Answer with JSON and nothing else: {{"words": "…"}}'
        )
        try:
            answer = self._client.chat.completions.create(
                model=self.model,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": request}],
                temperature=0.0,
                max_tokens=400,
            )
            choice = answer.choices[0]
            text, ended = choice.message.content or "", choice.finish_reason
        except (OpenAIError, AttributeError, IndexError, TypeError, ValueError) as error:
            raise Silent(f"{type(error).__name__}: {str(error)[:200]}") from None
        if ended == "length":
            raise Silent("the answer was cut off; be shorter")
        return words_in(text)


def words_in(text: str) -> list[str]:
    """Words of an answer `{"words": "…"}`, which a model may put into a code fence or among prose.

    Raises:
        Silent: no such JSON in it.
    """
    start, end = text.find("{"), text.rfind("}")
    try:
        found: Any = json.loads(text[start : end + 1])
        return str(found["words"]).split()
    except (ValueError, KeyError, TypeError):
        raise Silent('no JSON of the form {"words": "…"} was in the answer') from None
