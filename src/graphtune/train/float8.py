"""Products of matrices in eight bits, for the losses that a `Float8` surrounds. m, n rows; k numbers that meet.

Each matrix has one scale of its own, from its largest number: forward they are e4m3, gradients that come back e5m2
(Micikevicius et al., 2022). Weights and sums stay float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

FORWARD, BACKWARD = torch.float8_e4m3fn, torch.float8_e5m2
MULTIPLE = 16
"""The kernels of GPUs take sides that are multiples of this; others are padded by zeros."""


def quantise(x: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """[m, k] float32 -> [m', k'] in eight bits, padded, and the factor [] that gives x back.

    What is not finite makes all NaN.
    """
    m, k = x.shape
    largest = torch.finfo(kind).max
    scale = (torch.linalg.vector_norm(x, torch.inf) / largest).clamp_min(1e-30)
    padded = x.new_zeros((_padded(m), _padded(k)), dtype=kind)
    padded[:m, :k] = (x / scale).to(kind)
    return padded, scale


class Product(torch.autograd.Function):
    """x [m, k], y [n, k] -> x y^T [m, n] in eight bits, and so are both products of the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        (qx, scale_x), (qy, scale_y) = quantise(x, FORWARD), quantise(y, FORWARD)
        ctx.save_for_backward(qx, scale_x, qy, scale_y)
        ctx.shapes = x.shape, y.shape
        return _multiply(qx, scale_x, qy, scale_y)[: len(x), : len(y)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        qx, scale_x, qy, scale_y = ctx.saved_tensors
        (m, k), (n, _) = ctx.shapes
        q, scale = quantise(gradient, BACKWARD)
        of_x = of_y = None
        if ctx.needs_input_grad[0]:
            of_x = _multiply(q, scale, _turn(qy), scale_y)[:m, :k]
        if ctx.needs_input_grad[1]:
            of_y = _multiply(_turn(q), scale, _turn(qx), scale_x)[:n, :k]
        return of_x, of_y


class Float8(TorchFunctionMode):
    """Within, `linear` and `@` of float32 matrices are products in eight bits; all else is as it was."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        product = PRODUCTS.get(func)
        if product is not None and not (kwargs and "out" in kwargs):
            return product(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # torch calls them by these names
    if not (_fits(weight) and input.ndim >= 2 and _plain(input)):
        return F.linear(input, weight, bias)
    out = Product.apply(input.reshape(-1, input.shape[-1]), weight).view(*input.shape[:-1], len(weight))
    return out if bias is None else out + bias


def _matmul(input: Tensor, other: Tensor) -> Tensor:
    return Product.apply(input, other.T) if _fits(input) and _fits(other) else torch.matmul(input, other)


PRODUCTS: dict[Any, Callable[..., Tensor]] = {
    F.linear: _linear,
    **dict.fromkeys((torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.mm, torch.matmul, torch.mm), _matmul),
}


def _multiply(x: Tensor, scale_x: Tensor, y: Tensor, scale_y: Tensor) -> Tensor:
    """x y^T, [m', n'] float32. The kernels want the second matrix column by column, which y.T is."""
    return torch._scaled_mm(x, y.T, scale_x, scale_y, out_dtype=torch.float32)


def _turn(x: Tensor) -> Tensor:
    return x.T.contiguous()


def _fits(x: Any) -> bool:
    return isinstance(x, Tensor) and x.ndim == 2 and _plain(x)


def _plain(x: Tensor) -> bool:
    return x.dtype == torch.float32 and x.layout == torch.strided and x.numel() > 0


def _padded(size: int) -> int:
    return -(-size // MULTIPLE) * MULTIPLE
