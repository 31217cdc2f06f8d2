"""Trace: the typed steps of one run, and the grammar that writes them as words and reads them back.

A trace is one line of words separated by spaces. Teacher, training, decoding, verification and page share this file.

    <plan> … </plan>
    <tool_call> NAME ARGUMENT … </tool_call> <tool_response> LINE … </tool_response>     (any number of times)
    <reflection> LINE or REMARK … </reflection>                                           (also between calls)
    <recommend> ITEM ITEM ITEM ITEM ITEM </recommend>

A LINE is about one candidate and ends with `;`. The candidate stands first, so that a line can be quoted from its name on,
and in a tool's answer last as well, so that one place holds the name and comes after all that is said of it:
    ITEM [ANCHOR BOTH of OF xLIFT STRENGTH | few STRENGTH] [next STRENGTH] [sequel N | series N] [author N] [ITEM] ;
    ITEM similar BOTH|few STRENGTH [ITEM] ;
    GENRE N of M ;
A REMARK is one of `REMARKS`. Items are written `<i7>`, 7 being the item's row in the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from star.catalog import Catalog
from star.evidence import STRENGTHS, Claim
from star.recommendation import StepType
from star.tools import Response

TAGS: tuple[StepType, ...] = ("plan", "tool_call", "tool_response", "reflection", "recommend")
OPENING, CLOSING = tuple(f"<{tag}>" for tag in TAGS), tuple(f"</{tag}>" for tag in TAGS)
TOOLS = ("profile", "recent", "user_cf", "item_cf")
RANKED = 5

# What may be said without a number, and where; `{}` stands for an item. None of these can be checked against the graph.
PLANS = (
    "look back {n} books",
    "take the last {n} books",
    "ask {n} readers",
    "compare with {n} readers",
    "know the shelf first",
    "trust co_reading first",
    "trust similar readers first",
    "trust what is read next first",
)
REMARKS = (
    "both point to",
    "signals differ on",
    "look again at",
    "recent interest leads",
    "interest is steady",
    "interest has moved",
    "evidence is thin",
    "second look favours",
    "prefer the sequel",
)

ITEM = re.compile(r"<i(\d{1,9})>\Z", re.ASCII)
NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?\Z", re.ASCII)
LIFT = re.compile(r"x\d{1,9}(\.\d)?\Z", re.ASCII)


class TraceError(ValueError):
    """The words do not form a trace; the message says where and why."""


@dataclass(frozen=True)
class Step:
    """One step. `words` without its tags; `claims` in order; `name` and `arguments` for tool steps."""

    type: StepType
    words: tuple[str, ...]
    claims: tuple[Claim, ...] = ()
    name: str | None = None
    arguments: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Trace:
    """All steps, and the ranking of the last one (item rows, best first)."""

    steps: tuple[Step, ...]
    ranking: tuple[int, ...]


@dataclass
class Context:
    """What later lines take for granted: how many readers the last `user_cf` asked, which window an `item_cf` used.

    A line about an item repeats the last answer that had a line about it; a second look that found nothing leaves the
    first one standing.
    """

    shelf: int
    asked: int = 0
    window: int = 0
    windows: dict[int, int] = field(default_factory=dict)
    """item → window of the last `item_cf` that said something of it"""
    answering: int | None = None
    """Window of the `item_cf` whose answer is being read."""

    def heard(self, name: str, arguments: Sequence[int]) -> None:
        """A call was made (one without a number, which no tool takes, changes nothing)."""
        self.answering = None
        if name == "user_cf" and arguments:
            self.asked = arguments[0]
        elif name == "item_cf" and arguments:
            self.answering = min(arguments[0], self.shelf)
            if len(arguments) == 1:
                self.window = self.answering

    def window_of(self, item: int) -> int:
        """The window a line about this item speaks of."""
        if self.answering is not None:
            self.windows[item] = self.answering
        return self.windows.get(item, self.window)


def item_word(item: int) -> str:
    return f"<i{item}>"


def genre_word(genre: str) -> str:
    """A genre as one word; the underscore keeps it from being read as anything else."""
    return "_" + genre.replace(" ", "_")


def number_word(value: float) -> str:
    return f"{value:g}"


def spoken(words: Iterable[str], catalog: Catalog) -> str:
    """Words as shown to people: titles for items, genres as they are written."""
    shown = []
    for word in words:
        item = ITEM.match(word)
        shown.append(
            f"“{catalog[int(item[1])].title}”"
            if item
            else word[1:].replace("_", " ")
            if word[:1] == "_"
            else word
        )
    return " ".join(shown).replace(" ;", ";").replace("co_reading", "co-reading")


# writing


def prompt(history: Sequence[int], candidates: Sequence[int], shown: int = 20) -> list[str]:
    """What a run starts from: size of the shelf, its last `shown` books oldest first, the candidates."""
    return [
        "<history>",
        str(min(len(history), 999)),
        *map(item_word, history[-shown:]),
        "<candidates>",
        *map(item_word, candidates),
    ]


def line(claims: Iterable[Claim], closing: bool = True) -> list[str]:
    """One line of evidence (all about the same subject) in words; a quotation has no closing name."""
    words: list[str] = []
    subject = None
    for claim in claims:
        n, subject = claim.numbers, claim.subject
        match claim.kind:
            case "co_read":
                words += (
                    [
                        item_word(claim.anchor or 0),
                        number_word(n["both"]),
                        "of",
                        number_word(n["of"]),
                        f"x{n['lift']:g}",
                    ]
                    if "both" in n
                    else ["few"]
                )
            case "pull":
                words.append(str(claim.strength))
            case "read_next":
                words += ["next", str(claim.strength)]
            case "similar":
                words += ["similar", number_word(n["both"]) if "both" in n else "few", str(claim.strength)]
            case "series":
                words += [str(claim.label), number_word(n["number"])]
            case "author":
                words += ["author", number_word(n["books"])]
            case "genre":
                words += [genre_word(claim.label or ""), number_word(n["books"]), "of", number_word(n["of"])]
            case _:
                words += (claim.label or "").split()
    name = [] if subject is None else [item_word(subject)]
    return [*name, *words, *(name if closing else []), ";"]


def call_words(name: str, arguments: Sequence[int]) -> list[str]:
    """A tool call: the first argument is a number, further ones are candidates."""
    return ["<tool_call>", name, *map(str, arguments[:1]), *map(item_word, arguments[1:]), "</tool_call>"]


def response_words(response: Response) -> list[str]:
    """A tool's answer, put in behind the call."""
    lines = [word for evidence in response.lines for word in line(e.claim for e in evidence)]
    return ["<tool_response>", *(lines or ["nothing", ";"]), "</tool_response>"]


