"""Win rates and a ranking of systems, from blinded A/B answers.

The win rate of a pair counts a tie as half a win. The ranking uses the Bradley–Terry model with the ties of Davidson
(1970): P(i beats j) : P(j beats i) : P(tie) = π_i : π_j : ν √(π_i π_j).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from star.annotation.exchange.rows import Comparison
from star.evaluation import metrics

FARTHEST = 15.0  # bound on log-strengths: the estimate for a system that never lost is infinite


def outcome(row: Comparison) -> float:
    """Score of the left system: 1 for a win, 0 for a loss, 0.5 for a tie."""
    return {"left": 1.0, "right": 0.0, "tie": 0.5}[row.choice]


def win_rates(rows: Sequence[Comparison], seed: int = 0) -> list[dict[str, Any]]:
    """For each pair of systems compared: (wins + ties / 2) / n of the first by name; records are resampled."""
    met: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for row in rows:
        left, right = row.left_system, row.right_system
        if left != right:
            share = outcome(row) if left < right else 1 - outcome(row)
            met.setdefault((min(left, right), max(left, right)), []).append((share, row.record))
    out = []
    for (one, two), answers in sorted(met.items()):
        shares = np.array([share for share, _ in answers])
        records = np.array([record for _, record in answers])
        out.append(
            {
                "system": one,
                "against": two,
                "n": len(shares),
                "records": len(set(records.tolist())),
                "wins": int((shares == 1).sum()),
                "losses": int((shares == 0).sum()),
                "ties": int((shares == 0.5).sum()),
                "rate": float(shares.mean()),
                "ci": metrics.bootstrap_mean(shares, records, seed),
            }
        )
    return out


def left_share(rows: Sequence[Comparison], seed: int = 0) -> dict[str, Any]:
    """Share of answers for the left side, a tie counted as half. Sides are random, so an unbiased share is one half."""
    if not rows:
        return {"n": 0, "rate": None, "ci": [None, None]}
    shares = np.array([outcome(row) for row in rows])
    ci = metrics.bootstrap_mean(shares, np.array([row.record for row in rows]), seed)
    return {"n": len(rows), "rate": float(shares.mean()), "ci": ci}


def davidson(wins: np.ndarray, ties: np.ndarray, steps: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood of Davidson's model by Newton's method; without ties this is the Bradley–Terry model.

    The model is a multinomial logit in (log π, log ν), so its log-likelihood is concave. Steps and log-strengths are
    bounded, because the log-strength of a system that always won is infinite.

    Args:
        wins: (…, S, S), how often row beat column; ties: (…, S, S), symmetric, how often both tied.

    Returns:
        log π (…, S) with mean 0, and ν (…), 0 without ties. Only differences within a connected set of systems are
        meaningful (`connected`).
    """
    systems = wins.shape[-1]
    i, j = np.triu_indices(systems, 1)
    unit = np.eye(systems + 1)
    both = (unit[i] + unit[j]) / 2 + unit[systems]
    features = np.stack([unit[i], unit[j], both], 1)  # pair × outcome × parameter
    counts = np.stack([wins[..., i, j], wins[..., j, i], ties[..., i, j]], -1).astype(np.float64)
    tied = counts[..., 2].sum(-1) > 0
    seen = np.einsum("...po,pod->...d", counts, features)
    met = counts.sum(-1)
    pin = np.zeros((systems + 1, systems + 1))
    pin[:systems, :systems] = 1  # fixes the mean, which the data do not determine
    beta = np.zeros((*wins.shape[:-2], systems + 1))
    for _ in range(steps):
        logits = np.einsum("...d,pod->...po", beta, features)
        logits[..., 2] = np.where(tied[..., None], logits[..., 2], -np.inf)
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        mean = np.einsum("...po,pod->...pd", p, features)
        gradient = seen - np.einsum("...p,...pd->...d", met, mean)
        square = np.einsum("...p,...po,pod,poe->...de", met, p, features, features, optimize=True)
        hessian = square - np.einsum("...p,...pd,...pe->...de", met, mean, mean, optimize=True)
        step = np.linalg.solve(hessian + pin + 1e-9 * np.eye(systems + 1), gradient[..., None])[..., 0]
        step /= np.maximum(np.abs(step).max(-1, keepdims=True) / 2, 1)
        moved = np.clip(beta + step, -FARTHEST, FARTHEST)
        change = np.abs(moved - beta).max(initial=0.0)
        beta = moved
        if change < 1e-12:
            break
    strengths = beta[..., :systems] - beta[..., :systems].mean(-1, keepdims=True)
    return strengths, np.where(tied, np.exp(beta[..., systems]), 0.0)


