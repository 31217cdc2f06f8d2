"""Name in `star evaluate` → ranker, with the data and checkpoints that it needs.

`star:FOLDER` is another checkpoint of the student: one after pretraining only, an ablation, another seed. `fusion:DATASET`:
the trees of another data set, used as they are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from star.data.cache import Arrays, remembered
from star.data.dataset import Dataset, names
from star.data.tasks import SPANS, Split, Task
from star.errors import UserError
from star.evidence.fitting import kept_signals
from star.evidence.graph import Graph
from star.evidence.signals import Signals
from star.evidence.tools import Attributes
from star.mars.run import MarsRanker
from star.methods import baselines
from star.methods.baselines import ByScore
from star.ranking import Ranked, Ranker, Score, best_first
from star.student.checkpoint import ANY, checkpoint_folder, find_checkpoint, serves_any

CHAT = ("STAR_CHAT_URL", "STAR_CHAT_MODEL")


@dataclass(frozen=True)
class Context:
    """Data and model for building rankers. The graph holds the training readers only.

    `fitted`: MARS and the fusion read the fitted signals too.
    `model`: folder of a checkpoint or a name under assets/models; None: the one named like the data set.
    """

    dataset: Dataset
    split: Split
    graph: Graph
    model: str | None = None
    seed: int = 0
    fitted: bool = False

    @cached_property
    def signals(self) -> Signals | None:
        """Fitted signals of the graph, where they are asked for."""
        if not self.fitted:
            return None
        return kept_signals(self.dataset, self.split, self.graph, Attributes.of(self.dataset.catalog))

    @property
    def checkpoint(self) -> Path | None:
        return find_checkpoint(self.model or self.dataset.name)


def _scored(name: str, score: Callable[[Context], Score]) -> Callable[[Context], Ranker]:
    return lambda context: ByScore(name, score(context), context.seed)


def _als(context: Context) -> Score:
    from star.methods.factorisation import Als, als, fit_als

    s = Als()
    return als(_kept(context, "als", s, "factorisation", lambda: fit_als(context.graph, s, context.seed)), s)


def _lightgcn(context: Context) -> Score:
    from star.methods.factorisation import LightGcn, fit_lightgcn, lightgcn

    s = LightGcn()
    return lightgcn(
        _kept(context, "lightgcn", s, "factorisation", lambda: fit_lightgcn(context.graph, s, context.seed))
    )


def _sasrec(context: Context) -> Score:
    from star.methods.sasrec import SasRec, fit_sasrec, sasrec

    s = SasRec()
    return sasrec(
        _kept(context, "sasrec", s, "sasrec", lambda: fit_sasrec(context.graph, s, context.seed)), s
    )


def _kept(context: Context, name: str, settings: object, module: str, make: Callable[[], Arrays]) -> Arrays:
    of = (settings, context.seed)
    return remembered(name, context.dataset, context.split, of, ("evidence/graph", f"methods/{module}"), make)


def _fusion(context: Context) -> Score:
    from star.methods.fusion import fusion

    return fusion(context.graph, context.dataset, context.split, signals=context.signals)


def _mars(context: Context) -> Ranker:
    return MarsRanker(context.dataset, context.graph, context.seed, signals=context.signals)


def _chat(context: Context) -> Ranker:
    from star.mars.dialogue import ChatRanker
    from star.mars.voices import ChatVoice

    url, model = (os.environ.get(name) for name in CHAT)
    if not url or not model:
        raise UserError(f"mars:chat needs an OpenAI-compatible endpoint; set {' and '.join(CHAT)}")
    return ChatRanker(context.dataset, context.graph, ChatVoice(url, model))


def _slots(context: Context, folder: Path | None = None, name: str = "slots") -> Ranker:
    """The student for any catalogue; it always reads the fitted signals."""
    from star.methods.slotted import SlotRanker

    fitted = replace(context, fitted=True).signals
    assert fitted is not None
    folder = folder or checkpoint_folder(ANY)
    return SlotRanker.load(context.dataset, context.graph, fitted, folder, name)


def _star(context: Context, name: str = "star", adapter: bool = True) -> Ranker:
    if context.checkpoint is None and context.model is None and find_checkpoint(ANY) is not None:
        return _slots(context, name=name)
    if context.checkpoint is not None and serves_any(context.checkpoint):
        return _slots(context, context.checkpoint, name)
    if context.checkpoint is None:
        raise UserError(
            f"star has no checkpoint {context.model or context.dataset.name!r} (looked in assets/models); "
            "give its folder with --model, train one with training/run.sh, or leave star out of --methods"
        )
    from star.methods.student import StarRanker

    return StarRanker.load(context.dataset, context.graph, context.checkpoint, name, adapter)


def _sft(context: Context) -> Ranker:
    """The student before GRPO: its checkpoint without the GRPO adapter."""
    if context.checkpoint is not None and not (context.checkpoint / "adapter").is_dir():
        raise UserError(
            f"star:sft differs from star only where there is an adapter of GRPO; {context.checkpoint.name} has none: leave "
            "it out, or give the folder of an earlier checkpoint as star:FOLDER"
        )
    return _star(context, "star:sft", False)


def _behind(context: Context) -> Ranker:
    """The student's ranking conditioned on the teacher's trace."""
    star, teacher = _star(context), MarsRanker(context.dataset, context.graph, context.seed)
    from star.methods.student import ConditionedOnTeacher, StarRanker

    assert isinstance(star, StarRanker)
    return ConditionedOnTeacher(
        star.dataset, star.graph, star.checkpoint, "star:behind-mars", teacher=teacher
    )


@dataclass(frozen=True)
class Oracle:
    """The best possible order for simulated readers: by the simulator's exact probability P(next).

    Each candidate is drawn with equal probability (matched negatives: within a popularity bin), so the posterior is
    proportional to P(next). This is exact if the target is the reader's last book. It is nearly exact for earlier targets,
    whose negatives leave out the reader's later books. In `user_cold_start` it is the best order for the first target.
    It does not apply to retrieved negatives, which depend on the shelf.
    """

    context: Context
    name: str = "oracle"

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        from star.data.simulator import Figures, log_probabilities_batch

        start = time.perf_counter()
        figures = Figures.load(catalog=self.context.dataset.catalog)
        log_p = log_probabilities_batch(figures, [task.history for task in tasks])
        seconds = (time.perf_counter() - start) / max(len(tasks), 1)
        chosen = [log_p[row, list(task.candidates)] for row, task in enumerate(tasks)]
        return [
            Ranked(best_first(task, score, self.context.seed), seconds)
            for task, score in zip(tasks, chosen, strict=True)
        ]


def _oracle(context: Context) -> Ranker:
    if context.dataset.name != "demo":
        raise UserError(
            f"oracle knows how readers were simulated, and those of {context.dataset.name!r} were not by "
            "STAR; leave oracle out, or take --dataset demo"
        )
    return Oracle(context)


METHODS: dict[str, Callable[[Context], Ranker]] = {
    "unchanged": _scored("unchanged", lambda c: baselines.unchanged),
    "random": _scored("random", lambda c: baselines.by_chance),
    "centre": _scored("centre", lambda c: baselines.centre(c.graph)),
    "popularity": _scored("popularity", lambda c: baselines.popularity(c.graph)),
    "itemknn": _scored("itemknn", lambda c: baselines.itemknn(c.graph)),
    "itemknn:recent": _scored("itemknn:recent", lambda c: baselines.itemknn(c.graph, baselines.RECENT)),
    "userknn": _scored("userknn", lambda c: baselines.userknn(c.graph)),
    "ease": _scored("ease", lambda c: baselines.ease(c.graph)),
    "als": _scored("als", _als),
    "lightgcn": _scored("lightgcn", _lightgcn),
    "sasrec": _scored("sasrec", _sasrec),
    "fusion": _scored("fusion", _fusion),
    "mars": _mars,
    "mars:counts": lambda c: MarsRanker(c.dataset, c.graph, c.seed, name="mars:counts"),
    "mars:chat": _chat,
    "slots": _slots,
    "star": _star,
    "star:sft": _sft,
    "star:behind-mars": _behind,
    "oracle": _oracle,
}
BASELINES = ("popularity", "itemknn", "itemknn:recent", "userknn", "ease", "als", "lightgcn", "sasrec")
"""Methods of which the best on the same tasks is compared with STAR (`star/evaluation/pooling.py`, `full_catalogue.py`)."""


def _other(folder: str) -> Callable[[Context], Ranker]:
    if serves_any(Path(folder)):
        return lambda c: _slots(c, Path(folder), f"star:{folder}")
    from star.methods.student import StarRanker

    return lambda c: StarRanker.load(c.dataset, c.graph, Path(folder), f"star:{folder}")


def _folder(name: str) -> str | None:
    """The checkpoint's folder in a name like `star:runs/demo/pretrain/model`."""
    folder = name.removeprefix("star:")
    return folder if folder != name and (Path(folder) / "star.json").is_file() else None


