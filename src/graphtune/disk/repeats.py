"""Edges that are given more than once, found in passes over ranges of nodes, as neighbour lists are built.

Axes: N nodes, E edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from graphtune.disk.lists import row_ranges

Edges = Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]
"""Reads all edges anew: blocks of sources, targets and positions."""

ENTRY_BYTES = 48  # of an edge in a pass: neighbour, position, and the search for equal ones


@dataclass(frozen=True)
class Repeats:
    """Edges that repeat an earlier one, of one range of nodes.

    Attributes:
        positions: of the edges.
        turned: whether each is the earliest one of its group turned round.
    """

    positions: np.ndarray
    turned: np.ndarray


def find_repeats(edges: Edges, num_nodes: int, directed: bool, memory: int) -> Iterator[Repeats]:
    """The edges that share both ends with an earlier one, whichever way round if undirected.

    Args:
        edges: reads them.
        num_nodes: N.
        directed: whether u -> v differs from v -> u.
        memory: bytes that a pass may take for entries.
    """
    from graphtune.kernels.csr import count

    start = np.zeros(num_nodes + 1, dtype=np.int64)
    for u, v, _ in edges():
        count(u if directed else np.minimum(u, v), 1, v, start)
    np.cumsum(start, out=start)
    for first, last in row_ranges(start, memory // ENTRY_BYTES):
        yield _one_pass(edges, directed, first, start[first : last + 1] - start[first])


def _one_pass(edges: Edges, directed: bool, first: int, own: np.ndarray) -> Repeats:
    from graphtune.kernels.csr import keep_rows, sort_rows

    other, edge = np.empty(
        (2, own[-1]), dtype=np.int64
    )  # edge: twice its position, and 1 where the higher end is first
    place, none = own[:-1].copy(), own[:0]
    for u, v, position in edges():
        low, high = (u, v) if directed else (np.minimum(u, v), np.maximum(u, v))
        keep_rows(low, high, 2 * position + (u != low), first, first + len(place), place, none, other, edge)
    sort_rows(own, other, edge)
    is_first = np.ones(len(other), dtype=bool)
    is_first[1:] = other[1:] != other[:-1]
    is_first[own[:-1][own[:-1] < len(other)]] = True
    repeat = np.flatnonzero(~is_first)
    begins = np.flatnonzero(is_first)
    earliest = edge[begins[np.searchsorted(begins, repeat, side="right") - 1]]
    return Repeats(edge[repeat] >> 1, ((edge[repeat] ^ earliest) & 1).astype(bool))
