"""The grammar of a trace, both ways: claims and calls as words, and words as claims and calls again.

A trace is one line of words separated by spaces. Teacher, training, decoding, verification and page share this file;
`steps.py` reads whole traces with it. Notation: words in capitals are replaced, `[x]` may be left out, `x | y` is x or y.

    <plan> … </plan>
    <tool_call> NAME ARGUMENT … </tool_call> <tool_response> LINE … </tool_response>     (any number of times)
    <reflection> LINE or REMARK … </reflection>                                           (also between calls)
    <recommend> ITEM ITEM ITEM ITEM ITEM </recommend>

A LINE states the signals of one candidate, or the count of one genre. It ends with `;`.
    ITEM [STRENGTH [PLACE]] [next_STRENGTH [PLACE]] [sequel_N | series_N] [author_N] [xLIFT BOTH /OF ANCHOR | few] [ITEM] ;
    ITEM similar_STRENGTH BOTH/ASKED [PLACE] [ITEM] ;     or     ITEM similar_STRENGTH few [PLACE] [ITEM] ;
    ITEM whole_STRENGTH PLACE [under_N] [SHARE% ANCHOR]… [ITEM] ;     and the same with latest_, last_, after_ and about_
    ITEM over ANCHOR on SIGNAL ;     or     ITEM silent ;
    GENRE N of M ;
STRENGTH is one of the words in `STRENGTHS`. N is a volume (`sequel_`, `series_`) or the number of books on the shelf by the
same author (`author_`). `GENRE N of M`: N of the M books looked at have this genre.
`xLIFT BOTH /OF ANCHOR`: BOTH of the OF readers of the book ANCHOR read ITEM, LIFT times what chance would give.
`BOTH/ASKED`: BOTH of the ASKED most similar readers read ITEM. `few`: fewer than five readers.
PLACE is `#RANK/AMONG`: ITEM has the RANK-th highest score of AMONG candidates. `SHARE% ANCHOR`: the book carries this share
of it. `under_N`: ITEM has fewer than N readers. These are said by tools with fitted signals only.
`ITEM over ANCHOR on SIGNAL`: ITEM's score is above ANCHOR's. A reflection says it, no tool does.
`ITEM silent`: no tool said anything of ITEM. Only a reflection says it.

A line begins with the candidate's name, so a quotation can be continued from the name. In a tool's answer the line also
ends with the name. At this last word the model has read all evidence of the line and its candidate.

The form of a word shows its signal: each signal has strengths and numbers with a prefix or a separator of their own. A small
model finds the word to copy by this form, among the lines about the candidate. In an earlier grammar, plain numbers followed
key words. Four in five of the model's wrong claims were then counts of co-reading (training/LOG.md).

A REMARK is one of `REMARKS`. ITEM is written `<i7>`, 7 being the item's row in the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from star.data.catalog import Catalog
from star.data.words import Words
from star.evidence.claims import COMPARED, LEAST_LIFT, MOST_LIFT, STRENGTHS, Claim, place_words
from star.evidence.tools import COUNTED, ToolResponse

StepType = Literal["plan", "tool_call", "tool_response", "reflection", "recommend"]
TAGS: tuple[StepType, ...] = ("plan", "tool_call", "tool_response", "reflection", "recommend")
OPENING, CLOSING = tuple(f"<{tag}>" for tag in TAGS), tuple(f"</{tag}>" for tag in TAGS)
TOOLS = ("profile", "recent", "user_cf", "item_cf")
FITTED_TOOLS = ("whole_shelf", "read_after", "description")
"""Tools that need fitted signals."""
RANKED = 5

# Sentences without a checkable claim, by step; `{}` is an item's place. They are opinions.
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
NUMBER, STRENGTH = r"(-?\d{1,9}(?:\.\d{1,9})?)", f"({'|'.join(STRENGTHS)})"
PLACE = r"#(\d{1,9})/(\d{1,9})"
GENRE = re.compile(r"_(\S+) (\d{1,9}) of (\d{1,9})", re.ASCII)
SIMILAR = re.compile(
    rf"<i(\d{{1,9}})> similar_{STRENGTH} (?:(\d{{1,9}})/(\d{{1,9}})|few)(?: {PLACE})?(?: <i\1>)?", re.ASCII
)
RELATED = re.compile(
    rf"<i(\d{{1,9}})>(?: {STRENGTH}(?: {PLACE})?)?(?: next_{STRENGTH}(?: {PLACE})?)?(?: (sequel|series)_{NUMBER})?"
    r"(?: author_(\d{1,9}))?(?: x(\d{1,9}(?:\.\d)?) (\d{1,9}) /(\d{1,9}) <i(\d{1,9})>|( few))?(?: <i\1>)?",
    re.ASCII,
)
FITTED = re.compile(
    rf"<i(\d{{1,9}})> (whole|latest|last|after|about)_{STRENGTH} {PLACE}(?: under_(\d{{1,9}}))?"
    r"((?: \d{1,9}% <i\d{1,9}>)*)(?: <i\1>)?",
    re.ASCII,
)

OVER = re.compile(rf"<i(\d{{1,9}})> over <i(\d{{1,9}})> on ({'|'.join(COMPARED)})", re.ASCII)
SILENT = re.compile(r"<i(\d{1,9})> silent", re.ASCII)


class TraceError(ValueError):
    """The words do not form a trace; the message says where and why."""


def item_word(item: int) -> str:
    """The word for an item: `<i7>` for row 7 of the catalogue."""
    return f"<i{item}>"


def item_row(word: str) -> int | None:
    """The catalogue row in an item word such as `<i7>`; None for any other word."""
    found = ITEM.match(word)
    return int(found[1]) if found else None


def item_rows(words: Iterable[str]) -> list[int]:
    """Catalogue rows of the item words among these words, in their order."""
    return [row for word in words if (row := item_row(word)) is not None]


def genre_word(genre: str) -> str:
    """A genre as one word; the underscore tells it from all other words."""
    return "_" + "_".join(genre.split())


def number_word(value: float) -> str:
    """A number as one word, without an exponent."""
    short = f"{value:g}"
    return short if "e" not in short and float(short) == value else f"{value:.9f}".rstrip("0").rstrip(".")


CAPPED = {
    f"x{MOST_LIFT:g}": "more",
    f"x{LEAST_LIFT:g}": "less",
}  # the largest and the smallest lift that have a word


def _in_domain(phrase: str, w: Words) -> str | None:
    """A sentence of a plan in the words of a catalogue; None for any other phrase."""
    if found := re.fullmatch(r"(look back|take the last) (\d+) books", phrase):
        one = w.item if found[1] == "take the last" else f"1 {w.item}"
        return f"{found[1]} {one if found[2] == '1' else f'{found[2]} {w.items}'}"
    if found := re.fullmatch(r"(ask|compare with) (\d+) readers", phrase):
        return f"{found[1]} {found[2]} {w.users}"
    begun = phrase.removesuffix(" first")  # the sentence may still be growing
    said = {
        "know the shelf": f"know the {w.shelf}",
        "trust co_reading": f"trust co-{w.gerund}",
        "trust similar readers": f"trust similar {w.users}",
        "trust what is read next": f"trust what is {w.participle} next",
    }.get(begun)
    return said and said + phrase[len(begun) :]


def spoken(words: Iterable[str], catalog: Catalog) -> str:
    """Words as shown to people: titles for items, genres and numbers as they are written, plans in the catalogue's words."""
    phrases: list[list[str]] = [[]]
    for word in words:
        phrases[-1].append(word)
        if word == ";":
            phrases.append([])
    shown = " ".join(text for phrase in phrases if (text := _spoken(phrase, catalog)))
    return shown.replace(" ;", ";").replace("co reading", "co-reading")


