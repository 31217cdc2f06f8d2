"""Agreement: equal to published examples, to straightforward second implementations, and as its properties demand."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import spearmanr

from star.annotation.exchange.rows import Comparison, Rating
from star.annotation.statistics import annotator_quality, pairwise_preference, reliability
from star.annotation.statistics.agreement import correlations, report

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section E: four observers, twelve units.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
UNITS = [list(unit) for unit in zip(*PUBLISHED, strict=True)]
ROUNDED = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849, "ratio": 0.797}


def exact(units: list[list[int | None]], metric: str) -> Fraction | None:
    """α by the definition, pair by pair, in whole fractions."""
    paired = [[v for v in unit if v is not None] for unit in units]
    paired = [unit for unit in paired if len(unit) > 1]
    everything = [v for unit in paired for v in unit]
    n = {v: everything.count(v) for v in everything}

    def delta(c: int, k: int) -> Fraction:
        if metric == "nominal":
            return Fraction(int(c != k))
        if metric == "interval":
            return Fraction((c - k) ** 2)
        if metric == "ratio":
            return Fraction((c - k) ** 2, (c + k) ** 2)
        between = sum(count for v, count in n.items() if min(c, k) <= v <= max(c, k))
        return (between - Fraction(n[c] + n[k], 2)) ** 2 if c != k else Fraction(0)

    observed = sum(
        (delta(a, b) / (len(unit) - 1) for unit in paired for a, b in itertools.permutations(unit, 2)),
        Fraction(0),
    )
    expected = sum((delta(a, b) for a, b in itertools.permutations(everything, 2)), Fraction(0))
    return None if not expected else 1 - (len(everything) - 1) * observed / expected


@pytest.mark.parametrize("metric", ROUNDED)
def test_alpha_is_krippendorffs(metric: reliability.Metric) -> None:
    truth = exact(UNITS, metric)
    assert truth is not None and abs(float(truth) - ROUNDED[metric]) <= 0.0005 + 1e-12
    assert reliability.alpha(UNITS, metric) == pytest.approx(float(truth), abs=1e-12)


def test_alpha_of_two_observers_with_binary_data() -> None:
    # The same paper, section A: .095; and section B, nominal with five values: .692.
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert reliability.alpha(list(zip(first, second, strict=True)), "nominal") == pytest.approx(
        2 / 21, abs=1e-9
    )
    ben, gerry = "aabbdcccedda", "babbbccceddd"
    units = [[ord(a), ord(b)] for a, b in zip(ben, gerry, strict=True)]
    assert reliability.alpha(units, "nominal") == pytest.approx(0.692, abs=5e-4)


VALUES = st.one_of(st.none(), st.integers(1, 5))
TABLES = st.integers(1, 5).flatmap(
    lambda m: st.lists(st.lists(VALUES, min_size=m, max_size=m), min_size=1, max_size=12)
)


@given(TABLES, st.sampled_from(sorted(ROUNDED)), st.randoms())
@settings(max_examples=150, deadline=None)
def test_alpha_is_the_definition_in_any_order(
    table: list[list[int | None]], metric: reliability.Metric, rng
) -> None:  # type: ignore[no-untyped-def]
    truth = exact(table, metric)
    found = reliability.alpha(table, metric)
    assert (truth is None and math.isnan(found)) or found == pytest.approx(float(truth or 0), abs=1e-9)
    records = rng.sample(table, len(table))
    order = rng.sample(range(len(table[0])), len(table[0]))
    again = reliability.alpha([[unit[n] for n in order] for unit in records], metric)
    assert again == pytest.approx(found, abs=1e-9, nan_ok=True)


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=15), st.integers(2, 4), st.sampled_from(sorted(ROUNDED))
)
@settings(deadline=None)
def test_perfect_agreement_is_one(values: list[int], annotators: int, metric: reliability.Metric) -> None:
    found = reliability.alpha([[v] * annotators for v in values], metric)
    assert math.isnan(found) if len(set(values)) == 1 else found == pytest.approx(1)


def test_chance_is_about_zero_and_the_interval_holds_it() -> None:
    rng = np.random.default_rng(3)
    said = rng.integers(1, 6, size=(400, 3)).tolist()
    low, high = reliability.bootstrap_alpha(said, [f"r{n}" for n in range(400)])
    assert low < 0 < high and high - low < 0.15 and low < reliability.alpha(said) < high


def test_the_interval_resamples_records_not_units() -> None:
    units = [[1, 1], [2, 3], [4, 5], [5, 5], [1, 2], [3, 3]]
    apart = reliability.bootstrap_alpha(units, ["a", "b", "c", "d", "e", "f"], seed=1)
    together = reliability.bootstrap_alpha(units, ["a", "a", "a", "b", "b", "b"], seed=1)
    assert apart != together
    copies = {reliability.alpha(units[:3] * 2), reliability.alpha(units[3:] * 2), reliability.alpha(units)}
    assert min(copies) <= together[0] <= together[1] <= max(copies)


def listed(table: list[list[int]]) -> tuple[list[int], list[int]]:
    rows = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in rows], [j for _, j in rows]


def exact_kappa(table: list[list[int]], power: int) -> float:
    n = sum(map(sum, table))
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    cells = list(itertools.product(range(len(table)), repeat=2))
    observed = sum(Fraction(abs(i - j) ** power * table[i][j], n) for i, j in cells)
    chance = sum(Fraction(abs(i - j) ** power * rows[i] * columns[j], n * n) for i, j in cells)
    return float(1 - observed / chance)


def test_weighted_kappa_is_the_published() -> None:
    # SAS/STAT, PROC FREQ, agreement study of two dermatologists: weighted κ (linear) .5082.
    skin = [[10, 4, 1, 0], [5, 10, 12, 2], [2, 4, 12, 5], [0, 2, 6, 13]]
    assert reliability.kappa(*listed(skin), "linear") == pytest.approx(0.5082, abs=5e-5)
    assert reliability.kappa(*listed(skin), "linear") == pytest.approx(exact_kappa(skin, 1), abs=1e-9)
    # Agresti, Categorical Data Analysis, carcinoma of the cervix, two pathologists: squared weights .78.
    cervix = [[22, 2, 2, 0], [5, 7, 14, 0], [0, 2, 36, 0], [0, 1, 17, 10]]
    assert reliability.kappa(*listed(cervix)) == pytest.approx(0.78, abs=5e-3)
    assert reliability.kappa(*listed(cervix)) == pytest.approx(exact_kappa(cervix, 2), abs=1e-9)


def test_kappa_weighs_differences_of_values_also_over_unused_ones() -> None:
    first, second = [1, 1, 3, 5, 5], [1, 3, 3, 5, 1]
    table = [[0] * 5 for _ in range(5)]
    for a, b in zip(first, second, strict=True):
        table[a - 1][b - 1] += 1
    assert reliability.kappa(first, second) == pytest.approx(exact_kappa(table, 2), abs=1e-9)
    assert math.isnan(reliability.kappa([3, 3], [3, 3]))


# Agresti, Categorical Data Analysis: American League (East) 1987, row beat column; log-strengths against Baltimore.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]
STRENGTHS = (1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0.0)


def test_bradley_terry_is_the_published() -> None:
    wins = np.array(WINS, dtype=float)
    found, nu = pairwise_preference.davidson(wins, np.zeros_like(wins))
    assert found - found[-1] == pytest.approx(STRENGTHS, abs=5e-5) and nu == 0
    # The likelihood equations (Zermelo 1929): each one's wins are what the model expects, to 1e-6 and beyond.
    p = np.exp(found)
    expected = ((wins + wins.T) * p[:, None] / (p[:, None] + p[None])).sum(1)
    assert expected == pytest.approx(wins.sum(1), abs=1e-6)
    # Hunter's MM algorithm (2004), an independent fit.
    pi = np.ones(7)
    for _ in range(3000):
        games = (wins + wins.T) / (pi[:, None] + pi[None])
        np.fill_diagonal(games, 0)
        pi = wins.sum(1) / games.sum(1)
        pi /= pi.sum()
    assert found == pytest.approx(np.log(pi) - np.log(pi).mean(), abs=1e-6)


# Davidson (1970), six brands of chocolate pudding: i, j, comparisons, i preferred, j preferred, ties.
PUDDINGS = [
    (1, 2, 57, 19, 22, 16), (1, 3, 47, 16, 19, 12), (2, 3, 48, 19, 19, 10), (1, 4, 54, 18, 23, 13),
    (2, 4, 51, 23, 19, 9), (3, 4, 54, 19, 20, 15), (1, 5, 50, 13, 19, 18), (2, 5, 48, 16, 20, 12),
    (3, 5, 48, 16, 15, 17), (4, 5, 47, 17, 14, 16), (1, 6, 51, 18, 21, 12), (2, 6, 54, 22, 20, 12),
    (3, 6, 41, 13, 18, 10), (4, 6, 51, 14, 19, 18), (5, 6, 44, 11, 21, 12),
]  # fmt: skip
WORTHS, NU = (0.1388005, 0.1729985, 0.1617420, 0.1653930, 0.1586805, 0.2023855), 0.7468147


def test_ties_are_davidsons() -> None:
    wins, ties = np.zeros((6, 6)), np.zeros((6, 6))
    for i, j, n, first, second, tied in PUDDINGS:
        assert n == first + second + tied
        wins[i - 1, j - 1], wins[j - 1, i - 1] = first, second
        ties[i - 1, j - 1] = ties[j - 1, i - 1] = tied
    found, nu = pairwise_preference.davidson(wins, ties)
    worth = np.exp(found) / np.exp(found).sum()
    # What Davidson printed is his iteration stopped early, so it is met to 2e-5 only; the maximum itself is met exactly.
    assert worth == pytest.approx(WORTHS, abs=3e-5) and nu == pytest.approx(NU, abs=2e-4)
    tie = nu * np.sqrt(worth[:, None] * worth[None])
    met = wins + wins.T + ties
    whole = worth[:, None] + worth[None] + tie
    scores = met * (worth[:, None] + tie / 2) / whole
    np.fill_diagonal(scores, 0)
    assert scores.sum(1) == pytest.approx((wins + ties / 2).sum(1), abs=1e-6)
    assert (met * tie / whole).sum() == pytest.approx(ties.sum(), abs=1e-6)

    def minus_log_likelihood(b: np.ndarray) -> float:
        pi, v, total = np.exp(np.append(b[:5], 0)), np.exp(b[5]), 0.0
        for i, j, n, first, second, tied in PUDDINGS:
            a, c = pi[i - 1], pi[j - 1]
            t = v * np.sqrt(a * c)
            total -= first * np.log(a) + second * np.log(c) + tied * np.log(t) - n * np.log(a + c + t)
        return total

    best = minimize(minus_log_likelihood, np.zeros(6), method="BFGS", options={"gtol": 1e-7}).x
    assert [*(found[:5] - found[5]), np.log(nu)] == pytest.approx(best, abs=1e-6)


def ab(record: str, left: str, right: str, choice: str, annotator: str = "a") -> Comparison:
    return Comparison(record, left, right, annotator, choice, 10.0, 1)  # type: ignore[arg-type]


def test_win_rates_count_ties_half_whatever_the_side() -> None:
    rows = [ab("1", "star", "mars", "left"), ab("2", "mars", "star", "right"), ab("3", "mars", "star", "tie")]
    rows += [ab("4", "mars", "star", "left")]
    (row,) = pairwise_preference.win_rates(rows)
    assert (row["system"], row["against"], row["n"]) == ("mars", "star", 4)
    assert (row["wins"], row["losses"], row["ties"], row["rate"]) == (1, 2, 1, 0.375)
    assert row["ci"][0] < 0.375 < row["ci"][1]
    assert pairwise_preference.left_share(rows)["rate"] == 0.625


def test_ranking_of_whoever_never_lost_is_finite_and_of_separate_groups_none() -> None:
    rows = [ab(str(n), "good", "bad", "left") for n in range(8)] + [ab("x", "bad", "poor", "tie")]
    ranked = pairwise_preference.ranking(rows)
    assert ranked is not None and ranked["systems"][0]["system"] == "good"
    assert ranked["systems"][0]["strength"] > 0.99 and sum(
        s["strength"] for s in ranked["systems"]
    ) == pytest.approx(1)
    assert pairwise_preference.ranking([ab("1", "a", "b", "left"), ab("2", "c", "d", "left")]) is None
    assert pairwise_preference.ranking([]) is None


def test_ranking_finds_the_order_that_made_the_answers() -> None:
    rng = np.random.default_rng(0)
    truth = {"w": 0.5, "x": 0.25, "y": 0.15, "z": 0.1}
    rows = []
    for n in range(2000):
        one, two = rng.choice(list(truth), 2, replace=False).tolist()
        a, b = truth[one], truth[two]
        tie = 0.5 * np.sqrt(a * b)
        choice = rng.choice(["left", "right", "tie"], p=np.array([a, b, tie]) / (a + b + tie))
        rows.append(ab(f"r{n // 2}", one, two, str(choice)))
    ranked = pairwise_preference.ranking(rows)
    assert ranked is not None and [s["system"] for s in ranked["systems"]] == ["w", "x", "y", "z"]
    for found in ranked["systems"]:
        assert found["ci"][0] < truth[found["system"]] < found["ci"][1]
    assert ranked["nu_ci"][0] < 0.5 < ranked["nu_ci"][1]


def rate(
    record: str, annotator: str, value: int | None, criterion: str = "faithful", **more: object
) -> Rating:
    fields: dict[str, object] = {"system": "star", "seconds": 30.0, "gold": None, "rubric": 1} | more
    return Rating(record, annotator=annotator, criterion=criterion, value=value, **fields)  # type: ignore[arg-type]


def test_conduct() -> None:
    rows = [
        rate("g1", "a", 4, gold=5),
        rate("g2", "a", 2, gold=5),
        rate("g3", "a", None, gold=3),
        rate("r", "a", 1),
    ]
    assert annotator_quality.gold_pass_rate(rows) == pytest.approx(1 / 3)
    assert annotator_quality.gold_pass_rate(rows[3:]) is None
    timed = [
        rate("1", "a", 3, "x", seconds=10.0),
        rate("1", "a", 3, "y", seconds=10.0),
        rate("2", "a", 3, seconds=40.0),
    ]
    assert annotator_quality.seconds_per_record(timed) == 25
    assert annotator_quality.seconds_per_record(timed, [ab("3", "s", "t", "tie")]) == 10
    lined = [rate("1", "a", 3, c) for c in "xyz"] + [rate("2", "a", v, c) for v, c in ((3, "x"), (4, "y"))]
    lined += [rate("3", "a", 5, "x"), rate("3", "a", None, "y")]  # one judged criterion is no line
    assert annotator_quality.straight_lining(lined) == 0.5


def test_ratings_go_with_measures_as_spearman_says() -> None:
    rng = np.random.default_rng(1)
    truth = {f"r{n}": float(rng.random()) for n in range(40)}
    rows = [
        rate(r, who, int(np.clip(round(1 + 4 * v + rng.normal(0, 0.7)), 1, 5)))
        for r, v in truth.items()
        for who in "ab"
    ]
    (row,) = correlations(rows, {"precision": truth})
    means = [np.mean([x.value for x in rows if x.record == r]) for r in truth]
    assert row["rho"] == pytest.approx(spearmanr(means, list(truth.values())).statistic, abs=1e-9)
    assert row["records"] == 40 and row["ci"][0] < row["rho"] < row["ci"][1]


def test_report_is_json_and_says_none_where_nothing_is_defined() -> None:
    rng = np.random.default_rng(0)
    rows = [
        rate(f"r{n}", who, int(rng.integers(1, 6)), c, rubric=v)
        for n in range(12)
        for who in "abc"
        for c in ("faithful", "plan")
        for v in (1, 2)
    ]
    answers = [
        ab(f"r{n}", "star", "mars", rng.choice(["left", "tie"]).item(), who)
        for n in range(12)
        for who in "ab"
    ]
    made = report(rows, answers, {"precision": {f"r{n}": n / 12 for n in range(12)}})
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert [(c["rubric"], c["criterion"]) for c in made["criteria"]] == list(
        itertools.product((1, 2), ("faithful", "plan"))
    )
    assert all(len(c["kappa"]) == 3 and c["ratings"] == 36 for c in made["criteria"])
    units = [
        [x.value for x in rows if (x.record, x.criterion, x.rubric) == (f"r{n}", "plan", 2)]
        for n in range(12)
    ]
    assert made["criteria"][3]["alpha"] == pytest.approx(float(exact(units, "ordinal") or 0), abs=1e-9)
    assert [a["annotator"] for a in made["annotators"]] == ["a", "b", "c"]
    assert made["contest"]["ranking"]["systems"][0]["system"] == "star"

    same = report([rate(f"r{n}", who, 3) for n in range(4) for who in "ab"])
    assert same["criteria"][0]["alpha"] is None and same["criteria"][0]["alpha_ci"] == [None, None]
    empty = report([])
    assert json.loads(json.dumps(empty, allow_nan=False)) == empty and empty["contest"]["ranking"] is None


def test_annotators_by_another_name_change_nothing() -> None:
    rng = np.random.default_rng(5)
    rows = [rate(f"r{n}", who, int(rng.integers(1, 6))) for n in range(15) for who in "abc"]
    other = {"a": "z", "b": "y", "c": "x"}
    renamed = [rate(r.record, other[r.annotator], r.value) for r in reversed(rows)]
    one, two = report(rows)["criteria"][0], report(renamed)["criteria"][0]
    assert two["alpha"] == pytest.approx(one["alpha"]) and two["alpha_ci"] == pytest.approx(one["alpha_ci"])
