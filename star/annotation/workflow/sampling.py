"""Readers of a campaign, sampled by scenario and difficulty, and the runs made for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest

import numpy as np

from star.annotation.workflow.documents import DESERVED, GoldAnswer, RunJson, Sample, deserved, mismatched
from star.annotation.workflow.frozen import facts
from star.data.dataset import Dataset
from star.data.tasks import MIX, Task, difficulty, make_tasks, split
from star.errors import UserError
from star.evidence.graph import Graph
from star.mars.run import MarsRanker
from star.recommend.recommendation import Query
from star.recommend.recommender import Recommender, answer


def samples(
    recommenders: Mapping[str, Recommender],
    n: int,
    pair: bool = False,
    hidden: int = 0,
    scenarios: Sequence[str] = ("classic",),
    mix: Mapping[str, float] = MIX,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    criteria: Sequence[str] = tuple(DESERVED),
) -> Iterator[Sample]:
    """Runs of recommenders over the same data set, for test readers sampled by scenario and difficulty.

    Args:
        recommenders: name of a system → its recommender. Single records use them in turn; pairs take two.
        n: ordinary records; then `hidden` gold items (`mismatched` runs; in pairs, beside the original run).
        seed: of the sample.
        seeds: of each system's wording, for two seeds of one checkpoint; None: 0, the likeliest words, for all.
        criteria: of the rubric; those in `DESERVED` make the answer of a gold item.

    Raises:
        UserError: a wrong number of recommenders, different data sets, too few readers, or gold items without a
        criterion of `DESERVED`.
    """
    names, makers = list(recommenders), list(recommenders.values())
    if not makers or (pair and len(makers) != 2):
        raise UserError(
            f"systems given: {', '.join(names) or 'none'}; pairs need two, single records one or more"
        )
    data = makers[0].dataset
    if any(maker.dataset.name != data.name for maker in makers):
        raise UserError("the systems answer over different data sets; compare them over one")
    known = deserved(criteria) if hidden and not pair else None
    wording = [0] * len(makers) if seeds is None else list(seeds)

    def run(system: int, task: Task) -> RunJson:
        query = Query(task.history, task.reader, seed=wording[system])
        return run_of(makers[system], query, data.interactions.users[task.reader])

    # One more than hidden: each gold item borrows its conclusion from the next one.
    drawn = draw(data, n + hidden + bool(hidden), scenarios, mix, seed)
    for number, (task, level) in enumerate(drawn[:n]):
        chosen = (0, 1) if pair else (number % len(makers),)
        yield Sample(
            tuple(names[c] for c in chosen), tuple(run(c, task) for c in chosen), task.scenario, level
        )
    for number, ((task, level), (following, _)) in enumerate(pairwise(drawn[n:])):
        # All systems make gold items, in turn or both in pairs: the system does not reveal a gold item.
        broken = number % len(makers) if not pair else 1 - number % 2
        made = mismatched(run(broken, task), run(broken, following))
        if not pair:
            yield Sample((names[broken],), (made,), task.scenario, level, known)
        elif broken:
            yield Sample(tuple(names), (run(0, task), made), task.scenario, level, GoldAnswer(choice="left"))
        else:
            yield Sample(tuple(names), (made, run(1, task)), task.scenario, level, GoldAnswer(choice="right"))


def draw(
    dataset: Dataset, n: int, scenarios: Sequence[str], mix: Mapping[str, float], seed: int
) -> list[tuple[Task, str]]:
    """n tasks of test readers with their difficulty: scenarios in turn, the difficulties of each by `mix`.

    Difficulty is the class of the rank that the teacher gives the book really read next (`tasks.difficulty`). If a class
    has too few tasks, others fill its places.

    Raises:
        UserError: the data set has too few.
    """
    parts = split(dataset.interactions)
    graph = Graph.build(dataset.interactions, parts.train)
    teacher = MarsRanker(dataset, graph)
    rng = np.random.default_rng(seed)
    share = -(-n // len(scenarios))
    columns: list[list[tuple[Task, str]]] = []
    for scenario in scenarios:
        tasks = make_tasks(
            dataset.interactions,
            parts.test,
            scenario,
            "matched",
            graph.counts,
            limit=max(len(parts.test), 4 * n),
            draws=1,
            seed=seed,
        )
        quota = {level: round(part * share) for level, part in mix.items()}
        first: list[tuple[Task, str]] = []
        spare: list[tuple[Task, str]] = []
        for number in rng.permutation(len(tasks)):
            # The teacher ranks no more tasks than the sample needs; there may be thousands.
            if len(first) >= share or (len(first) + len(spare) >= share and max(quota.values(), default=0) <= 0):
                break
            task = tasks[number]
            [ranked] = teacher.rank([task])
            level = difficulty(ranked.order.index(task.target))
            within = quota.get(level, 0) > 0
            quota[level] = quota.get(level, 0) - 1
            (first if within else spare).append((task, level))
        columns.append([*first, *spare][:share])
    drawn = [pick for row in zip_longest(*columns) for pick in row if pick is not None][:n]
    if len(drawn) < n:
        users = dataset.catalog.words.users
        raise UserError(
            f"{n} {users} needed, and {dataset.name!r} has {len(drawn)} test {users}' tasks in {', '.join(scenarios)}; "
            "ask for fewer records, or name more scenarios"
        )
    return drawn


def run_of(recommender: Recommender, query: Query, user: str | None = None) -> RunJson:
    """One run, frozen: the document of `star recommend --json` and what keeps it readable (`frozen.facts`)."""
    catalog = recommender.dataset.catalog
    done = answer(recommender, query)
    return done.to_json(catalog, user) | facts(done, catalog)
