"""Checks before a checkpoint answers: complete files, finite weights, the grammar's words, this catalogue.

Only safetensors are read, so nothing is unpickled. Headers are compared before a model is built; one pass over the
loaded weights finds NaN and infinities.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from star.data.catalog import MARK, Catalog, marks_of
from star.errors import UserError
from star.evidence.tools import ASKED, WINDOWS
from star.student.checkpoint import AGAIN
from star.student.vocabulary import FIXED
from star.trace.grammar import item_word

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER = "adapter_model.safetensors"
FLOATS = ("F64", "F32", "F16", "BF16")
MOST = 0.5  # share of the items in common that must carry the same title
SHARED = 0.9  # share of its items that a checkpoint without titles must find in the catalogue


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Turn any error of the libraries about a damaged folder into one line, without their own reports.

    Raises:
        UserError: names the folder, the problem and what to do.
    """
    library = logging.getLogger("transformers")  # by name: importing it takes longer than an answer
    before = library.level
    library.setLevel(logging.ERROR)
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(f"checkpoint {folder} cannot be loaded ({reason[:200]}); {AGAIN}") from error
    finally:
        library.setLevel(before)


def shapes_in(file: Path) -> dict[str, tuple[int, ...]]:
    """name → shape of the tensors in a file, by its header alone.

    Raises:
        UserError: no such file, not a complete safetensors file, or tensors that are not floats.
    """
    if not file.is_file():
        raise UserError(
            f"checkpoint {file.parent} has no {file.name} (weights are read from safetensors alone); {AGAIN}"
        )
    try:
        with safe_open(file, "numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}
            kinds = {name: part.get_dtype() for name, part in slices.items()}
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{file} is damaged or cut off ({str(error).splitlines()[0]}); {AGAIN}") from error
    if other := [name for name, kind in kinds.items() if kind not in FLOATS]:
        raise UserError(f"{file} holds {kinds[other[0]]} in {other[0]}, expected floats; {AGAIN}")
    return shapes


def check_config(folder: Path) -> None:
    """`config.json` of a compact student against the header of its weights, before a model of that size is made.

    Raises:
        UserError: another architecture, or other sizes than those of the weights.
    """
    shapes = shapes_in(folder / "model.safetensors")
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        kind = config["model_type"]
        given = tuple(config[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{folder / 'config.json'} is missing or damaged ({error!r}); {AGAIN}") from error
    if kind != "qwen3":
        raise UserError(f"{folder / 'config.json'} names model_type {kind!r}, expected qwen3; {AGAIN}")
    table = shapes.get("model.embed_tokens.weight", ())
    layers = {name.split(".")[2] for name in shapes if name.startswith("model.layers.")}
    if given != (*table, len(layers)):
        raise UserError(
            f"{folder / 'config.json'} says vocabulary, width, layers {given}, its weights have "
            f"{(*table, len(layers))}; {AGAIN}"
        )


def check_tensors(name: str, report: Mapping[str, Any]) -> None:
    """Check transformers' report of missing, unexpected or misshapen tensors (`output_loading_info`).

    Raises:
        UserError: any such tensor, which transformers would fill with random numbers or skip.
    """
    for kind in ("missing", "unexpected", "mismatched"):
        if found := sorted(map(str, report.get(f"{kind}_keys", ()))):
            raise UserError(
                f"the weights of {name} do not fit its config: {len(found)} tensors {kind}, first {found[0]}; {AGAIN}"
            )


def check_finite(name: str, model: PreTrainedModel) -> None:
    """Raises:
    UserError: a weight is NaN or infinite."""
    for key, tensor in model.named_parameters():
        if tensor.numel() and not torch.stack(torch.aminmax(tensor.detach())).isfinite().all():
            raise UserError(f"checkpoint {name} holds NaN or infinite numbers in {key}; {AGAIN}")


def check_words(name: str, vocabulary: Mapping[str, int], items: int, rows: int, whole: bool) -> None:
    """The tokenizer against the grammar, the items and the weights.

    Args:
        items: how many items `star.json` lists.
        rows: rows of the embedding.
        whole: every row is a word of the grammar, as in a compact student.

    Raises:
        UserError: words or items missing, tokens out of range or twice.
    """
    needed = [*FIXED, *map(str, (*WINDOWS, *ASKED)), *map(item_word, range(items))]
    if missing := [word for word in needed if word not in vocabulary]:
        problem = f"lacks {len(missing)} words of the grammar, first {missing[0]}"
    elif not all(0 <= token < rows for token in vocabulary.values()):
        problem = f"has tokens beyond the {rows} rows of the weights"
    elif len(set(vocabulary.values())) != len(vocabulary):
        problem = "gives one token to several words"
    elif whole and len(vocabulary) != rows:
        problem = f"has {len(vocabulary)} words, the weights have {rows} rows"
    else:
        return
    raise UserError(f"the tokenizer of checkpoint {name} {problem}; take the one it was trained with")


def check_adapter(folder: Path, own: Mapping[str, torch.Tensor]) -> None:
    """An adapter's file against the tensors that its config makes.

    Raises:
        UserError: names or shapes differ.
    """
    given = shapes_in(folder / ADAPTER)
    made = {name: tuple(tensor.shape) for name, tensor in own.items()}
    if wrong := sorted(name for name in given.keys() | made.keys() if given.get(name) != made.get(name)):
        raise UserError(
            f"the weights of adapter {folder} do not fit its config: {len(wrong)} tensors missing, unexpected or of another "
            f"shape, first {wrong[0]}; {AGAIN}"
        )


def check_catalogue(name: str, about: Mapping[str, Any], catalog: Catalog) -> None:
    """Check that a checkpoint was trained on this catalogue. Equal ids prove nothing, since many data sets count from 1.

    Most of the common items must have their title of training, up to one word (`catalog.marks_of`): items may have come,
    gone or been renamed. A checkpoint from before titles were stored must find nearly all its items.

    Raises:
        UserError: it is another catalogue.
    """
    items: Sequence[str] = about["items"]
    rows = {number: row for number, id in enumerate(items) if (row := catalog.get(id)) is not None}
    kept: str = about.get("titles") or ""
    marks = {n: mark for n in rows if (mark := kept[n * MARK : (n + 1) * MARK]).strip("-")}
    if marks:
        right, of, what = (
            sum(mark in marks_of(catalog[rows[n]].title) for n, mark in marks.items()),
            len(marks),
            "titles",
        )
        fits = right >= MOST * of
    else:
        right, of, what = len(rows), len(items), "ids"
        fits = right >= SHARED * of
    if not rows or not fits:
        shared = f"only {right} of {of} {what} agree" if rows else "no item id agrees"
        raise UserError(
            f"checkpoint {name} was trained on another catalogue than this one of {len(catalog)} items ({shared}); "
            "take its own data set, or train one for this with training/run.sh"
        )
