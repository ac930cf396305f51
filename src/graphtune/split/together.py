"""Splits that are used together: what one hides, none may show."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from graphtune.check import LeakError
from graphtune.findings import EXAMPLES
from graphtune.graph import Graph
from graphtune.split.keys import PARTS, TRAIN, UNUSED, row_key
from graphtune.split.leaks import edge_text
from graphtune.split.parts import Split


def audit_together(splits: Mapping[str, Split]) -> None:
    """Refuse splits of the same nodes of which one shows an edge in an earlier part than another.

    Two splits of edges must first have a shared edge in the same part: an edge that one task trains on cannot be
    predicted by another, nor choose the weights that do. No edge that arrives with later nodes in an inductive split
    may be trained on. Edges are compared either way round unless both graphs are directed, and by relation where both
    have the same ones. The parts of nodes may differ, as the labels of two tasks are two facts.

    Args:
        splits: by the name of the task.

    Raises:
        LeakError: naming two tasks, how many edges they disagree on, and the first of them.
    """
    for (name, split), (other, second) in combinations(splits.items(), 2):
        if split is second or (split.graph is second.graph and np.array_equal(split.part, second.part)):
            continue
        if split.unit == second.unit == "edge":
            _compare(name, split.graph, split.part, other, second.graph, second.part)
        elif split.unit != second.unit:
            names, pair = ((name, other), (split, second)) if split.unit == "edge" else ((other, name), (second, split))
            if pair[1].edge_part is not None:
                shown = np.where(pair[0].part == TRAIN, TRAIN, UNUSED)
                _compare(names[0], pair[0].graph, shown, names[1], pair[1].graph, pair[1].edge_part)


def _compare(name: str, graph: Graph, part: np.ndarray, other: str, second: Graph, second_part: np.ndarray) -> None:
    keys = _keys(graph, second)
    of, at, first = _first_parts(keys[0], part)
    of_second, _, first_second = _first_parts(keys[1], second_part)
    _, here, there = np.intersect1d(of, of_second, assume_unique=True, return_indices=True)
    differ = first[here] != first_second[there]
    if not differ.any():
        return
    edges, parts = at[here[differ]], (first[here[differ]], first_second[there[differ]])
    shown = [
        f"{edge_text(graph, edge)}, {PARTS[a]} of {name} and {PARTS[b]} of {other}"
        for edge, a, b in list(zip(edges, *parts))[:EXAMPLES]
    ]
    raise LeakError(
        f"The splits of {name} and {other} must have each edge in the same part. Got {len(edges):,} edges that one "
        f"shows earlier than the other (first: {'; '.join(shown)}). Give both tasks the same split of the edges."
    )


def _keys(graph: Graph, second: Graph) -> tuple[np.ndarray, np.ndarray]:
    """A number for each edge of both graphs, equal where they are the same edge."""
    source, target = np.concatenate([graph.edges, second.edges], axis=1)
    if not (graph.directed and second.directed):
        source, target = np.minimum(source, target), np.maximum(source, target)
    columns = [source, target]
    if graph.relation is not None and second.relation is not None and graph.relation_ids == second.relation_ids:
        columns.append(np.concatenate([graph.relation, second.relation]))
    key = row_key(*columns)
    return key[: graph.num_edges], key[graph.num_edges :]


def _first_parts(key: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each key in use: itself, the first edge that has it in its earliest part, and that part."""
    used = np.flatnonzero(part < UNUSED)
    order = used[np.lexsort((part[used], key[used]))]
    keys, at = np.unique(key[order], return_index=True)
    return keys, order[at], part[order[at]]
