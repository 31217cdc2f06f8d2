"""Rewards of GRPO as pure functions of one completed trace (arXiv 2602.09829: format, outcome; and grounding).

None looks at the graph or at the model: a trace, the place of the held-out book, verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from star.evidence.claims import Claim, Verdict
from star.trace.steps import Trace

TIERS = ((1, 1.0), (3, 2 / 3), (5, 1 / 3))  # rank up to → reward


def format_reward(trace: Trace | None) -> float:
    """−1 where there is no readable trace; +1 where its reflections quote evidence and every quoted claim is one that a
    tool made in this very trace; 0 in between.

    A format that is paid for alone is farmed by traces that say nothing, so form counts only with substance; where the
    tools had nothing to say, nothing need be quoted.
    """
    if trace is None:
        return -1.0
    said = [c for s in trace.steps if s.type == "tool_response" for c in s.claims if c.kind != "opinion"]
    quoted = quotes(trace)
    if not quoted:
        return 0.0 if said else 1.0
    return 1.0 if all(claim in said for claim in quoted) else 0.0


def quotes(trace: Trace) -> list[Claim]:
    """Checkable claims that the model itself wrote."""
    own = (s for s in trace.steps if s.type not in ("tool_call", "tool_response"))
    return [claim for step in own for claim in step.claims if claim.kind != "opinion"]


def outcome_reward(place: int | None, by: str = "tiers") -> float:
    """What the held-out book's place in the ranking is worth, from 0 to 1.

    Args:
        place: 0 is first; None: not ranked, or no readable ranking.
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
    """Share of the model's own checkable claims that the graph bears out; 0 where it makes none."""
    checked = [v for v in verdicts if v != "opinion"]
    return sum(v == "supported" for v in checked) / len(checked) if checked else 0.0


def copied(ranking: Sequence[int], candidates: Sequence[int]) -> bool:
    """Whether the ranking is the beginning of the list as it was shown (to be watched, not rewarded)."""
    return list(ranking) == list(candidates[: len(ranking)])
