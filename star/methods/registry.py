"""Name in `star evaluate` → ranker, with the data and checkpoints that it needs.

`star:FOLDER` is another checkpoint of the student: one before GRPO, an ablation, another seed. `fusion:DATASET`:
the trees of another data set, used as they are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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
from star.student.checkpoint import SHIPPED, checkpoint_folder

CHAT = ("STAR_CHAT_URL", "STAR_CHAT_MODEL")


@dataclass(frozen=True)
class Context:
    """Data and model for building rankers. The graph holds the training readers only.

    `model`: folder of a checkpoint or a name under assets/models; None: the one that ships.
    """

    dataset: Dataset
    split: Split
    graph: Graph
    model: str | None = None
    seed: int = 0

    @cached_property
    def signals(self) -> Signals:
        """Fitted signals of the graph."""
        return kept_signals(self.dataset, self.split, self.graph, Attributes.of(self.dataset.catalog))

    @property
    def checkpoint(self) -> Path:
        """Folder of the student.

        Raises:
            UserError: there is none.
        """
        return checkpoint_folder(self.model or SHIPPED)


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

    return fusion(context.graph, context.dataset, context.split, context.signals)


def _mars(context: Context) -> Ranker:
    return MarsRanker(context.dataset, context.graph, context.seed, signals=context.signals)


def _chat(context: Context) -> Ranker:
    from star.mars.dialogue import ChatRanker
    from star.mars.voices import ChatVoice

    url, model = (os.environ.get(name) for name in CHAT)
    if not url or not model:
        raise UserError(f"mars:chat needs an OpenAI-compatible endpoint; set {' and '.join(CHAT)}")
    return ChatRanker(context.dataset, context.graph, ChatVoice(url, model))


def _star(context: Context, folder: Path | None = None) -> Ranker:
    from star.methods.student import StarRanker  # brings torch

    name = "star" if folder is None else f"star:{folder}"
    folder = folder or context.checkpoint
    return StarRanker.load(context.dataset, context.graph, context.signals, folder, name)


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
    "mars:chat": _chat,
    "star": _star,
    "oracle": _oracle,
}
BASELINES = ("popularity", "itemknn", "itemknn:recent", "userknn", "ease", "als", "lightgcn", "sasrec")
"""Methods of which the best on the same tasks is compared with STAR (`star/evaluation/pooling.py`, `full_catalogue.py`)."""


def _folder(name: str) -> str | None:
    """The checkpoint's folder in a name like `star:runs/demo/checkpoint`."""
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
        f"fusion:{source}", lambda c: carried_over(c.graph, c.dataset, load_dataset(source), c.seed)
    )


def _named(name: str) -> Callable[[Context], Ranker] | None:
    """How the method of this name is built; None: there is no such method."""
    if name in METHODS:
        return METHODS[name]
    if (folder := _folder(name)) is not None:
        return partial(_star, folder=Path(folder))
    return None if (source := _source(name)) is None else _carried(source)


def applies(name: str, cell: tuple[str, str]) -> bool:
    """Whether a method can answer a cell (scenario, negatives). The oracle needs the whole history, and negatives that do
    not depend on it."""
    return name != "oracle" or (cell[1] != "retrieved" and cell[0] not in SPANS)


def default_methods(dataset: Dataset) -> list[str]:
    """All methods that can run on the data set."""
    names = list(METHODS)
    if dataset.name != "demo":
        names.remove("oracle")
    if not all(os.environ.get(name) for name in CHAT):
        names.remove("mars:chat")
    return names


def check_methods(methods: Sequence[str]) -> list[str]:
    """The names without repeats.

    Raises:
        UserError: an unknown name, or no name.
    """
    unknown = [name for name in methods if _named(name) is None]
    if unknown or not methods:
        raise UserError(
            f"there is no method {', '.join(unknown) or 'given'}; methods are {', '.join(METHODS)}, and "
            "star:FOLDER for another checkpoint, where FOLDER holds its star.json, as star:runs/demo/checkpoint, and "
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
