"""Verification: each claim of a trace against the graph, number by number.

The words of a trace are not trusted: every number, place and strength is computed again from the graph and the fitted
signals. So a number that the model copied wrongly, or made up, is found out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from star.evidence.claims import (
    LEAST_LIFT,
    MOST_LIFT,
    STRENGTHS,
    TOLD,
    WITHHELD,
    Claim,
    Edge,
    Evidence,
    Verdict,
    stated,
)
from star.evidence.tools import ASKED, FITTED, Line, Tools, figures


@dataclass(frozen=True)
class Finding:
    """What the graph holds on a claim: numbers under the same names, the edges, the verdict."""

    found: dict[str, float]
    edges: tuple[Edge, ...]
    verdict: Verdict
    interval: tuple[float, float] | None = None
    """95 % interval of the lift, for co-reading with numbers."""
    heard: int | None = None
    """Similar readers that exist, if they are fewer than the claim's `of`; else None."""


def check(claim: Claim, tools: Tools) -> Finding:
    """Compare one claim with the graph, for the shelf that `tools` is bound to.

    A claim is supported when every number it states is the graph's, to the figures stated, and the strength is the word
    for the signal's level. A stated lift of 99 means 99 or more, one of 0.1 means 0.1 or less; `found` holds the real lift.
    Counts under five readers are never reported, so a claim that states one is not supported.
    """
    if claim.kind == "opinion":
        return Finding({}, (), "opinion")
    if claim.kind == "genre":
        return _compare(
            claim, [e for e in tools.genres(int(claim.numbers.get("of", 0))) if e.claim.label == claim.label]
        )
    if claim.subject is None or not 0 <= claim.subject < len(tools.catalog):
        return Finding({}, (), "unsupported")
    if claim.kind in FITTED.values() or claim.kind == "carried":
        return _fitted(claim, tools)
    if claim.kind == "over":
        return _over(claim, tools)
    if claim.kind == "silent":
        return _silent(claim, tools)
    # A place is one among all candidates; what else is said of a candidate does not depend on the others.
    about = tools if claim.subject in tools.candidates else tools.about(claim.subject)
    if claim.kind == "co_read" and claim.anchor is not None:
        return _co_read(claim, about)
    if claim.kind == "similar":
        asked = claim.numbers.get("of", 0)
        truth = about.user_cf(int(asked)) if asked in ASKED else ()
        finding = _compare(claim, _said(claim, truth))
        heard = tools.heard(int(asked)) if truth else asked
        return replace(finding, heard=int(heard)) if heard < asked else finding
    window = int(claim.numbers.get("window", len(tools.history)))
    truth = about.item_cf(window, [claim.subject]) if window > 0 and len(tools.history) else ()
    return _compare(claim, _said(claim, truth))


def _over(claim: Claim, tools: Tools) -> Finding:
    """Both scores in the signal named, of candidates of the query."""
    items = tools.candidates.tolist()
    if claim.subject not in items or claim.anchor not in items:
        return Finding({}, (), "unsupported")
    match claim.label:
        case "pull" | "read_next":
            scores = tools.pulls(int(claim.numbers.get("window", 0)))[2 + (claim.label == "read_next")]
        case "similar":
            scores = tools.similar_share(int(claim.numbers.get("of", 0)))[1]
        case kind if tools.signals is not None and kind in FITTED.values():
            scores = tools.parts(kind).sum(0)  # type: ignore[arg-type]
        case _:
            return Finding({}, (), "unsupported")
    above = scores[items.index(claim.subject)] > scores[items.index(claim.anchor)]
    return Finding({}, (), "supported" if above else "unsupported")


def _silent(claim: Claim, tools: Tools) -> Finding:
    """`user_cf` and `item_cf` are asked again with the claim's numbers, and every fitted tool.

    A line about the subject refutes the claim.
    """
    asked, window = (int(claim.numbers.get(name, 0)) for name in ("of", "window"))
    if claim.subject not in tools.candidates or asked not in (0, *ASKED) or window < 0:
        return Finding({}, (), "unsupported")
    lines = [
        *(tools.user_cf(asked) if asked else ()),
        *(tools.item_cf(window) if window and len(tools.history) else ()),
    ]
    if tools.signals is not None:
        lines += [line for kind in FITTED.values() for line in tools.fitted(kind)]
    spoken = any(line[0].claim.subject == claim.subject for line in lines)
    return Finding({}, (), "unsupported" if spoken else "supported")


