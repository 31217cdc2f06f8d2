"""How one run of the teacher weighs the evidence: windows, neighbourhood size, tools, weights.

With tools that need no fit, a line has points per level of strength (`Weights`). With fitted signals the weights are of
a conditional logit over what the lines say (`LEARNED`), one set for every data set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from star.evidence.claims import STRENGTHS, WITHHELD, Claim
from star.evidence.tools import ASKED, WINDOWS

LEVEL = {word: place + 1 for place, word in enumerate(STRENGTHS)}


@dataclass(frozen=True)
class Weights:
    """The ranker's points per level of strength of each signal (`author`: per book, up to 3)."""

    pull: float
    read_next: float
    similar: float
    sequel: float
    series: float
    author: float


# Found by a random search on each data set's validation readers (training/LOG.md), then frozen; data sets that are not named
# here take those of goodbooks.
TUNED = {
    "goodbooks": Weights(pull=0.85, read_next=0.5, similar=0.4, sequel=5.5, series=0.23, author=0.55),
    "demo": Weights(pull=0.49, read_next=1.0, similar=0.43, sequel=0.97, series=0.17, author=0.69),
}
JITTER = 0.2  # standard deviation of the logarithm of each weight over seeds

TRUSTS = {
    "co_reading": "pull",
    "similar readers": "similar",
    "what is read next": "read_next",
}  # the weight that it raises
BOOST = 1.25  # factor on the weight of what the plan trusts first

LEARNED = Path(__file__).with_name("judgement.json")
"""Weights for fitted signals, written by `python -m training.studies.tune_mars`: `all`, and what `short` shelves add."""
SHORT = 8  # books, below which a shelf is short
UNREAD = "unread"
"""In place of `about`, where the description speaks of an item with fewer than five readers."""
PLACED = ("pull", "read_next", "similar", "whole", "latest", "last", "after", "about", UNREAD)
FEATURES = (
    *(f"{kind}.{what}" for kind in PLACED for what in ("said", "level", "place")),
    "sequel.said",
    "series.said",
    "author.said",
    "author.books",
    "co_read.said",
    "co_read.lift",
)
"""What `features` reads in a line."""


@dataclass(frozen=True)
class Judgement:
    """Settings of one run. `looks`: which of `profile` and `recent` are called."""

    window: int
    asked: int
    trust: str
    looks: tuple[str, ...]
    weights: Weights
    close: float
    """The reflector sends the analyst back if the first two candidates differ by fewer points."""
    learned: Mapping[str, float] = field(default_factory=dict)
    """With fitted signals: points of each of `FEATURES`, in place of `weights`."""


def weights_for(dataset: str) -> Weights:
    """The tuned weights of a data set, for tools without fitted signals."""
    return TUNED.get(dataset, TUNED["goodbooks"])


def draw(rng: np.random.Generator, weights: Weights = TUNED["goodbooks"]) -> Judgement:
    """A random judgement of tools without fitted signals."""
    trust = list(TRUSTS)[rng.choice(3, p=[0.6, 0.2, 0.2])]
    noise = np.exp(rng.normal(0.0, JITTER, 6))
    values = {
        name: value * noise[place] * (BOOST if name == TRUSTS[trust] else 1)
        for place, (name, value) in enumerate(asdict(weights).items())
    }
    return Judgement(
        window=int(rng.choice(WINDOWS, p=[0.2, 0.6, 0.2])),
        asked=int(rng.choice(ASKED, p=[0.3, 0.7])),
        trust=trust,
        looks=tuple(tool for tool in ("profile", "recent") if rng.random() < 0.8),
        weights=Weights(**{name: float(value) for name, value in values.items()}),
        close=float(rng.uniform(0.0, 1.0)),
    )


@cache
def learned() -> dict[str, dict[str, float]]:
    """The weights in `LEARNED`."""
    found: dict[str, dict[str, float]] = json.loads(LEARNED.read_text("utf-8"))["weights"]
    return found


def of_shelf(given: Mapping[str, Mapping[str, float]], shelf: int) -> dict[str, float]:
    """Points of each feature for a shelf of this many books."""
    more = given["short"] if shelf < SHORT else {}
    return {name: value + more.get(name, 0.0) for name, value in given["all"].items()}


def draw_learned(rng: np.random.Generator, shelf: int) -> Judgement:
    """A random judgement of tools with fitted signals: as `draw`, around the learned weights, one factor for each kind of
    claim."""
    drawn = draw(rng)
    raised = TRUSTS[drawn.trust]
    factors = {
        kind: float(np.exp(rng.normal(0.0, JITTER))) * (BOOST if kind == raised else 1)
        for kind in dict.fromkeys(kind_of(name) for name in FEATURES)
    }
    points = {name: value * factors[kind_of(name)] for name, value in of_shelf(learned(), shelf).items()}
    return Judgement(drawn.window, drawn.asked, drawn.trust, drawn.looks, drawn.weights, drawn.close, points)


def steady(shelf: int) -> Judgement:
    """The judgement of tools with fitted signals without anything drawn, as a person is served and as the evaluation
    measures it. It trusts first what has the most points at its best."""
    points = of_shelf(learned(), shelf)

    def most(trust: str) -> float:
        kind = TRUSTS[trust]
        return points[f"{kind}.said"] + len(STRENGTHS) * points[f"{kind}.level"] + points[f"{kind}.place"]

    return Judgement(
        window=max(WINDOWS),
        asked=max(ASKED),
        trust=max(TRUSTS, key=most),
        looks=("profile", "recent"),
        weights=TUNED["goodbooks"],
        close=0.5,
        learned=points,
    )


def kind_of(feature: str) -> str:
    return feature.partition(".")[0]


def features(claims: Sequence[Claim]) -> dict[str, float]:
    """What one line says, by the names in `FEATURES`: that a signal speaks, its level, the reciprocal of its place;
    relations; the logarithm of the lift."""
    found: dict[str, float] = {}
    for claim in claims:
        kind, n = str(claim.kind), claim.numbers
        if kind in PLACED:
            kind = UNREAD if n.get("under") == WITHHELD else kind
            found |= {
                f"{kind}.said": 1.0,
                f"{kind}.level": float(LEVEL[str(claim.strength)]),
                f"{kind}.place": 1 / n["rank"],
            }
        elif kind == "series":
            found[f"{claim.label}.said"] = 1.0
        elif kind == "author":
            found |= {"author.said": 1.0, "author.books": float(np.log(n["books"]))}
        elif kind == "co_read" and "lift" in n:
            found |= {"co_read.said": 1.0, "co_read.lift": float(np.log(n["lift"]))}
    return found
