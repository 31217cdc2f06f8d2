"""Batched Newton–Schulz optimiser for matrices, in the device's fast precision.

`torch.optim.Muon` always multiplies in bf16. A CPU that emulates bf16 is ten times slower at it than in float32, which cost
a quarter of every training step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch


class Muon(torch.optim.Muon):
    """Equal to `torch.optim.Muon` up to rounding, with Nesterov momentum and steps as long as AdamW's (`match_rms_adamw`:
    Liu et al. 2025, arXiv 2502.16982)."""

    def __init__(self, matrices: list[torch.nn.Parameter], lr: float, weight_decay: float):
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                updates = []
                for matrix in matrices:
                    assert matrix.grad is not None
                    state = self.state[matrix]
                    if "momentum_buffer" not in state:
                        state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                    average = state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
                    updates.append(matrix.grad.lerp(average, group["momentum"]))
                turned = orthogonal(
                    torch.stack(updates), group["ns_coefficients"], group["ns_steps"], group["eps"]
                )
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                for matrix, update in zip(matrices, turned, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=rate)
        return loss


def orthogonal(
    matrices: torch.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> torch.Tensor:
    """Nearest orthogonal matrices, (N, A, B), approximated by Newton–Schulz (Jordan et al. 2024, Muon); singular values lie
    between .5 and 1.5."""
    a, b, c = coefficients
    x = matrices.bfloat16() if native_bf16(matrices.device) else matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies in bf16 natively. A CPU without AMX or AVX512-BF16 emulates it, several times slower
    than float32 (training/LOG.md)."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
