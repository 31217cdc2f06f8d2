"""Names of the systems that a campaign compares, and their recommenders.

A name is `star` or `mars`, each also with a seed (`star@7`), or another checkpoint (`star=FOLDER`, `star=FOLDER@7`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from star.annotation.workflow.campaigns import System
from star.data.dataset import Dataset
from star.errors import UserError
from star.recommend.recommender import TEACHER, Recommender, Star
from star.student.checkpoint import SHIPPED, checkpoint_folder, find_checkpoint, fingerprint

FORM = re.compile(r"(?P<kind>star|mars)(=(?P<model>[^@]+))?(@(?P<seed>[0-9]{1,9}))?")


@dataclass(frozen=True)
class Wanted:
    """One parsed name. `model`: folder or name of a checkpoint; None takes the page's. `seed`: of the wording."""

    name: str
    kind: str
    model: str | None
    seed: int


@dataclass(frozen=True)
class LoadedSystems:
    """Systems ready to answer, by name; `seeds` in the same order."""

    recommenders: dict[str, Recommender]
    seeds: tuple[int, ...]
    systems: tuple[System, ...]


def wanted(name: str) -> Wanted:
    """Parse a system's name.

    Raises:
        UserError: not of these forms.
    """
    found = FORM.fullmatch(name.strip())
    if found is None or (found["kind"] == "mars" and found["model"]):
        raise UserError(
            f"there is no system {name[:80]!r}; expected star or mars, with a seed as star@7, or star=FOLDER"
        )
    return Wanted(name.strip(), found["kind"], found["model"], int(found["seed"] or 0))


def at_hand(model: str | None, ready: Recommender | None = None) -> tuple[str, ...]:
    """Names to choose from: always `mars`, and `star` with a student.

    Args:
        ready: the page's recommender.
    """
    if find_checkpoint(_student(model)) is None and (ready is None or ready.checkpoint == TEACHER):
        return ("mars",)
    return ("star", "mars")


def _student(model: str | None) -> str:
    """If the page answers with the teacher (`mars`), `star` is the checkpoint that ships."""
    return SHIPPED if model in (None, TEACHER) else str(model)


def open_systems(
    names: Sequence[str], dataset: Dataset, model: str | None = None, ready: Recommender | None = None
) -> LoadedSystems:
    """Load what the names ask for, each checkpoint once.

    Args:
        model: checkpoint of plain `star`; None: the one that ships.
        ready: the page's recommender, used for plain `star`.

    Raises:
        UserError: an unknown or repeated name, or no such checkpoint.
    """
    asked = [wanted(name) for name in names]
    if len({w.name for w in asked}) < len(asked):
        raise UserError(
            f"systems {', '.join(names)}: each may be named once; give two seeds as star@1, star@2"
        )
    if ready is not None and ready.checkpoint == TEACHER:
        ready = None  # the page was started with the teacher
    loaded: dict[tuple[str, str | None], Recommender] = {} if ready is None else {("star", None): ready}
    for one in asked:
        if (one.kind, one.model) not in loaded:
            loaded[one.kind, one.model] = _load(one, dataset, model)
    return LoadedSystems(
        {w.name: loaded[w.kind, w.model] for w in asked},
        tuple(w.seed for w in asked),
        tuple(_system(w, loaded[w.kind, w.model], model) for w in asked),
    )


def _load(one: Wanted, dataset: Dataset, model: str | None) -> Recommender:
    if one.kind == "mars":
        from star.mars.recommender import Teacher

        return Teacher(dataset)
    return Star(dataset, str(_folder(one, model)))


def _folder(one: Wanted, model: str | None) -> Path:
    return checkpoint_folder(one.model or _student(model))


def _system(one: Wanted, recommender: Recommender, model: str | None) -> System:
    if one.kind == "mars":
        return System(one.name, recommender.checkpoint, "")
    try:
        mark = fingerprint(str(_folder(one, model)))
    except UserError:
        mark = ""  # the teacher has no folder of weights
    return System(one.name, recommender.checkpoint, mark)
