"""Model soup: the mean of two checkpoints' weights (Wortsman et al. 2022, arXiv 2203.05482).

    python -m training.average --config training/configs/goodbooks-further.yaml

The two are a config's start and the checkpoint trained from it. The mean averages out the noise of the last steps.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from star.errors import UserError, command
from star.student.checkpoint import checkpoint_folder, fingerprint
from training.lib.config import load_config

WEIGHTS, WORDS = "model.safetensors", "tokenizer.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    config = load_config(parser.parse_args().config)
    if not config.average:
        print(f"average is false: {config.out} stays as it is")
        return
    if config.start is None:
        raise UserError(
            "average is true and there is no start; expected a start whose weights the mean is with"
        )
    print(json.dumps(average(checkpoint_folder(config.start), checkpoint_folder(config.out))))


def average(first: Path, second: Path) -> dict[str, object]:
    """Replace the second checkpoint's weights by the mean; returns its stages.

    Raises:
        UserError: a big base or an adapter, two checkpoints of different words or shapes, a second one that is a mean
            already or has an adapter, which was trained on its present weights.
    """
    if (second / "adapter").exists():
        raise UserError(
            f"{second} has an adapter, trained on the weights before the mean; move {second}/adapter away first"
        )
    for folder in (first, second):
        if not (folder / WEIGHTS).is_file():
            raise UserError(
                f"{folder} has no {WEIGHTS}; expected a compact student, not an adapter or a big base"
            )
    one, two = load_file(first / WEIGHTS), load_file(second / WEIGHTS)
    shapes = [{name: tuple(w.shape) for name, w in weights.items()} for weights in (one, two)]
    if (first / WORDS).read_bytes() != (second / WORDS).read_bytes() or shapes[0] != shapes[1]:
        raise UserError(
            f"{first} and {second} have other words or another shape; expected two of one training"
        )
    about = json.loads((second / "star.json").read_text("utf-8"))
    stages: dict[str, object] = about.setdefault("stages", {})
    if "average" in stages:
        raise UserError(
            f"{second} is a mean already; expected what training made, run training.onpolicy first"
        )
    stages["average"] = {"with": fingerprint(str(first)), "of": fingerprint(str(second))}
    mean: dict[str, torch.Tensor] = {
        name: ((one[name].float() + w.float()) / 2).to(w.dtype).contiguous() for name, w in two.items()
    }
    save_file(mean, second / WEIGHTS, {"format": "pt"})
    (second / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return stages


if __name__ == "__main__":
    command(main)
