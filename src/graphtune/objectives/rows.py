"""Some rows of an array and all of it, whose gradients become one array and not one each. N rows, D dim, n any."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphtune.kernels.sparse import add_at_rows


def rows_and_all(z: Tensor, *nodes: Tensor) -> tuple[Tensor, ...]:
    """z[n] [n, D] for each of the `nodes` [n], and z [N, D] itself, which must enter the loss too, and by
    a product: its gradient is changed in place."""
    return _Rows.apply(z, *nodes)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, *nodes: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*nodes)
        return (*(z.index_select(0, n) for n in nodes), z.view_as(z))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *parts, whole = gradients
        whole = whole.contiguous()
        for nodes, part in zip(ctx.saved_tensors, parts):
            if whole.device.type == "cpu" and whole.dtype == part.dtype == torch.float32:
                add_at_rows(whole.numpy(), nodes.numpy(), part.contiguous().numpy())
            else:
                whole.index_add_(0, nodes, part)
        return (whole, *(None for _ in parts))
