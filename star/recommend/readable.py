"""Answers and the names of their parts in plain words, the same on the page and in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from star.data.catalog import Catalog, Item
from star.data.words import Words, capital
from star.display import isolated, isolating, line
from star.evidence.claims import Verdict, stated
from star.recommend.recommendation import CheckedClaim, Recommendation, StepView, names_in

VERDICTS: dict[Verdict, tuple[str, str]] = {
    "supported": ("✓", "supported by the graph"),
    "unsupported": ("✗", "not supported"),
    "opinion": ("”", "a plan or an opinion"),
}
NAMES = {
    "plan": "Plan",
    "tool_call": "Tool call",
    "tool_response": "Evidence",
    "reflection": "Reflection",
    "recommend": "Ranking",
}
Named = Callable[[str], str]  # isolates the names in a text


def number_name(name: str, w: Words, kind: str = "") -> str:
    """What a number of a claim of this kind counts: `readers of both books`, `volume`."""
    names = {
        "both": f"similar {w.users} who {w.past} it" if kind == "similar" else f"{w.users} of both {w.items}",
        "of": "out of",
        "lift": "times chance",
        "number": w.volume,
        "books": w.items,
        "window": f"last {w.items} looked at",
        "level": "strength, 1 to 6",
        "rank": "place",
        "among": "candidates",
        "share": "per cent of the score",
        "under": f"fewer {w.users} than",
    }
    return names.get(name, name)


def differs(given: float | None, found: float | None) -> bool:
    """Whether a stated number is another one than the graph's, beyond rounding of floats."""
    return given is not None and found is not None and abs(given - found) > 1e-9 * max(1.0, abs(found))


def truth(claim: CheckedClaim, w: Words) -> str:
    """What the graph has of a claim that it does not bear out, as `place: 3`: the numbers that differ, where some do."""
    if claim.claim.kind == "over":
        return "no such order"
    if claim.claim.kind == "silent":
        return "a signal that speaks for it"
    said = stated(claim.claim)
    found = {name: value for name, value in claim.found.items() if differs(said.get(name), value)} or claim.found
    has = (f"{number_name(name, w, claim.claim.kind)}: {number(value)}" for name, value in found.items())
    return ", ".join(has) or "nothing of it"


def argument_name(name: str, w: Words) -> str:
    """An argument of a tool call as people read it: the number of similar users that `user_cf` asks."""
    return w.users if name == "readers" else name


def year(value: int | None) -> str:
    """A year as text: `1965`, `700 BC`; empty where unknown."""
    return "" if value is None else f"{-value} BC" if value < 0 else str(value)


def byline(item: Item) -> str:
    """Author, others with their roles, and year in plain text: `Frank Herbert, 1965`."""
    authors = " and ".join(map(isolated, item.creators[:2]))
    others = map(isolated, item.contributors[:2])
    return ", ".join(part for part in (authors, *others, year(item.year)) if part)


def volume(item: Item, w: Words) -> str:
    """Series and volume in plain text: `Dune, volume 2`; empty without a series."""
    if not item.series:
        return ""
    series = isolated(item.series)
    return series if item.number is None else f"{series}, {w.volume} {item.number:g}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 book`, `2 books`, `1,204 readers`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number(value: float | None, capped: str = "") -> str:
    """A stated or found number: `1,204`, `3.1`, or `—` for None. `capped`: words before a bound."""
    if value is None:
        return "—"
    return (
        f"{capped} {value:,.0f}".lstrip() if float(value).is_integer() else f"{capped} {value:,.4g}".lstrip()
    )


def ranked(text: str) -> list[str]:
    """The titles of a ranking, one per line or in quotes one after another."""
    text = text.strip()
    if "\n" not in text and text.startswith("“"):
        return text.removeprefix("“").removesuffix("”").split("” “")
    return [line.strip() for line in text.split("\n") if line.strip()]


