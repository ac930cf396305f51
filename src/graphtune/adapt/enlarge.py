"""A graph with further nodes and edges, under the ids of the one that it grows from.

Axes: n nodes before and E edges, m nodes of the facts and F edges, N nodes after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.split.keys import endpoints, row_key

WHO = "add_nodes"
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Enlarged:
    """A graph that has grown.

    Attributes:
        graph: the edges there were, in their order, and behind them the new ones.
        rows: [n] where each node that was there is now.
        edges_before: E, the number of edges that were there.
        known: facts that were there already, or stood twice, and were left out.
    """

    graph: Graph
    rows: np.ndarray
    edges_before: int
    known: int

    @property
    def new(self) -> np.ndarray:
        """[N] bool, the nodes that were not there."""
        new = np.ones(self.graph.num_nodes, dtype=bool)
        new[self.rows] = False
        return new

    @property
    def added(self) -> np.ndarray:
        """[E + F] bool, the edges that were not there."""
        return np.arange(self.graph.num_edges) >= self.edges_before


def enlarge(graph: Graph, facts: Graph, anything: bool = False) -> Enlarged:
    """The graph with what is new in the facts: nodes, behind those of their kind, and edges.

    Labels, targets and texts of new nodes are unknown; features are those that the facts give them. Side edges are
    those of both.

    Args:
        graph: in memory.
        facts: with the same relations, or fewer; weights, times and features where the graph has them, and only there.
        anything: whether facts may be about known nodes alone, or about new ones alone.

    Raises:
        ArgumentError: a relation is unknown, an id does not fit, no node or every node is known (unless `anything`), or
            one of the two has something that the other lacks.
    """
    _check_alike(graph, facts)
    ids, rows, row_of = _joined_ids(graph.ids, facts.ids, anything)
    fields: dict[str, Any] = {"edges": np.concatenate([rows[graph.edges], row_of[facts.edges]], axis=1)}
    if graph.relation is not None:
        fields["relation"] = np.concatenate([graph.relation, _relations(graph, facts)])
    for name in ("weight", "time"):
        if getattr(graph, name) is not None:
            fields[name] = np.concatenate([getattr(graph, name), getattr(facts, name)])
    fields |= _of_nodes(graph, facts, rows, row_of, len(ids))
    fields["side"] = _side(graph, facts, rows, row_of)
    whole = graph.replace(ids=ids, **fields)
    kept = _first_told(whole, graph.num_edges)
    return Enlarged(whole.take_edges(kept), rows, graph.num_edges, int((~kept).sum()))


def _check_alike(graph: Graph, facts: Graph) -> None:
    if graph.on_disk or facts.on_disk:
        raise bad("facts", WHO, "for a model whose graph is in memory, and in memory themselves", "a graph on disk")
    if graph.directed != facts.directed:
        kind = {True: "directed", False: "undirected"}
        raise bad("facts", WHO, f"{kind[graph.directed]}, as the graph of the model", f"{kind[facts.directed]} edges")
    for name in ("relation", "weight", "time", "features"):
        ours, theirs = (getattr(g, name) is not None for g in (graph, facts))
        if ours != theirs:
            word = name if name == "features" else f"{name}s"
            need, got = (f"{'with' if has else 'without'} {word}" for has in (ours, theirs))
            fix = f"Name the column of {word}." if ours and name in ("weight", "time") else ""
            raise bad("facts", WHO, f"{need}, as the graph of the model", f"facts {got}", fix)
    if facts.features is not None and graph.features is not None and facts.features.shape[1] != graph.features.shape[1]:
        raise bad("facts", WHO, f"with {graph.features.shape[1]} features a node", facts.features.shape[1])


def _relations(graph: Graph, facts: Graph) -> np.ndarray:
    """[F] the graph's number of the relation of each fact."""
    assert graph.relation_ids is not None and facts.relation_ids is not None and facts.relation is not None
    used = np.unique(facts.relation)
    number = np.full(len(facts.relation_ids), -1, dtype=np.int64)
    names = facts.relation_ids.values(used)
    number[used] = graph.relation_ids.index(names, missing="mark") if names else used
    unknown = [name for name, known in zip(names, number[used] >= 0) if not known]
    if unknown:
        fix = "Relations have rows that are learned in training; train anew to have others."
        what = f"of relations that the model knows, such as {graph.relation_ids.values([0])[0]!r}"
        raise bad("facts", WHO, what, unknown[:SHOWN], fix)
    return number[facts.relation]


def _joined_ids(ours: NodeIds, theirs: NodeIds, anything: bool) -> tuple[NodeIds, np.ndarray, np.ndarray]:
    """The ids of both; [n] the row of each of ours, and [m] of each of theirs."""
    strange = [kind for kind in theirs.kinds if kind not in ours.kinds]
    if strange:
        raise bad("facts", WHO, f"on nodes of the kinds {', '.join(ours.kinds)}", ", ".join(strange))
    found, blocks = np.empty(len(theirs), dtype=np.int64), []
    for kind, block in zip(ours.kinds, ours.blocks):
        fresh = block[:0]
        if kind in theirs.kinds:
            span, wanted = theirs.rows(kind), theirs.blocks[theirs.kinds.index(kind)]
            at = ours.index(wanted, kind, missing="mark") if len(wanted) else np.empty(0, dtype=np.int64)
            fresh = _as_type(wanted.filter(pa.array(at < 0)), block.type)
            at[at < 0] = -1 - np.arange(len(fresh))  # the first new one is -1, the next -2
            found[span.start : span.stop] = at
        blocks.append((block, fresh))
    if not anything:
        _check_overlap(ours, theirs, found)
    return _placed(ours, theirs, found, blocks)


