"""The product-of-experts weight of the parametric prior in a student's ranking, chosen on validation readers.

    python -m training.tune_prior --config training/configs/goodbooks-further.yaml --processes 2

At the end of the prompt, before any tool call, the student has a ranking already: its parametric prior
(`training/lib/parametric_prior.py`). The score log p(item | evidence) + w log p(item | prompt) is a product of experts
(Hinton 2002). It ranks better than either factor, but follows the evidence less as w grows. The chosen w has the best mean
hit rate among weights with which the first choice follows a candidate swap (`star/evaluation/counterfactual.py`) in at
least the share `--followed` of the tasks. It is written into `star.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.data.tasks import NEGATIVE_KINDS, SCENARIOS, Task, split
from star.errors import UserError, command
from star.evaluation import metrics
from star.evaluation.counterfactual import swapped_answers
from star.evaluation.evaluate import in_turn, questions
from star.evaluation.parallel import workers
from star.evaluation.pooling import rounded
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes
from star.methods.student import BATCH, StarRanker, generate
from star.student.checkpoint import checkpoint_folder
from star.student.decoding import GenerationState
from training.lib.config import load_config

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)
EXCHANGED = 400  # tasks with a candidate swap


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--tasks", type=int, default=300, help="per cell")
    parser.add_argument("--processes", type=int, default=1, help="number of processes that share the work")
    parser.add_argument("--ray", help="Ray cluster that shares the work instead: HOST:PORT, or auto")
    parser.add_argument("--followed", type=float, default=0.6, help="share of tasks, at least")
    args = parser.parse_args()
    config = load_config(args.config)
    if not config.heart:
        print(f"heart is 0: {config.out} has no trained parametric prior and stays as it is")
        return
    if args.processes < 1:
        raise UserError(f"--processes {args.processes} was given; give at least 1")
    folder, data = checkpoint_folder(config.out), load_dataset(config.dataset)
    parts = split(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    retriever = Retriever(graph, Attributes.of(data.catalog))
    cells = list(
        questions(data, parts, graph, retriever, SCENARIOS, NEGATIVE_KINDS, args.tasks, 0, "valid").values()
    )
    asked = in_turn(cells, EXCHANGED)
    jobs = [("hits", tasks) for tasks in cells]
    jobs += [("moved", asked[begin : begin + BATCH]) for begin in range(0, len(asked), BATCH)]
    found = all_of(jobs, Even(data, graph, folder), args.processes, args.ray)
    means = np.mean([each.mean(0) for (what, _), each in zip(jobs, found, strict=True) if what == "hits"], 0)
    after = np.concatenate([each for (what, _), each in zip(jobs, found, strict=True) if what == "moved"])
    chosen = 0.0
    for weight, mean, (follows, stays) in zip(WEIGHTS, means, after.mean(0), strict=True):
        row = {"mean": rounded(mean), "n": len(after), "follows": rounded(follows), "stays": rounded(stays)}
        print(json.dumps({"prior": weight, **row}))
        if weight and follows < args.followed:
            break  # larger weights follow less
        chosen = max(chosen, weight, key=lambda w: means[WEIGHTS.index(w)])
    about = json.loads((folder / "star.json").read_text("utf-8"))
    about["prior"] = chosen
    (folder / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    print(json.dumps({"chosen": chosen, "written": str(folder / "star.json")}))


@dataclass(frozen=True)
class Even:
    """A student that is loaded when it is first asked for, with a weight of 1; each process loads its own."""

    data: Dataset
    graph: Graph
    folder: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.data, self.graph, self.folder)

    @cached_property
    def student(self) -> StarRanker:
        return weighted(StarRanker.load(self.data, self.graph, self.folder, adapter=False), 1.0)


def all_of(
    jobs: Sequence[tuple[str, list[Task]]], even: Even, processes: int = 1, ray: str | None = None
) -> list[np.ndarray]:
    """Results of `hits` or `moved` for each group of tasks, shared as `workers` says."""
    with workers(even, processes, ray) as each:
        found = each(_do, [(f"group {n} of tasks", job) for n, job in enumerate(jobs, 1)])
        return list(tqdm(found, "groups of validation tasks", len(jobs)))


def _do(even: Even, job: tuple[str, list[Task]]) -> np.ndarray:
    what, tasks = job
    return hits(even.student, tasks) if what == "hits" else moved(even.student, tasks)


def weighted(student: StarRanker, weight: float) -> StarRanker:
    """The same student with another weight of its prior."""
    checkpoint = student.checkpoint
    return replace(student, checkpoint=replace(checkpoint, about={**checkpoint.about, "prior": weight}))


def hits(even: StarRanker, tasks: list[Task]) -> np.ndarray:
    """Mean of HR@1/3/5 of each task for every weight, (n, W), from one trace per task: only the ranking depends on the
    weight.

    The target is last if the trace has no ranking or the checkpoint no token for the target.

    Args:
        even: the student with a weight of 1.
    """
    ranks = np.full((len(tasks), len(WEIGHTS)), len(tasks[0].candidates))
    for rank, writer, task in zip(ranks, generate(even.states(tasks)), tasks, strict=True):
        candidates, scores = writer.candidates.tolist(), of_each_weight(writer)
        if scores is not None and task.target in candidates:
            rank[:] = 1 + (scores > scores[:, [candidates.index(task.target)]]).sum(1)
    return metrics.mean_hit_rate(ranks)


def moved(even: StarRanker, tasks: list[Task]) -> np.ndarray:
    """Whether the first choice follows its evidence, and whether it stays, for each task and weight, (n, W, 2).

    As in `star.evaluation.counterfactual.permutation_test`; both are false if a trace has no ranking.
    """
    found = np.zeros((len(tasks), len(WEIGHTS), 2))
    for row, (_, before, after, to) in zip(found, swapped_answers(even, tasks), strict=True):
        one, two = of_each_weight(before), of_each_weight(after)
        if one is not None and two is not None:
            first, second = before.candidates[one.argmax(1)], after.candidates[two.argmax(1)]
            row[:, 0] = second == [to[int(item)] for item in first]
            row[:, 1] = second == first
    return found


def of_each_weight(even: GenerationState) -> np.ndarray | None:
    """Log scores of the candidates for every weight, (W, candidates with a token), from an answer ranked with weight 1; None
    without a ranking."""
    if even.scores is None or even.prior_log_p is None:
        return None
    heart = even.prior_log_p.numpy()
    evidence = 2 * np.log(np.maximum(even.scores, 1e-30)) - heart  # the scores are the geometric mean of both
    return np.asarray(evidence + np.array(WEIGHTS)[:, None] * heart)


if __name__ == "__main__":
    from training import tune_prior  # under this name other machines find what they are sent

    command(tune_prior.main)