def _source(name: str) -> str | None:
    """The data set in a name like `fusion:goodbooks`."""
    source = name.removeprefix("fusion:")
    return source if source != name and source in names() else None


def _carried(source: str) -> Callable[[Context], Ranker]:
    from star.data.loading import load_dataset
    from star.methods.fusion import carried_over

    return _scored(
        f"fusion:{source}", lambda c: carried_over(c.graph, c.dataset, load_dataset(source), c.fitted, c.seed)
    )


def _named(name: str) -> Callable[[Context], Ranker] | None:
    """How the method of this name is built; None: there is no such method."""
    if name in METHODS:
        return METHODS[name]
    if (folder := _folder(name)) is not None:
        return _other(folder)
    return None if (source := _source(name)) is None else _carried(source)


def applies(name: str, cell: tuple[str, str]) -> bool:
    """Whether a method can answer a cell (scenario, negatives). The oracle needs the whole history, and negatives that do
    not depend on it."""
    return name != "oracle" or (cell[1] != "retrieved" and cell[0] not in SPANS)


def default_methods(dataset: Dataset, model: str | None = None) -> tuple[list[str], list[str]]:
    """All methods that can run on the data set, and one line for each that cannot."""
    names, notes = (
        [name for name in METHODS if name != "mars:counts"],
        [],
    )  # it differs from mars with fitted signals only
    checkpoint = find_checkpoint(model or dataset.name)
    if dataset.name != "demo":
        names.remove("oracle")
    if not all(os.environ.get(name) for name in CHAT):
        names.remove("mars:chat")
    if checkpoint is None or not (checkpoint / "adapter").is_dir():
        names.remove("star:sft")
    if checkpoint is None:
        names.remove("star")
        names.remove("star:behind-mars")
        notes.append(
            f"star is left out: no checkpoint {model or dataset.name!r} under assets/models; slots answers here"
        )
    return names, notes


def check_methods(methods: Sequence[str]) -> list[str]:
    """The names without repeats.

    Raises:
        UserError: an unknown name, or no name.
    """
    unknown = [name for name in methods if _named(name) is None]
    if unknown or not methods:
        raise UserError(
            f"there is no method {', '.join(unknown) or 'given'}; methods are {', '.join(METHODS)}, and "
            "star:FOLDER for another checkpoint, where FOLDER holds its star.json, as star:runs/demo/pretrain/model, and "
            "fusion:DATASET for the trees of another imported data set"
        )
    return list(dict.fromkeys(methods))


def rankers(methods: Sequence[str], context: Context) -> list[Ranker]:
    """The rankers of these names, ready to rank.

    Raises:
        UserError: an unknown name, star without a checkpoint, or oracle on a data set that STAR did not simulate.
    """
    built = [_named(name) for name in check_methods(methods)]
    return [build(context) for build in built if build is not None]