def _said(claim: Claim, lines: Sequence[Line]) -> list[Evidence]:
    """Evidence of the claim's kind about its subject."""
    return [
        e for line in lines for e in line if (e.claim.kind, e.claim.subject) == (claim.kind, claim.subject)
    ]


def _compare(claim: Claim, truth: list[Evidence]) -> Finding:
    if not truth:
        return Finding({}, (), "unsupported")
    real = truth[0].claim
    same = real.anchor == claim.anchor and real.label == claim.label and _equal(stated(claim), stated(real))
    return Finding(stated(real), truth[0].edges, "supported" if same else "unsupported")


def _equal(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return a.keys() == b.keys() and all(abs(a[name] - b[name]) < 1e-9 for name in a)


def _fitted(claim: Claim, tools: Tools) -> Finding:
    """A place among the candidates of the query, or the share of any book of the shelf, named by the tool or not."""
    name = claim.label if claim.kind == "carried" else claim.kind
    kind = next((kind for kind in FITTED.values() if kind == name), None)
    items = tools.candidates.tolist()
    if tools.signals is None or kind is None or claim.subject is None or claim.subject not in items:
        return Finding({}, (), "unsupported")
    parts, at, readers = tools.parts(kind), items.index(claim.subject), tools.readers(claim.subject)
    scores = parts.sum(0)
    level = int((tools.signals.bounds[kind] <= scores[at]).sum())
    if not level or (kind == "about" and readers >= TOLD):
        return Finding({}, (), "unsupported")
    if claim.kind != "carried":
        numbers = {"rank": 1 + int((scores > scores[at]).sum()), "among": len(scores)}
        if kind == "about":
            numbers["under"] = WITHHELD if readers < WITHHELD else TOLD
        real = Claim(kind, claim.subject, numbers=numbers, strength=STRENGTHS[level - 1])
        drawn = next((line[0].edges for line in tools.fitted(kind) if line[0].claim.subject == claim.subject), ())
        return _compare(claim, [Evidence(real, drawn)])
    if claim.anchor not in tools.history:
        return Finding({}, (), "unsupported")
    share = int(np.round(100 * parts[tools.history.tolist().index(claim.anchor), at] / scores[at]))
    edge = Edge(f"i:{claim.anchor}", f"i:{claim.subject}", "carries", share / 100)
    same = claim.numbers.get("share") == share
    return Finding({"share": float(share)}, (edge,), "supported" if same else "unsupported")


def _co_read(claim: Claim, tools: Tools) -> Finding:
    """Any book of the shelf may serve as anchor, not only the strongest."""
    anchor, subject = claim.anchor, claim.subject
    if anchor is None or subject is None or anchor not in tools.history:
        return Finding({}, (), "unsupported")
    both, of = tools.readers_of_both(anchor, subject), tools.readers(anchor)
    if both < WITHHELD or of == 0:
        return Finding({}, (), "unsupported")
    lift = figures(both / of / (tools.readers(subject) / tools.n_readers))
    found = {"both": float(both), "of": float(of), "lift": lift}
    edges = (Edge(f"i:{anchor}", f"i:{subject}", "co_read", float(both)),)
    same = _equal(found | {"lift": _within(claim.numbers.get("lift"), lift)}, stated(claim))
    return Finding(found, edges, "supported" if same else "unsupported")


def _within(said: float | None, lift: float) -> float:
    """`said` if it is a bound, 99 or 0.1, and the real lift lies beyond it; else the real lift."""
    kept = (said == MOST_LIFT and lift >= MOST_LIFT) or (said == LEAST_LIFT and lift <= LEAST_LIFT)
    return said if kept and said is not None else lift
