"""The typed steps of a trace as HTML, each tool call with its answer inside. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from itertools import groupby

from star.data.catalog import Catalog
from star.data.words import BOOK, Words, capital
from star.display import bdi, html, isolating
from star.evidence.claims import bound, stated
from star.recommend.readable import (
    NAMES,
    VERDICTS,
    called,
    differs,
    number,
    number_name,
    plural,
    written_call,
)
from star.recommend.readable import ranked as ranked
from star.recommend.recommendation import CheckedClaim, Recommendation, StepView, names_in
from star.ui.views.cards import TOOL, mark, tally, tool_mark

Block = dict[str, str]
Named = Callable[[str], str]  # isolates the names in a text


def numbers(claim: CheckedClaim, w: Words) -> str:
    """Stated and found numbers side by side; a difference is marked in words too."""
    said = stated(claim.claim)
    names = list(dict.fromkeys([*said, *claim.found]))
    if not names:
        return ""
    rows = ""
    for name in names:
        given, found = said.get(name), claim.found.get(name)
        capped = bound(name, given, claim.found)
        note = "differs" if differs(given, found) and not (capped and claim.verdict == "supported") else ""
        rows += (
            f"<tr><th scope='row'>{escape(number_name(name, w, claim.claim.kind))}</th><td>{number(given, capped)}</td>"
            f'<td>{number(found)}</td><td class="star-differs">{note}</td></tr>'
        )
    return (
        '<table class="star-numbers"><thead><tr><td></td><th scope="col">stated</th>'
        f'<th scope="col">found</th><td></td></tr></thead><tbody>{rows}</tbody></table>'
    )


def claim_line(answer: Recommendation, index: int, w: Words, named: Named = str) -> str:
    """One claim: a button that selects its path, and its numbers, which show while it is selected."""
    claim = answer.claims[index]
    given = claim.author == "tool" and claim.verdict == "supported"
    words = TOOL if given else f"<b>{VERDICTS[claim.verdict][1]}</b> · the model wrote this"
    if claim.author == "tool" and not given:
        words = f"<b>{VERDICTS[claim.verdict][1]}</b> · a tool returned this"
    path = plural(len(claim.edges), "edge") + " in the graph" if claim.edges else "no edge of its own"
    kind = "tool" if given else claim.verdict
    return (
        f'<div class="star-claim {escape(kind)}" data-claim-row="{index}">'
        f'<button type="button" data-claim="{index}" aria-pressed="false">{tool_mark() if given else mark(claim.verdict)}'
        f"<span>{html(named(claim.text))}</span></button>"
        f'<div class="star-detail"><p>{words} · {path}</p>{numbers(claim, w)}</div></div>'
    )


def _words(catalog: Catalog | None) -> Words:
    return BOOK if catalog is None else catalog.words


def _prose(text: str, named: Named) -> str:
    parts = [part.strip() for part in re.split(r"\n|;\s", named(text) + " ")]
    return "".join(f"<p>{html(part)}</p>" for part in parts if part.strip(" .;"))


def body(
    answer: Recommendation, step: StepView, key: str, catalog: Catalog | None, named: Named = str
) -> str:
    """The step's text, in which each claim becomes a claim line.

    Where the model wrote its short form, the claims are shown in full and the short form folds away.
    """
    # A snapshot may hold a step whose claims are not checked yet.
    claims = [index for index in step.claims if index < len(answer.claims)]
    if not claims:
        return _prose(step.text, named)
    if not all(answer.claims[index].text in step.text for index in claims):
        full = _grouped(answer, claims, key, catalog, step.type != "tool_response", named)
        short = f"<summary>as written</summary>{_prose(step.text, named)}"
        return f'{full}<details class="star-raw" data-key="{key}-raw">{short}</details>'
    rest, out, w = step.text, "", _words(catalog)
    for index in claims:
        before, found, after = rest.partition(answer.claims[index].text)
        out += _prose(before.lstrip(" .;") if found else "", named) + claim_line(answer, index, w, named)
        rest = after if found else rest
    return out + _prose(rest.lstrip(" .;"), named)


def _grouped(
    answer: Recommendation,
    claims: list[int],
    key: str,
    catalog: Catalog | None,
    unfold: bool,
    named: Named,
) -> str:
    """Claims one below another; consecutive claims about one item fold under its title."""
    out = ""
    for subject, run in groupby(claims, lambda index: answer.claims[index].claim.subject):
        group = list(run)
        lines = "".join(claim_line(answer, index, _words(catalog), named) for index in group)
        if subject is None or len(group) == 1 or catalog is None:
            out += lines
            continue
        out += (
            f'<details class="star-group" data-key="{key}-{subject}"{" open" if unfold else ""}><summary>'
            f"<b>{bdi(catalog[subject].title)}</b>{tally(answer, tuple(group))}</summary>{lines}</details>"
        )
    return out


def _cost(*steps: StepView) -> str:
    seconds, tokens = sum(s.seconds for s in steps), sum(s.tokens for s in steps)
    read = steps[-1].type == "tool_response"
    parts = [f"{seconds:.2f} s" if seconds else "", plural(tokens, "token") + (" read" if read else "") if tokens else ""]
    return f'<span class="star-cost">{" · ".join(p for p in parts if p)}</span>'


def _tool(
    answer: Recommendation,
    key: str,
    call: StepView,
    response: StepView | None,
    catalog: Catalog | None,
    named: Named,
) -> str:
    running = not answer.finished and (response is None or not response.finished)
    steps = (call,) if response is None else (call, response)
    w, known = _words(catalog), call.finished or call.name
    label = html(named(capital(called(call, w)))) if known else "Asking the graph…"
    raw = (
        f'<details class="star-raw" data-key="{key}-call"><summary>as written</summary>'
        f"<p><code>{html(named(written_call(call, w)))}</code></p></details>"
        if known
        else ""
    )
    inside = (
        body(answer, response, key, catalog, named)
        if response is not None
        else '<p class="star-wait">looking it up…</p>'
    )
    count = plural(len(response.claims), "finding") if response is not None and response.claims else ""
    return (
        f'<details class="star-tool" data-key="{key}"{" open" if running else ""}><summary>'
        f'<span class="star-call">{label}</span><span class="star-count">{count}</span>{_cost(*steps)}</summary>'
        f'<div class="star-response">{inside}{raw}</div></details>'
    )


def trace(answer: Recommendation | None, catalog: Catalog | None = None) -> list[Block]:
    """The steps as keyed blocks, so that the page replaces only what changed. A call's block holds its response."""
    if answer is None:
        return []
    named = str if catalog is None else isolating(names_in(answer, catalog))
    blocks: list[Block] = []
    steps = list(answer.steps)
    at = 0
    while at < len(steps):
        step, key = steps[at], f"step{at}"
        busy = "" if step.finished or answer.finished else " running"
        if step.type == "tool_call":
            follows = at + 1 < len(steps) and steps[at + 1].type == "tool_response"
            inside = _tool(answer, key, step, steps[at + 1] if follows else None, catalog, named)
            blocks.append({"key": key, "html": f'<section class="star-step tool{busy}">{inside}</section>'})
            at += 2 if follows else 1
            continue
        if step.type == "recommend":
            text = "".join(f"<li>{bdi(line)}</li>" for line in ranked(step.text))
            inside = f"<ol class='star-ranking'>{text}</ol>" + "".join(
                claim_line(answer, i, _words(catalog), named) for i in step.claims
            )
        else:
            inside = body(answer, step, key, catalog, named)
        head = f"<header><h3>{NAMES[step.type]}</h3>{_cost(step)}</header>"
        blocks.append(
            {"key": key, "html": f'<section class="star-step {step.type}{busy}">{head}{inside}</section>'}
        )
        at += 1
    if answer.finished and answer.claims:
        words = f"The model’s statements and the tools’ findings: {tally(answer)}"
        blocks.append({"key": "ledger", "html": f'<p class="star-ledger">{words}</p>'})
    return blocks
