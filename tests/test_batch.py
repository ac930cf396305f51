"""Batches in parts: every example once, with its own negatives."""

import numpy as np
import pytest
import torch

from graphtune.batch import Batch, WalkBatch
from graphtune.kernels.alias import Alias
from graphtune.kernels.walks import windows


@pytest.mark.parametrize("size", [1, 2, 7, 8])
@pytest.mark.parametrize("parts", [1, 2, 3, 10])
@pytest.mark.parametrize("kind", ["own", "pairs", "shared", "none"])
def test_parts_hold_the_examples_of_the_whole(size, parts, kind):
    shape = {"own": (size, 3), "pairs": (-(-size // 2), 3), "shared": (3,)}.get(kind)
    negative = None if shape is None else torch.arange(int(np.prod(shape))).reshape(shape)
    batch = Batch(torch.arange(size), torch.arange(size) + 100, negative, weight=torch.rand(size))
    split = batch.split(parts)
    assert len(split) <= parts and all(len(part) for part in split)
    for name in ("source", "target", "weight"):
        assert torch.equal(torch.cat([getattr(part, name) for part in split]), getattr(batch, name))
    if kind == "shared":
        assert all(torch.equal(part.negative, negative) for part in split)
    elif kind != "none":
        assert torch.equal(torch.cat([part.own_negative() for part in split]), batch.own_negative())


def test_parts_of_walks_hold_the_pairs_of_the_whole():
    walks = np.array([[0, 1, 2, 1], [3, 2, -1, -1], [1, 0, 1, 2]], np.int32)
    noise = Alias(np.ones(4)).table
    batch = WalkBatch(walks, *windows(walks, 2, 3, noise, None, 0, 0))
    split = batch.split(2)
    assert sum(map(len, split)) == len(batch)
    for whole, parts in zip(batch.pairs(), zip(*(part.pairs() for part in split))):
        assert torch.equal(whole, torch.cat(parts))
