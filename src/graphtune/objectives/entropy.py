"""Softmax losses of products of queries and keys with gradients formed by hand: one array of scores, which becomes the
gradient of the scores in the pass that gives the loss.

Axes: B examples, K negatives, N keys, Q query.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphtune.kernels.softmax import one_vs_all, sampled

MOST = 1 << 26
"""Scores held at once; of more, rows are taken block by block, and their scores computed again for the gradient."""


def can_form(scorer: Any, query: Tensor, key: Tensor) -> bool:
    """Whether scores are mere products of float32 on the CPU, as the losses here take them."""
    known = getattr(scorer, "is_product", False) and query.device.type == "cpu" and key.ndim == 2
    return known and query.dtype == key.dtype == torch.float32


def full_entropy(query: Tensor, key: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """`F.cross_entropy` [B] of the scores of queries [B, Q] with all keys [N, Q], with `target` [B] the right ones.

    Raises:
        IndexError: a target is not a key.
    """
    low, high = target.aminmax()
    if low < 0 or high >= len(key):
        raise IndexError(f"Targets must be from 0 to {len(key) - 1}. Got {low.item()} to {high.item()}.")
    return _Full.apply(query, key, target, smoothing)


def sampled_entropy(query: Tensor, noise: Tensor, positive: Tensor, negative: Tensor, target: Tensor) -> Tensor:
    """-log [B] of the share of exp(positive) among it and exp(query . noise); noise that is the target is left out.

    Args:
        query: [B, Q]; noise: [K, Q].
        positive: [B] scores of the targets.
        negative: [K] nodes of the noise; target: [B] nodes.
    """
    return _Sampled.apply(query, noise, positive, negative, target)


class _Full(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, target: Tensor, smoothing: float) -> Tensor:
        ctx.smoothing, ctx.dtype = smoothing, _product_dtype()
        rows = max(1, MOST // len(key))
        if len(query) <= rows:
            loss, by_score = _full(query, key, target, smoothing)
            ctx.save_for_backward(query, key, target, by_score.to(ctx.dtype))
            return loss
        ctx.save_for_backward(query, key, target, None)
        blocks = zip(query.split(rows), target.split(rows))
        return torch.cat([_full(some, key, own, smoothing)[0] for some, own in blocks])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query, key, target, by_score = ctx.saved_tensors
        with _products_of(ctx.dtype):
            if by_score is not None:
                return (*_products(by_score, query, key, weight), None, None)
            rows = max(1, MOST // len(key))
            by_query, by_key = [], torch.zeros_like(key)
            for some, own, share in zip(query.split(rows), target.split(rows), weight.split(rows)):
                block = _products(_full(some, key, own, ctx.smoothing)[1], some, key, share)
                by_query.append(block[0])
                by_key += block[1]
        return torch.cat(by_query), by_key, None, None


class _Sampled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, noise: Tensor, positive: Tensor, negative: Tensor, target: Tensor) -> Tensor:
        ctx.dtype = _product_dtype()
        scores = (query @ noise.T).float()
        arrays = (x.numpy() for x in (scores, positive.float().contiguous(), negative, target))
        loss, share = map(torch.from_numpy, sampled(*arrays))
        ctx.save_for_backward(query, noise, scores.to(ctx.dtype), share)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, noise, by_score, share = ctx.saved_tensors
        with _products_of(ctx.dtype):
            by_query, by_noise = _products(by_score, query, noise, weight)
        return by_query, by_noise, weight * (share - 1), None, None


def _product_dtype() -> torch.dtype:
    """What products of float32 are computed in now."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def _products_of(dtype: torch.dtype) -> torch.autocast:
    """Autocast as it was in the pass forwards."""
    return torch.autocast("cpu", dtype, enabled=dtype != torch.float32)


def _full(query: Tensor, key: Tensor, target: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Losses [B] and their gradients by score [B, N]."""
    scores = (query @ key.T).float()
    loss = torch.from_numpy(one_vs_all(scores.numpy(), target.numpy(), smoothing))
    return loss, scores


def _products(by_score: Tensor, query: Tensor, key: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients by queries and keys, from those by score [B, N] and the weights [B] of the losses."""
    weight = weight[:, None]
    return weight * (by_score @ key).float(), (by_score.T @ (weight * query)).float()