def connected(games: np.ndarray) -> np.ndarray:
    """Whether comparisons link all systems, directly or through others: bool (…) of symmetric counts (…, S, S)."""
    systems = games.shape[-1]
    reach = ((games > 0) | np.eye(systems, dtype=bool)).astype(np.float64)
    for _ in range(max(1, int(np.ceil(np.log2(max(systems, 2)))))):
        reach = ((reach @ reach) > 0).astype(np.float64)
    return np.asarray(reach.all((-2, -1)))


def ranking(rows: Sequence[Comparison], seed: int = 0) -> dict[str, Any] | None:
    """Bradley–Terry–Davidson ranking of the systems, strongest first.

    Returns:
        Systems with strength π (they sum to 1) and its interval over resampled records, and ν of the ties. None with fewer
        than two systems, or where comparisons do not connect all of them.
    """
    rows = [row for row in rows if row.left_system != row.right_system]
    names = sorted({name for row in rows for name in (row.left_system, row.right_system)})
    if len(names) < 2:
        return None
    place = {name: n for n, name in enumerate(names)}
    distinct, weights = metrics.reader_weights(np.array([row.record for row in rows]), seed)
    won = np.zeros((2, len(distinct), len(names), len(names)))
    for row in rows:
        at, left, right = (
            int(np.searchsorted(distinct, row.record)),
            place[row.left_system],
            place[row.right_system],
        )
        if row.choice == "tie":
            won[1, at, left, right] += 1
            won[1, at, right, left] += 1
        else:
            pair = (left, right) if row.choice == "left" else (right, left)
            won[0, at, pair[0], pair[1]] += 1
    wins, ties = won.sum(1)
    if not connected(wins + wins.T + ties):
        return None
    strength, nu = davidson(wins, ties)
    drawn = np.tensordot(weights, won, (1, 1)).transpose(1, 0, 2, 3)
    whole = connected(drawn[0] + drawn[0].swapaxes(-1, -2) + drawn[1])
    draws, tie_draws = davidson(drawn[0, whole], drawn[1, whole])
    shares, share_draws = _shares(strength), _shares(draws)
    return {
        "systems": [
            {
                "system": names[n],
                "strength": float(shares[n]),
                "ci": metrics.interval(share_draws[:, n]),
                "n": int((wins[n] + wins[:, n] + ties[n]).sum()),
            }
            for n in np.argsort(-shares, kind="stable").tolist()
        ],
        "nu": float(nu),
        "nu_ci": metrics.interval(tie_draws),
    }


def _shares(strength: np.ndarray) -> np.ndarray:
    e = np.exp(strength - strength.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def answers_by_record(rows: Sequence[Comparison]) -> tuple[list[list[float]], list[str]]:
    """For nominal α: per record and pair of systems, the annotators' choices (0 the first by name, 1 the second, 2 a tie);
    and the record of each list."""
    said: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        one, two = sorted((row.left_system, row.right_system))
        first = outcome(row) if row.left_system == one else 1 - outcome(row)
        said.setdefault((row.record, one, two), []).append(2.0 if first == 0.5 else 1.0 - first)
    return list(said.values()), [record for record, _, _ in said]