# reading


def steps_of(words: Sequence[str]) -> Iterator[tuple[StepType, tuple[str, ...], bool]]:
    """(type, words inside, closed) for each step; only the last one may be open.

    Raises:
        TraceError: words outside a step, a wrong closing tag, an unknown tag.
    """
    kind: StepType | None = None
    inside: list[str] = []
    for place, word in enumerate(words):
        if kind is None:
            if word not in OPENING:
                raise TraceError(f"word {place} is {word!r}, expected the start of a step")
            kind, inside = word[1:-1], []  # type: ignore[assignment]
        elif word == f"</{kind}>":
            yield kind, tuple(inside), True
            kind = None
        elif word in OPENING or word in CLOSING:
            raise TraceError(f"word {place} is {word!r} inside <{kind}>")
        else:
            inside.append(word)
    if kind is not None:
        yield kind, tuple(inside), False


def read_step(kind: StepType, words: tuple[str, ...], context: Context) -> Step:
    """One closed step, its claims read in `context`, which is brought up to date.

    Raises:
        TraceError: the words do not follow the grammar.
    """
    match kind:
        case "tool_call":
            name, arguments = read_call(words)
            context.heard(name, arguments)
            return Step(kind, words, (), name, arguments)
        case "recommend":
            return Step(kind, words, ())
        case "plan":
            return Step(kind, words, tuple(Claim("opinion", label=" ".join(part)) for part in _parts(words)))
        case _:
            claims = tuple(claim for part in _parts(words) for claim in read_line(part, context))
            context.answering = None
            return Step(kind, words, claims)


