"""One contract for every ranker, then what is special about some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import reading
import toys

from star.data.interactions import Interactions
from star.data.tasks import Split, Task, make_tasks, split
from star.errors import UserError
from star.evaluation import metrics
from star.evidence.graph import Graph
from star.evidence.tools import Attributes
from star.methods import baselines, factorisation, fusion, sasrec
from star.methods.baselines import ByScore
from star.methods.registry import METHODS, Context, check_methods, default_methods, rankers
from star.methods.student import StarRanker
from star.ranking import Ranker
from star.student import checkpoint

NAMES = [name for name in METHODS if not name.startswith("star") and name not in ("mars:chat", "oracle")]
BY_SCORE = [name for name in NAMES if name != "unchanged"]


@pytest.fixture(scope="module", autouse=True)
def small_fusion(few_trees: None) -> Iterator[None]:
    """Two folds of training readers in place of ten, since fusion fits the signals once for each; and short fits."""
    reading.parts()  # keeps its ten folds, for tests of other files
    reading.signals()  # as they are there too
    with reading.quick(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("star.data.tasks.FOLDS", 2)
        patch.setattr(fusion, "LISTS", 240)
        yield


def halves() -> Split:
    """The readers of `reading.parts`, in two folds."""
    return split(reading.dataset().interactions)


@pytest.fixture(scope="module")
def lineup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ranker]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAR_DATA", str(tmp_path_factory.mktemp("sets")))
        patch.setattr(sasrec, "SasRec", partial(sasrec.SasRec, width=32, epochs=2))
        patch.setattr(factorisation, "Als", partial(factorisation.Als, factors=8))
        patch.setattr(factorisation, "LightGcn", partial(factorisation.LightGcn, width=32, steps=30))
        context = Context(reading.dataset(), halves(), reading.graph())
        context.__dict__["signals"] = reading.signals()  # of the same graph
        yield {name: METHODS[name](context) for name in NAMES}


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    data, readers, counts = reading.dataset().interactions, reading.parts().test, reading.graph().counts
    return [
        task
        for scenario in ("classic", "user_cold_start")
        for task in make_tasks(data, readers, scenario, "uniform", counts, limit=60)
    ]


def mean(ranker: Ranker, tasks: list[Task]) -> float:
    ranks = [metrics.rank_of(a.order, t.target) for a, t in zip(ranker.rank(tasks), tasks, strict=True)]
    return float(metrics.mean_hit_rate(np.array(ranks)).mean())


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_permutations_in_the_order_asked(
    name: str, lineup: dict[str, Ranker], tasks: list[Task]
) -> None:
    answers = lineup[name].rank(tasks)
    assert lineup[name].name == name
    assert len(answers) == len(tasks)
    for answer, task in zip(answers, tasks, strict=True):
        assert sorted(answer.order) == sorted(task.candidates)
        assert answer.seconds >= 0 and answer.generated_tokens >= 0 and answer.model_calls >= 0
    assert lineup[name].rank([]) == []


@pytest.mark.parametrize("name", NAMES)
def test_same_question_same_answer_alone_or_in_a_batch(
    name: str, lineup: dict[str, Ranker], tasks: list[Task]
) -> None:
    batch = [a.order for a in lineup[name].rank(tasks[:10])]
    assert batch == [lineup[name].rank([task])[0].order for task in tasks[:10]]


@pytest.mark.parametrize("name", NAMES)
def test_the_target_is_not_looked_at(name: str, lineup: dict[str, Ranker], tasks: list[Task]) -> None:
    other = [replace(t, target=next(c for c in t.candidates if c != t.target)) for t in tasks[:20]]
    assert [a.order for a in lineup[name].rank(tasks[:20])] == [a.order for a in lineup[name].rank(other)]


@pytest.mark.parametrize("name", BY_SCORE)
def test_the_order_of_the_candidates_does_not_matter(
    name: str, lineup: dict[str, Ranker], tasks: list[Task]
) -> None:
    turned = [replace(t, candidates=t.candidates[::-1]) for t in tasks[:20]]
    assert [a.order for a in lineup[name].rank(tasks[:20])] == [a.order for a in lineup[name].rank(turned)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("history", "candidates"),
    [
        ((5,), tuple(range(20, 40))),
        ((5, 6, 7), (8,)),
        ((5, 6, 7), (8, 9)),
        (tuple(range(60)), tuple(range(60, 120))),
        ((119, 118), (117, 116, 115)),
    ],
)
def test_unknown_readers_short_shelves_and_lists_of_any_length(
    name: str, history: tuple[int, ...], candidates: tuple[int, ...], lineup: dict[str, Ranker]
) -> None:
    task = Task(10**9, history, candidates[0], candidates, "classic", "uniform")
    assert sorted(lineup[name].rank([task])[0].order) == sorted(candidates)


def test_items_nobody_read() -> None:
    """Shelf and candidates that no training reader has: no warning, no division by zero, ties at random."""
    histories = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]] * 30
    whole = Interactions.from_histories(histories, 40)
    graph = Graph.build(whole, np.arange(30))
    task = Task(99, (20, 21), 30, tuple(range(22, 40)), "classic", "uniform")
    scores = [baselines.popularity, baselines.centre, baselines.itemknn, baselines.userknn, baselines.ease]
    with np.errstate(all="raise"):
        for score in scores:
            values = score(graph)(task)
            assert np.isfinite(values).all() and np.ptp(values) == 0


def test_ties_are_broken_at_random_not_by_position_or_item() -> None:
    ranker = ByScore("random", baselines.by_chance)
    asked = [Task(n, (1, 2), 50, tuple(range(50, 70)), "classic", "uniform") for n in range(1)]
    asked += [replace(asked[0], candidates=tuple(range(50, 70 + n))) for n in range(1, 200)]
    first = [a.order[0] for a in ranker.rank(asked)]
    assert len(set(first)) > 20
    assert ByScore("random", baselines.by_chance, seed=1).rank(asked) != ranker.rank(asked)


@pytest.mark.parametrize("name", ["unchanged", "random"])
def test_the_floor_is_chance(name: str, lineup: dict[str, Ranker]) -> None:
    data = reading.dataset().interactions
    asked = make_tasks(data, reading.parts().test, "classic", "uniform", reading.graph().counts)
    assert mean(lineup[name], asked) == pytest.approx(0.15, abs=0.035)


def test_centre_does_not_beat_chance_among_matched_negatives(lineup: dict[str, Ranker]) -> None:
    data = reading.dataset().interactions
    asked = make_tasks(data, reading.parts().test, "classic", "matched", reading.graph().counts)
    assert mean(lineup["centre"], asked) < 0.19


@pytest.mark.parametrize(
    "name", ["itemknn", "itemknn:recent", "userknn", "ease", "als", "lightgcn", "fusion"]
)
def test_those_who_look_at_the_shelf_beat_popularity(
    name: str, lineup: dict[str, Ranker], tasks: list[Task]
) -> None:
    assert mean(lineup[name], tasks) > mean(lineup["popularity"], tasks) > 0.2


def test_item_knn_by_hand() -> None:
    whole = Interactions.from_histories([[0, 1], [0, 1, 2], [0, 3], [2, 3]], 4)
    graph = Graph.build(whole, np.arange(4))
    task = Task(9, (2, 0), 1, (1, 3), "classic", "uniform")
    expected = [(1 / np.sqrt(2 * 2) + 2 / np.sqrt(3 * 2)) / 2, (1 / np.sqrt(2 * 2) + 1 / np.sqrt(3 * 2)) / 2]
    assert baselines.itemknn(graph)(task) == pytest.approx(expected)
    assert baselines.itemknn(graph, 1)(task) == pytest.approx([2 / np.sqrt(6), 1 / np.sqrt(6)])


@pytest.mark.parametrize("readers", [15, 100])
def test_ease_is_the_ridge_regression_without_a_diagonal(readers: int) -> None:
    """b_j = argmin |x_j - X b|² + λ|b|² with b_jj = 0, for more and for fewer readers than items."""
    rng = np.random.default_rng(0)
    histories = [list(rng.permutation(25)[: rng.integers(3, 12)]) for _ in range(readers)]
    graph = Graph.build(Interactions.from_histories(histories, 25), np.arange(readers))
    found = baselines.ease_weights(graph, 5.0)
    x = graph.matrix.toarray().astype(float)
    for j in range(25):
        rest = np.delete(np.arange(25), j)
        b = np.linalg.solve(x[:, rest].T @ x[:, rest] + 5.0 * np.eye(24), x[:, rest].T @ x[:, j])
        assert found[rest, j] == pytest.approx(b, abs=1e-4)
        assert found[j, j] == 0


def test_features_of_fusion() -> None:
    """Finite numbers, and relations that can be read off the catalogue."""
    data, attributes = reading.dataset(), fusion.Attributes.of(reading.dataset().catalog)
    task = Task(10**9, (0, 3, 61), 1, tuple(range(1, 21)), "classic", "uniform")
    x = fusion.features(reading.graph(), data, attributes, task, reading.signals())
    assert x.shape[0] == 20 and np.isfinite(x).all()
    relations = x[:, -4:]
    # book 1 is the next volume of 0's series; 4 is next after 3; 2 is in the series; 15 shares no author
    assert relations[0].tolist() == [1, 1, 2, 3]
    assert relations[1].tolist() == [1, 0, 2, 3]
    assert relations[14].tolist() == [0, 0, 0, 3]


def test_fusion_keeps_its_lists(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    monkeypatch.setattr(fusion, "LISTS", 80)
    task = Task(10**9, (0, 3, 61), 1, tuple(range(10, 30)), "classic", "uniform")
    first = fusion.fusion(reading.graph(), reading.dataset(), halves(), reading.signals())(task)
    assert len(list(tmp_path.rglob("fusion-*.npz"))) == 1
    monkeypatch.setattr(fusion, "training_lists", None)
    again = fusion.fusion(reading.graph(), reading.dataset(), halves(), reading.signals())(task)
    assert np.array_equal(first, again)


def test_no_target_is_put_into_fusions_retrieved_lists_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ranker that only knows what retrieval returned cannot tell the target in the lists that are kept."""
    kept: list[bool] = []
    real = fusion.came_by_itself

    def watch(dataset, retriever, task):  # type: ignore[no-untyped-def]
        verdict = real(dataset, retriever, task)
        if verdict:
            found = retriever(np.array(task.history), reading.BOOKS, task.reader).tolist()
            seen = set(dataset.interactions.history(task.reader).tolist()) - {task.target}
            first = [item for item in found if item not in seen][: len(task.candidates)]
            kept.append(set(first) == set(task.candidates))
        return verdict

    monkeypatch.setattr(fusion, "came_by_itself", watch)
    fusion.training_lists(reading.dataset(), halves(), 80)
    assert kept and all(kept)


