"""A graph in a directory: edges and what goes with them as .npy files, ids as Parquet, graph.json last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphtune.check import DataError, bad, integer
from graphtune.disk.arrays import ArrayFile, mapped, staged, verified
from graphtune.disk.lists import ListsOnDisk
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.memory import blocks

FORMAT = 1
RECORD = "graph.json"
MEMORY = 1 << 28  # bytes
OF_EDGES = ("relation", "weight", "time")
OF_NODES = ("features", "labels", "targets", "texts")


def has_graph(directory: str | Path) -> bool:
    """Whether a directory holds a graph of `save_graph`."""
    return (Path(directory) / RECORD).is_file()


def check_place(directory: str | Path, who: str) -> Path:
    """The directory to put a graph in.

    Raises:
        ArgumentError: something is there already.
    """
    path = Path(directory)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        fix = "It holds a graph, which load_graph reads." if has_graph(path) else "Something is there already."
        raise bad("directory", who, "a new or empty directory", str(path), fix)
    return path


def save_graph(graph: Graph, directory: str | Path) -> Path:
    """Put a graph into a directory, from where `load_graph` maps it.

    Args:
        graph: its edges, with relation, weight and time, and side edges. What belongs to nodes stays in memory and is
            joined to the graph that `load_graph` gives: `graph.replace(labels=...)`.
        directory: new or empty.

    Raises:
        ArgumentError: the graph has features, labels, targets or texts; something is in the directory.
        DataError: the disk is full or cannot be written.
    """
    path = check_place(directory, "save_graph")
    given = [name for name in OF_NODES if getattr(graph, name) is not None]
    if given:
        what, fix = "without what belongs to nodes", f"Join it after loading: load_graph(...).replace({given[0]}=...)."
        raise bad("graph", "save_graph", what, ", ".join(given), fix)
    record = record_of(graph.ids, graph.relation_ids, graph.num_edges, graph.directed)
    record["side"] = list(graph.side or ())
    with staged(path, record, RECORD) as staging:
        save_ids(staging, graph.ids, graph.relation_ids)
        with ArrayFile(staging / "edges.npy", np.int64, 2, graph.num_edges) as file:
            _put_blocks(file, 0, graph.edges[0])
            _put_blocks(file, graph.num_edges, graph.edges[1])
        for name in OF_EDGES:
            if getattr(graph, name) is not None:
                array = getattr(graph, name)
                with ArrayFile(staging / f"{name}.npy", array.dtype, len(array)) as file:
                    _put_blocks(file, 0, array)
        for i, edges in enumerate((graph.side or {}).values()):
            with ArrayFile(staging / f"side-{i}.npy", np.int64, 2, edges.shape[1]) as file:
                _put_blocks(file, 0, edges.reshape(-1))
    return path


def load_graph(directory: str | Path, memory: int = MEMORY) -> Graph:
    """The graph in a directory, its edges mapped. Neighbour lists are built there when first asked for, and mapped.

    Args:
        directory: made by `save_graph`, or by `read_edges(on_disk=...)`.
        memory: bytes that building neighbour lists may take beyond 24 for every node.

    Raises:
        ArgumentError: there is no graph.
        DataError: a file is missing or was changed.
    """
    path = Path(directory)
    memory = integer("memory", "load_graph", memory, 1)
    if not has_graph(path):
        raise bad("directory", "load_graph", f"a directory with a graph ({RECORD})", str(path))
    record = verified(path, RECORD, FORMAT)
    try:
        relation_ids = NodeIds((_read_ids(path / "relations.parquet"),)) if record["relations"] is not None else None
        kinds = tuple(record["kinds"])
        ids = NodeIds(tuple(_read_ids(path / f"ids-{i}.parquet") for i in range(len(kinds))), kinds)
        columns = {name: mapped(path / f"{name}.npy") for name in OF_EDGES if (path / f"{name}.npy").exists()}
        side = {name: np.load(path / f"side-{i}.npy") for i, name in enumerate(record.get("side", ()))}
        return Graph(
            mapped(path / "edges.npy"),
            ids,
            directed=bool(record["directed"]),
            relation_ids=relation_ids,
            side=side or None,
            lists=ListsOnDisk(path.absolute(), len(ids), memory),
            **columns,  # type: ignore[arg-type]
        )
    except (KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"The directory {path} must hold a graph. Found: {type(error).__name__} {error}") from error


def record_of(ids: NodeIds, relation_ids: NodeIds | None, num_edges: int, directed: bool) -> dict[str, Any]:
    """What graph.json says beside the sha256 of the files."""
    return {
        "format": FORMAT,
        "nodes": len(ids),
        "edges": num_edges,
        "relations": None if relation_ids is None else len(relation_ids),
        "directed": directed,
        "kinds": list(ids.kinds),
    }


def save_ids(path: Path, ids: NodeIds, relation_ids: NodeIds | None = None) -> None:
    """The ids of nodes, a file for each kind, and those of relations."""
    for i, block in enumerate(ids.blocks):
        pq.write_table(pa.table({"id": block}), path / f"ids-{i}.parquet")
    if relation_ids is not None:
        pq.write_table(pa.table({"id": relation_ids.blocks[0]}), path / "relations.parquet")


def _read_ids(path: Path) -> pa.Array:
    return pq.read_table(path)["id"].combine_chunks()


def _put_blocks(file: ArrayFile, at: int, array: np.ndarray) -> None:
    for (piece,) in blocks(array):
        file.put(at, piece)
        at += len(piece)
