"""One YAML per run; each field is documented here, once."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from star.errors import UserError
from star.fusion import LISTS
from training.corpus import FORMS


@dataclass(frozen=True)
class Config:
    """Settings of all stages of one checkpoint."""

    dataset: str
    """Name of the data set."""
    runs: str
    """Folder for trajectories, intermediate checkpoints and logs (not committed)."""
    out: str
    """Folder of the finished checkpoint."""
    trajectories: str | None = None
    """Folder of the trajectories, for the second config of a chain, which need not make the same ones again; None:
    `trajectories` in `runs`."""
    start: str | None = None
    """Checkpoint to start pretraining from (same words and shape); None: from scratch."""
    base: str | None = None
    """A big base (Hugging Face name, or folder) instead of a compact student (`training/bases.py`); `hidden` to
    `intermediate` are then not used, and pretraining trains the rows of the new tokens alone."""
    base_rank: int = 32
    """Rank of the LoRA adapter that SFT trains on a big base."""
    form: str = "full"
    """Ablations: what the student's traces leave out (`training/corpus.py`, FORMS)."""
    renumbered: float = 0.5
    """Share of the trajectories that get other counts (`training/corpus.py`)."""
    renamed: float = 0.5
    """Share of the trajectories that get other items, in every stage but GRPO (`training/corpus.py`)."""
    exchanged: float = 0.0
    """Share of the trajectories whose candidates are exchanged among themselves, in every stage but GRPO."""
    vectors: bool = False
    """Whether item embeddings hold the vectors of a factorisation (`training/vectors.py`); never those of a big base. Not
    shown to help yet (training/LOG.md)."""
    seed: int = 0
    per_reader: int = 30
    """Trajectories per training reader."""
    negatives: tuple[float, float, float] = (0.42, 0.42, 0.16)
    """Shares of uniform, matched and retrieved candidate lists."""
    guide_lists: int = LISTS
    """Candidate lists that the guide's trees are fitted on, per half of the folds."""
    latent_epochs: int = 30
    """Epochs of the sequence model whose score the guide knows, fitted once per fold (`training/latent.py`); 0: none."""
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    intermediate: int = 384
    pretrain_minutes: float = 44.0
    """Wall-clock limit of pretraining; the learning rate falls to zero by then, whatever was reached."""
    pretrain_sequences: int | None = None
    """Instead of minutes: how many sequences are read in all, on machines of any speed and with any number of processes."""
    pretrain_cycles: int = 1
    """How often the learning rate falls to zero by the end."""
    pretrain_lr: float = 2e-3
    pretrain_batch: int = 16
    """Sequences per step, which several processes share out."""
    heart: int = 0
    """Prompts per step, shared out too, that are learned by heart beside the trajectories (`training/heart.py`); never by a
    big base."""
    sft_lr: float = 3e-4
    sft_batch: int = 16
    sft_rows: int = 4_000
    """At most so many kept trajectories; 0 leaves SFT out, for a start that has been through it."""
    sft_passes: int = 2
    """How often each is seen."""
    sft_folds: tuple[int, ...] = (8, 9)
    """Folds whose kept trajectories go into SFT; pretraining sees only the others, so its weights hold nothing of theirs."""
    own_rows: int = 4_000
    """Training tasks for which the student writes its own traces before it learns to rank behind them, at most half of those
    of the SFT folds: as many others are the teacher's."""
    own_rounds: int = 1
    """How often: in rounds after the first the likeliest words are written, and learned from at two thirds of the rate."""
    own_temperature: float = 0.5
    average: bool = False
    """Whether the checkpoint becomes the mean of the start's weights and its own (`training/average.py`)."""
    own_passes: int = 2
    own_lr: float = 3e-4
    grpo_steps: int = 100
    grpo_tasks: int = 8
    """Tasks per step."""
    grpo_group: int = 8
    """Completions per task (paper: 8)."""
    grpo_batch: int = 16
    """Completions per pass of the network."""
    grpo_rows: int = 2_000
    """Tasks to draw from, easy : medium : hard = 3 : 4 : 3."""
    grpo_lr: float = 2e-4
    grpo_kl: float = 0.001
    grpo_temperature: float = 1.0
    grpo_rank: int = 16
    """Rank of the LoRA adapter."""
    grpo_weights: tuple[float, float, float] = (0.5, 1.0, 0.5)
    """Weights of the rewards for format, outcome, grounding."""
    grpo_outcome: str = "tiers"
    """Outcome reward: `tiers` (paper), `ndcg` or `first`."""
    threads: int = 1
    compile: bool = True
    """Compile the blocks with torch.compile for pretraining, where that is worth its wait (`compiles` in
    `training/device.py`)."""

    @property
    def trajectory_folder(self) -> Path:
        """Where the trajectories are, with what the guide knows beside them."""
        return Path(self.trajectories or Path(self.runs) / "trajectories")


def load_config(path: str) -> Config:
    """Read a YAML file.

    Raises:
        UserError: no such file, or a field that `Config` does not have.
    """
    given = read_fields(path, Config)
    for name in ("negatives", "sft_folds", "grpo_weights"):
        if name in given:
            given[name] = tuple(given[name])
    if given.get("form", "full") not in FORMS:
        raise UserError(f"config {path} has form {given['form']!r}; expected one of {', '.join(FORMS)}")
    if given.get("base") and given.get("start"):
        raise UserError(f"config {path} has both a base and a start; give one, the weights to begin from")
    if given.get("average") and given.get("start") in (None, given.get("out")):
        raise UserError(
            f"config {path} has average: true and start {given.get('start')!r}; expected a start other than out, which is "
            "written over before the mean is taken"
        )
    return Config(**given)


def save_config(config: Config, file: Path) -> Path:
    """Write a config as YAML, every field of it; returns the file."""
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}
    file.write_text(yaml.safe_dump(fields), "utf-8")
    return file


PLAIN: dict[str, type] = {"float": float, "int": int, "bool": bool, "str": str}


def read_fields(path: str, kind: type) -> dict[str, Any]:
    """The fields of a YAML file, all of them fields of the dataclass `kind`.

    Raises:
        UserError: no such file, no YAML, no mapping, a field that `kind` does not have, one it needs that is missing, or a
        value of another type.
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
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    if unknown := set(given) - set(known):
        raise UserError(
            f"config {path} has {', '.join(sorted(unknown))}, which is none of {', '.join(sorted(known))}"
        )
    if missing := [n for n, default in known.items() if default is dataclasses.MISSING and n not in given]:
        raise UserError(f"config {path} lacks {', '.join(missing)}; add it")
    for field in dataclasses.fields(kind):
        plain = PLAIN.get(str(field.type))
        if plain is None or field.name not in given:
            continue
        value = given[field.name]
        if plain is float and type(value) in (int, str):  # YAML takes 1e-3 for text, since it has no point
            with contextlib.suppress(ValueError):
                given[field.name] = float(value)
        if type(given[field.name]) is not plain:
            raise UserError(f"config {path} has {field.name} {value!r}; expected {plain.__name__}")
    return given
