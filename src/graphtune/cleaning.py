"""Cleaning a graph with an account of everything found: nothing is dropped silently.

Axes: N nodes, E edges, R relations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from graphtune.check import bad, integer, one_of
from graphtune.findings import EXAMPLES, Finding, Report
from graphtune.graph import Graph

DUPLICATES = ("first", "sum", "max", "keep")
OUTLIER_SCORE = 3.5  # modified z-score and multiple of the median above which a degree is noted
OUTLIER_RATIO = 10
OVERLAP = 0.8  # Jaccard overlap of (head, tail) pairs from which two relations are noted


@dataclass(frozen=True)
class Cleaning:
    """What `clean` changes. Edges whose weight or time cannot be used always go: no model takes them.

    Attributes:
        duplicates: what becomes of edges given more than once. Two edges are the same when source, target and
            relation are; in an undirected graph the reversed edge is the same too. "first" keeps the earliest
            (by time where there are times, else by position) with its weight; "sum" and "max" keep that edge
            with the sum or the maximum of the weights ("sum" counts edges that have no weights); "keep" leaves
            parallel edges alone.
        drop_self_loops: None drops them, except from a graph with relations, where (h, r, h) is a statement.
        k_core: drop nodes until every node left has at least this many edges to other nodes (0: off). In a graph
            of events this holds for users and items alike.
        largest_component: keep the largest (weakly) connected component alone.
        drop_isolated: drop nodes without an edge; otherwise they stay and are counted.
    """

    duplicates: str = "first"
    drop_self_loops: bool | None = None
    k_core: int = 0
    largest_component: bool = False
    drop_isolated: bool = False

    def __post_init__(self) -> None:
        one_of("duplicates", "Cleaning", self.duplicates, DUPLICATES)
        integer("k_core", "Cleaning", self.k_core, low=0)
        for name in ("largest_component", "drop_isolated"):
            one_of(name, "Cleaning", getattr(self, name), (True, False))
        one_of("drop_self_loops", "Cleaning", self.drop_self_loops, (None, True, False))


STANDARD = Cleaning()
LOOK_ONLY = Cleaning(duplicates="keep", drop_self_loops=False)
"""Report without merging or dropping: for edges that must keep their places, such as published splits."""


def clean(graph: Graph, rules: Cleaning = STANDARD, strict: bool = False, source: str = "") -> tuple[Graph, Report]:
    """The cleaned graph and a report of what was found in it.

    Args:
        graph: any graph; it is not changed. Weights and times may hold values that are not finite.
        rules: what to merge and drop.
        strict: raise instead when anything would be changed.
        source: the name of the data in the report.

    Raises:
        DataError: with `strict`, naming the first thing that would be changed.
    """
    findings: list[Finding] = []
    for step in (_without_unusable, _without_loops_and_duplicates, _core):
        graph, found = step(graph, rules)
        findings += found
    degree = np.bincount(graph.edges.ravel(), minlength=graph.num_nodes)
    findings += [*_degree_outliers(graph, degree), *_related_relations(graph)]
    graph, found = _isolated(graph, degree == 0, rules)
    findings += found
    graph, num_components, found = _components(graph, rules)
    report = Report(source).add([*findings, *found], **summary(graph), components=num_components)
    if strict:
        report.refuse()
    return graph, report


def summary(graph: Graph) -> dict[str, int]:
    """Counts of nodes (by kind where there are several), edges and relations."""
    counts = {"nodes": graph.num_nodes}
    if len(graph.ids.kinds) > 1:
        counts |= {f"{kind}s": len(block) for kind, block in zip(graph.ids.kinds, graph.ids.blocks)}
    counts["edges"] = graph.num_edges
    if graph.relation_ids is not None:
        counts["relations"] = graph.num_relations
    return counts


def keep_nodes(graph: Graph, keep: np.ndarray) -> Graph:
    """The subgraph of the nodes that `keep`, a mask [N], selects; see `Graph.take_nodes`."""
    keep = np.asarray(keep)
    if keep.dtype != np.bool_ or keep.shape != (graph.num_nodes,):
        raise bad("keep", "keep_nodes", f"a mask of {graph.num_nodes} booleans", f"{keep.dtype} {keep.shape}")
    return graph.take_nodes(np.flatnonzero(keep))


def components(edges: np.ndarray, num_nodes: int) -> np.ndarray:
    """[N] int32 number of the (weakly) connected component of every node."""
    few = 2 * num_nodes  # most nodes join through a sample; the search then runs on what still joins two parts
    part = _components_of(edges[0, :few], edges[1, :few], num_nodes)
    if edges.shape[1] <= few:
        return part
    source, target = part[edges[0, few:]], part[edges[1, few:]]
    joins = source != target
    return _components_of(source[joins], target[joins], int(part.max()) + 1)[part]


def core_members(graph: Graph, k: int) -> np.ndarray:
    """[N] bool, whether each node is in the k-core: the largest subgraph with at least `k` edges at every node.

    Self-loops do not count; parallel edges count each. After Batagelj and Zaversnik (2003), a layer at a time.
    """
    away = graph.edges[:, graph.edges[0] != graph.edges[1]]
    source, target = np.concatenate([away, away[::-1]], axis=1)
    n = graph.num_nodes
    ties = sp.coo_array((np.ones(len(source), dtype=np.int64), (source, target)), shape=(n, n)).tocsr()
    degree = np.bincount(source, minlength=n)
    member = np.ones(n, dtype=bool)
    layer = np.flatnonzero(degree < k)
    while layer.size:
        member[layer] = False
        lost = ties[layer]
        np.subtract.at(degree, lost.indices, lost.data)
        touched = np.unique(lost.indices)
        layer = touched[member[touched] & (degree[touched] < k)]
    return member


def _without_unusable(graph: Graph, rules: Cleaning) -> tuple[Graph, list[Finding]]:
    faults: list[tuple[str, np.ndarray, np.ndarray]] = []
    if graph.weight is not None:
        weight = graph.weight
        faults.append(("edges with a weight that is not finite", ~np.isfinite(weight), weight))
        faults.append(("edges with a weight below zero", (weight < 0) & np.isfinite(weight), weight))
        faults.append(("edges of weight zero", weight == 0, weight))
    if graph.time is not None:
        faults.append(("edges with a time that is not finite", ~np.isfinite(graph.time), graph.time))
    findings = []
    drop = np.zeros(graph.num_edges, dtype=bool)
    for what, fault, values in faults:
        if fault.any():
            drop |= fault
            first = np.flatnonzero(fault)[:EXAMPLES]
            names = tuple(f"{name}: {values[i]:g}" for name, i in zip(_edge_names(graph, first), first))
            findings.append(Finding(what, int(fault.sum()), "dropped", names))
    return (graph.take_edges(~drop) if drop.any() else graph), findings


def _without_loops_and_duplicates(graph: Graph, rules: Cleaning) -> tuple[Graph, list[Finding]]:
    drop, findings = _self_loops(graph, rules)
    order, first = _groups(graph)
    repeat, found = _repeats(graph, rules, order, first, drop)
    if repeat.any() and rules.duplicates in ("sum", "max"):
        graph = graph.replace(weight=_merged_weight(graph, order, first, rules.duplicates))
    drop |= repeat
    return (graph.take_edges(~drop) if drop.any() else graph), findings + found


def _self_loops(graph: Graph, rules: Cleaning) -> tuple[np.ndarray, list[Finding]]:
    """[E] bool, which edges to drop as self-loops."""
    loop = graph.edges[0] == graph.edges[1]
    if not loop.any():
        return loop, []
    drop = graph.relation is None if rules.drop_self_loops is None else rules.drop_self_loops
    found = _edge_finding(graph, "self-loops", loop, "dropped" if drop else "kept")
    return loop & drop, [found]


def _repeats(
    graph: Graph, rules: Cleaning, order: np.ndarray, first: np.ndarray, gone: np.ndarray
) -> tuple[np.ndarray, list[Finding]]:
    """[E] bool, which edges to merge into an earlier one, given the groups of equal edges and those `gone` already."""
    repeat = np.zeros(graph.num_edges, dtype=bool)
    if first.all():
        return repeat, []
    repeat[order] = ~first
    repeat &= ~gone
    kept = order[np.flatnonzero(first)[np.cumsum(first) - 1]]
    back = np.zeros(graph.num_edges, dtype=bool)
    back[order] = graph.edges[0, order] != graph.edges[0, kept]
    merge = rules.duplicates != "keep"
    findings = [
        _edge_finding(graph, what, which, "merged" if merge else "kept")
        for what, which in (("edges given in both directions", back), ("repeated edges", repeat & ~back))
        if which.any()
    ]
    return repeat & merge, findings


def _merged_weight(graph: Graph, order: np.ndarray, first: np.ndarray, how: str) -> np.ndarray | None:
    if graph.weight is None and how == "max":
        return None
    weight = np.ones(graph.num_edges) if graph.weight is None else graph.weight.astype(np.float64)
    combine = np.add if how == "sum" else np.maximum
    weight[order[first]] = combine.reduceat(weight[order], np.flatnonzero(first))
    return weight


def _groups(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """All edges that share their ends and relation with another (and some others), group by group.

    Returns:
        order: [M] positions of these edges, earliest first in a group; first: [M] whether each begins a group.
    """
    key = _edge_key(graph)
    ordered = np.sort(key)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    member = np.flatnonzero(_maybe_in(key, shared))
    order = np.argsort(key[member], kind="stable")
    if graph.time is not None:
        order = np.lexsort((graph.time[member], key[member]))
    order = member[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = key[order[1:]] != key[order[:-1]]
    return order, first


def _maybe_in(key: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Whether each key is in `wanted`, or by chance shares its last bits with one that is.

    A table of bits: for millions of keys many times faster than an exact search, whose result is not needed.
    """
    size = 1 << int(8 * len(wanted) + 1).bit_length()
    table = np.zeros(size, dtype=bool)
    table[wanted & (size - 1)] = True
    return table[key & (size - 1)]


