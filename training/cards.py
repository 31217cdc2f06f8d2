"""Model cards of the shipped checkpoints, from what the checkpoint and its evaluation say of themselves.

python -m training.tables            writes them too (a test fails where they differ from their sources)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from star.rankers import MODELS
from star.settings import ROOT

LICENCES = {
    "demo": "CC BY-SA 4.0: trained on readers simulated from figures fitted to goodbooks-10k (Zygmunt Zając); see NOTICE",
    "goodbooks": "CC BY-SA 4.0: derived from goodbooks-10k (Zygmunt Zając); the weights hold no person's rows; see NOTICE",
}
STAGES = {
    "pretrain": "Pretraining",
    "sft": "SFT",
    "onpolicy": "Ranking on its own traces",
    "grpo": "GRPO (LoRA adapter)",
}


def card(name: str) -> str:
    """One checkpoint's card in Markdown."""
    folder = MODELS / name
    about = json.loads((folder / "star.json").read_text("utf-8"))
    shape = json.loads((folder / "config.json").read_text("utf-8"))
    sizes = [p.stat().st_size for p in folder.rglob("*.safetensors")]
    said = json.loads((ROOT / "assets" / "evaluation" / f"{name}.json").read_text("utf-8"))
    recipe = "\n".join(
        f"- {STAGES.get(stage, stage.upper())}: "
        + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())
        for stage, values in about["stages"].items()
    )
    return f"""# STAR checkpoint `{name}`

A decoder of the Qwen3 architecture: {shape["num_hidden_layers"]} layers, width {shape["hidden_size"]}, \
{shape["num_attention_heads"]} heads, {shape["vocab_size"]:,} word tokens of which {len(about["items"]):,} are items; \
{sum(sizes) / 1e6:.1f} MB of safetensors in bf16. Trained from scratch in this repository.

**Use**: `star serve --dataset {name}` or `star recommend --dataset {name} …`. It ranks retrieved candidates of its own
catalogue and writes the trace that led to the ranking; it is no chat model and knows nothing but the words of
`star/grammar.py`.

**Data and split**: data set `{about["dataset"]}`, split in `star/tasks.py`: test and validation readers are in no graph, no
pretraining, no SFT and no GRPO; SFT and GRPO see readers whom pretraining did not see.

**Last stages** (`training/LOG.md` tells what went before; `training/run.sh training/configs/{name}.yaml` goes on from
here):
{recipe}

**Figures**: {_figures(said)} (`{said["command"]}`); all tables are in README.

**Limits**: items outside the list in `star.json` have no token and are never recommended. Plans and remarks are opinions; a
small share of its claims is not borne out by the graph, which the page marks one by one.

**Licence**: {LICENCES[name]}.
"""


def _figures(document: dict[str, Any]) -> str:
    rows = {r["method"]: r for r in document["rows"] if r["scenario"] == "pooled"}
    shown = [
        f"{name} {row['mean']:.3f} ({row['ci']['mean'][0]:.3f} to {row['ci']['mean'][1]:.3f})"
        for name, row in rows.items()
        if name in ("star", "star:sft", "mars", "itemknn:recent", "fusion", "popularity")
    ]
    quality = document["trace_quality"]["served"]
    return (
        f"mean of HR@1, HR@3, HR@5 pooled over scenarios and negatives with 95 % intervals, seed {document['seed']}: "
        f"{', '.join(shown)}; of {document['trace_quality']['n']} traces {quality['valid']:.1%} are valid, precision of the "
        f"claims it wrote {quality['claim_precision']:.1%}"
    )


def cards() -> dict[Path, str]:
    """File → text for every shipped checkpoint."""
    return {
        folder.parent / "README.md": card(folder.parent.name) for folder in sorted(MODELS.glob("*/star.json"))
    }
