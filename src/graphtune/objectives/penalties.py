"""What N3 is made of, for autograd: kernels of one pass on the CPU, plain torch elsewhere. n rows, D dim."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphtune.kernels import penalties

TINY = 1e-30  # under the root, whose gradient at 0 would be infinite


def modulus(rows: Tensor) -> Tensor:
    """[..., D] rows of D/2 real parts, then D/2 imaginary ones -> [..., D/2] moduli."""
    if _by_kernel(rows):
        return _Modulus.apply(rows)
    real, imaginary = rows.chunk(2, -1)
    return torch.sqrt(real.square() + imaginary.square() + TINY)


def sums_of_cubes(rows: Tensor) -> Tensor:
    """[..., D] -> [...] sum_d |z_d|^3."""
    return _Cubes.apply(rows) if _by_kernel(rows) else rows.abs().pow(3).sum(-1)


def _by_kernel(rows: Tensor) -> bool:
    return rows.device.type == "cpu" and rows.dtype == torch.float32 and rows.ndim == 2


class _Modulus(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        rows = rows.detach().contiguous()
        found = rows.new_empty(len(rows), rows.shape[1] // 2)
        penalties.modulus(rows.numpy(), found.numpy())
        ctx.save_for_backward(rows, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rows, found = ctx.saved_tensors
        out = torch.empty_like(rows)
        penalties.modulus_gradient(rows.numpy(), found.numpy(), gradient.contiguous().numpy(), out.numpy())
        return out


class _Cubes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        rows = rows.detach().contiguous()
        out = rows.new_empty(len(rows))
        penalties.cubes(rows.numpy(), out.numpy())
        ctx.save_for_backward(rows)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        out = torch.empty_like(rows)
        penalties.cubes_gradient(rows.numpy(), gradient.contiguous().numpy(), out.numpy())
        return out
