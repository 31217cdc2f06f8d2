"""Random settings of one run of the teacher: windows, neighbourhood size, tools, weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from star.evidence.tools import ASKED, WINDOWS


@dataclass(frozen=True)
class Weights:
    """The ranker's points per level of strength of each signal (`author`: per book, up to 3).

    `whole`, `after` and `about` are for tools with fitted signals."""

    pull: float
    read_next: float
    similar: float
    sequel: float
    series: float
    author: float
    whole: float = 0.0
    after: float = 0.0
    about: float = 0.0


# Tuned by `python -m training.studies.tune_mars --rounds 40 --dataset …` on each data set's validation readers, then frozen;
# data sets that are not named here take those of goodbooks.
TUNED = {
    "goodbooks": Weights(pull=0.85, read_next=0.5, similar=0.4, sequel=5.5, series=0.23, author=0.55),
    "demo": Weights(pull=0.49, read_next=1.0, similar=0.43, sequel=0.97, series=0.17, author=0.69),
}
# The same with the fitted signals.
FITTED = {
    "goodbooks": Weights(0.85, 0.33, 0.45, 4.5, 1.3, 0.15, whole=0.15, after=0.6, about=1.0),
}
JITTER = 0.2  # standard deviation of the logarithm of each weight over seeds

TRUSTS = {
    "co_reading": "pull",
    "similar readers": "similar",
    "what is read next": "read_next",
}  # the weight that it raises
BOOST = 1.25  # factor on the weight of what the plan trusts first


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


def weights_for(dataset: str, fitted: bool = False) -> Weights:
    """The tuned weights of a data set; `fitted`: for tools that have fitted signals."""
    tuned = FITTED if fitted else TUNED
    return tuned.get(dataset, tuned["goodbooks"])


def draw(rng: np.random.Generator, weights: Weights = TUNED["goodbooks"]) -> Judgement:
    """A random judgement."""
    trust = list(TRUSTS)[rng.choice(3, p=[0.6, 0.2, 0.2])]
    noise = np.exp(rng.normal(0.0, JITTER, 6))
    values = {
        name: value * noise[place] * (BOOST if name == TRUSTS[trust] else 1)
        for place, (name, value) in enumerate(list(asdict(weights).items())[:6])
    }
    judgement = Judgement(
        window=int(rng.choice(WINDOWS, p=[0.2, 0.6, 0.2])),
        asked=int(rng.choice(ASKED, p=[0.3, 0.7])),
        trust=trust,
        looks=tuple(tool for tool in ("profile", "recent") if rng.random() < 0.8),
        weights=Weights(**{name: float(value) for name, value in values.items()}),
        close=float(rng.uniform(0.0, 1.0)),
    )
    if not weights.whole + weights.after + weights.about:
        return judgement  # draws no more, so that runs without fitted signals stay as they were
    fitted = {
        name: value * float(np.exp(rng.normal(0.0, JITTER)))
        for name, value in asdict(weights).items()
        if name in ("whole", "after", "about")
    }
    return replace(judgement, weights=replace(judgement.weights, **fitted))