def _placed(
    ours: NodeIds, theirs: NodeIds, found: np.ndarray, blocks: list[tuple[pa.Array, pa.Array]]
) -> tuple[NodeIds, np.ndarray, np.ndarray]:
    """The joined ids and the rows of both in them; `found` has rows of ours, and -1, -2, ... for new ids of a kind."""
    ids = NodeIds(tuple(pa.concat_arrays([block, fresh]) for block, fresh in blocks), ours.kinds)
    moved = ids.starts[:-1] - ours.starts[:-1]  # a block begins later for the new nodes of those before it
    rows = np.arange(len(ours)) + moved[ours.kinds_of(np.arange(len(ours)))]
    at = np.array([ours.kinds.index(kind) for kind in theirs.kinds], dtype=np.int64)
    kind = at[theirs.kinds_of(np.arange(len(theirs)))]
    behind = ids.starts[kind] + (ours.starts[kind + 1] - ours.starts[kind]) - 1 - found
    row_of = np.where(found < 0, behind, rows[np.maximum(found, 0)])
    return ids, rows, row_of


def _check_overlap(ours: NodeIds, theirs: NodeIds, found: np.ndarray) -> None:
    if (found >= 0).all():
        raise bad("facts", WHO, "about a node that the model does not know", f"{len(found):,} nodes, all known")
    if not (found >= 0).any():
        fix = f"Ids of the model look like {', '.join(map(repr, ours.values(np.arange(min(SHOWN, len(ours))))))}."
        got = theirs.values(np.arange(min(SHOWN, len(theirs))))
        raise bad("facts", WHO, "about nodes that the model knows, too", got, fix)


def _as_type(fresh: pa.Array, to: pa.DataType) -> pa.Array:
    """New ids as strings or integers, as those of the model are."""
    if fresh.type.equals(to) or pa.types.is_string(to):
        return fresh.cast(to)
    try:
        return fresh.cast(to)
    except pa.ArrowInvalid:
        wrong = fresh.filter(pc.invert(pc.match_substring_regex(fresh, r"^-?[0-9]+$")))
        shown = wrong[:SHOWN].to_pylist() or fresh[:SHOWN].to_pylist()
        raise bad("facts", WHO, "of integer ids, as the nodes of the model have", shown) from None


def _side(graph: Graph, facts: Graph, rows: np.ndarray, row_of: np.ndarray) -> dict[str, np.ndarray] | None:
    """The side edges of both by name: those there were, and behind them the new pairs, each once."""
    side = {name: rows[edges] for name, edges in (graph.side or {}).items()}
    for name, edges in (facts.side or {}).items():
        known = side.get(name, np.empty((2, 0), dtype=np.int64))
        both = np.concatenate([known, row_of[edges]], axis=1)
        kept = np.arange(both.shape[1]) < known.shape[1]
        kept[np.unique(row_key(*both), return_index=True)[1]] = True
        side[name] = both[:, kept]
    return side or None


def _of_nodes(graph: Graph, facts: Graph, rows: np.ndarray, row_of: np.ndarray, count: int) -> dict[str, Any]:
    """What the enlarged graph says of its nodes."""
    fields: dict[str, Any] = {}
    if graph.features is not None:
        fields["features"] = _features(graph, facts, rows, row_of, count)
    if graph.labels is not None:
        unknown = -1 if graph.labels.ndim == 1 else False
        fields["labels"] = np.full((count, *graph.labels.shape[1:]), unknown, dtype=graph.labels.dtype)
        fields["labels"][rows] = graph.labels
    if graph.targets is not None:
        fields["targets"] = np.full(count, np.nan)
        fields["targets"][rows] = graph.targets
    if graph.texts is not None:
        texts = [""] * count
        for row, text in zip(rows.tolist(), graph.texts):
            texts[row] = text
        fields["texts"] = tuple(texts)
    return fields


def _features(graph: Graph, facts: Graph, rows: np.ndarray, row_of: np.ndarray, count: int) -> Any:
    """[N, f] features of nodes that were there, and of new ones those that the facts have."""
    new = np.ones(count, dtype=bool)
    new[rows] = False
    theirs = np.flatnonzero(new[row_of])
    source = np.empty(count, dtype=np.int64)
    source[rows] = np.arange(len(rows))
    source[row_of[theirs]] = len(rows) + np.arange(len(theirs))
    ours, more = graph.features, facts.features[theirs]  # type: ignore[index]
    if sp.issparse(ours) or sp.issparse(more):
        return sp.csr_array(sp.vstack([sp.csr_array(ours), sp.csr_array(more)]))[source]
    return np.concatenate([ours, more])[source]  # type: ignore[list-item]


def _first_told(graph: Graph, before: int) -> np.ndarray:
    """[E] which edges say something new: the first `before`, and those that equal no earlier one.

    The same at another time is new only where the first ones have such repeats: elsewhere cleaning has merged them.
    """
    said = [*endpoints(graph), *(() if graph.relation is None else (graph.relation,))]
    key = row_key(*said)
    if graph.time is not None and len(np.unique(key[:before])) < before:
        key = row_key(*said, graph.time)
    first = np.unique(key, return_index=True)[1]
    kept = np.arange(graph.num_edges) < before
    kept[first] = True
    return kept
