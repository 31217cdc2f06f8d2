"""Rewards of one answer in GRPO, as pure functions of its ranking and its paragraphs.

The outcome by tiers is that of the paper (arXiv 2602.09829); by NDCG it also counts soft targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2

OUTCOMES = ("ndcg", "tiers")
TIERS = ((1, 1.0), (3, 2 / 3), (5, 1 / 3))  # rank up to → reward
RECOMMENDED = 5


def outcome_reward(ranking: Sequence[int], target: int, soft: Sequence[float], by: str) -> float:
    """Reward of a ranking, from 0 to 1.

    Args:
        ranking: slots, best first; target: slot of the item really read next.
        soft: probability of each slot by the distillation teacher, from slot 1 on; sums to 1.
        by: `ndcg`: discounted gain, to which the target gives one half and the soft targets the other; `tiers`: 1, 2/3,
            1/3, 0 for the target at rank 1, up to 3, up to 5, else.

    Raises:
        ValueError: another name.

    >>> outcome_reward([2, 1], 2, [0.5, 0.5], "ndcg")  # 3/4 for slot 2, 1/4 / log2(3) for slot 1
    0.9077324383928644
    """
    if by not in OUTCOMES:
        raise ValueError(f"outcome reward {by!r} is none of {', '.join(OUTCOMES)}")
    if by == "tiers":
        if target not in ranking:
            return 0.0
        return next((reward for rank, reward in TIERS if ranking.index(target) < rank), 0.0)
    return sum((soft[slot - 1] + (slot == target)) / 2 / log2(place + 2) for place, slot in enumerate(ranking))


def truth_reward(false: Mapping[int, int]) -> float:
    """Minus the number of false statements.

    Args:
        false: slot → false statements of its paragraph.
    """
    return -float(sum(false.values()))


def coverage_reward(ranking: Sequence[int], stated: Mapping[int, int], false: Mapping[int, int]) -> float:
    """Share of the recommended items whose paragraph states something, all of it true.

    Args:
        ranking: slots, best first; stated, false: slot → statements of its paragraph, and false ones among them.
    """
    picks = ranking[:RECOMMENDED]
    return sum(stated.get(slot, 0) > 0 and not false.get(slot, 0) for slot in picks) / max(len(picks), 1)


def length_reward(words: int) -> float:
    """Minus the number of words that the answer spent."""
    return -float(words)
