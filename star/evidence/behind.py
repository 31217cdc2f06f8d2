"""What a claim's number is made of: the users that a count counts, as a sample, or the shelf's items that a score sums."""

from __future__ import annotations

import numpy as np

from star.evidence.claims import WITHHELD, Claim
from star.evidence.tools import FITTED, Tools

Behind = tuple[tuple[str, float], ...]
"""Nodes as `Edge` names them, with the similarity or share of each (1 where a user is only counted); `rest` for shelf items
that are not named. Shares sum to 1."""
SHOWN = 8  # users or items that are named


def behind(claim: Claim, tools: Tools) -> Behind:
    """The users or items behind a claim about a candidate; nothing where there are none, or too few to be shown."""
    if claim.subject is None or claim.subject not in tools.candidates:
        return ()
    match claim.kind:
        case "co_read" if claim.anchor is not None and claim.anchor in tools.history:
            both = readers_of_both(claim.anchor, claim.subject, tools)
            if len(both) < WITHHELD:
                return ()
            shown = both[np.linspace(0, len(both) - 1, min(SHOWN, len(both))).round().astype(int)]
            return tuple((f"r:{reader}", 1.0) for reader in shown.tolist())
        case "similar":
            readers, weight = similar_readers_of(claim.subject, int(claim.numbers.get("of", 0)), tools)
            if len(readers) < WITHHELD:
                return ()
            pairs = zip(readers[:SHOWN].tolist(), weight[:SHOWN].tolist(), strict=True)
            return tuple((f"r:{reader}", round(alike, 3)) for reader, alike in pairs)
        case kind if tools.signals is not None and (claim.label if kind == "carried" else kind) in FITTED.values():
            return _sum(claim, tools)
        case _:
            return ()


def readers_of_both(a: int, b: int, tools: Tools) -> np.ndarray:
    """Readers of two items as rows of the graph, (n,), without the reader who is asked about."""
    by_item, own = tools.graph.by_item, tools.graph.position(tools.reader)
    rows = np.intersect1d(by_item[a].indices, by_item[b].indices)
    return rows if own is None else rows[rows != own]


def similar_readers_of(item: int, asked: int, tools: Tools) -> tuple[np.ndarray, np.ndarray]:
    """Those of the `asked` most similar readers who read a candidate, the most similar first: rows of the graph and their
    similarity, both (n,)."""
    readers, weight = tools.nearest(asked)
    who = np.flatnonzero(tools.similar_share(asked)[2][:, tools.candidates.tolist().index(item)])
    return readers[who], weight[who]


def _sum(claim: Claim, tools: Tools) -> Behind:
    kind = claim.label if claim.kind == "carried" else claim.kind
    column = tools.candidates.tolist().index(claim.subject)
    parts = tools.parts(kind)[:, column]  # type: ignore[arg-type]
    if parts.sum() <= 0:
        return ()
    share = parts / parts.sum()
    order = [int(n) for n in np.argsort(-np.abs(share), kind="stable") if abs(share[n]) >= 0.005]
    named = [(f"i:{int(tools.history[n])}", round(float(share[n]), 3)) for n in order[:SHOWN]]
    rest = round(1 - sum(amount for _, amount in named), 3)
    return tuple(named) if abs(rest) < 0.01 else (*named, ("rest", rest))