def readable(answer: Recommendation, catalog: Catalog) -> str:
    """A finished answer for a terminal: the steps with their statements and what the graph says of each, then the books."""
    named = isolating(names_in(answer, catalog))
    lines = [*_steps(answer, named, catalog.words), *_books(answer, catalog, named), "", tally(answer)]
    return "\n".join(map(line, lines))


def raw(answer: Recommendation, catalog: Catalog) -> str:
    """The same answer with the steps in the words of the grammar, as the model wrote them."""
    named = isolating(names_in(answer, catalog))
    words = [f"{step.type}: {named(step.text)}" for step in answer.steps]
    lines = [*words, "", *_books(answer, catalog, named), "", tally(answer)]
    return "\n".join(map(line, lines))


def tally(answer: Recommendation) -> str:
    """One line: how many of the model's statements the graph supports."""
    verdicts = [claim.verdict for claim in answer.claims if claim.author == "model"]
    return (
        f"of {len(verdicts)} statements the model wrote, the graph supports {verdicts.count('supported')}, "
        f"{verdicts.count('unsupported')} not, {verdicts.count('opinion')} are opinions"
    )


def _steps(answer: Recommendation, named: Named, w: Words) -> Iterator[str]:
    for step in answer.steps:
        if step.type == "recommend":
            continue  # the books follow, with their reasons
        yield NAMES[step.type] if step.type != "tool_call" else f"{NAMES[step.type]}: {called(step, w)}"
        if step.type == "tool_call" and step.name:
            continue
        lines = [_statement(answer.claims[index], named, w) for index in step.claims]
        if not lines:
            lines = [named(step.text)] if step.text.strip(" .;") else ["nothing found"]
        yield from (f"  {each}" for each in lines)
        yield ""


def called(step: StepView, w: Words) -> str:
    """What a tool call asks for, in plain words: `what the 50 most similar readers read`."""
    given = step.arguments or {}
    words = asked(step.name or "a tool", given.get("window", given.get("readers")), w)
    some = given.get("candidates")
    return words if not isinstance(some, list) else f"{words}, {plural(len(some), 'candidate')} looked at"


def asked(tool: str, count: Any, w: Words) -> str:
    """What a tool is asked, in plain words. `count`: how many latest items or similar users it looks at; None: not said."""
    last = f"the last {w.item}" if count == 1 else f"the last {count} {w.items}"
    last = last if count else f"the latest {w.items}"
    similar = f"the {count} most similar {w.users}" if count else f"similar {w.users}"
    says = {
        "profile": f"{w.genre} by {w.genre}, what the {w.shelf} holds",
        "recent": f"{w.genre} by {w.genre}, {last}",
        "user_cf": f"what {similar} {w.past}",
        "item_cf": f"what {last} lead{'s' if count == 1 else ''} to",
        "whole_shelf": f"what {last if count else f'the {w.shelf} as a whole'} lead{'' if count and count > 1 else 's'} to",
        "read_after": f"what others {w.past} after these {w.items}",
        "description": "what the descriptions lead to",
    }
    return says.get(tool, tool.replace("_", " "))


def written_call(step: StepView, w: Words) -> str:
    """A tool call as the model wrote it: `item_cf(window = 10)`."""
    given = ", ".join(
        f"{argument_name(name, w)} = "
        f"{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in (step.arguments or {}).items()
    )
    return f"{step.name or 'tool'}({given})"


def _statement(claim: CheckedClaim, named: Named, w: Words) -> str:
    """One statement with its mark, `✓ 146 of the 428 readers of …`; if unsupported, with the graph's numbers."""
    text = named(capital(claim.text))
    if claim.verdict == "unsupported":
        text += f" (the graph has {truth(claim, w)})"
    return f"{VERDICTS[claim.verdict][0]} {text}"


def _books(answer: Recommendation, catalog: Catalog, named: Named) -> Iterator[str]:
    for entry in answer.items:
        book = catalog[entry.item]
        names = ", ".join(map(isolated, (*book.creators, *book.contributors)))
        by = f" ({names})" if names else ""
        yield f"{entry.rank}. {isolated(book.title)}{by}: {named(entry.reason)}"
