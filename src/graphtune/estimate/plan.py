"""What is to be learned and how much of it there is, in plain numbers. Axes: N nodes, E edges, M list entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import scipy.sparse as sp

from graphtune.config import TrainConfig
from graphtune.graph import Graph


@dataclass(frozen=True)
class Plan:
    """A recipe and its training.

    Attributes:
        model: the name of the recipe's class.
        options: its fields.
        config: how it is trained.
    """

    model: str
    options: Mapping[str, Any]
    config: TrainConfig

    @classmethod
    def of(cls, recipe: Any, config: TrainConfig) -> Plan:
        more = {"config": recipe.config} if hasattr(recipe, "config") else {}
        return cls(type(recipe).__name__, {"dim": recipe.dim, **vars(recipe), **more}, config)

    @property
    def dim(self) -> int:
        """D; 0 for a model without embeddings."""
        return int(self.options.get("dim", 0))


@dataclass(frozen=True)
class Size:
    """How much a graph holds.

    Attributes:
        nodes: N.
        edges: E.
        targets: nodes that can be the end of an edge: the items of a log of events, else N.
        relations: R, 0 without.
        weighted, directed, on_disk: as the graph.
        features: bytes of the node features.
        width: features a node.
        ids: bytes of the ids.
    """

    nodes: int
    edges: int
    targets: int
    relations: int = 0
    weighted: bool = False
    directed: bool = False
    on_disk: bool = False
    features: int = 0
    width: int = 0
    ids: int = 0

    @classmethod
    def of(cls, graph: Graph) -> Size:
        features: Any = graph.features
        held = 0
        if features is not None:
            arrays = (features.data, features.indices, features.indptr) if sp.issparse(features) else (features,)
            held = sum(array.nbytes for array in arrays)
        return cls(
            nodes=graph.num_nodes,
            edges=graph.num_edges,
            targets=len(graph.ids.rows("item")) if graph.is_bipartite_events else graph.num_nodes,
            relations=graph.num_relations,
            weighted=graph.weight is not None,
            directed=graph.directed,
            on_disk=graph.on_disk,
            features=held,
            width=0 if features is None else features.shape[1],
            ids=sum(block.nbytes for block in graph.ids.blocks),
        )

    @property
    def entries(self) -> int:
        """M of the lists that walks follow: both directions of an undirected edge."""
        return self.edges * (1 if self.directed else 2)

    @property
    def edge_bytes(self) -> int:
        """Of the arrays that have an entry an edge; 0 on disk, where they are mapped."""
        each = 16 + 8 * (self.relations > 0) + 4 * self.weighted
        return 0 if self.on_disk else each * self.edges

    def part(self, share: float) -> Size:
        """The same nodes with a share of the edges."""
        return replace(self, edges=round(share * self.edges))


WALKS = TrainConfig(epochs=1, batch_size=2048, lr=0.025, optimizer="sgd", schedule="linear", lr_end=0.004, patience=0)
TRIPLES = TrainConfig(epochs=100, batch_size=256, lr=0.1, optimizer="adagrad", n3=0.02, eval_every=5, patience=6)
EVENTS = TrainConfig(epochs=200, batch_size=2048, lr=0.005, l2=1e-4, eval_every=5, patience=8)

USUAL = {
    "deepwalk": Plan(
        "DeepWalk",
        {
            "dim": 128,
            "walks_per_node": 10,
            "walk_length": 40,
            "window": 10,
            "negatives": 5,
            "restart": 0.0,
            "subsample": 0.0,
            "table_dtype": "float32",
        },
        WALKS,
    ),
    "complex": Plan(
        "ComplEx",
        {"dim": 200, "loss": "k-vs-all", "negatives": 256, "relation_weight": 0.0, "rounding": 1 / 64},
        TRIPLES,
    ),
    "lightgcn": Plan(
        "LightGCN",
        {
            "dim": 64,
            "layers": 3,
            "loss": "bpr",
            "negatives": 1,
            "temperature": None,
            "margin": 0.4,
            "negative_weight": 1.0,
            "contrast": 0.0,
            "contrast_temperature": 0.2,
            "noise": 0.1,
            "rounding": 1 / 64,
            "side_weight": 0.0,
        },
        EVENTS,
    ),
}
"""The default model of each kind of data, as the recipes have it, without importing them and torch."""
