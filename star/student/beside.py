"""Many answers decoded together, with exactly the words and probabilities that each would have alone.

`write_many` is faster, but it cuts a trace into other steps than a single pass does. Its probabilities then differ from
those of a single pass in their last digits. Evaluation tolerates this. A comparison of two answers to one reader does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from star.student.compact import Compact, Past
from star.student.decoding import GenerationState, passing, write

AT_ONCE = 32  # answers at a time; more are no faster, and each holds its keys and values


@torch.inference_mode()
def write_beside(writers: Sequence[GenerationState], seeds: Sequence[int | None]) -> None:
    """Drive the states to their ends with the results of `write`: together for a compact student
    (`Checkpoint.to_answer`), one after the other where transformers computes."""
    if not writers:
        return
    model = writers[0].checkpoint.model
    if not isinstance(model, Compact):
        for writer, seed in zip(writers, seeds, strict=True):
            for _ in write(writer, seed):
                pass
        return
    ways = [passing(writer, seed) for writer, seed in zip(writers, seeds, strict=True)]
    pasts = [Past() for _ in writers]
    waiting = {row: next(way)[0] for row, way in enumerate(ways)}
    while waiting:
        alike: dict[int, list[int]] = defaultdict(list)
        for row, tokens in waiting.items():
            alike[len(tokens)].append(row)
        for rows in alike.values():
            step = torch.tensor([waiting[row] for row in rows])
            logits = model.forward(step, [pasts[row] for row in rows])
            for place, row in enumerate(rows):
                try:
                    waiting[row] = ways[row].send(logits[place])[0]
                except StopIteration:
                    del waiting[row]
