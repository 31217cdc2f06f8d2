"""What is behind a number: users of both, similar users, shares of a sum; never fewer than five users."""

from __future__ import annotations

import toys

from star.evidence.behind import behind
from star.evidence.claims import Claim


def test_readers_of_both() -> None:
    tools = toys.hand_tools([0], [2, 3, 4])
    found = behind(Claim("co_read", 2, 0, {"both": 6, "of": 15, "lift": 1.3}), tools)
    assert [node for node, _ in found] == [f"r:{n}" for n in range(6)] and {w for _, w in found} == {1.0}
    assert [node for node, _ in behind(Claim("co_read", 3, 0, {"both": 5, "of": 15, "lift": 1.3}), tools)] == [
        f"r:{n}" for n in range(6, 11)
    ]


def test_too_few_are_not_shown() -> None:
    tools = toys.hand_tools([0], [2, 4])
    assert behind(Claim("co_read", 4, 0, {"both": 4, "of": 15, "lift": 1.3}), tools) == ()


def test_the_reader_asked_about_is_not_among_them() -> None:
    tools = toys.hand_tools([0], [2], reader=0)
    found = behind(Claim("co_read", 2, 0, {"both": 5, "of": 14, "lift": 1.3}), tools)
    assert [node for node, _ in found] == [f"r:{n}" for n in range(1, 6)]


def test_similar_readers_who_read_it() -> None:
    tools = toys.hand_tools([0, 1], [2, 5])
    found = behind(Claim("similar", 2, None, {"both": 6, "of": 30}, "strong"), tools)
    assert {node for node, _ in found} == {f"r:{n}" for n in range(6)} and all(0 < w <= 1 for _, w in found)
    assert behind(Claim("similar", 5, None, {"of": 30}, "faint"), tools) == ()


def test_nothing_is_behind_the_rest() -> None:
    tools = toys.hand_tools([0], [2])
    for claim in (
        Claim("opinion", label="look again at"),
        Claim("author", 2, None, {"books": 1}),
        Claim("whole", 2, None, {"rank": 1, "among": 1}, "good"),  # no fitted signals
        Claim("co_read", 2, 5, {"both": 6, "of": 15, "lift": 1.3}),  # not on the shelf
        Claim("co_read", 7, 0, {"both": 6, "of": 15, "lift": 1.3}),  # no candidate
    ):
        assert behind(claim, tools) == ()
