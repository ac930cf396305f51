"""Reading side edges: social links between users, and knowledge graphs of items.

Axes: S side edges, m rows of the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from graphtune.check import DataError, bad, one_of
from graphtune.cleaning import summary
from graphtune.findings import EXAMPLES, Finding, Report
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io.encode import Encoded, encode_ids
from graphtune.io.layout import TextOptions
from graphtune.io.matching import report_on
from graphtune.io.tables import Column, as_path, read_columns

SOCIAL = "social"
ITEM, ENTITY = "item", "entity"
OF_NODES = ("features", "labels", "targets", "texts")


def read_social(
    path: str | Path,
    graph: Graph,
    *,
    name: str = SOCIAL,
    node_kind: str = "user",
    source: Column | None = None,
    target: Column | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    strict: bool = False,
) -> tuple[Graph, Report]:
    """The graph with links between nodes of one kind as side edges: friends, followers, who trusts whom.

    Each pair counts once, whichever way round; links with a node that the graph does not have are dropped and counted.

    Args:
        path: text or Parquet, a link a row.
        graph: it is not changed.
        name: of the side edges; those that the graph has by this name are replaced.
        node_kind: the kind of both ends.
        source, target: columns by name or position; None: those named so, or else the first two.
        delimiter, header, comment: see `read_edges`.
        strict: raise where anything is dropped.

    Raises:
        ArgumentError: a column or the kind of node is not there.
        DataError: the file is missing or damaged, or no link joins two nodes of the graph.
    """
    who = "read_social"
    one_of("node_kind", who, node_kind, graph.ids.kinds)
    path, options = as_path(path, who), TextOptions(delimiter, header, comment)
    (a, b), findings = read_columns(path, who, {"source": source, "target": target}, options)
    ends = encode_ids([a, b], path.name)
    row_of = np.append(graph.ids.index(ends.ids, kind=node_kind, missing="mark"), -1)
    edges = row_of[ends.rows.reshape(2, -1)]
    outside = (edges < 0).any(axis=0)
    findings += [*ends.findings, *_fault("links with a node that is not in the graph", outside, a, b)]
    edges = edges[:, ~outside]
    if not edges.shape[1]:
        ours, theirs = graph.ids.values(list(graph.ids.rows(node_kind))[:EXAMPLES]), ends.ids[:EXAMPLES].to_pylist()
        raise DataError(f"{path.name} must link {node_kind}s of the graph, such as {ours}. Got ids such as {theirs}.")
    edges, more = _once(graph, edges)
    graph = graph.replace(side={**(graph.side or {}), name: edges})
    return graph, report_on(path, [*findings, *more], strict, {f"{name} links": edges.shape[1]})


def read_item_graph(
    path: str | Path,
    graph: Graph,
    *,
    head: Column | None = None,
    relation: Column | None = None,
    tail: Column | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    strict: bool = False,
) -> tuple[Graph, Report]:
    """The graph of events with a knowledge graph of its items as side edges, by the names of their relations.

    Heads and tails that are no items become nodes of the kind "entity", behind users and items; nobody is recommended
    one, and no event has one.

    Args:
        path: text or Parquet, a triple (head, relation, tail) a row, such as (item, "genre", entity).
        graph: of events, without features, labels, targets and texts, which are read afterwards.
        head, relation, tail: columns by name or position; None: those named so, or else the first three.
        delimiter, header, comment: see `read_edges`.
        strict: raise where anything is dropped.

    Raises:
        ArgumentError: a column is not there, the graph is of another sort or has side edges of the name of a relation.
        DataError: the file is missing or damaged, or no triple is about an item of the graph.
    """
    who = "read_item_graph"
    if graph.ids.kinds != ("user", ITEM):
        raise bad("graph", who, "of events, and without entities yet", graph.ids.kinds)
    given = [name for name in OF_NODES if getattr(graph, name) is not None]
    if given:
        raise bad("graph", who, f"without {given[0]}", "a graph that has them", "Read the item graph before them.")
    path, options = as_path(path, who), TextOptions(delimiter, header, comment)
    wanted = {"head": head, "relation": relation, "tail": tail}
    (h, r, t), findings = read_columns(path, who, wanted, options)
    ends, names = encode_ids([h, t], path.name), encode_ids([r], path.name)
    faulty = (ends.rows.reshape(2, -1) < 0).any(axis=0) | (names.rows < 0)
    findings += [*ends.findings, *_fault("triples with a missing id", faulty, h, t)]
    ids, row_of = _with_entities(graph, ends, path)
    edges, relation_of = row_of[ends.rows.reshape(2, -1)[:, ~faulty]], names.rows[~faulty]
    grown, side = graph.replace(ids=ids), dict(graph.side or {})
    for number in np.unique(relation_of).tolist():
        name = str(names.ids[number].as_py())
        if name in side:
            raise bad("relation", who, "named otherwise than the side edges that the graph has", name)
        side[name], more = _once(grown, edges[:, relation_of == number])
        findings += more
    grown = grown.replace(side=side)
    return grown, report_on(path, findings, strict, summary(grown))


def _with_entities(graph: Graph, ends: Encoded, path: Path) -> tuple[NodeIds, np.ndarray]:
    """The ids with a block of entities, and the row of each id of the file."""
    row_of = graph.ids.index(ends.ids, kind=ITEM, missing="mark")
    fresh = row_of < 0
    if fresh.all():
        ours, theirs = graph.ids.values(list(graph.ids.rows(ITEM))[:EXAMPLES]), ends.ids[:EXAMPLES].to_pylist()
        raise DataError(f"{path.name} must be about items of the graph, such as {ours}. Got ids such as {theirs}.")
    row_of[fresh] = graph.num_nodes + np.arange(int(fresh.sum()))
    blocks = (*graph.ids.blocks, ends.ids.filter(pa.array(fresh)))
    return NodeIds(blocks, (*graph.ids.kinds, ENTITY)), row_of


def _fault(what: str, which: np.ndarray, source: pa.ChunkedArray, target: pa.ChunkedArray) -> list[Finding]:
    if not which.any():
        return []
    first = np.flatnonzero(which)[:EXAMPLES].tolist()
    shown = tuple(f"{source[i].as_py()} - {target[i].as_py()}" for i in first)
    return [Finding(what, int(which.sum()), "dropped", shown)]


def _once(graph: Graph, edges: np.ndarray) -> tuple[np.ndarray, list[Finding]]:
    """Each pair of two nodes once, the first time it stands, and what was left out."""
    loop = edges[0] == edges[1]
    low, high = np.sort(edges, axis=0)
    key = low * graph.num_nodes + high
    first = np.zeros(edges.shape[1], dtype=bool)
    first[np.unique(key, return_index=True)[1]] = True
    faults = (("links of a node with itself", loop), ("repeated links", ~first & ~loop))
    found = [Finding(what, int(which.sum()), "merged" if which is not loop else "dropped", _names(graph, edges, which))
             for what, which in faults if which.any()]  # fmt: skip
    return edges[:, first & ~loop], found


def _names(graph: Graph, edges: np.ndarray, which: np.ndarray) -> tuple[str, ...]:
    at = np.flatnonzero(which)[:EXAMPLES]
    return tuple(f"{a} - {b}" for a, b in zip(graph.ids.values(edges[0, at]), graph.ids.values(edges[1, at])))