def _edge_key(graph: Graph) -> np.ndarray:
    """[E] int64, the same number for edges that are the same."""
    source, target = graph.edges
    if not graph.directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    base, relations = graph.num_nodes | 1, graph.num_relations | 1  # odd, so that the last bits tell edges apart
    key = source * base
    key += target
    if graph.relation is None:
        return key
    if base**2 * relations > np.iinfo(np.int64).max:
        key = np.unique(key, return_inverse=True)[1]
    return key * relations + graph.relation


def _core(graph: Graph, rules: Cleaning) -> tuple[Graph, list[Finding]]:
    if rules.k_core == 0:
        return graph, []
    member = core_members(graph, rules.k_core)
    return _drop_nodes(graph, ~member, f"nodes outside the {rules.k_core}-core")


def _isolated(graph: Graph, isolated: np.ndarray, rules: Cleaning) -> tuple[Graph, list[Finding]]:
    if rules.drop_isolated:
        return _drop_nodes(graph, isolated, "isolated nodes")
    if not isolated.any():
        return graph, []
    return graph, [_node_finding(graph, "isolated nodes", isolated, "kept")]


def _components(graph: Graph, rules: Cleaning) -> tuple[Graph, int, list[Finding]]:
    part = components(graph.edges, graph.num_nodes)
    size = np.bincount(part)
    if len(size) < 2:
        return graph, len(size), []
    note = f"the largest holds {size.max():,} of {graph.num_nodes:,} nodes"
    found = [Finding("connected components", len(size), "noted", (note,))]
    if not rules.largest_component:
        return graph, len(size), found
    graph, dropped = _drop_nodes(graph, part != size.argmax(), "nodes outside the largest component")
    return graph, 1, found + dropped