def read_call(words: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """Name and arguments of a tool call (that the tool takes them is for `Tools.call` to say)."""
    if not words or words[0] not in TOOLS:
        raise TraceError(f"tool call {' '.join(words)!r} names none of {', '.join(TOOLS)}")
    arguments = []
    for place, word in enumerate(words[1:]):
        found = re.match(r"[0-9]{1,9}\Z", word) if place == 0 else ITEM.match(word)
        if not found:
            raise TraceError(f"argument {word!r} of {words[0]} is no {'number' if place == 0 else 'item'}")
        arguments.append(int(found[1] if place else found[0]))
    return words[0], tuple(arguments)


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word == ";":
            yield part
            part = []
        else:
            part.append(word)
    if part:
        raise TraceError(f"{' '.join(part)!r} is not closed by ';'")


def read_line(words: Sequence[str], context: Context) -> list[Claim]:
    """Claims of one line or remark (without its `;`).

    Raises:
        TraceError: neither.
    """
    text = " ".join(words)
    remark = next(
        (
            r
            for r in REMARKS
            if text == r or (text.startswith(r + " ") and all(ITEM.match(w) for w in words[len(r.split()) :]))
        ),
        None,
    )
    if remark or text == "nothing":
        return [Claim("opinion", label=text)]
    queue = list(words)

    def take(test: re.Pattern[str] | Sequence[str]) -> str:
        word = queue.pop(0) if queue else ""
        if not (test.match(word) if isinstance(test, re.Pattern) else word in test):
            raise TraceError(f"{word!r} is out of place in {text!r}")
        return word

    if queue and queue[0].startswith("_"):
        label = queue.pop(0)[1:].replace("_", " ")
        books, _, looked_at = float(take(NUMBER)), take(("of",)), float(take(NUMBER))
        if queue:
            raise TraceError(f"{queue[0]!r} is out of place in {text!r}")
        return [Claim("genre", numbers={"books": books, "of": looked_at}, label=label)]
    name = ITEM.match(queue[0]) if queue else None
    if name is None:
        raise TraceError(f"{text!r} is neither a line of evidence nor a remark")
    subject = int(name[1])
    queue = queue[1:-1] if len(queue) > 2 and queue[-1] == queue[0] else queue[1:]
    window = context.window_of(subject)
    claims: list[Claim] = []
    while queue:
        word = queue[0]
        if word == "similar":
            queue.pop(0)
            both = queue.pop(0) if queue[:1] == ["few"] else take(NUMBER)
            asked = {"of": float(context.asked)} | ({} if both == "few" else {"both": float(both)})
            claims.append(Claim("similar", subject, numbers=asked, strength=take(STRENGTHS)))
        elif word == "next":
            queue.pop(0)
            claims.append(Claim("read_next", subject, numbers={"window": window}, strength=take(STRENGTHS)))
        elif word in ("sequel", "series"):
            claims.append(
                Claim("series", subject, label=queue.pop(0), numbers={"number": float(take(NUMBER))})
            )
        elif word == "author":
            queue.pop(0)
            claims.append(Claim("author", subject, numbers={"books": float(take(NUMBER))}))
        else:
            if word == "few":
                queue.pop(0)
                claims.append(Claim("co_read", subject, numbers={"window": window}))
            else:
                anchor = int(take(ITEM)[2:-1])
                both, _, of, lift = take(NUMBER), take(("of",)), take(NUMBER), take(LIFT)
                claims.append(
                    Claim(
                        "co_read",
                        subject,
                        anchor,
                        {"both": float(both), "of": float(of), "lift": float(lift[1:])},
                    )
                )
            claims.append(Claim("pull", subject, numbers={"window": window}, strength=take(STRENGTHS)))
    if not claims:
        raise TraceError(f"{text!r} says nothing about its item")
    return claims


def parse(words: Sequence[str], shelf: int, k: int = RANKED) -> Trace:
    """A complete trace.

    Args:
        shelf: number of books on the shelf asked about.
        k: length of the ranking.

    Raises:
        TraceError: anything out of place: an open step, no plan at the start, a call without an answer, a ranking
            that is not k distinct items at the end.
    """
    context = Context(shelf)
    steps: list[Step] = []
    for kind, inside, closed in steps_of(words):
        if not closed:
            raise TraceError(f"<{kind}> is not closed")
        if (kind == "tool_response") != bool(steps and steps[-1].type == "tool_call"):
            raise TraceError("a tool response must follow its call, and nothing else may")
        steps.append(read_step(kind, inside, context))
    if (
        not steps
        or steps[0].type != "plan"
        or steps[-1].type != "recommend"
        or sum(s.type == "recommend" for s in steps) != 1
    ):
        raise TraceError("a trace begins with one plan and ends with one recommendation")
    ranking = tuple(int(m[1]) for m in map(ITEM.match, steps[-1].words) if m)
    if len(ranking) != len(steps[-1].words) or len(set(ranking)) != k or len(ranking) != k:
        raise TraceError(
            f"the recommendation holds {len(ranking)} items in {len(steps[-1].words)} words, expected {k} distinct items"
        )
    return Trace(tuple(steps), ranking)