def test_names_are_checked() -> None:
    assert check_methods(["ease", "itemknn", "ease"]) == ["ease", "itemknn"]
    with pytest.raises(UserError, match=r"no method nearest.*itemknn:recent.*star"):
        check_methods(["ease", "nearest"])
    with pytest.raises(UserError, match="no method given"):
        check_methods([])


def test_star_is_the_checkpoint_that_ships_or_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = Context(reading.dataset(), reading.parts(), reading.graph())
    assert isinstance(rankers(["star"], context)[0], StarRanker)
    with monkeypatch.context() as without:
        without.setattr(checkpoint, "MODELS", tmp_path)
        with pytest.raises(UserError, match=r"no checkpoint 'star'.*training/run.sh"):
            rankers(["star"], context)
    with pytest.raises(UserError, match=r"no checkpoint 'elsewhere'"):
        rankers(["star"], replace(context, model="elsewhere"))
    names = default_methods(reading.dataset())
    assert "star" in names and "mars" in names and "oracle" not in names


def test_another_checkpoint_is_named_by_its_folder(tmp_path: Path) -> None:
    folder = toys.save_checkpoint(tmp_path / "other")
    (ranker,) = rankers([f"star:{folder}"], Context(reading.dataset(), reading.parts(), reading.graph()))
    assert isinstance(ranker, StarRanker) and ranker.name == f"star:{folder}"


