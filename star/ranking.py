"""What ranking candidates means: `Ranked` answers, the `Ranker` protocol, scores, and ties in random order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from star.data.tasks import Task


@dataclass(frozen=True)
class Ranked:
    """One answer. `order`: all candidates, best first; `seconds`: wall clock for this task alone."""

    order: tuple[int, ...]
    seconds: float
    generated_tokens: int = 0
    model_calls: int = 0


class Ranker(Protocol):
    """What `star evaluate` compares."""

    @property
    def name(self) -> str: ...

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        """One answer per task, in the order given; each is a permutation of the task's candidates."""
        ...


Score = Callable[[Task], np.ndarray]
"""task → one score per candidate, (C,), in the order of the candidates; higher is better."""


def tie_keys(task: Task, seed: int) -> np.ndarray:
    """A random number per candidate, (C,), bound to the item and the task, not to the place in the list."""
    candidates = np.array(task.candidates, dtype=np.int64)
    ordered = np.sort(candidates)
    numbers = np.random.default_rng([seed, len(task.history), *ordered.tolist()]).random(len(ordered))
    return numbers[np.searchsorted(ordered, candidates)]


def best_first(task: Task, scores: np.ndarray, seed: int) -> tuple[int, ...]:
    """The candidates by falling score, ties in random order."""
    order = np.lexsort((tie_keys(task, seed), -np.asarray(scores)))
    return tuple(task.candidates[i] for i in order)
