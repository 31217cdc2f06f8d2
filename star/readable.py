"""Answers and the names of their parts in plain words, the same on the page and in the terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

from star.catalog import Catalog, Item
from star.recommendation import CheckedClaim, Recommendation, StepView, Verdict

VERDICTS: dict[Verdict, tuple[str, str]] = {
    "supported": ("✓", "borne out by the graph"),
    "unsupported": ("✗", "not borne out"),
    "opinion": ("”", "opinion"),
}
NAMES = {
    "plan": "Plan",
    "tool_call": "Tool call",
    "tool_response": "Evidence",
    "reflection": "Reflection",
    "recommend": "Ranking",
}
NUMBERS = {
    "both": "readers of both",
    "of": "out of",
    "lift": "times chance",
    "number": "volume",
    "books": "books",
    "window": "last books looked at",
    "level": "strength, 1 to 6",
}
# Characters that turn the direction of what follows (Unicode Standard Annex 9).
TURNING = dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def year(value: int | None) -> str:
    """`1965`, `700 BC`, or nothing."""
    return "" if value is None else f"{-value} BC" if value < 0 else str(value)


def byline(item: Item) -> str:
    """Author and year: `Frank Herbert, 1965`."""
    return ", ".join(part for part in (" and ".join(item.creators[:2]), year(item.year)) if part)


def volume(item: Item) -> str:
    """`Dune, volume 2`, or nothing for a book on its own."""
    if not item.series:
        return ""
    return item.series if item.number is None else f"{item.series}, volume {item.number:g}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 book`, `2 books`, `1,204 readers`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number(value: float | None) -> str:
    """A stated or found number: `1,204`, `3.1`, `—` where there is none."""
    return "—" if value is None else f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def ranked(text: str) -> list[str]:
    """The titles of a ranking, one per line or in quotes one after another."""
    text = text.strip()
    if "\n" not in text and text.startswith("“"):
        return text.removeprefix("“").removesuffix("”").split("” “")
    return [line.strip() for line in text.split("\n") if line.strip()]


def clean(text: str) -> str:
    """One line for a terminal: no control characters (so no escape codes), none that turn the direction of writing."""
    line = " ".join(text.split()).translate(TURNING)
    return "".join(c for c in line if unicodedata.category(c) != "Cc")


def isolated(text: str) -> str:
    """A title or name for a terminal: `clean`, and where it is written from right to left kept from turning its
    neighbours."""
    text = clean(text)
    turns = any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)
    return f"\u2068{text}\u2069" if turns else text


def readable(answer: Recommendation, catalog: Catalog) -> str:
    """A finished answer for a terminal: the steps with their statements and what the graph says of each, then the books."""
    return "\n".join([*_steps(answer, catalog), *_books(answer, catalog), "", tally(answer)])


def raw(answer: Recommendation, catalog: Catalog) -> str:
    """The same with the steps in the words of the grammar, as the model wrote them."""
    words = [f"{step.type}: {clean(step.text)}" for step in answer.steps]
    return "\n".join([*words, "", *_books(answer, catalog), "", tally(answer)])


def tally(answer: Recommendation) -> str:
    """How many of the statements that were not a tool's the graph bears out."""
    verdicts = [claim.verdict for claim in answer.claims if claim.author == "model"]
    return (
        f"of {len(verdicts)} statements the model wrote, the graph bears out {verdicts.count('supported')}, "
        f"{verdicts.count('unsupported')} not, {verdicts.count('opinion')} are opinions"
    )


def _steps(answer: Recommendation, catalog: Catalog) -> Iterator[str]:
    for step in answer.steps:
        if step.type == "recommend":
            continue  # the books follow, with their reasons
        yield NAMES[step.type] if step.type != "tool_call" else f"{NAMES[step.type]}: {_call(step)}"
        if step.type == "tool_call" and step.name:
            continue
        lines = [_statement(answer.claims[index], catalog) for index in step.claims]
        if not lines:
            lines = [clean(step.text)] if step.text.strip(" .;") else ["nothing found"]
        yield from (f"  {line}" for line in lines)
        yield ""


def _call(step: StepView) -> str:
    given = ", ".join(
        f"{name} = {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in (step.arguments or {}).items()
    )
    return clean(f"{step.name or 'tool'}({given})")


def _statement(claim: CheckedClaim, catalog: Catalog) -> str:
    """`✓ 146 of the 428 readers of …`; where the graph says otherwise, what it says."""
    text = _said(claim.text, claim, catalog)
    text = text[:1].upper() + text[1:]
    if claim.verdict == "unsupported":
        found = ", ".join(f"{NUMBERS.get(name, name)} {number(value)}" for name, value in claim.found.items())
        text += f" (the graph has {found or 'nothing of it'})"
    return f"{VERDICTS[claim.verdict][0]} {text}"


def _said(text: str, claim: CheckedClaim, catalog: Catalog) -> str:
    """The sentence with the titles in it isolated."""
    for item in (claim.claim.subject, claim.claim.anchor):
        if item is not None and 0 <= item < len(catalog):
            title = " ".join(catalog[item].title.split())
            text = text.replace(title, isolated(title)) if title else text
    return "".join(c for c in text if unicodedata.category(c) != "Cc")


def _books(answer: Recommendation, catalog: Catalog) -> Iterator[str]:
    reasons = {(claim.text[:1].upper() + claim.text[1:]): claim for claim in answer.claims}
    for entry in answer.items:
        book = catalog[entry.item]
        by = f" ({', '.join(map(isolated, book.creators))})" if book.creators else ""
        claim = reasons.get(entry.reason)
        reason = clean(entry.reason) if claim is None else _said(entry.reason, claim, catalog)
        yield f"{entry.rank}. {isolated(book.title)}{by}: {reason}"
