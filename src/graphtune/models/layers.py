"""The mean over layers of a sparse symmetric product, with only the rows that are asked for, and its gradient.

By Horner's rule, x + A (x + A (x + A x)), a layer is one pass that writes each row once, and the gradient is the same
rule once more, as A is symmetric. A batch asks for few rows: the last product has only these rows, the first one of the
gradient only these columns, and so on with their neighbours while they have few of the entries.

Axes: N nodes, D dim, n nodes of a batch, U different ones.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphtune.kernels.propagate import Part, chosen, product, transposed, whole
from graphtune.kernels.sparse import add_at_rows

FEW = 0.5
"""The share of the entries up to which picking them out costs less than it saves."""
KEPT = 4
"""Arrays kept for later: a step has at most three at a time."""


class Spare:
    """Arrays [N, D] float32 that are used again once nobody else holds them, as new memory costs more time than a
    product: the system clears every page of it. Copies of a model have none of each other's."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array with anything in it."""
        self.arrays = [array for array in self.arrays if array.shape == shape]
        for at in range(len(self.arrays)):
            if sys.getrefcount(self.arrays[at]) == 2:  # by the list and by the question
                return self.arrays[at]
        array = np.empty(shape, np.float32)
        self.arrays = [*self.arrays, array][:KEPT]
        return array

    def __reduce__(self) -> tuple[type[Spare], tuple[()]]:
        return Spare, ()


def by_kernel(matrix: Tensor, x: Tensor) -> bool:
    """Whether `mean_of_layers` knows them: a CSR matrix and rows of float32 on the CPU."""
    return matrix.layout == torch.sparse_csr and x.device.type == "cpu" and x.dtype == matrix.dtype == torch.float32


def entries(matrix: Tensor) -> Part:
    """A CSR tensor as kernels read it."""
    return whole(*(part.numpy() for part in (matrix.crow_indices(), matrix.col_indices(), matrix.values())))


def mean_of_layers(matrix: Part, x: Tensor, layers: int, nodes: Tensor | None, spare: Spare) -> Tensor:
    """(x + A x + ... + A^layers x) / (layers + 1) in the rows `nodes` [n], or in all, [n, D] or [N, D].

    Args:
        matrix: the whole of A [N, N], symmetric.
        x: [N, D] float32 on the CPU.
        layers: 1 or more.
        nodes: [n] int64, some perhaps several times, or None.
        spare: memory to work in.
    """
    return _Mean.apply(x, matrix, layers, nodes, spare)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Part, layers: int, nodes: Tensor | None, spare: Spare) -> Tensor:
        ctx.nodes = None if nodes is None else nodes.numpy()
        ctx.matrix, ctx.spare, ctx.scale = matrix, spare, np.float32(1 / (layers + 1))
        ctx.rows, ctx.parts = needed(matrix, layers, ctx.nodes)
        start = read = x.detach().contiguous().numpy()
        for number, part in enumerate(ctx.parts, 1):
            out = spare.take(start.shape)
            product(part, read, out, start, ctx.scale if number == layers else 1.0)
            read = out
        return torch.from_numpy(read if nodes is None else read[ctx.nodes])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        start = (gradient * float(ctx.scale)).contiguous().numpy()
        read, plus = start, None if ctx.rows is not None else start
        if ctx.rows is not None:
            read, start = _summed(ctx, start)
        for part in reversed(ctx.parts):
            out = ctx.spare.take(read.shape)
            back = part if part is ctx.matrix else transposed(part, len(read))
            product(back, read, out, plus)
            if ctx.rows is not None:
                add_at_rows(out, ctx.rows, start)
            read = out
        return torch.from_numpy(read), None, None, None, None


def needed(matrix: Part, layers: int, nodes: np.ndarray | None) -> tuple[np.ndarray | None, list[Part]]:
    """The different `nodes` [U] in order, and what each layer, the first one first, has to multiply by for their rows.

    A part is the `matrix` itself from the layer downwards whose rows have more than `FEW` of the entries.

    Raises:
        IndexError: a node is none of 0..N-1.
    """
    if nodes is None:
        return None, [matrix] * layers
    if (nodes < 0).any():
        raise IndexError(f"Nodes must be from 0 to {len(matrix.rows) - 1}. Got {nodes.min()}.")
    seen = np.zeros(len(matrix.rows), np.uint8)
    seen[nodes] = 1
    asked = rows = np.flatnonzero(seen)
    parts: list[Part] = []
    while len(parts) < layers and matrix.size_of(rows) <= FEW * matrix.size:
        part, seen = chosen(matrix, rows)
        parts.append(part)
        rows = np.flatnonzero(seen)
    return asked, [*[matrix] * (layers - len(parts)), *reversed(parts)]


def _summed(ctx: Any, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient [n, D] by row: where the first product reads it [N, D], and in the different rows alone [U, D]."""
    read = ctx.spare.take((len(ctx.matrix.rows), pull.shape[1]))
    read[slice(None) if ctx.parts[-1] is ctx.matrix else ctx.rows] = 0.0
    add_at_rows(read, ctx.nodes, pull)
    return read, read[ctx.rows]
