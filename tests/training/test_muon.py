"""Our Muon beside torch's."""

from __future__ import annotations

import copy

import pytest
import torch

from training.lib.muon import Muon, orthogonal


def test_it_goes_where_torchs_goes_and_takes_up_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)  # the two round differently
    torch.manual_seed(0)
    theirs = [torch.nn.Parameter(torch.randn(shape)) for shape in ((48, 16), (16, 48), (48, 16), (16, 16))]
    ours, start = copy.deepcopy(theirs), copy.deepcopy(theirs)
    reference = torch.optim.Muon(theirs, lr=1e-2, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    muon = Muon(ours, lr=1e-2, weight_decay=0.01)
    for step in range(6):
        for one, other in zip(theirs, ours, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        ours[3].grad = theirs[3].grad = None  # no gradient: stays
        reference.step()
        muon.step()
        if step == 2:
            muon.load_state_dict(copy.deepcopy(reference.state_dict()))
    for one, other, before in zip(theirs[:3], ours[:3], start[:3], strict=True):
        assert (one - other).norm() < 1e-3 * (one - before).norm()
    assert torch.equal(ours[3], start[3])


@pytest.mark.parametrize("shape", [(3, 24, 8), (2, 8, 24)])
def test_singular_values_come_near_one(shape: tuple[int, int, int]) -> None:
    settings = Muon([torch.nn.Parameter(torch.zeros(2, 2))], lr=1e-2, weight_decay=0.0).defaults
    given = settings["ns_coefficients"], settings["ns_steps"], settings["eps"]
    turned = orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0)), *given)
    values = torch.linalg.svdvals(turned)
    assert turned.shape == shape and values.min() > 0.5 and values.max() < 1.5
    assert orthogonal(torch.zeros(shape), *given).abs().max() == 0