def _drop_nodes(graph: Graph, drop: np.ndarray, what: str) -> tuple[Graph, list[Finding]]:
    if not drop.any():
        return graph, []
    return keep_nodes(graph, ~drop), [_node_finding(graph, what, drop, "dropped")]


def _degree_outliers(graph: Graph, degree: np.ndarray) -> list[Finding]:
    """Nodes whose degree lies far above that of others of their kind."""
    kinds = np.split(degree, graph.ids.starts[1:-1])
    high = np.flatnonzero(np.concatenate([_far_above(kind) for kind in kinds]))
    if high.size == 0:
        return []
    top = high[np.argsort(-degree[high], kind="stable")[:EXAMPLES]]
    names = tuple(f"{name} (degree {degree[i]:,})" for name, i in zip(graph.ids.values(top), top))
    return [Finding("nodes of unusually high degree", len(high), "noted", names)]


def _far_above(degree: np.ndarray) -> np.ndarray:
    """Whether each degree is OUTLIER_RATIO times the median, and its logarithm scores OUTLIER_SCORE.

    The score is the modified z-score of Iglewicz and Hoaglin (1993), over the nodes that have edges.
    """
    joined = degree > 0
    if not joined.any():
        return joined
    log = np.log(degree, where=joined, out=np.zeros(len(degree)))
    median = np.median(log[joined])
    distance = np.abs(log[joined] - median)
    spread = np.median(distance) / 0.6745
    if spread == 0:  # more than half of the degrees are equal
        spread = 1.253314 * distance.mean()
    return joined & (log - median > max(OUTLIER_SCORE * spread, np.log(OUTLIER_RATIO)))


