"""Graph, retrieval and tools that surround a recommender when it serves; shared by student and teacher."""

from __future__ import annotations

import numpy as np

from star.data import tasks
from star.data.dataset import Dataset
from star.errors import UserError
from star.evidence.fitting import kept_signals
from star.evidence.hygiene import Hygiene, Rules
from star.evidence.keeping import training_graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes, Tools
from star.recommend.recommendation import Query

CANDIDATES = 20
RANKED_AT_MOST = 10


class ServingContext:
    """One data set with its split, the graph of its training readers, retrieval and tools. Read-only once made."""

    def __init__(self, dataset: Dataset, rules: Rules | None = None, fitted: bool = False):
        """
        Args:
            rules: which rules retrieved candidates keep; None: all.
            fitted: with the fitted signals; False for the shipped checkpoints, which know the other tools only.
        """
        self.dataset = dataset
        self.split = tasks.split(dataset.interactions)
        self.graph = training_graph(dataset, self.split)
        self.attributes = Attributes.of(dataset.catalog)
        self.signals = kept_signals(dataset, self.split, self.graph, self.attributes) if fitted else None
        hygiene = Hygiene.of(dataset.catalog, rules)
        self.retriever = Retriever(self.graph, self.attributes, self.signals, hygiene)

    def tools(self, query: Query, known: np.ndarray | None = None) -> Tools:
        """The tools bound to this query; its candidates, or retrieved and shuffled ones if it names none.

        Args:
            known: bool (I,), items that may be candidates; None: all.

        Raises:
            UserError: the query cannot be answered.
        """
        size = len(self.dataset.catalog)
        if not query.history:
            raise UserError("the shelf is empty; put at least one book on it")
        if bad := [i for i in (*query.history, *(query.candidates or ())) if not 0 <= i < size]:
            raise UserError(
                f"item row {bad[0]} is outside the catalogue of {size} items; pick from the catalogue"
            )
        if not 1 <= query.k <= RANKED_AT_MOST:
            raise UserError(f"{query.k} books were asked for; choose from 1 to {RANKED_AT_MOST}")
        history = np.array(list(dict.fromkeys(query.history)), dtype=np.int64)
        candidates = self._candidates(query, history, np.ones(size, dtype=bool) if known is None else known)
        return Tools(
            self.graph,
            self.dataset.catalog,
            self.attributes,
            history.tolist(),
            candidates.tolist(),
            query.reader,
            self.signals,
        )

    def _candidates(self, query: Query, history: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Item rows to rank, (C,), without the shelf: the query's, in its order, or retrieved and shuffled ones.

        Raises:
            UserError: no candidate is left; the message says why.
        """
        free = np.ones(len(known), dtype=bool)
        free[history] = False
        if query.candidates is not None:
            given = np.array(list(dict.fromkeys(query.candidates)), dtype=np.int64)
            if len(given) and not free[given].any():
                raise UserError(
                    f"all {len(given)} candidates are on the shelf; give others, or none to have them retrieved"
                )
            candidates = given[free[given] & known[given]]
            if not len(candidates):
                raise UserError(
                    "none of the candidates is a book that the model knows; give others, or none to have them retrieved"
                )
            return candidates
        if not free.any():
            raise UserError(
                f"the shelf holds all {len(free)} items of the catalogue, so nothing is left to recommend; take some "
                "off, or choose another reader"
            )
        if not (free & known).any():
            raise UserError(
                f"the model knows none of the {int(free.sum())} items that are not on the shelf; train it on this catalogue "
                "with training/run.sh, or take some off"
            )
        found = self.retriever(history, CANDIDATES, query.reader, known)
        if not len(found):
            raise UserError(
                f"none of the {int((free & known).sum())} items left can be recommended: each is another edition of one on "
                "the shelf, or not the next volume of its series; take some off, or choose another reader"
            )
        return np.random.default_rng([query.seed, len(history)]).permutation(found)
