"""What a card gives as a reason: never what too few readers tell."""

from __future__ import annotations

import toys

from star.evidence.claims import Claim, sentence
from star.recommend.assembly import reason
from star.recommend.recommendation import CheckedClaim

CATALOG = toys.hand_catalog()
PLACE = {"rank": 1, "among": 20}
FEW = Claim("co_read", 4, None, {"window": 5})
PULL = Claim("pull", 4, None, {"window": 5, **PLACE}, "good")
NEXT = Claim("read_next", 4, None, {"window": 5, **PLACE}, "good")


def given(*claims: Claim) -> str:
    return reason(
        4, tuple(CheckedClaim(c, sentence(c, CATALOG), {}, (), "model", "supported") for c in claims)
    )


def test_too_little_to_tell_is_no_reason() -> None:
    similar = Claim("similar", 4, None, {"of": 50, **PLACE}, "striking")
    for claims in ((FEW,), (similar,), (PULL, FEW), (similar, PULL, FEW)):
        assert given(*claims).startswith("No evidence"), claims


def test_what_enough_readers_tell_is_one() -> None:
    counted = Claim("co_read", 4, 0, {"both": 9, "of": 20, "lift": 3.0})
    assert "9 of the 20 readers" in given(PULL, counted)
    assert given(PULL) == "Co-reading of Book 4 with the last 5 books is good, first of 20 candidates"
    assert "read soon after" in given(PULL, NEXT, FEW)
    other = Claim("co_read", 3, None, {"window": 5})  # about another item
    assert given(PULL, other).startswith("Co-reading")


def test_answers_of_tools_without_fitted_signals_are_as_they_were() -> None:
    plain = Claim("pull", 4, None, {"window": 5}, "good")
    assert given(plain, FEW) == "Co-reading of Book 4 with the last 5 books is good"