def test_oracle_is_for_simulated_readers_only() -> None:
    with pytest.raises(UserError, match="--dataset demo"):
        rankers(["oracle"], Context(reading.dataset(), reading.parts(), reading.graph()))


def test_oracle_orders_by_the_probability_that_readers_were_simulated_with() -> None:
    from star.data.simulator import Figures, load_demo, log_probabilities

    demo = load_demo()
    parts = split(demo.interactions)
    graph = Graph.build(demo.interactions, parts.train)
    asked = make_tasks(demo.interactions, parts.test, "classic", "uniform", graph.counts, limit=100)
    lineup = rankers(["oracle", "itemknn"], Context(demo, parts, graph))
    answer = lineup[0].rank(asked[:1])[0]
    log_p = log_probabilities(Figures.load(catalog=demo.catalog), asked[0].history)
    assert (np.diff(log_p[list(answer.order)]) <= 0).all()
    assert mean(lineup[0], asked) > mean(lineup[1], asked)


def test_what_is_comparable_are_ranks_ratios_and_relations() -> None:
    data, graph, parts = reading.dataset(), reading.graph(), reading.parts()
    (task,) = make_tasks(data.interactions, parts.test, "classic", "uniform", graph.counts, None, 1, 1)
    x = fusion.features(graph, data, Attributes.of(data.catalog), task, reading.signals())
    kept = x[:, fusion.comparable(x.shape[1])]
    raw = (x.shape[1] - fusion.FIXED) // 3
    assert kept.shape[1] == 2 * raw + 3
    assert (kept[:, :raw] > 0).all() and (kept[:, :raw] <= 1).all()  # ranks
    ratios = kept[:, raw : 2 * raw]
    np.testing.assert_allclose(ratios[:, x[:, :raw].max(0) > 1e-6].max(0), 1, atol=1e-6)
    assert len(task.history) > 3 and not (kept == len(task.history)).any()  # no length of the shelf


def test_trees_of_another_data_set_rank_better_than_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    data, parts, graph = reading.dataset(), halves(), reading.graph()
    other = reading.dataset(260, 1)
    monkeypatch.setattr("star.methods.registry.names", lambda: ["demo", "other"])
    monkeypatch.setattr("star.data.loading.load_dataset", lambda name: other)
    assert check_methods(["fusion:other"]) == ["fusion:other"]
    with pytest.raises(UserError, match="fusion:elsewhere"):
        check_methods(["fusion:elsewhere"])
    (ranker,) = rankers(["fusion:other"], Context(data, parts, graph))
    tasks = make_tasks(data.interactions, parts.test, "classic", "uniform", graph.counts, None, 60, 1)
    ranked = ranker.rank(tasks)
    assert ranker.name == "fusion:other" and all(
        sorted(r.order) == sorted(t.candidates) for r, t in zip(ranked, tasks, strict=True)
    )
    assert (
        np.mean([r.order.index(t.target) < 5 for r, t in zip(ranked, tasks, strict=True)]) > 0.4
    )  # chance: .25
