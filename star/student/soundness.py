"""What loading a checkpoint needs to refuse a bad one in one line. Only safetensors are read, so nothing is unpickled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open

from star.errors import UserError
from star.student.checkpoint import AGAIN

FLOATS = ("F64", "F32", "F16", "BF16")


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Turn any error of the libraries about a damaged folder into one line.

    Raises:
        UserError: names the folder, the problem and what to do.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(f"checkpoint {folder} cannot be loaded ({reason[:200]}); {AGAIN}") from error


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
