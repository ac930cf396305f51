"""Symmetric adjacency matrices and edge weights, and sparse propagation over them: what LightGCN and GCN build on."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from graphtune.graph import Graph


class SymmetricProduct(torch.autograd.Function):
    """A @ x for a symmetric sparse A, whose gradient is A @ g: torch's own transposes the matrix at each step."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, x: Tensor) -> Tensor:
        ctx.matrix = matrix
        with sparse_in_float32(matrix):
            return matrix @ x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, ctx.matrix @ grads[0].contiguous()


def sparse_in_float32(x: Tensor) -> AbstractContextManager[Any]:
    """Within, what a sparse `x` enters is float32 whatever the precision: torch has no such products in 16 bits."""
    kind = x.device.type
    lowered = x.layout == torch.sparse_csr and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if lowered else nullcontext()


def normalised_adjacency(graph: Graph) -> sp.csr_array:
    """D^-1/2 A D^-1/2 of the graph with both directions of each edge, [N, N] float32; isolated nodes have zero rows."""
    adjacency = graph.sparse("both")
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    inverse = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    scale = sp.diags_array(inverse)
    return sp.csr_array(scale @ adjacency @ scale, dtype=np.float32)


def with_self_loops(edge_index: Tensor, num_nodes: int) -> Tensor:
    """[2, E] edges with one self-loop a node, all of them last."""
    source, target = edge_index
    loops = torch.arange(num_nodes, device=edge_index.device).expand(2, -1)
    return torch.cat([edge_index[:, source != target], loops], dim=1)


def symmetric_weights(edge_index: Tensor, num_nodes: int) -> Tensor:
    """[E] (d_u d_v)^-1/2 of edges u -> v, self-loops among them, d the edges into a node (Kipf & Welling, 2017)."""
    source, target = edge_index
    one = torch.ones(len(target), device=target.device)
    inverse = torch.zeros(num_nodes, device=target.device).scatter_add_(0, target, one).pow(-0.5)
    return inverse[source] * inverse[target]


def normalised(weight: Tensor, source: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    """[M] w_uv (d_u d_v)^-1/2 of the entries of a symmetric matrix, d the sums of its rows; entries of 0 stay 0."""
    degree = torch.zeros(num_nodes, device=weight.device).scatter_add_(0, source, weight)
    inverse = torch.where(degree > 0, degree.clamp_min(1e-30).pow(-0.5), 0.0)
    return weight * inverse[source] * inverse[target]


def to_torch_csr(matrix: sp.csr_array) -> Tensor:
    """The same matrix as a torch CSR tensor."""
    indptr, indices = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indptr, matrix.indices))
    return torch_csr(indptr, indices, torch.from_numpy(matrix.data), matrix.shape)


def with_values(matrix: Tensor, values: Tensor) -> Tensor:
    """The CSR tensor with other values in the same places."""
    return torch_csr(matrix.crow_indices(), matrix.col_indices(), values, matrix.shape)


def torch_csr(indptr: Tensor, indices: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A CSR tensor without torch's notice that such tensors are in beta."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(indptr, indices, values, size=shape, check_invariants=False)
