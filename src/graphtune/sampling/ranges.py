"""Type-constrained corruption: entities that stand in the place of an answer somewhere in the train part.

Axes: N entities, R relations, B examples, K negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphtune.graph import Graph
from graphtune.kernels.negatives import known_targets, row_targets


@dataclass(frozen=True)
class Ranges:
    """The entities seen as answers of each relation: its range, and for the relation read backwards its domain
    (Krompass et al., 2015, the local closed world).

    Attributes:
        indptr: [2R + 1] bounds of the relations, r + R being r read backwards; indices: their entities, ascending.
    """

    indptr: np.ndarray
    indices: np.ndarray

    @classmethod
    def of(cls, graph: Graph) -> Ranges:
        (head, tail), r, count = graph.edges, graph.relation, graph.num_relations
        assert r is not None
        place = np.unique(np.concatenate([r * graph.num_nodes + tail, (r + count) * graph.num_nodes + head]))
        size = np.bincount(place // graph.num_nodes, minlength=2 * count)
        return cls(np.append(0, np.cumsum(size)), place % graph.num_nodes)

    def draw(self, relation: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator, seed: int) -> np.ndarray:
        """int64 negatives of `shape`, [sets, K] or [K].

        Args:
            relation: [B] of the examples. A set is uniform in the range of its example, the first of two that share it;
                each negative that all share is of the range of an example drawn by chance.
            rng, seed: of the draws.
        """
        if len(shape) == 1:
            rows = relation[rng.integers(0, len(relation), shape[0])]
            return row_targets(self.indptr, self.indices, rows, 1, seed)[:, 0]
        return row_targets(self.indptr, self.indices, relation[:: -(-len(relation) // shape[0])], shape[1], seed)

    def lacks(self, relation: np.ndarray, target: np.ndarray) -> np.ndarray:
        """[B, K] bool: which targets ([B, K], [K] shared by all or [ceil(B / 2), K] by two) are of another range."""
        if target.ndim == 2:
            return ~known_targets(self.indptr, self.indices, relation, target, np.full(len(relation), -1))
        asked, place = np.unique(relation, return_inverse=True)
        return ~known_targets(self.indptr, self.indices, asked, target, np.full(len(asked), -1))[place]
