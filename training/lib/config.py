"""Fields of a training run's YAML, each documented here once, and the reader of such files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from inspect import formatannotation
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml
from pydantic import BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from star.errors import UserError

STRICT = ConfigDict(extra="forbid", strict=True)
"""pydantic refuses unknown fields, text for a number, and true for a whole number."""


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value  # pydantic refuses it


Float = Annotated[float, BeforeValidator(_number)]
"""A float. YAML reads 1e-3 as text, since it has no point."""


@dataclass(frozen=True, config=STRICT)
class Config:
    """Settings of the stages that lead to one checkpoint."""

    runs: str
    """Folder for what the stages leave to each other (not committed)."""
    out: str
    """Folder of the finished checkpoint."""
    universes: int = 50
    """Catalogues that are drawn, at least 2."""
    datasets: tuple[str, ...] = ("demo:600:3",)
    """Data sets whose training readers give lists, as NAME:TASKS:FOLDS; tasks are of a cell and fold."""
    validation: tuple[str, ...] = ("demo",)
    """Data sets whose validation readers measure."""
    lists: str | None = None
    """Folder of the candidate lists; None: `lists` in `runs`."""
    start: str | None = None
    """Checkpoint whose weights SFT starts from, a folder or a name under assets/models; None: random weights."""
    hidden: int = 96
    """Width of the student."""
    layers: int = 4
    """Its decoder layers."""
    heads: int = 4
    """Its attention heads."""
    seed: int = 0
    """Seed of every random draw."""
    threads: int = 1
    """CPU threads."""
    sft_minutes: Float = 56.0
    """Wall-clock limit of SFT; the learning rate falls to zero by then."""
    sft_steps: int = 20_000
    """Limit in steps; the earlier of the two limits counts."""
    sft_batch: int = 16
    """Lists per step of SFT."""
    sft_rate: Float = 3e-3
    """Highest learning rate of SFT."""
    sft_measured: int = 1_000
    """Steps between two measurements, after which a stopped run goes on."""
    grpo_steps: int = 0
    """Optimiser steps of GRPO; 0 leaves it out."""
    grpo_lists: int = 8
    """Lists per step of GRPO."""
    grpo_group: int = 8
    """Answers to each list (paper: 8)."""
    grpo_rate: Float = 1e-3
    """Highest learning rate of GRPO."""
    grpo_rank: int = 16
    """Rank of the LoRA adapter, which is merged at the end."""
    grpo_outcome: Literal["ndcg", "tiers"] = "ndcg"
    """Outcome reward (`training/lib/rewards.py`)."""
    grpo_weights: tuple[Float, Float, Float, Float] = (1.0, 0.1, 0.1, 0.002)
    """Weights of the rewards for outcome, truth, coverage and length."""
    grpo_kept: Float = 0.2
    """Weight of the words that a rule would write, so that the language stays."""
    grpo_measured: int = 1_300
    """Validation lists that are answered before and after, at most."""

    @property
    def list_folder(self) -> Path:
        """Folder of the candidate lists."""
        return Path(self.lists or Path(self.runs) / "lists")

    @property
    def sft_folder(self) -> Path:
        """Folder of the checkpoint that SFT leaves to GRPO."""
        return Path(self.runs) / "sft"

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Data set → tasks a cell and fold, and folds."""
        return {name: (each, folds) for name, each, folds in map(_sizes, self.datasets)}

    @model_validator(mode="after")
    def _possible(self) -> Config:
        at_least(self, LEAST)
        if self.universes < 2:
            raise ValueError(
                f"has {self.universes} universes; expected at least 2, a half for each half of the teacher's trees"
            )
        if self.hidden % (2 * self.heads):
            raise ValueError(f"has {self.heads} heads for width {self.hidden}; each must get the same even width")
        for given in self.datasets:
            _sizes(given)
        return self


LEAST = {
    **dict.fromkeys(("hidden", "layers", "heads", "threads", "sft_steps", "sft_batch", "sft_measured"), 1),
    **dict.fromkeys(("grpo_lists", "grpo_rank", "grpo_measured"), 1),
    "sft_minutes": 0.001,
    "grpo_group": 2,
    "grpo_steps": 0,
}
"""The least that these settings can be; a group of one answer has no advantage."""


def at_least(config: object, least: Mapping[str, float]) -> None:
    """
    Raises:
        ValueError: a setting is smaller.
    """
    for name, bound in least.items():
        if getattr(config, name) < bound:
            raise ValueError(f"has {name} {getattr(config, name)}; expected at least {bound}")


def _sizes(text: str) -> tuple[str, int, int]:
    """Name, tasks a cell and fold, and folds."""
    found = re.fullmatch(r"([^:,]+):([1-9]\d*):([2-9]|10)", text)
    if found is None:
        raise ValueError(f"has {text!r} in datasets; expected NAME:TASKS:FOLDS with 2 to 10 folds, as demo:600:3")
    return found[1], int(found[2]), int(found[3])


C = TypeVar("C")


def load_config(path: str, kind: type[C] = Config, instead: Sequence[str] = ()) -> C:  # type: ignore[assignment]
    """Read a YAML file as `kind`, a dataclass with the settings `STRICT`.

    Args:
        instead: settings that take the place of the file's, each as NAME=VALUE.

    Raises:
        UserError: a missing file, no YAML, no mapping, an unknown field, a missing one, a value of another type, or values
            that contradict each other.
    """
    file = Path(path)
    if not file.is_file():
        there = ", ".join(map(str, sorted(Path("training/configs").glob("*.yaml"))))
        raise UserError(f"config {path!r} does not exist; there are: {there}")
    try:
        given = yaml.safe_load(file.read_text("utf-8"))
        changes = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in instead)}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"config {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(given, dict):
        raise UserError(f"config {path} holds {type(given).__name__}; expected fields with values")
    given |= changes
    given = {str(name): tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    try:
        return kind(**given)
    except ValidationError as error:
        raise UserError(f"config {path} {_said(error.errors(), given, get_type_hints(kind))}") from None


def _said(errors: list[ErrorDetails], given: dict[str, Any], hints: dict[str, Any]) -> str:
    """What is wrong with a config's fields: first the unknown ones, then the missing ones, then values."""
    if unknown := sorted(set(given) - set(hints)):
        return f"has {', '.join(unknown)}, which is none of {', '.join(sorted(hints))}"
    if missing := [str(e["loc"][0]) for e in errors if e["type"] == "missing" and e["loc"][0] not in given]:
        return f"lacks {', '.join(missing)}; add it"
    if not errors[0]["loc"]:
        return str(errors[0]["ctx"]["error"])
    name = str(errors[0]["loc"][0])
    value, hint = given[name], hints[name]
    value = list(value) if isinstance(value, tuple) else value
    if get_origin(hint) is Literal:
        expected = " or ".join(get_args(hint))
    else:
        expected = formatannotation(hint).replace("tuple", "list")
    return f"has {name} {value!r}; expected {expected}"
