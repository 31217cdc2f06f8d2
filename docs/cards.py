"""Model cards of the shipped checkpoints, from `star.json` and the evaluation.

python -m docs.build            writes them too (a test fails where they differ from their sources)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from star import ROOT
from star.errors import UserError
from star.student.checkpoint import MODELS, SLOTS

ANY = ("any-ml-small", "any-goodbooks")
"""Evaluations of the student for any catalogue."""
LICENCES = {
    "demo": "CC BY-SA 4.0: trained on readers simulated from figures fitted to goodbooks-10k (Zygmunt Zając); see NOTICE",
    "star": "CC BY-SA 4.0: trained on lists derived from goodbooks-10k (Zygmunt Zając), the demo and drawn universes; the "
    "weights hold no person's rows and know no item; see NOTICE",
    "goodbooks": "CC BY-SA 4.0: derived from goodbooks-10k (Zygmunt Zając); the weights hold no person's rows; see NOTICE",
}
WORDS = {"mended_lines": "corrected lines"}  # keys of star.json that have another word today
STAGES = {
    "pretrain": "Pretraining",
    "sft": "SFT",
    "onpolicy": "On-policy training",
    "average": "Mean of the weights (fingerprints)",
    "grpo": "GRPO (LoRA adapter)",
}


def card(name: str) -> str:
    """One checkpoint's card in Markdown.

    Raises:
        UserError: no evaluation of it exists, or `LICENCES` lacks it.
    """
    folder = MODELS / name
    about = json.loads((folder / "star.json").read_text("utf-8"))
    if name not in LICENCES:
        raise UserError(f"{folder} has no licence; add it to LICENCES in docs/cards.py")
    if about.get("form") == SLOTS:
        return _any(folder, about)
    said = evaluation(name)
    recipe = "\n".join(
        f"- {_named(stage)}: "
        + ", ".join(
            "vectors of a factorisation in the item embeddings"
            if key == "vectors"
            else f"{WORDS.get(key, key.replace('_', ' '))} {value}"
            for key, value in values.items()
        )
        for stage, values in about["stages"].items()
    )
    if about.get("prior"):
        recipe += (
            f"\n- Ranking: a product of experts. {about['prior']} times the logarithm of the parametric prior is added to "
            "the logarithm of the ranking by the evidence (`training.tune_prior`)"
        )
    speaks = "writes" if "base" in about else "knows"
    return f"""# STAR checkpoint `{name}`

{_on_a_base(folder, about) if "base" in about else _compact(folder, about)}

**Use**: `star serve --dataset {name}` or `star recommend --dataset {name} …`. It ranks retrieved candidates of its own
catalogue and writes the trace that led to the ranking; it is no chat model and {speaks} nothing but the words of
`star/trace/grammar.py`.

**Data and split**: data set `{about["dataset"]}`, split in `star/data/tasks.py`: test and validation readers are in no
graph, no pretraining, no SFT and no GRPO; SFT and GRPO see readers whom pretraining did not see.

**Last stages** (`training/LOG.md` tells what went before, `training/configs/{name}*.yaml` are the recipes):
{recipe}

**Figures**: {_figures(said)} (`{said["command"]}`); all tables are in `docs/results/{name}.md`.

**Limits**: items outside the list in `star.json` have no token and are never recommended. Plans and remarks are opinions.
The graph does not support a small share of its claims; the page marks each one.

**Licence**: {LICENCES[name]}{"; the base has a licence of its own" if "base" in about else ""}.
"""


def _any(folder: Path, about: dict[str, Any]) -> str:
    """The card of the student for any catalogue."""
    shape = json.loads((folder / "config.json").read_text("utf-8"))
    recipe = "\n".join(
        f"- {stage}: " + ", ".join(f"{key} {value}" for key, value in values.items() if key != "validation")
        for stage, values in about["stages"].items()
    )
    measured = "\n".join(f"- {_pooled(evaluation(name))}" for name in ANY)
    return f"""# STAR checkpoint `{folder.name}`, for any catalogue

A decoder of the Qwen3 architecture: {shape["num_hidden_layers"]} layers, width {shape["hidden_size"]}, \
{shape["num_attention_heads"]} heads; {_megabytes(folder)} of safetensors in bf16. Trained from scratch in this repository. \
It has no word for any item: candidates are slots of the query (`docs/any-catalogue.md`).

**Use**: it answers for every data set without a checkpoint of its own; `--model {folder.name}` asks it for the others. \
It is no chat model and writes nothing but the words of `star/student/slots.py`.

**Data**: training readers of goodbooks and of the demo, and drawn universes. MovieLens trained nothing.

**Stages** (`python -m training.slots.train`):
{recipe}

**Figures**, mean of HR@1, HR@3, HR@5 over all cells with 95 % intervals; all tables are in `docs/results/any-catalogue.md`:
{measured}

**Limits**: twenty candidates; each tool is asked once. Some claims are wrong; the page marks each one.

**Licence**: {LICENCES[folder.name]}.
"""


def _pooled(document: dict[str, Any]) -> str:
    rows = [r for r in document["rows"] if r["scenario"] == "pooled"]
    shown = (
        f"{r['method']} {r['mean']:.3f} ({r['ci']['mean'][0]:.3f} to {r['ci']['mean'][1]:.3f})" for r in rows
    )
    return f"{document['dataset']}: {', '.join(shown)} (`{document['command']}`)"


def _compact(folder: Path, about: dict[str, Any]) -> str:
    shape = json.loads((folder / "config.json").read_text("utf-8"))
    return f"""A decoder of the Qwen3 architecture: {shape["num_hidden_layers"]} layers, width {shape["hidden_size"]}, \
{shape["num_attention_heads"]} heads, {shape["vocab_size"]:,} word tokens of which {len(about["items"]):,} are items; \
{_megabytes(folder)} of safetensors in bf16. Trained from scratch in this repository."""


def _on_a_base(folder: Path, about: dict[str, Any]) -> str:
    adapter = json.loads((folder / "lora" / "adapter_config.json").read_text("utf-8"))
    words = len(adapter["trainable_token_indices"]["embed_tokens"])
    return f"""An adapter of the base `{about["base"]}`, which is no part of it and has to be on the machine: rows for \
{words:,} word tokens of its own, of which {len(about["items"]):,} are items, and LoRA of rank {adapter["r"]}; \
{_megabytes(folder)} of safetensors. Rows and LoRA were trained in this repository, the base was not."""


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


def _named(stage: str) -> str:
    """`onpolicy-2` is the second round of `onpolicy`."""
    name, _, nth = stage.partition("-")
    return STAGES.get(name, name.upper()) + (f", round {nth}" if nth else "")


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