def _related_relations(graph: Graph) -> list[Finding]:
    """Pairs of relations that (nearly) say the same, or the same reversed, and symmetric relations."""
    if graph.relation is None or graph.num_edges == 0:
        return []
    forward, backward = _pairs_by_relation(graph)
    size = forward.sum(axis=1)
    same = sp.triu(_overlap(forward, forward, size), k=1)
    reverse = sp.triu(_overlap(forward, backward, size))
    pair = reverse.row != reverse.col
    cases = (
        ("pairs of near-duplicate relations", same.row, same.col, same.data),
        ("pairs of inverse relations", reverse.row[pair], reverse.col[pair], reverse.data[pair]),
        ("symmetric relations", reverse.row[~pair], reverse.col[~pair], reverse.data[~pair]),
    )
    return [_relation_finding(graph, *case) for case in cases if case[1].size]


def _pairs_by_relation(graph: Graph) -> tuple[sp.csr_array, sp.csr_array]:
    """[R, pairs] which (head, tail) and which (tail, head) pairs each relation holds, over the same columns."""
    head, tail = graph.edges
    n = graph.num_nodes
    key, column = np.unique(np.concatenate([head * n + tail, tail * n + head]), return_inverse=True)
    shape = (graph.num_relations, len(key))
    halves = (column[: graph.num_edges], column[graph.num_edges :])
    forward, backward = (
        sp.coo_array((np.ones(graph.num_edges, dtype=np.int64), (graph.relation, half)), shape=shape).tocsr()
        for half in halves
    )
    forward.data[:] = backward.data[:] = 1
    return forward, backward


def _overlap(one: sp.csr_array, other: sp.csr_array, size: np.ndarray) -> sp.coo_array:
    """[R, R] Jaccard overlap where it reaches OVERLAP."""
    both = (one @ other.T).tocoo()
    jaccard = both.data / (size[both.row] + size[both.col] - both.data)
    high = jaccard >= OVERLAP
    return sp.coo_array((jaccard[high], (both.row[high], both.col[high])), shape=both.shape)


def _relation_finding(graph: Graph, what: str, one: np.ndarray, other: np.ndarray, overlap: np.ndarray) -> Finding:
    assert graph.relation_ids is not None
    top = np.argsort(-overlap, kind="stable")[:EXAMPLES]
    left, right = graph.relation_ids.values(one[top]), graph.relation_ids.values(other[top])
    names = (a if a == b else f"{a} and {b}" for a, b in zip(left, right))
    examples = tuple(f"{name} (overlap {overlap[i]:.2f})" for name, i in zip(names, top))
    return Finding(what, len(one), "noted", examples)


def _components_of(source: np.ndarray, target: np.ndarray, num_nodes: int) -> np.ndarray:
    matrix = sp.coo_array((np.ones(len(source)), (source, target)), shape=(num_nodes, num_nodes))
    return connected_components(matrix.tocsr(), directed=False)[1]


def _edge_finding(graph: Graph, what: str, which: np.ndarray, action: str) -> Finding:
    first = np.flatnonzero(which)[:EXAMPLES]
    return Finding(what, int(which.sum()), action, _edge_names(graph, first))


def _node_finding(graph: Graph, what: str, which: np.ndarray, action: str) -> Finding:
    names = graph.ids.values(np.flatnonzero(which)[:EXAMPLES])
    return Finding(what, int(which.sum()), action, tuple(map(str, names)))


def _edge_names(graph: Graph, positions: np.ndarray) -> tuple[str, ...]:
    """Edges as text: "a - b", directed "a -> b", with a relation "a -[r]-> b"."""
    source, target = (graph.ids.values(row[positions]) for row in graph.edges)
    arrow = ["->" if graph.directed else "-"] * len(positions)
    if graph.relation is not None and graph.relation_ids is not None:
        arrow = [f"-[{name}]->" for name in graph.relation_ids.values(graph.relation[positions])]
    return tuple(f"{a} {by} {b}" for a, by, b in zip(source, arrow, target))
