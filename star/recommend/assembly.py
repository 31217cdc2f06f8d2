"""From the words of a trace to an answer: steps, verified claims, subgraph, reasons.

Student and teacher share this module: `assemble` makes the finished answer, `snapshot` a growing one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from star.data.catalog import Catalog
from star.data.words import Words, a
from star.evidence.behind import behind
from star.evidence.claims import WITHHELD, Claim, Edge, sentence
from star.evidence.subgraph import build
from star.evidence.tools import Tools
from star.evidence.verification import Finding, check
from star.recommend.reasons import reason
from star.recommend.recommendation import CheckedClaim, Recommendation, Recommended, StepView
from star.trace.grammar import CallContext, TraceError, spoken
from star.trace.steps import Step, read_step, steps_of

NOTHING = ("nothing", ";")  # a tool's whole answer when it finds nothing


def silent(tool: str, w: Words) -> str:
    """What a tool's answer says when it finds nothing."""
    says = {
        "profile": f"no {w.item} of the {w.shelf} has {a(w.genre)}",
        "recent": f"none of these last {w.items} has {a(w.genre)}",
        "user_cf": f"similar {w.users} {w.past} none of the candidates",
        "item_cf": f"these last {w.items} lead to none of the candidates asked about",
        "whole_shelf": f"the {w.items} looked at together lead to none of the candidates",
        "read_after": f"what others {w.past} after these {w.items} leads to none of the candidates",
        "description": f"by their descriptions, no candidate with few {w.users} fits the {w.shelf}",
    }
    return f"nothing: {says[tool]}"


@dataclass(frozen=True)
class Draft:
    """The words of a trace so far, one entry a word in each list.

    `own`: whether the model wrote the word. `at`: seconds from the query to the word.
    """

    words: list[str]
    own: list[bool]
    at: list[float]


@dataclass(frozen=True)
class Stated:
    """A claim as it was read from a closed step. `own`: the model made it, not a tool."""

    claim: Claim
    own: bool


def snapshot(answer: Recommendation, draft: Draft, tools: Tools, findings: list[Finding]) -> Recommendation:
    """The growing answer: its steps so far, and the claims of closed steps with their verdicts.

    Args:
        findings: of the claims of earlier snapshots; those of new claims are appended.
    """
    steps, stated = read_draft(draft, tools)
    findings += [check(each.claim, tools) for each in stated[len(findings) :]]
    claims = checked(stated, findings, tools.catalog)
    return replace(answer, text=" ".join(draft.words), steps=steps, claims=claims)


def assemble(
    answer: Recommendation,
    draft: Draft,
    tools: Tools,
    ranking: Sequence[int],
    scores: Mapping[int, float],
    findings: Sequence[Finding] = (),
) -> Recommendation:
    """The finished answer: steps, verified claims with their paths, ranked items with reasons, subgraph.

    Args:
        answer: data set, checkpoint, query, candidates and times; the other fields are filled in here.
        ranking: catalogue rows of the recommended items, best first.
        scores: catalogue row → the recommender's probability; it holds every item of the ranking.
        findings: of earlier snapshots, in the order of the claims; these claims are not verified again.
    """
    catalog = tools.catalog
    steps, stated = read_draft(draft, tools)
    findings = [*findings, *(check(each.claim, tools) for each in stated[len(findings) :])]
    nodes, edges = build(tools.history.tolist(), ranking, _cited(stated, findings, ranking), catalog)
    place = {(e.source, e.target, e.kind): n for n, e in enumerate(edges)}

    def path(found: tuple[Edge, ...]) -> tuple[int, ...]:
        return tuple(sorted({place[k] for e in found if (k := (e.source, e.target, e.kind)) in place}))

    shown = {*ranking, *_shortlisted(stated)}
    claims = tuple(
        replace(
            claim,
            edges=path(finding.edges),
            behind=behind(claim.claim, tools) if claim.claim.subject in shown and claim.verdict == "supported" else (),
        )
        for claim, finding in zip(checked(stated, findings, catalog), findings, strict=True)
    )
    done = replace(
        answer,
        text=" ".join(draft.words),
        steps=steps,
        claims=claims,
        nodes=nodes,
        edges=edges,
        finished=True,
    )
    items = tuple(
        Recommended(n + 1, item, scores[item], reason(done, item, catalog)) for n, item in enumerate(ranking)
    )
    return replace(done, items=items)


