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

    def __init__(self, dataset: Dataset, rules: Rules | None = None):
        """
        Args:
            rules: which rules retrieved candidates keep; None: all.
        """
        self.dataset = dataset
        self.split = tasks.split(dataset.interactions)
        self.graph = training_graph(dataset, self.split)
        self.attributes = Attributes.of(dataset.catalog)
        self.signals = kept_signals(dataset, self.split, self.graph, self.attributes)
        hygiene = Hygiene.of(dataset.catalog, rules)
        self.retriever = Retriever(self.graph, self.attributes, self.signals, hygiene)

    def tools(self, query: Query) -> Tools:
        """The tools bound to this query; its candidates, or retrieved and shuffled ones if it names none.

        Raises:
            UserError: the query cannot be answered.
        """
        size = len(self.dataset.catalog)
        w = self.dataset.catalog.words
        if not query.history:
            raise UserError(f"the {w.shelf} is empty; put at least one {w.item} {w.on} it")
        if bad := [i for i in (*query.history, *(query.candidates or ())) if not 0 <= i < size]:
            raise UserError(
                f"item row {bad[0]} is outside the catalogue of {size} items; pick from the catalogue"
            )
        if not 1 <= query.k <= RANKED_AT_MOST:
            raise UserError(f"{query.k} {w.items} were asked for; choose from 1 to {RANKED_AT_MOST}")
        history = np.array(list(dict.fromkeys(query.history)), dtype=np.int64)
        candidates = self._candidates(query, history)
        return Tools(
            self.graph,
            self.dataset.catalog,
            self.attributes,
            history.tolist(),
            candidates.tolist(),
            query.reader,
            self.signals,
        )

    def _candidates(self, query: Query, history: np.ndarray) -> np.ndarray:
        """Item rows to rank, (C,), without the shelf: the query's, in its order, or retrieved and shuffled ones.

        Raises:
            UserError: no candidate is left; the message says why.
        """
        w = self.dataset.catalog.words
        free = np.ones(len(self.dataset.catalog), dtype=bool)
        free[history] = False
        if query.candidates is not None:
            given = np.array(list(dict.fromkeys(query.candidates)), dtype=np.int64)
            if not free[given].any():
                these = f"all {len(given)} candidates are {w.on_shelf}" if len(given) else "the list of candidates is empty"
                raise UserError(f"{these}; give others, or none to have them retrieved")
            return np.asarray(given[free[given]])
        if not free.any():
            raise UserError(
                f"the {w.shelf} holds all {len(free)} items of the catalogue, so nothing is left to recommend; take some "
                f"off, or choose another {w.user}"
            )
        # What is left out is retrieved beyond the number that is wanted; the others stay in their order.
        found = self.retriever(history, CANDIDATES + len(query.left_out), query.reader)
        found = found[~np.isin(found, query.left_out)][:CANDIDATES]
        if not len(found):
            raise UserError(
                f"none of the {int(free.sum())} items left can be recommended: each is another edition of one "
                f"{w.on_shelf}, or not the next {w.volume} of its {w.series}; take some off, or choose another {w.user}"
            )
        return np.random.default_rng([query.seed, len(history)]).permutation(found)
