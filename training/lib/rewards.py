"""Format, outcome and grounding of one completed trace, as pure functions (format and outcome: arXiv 2602.09829).

Inputs are a trace, the rank of the item really read next, and verdicts; no function reads the graph or the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from star.evidence.claims import Claim, Verdict
from star.trace.steps import Trace

TIERS = ((1, 1.0), (3, 2 / 3), (5, 1 / 3))  # rank up to → reward


def format_reward(trace: Trace | None) -> float:
    """−1: unreadable trace; +1: the reflections quote evidence, and a tool made every quoted claim in this trace; else 0.

    Quotations are required because a reward for form alone favours empty traces. If the tools state no claim, a trace
    without quotations gets +1.
    """
    if trace is None:
        return -1.0
    said = [c for s in trace.steps if s.type == "tool_response" for c in s.claims if c.kind != "opinion"]
    quoted = quotes(trace)
    if not quoted:
        return 0.0 if said else 1.0
    return 1.0 if all(claim in said for claim in quoted) else 0.0


def quotes(trace: Trace) -> list[Claim]:
    """Checkable claims that the model wrote."""
    own = (s for s in trace.steps if s.type not in ("tool_call", "tool_response"))
    return [claim for step in own for claim in step.claims if claim.kind != "opinion"]


def outcome_reward(place: int | None, by: str = "tiers") -> float:
    """Reward of the rank of the item really read next, from 0 to 1.

    Args:
        place: rank from 0; None: not ranked, or no readable ranking.
        by: `tiers` as in the paper (1, 2/3, 1/3, 0 at rank 1, up to 3, up to 5, else), `ndcg` or `first`.

    Raises:
        ValueError: another name.
    """
    if by not in ("tiers", "ndcg", "first"):
        raise ValueError(f"outcome reward {by!r} is none of tiers, ndcg, first")
    if place is None:
        return 0.0
    if by == "tiers":
        return next((reward for rank, reward in TIERS if place < rank), 0.0)
    return 1 / log2(place + 2) if by == "ndcg" else float(place == 0)


def grounding_reward(verdicts: Sequence[Verdict]) -> float:
    """Share of the model's checkable claims that the graph supports; 0 without claims."""
    checked = [v for v in verdicts if v != "opinion"]
    return sum(v == "supported" for v in checked) / len(checked) if checked else 0.0


def copied(ranking: Sequence[int], candidates: Sequence[int]) -> bool:
    """Whether the ranking copies the beginning of the candidate list; logged, not rewarded."""
    return list(ranking) == list(candidates[: len(ranking)])
