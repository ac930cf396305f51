"""Known positives of a graph by query: a source, or a source with a relation. B examples, K targets, Q queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphtune.graph import Graph
from graphtune.kernels.negatives import known_targets, unknown_targets


@dataclass(frozen=True)
class Known:
    """The targets that each query of a graph has; of a graph without relations, the source itself with them.

    Attributes:
        indptr: [Q + 1] bounds of the rows; indices: their targets, ascending.
        query: [Q] ascending, source * 2R + relation of each row; None where row v is that of node v.
        relations: 2R; relation r + R is r read backwards.
    """

    indptr: np.ndarray
    indices: np.ndarray
    query: np.ndarray | None = None
    relations: int = 0

    @classmethod
    def of(cls, graph: Graph) -> Known:
        """The edges out of each node (both ways if undirected), or the triples read forwards and backwards."""
        if graph.relation is None:
            csr = graph.adjacency("out")
            return cls(csr.indptr, csr.indices)
        (head, tail), r, count = graph.edges, graph.relation, graph.num_relations
        asked = np.concatenate([head, tail]) * 2 * count + np.concatenate([r, r + count])
        answer = np.concatenate([tail, head])
        order = np.lexsort((answer, asked))
        query, begin = np.unique(asked[order], return_index=True)
        return cls(np.append(begin, len(order)), answer[order], query, 2 * count)

    def mask(self, source: np.ndarray, relation: np.ndarray | None, target: np.ndarray) -> np.ndarray:
        """[B, K] bool: which targets ([B, K], [K] shared by all or [ceil(B / 2), K] by two) are known.

        Args:
            source, relation: [B] of edges of the graph.
            target: nodes.
        """
        return known_targets(self.indptr, self.indices, self._row(source, relation), target, self._itself(source))

    def others(
        self, source: np.ndarray, relation: np.ndarray | None, count: int, low: int, high: int, seed: int
    ) -> np.ndarray:
        """[B, count] int64: uniform targets in [low, high) that are not known, unless all are."""
        row, itself = self._row(source, relation), self._itself(source)
        return unknown_targets(self.indptr, self.indices, row, count, low, high, seed, itself)

    def answers(self, source: np.ndarray, relation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """CSR [n + 1] and indices: the targets of each source by its relation, none where no triple asks so."""
        assert self.query is not None
        asked = source * self.relations + relation
        low, high = (self.indptr[np.searchsorted(self.query, asked, side)] for side in ("left", "right"))
        indptr = np.concatenate([[0], np.cumsum(high - low)])
        return indptr, self.indices[np.arange(indptr[-1]) + np.repeat(low - indptr[:-1], high - low)]

    def _row(self, source: np.ndarray, relation: np.ndarray | None) -> np.ndarray:
        if self.query is None:
            return source
        assert relation is not None
        return np.searchsorted(self.query, source * self.relations + relation)

    def _itself(self, source: np.ndarray) -> np.ndarray:
        """The source, which no link has for its other end; a triple may."""
        return source if self.query is None else np.full(len(source), -1)
