"""What an encoder sees of its graph in a training step: a view, a function of the seed, the step and the batch.

Axes: N nodes, M entries of an edge list with both directions of each edge, F features.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.edgedrop import EdgeDropout, drawn_from, stays
from graphtune.models.propagation import with_values
from graphtune.models.similar import kinds_of, similar_nodes

NODES, COLUMNS, ADDED, WALKS = 1, 2, 3, 4  # streams of chance, beside that of edge dropout
SPARE = 3  # a node's similar nodes, for one that is drawn in a step


@dataclass(frozen=True)
class View:
    """What is left out of the graph in each step, or put in. Evaluation sees all of it and nothing more.

    Attributes:
        edge_dropout: chance of each edge to be left out (DropEdge: Rong et al., 2020).
        node_dropout: chance of each node to lose all its edges (GraphCL: You et al., 2020).
        feature_dropout: chance of each column of the features to be 0 (GRACE: Zhu et al., 2020).
        edge_add: edges between similar nodes that come in, as a share of the edges.
        subgraph: steps of a walk from each node of the batch; messages pass among the nodes met (GraphSAINT: Zeng et
            al., 2020). 0 for the whole graph.
        seed: of all choices.
    """

    edge_dropout: float = 0.0
    node_dropout: float = 0.0
    feature_dropout: float = 0.0
    edge_add: float = 0.0
    subgraph: int = 0
    seed: int = 0

    @classmethod
    def of(cls, config: TrainConfig) -> View:
        return cls(**{f.name: getattr(config, f.name) for f in fields(cls)})

    @property
    def asked(self) -> list[str]:
        """Names of the options that are not at 0."""
        return [f.name for f in fields(self) if f.name != "seed" and getattr(self, f.name)]

    @property
    def on_edges(self) -> bool:
        """Whether something but the features is asked."""
        return any(name != "feature_dropout" for name in self.asked)

    def __bool__(self) -> bool:
        return bool(self.asked)

    def refuse(self, names: tuple[str, ...], who: str, why: str) -> None:
        """Refuse what is asked of `names`.

        Raises:
            ArgumentError: one of them is not 0.
        """
        for name in self.asked:
            if name in names:
                raise bad(name, "TrainConfig", f"0 for {who}, which {why}", getattr(self, name))


class EdgeView:
    """Which entries of an edge list messages pass over in a step.

    Args:
        view: what is asked.
        source: [M] int64.
        target: [M] int64.
        num_nodes: N.
        added: [M] bool, the entries that `edge_add` draws from; None for none.
    """

    def __init__(self, view: View, source: Tensor, target: Tensor, num_nodes: int, added: Tensor | None = None):
        self.view, self.source, self.target, self.num_nodes = view, source, target, num_nodes
        self.added = added
        own = slice(None) if added is None else ~added
        self.edges = EdgeDropout(source, target, num_nodes) if view.edge_dropout or view.edge_add else None
        if view.edge_add and added is not None:
            pool = int(added.sum())
            self.add_chance = min(1.0, view.edge_add * (len(source) - pool) / pool) if pool else 0.0
        if view.subgraph:
            by_source = torch.argsort(source[own], stable=True)
            self.neighbours = target[own][by_source]
            degree = torch.bincount(source[own], minlength=num_nodes)
            self.degree, self.begin = degree, degree.cumsum(0) - degree

    def keep(self, step: int, batch: Any) -> Tensor:
        """[M] bool, the entries that are seen in `step`."""
        view, device = self.view, self.source.device
        kept = torch.ones(len(self.source), dtype=torch.bool, device=device)
        if view.edge_dropout and self.edges is not None:
            kept = self.edges.keep(view.edge_dropout, view.seed, step)
        if self.added is not None and self.edges is not None:
            drawn = self.edges.keep(1 - self.add_chance, view.seed, step, ADDED)
            kept = torch.where(self.added, drawn, kept)
        if view.node_dropout:
            seen = stays(self.num_nodes, view.node_dropout, device, view.seed, step, NODES)
            kept &= seen[self.source] & seen[self.target]
        if view.subgraph:
            seen = self.met(batch.nodes().to(device), step)
            kept &= seen[self.source] & seen[self.target]
        return kept

    def met(self, roots: Tensor, step: int) -> Tensor:
        """[N] bool, the nodes on uniform walks from the roots, themselves among them."""
        chance = drawn_from(roots.device, self.view.seed, step, WALKS)
        seen = torch.zeros(self.num_nodes, dtype=torch.bool, device=roots.device)
        at = roots.unique()
        at = at[self.degree[at] > 0]
        seen[roots] = True
        for _ in range(self.view.subgraph):
            drawn = torch.rand(len(at), generator=chance, device=at.device, dtype=torch.float64)
            at = self.neighbours[self.begin[at] + (drawn * self.degree[at]).long()]
            seen[at] = True
        return seen


def masked_columns(features: Tensor, view: View, step: int) -> Tensor:
    """[N, F] features, dense or CSR, with columns at 0 by chance and the others scaled up: sums keep their mean."""
    share = view.feature_dropout
    factor = stays(features.shape[1], share, features.device, view.seed, step, COLUMNS) / (1 - share)
    if features.layout != torch.sparse_csr:
        return features * factor
    return with_values(features, features.values() * factor[features.col_indices()])


def with_similar(view: View, edges: Tensor, rows: Any, graph: Graph) -> tuple[Tensor, Tensor]:
    """The edges and behind them, in both directions, the pairs of similar nodes that `edge_add` draws from.

    Args:
        view: has the share of edges to add.
        edges: [2, M] int64, both directions.
        rows: [N, F], what nodes are compared by.
        graph: its kinds of node are kept apart.

    Returns:
        [2, M + A] edges and [M + A] bool, which of them are added.
    """
    count = similar_count(view.edge_add, edges.shape[1] // 2, graph.num_nodes)
    nearest = similar_nodes(rows, count, kinds_of(graph))
    pairs = similar_pairs(nearest, edges[0], edges[1], graph.num_nodes).to(edges.device)
    both = torch.cat([edges, pairs, pairs.flip(0)], dim=1)
    return both, torch.arange(both.shape[1], device=edges.device) >= edges.shape[1]


def similar_count(share: float, num_edges: int, num_nodes: int) -> int:
    """How many similar nodes a node needs for a `share` of edges to be drawn anew each step from their pairs."""
    return max(5, -(-int(SPARE * share * num_edges) // max(1, num_nodes)))


def similar_pairs(nearest: Tensor, source: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    """[2, P] int64 pairs u < v of nodes where one is among the nearest of the other, without those that are edges.

    Args:
        nearest: [N, k] int64, -1 for none.
        source, target: [M] int64 edges.
        num_nodes: N.
    """
    u = torch.arange(num_nodes).repeat_interleave(nearest.shape[1])
    v = nearest.flatten()
    u, v = u[v >= 0], v[v >= 0]
    pair = torch.unique(torch.minimum(u, v) * num_nodes + torch.maximum(u, v))
    edges = (torch.minimum(source, target) * num_nodes + torch.maximum(source, target)).cpu()
    pair = pair[~torch.isin(pair, edges)]
    return torch.stack([pair // num_nodes, pair % num_nodes])
