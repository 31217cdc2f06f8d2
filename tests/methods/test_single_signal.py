"""Baselines with reasons: their order is that of the methods that are evaluated, and every reason is supported."""

from __future__ import annotations

import answering
import numpy as np
import pytest

from star.data.tasks import Task
from star.methods import baselines
from star.methods.single_signal import NAMES, QUOTED, Signal, SingleSignal
from star.questions.running import context_of
from star.recommend.recommender import answer


@pytest.mark.parametrize("signal", NAMES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_order_is_that_of_the_baseline_and_reasons_are_supported(signal: Signal, place: int) -> None:
    context = context_of(answering.recommender("teacher"))
    done = answer(SingleSignal(signal, context), answering.query(place))
    history, candidates = done.query.history, done.candidates
    score = baselines.itemknn(context.graph) if signal == "itemknn" else baselines.ease(context.graph)
    task = Task(-1, history, candidates[0], candidates, "classic", "uniform")
    values = score(task)
    by_item = dict(zip(candidates, values.tolist(), strict=True))
    ranked = [by_item[r.item] for r in done.items]
    assert np.allclose(ranked, sorted(values.tolist(), reverse=True)[: len(ranked)], rtol=1e-4, atol=1e-6)
    own = [claim for claim in done.claims if claim.author == "model" and claim.verdict != "opinion"]
    assert own and {claim.verdict for claim in own} == {"supported"}
    assert {claim.claim.kind for claim in own} <= set(QUOTED[signal])
    assert done.checkpoint == NAMES[signal] and done.timing.tool_calls == 1
    assert all(r.score is not None and 0 <= r.score <= 1 for r in done.items)
