"""Scores of queries with keys of their own, for autograd. B queries, K keys a query, U different keys, Q query."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphtune.kernels.own import EUCLID, Own, own_gradient, own_scores


def scores_by_kernel(kind: int, query: Tensor, key: Tensor, own: Own) -> Tensor:
    """[B, K] scores of one of the kinds of `kernels.own`, of queries [B, Q] and keys [U, Q] on the CPU."""
    return _Own.apply(kind, query, key, own)


class _Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kind: int, query: Tensor, key: Tensor, own: Own) -> Tensor:
        query, key = (x.detach().float().contiguous() for x in (query, key))
        scores = torch.from_numpy(own_scores(kind, query.numpy(), key.numpy(), own))
        ctx.kind, ctx.own = kind, own
        ctx.save_for_backward(query, key, scores if kind == EUCLID else None)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[None, Tensor, Tensor, None]:
        query, key, distance = ctx.saved_tensors
        weight = weight.float()
        if distance is not None:
            weight = torch.where(distance > 0, weight / distance, 0.0)
        arrays = query.numpy(), key.numpy(), ctx.own, weight.contiguous().numpy()
        by_query, by_key = map(torch.from_numpy, own_gradient(ctx.kind, *arrays))
        return None, by_query, by_key, None
