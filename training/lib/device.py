"""Where a stage computes: the GPU if there is one, else the CPU with the config's threads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from typing import TypeVar

import torch

Shared = TypeVar("Shared")


def device_for(threads: int) -> torch.device:
    """This process's GPU (`LOCAL_RANK`, as `accelerate launch` sets it), or the CPU with `threads` threads.

    Numbers below 1e-38, on which a CPU takes many times as long, become 0: a trained student has such in its gradients and
    their squares (training/LOG.md).
    """
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    return torch.device("cpu")


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies in bf16 by itself. A CPU without AMX or AVX512-BF16 emulates it, several times slower
    than float32 (training/LOG.md)."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def compiles(device: torch.device) -> bool:
    """Whether torch.compile is worth its wait: where bf16 is fast, and, on a CPU, where it finds the compiler it needs."""
    return native_bf16(device) and (
        device.type != "cpu" or shutil.which(os.environ.get("CXX", "g++")) is not None
    )


def mixed(device: torch.device) -> torch.autocast:
    """Autocast to bf16 where that is faster, else nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=native_bf16(device))


def processes() -> int:
    """How many processes train together (`torch.distributed.run`, `accelerate launch`)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def together() -> bool:
    """Join the other processes that train, if there are some (`torch.distributed.run`); whether there are."""
    if processes() > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return processes() > 1


def share_of(batch: list[Shared]) -> list[Shared]:
    """What this process takes of a batch that all have; the whole of one that is smaller than there are processes."""
    return batch[rank() :: processes()] or batch


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Put the mean over all processes in place of every gradient, in one exchange."""
    there = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([grad.reshape(-1) for grad in there])
    torch.distributed.all_reduce(flat)
    flat /= processes()
    for grad, part in zip(there, flat.split([grad.numel() for grad in there]), strict=True):
        grad.copy_(part.view_as(grad))


def agreed(value: float, device: torch.device) -> float:
    """What the first process says, in all of them: clocks differ, and all must stop at the same step."""
    said = torch.tensor([value], dtype=torch.float64, device=device)
    torch.distributed.broadcast(said, 0)
    return float(said)


def all_there() -> None:
    """Wait until every process has come so far."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
