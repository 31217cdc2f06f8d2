"""How much a student's ranking takes in of the one by heart: a weight, chosen on validation readers.

    python -m training.tune_prior --config training/configs/goodbooks-further.yaml

Before a student looks anything up it has ranked the candidates already, at the prompt's end (`training/heart.py`). The order
of log p(behind the evidence) + w log p(by heart), a product of experts (Hinton 2002), is better than either, but leans the
less on evidence the larger w is. Chosen is the w with the best mean hit rate among those with which exchanged evidence
(`star/counterfactual.py`) is followed in a share `--followed` of the tasks at least; it is written into `star.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from star import metrics
from star.candidates import Retriever
from star.counterfactual import permutation_test
from star.dataset import Dataset
from star.errors import command
from star.evaluate import in_turn, questions
from star.fingerprint import checkpoint_folder
from star.graph import Graph
from star.student.decoding import Writer
from star.student.ranker import StarRanker, written
from star.tasks import NEGATIVE_KINDS, SCENARIOS, Task, split
from star.tools import Attributes
from training.config import load_config

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)
EXCHANGED = 400  # tasks whose evidence is exchanged


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--tasks", type=int, default=300, help="per cell")
    parser.add_argument("--followed", type=float, default=0.6, help="share of tasks, at least")
    args = parser.parse_args()
    config = load_config(args.config)
    if not config.heart:
        print(f"heart is 0: {config.out} has learned no prompts by heart and stays as it is")
        return
    folder, data = checkpoint_folder(config.out), Dataset.load(config.dataset)
    parts = split(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    retriever = Retriever(graph, Attributes.of(data.catalog))
    cells = list(
        questions(data, parts, graph, retriever, SCENARIOS, NEGATIVE_KINDS, args.tasks, 0, "valid").values()
    )
    student = StarRanker.load(data, graph, folder, adapter=False)
    means = hit_rates(student, cells)
    exchanged = in_turn(cells, EXCHANGED)
    chosen = 0.0
    for weight, mean in zip(WEIGHTS, means, strict=True):
        moved = permutation_test(weighted(student, weight), exchanged)
        enough = weight == 0 or moved["follows"] >= args.followed
        print(
            json.dumps(
                {"prior": weight, "mean": round(mean, 4), **{k: moved[k] for k in ("n", "follows", "stays")}}
            )
        )
        if not enough:
            break  # the more of it, the less is followed
        chosen = max(chosen, weight, key=lambda w: means[WEIGHTS.index(w)])
    about = json.loads((folder / "star.json").read_text("utf-8"))
    about["prior"] = chosen
    (folder / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    print(json.dumps({"chosen": chosen, "written": str(folder / "star.json")}))


def weighted(student: StarRanker, weight: float) -> StarRanker:
    """The same student with another weight."""
    checkpoint = student.checkpoint
    return replace(student, checkpoint=replace(checkpoint, about={**checkpoint.about, "prior": weight}))


def hit_rates(student: StarRanker, cells: list[list[Task]]) -> np.ndarray:
    """Mean of HR@1/3/5 for every weight, mean over the cells, (W,); each trace is written once: only the ranking behind it
    depends on the weight."""
    even = weighted(student, 1.0)
    means = []
    for tasks in tqdm(cells, desc="validation tasks"):
        writers = written(even.writers(tasks))
        ranks = [ranks_of(writer, task.target) for writer, task in zip(writers, tasks, strict=True)]
        means.append(metrics.mean_hit_rate(np.array(ranks)).mean(0))
    return np.asarray(np.mean(means, axis=0))


def ranks_of(writer: Writer, target: int) -> list[int]:
    """Rank of the target for every weight, from an answer ranked with weight 1; the last where the trace came to no ranking
    or the checkpoint has no token for the target."""
    candidates = writer.candidates.tolist()
    if writer.scores is None or writer.by_heart is None or target not in candidates:
        return [len(writer.tools.candidates)] * len(WEIGHTS)
    heart = writer.by_heart.numpy()
    evidence = 2 * np.log(np.maximum(writer.scores, 1e-30)) - heart  # that was the mean of both
    at = candidates.index(target)
    return [1 + int((s > s[at]).sum()) for s in (evidence + weight * heart for weight in WEIGHTS)]


if __name__ == "__main__":
    command(main)
