"""Cross-entropy of queries with several targets, whose gradient by scores is rounded by chance to few entries.

Axes: Q queries, B targets of all queries, N keys, D of a query.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphtune.kernels.grouped import entries_times, softmax_entries, weighed


def rounded_entropy(
    query: Tensor, key: Tensor, bounds: Tensor, target: Tensor, phase: Tensor, rounding: float, smoothing: float = 0.0
) -> Tensor:
    """`F.cross_entropy` [B] of each target among the scores of its query with all keys, on the CPU.

    Scores are products in 16 bits, of many keys in 8 where the processor multiplies bytes, and the gradient is that on
    average over `phase` (`graphtune.kernels.grouped`). No array [Q, N] is made.

    Args:
        query: [Q, D] float32; key: [N, D] float32.
        bounds: [Q + 1] int64; target: [B] int64: the targets of query q are target[bounds[q] : bounds[q + 1]].
        phase: [Q] float32 in [0, 1), the numbers of chance.
        rounding: above 0; entries below it of the gradient of a target's loss are it or 0.
        smoothing: share of each target's weight spread over all keys.

    Raises:
        IndexError: a target is not a key.
    """
    low, high = target.aminmax()
    if low < 0 or high >= len(key):
        raise IndexError(f"Targets must be from 0 to {len(key) - 1}. Got {low.item()} to {high.item()}.")
    return _Rounded.apply(query, key, bounds, target, phase, rounding, smoothing)


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, bounds: Tensor, target: Tensor, *options: Any) -> Tensor:
        phase, rounding, smoothing = options
        query, key = query.detach().contiguous(), key.detach().contiguous()
        queries, keys = query.numpy(), key.numpy()
        right, log_sum, ctx.entries = softmax_entries(
            queries, keys, bounds.numpy(), target.numpy(), phase.numpy(), rounding
        )
        ctx.save_for_backward(query, key, bounds, target)
        ctx.smoothing = smoothing
        each = torch.from_numpy(log_sum)
        if smoothing:
            each = each - smoothing * (query @ key.mean(0))
        return each.repeat_interleave(bounds.diff()) - (1 - smoothing) * torch.from_numpy(right)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, ...]:
        query, key, bounds, target = ctx.saved_tensors
        each = weight.contiguous().numpy()
        entries = weighed(ctx.entries, bounds.numpy(), target.numpy(), each, 1 - ctx.smoothing)
        by_query, by_key = map(torch.from_numpy, entries_times(entries, query.numpy(), key.numpy()))
        if ctx.smoothing:
            of = torch.arange(len(query)).repeat_interleave(bounds.diff())
            own = weight.new_zeros(len(query)).index_add_(0, of, weight)[:, None]
            by_query -= ctx.smoothing * own * key.mean(0)
            by_key -= ctx.smoothing / len(key) * (own * query).sum(0)
        return by_query, by_key, None, None, None, None, None
