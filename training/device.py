"""Where a stage computes: the GPU if there is one, else the CPU with the config's threads."""

from __future__ import annotations

import os

import torch

from star.errors import UserError


def device_for(threads: int) -> torch.device:
    """This process's GPU (`LOCAL_RANK`, as `accelerate launch` sets it), or the CPU with `threads` threads."""
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    torch.set_num_threads(threads)
    return torch.device("cpu")


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies in bf16 by itself. A CPU without AMX or AVX512-BF16 emulates it, several times slower
    than float32 (training/LOG.md)."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def mixed(device: torch.device) -> torch.autocast:
    """Autocast to bf16 where that is faster, else nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=native_bf16(device))


def processes() -> int:
    """How many processes train together (`accelerate launch`)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def alone(stage: str) -> None:
    """For the stages whose loop is written by hand.

    Raises:
        UserError: started in several processes, which would write over each other.
    """
    if processes() > 1:
        raise UserError(
            f"training.{stage} was started in {processes()} processes, expected one; start it with python -m "
            f"training.{stage}, without accelerate (SFT and GRPO take several)"
        )
