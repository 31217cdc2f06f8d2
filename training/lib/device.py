"""GPU or CPU, precision, and the exchange of gradients among processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from typing import TypeVar

import torch

Shared = TypeVar("Shared")


def device_for(threads: int) -> torch.device:
    """This process's GPU (`LOCAL_RANK`, set by `accelerate launch`), or the CPU with `threads` threads.

    Denormal numbers, below 1e-38, become 0: a CPU is many times slower on them, and gradients and their squares hold some
    (training/LOG.md).
    """
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    return torch.device("cpu")


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies in bf16 natively. A CPU without AMX or AVX512-BF16 emulates it, several times slower
    than float32 (training/LOG.md)."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def compiles(device: torch.device) -> bool:
    """Whether to use torch.compile: bf16 is native and, on a CPU, a C++ compiler is installed."""
    return native_bf16(device) and (
        device.type != "cpu" or shutil.which(os.environ.get("CXX", "g++")) is not None
    )


def mixed(device: torch.device) -> torch.autocast:
    """Autocast to bf16 if the device has it natively, else no autocast."""
    return torch.autocast(device.type, torch.bfloat16, enabled=native_bf16(device))


def processes() -> int:
    """Number of processes that train together (`torch.distributed.run`, `accelerate launch`)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Rank of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def together() -> bool:
    """Join the other training processes (`torch.distributed.run`); returns whether there are others."""
    if processes() > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return processes() > 1


def share_of(batch: list[Shared]) -> list[Shared]:
    """This process's share of a batch; the whole batch, if it has fewer members than there are processes."""
    return batch[rank() :: processes()] or batch


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes, in one all-reduce."""
    there = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([grad.reshape(-1) for grad in there])
    torch.distributed.all_reduce(flat)
    flat /= processes()
    for grad, part in zip(there, flat.split([grad.numel() for grad in there]), strict=True):
        grad.copy_(part.view_as(grad))


def agreed(value: float, device: torch.device) -> float:
    """The first process's value, in all processes: clocks differ, and all must stop at the same step."""
    said = torch.tensor([value], dtype=torch.float64, device=device)
    torch.distributed.broadcast(said, 0)
    return float(said)


def all_there() -> None:
    """Wait for all processes."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
