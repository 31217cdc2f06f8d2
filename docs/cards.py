"""Model cards of the shipped checkpoints, from `star.json` and the evaluation.

python -m docs.build            writes them too (a test fails where they differ from their sources)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from star import ROOT
from star.errors import UserError
from star.student.checkpoint import MODELS

MEASURED = ("goodbooks", "ml-small", "demo")
SHOWN = ("star", "mars", "sasrec", "fusion", "itemknn:recent", "popularity")
LICENCE = (
    "CC BY-SA 4.0: trained on lists derived from goodbooks-10k (Zygmunt Zając), the demo and drawn universes; the weights "
    "hold no person's rows and know no item; see NOTICE"
)


def card(folder: Path) -> str:
    """The card of a checkpoint in Markdown."""
    about = json.loads((folder / "star.json").read_text("utf-8"))
    shape = json.loads((folder / "config.json").read_text("utf-8"))
    recipe = "\n".join(
        f"- {stage}: " + ", ".join(f"{key} {value}" for key, value in values.items() if key != "validation")
        for stage, values in about["stages"].items()
    )
    measured = "\n".join(f"- {_pooled(evaluation(name))}" for name in MEASURED)
    return f"""# STAR checkpoint `{folder.name}`

A decoder of the Qwen3 architecture: {shape["num_hidden_layers"]} layers, width {shape["hidden_size"]}, \
{shape["num_attention_heads"]} heads; {_megabytes(folder)} of safetensors in bf16. Trained from scratch in this repository. \
It has no word for any item: candidates are slots of the query (`docs/method.md`).

**Use**: it answers for every data set. It is no chat model and writes nothing but the words of its own vocabulary.

**Data**: training readers of goodbooks and of the demo, and drawn universes. MovieLens trained nothing.

**Stages** (`training/run.sh`; `training/LOG.md` tells what was tried):
{recipe}

**Figures**, mean of HR@1, HR@3, HR@5 over all cells with 95 % intervals; all tables are in `docs/results/`:
{measured}

**Limits**: it looks at twenty candidates closely, and at up to a hundred briefly; each tool is asked once. Some claims are \
wrong; the page marks each one.

**Licence**: {LICENCE}.
"""


def _pooled(document: dict[str, Any]) -> str:
    rows = [r for r in document["rows"] if r["scenario"] == "pooled" and r["method"] in SHOWN]
    shown = (
        f"{r['method']} {r['mean']:.3f} ({r['ci']['mean'][0]:.3f} to {r['ci']['mean'][1]:.3f})" for r in rows
    )
    return f"{document['dataset']}: {', '.join(shown)} (`{document['command']}`)"


def _megabytes(folder: Path) -> str:
    return f"{sum(p.stat().st_size for p in folder.rglob('*.safetensors')) / 1e6:.1f} MB"


def evaluation(name: str) -> dict[str, Any]:
    """What `star evaluate --json` wrote about a checkpoint.

    Raises:
        UserError: no such document.
    """
    file = ROOT / "assets" / "evaluation" / f"{name}.json"
    if not file.is_file():
        raise UserError(
            f"there is no {file}; write it with star evaluate --dataset … --traces 500 --json {file}"
        )
    return dict(json.loads(file.read_text("utf-8")))


def cards() -> dict[Path, str]:
    """File → text for every shipped checkpoint."""
    return {file.parent / "README.md": card(file.parent) for file in sorted(MODELS.glob("*/star.json"))}
