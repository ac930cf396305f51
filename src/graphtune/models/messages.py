"""Messages along edges that have relations, for autograd: Numba kernels on the CPU, plain torch elsewhere.

Axes: N nodes, R relations, M messages (two an edge), B bases, I and O width of inputs and outputs, D dim, G rows that
messages are summed in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from graphtune.graph import Graph
from graphtune.kernels.messages import RELATIONS_A_BLOCK, composed, mix_gradient, mixed
from graphtune.kernels.sparse import sparse_product

NORMS = ("relation", "node", "symmetric")
COMPOSITIONS = ("sub", "mult", "corr")


class Order(NamedTuple):
    """Messages put together by one of their ends, as kernels read them.

    Attributes:
        indptr: [groups + 1] int64.
        entries: the messages group by group, [M] int64; or all as they are.
        ends: the other ends of the messages in this order, by name, [M] int64.
    """

    indptr: np.ndarray
    entries: np.ndarray | slice
    ends: dict[str, np.ndarray]


class Messages(nn.Module):
    """Every edge (h, r, t) as two messages: from h to t under r, and from t to h under its inverse r + R.

    Args:
        graph: the edges, with relations.
        norm: what a message counts: "relation" for 1 / (those of its relation that its target gets), "node" for
            1 / (all that its target gets), "symmetric" for (d_u d_v)^-1/2, d the messages that a node gets.
        by_direction: sum the messages of relations and those of their inverses in rows of their own.

    Attributes:
        source, target, relation: [M] int64, row by row.
        row: [M] int64, where a message goes: the target, or 2 * target, and 1 more for an inverse.
        num_nodes: N.
        num_rows: N or 2N.
    """

    source: Tensor
    target: Tensor
    relation: Tensor
    row: Tensor
    group: Tensor

    def __init__(self, graph: Graph, norm: str, by_direction: bool = False):
        super().__init__()
        assert graph.relation is not None
        (head, tail), forwards = np.array(graph.edges, dtype=np.int64), np.array(graph.relation, dtype=np.int64)
        source, target = np.concatenate([head, tail]), np.concatenate([tail, head])
        relation = np.concatenate([forwards, forwards + graph.num_relations])
        row = 2 * target + (relation >= graph.num_relations) if by_direction else target
        self.norm, self.num_nodes, self.num_rows = norm, graph.num_nodes, (1 + by_direction) * graph.num_nodes
        order = np.argsort(row, kind="stable")
        ends = {"source": source[order], "target": target[order], "relation": relation[order], "row": row[order]}
        group = ends["target"]
        if norm == "relation":
            group = np.unique(group * 2 * graph.num_relations + ends["relation"], return_inverse=True)[1]
        self.num_groups = int(group.max(initial=-1)) + 1
        for name, values in {**ends, "group": group}.items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        self.by_row = Order(_bounds(ends["row"], self.num_rows), slice(None), ends)
        self.by_source = _order(ends, "source", self.num_nodes)
        self.by_relation = _order(ends, "relation", 2 * graph.num_relations)

    def weights(self, kept: Tensor | None = None) -> Tensor:
        """[M] float32, what each message counts among those `kept` ([M] bool); 0 for the others."""
        weight = torch.ones(len(self.source), device=self.source.device) if kept is None else kept.float()
        count = weight.new_zeros(max(self.num_nodes, self.num_groups)).index_add_(0, self.group, weight).clamp_min(1.0)
        if self.norm != "symmetric":
            return weight / count[self.group]
        return weight * (count[self.source] * count[self.target]).rsqrt()


def basis_product(x: Tensor, mix: Tensor, bases: Tensor, messages: Messages, weight: Tensor) -> Tensor:
    """Sum of weight[m] W_r x[source], W_r = sum_b mix[r, b] V_b, over the messages m of each target, [N, O].

    The sum over messages comes first and the product with the bases after it, so that there is no matrix a relation.

    Args:
        x: [N, I]; mix: [2R, B]; bases: [B, I, O], the V_b for rows.
        messages: M of them.
        weight: [M] float32.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, mix, bases = x.float(), mix.float(), bases.float()
        if has_kernels(x):
            return _BasisProduct.apply(x, mix, bases, messages, weight)
        shares = weight[:, None] * mix[messages.relation]
        total = x.new_zeros(messages.num_rows, bases.shape[2])
        for share, basis in zip(shares.unbind(1), bases):
            total = total.index_add(0, messages.row, share[:, None] * (x @ basis)[messages.source])
        return total


