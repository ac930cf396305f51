"""Part numbers, and keys that say which edges belong together. Axes: E edges, G groups, R relations, P pairs."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from graphtune.graph import Graph

TRAIN, VALID, TEST, UNUSED = range(4)
PARTS = ("train", "valid", "test", "unused")

KEY_LIMIT = 2**61  # leaves two bits for a part number beside the key
OVERLAP = 0.8


def row_key(*columns: np.ndarray) -> np.ndarray:
    """[E] int64 in [0, KEY_LIMIT), equal for two rows exactly if they agree in all columns."""
    key = np.zeros(len(columns[0]), dtype=np.int64)
    span = 1
    for column in columns:
        is_code = column.dtype.kind in "iu" and column.min(initial=0) >= 0
        width = int(column.max(initial=0)) + 1 if is_code else KEY_LIMIT
        if span * width >= KEY_LIMIT:
            key, column = _dense(key), _dense(column)
            span, width = _span(key), _span(column)
        key = key * width + column
        span *= width
    return key


def endpoints(graph: Graph, edges: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of each edge; of an undirected one the smaller row first, so that u-v is v-u."""
    u, v = graph.edges if edges is None else edges
    return (u, v) if graph.directed else (np.minimum(u, v), np.maximum(u, v))


def edge_key(graph: Graph, timed: bool = False) -> np.ndarray:
    """[E] equal for edges that must share a part.

    Undirected: the pair of nodes, whichever way round. Directed: source, target and relation. With `timed` an
    edge counts anew at every time.
    """
    columns = list(endpoints(graph))
    if graph.relation is not None and graph.directed:
        columns.append(graph.relation)
    if graph.time is not None and timed:
        columns.append(graph.time)
    return row_key(*columns)


def group_by(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group number of each entry [E], and the position of one member of each group [G]."""
    in_order = np.sort(key)  # far quicker than np.unique, and most graphs have no repeated edge
    if not (in_order[1:] == in_order[:-1]).any():
        every = np.arange(len(key))
        return every, every
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    return group, first


def sort_within(group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Positions sorted by `group`, those of one group in the sequence that `order` lists them."""
    width = len(order)
    packed = np.sort(group[order] * width + np.arange(width))
    return order[packed % width] if width else order


def rank_within(sorted_group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each entry of an ascending array: its place in its group, 0 first, and the size of the group."""
    size = np.bincount(sorted_group)
    start = np.cumsum(size) - size
    return np.arange(len(sorted_group)) - start[sorted_group], size[sorted_group]


def pair_numbers(graph: Graph) -> np.ndarray:
    """[2, E] a number for the pair (head, tail) of each triple, and for the pair (tail, head)."""
    head, tail = graph.edges
    return _dense(row_key(np.concatenate([head, tail]), np.concatenate([tail, head]))).reshape(2, -1)


def incidence(graph: Graph, pairs: np.ndarray, which: np.ndarray, backward: bool = False) -> sp.csr_array:
    """[R, P] 1 where a triple that the mask `which` selects has that relation and pair, self-loops left out.

    `pairs` is from `pair_numbers`; with `backward` the pairs are turned round: (tail, head).
    """
    which = which & (graph.edges[0] != graph.edges[1])
    at = (np.asarray(graph.relation)[which], pairs[int(backward), which])
    matrix = sp.csr_array((np.ones(len(at[0]), np.int64), at), shape=(graph.num_relations, _span(pairs)))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def linked_relations(graph: Graph, pairs: np.ndarray, which: np.ndarray) -> tuple[sp.csr_array, sp.csr_array]:
    """Which relations say the same thing twice: near-inverse and near-duplicate, both [R, R] of 0 and 1.

    r and r' are near-inverse if at least 0.8 of the pairs of each are pairs of the other turned round (r = r'
    for a symmetric relation), near-duplicate if at least 0.8 of the pairs of each are pairs of the other:
    Akrami et al., "Realistic Re-evaluation of Knowledge Graph Completion Methods", SIGMOD 2020.
    """
    forward, backward = incidence(graph, pairs, which), incidence(graph, pairs, which, backward=True)
    size = forward.sum(axis=1)
    inverse = _overlapping(forward @ backward.T, size)
    duplicate = _overlapping(forward @ forward.T, size)
    duplicate.setdiag(0)
    duplicate.eliminate_zeros()
    return inverse, duplicate


def fact_key(graph: Graph) -> np.ndarray:
    """[E] equal for triples between the same entities whose relations are linked, however indirectly."""
    inverse, duplicate = linked_relations(graph, pair_numbers(graph), np.ones(graph.num_edges, dtype=bool))
    links = inverse + duplicate
    family = connected_components(links, directed=False)[1][graph.relation]
    turned = (np.bincount(links.nonzero()[0], minlength=graph.num_relations) > 0)[graph.relation]
    head, tail = graph.edges
    low, high = np.minimum(head, tail), np.maximum(head, tail)
    return row_key(np.where(turned, low, head), np.where(turned, high, tail), family)


def _overlapping(common: sp.csr_array, size: np.ndarray) -> sp.csr_array:
    common = sp.coo_array(common)
    row, column = common.coords
    close = common.data >= OVERLAP * np.maximum(size[row], size[column])
    return sp.csr_array((np.ones(close.sum(), np.int64), (row[close], column[close])), shape=common.shape)


def _dense(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def _span(codes: np.ndarray) -> int:
    return int(codes.max(initial=0)) + 1
