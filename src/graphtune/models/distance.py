"""Distance scores of each query with each key, for autograd: Numba kernels on the CPU, plain torch elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphtune.kernels.distance import modulus, modulus_gradient, taxicab, taxicab_gradient

Forward = Callable[..., None]


class _Distance(torch.autograd.Function):
    """Distances [n, m] of queries [n, D] and keys [m, D] by a kernel and its gradient."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, distance: Forward, gradient: Forward) -> Tensor:
        query, key = query.detach().float().contiguous(), key.detach().float().contiguous()
        ctx.save_for_backward(query, key)
        ctx.gradient = gradient
        out = torch.empty(len(query), len(key))
        distance(query.numpy(), key.numpy(), out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query, key = ctx.saved_tensors
        weight = grads[0].float().contiguous()
        by_query, by_key = torch.empty_like(query), torch.empty_like(key)
        ctx.gradient(query.numpy(), key.numpy(), weight.numpy(), by_query.numpy())
        ctx.gradient(key.numpy(), query.numpy(), weight.T.contiguous().numpy(), by_key.numpy())
        return by_query, by_key, None, None


def taxicab_cross(query: Tensor, key: Tensor) -> Tensor:
    """[n, m] 1-norms of the differences."""
    if query.device.type != "cpu":
        return torch.cdist(query, key, p=1.0)
    return _Distance.apply(query, key, taxicab, taxicab_gradient)


def modulus_cross(query: Tensor, key: Tensor) -> Tensor:
    """[n, m] sums of complex moduli of the differences."""
    if query.device.type != "cpu":
        real, imaginary = (query[:, None] - key[None]).chunk(2, -1)
        return torch.sqrt(real.square() + imaginary.square() + 1e-12).sum(-1)
    return _Distance.apply(query, key, modulus, modulus_gradient)
