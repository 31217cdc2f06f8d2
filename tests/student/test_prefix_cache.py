"""Prefix cache: what stands is kept, in whatever pieces it came, across the buffer's growth."""

from __future__ import annotations

import torch
from transformers import DynamicCache

from star.student.model import new_model
from star.student.prefix_cache import BLOCK, PrefixLayer, prefix_cache


def test_it_holds_what_was_written_in_order() -> None:
    torch.manual_seed(0)
    layer, pieces = PrefixLayer(), []
    for n in (3, 1, BLOCK - 4, 1, 2 * BLOCK, 1):
        pieces.append(torch.randn(2, 1, n, 4))
        keys, values = layer.update(pieces[-1], -pieces[-1])
        whole = torch.cat(pieces, dim=2)
        assert torch.equal(keys, whole) and torch.equal(values, -whole)
        assert layer.get_seq_length() == whole.shape[2]
    assert keys.untyped_storage().nbytes() < 2 * whole.untyped_storage().nbytes()


def test_the_model_reads_the_same_from_it_as_from_the_growing_cache() -> None:
    model = new_model([f"w{n}" for n in range(20)], 32, 2, 2, 64, 0).eval()
    tokens = torch.randint(20, (3, 40), generator=torch.Generator().manual_seed(0))
    caches = [DynamicCache(), prefix_cache()]
    with torch.inference_mode():
        for start, end in ((0, 11), (11, 12), (12, 30), (30, 40)):
            said = [model(input_ids=tokens[:, start:end], past_key_values=c).logits for c in caches]
            torch.testing.assert_close(said[0], said[1], rtol=1e-5, atol=1e-5)
