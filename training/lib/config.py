"""Fields of a training run's YAML, each documented here once, and the reader of such files."""

from __future__ import annotations

import dataclasses
from inspect import formatannotation
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml
from pydantic import BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from star.errors import UserError
from star.methods.fusion import LISTS
from training.lib.corpus import FORMS

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
    """Settings of all stages that lead to one checkpoint."""

    dataset: str
    """Name of the data set."""
    runs: str
    """Folder for trajectories, intermediate checkpoints and logs (not committed)."""
    out: str
    """Folder of the finished checkpoint."""
    trajectories: str | None = None
    """Folder of the trajectories; None: `trajectories` in `runs`. The second config of a chain names those of the first."""
    start: str | None = None
    """Checkpoint to start pretraining from (same words and shape); None: from scratch."""
    base: str | None = None
    """A big base (Hugging Face name, or folder) instead of a compact student (`training/lib/bases.py`). Pretraining then
    trains only the embeddings of the new tokens; `hidden` to `intermediate` are not used."""
    base_rank: int = 32
    """Rank of the LoRA adapter that SFT trains on a big base."""
    form: str = "full"
    """Ablations: the steps that the student's traces leave out (`training/lib/corpus.py`, FORMS)."""
    renumbered: Float = 0.5
    """Count perturbation: share of the trajectories that get other counts (`training/lib/corpus.py`)."""
    renamed: Float = 0.5
    """Entity permutation: share of the trajectories that get other items, in every stage but GRPO
    (`training/lib/corpus.py`)."""
    exchanged: Float = 0.0
    """Candidate swap: share of the trajectories whose candidates are permuted, in every stage but GRPO."""
    vectors: bool = False
    """Whether item embeddings start from the vectors of a factorisation (`training/lib/vectors.py`); not with a big base.
    It improved no student's ranking (training/LOG.md)."""
    seed: int = 0
    """Seed of every random draw."""
    per_reader: int = 30
    """Trajectories per training reader."""
    negatives: tuple[Float, Float, Float] = (0.42, 0.42, 0.16)
    """Shares of uniform, matched and retrieved candidate lists."""
    guide_lists: int = LISTS
    """Candidate lists that the distillation teacher's trees are fitted on, per half of the folds."""
    latent_epochs: int = 30
    """Epochs of the sequence model that the distillation teacher sees, one per fold (`training/lib/latent.py`); 0: none."""
    hidden: int = 128
    """Width of the student."""
    layers: int = 4
    """Its decoder layers."""
    heads: int = 4
    """Its attention heads."""
    intermediate: int = 384
    """Width of its feed-forward blocks."""
    pretrain_minutes: Float = 44.0
    """Wall-clock limit of pretraining; the learning rate falls to zero by then."""
    pretrain_sequences: int | None = None
    """Number of sequences to read, instead of minutes; independent of the machine and of the number of processes."""
    pretrain_cycles: int = 1
    """How often the learning rate falls to zero by the end."""
    pretrain_lr: Float = 2e-3
    """Highest learning rate of pretraining."""
    pretrain_batch: int = 16
    """Sequences per step, over all processes."""
    heart: int = 0
    """Prompts per step, over all processes, that train the parametric prior (`training/lib/parametric_prior.py`); not
    with a big base."""
    sft_lr: Float = 3e-4
    """Highest learning rate of SFT."""
    sft_batch: int = 16
    """Trajectories per step of SFT, on each device."""
    sft_rows: int = 4_000
    """Largest number of kept trajectories to use; 0 leaves SFT out, for a start that has been through it."""
    sft_passes: int = 2
    """Passes over these trajectories."""
    sft_folds: tuple[int, ...] = (8, 9)
    """Folds whose kept trajectories go into SFT; pretraining reads the other folds only."""
    own_rows: int = 4_000
    """On-policy rollouts: training tasks for which the student writes its own traces, at most half of those of the SFT
    folds. As many trajectories of the teacher are added."""
    own_rounds: int = 1
    """Rounds of rollouts. From the second on, decoding is greedy and the learning rate is two thirds of `own_lr`."""
    own_temperature: Float = 0.5
    """Sampling temperature of the first round's traces."""
    average: bool = False
    """Whether the checkpoint becomes a model soup of the start's weights and its own (`training/average.py`)."""
    own_passes: int = 2
    """Passes over the traces of a round."""
    own_lr: Float = 3e-4
    """Highest learning rate of on-policy training."""
    grpo_steps: int = 100
    """Optimiser steps of GRPO."""
    grpo_tasks: int = 8
    """Tasks per step."""
    grpo_group: int = 8
    """Completions per task (paper: 8)."""
    grpo_batch: int = 16
    """Completions per pass of the network."""
    grpo_rows: int = 2_000
    """Tasks to draw from, easy : medium : hard = 3 : 4 : 3."""
    grpo_lr: Float = 2e-4
    """Learning rate of GRPO."""
    grpo_kl: Float = 0.001
    """Weight of the KL divergence from the checkpoint (TRL's beta)."""
    grpo_temperature: Float = 1.0
    """Sampling temperature of the completions."""
    grpo_rank: int = 16
    """Rank of the LoRA adapter."""
    grpo_weights: tuple[Float, Float, Float] = (0.5, 1.0, 0.5)
    """Weights of the rewards for format, outcome, grounding."""
    grpo_outcome: str = "tiers"
    """Outcome reward: `tiers` (paper), `ndcg` or `first`."""
    threads: int = 1
    """CPU threads of one process."""
    compile: bool = True
    """Whether pretraining may use torch.compile; `compiles` in `training/lib/device.py` decides where it is faster."""

    @property
    def trajectory_folder(self) -> Path:
        """Folder of the trajectories and of the distillation teacher's latent models."""
        return Path(self.trajectories or Path(self.runs) / "trajectories")

    @model_validator(mode="after")
    def _no_contradiction(self) -> Config:
        if self.form not in FORMS:
            raise ValueError(f"has form {self.form!r}; expected one of {', '.join(FORMS)}")
        if self.base and self.start:
            raise ValueError("has both a base and a start; give one, the weights to begin from")
        if self.average and self.start in (None, self.out):
            raise ValueError(
                f"has average: true and start {self.start!r}; expected a start other than out, which is written over "
                "before the mean is taken"
            )
        return self


C = TypeVar("C")


def load_config(path: str, kind: type[C] = Config) -> C:
    """Read a YAML file as `kind`, a dataclass with the settings `STRICT`.

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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"config {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(given, dict):
        raise UserError(f"config {path} holds {type(given).__name__}; expected fields with values")
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


def save_config(config: Config, file: Path) -> Path:
    """Write every field of a config as YAML; returns the file."""
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}
    file.write_text(yaml.safe_dump(fields), "utf-8")
    return file
