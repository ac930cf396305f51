"""The graph that every part of graphtune reads: frozen, plain NumPy arrays, the user's ids beside them.

Axes: N nodes, E edges, F features, C classes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from graphtune.check import bad, one_of
from graphtune.ids import NodeIds
from graphtune.kernels.memory import blocks

IDS_AT_ONCE = 1 << 18
OF_LISTS = ("edges", "weight", "ids", "directed")


@dataclass(frozen=True)
class CSR:
    """Neighbours row by row: those of node v are `indices[indptr[v]:indptr[v + 1]]`, ascending.

    Attributes:
        indptr: [N + 1] int64.
        indices: [M] the neighbours, int32 where N fits; M is E, or 2E (less self-loops) where both directions are read.
        weight: [M] float32, or None where the graph has none.
        alias: [M] the alias tables of the weights in each row, where they lie on disk.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray | None
    alias: np.ndarray | None = None

    @property
    def degree(self) -> np.ndarray:
        """[N] entries per row."""
        return np.diff(self.indptr)


class Lists(Protocol):
    """Neighbour lists that lie in the directory of a graph on disk."""

    @property
    def directory(self) -> Path: ...

    def read(self, direction: str) -> CSR: ...


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph as arrays. Nodes are rows 0..N-1; `ids` gives them the user's names.

    An undirected graph holds each edge once, in either orientation; `adjacency` shows both.

    Attributes:
        edges: [2, E] int64, source above target.
        ids: the N node ids, with the kinds of node ("user", "item") where there are several.
        directed: whether u -> v differs from v -> u. Triples and events are directed.
        relation: [E] int64, the relation of each edge, with its names in `relation_ids`.
        weight: [E] float32, positive and finite.
        time: [E] int64 or float64, any unit, larger is later.
        features: [N, F] float32, dense or scipy CSR.
        labels: [N] int64 class numbers, -1 where unknown; or [N, C] bool for several labels a node.
        label_names: the C names.
        targets: [N] float64 values to regress on, NaN where unknown.
        texts: N strings.
        side: further edges by name, each [2, S] int64, such as "social" between users: encoders may pass messages over
            them, either way round; they are in no part of a split and are not what is learned to be found.
        lists: where neighbour lists are read from; None to make them in memory. See `graphtune.load_graph`.
    """

    edges: np.ndarray
    ids: NodeIds
    directed: bool = False
    relation: np.ndarray | None = None
    relation_ids: NodeIds | None = None
    weight: np.ndarray | None = None
    time: np.ndarray | None = None
    features: np.ndarray | sp.csr_array | None = None
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] | None = None
    targets: np.ndarray | None = None
    texts: tuple[str, ...] | None = field(default=None, repr=False)
    side: Mapping[str, np.ndarray] | None = None
    lists: Lists | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        edges = np.ascontiguousarray(self.edges, dtype=np.int64).reshape(2, -1)
        object.__setattr__(self, "edges", edges)
        self._check_rows("edges", edges)
        self._check_side()
        if (self.relation is None) != (self.relation_ids is None):
            raise bad("relation_ids", "Graph", "given exactly when `relation` is", self.relation_ids)
        for name in ("relation", "weight", "time"):
            self._check_length(name, self.num_edges, "edge")
        for name in ("features", "labels", "targets", "texts"):
            self._check_length(name, self.num_nodes, "node")
        self._cast("relation", np.int64)
        self._cast("weight", np.float32)
        self._cast("targets", np.float64)
        if self.labels is not None:
            self._cast("labels", np.int64 if np.ndim(self.labels) == 1 else np.bool_)
        if sp.issparse(self.features):
            object.__setattr__(self, "features", sp.csr_array(self.features, dtype=np.float32))
        else:
            self._cast("features", np.float32)
        for name in ("edges", "relation", "weight", "time", "labels", "targets"):
            array = getattr(self, name)
            if array is not None:
                view = array.view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)

    @property
    def num_nodes(self) -> int:
        return len(self.ids)

    @property
    def num_edges(self) -> int:
        return int(self.edges.shape[1])

    @property
    def num_relations(self) -> int:
        return len(self.relation_ids) if self.relation_ids is not None else 0

    @property
    def on_disk(self) -> bool:
        """Whether edges and neighbour lists lie in a directory and are mapped."""
        return self.lists is not None

    @property
    def is_bipartite_events(self) -> bool:
        """Whether this is a log of user-item events: edges from users to items, the first two kinds of node. Others,
        such as the entities of an item knowledge graph, have side edges only."""
        return self.ids.kinds[:2] == ("user", "item")

    def replace(self, **changes: object) -> Graph:
        """A copy with some fields changed; with other edges it has neighbour lists of its own, in memory."""
        if any(name in changes for name in OF_LISTS):
            changes = {"lists": None, **changes}
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def take_edges(self, which: np.ndarray) -> Graph:
        """The same nodes with only the edges that `which` (a mask or positions) selects."""
        return self.replace(
            edges=np.stack([row[which] for row in self.edges]),
            **{
                name: getattr(self, name)[which]
                for name in ("relation", "weight", "time")
                if getattr(self, name) is not None
            },
        )

    def take_nodes(self, rows: np.ndarray) -> Graph:
        """The subgraph of the nodes at `rows`, distinct and kind after kind, which stand in this order then.

        Ids, features, labels, targets and texts stay with their nodes; edges and side edges with another end go.
        Relation names and label names stay, so that their numbers mean the same.
        """
        rows = np.asarray(rows, dtype=np.int64)
        place = np.full(self.num_nodes, -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        inner = self.take_edges((place[self.edges] >= 0).all(axis=0))
        changes: dict[str, Any] = {"edges": place[inner.edges], "ids": self.ids.take(rows)}
        for name in ("features", "labels", "targets"):
            if getattr(self, name) is not None:
                changes[name] = getattr(self, name)[rows]
        if self.texts is not None:
            changes["texts"] = tuple(self.texts[row] for row in rows)
        if self.side is not None:
            moved = {name: place[edges] for name, edges in self.side.items()}
            changes["side"] = {name: ends[:, (ends >= 0).all(axis=0)] for name, ends in moved.items()}
        return inner.replace(**changes)

    def adjacency(self, direction: str = "out") -> CSR:
        """Neighbours by row: of edges out of a node, into it, or "both".

        An undirected graph gives both whatever `direction` says.
        """
        one_of("direction", "Graph.adjacency", direction, ("out", "in", "both"))
        if not self.directed:
            direction = "both"
        return getattr(self, f"_csr_{direction}")

    @cached_property
    def _csr_out(self) -> CSR:
        return self._csr("out")

    @cached_property
    def _csr_in(self) -> CSR:
        return self._csr("in")

    @cached_property
    def _csr_both(self) -> CSR:
        return self._csr("both")

    def _csr(self, direction: str) -> CSR:
        if self.lists is not None:
            return self.lists.read(direction)
        from graphtune.kernels.csr import neighbour_lists  # late: whoever only reads a graph compiles nothing

        source, target = self.edges[::-1] if direction == "in" else self.edges
        return CSR(*neighbour_lists(source, target, self.weight, self.num_nodes, direction == "both"))

    def sparse(self, direction: str = "out", weighted: bool = True) -> sp.csr_array:
        """[N, N] adjacency matrix, float32; parallel edges are summed."""
        csr = self.adjacency(direction)
        values = csr.weight
        if values is None or not weighted:
            values = np.ones(len(csr.indices), dtype=np.float32)
        shape = (self.num_nodes, self.num_nodes)
        matrix = sp.csr_array((values, csr.indices, csr.indptr), shape=shape, copy=True)  # as the sums go in place
        matrix.sum_duplicates()
        return matrix

    def side_matrix(self) -> sp.csr_array:
        """[N, N] float32, symmetric: 1 where any side edge joins two nodes, 0 on the diagonal."""
        lists = [np.empty((2, 0), dtype=np.int64), *(self.side or {}).values()]
        u, v = np.concatenate(lists, axis=1)
        ends = np.concatenate([u, v])[np.tile(u != v, 2)], np.concatenate([v, u])[np.tile(u != v, 2)]
        shape = (self.num_nodes, self.num_nodes)
        matrix = sp.coo_array((np.ones(len(ends[0]), dtype=np.float32), ends), shape=shape).tocsr()
        matrix.data[:] = 1
        return sp.csr_array(matrix)

    def strength(self, direction: str = "both") -> np.ndarray:
        """[N] float64, the weights of each node's edges summed: of those out of it, into it, or both (loops once)."""
        one_of("direction", "Graph.strength", direction, ("out", "in", "both"))
        from graphtune.kernels.csr import add_weights

        if not self.directed:
            direction = "both"
        total, none = np.zeros(self.num_nodes), np.empty(0, dtype=np.float32)
        for u, v, *weight in blocks(*self.edges, *([] if self.weight is None else [self.weight])):
            if direction != "in":
                add_weights(u, v, weight[0] if weight else none, True, total)
            if direction != "out":
                add_weights(v, u, weight[0] if weight else none, direction == "in", total)
        return total

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over everything that the graph holds: the same data gives the same text."""
        digest = hashlib.sha256(repr((self.directed, self.ids.kinds, self.label_names)).encode())
        for block in (*self.ids.blocks, *(self.relation_ids.blocks if self.relation_ids else ())):
            for begin in range(0, len(block), IDS_AT_ONCE):
                part = block[begin : begin + IDS_AT_ONCE].to_pylist()
                digest.update(("\n" * (begin > 0) + "\n".join(map(str, part))).encode())
        features: Any = self.features
        dense = None if sp.issparse(features) else features
        sparse = (features.data, features.indices, features.indptr) if sp.issparse(features) else ()
        fields = (
            self.edges,
            self.relation,
            self.weight,
            self.time,
            self.labels,
            self.targets,
            dense,
            *sparse,
        )
        for array in fields:
            if array is None:
                digest.update(b"-")
                continue
            for (part,) in blocks(np.ascontiguousarray(array).reshape(-1)):
                digest.update(part.data)
        digest.update("\n".join(self.texts or ()).encode())
        for name, edges in sorted((self.side or {}).items()):
            digest.update(f"side {name}".encode())
            digest.update(np.ascontiguousarray(edges).data)
        return digest.hexdigest()

    def _check_rows(self, name: str, edges: np.ndarray) -> None:
        for ends in blocks(*edges):
            for end in ends:
                if end.min() < 0 or end.max() >= self.num_nodes:
                    raise bad(name, "Graph", f"rows in [0, {self.num_nodes})", int(end.max()))

    def _check_side(self) -> None:
        if self.side is None:
            return
        side = {}
        for name, edges in self.side.items():
            side[name] = np.array(edges, dtype=np.int64).reshape(2, -1)
            self._check_rows(f"side[{name!r}]", side[name])
            side[name].flags.writeable = False
        object.__setattr__(self, "side", MappingProxyType(side) if side else None)

    def _check_length(self, name: str, length: int, unit: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        got = value.shape[0] if hasattr(value, "shape") else len(value)
        if got != length:
            raise bad(name, "Graph", f"one entry per {unit}, {length} in all", f"{got} entries")

    def _cast(self, name: str, dtype: type) -> None:
        value = getattr(self, name)
        if value is not None:
            object.__setattr__(self, name, np.ascontiguousarray(value, dtype=dtype))