def _shortlisted(stated: Sequence[Stated]) -> set[int]:
    """Items that the model itself speaks of."""
    return {each.claim.subject for each in stated if each.own and each.claim.subject is not None}


def read_draft(draft: Draft, tools: Tools) -> tuple[tuple[StepView, ...], list[Stated]]:
    """Steps so far, the last one perhaps open, and the claims of the closed ones. Words that break the grammar are
    marked."""
    context, place = CallContext(len(tools.history)), 0
    steps: list[StepView] = []
    stated: list[Stated] = []
    try:
        for kind, inside, closed in steps_of(draft.words):
            own, length = kind != "tool_response", len(inside) + 1 + closed
            call = None if own or not steps or not steps[-1].name else steps[-1]
            text, step = spoken(inside, tools.catalog), None
            if closed:
                try:
                    step = read_step(kind, inside, context)
                except TraceError as error:
                    text += f" [not readable: {error}]"
            if step and call and inside == NOTHING:
                text = silent(str(call.name), tools.catalog.words)
                step = replace(step, claims=(Claim("opinion", label=text),))
            first = len(stated)
            stated += [Stated(claim, own) for claim in step.claims] if step else []
            name, arguments = (call.name, call.arguments) if call else (None, None)
            if step and not call:
                name, arguments = step.name, _arguments(step, tools.catalog)
            steps.append(
                StepView(
                    kind,
                    text,
                    draft.at[place + length - 1] - (draft.at[place - 1] if place else 0.0),
                    sum(draft.own[place : place + length]) if own else length,
                    tuple(range(first, len(stated))),
                    name,
                    arguments,
                    closed,
                )
            )
            place += length
    except TraceError as error:
        steps.append(StepView("reflection", f"[not readable: {error}]"))
    return tuple(steps), stated


def checked(
    stated: Sequence[Stated], findings: Sequence[Finding], catalog: Catalog
) -> tuple[CheckedClaim, ...]:
    """Claims as the page shows them while the trace grows, without their paths."""
    return tuple(
        CheckedClaim(
            each.claim,
            _text(each.claim, finding, catalog) + _how_sure(finding, catalog.words),
            finding.found,
            (),
            "model" if each.own else "tool",
            finding.verdict,
        )
        for each, finding in zip(stated, findings, strict=True)
    )


def _cited(
    stated: Sequence[Stated], findings: Sequence[Finding], ranking: Sequence[int]
) -> list[tuple[Edge, ...]]:
    """Edges for the subgraph: the model's claims first, and among them those about recommended items."""

    def shows(each: Stated) -> bool:
        return each.own or each.claim.subject in ranking or each.claim.kind in ("co_read", "genre")

    pairs = [pair for pair in zip(stated, findings, strict=True) if shows(pair[0])]
    pairs.sort(key=lambda pair: (not pair[0].own, pair[0].claim.subject not in ranking))
    return [finding.edges for _, finding in pairs]


def _arguments(step: Step, catalog: Catalog) -> dict[str, object] | None:
    """Arguments of a tool call by name, candidates as item ids; None for other steps."""
    if step.arguments is None:
        return None
    names = {"recent": "window", "user_cf": "readers", "item_cf": "window", "whole_shelf": "window"}
    named: dict[str, object] = {}
    if step.arguments and step.name in names:
        named[names[step.name]] = step.arguments[0]
    if len(step.arguments) > 1:
        named["candidates"] = [catalog[i].id for i in step.arguments[1:]]
    return named


def _text(claim: Claim, finding: Finding, catalog: Catalog) -> str:
    """The claim in plain words. Only remarks hold words of the grammar to translate; titles stay unchanged."""
    if claim.kind == "opinion":
        return spoken((claim.label or "").split(), catalog)
    if claim.kind == "series" and finding.edges:
        # The sentence names the latest book of the series on the shelf; the claim itself has no anchor.
        claim = replace(claim, anchor=int(finding.edges[-1].source.removeprefix("i:")))
    return sentence(claim, catalog, finding.found)


def _how_sure(finding: Finding, w: Words) -> str:
    """A supported lift's interval, and whether it may be chance; or the number of similar readers, if the call asked for
    more."""
    if finding.heard is not None:
        few = "fewer than five" if finding.heard < WITHHELD else f"only {finding.heard}"
        return f" ({few} {w.users} share {a(w.item)} with the {w.shelf})"
    if finding.interval is None or finding.verdict != "supported":
        return ""
    low, high = finding.interval
    return f" (95 % interval {low:.1f} to {high:.1f}{': may be chance' if low < 1 else ''})"
