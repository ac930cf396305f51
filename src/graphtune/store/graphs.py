"""A graph and its splits as files of a model directory: each part of them is written and read here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import safetensors.numpy
import scipy.sparse as sp

from graphtune.check import DataError
from graphtune.disk import has_graph, load_graph
from graphtune.disk.graph import RECORD
from graphtune.files import sha256
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.split import Split
from graphtune.store.record import Record

ARRAYS = ("edges", "relation", "weight", "time", "labels", "targets")
OF_SPLIT = ("part", "edge_part", "negatives", "false_valid", "false_test")


def describe_graph(graph: Graph) -> dict[str, Any]:
    """What `read_graph` must know beside the files, as JSON can say it."""
    names = graph.relation_ids
    return {
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "relations": graph.num_relations,
        "directed": graph.directed,
        "kinds": list(graph.ids.kinds),
        "integer_ids": [str(b.type) == "int64" for b in graph.ids.blocks],
        "integer_relations": names is not None and str(names.blocks[0].type) == "int64",
        "label_names": None if graph.label_names is None else list(graph.label_names),
        "side": list(graph.side or ()),
        "on_disk": None if graph.lists is None else _place(graph.lists.directory),
    }


def describe_split(split: Split) -> dict[str, Any]:
    """What `read_split` must know beside the arrays."""
    return {"unit": split.unit, "kind": split.kind, "seed": split.seed, "ratios": split.ratios}


def write_arrays(path: Path, graph: Graph, record: Record) -> None:
    """All arrays of the graph and of the splits in one file; of a graph on disk only what is not there."""
    kept = ARRAYS if graph.lists is None else ("labels", "targets")
    arrays = {name: getattr(graph, name) for name in kept if getattr(graph, name) is not None}
    f: Any = graph.features
    if sp.issparse(f):
        arrays |= {"features.data": f.data, "features.indices": f.indices, "features.indptr": f.indptr}
        arrays["features.shape"] = np.array(f.shape)
    elif f is not None:
        arrays["features"] = f
    arrays |= {f"side.{i}": edges for i, edges in enumerate((graph.side or {}).values())}
    if record.split is not None:
        arrays |= _parts("split", record.split)
    for task, split in record.node_splits.items():
        arrays |= _parts(f"nodes.{task}", split)
    safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, str(path))


def node_table(graph: Graph) -> pl.DataFrame:
    """Kind, id and text of each node, in row order."""
    table = id_table(graph.ids)
    return table if graph.texts is None else table.with_columns(pl.Series("text", list(graph.texts)))


def id_table(ids: NodeIds) -> pl.DataFrame:
    """Kind and id, as text."""
    blocks = (pl.Series("id", block).cast(pl.String) for block in ids.blocks)
    return pl.concat([block.to_frame().select(kind=pl.lit(kind), id="id") for kind, block in zip(ids.kinds, blocks)])


def read_graph(path: Path, options: dict[str, Any], arrays: dict[str, np.ndarray]) -> Graph:
    """The graph of a model directory.

    Args:
        path: the directory.
        options: what `describe_graph` said.
        arrays: what `write_arrays` wrote.

    Raises:
        DataError: its graph on disk is not there any more, or another is.
    """
    nodes = pl.read_parquet(path / "nodes.parquet")
    texts = tuple(nodes["text"]) if "text" in nodes.columns else None
    features = arrays.get("features")
    if "features.data" in arrays:
        csr = tuple(arrays[f"features.{name}"] for name in ("data", "indices", "indptr"))
        features = sp.csr_array(csr, shape=tuple(arrays["features.shape"]))
    of_nodes = {name: arrays[name] for name in ("labels", "targets") if name in arrays}
    names = None if options["label_names"] is None else tuple(options["label_names"])
    side = {name: arrays[f"side.{i}"] for i, name in enumerate(options.get("side", ()))} or None
    if options.get("on_disk") is not None:
        graph = _from_disk(path, options["on_disk"])
        return graph.replace(features=features, label_names=names, texts=texts, side=side, **of_nodes)
    ids = _ids(nodes, tuple(options["kinds"]), options["integer_ids"])
    relation_ids = None
    if options["relations"] or (path / "relations.parquet").exists():
        relation_ids = _ids(pl.read_parquet(path / "relations.parquet"), ("node",), [options["integer_relations"]])
    return Graph(
        ids=ids,
        directed=options["directed"],
        relation_ids=relation_ids,
        features=features,
        label_names=names,
        texts=texts,
        side=side,
        **{name: arrays[name] for name in ARRAYS if name in arrays},  # type: ignore[arg-type]
    )


def read_split(graph: Graph, options: dict[str, Any], prefix: str, arrays: dict[str, np.ndarray]) -> Split:
    """The split whose arrays have names that begin with `prefix`; `options` are what `describe_split` said."""
    parts = {k[len(prefix) + 1 :]: v for k, v in arrays.items() if k.startswith(f"{prefix}.")}
    ratios = None if options["ratios"] is None else tuple(options["ratios"])
    return Split(graph, options["unit"], options["kind"], seed=options["seed"], ratios=ratios, **parts)


def _place(directory: Path) -> dict[str, str]:
    """Where a graph on disk lies, and what tells it from any other."""
    return {"directory": str(directory), "sha256": sha256(directory / RECORD)}


def _parts(prefix: str, split: Split) -> dict[str, np.ndarray]:
    named = {name: getattr(split, name) for name in OF_SPLIT}
    return {f"{prefix}.{name}": value for name, value in named.items() if value is not None}


def _from_disk(path: Path, place: dict[str, str]) -> Graph:
    """The graph on disk that a model learned from.

    Raises:
        DataError: it is not there any more, or another is.
    """
    directory = Path(place["directory"])
    found = sha256(directory / RECORD) if has_graph(directory) else "no graph"
    if found != place["sha256"]:
        raise DataError(
            f"The model in {path} must have its graph on disk in {directory}, with sha256 {place['sha256'][:12]} of "
            f"{RECORD}. Found {found[:12]}."
        )
    return load_graph(directory)


def _ids(table: pl.DataFrame, kinds: tuple[str, ...], integer: list[bool]) -> NodeIds:
    blocks = []
    for kind, is_integer in zip(kinds, integer):
        column = table.filter(pl.col("kind") == kind)["id"]
        blocks.append((column.cast(pl.Int64) if is_integer else column).to_arrow())
    return NodeIds.of(*blocks, kinds=kinds)
