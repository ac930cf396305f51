"""Distance scores of each query with each key, for autograd: Numba kernels on the CPU, plain torch elsewhere.

Axes: n queries, m keys, D dim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphtune.kernels.distance import euclid, modulus, modulus_gradient, taxicab, taxicab_gradient

Forward = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
Backward = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class _Distance(torch.autograd.Function):
    """Distances [n, m] of queries [n, D] and keys [m, D] by a kernel and its gradient."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, distance: Forward, gradient: Backward) -> Tensor:
        query, columns = query.detach().float().contiguous(), key.detach().float().T.contiguous()
        ctx.save_for_backward(query, columns)
        ctx.gradient = gradient
        return _by_kernel(distance, query, columns)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query, columns = ctx.saved_tensors
        arrays = (x.numpy() for x in (query, columns, weight.float().contiguous()))
        by_query, by_columns = map(torch.from_numpy, ctx.gradient(*arrays))
        return by_query, by_columns.T, None, None


class _Euclid(torch.autograd.Function):
    """Euclidean distances by a kernel; their gradient is made of products."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor) -> Tensor:
        query, columns = query.detach().float().contiguous(), key.detach().float().T.contiguous()
        out = _by_kernel(euclid, query, columns)
        ctx.save_for_backward(query, columns, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, Tensor]:
        query, columns, distance = ctx.saved_tensors
        share = torch.where(distance > 0, weight.float() / distance, 0.0)
        by_query = share.sum(1, keepdim=True) * query - share @ columns.T
        return by_query, share.sum(0)[:, None] * columns.T - share.T @ query


def taxicab_cross(query: Tensor, key: Tensor) -> Tensor:
    """[n, m] 1-norms of the differences."""
    if query.device.type != "cpu":
        return torch.cdist(query, key, p=1.0)
    return _Distance.apply(query, key, taxicab, taxicab_gradient)


def euclid_cross(query: Tensor, key: Tensor) -> Tensor:
    """[n, m] 2-norms of the differences."""
    if query.device.type != "cpu":
        return torch.cdist(query, key, compute_mode="donot_use_mm_for_euclid_dist")  # mm: 1e-3 off where close
    return _Euclid.apply(query, key)


def modulus_cross(query: Tensor, key: Tensor) -> Tensor:
    """[n, m] sums of complex moduli of the differences."""
    if query.device.type != "cpu":
        real, imaginary = (query[:, None] - key[None]).chunk(2, -1)
        return torch.sqrt(real.square() + imaginary.square() + 1e-12).sum(-1)
    return _Distance.apply(query, key, modulus, modulus_gradient)


def _by_kernel(distance: Forward, query: Tensor, columns: Tensor) -> Tensor:
    out = torch.empty(len(query), columns.shape[1])
    distance(query.numpy(), columns.numpy(), out.numpy())
    return out