def _spoken(phrase: Sequence[str], catalog: Catalog) -> str:
    """One phrase, with its `;` if it has one."""
    shown = []
    w = catalog.words
    own = _in_domain(" ".join(phrase).removesuffix(" ;"), w)
    if own is not None:
        return own + " ;" if phrase[-1] == ";" else own
    for word in phrase:
        if word.startswith("author_"):
            shown.append(word.replace("author_", f"{w.creator} "))
        elif (item := item_row(word)) is not None:
            shown.append(f"“{catalog[item].title}”")
        elif found := re.fullmatch(PLACE, word, re.ASCII):
            shown.append(place_words(float(found[1]), float(found[2])))
        elif found := re.match(r"(\d*)/(\d+)\Z", word):
            shown.append(f"{found[1]} of {found[2]}".strip())
        elif word in CAPPED:
            shown.append(f"{word} or {CAPPED[word]}")
        else:
            shown.append(word.replace("_", " ").strip())
    return " ".join(shown)


# writing


def prompt(history: Sequence[int], candidates: Sequence[int], shown: int = 20) -> list[str]:
    """The prompt: size of the shelf, its last `shown` books oldest first, the candidates."""
    return [
        "<history>",
        str(min(len(history), COUNTED)),
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
        at = [f"#{n['rank']:g}/{n['among']:g}"] if "rank" in n else []
        match claim.kind:
            case "pull":
                words += [str(claim.strength), *at]
            case "read_next":
                words += [f"next_{claim.strength}", *at]
            case "series":
                words.append(f"{claim.label}_{number_word(n['number'])}")
            case "author":
                words.append(f"author_{n['books']:g}")
            case "co_read" if "both" in n:
                numbers = [f"x{n['lift']:g}", number_word(n["both"]), f"/{number_word(n['of'])}"]
                words += [*numbers, item_word(claim.anchor or 0)]
            case "co_read":
                words.append("few")
            case "similar":
                words += [
                    f"similar_{claim.strength}",
                    f"{n['both']:g}/{n['of']:g}" if "both" in n else "few",
                    *at,
                ]
            case "whole" | "latest" | "last" | "after" | "about":
                words += [f"{claim.kind}_{claim.strength}", *at]
                words += [f"under_{n['under']:g}"] if "under" in n else []
            case "carried":
                words += [f"{n['share']:g}%", item_word(claim.anchor or 0)]
            case "over":
                words += ["over", item_word(claim.anchor or 0), "on", str(claim.label)]
            case "silent":
                words.append("silent")
            case "genre":
                words += [genre_word(claim.label or ""), number_word(n["books"]), "of", number_word(n["of"])]
            case _:
                words += (claim.label or "").split()
    name = [] if subject is None else [item_word(subject)]
    return [*name, *words, *(name if closing else []), ";"]


def call_words(name: str, arguments: Sequence[int]) -> list[str]:
    """A tool call: the first argument is a number, further ones are candidates."""
    return ["<tool_call>", name, *map(str, arguments[:1]), *map(item_word, arguments[1:]), "</tool_call>"]


def response_words(response: ToolResponse) -> list[str]:
    """A tool's answer as words, inserted after the call."""
    lines = [word for evidence in response.lines for word in line(e.claim for e in evidence)]
    return ["<tool_response>", *(lines or ["nothing", ";"]), "</tool_response>"]


# reading


@dataclass
class CallContext:
    """Arguments of calls that later lines imply: neighbourhood size of the last `user_cf`, window of each `item_cf`.

    A line about an item refers to the last answer with a line about it; an answer without one changes nothing.
    """

    shelf: int
    asked: int = 0
    window: int = 0
    windows: dict[int, int] = field(default_factory=dict)
    """item → window of the last `item_cf` that said something of it"""
    answering: int | None = None
    """Window of the `item_cf` whose answer is being read."""

    def heard(self, name: str, arguments: Sequence[int]) -> None:
        """Note a call; one without a number, which no tool accepts, changes nothing."""
        self.answering = None
        if name == "user_cf" and arguments:
            self.asked = arguments[0]
        elif name == "item_cf" and arguments:
            self.answering = min(arguments[0], self.shelf)
            if len(arguments) == 1:
                self.window = self.answering

    def window_of(self, item: int) -> int:
        """The window that a line about this item implies."""
        if self.answering is not None:
            self.windows[item] = self.answering
        return self.windows.get(item, self.window)


def read_call(words: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """Name and arguments of a tool call; `Tools.call` checks whether the tool accepts them."""
    if not words or words[0] not in (*TOOLS, *FITTED_TOOLS):
        raise TraceError(f"tool call {' '.join(words)!r} names none of {', '.join((*TOOLS, *FITTED_TOOLS))}")
    arguments = []
    for place, word in enumerate(words[1:]):
        found = re.match(r"[0-9]{1,9}\Z", word) if place == 0 else ITEM.match(word)
        if not found:
            raise TraceError(f"argument {word!r} of {words[0]} is no {'number' if place == 0 else 'item'}")
        arguments.append(int(found[1] if place else found[0]))
    return words[0], tuple(arguments)


def lines_of(words: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word == ";":
            yield part
            part = []
        else:
            part.append(word)
    if part:
        raise TraceError(f"{' '.join(part)!r} is not closed by ';'")


def read_line(words: Sequence[str], context: CallContext) -> list[Claim]:
    """Claims of one line or remark (without its `;`).

    Raises:
        TraceError: neither.
    """
    text = " ".join(words)
    remark = next(
        (
            r
            for r in REMARKS
            if text == r or (text.startswith(r + " ") and all(map(ITEM.match, words[len(r.split()) :])))
        ),
        None,
    )
    if remark or text == "nothing":
        return [Claim("opinion", label=text)]
    if found := GENRE.fullmatch(text):
        label, books, looked_at = found[1].replace("_", " "), float(found[2]), float(found[3])
        return [Claim("genre", numbers={"books": books, "of": looked_at}, label=label)]
    if found := SIMILAR.fullmatch(text):
        numbers = (
            {"both": float(found[3]), "of": float(found[4])} if found[3] else {"of": float(context.asked)}
        )
        return [Claim("similar", int(found[1]), numbers=numbers | _at(found[5], found[6]), strength=found[2])]
    if found := FITTED.fullmatch(text):
        return _fitted(found)
    if found := OVER.fullmatch(text):
        return [_over(int(found[1]), int(found[2]), found[3], context)]
    if found := SILENT.fullmatch(text):
        item = int(found[1])
        return [Claim("silent", item, numbers={"window": context.window_of(item), "of": context.asked})]
    if found := RELATED.fullmatch(text):
        return _related(found, context)
    raise TraceError(f"{text!r} is neither a line of evidence nor a remark")


def _over(subject: int, anchor: int, signal: str, context: CallContext) -> Claim:
    numbers: dict[str, float] = {}
    if signal in ("pull", "read_next"):
        numbers = {"window": context.window_of(subject)}
    elif signal == "similar":
        numbers = {"of": context.asked}
    return Claim("over", subject, anchor, numbers, label=signal)


def _fitted(found: re.Match[str]) -> list[Claim]:
    name, kind, strength, rank, among, under, carriers = found.groups()
    numbers = _at(rank, among) | ({"under": float(under)} if under else {})
    claims = [Claim(kind, int(name), numbers=numbers, strength=strength)]  # type: ignore[arg-type]
    for share, anchor in re.findall(r"(\d+)% <i(\d+)>", carriers):
        claims.append(Claim("carried", int(name), int(anchor), {"share": float(share)}, label=kind))
    return claims


def _at(rank: str | None, among: str | None) -> dict[str, float]:
    """A place among the candidates as numbers of a claim; none where none is said."""
    return {"rank": float(rank), "among": float(among)} if rank and among else {}


def _related(found: re.Match[str], context: CallContext) -> list[Claim]:
    name, pull, *pulled, following, rank, among, series, volume, author, lift, both, of, anchor, few = (
        found.groups()
    )
    subject = int(name)
    window = {"window": context.window_of(subject)}
    claims: list[Claim] = []
    if pull:
        claims.append(Claim("pull", subject, numbers=window | _at(*pulled), strength=pull))
    if following:
        claims.append(Claim("read_next", subject, numbers=window | _at(rank, among), strength=following))
    if series:
        claims.append(Claim("series", subject, label=series, numbers={"number": float(volume)}))
    if author:
        claims.append(Claim("author", subject, numbers={"books": float(author)}))
    if lift:
        numbers = {"both": float(both), "of": float(of), "lift": float(lift)}
        claims.append(Claim("co_read", subject, int(anchor), numbers))
    if few:
        claims.append(Claim("co_read", subject, numbers=window))
    if not claims:
        raise TraceError(f"{found[0]!r} says nothing about its item")
    return claims