def composed_sum(x: Tensor, rows: Tensor, composition: str, messages: Messages, weight: Tensor) -> Tensor:
    """Sum of weight[m] phi(x[source], rows[relation]) over the messages m of each row, [G, D]; phi as in `compose`.

    Args:
        x: [N, D]; rows: [2R, D].
        composition: "sub", "mult" or "corr".
        messages: M of them.
        weight: [M] float32.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, rows = x.float(), rows.float()
        if composition == "mult":
            return _products(x, rows, messages, weight)
        if composition == "sub":
            return _gathered(x, "source", messages, weight) - _gathered(rows, "relation", messages, weight)
        spectrum = _products(torch.fft.rfft(x).conj().resolve_conj(), torch.fft.rfft(rows), messages, weight)
        return torch.fft.irfft(spectrum, n=x.shape[1])


def compose(x: Tensor, rows: Tensor, composition: str) -> Tensor:
    """phi(x, rows) of each row, [n, D]: the difference (TransE), the product (DistMult) or the circular correlation
    phi_k = sum_i x_i rows_(i + k mod D) (HolE). Broadcasts."""
    if composition == "sub":
        return x - rows
    if composition == "mult":
        return x * rows
    x, rows = x.float(), rows.float()
    return torch.fft.irfft(torch.fft.rfft(x).conj() * torch.fft.rfft(rows), n=x.shape[-1])


def has_kernels(x: Tensor) -> bool:
    """Whether the kernels can read a tensor."""
    return x.device.type == "cpu"


def _products(x: Tensor, rows: Tensor, messages: Messages, weight: Tensor) -> Tensor:
    if has_kernels(x):
        return _Products.apply(x, rows, messages, weight)
    message = weight[:, None] * x[messages.source] * rows[messages.relation]
    return message.new_zeros(messages.num_rows, x.shape[1]).index_add(0, messages.row, message)


def _gathered(x: Tensor, end: str, messages: Messages, weight: Tensor) -> Tensor:
    """Sum of weight[m] x[end of m] over the messages m of each row; `end` is "source" or "relation"."""
    if has_kernels(x):
        return _Gathered.apply(x, end, messages, weight)
    message = weight[:, None] * x[getattr(messages, end)]
    return message.new_zeros(messages.num_rows, x.shape[1]).index_add(0, messages.row, message)


class _BasisProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mix: Tensor, bases: Tensor, messages: Messages, weight: Tensor) -> Tensor:
        x, mix = x.contiguous(), mix.contiguous()
        sums = mixed(*_read(messages.by_row, weight, "source", "relation"), mix.numpy(), x.numpy())
        total = torch.from_numpy(sums).flatten(1)  # [N, B * I]
        ctx.messages, ctx.weight = messages, weight
        ctx.save_for_backward(x, mix, bases, total)
        return total @ bases.flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, mix, bases, total), grad, messages = ctx.saved_tensors, grads[0].float().contiguous(), ctx.messages
        by_basis = (total.T @ grad).view_as(bases)
        pull = (grad @ bases.flatten(0, 1).T).view(len(grad), *bases.shape[:2])
        by_row = _read(messages.by_row, ctx.weight, "source", "relation")
        by_mix = torch.from_numpy(mix_gradient(*by_row, len(mix), x.numpy(), pull.numpy()))
        back = mixed(*_read(messages.by_source, ctx.weight, "row", "relation"), mix.numpy(), grad.numpy())
        by_x = torch.from_numpy(back).flatten(1) @ bases.transpose(1, 2).flatten(0, 1)
        return by_x, by_mix, by_basis, None, None


class _Products(torch.autograd.Function):
    """Sum of weight[m] x[source] * rows[relation]: each of the three ends has a sum over the other two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, messages: Messages, weight: Tensor) -> Tensor:
        x, rows = x.contiguous(), rows.contiguous()
        ctx.messages, ctx.weight = messages, weight
        ctx.save_for_backward(x, rows)
        by_row = _read(messages.by_row, weight, "source", "relation")
        return torch.from_numpy(composed(*by_row, x.numpy(), rows.numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, rows), messages, grad = ctx.saved_tensors, ctx.messages, grads[0].contiguous().numpy()
        x, rows = x.conj().resolve_conj().numpy(), rows.conj().resolve_conj().numpy()
        by_source = _read(messages.by_source, ctx.weight, "row", "relation")
        by_relation = _read(messages.by_relation, ctx.weight, "source", "row")
        by_x = composed(*by_source, grad, rows)
        by_rows = composed(*by_relation, x, grad, block=RELATIONS_A_BLOCK)
        return torch.from_numpy(by_x), torch.from_numpy(by_rows), None, None


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, end: str, messages: Messages, weight: Tensor) -> Tensor:
        ctx.end, ctx.messages, ctx.weight = end, messages, weight
        order = messages.by_row
        values = weight.numpy()[order.entries]
        return torch.from_numpy(sparse_product(order.indptr, order.ends[end], values, x.contiguous().numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        order = ctx.messages.by_source if ctx.end == "source" else ctx.messages.by_relation
        values, grad = ctx.weight.numpy()[order.entries], grads[0].contiguous().numpy()
        by_x = sparse_product(order.indptr, order.ends["row"], values, grad)
        return torch.from_numpy(by_x), None, None, None


def _read(order: Order, weight: Tensor, left: str, right: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What kernels read of messages in an order: the bounds of its groups, two ends by name, weights."""
    return order.indptr, order.ends[left], order.ends[right], weight.numpy()[order.entries]


def _order(ends: dict[str, np.ndarray], by: str, count: int) -> Order:
    entries = np.argsort(ends[by], kind="stable")
    others = {name: values[entries] for name, values in ends.items() if name not in (by, "target")}
    return Order(_bounds(ends[by], count), entries, others)


def _bounds(group: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(group, minlength=count))])
