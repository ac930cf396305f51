"""Reading features of nodes.

Axes: N nodes of the graph, m rows of the file, F features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from graphtune.check import DataError
from graphtune.findings import Finding, Report
from graphtune.graph import Graph
from graphtune.io.layout import TextOptions, check_file, first_line
from graphtune.io.matching import match_rows, nodes_found, report_on, rows_found
from graphtune.io.matrices import load_npz, sparse_in
from graphtune.io.tables import Column, as_path, find_column, open_table, suffix_of
from graphtune.io.values import read_numbers

Matrix: TypeAlias = np.ndarray | sp.csr_array


def read_features(
    path: str | Path,
    graph: Graph,
    *,
    id: Column | None = None,
    columns: Sequence[Column] | None = None,
    node_kind: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    strict: bool = False,
) -> tuple[Graph, Report]:
    """The graph with node features from a file, float32 [N, F]; nodes without a row get zeros and are counted.

    Text and .parquet hold a node a row: its id, then its features. .npy and .npz hold a matrix (SciPy sparse, or
    the arrays attr_data, ... of gnn-benchmark) whose row i is about the node with the id i. .json holds, as in
    MUSAE, {"id": [numbers of the features that are 1]}. Features are sparse where the file's are.

    Args:
        path: the file.
        graph: the graph; it is not changed.
        id: the column of the ids by name or position; None: the first.
        columns: the columns of the features; None: all others.
        node_kind: the kind of node that the rows are about, where an id may be of several kinds.
        delimiter, header, comment: see `read_edges`.
        strict: raise where a row is dropped or a value is filled in.

    Raises:
        ArgumentError: a column is not there.
        DataError: the file is missing or damaged, or no row is about a node of the graph.
    """
    path = as_path(path, "read_features")
    suffix = suffix_of(path)
    findings: list[Finding] = []
    if suffix == ".json":
        ids, matrix = _json_features(path)
    elif suffix in (".npy", ".npz"):
        matrix = _matrix_in(path)
        ids = pa.chunked_array([pa.array(np.arange(matrix.shape[0]))])
    else:
        options = TextOptions(delimiter, header, comment)
        options.check("read_features")
        ids, matrix, findings = _table_features(path, 0 if id is None else id, columns, options)
    rows = match_rows(graph, ids, node_kind, path.name)
    matrix, filled = _finite(matrix, ids)
    node, row, repeated = rows.first_rows(graph)
    without = np.ones(graph.num_nodes, dtype=bool)
    without[node] = False
    findings += [*rows.findings, *filled, *repeated]
    findings += nodes_found(graph, "nodes without features", without, "set to zeros")
    summary = {"nodes": graph.num_nodes, "features": int(matrix.shape[1])}
    report = report_on(path, findings, strict, summary)
    return graph.replace(features=_placed(matrix, node, row, graph.num_nodes)), report


def _table_features(
    path: Path, id: Column, columns: Sequence[Column] | None, options: TextOptions
) -> tuple[pa.ChunkedArray, np.ndarray, list[Finding]]:
    table = open_table(path, options, [id, *(columns or ())])
    at = find_column(table, "read_features", "id", id)
    wanted = [i for i in range(len(table.names)) if i != at]
    if columns is not None:
        wanted = [find_column(table, "read_features", "columns", column) for column in columns]
    if not wanted:
        raise DataError(f"{path.name} must have columns of features beside the id. Got {list(table.names)}.")
    (ids, *arrays), findings = table.read([at, *wanted])
    matrix = np.empty((len(ids), len(wanted)), dtype=np.float32)
    for place, (i, array) in enumerate(zip(wanted, arrays)):
        matrix[:, place] = read_numbers(array, table.names[i], path.name).values
    return ids, matrix, findings


def _matrix_in(path: Path) -> Matrix:
    """The matrix in an .npy or .npz file."""
    if path.suffix.lower() == ".npz":
        arrays, _ = load_npz(path)
        matrix: Matrix | None = sparse_in(path, arrays, "attr_")
        if matrix is None:
            matrix = arrays.get("attr_matrix", next(iter(arrays.values())) if len(arrays) == 1 else None)
        if matrix is None:
            raise DataError(f"{path.name} must hold one matrix, or attr_data, ... Got {sorted(arrays)}.")
    else:
        check_file(path)
        try:
            matrix = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise DataError(f"{path.name} must be an .npy file of numbers. Got: {first_line(error)}.") from None
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise DataError(f"{path.name} must hold a matrix of numbers. Got {matrix.dtype} of shape {matrix.shape}.")
    return matrix


def _json_features(path: Path) -> tuple[pa.ChunkedArray, sp.csr_array]:
    check_file(path)
    try:
        lists = json.loads(path.read_bytes())
        numbers = np.concatenate([np.asarray(values, dtype=np.int64) for values in lists.values()])
        if numbers.min(initial=0) < 0:
            raise ValueError(f"the feature number {numbers.min()}")
    except (ValueError, AttributeError, TypeError) as error:
        what = "{id: [numbers of features]}"
        raise DataError(f"{path.name} must hold {what} in JSON. Got: {first_line(error)}.") from None
    ends = np.cumsum([0, *map(len, lists.values())])
    shape = (len(lists), int(numbers.max(initial=-1)) + 1)
    matrix = sp.csr_array((np.ones(len(numbers), dtype=np.float32), numbers, ends), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return pa.chunked_array([pa.array(list(lists), pa.string())]), matrix


def _finite(matrix: Matrix, ids: pa.ChunkedArray) -> tuple[Matrix, list[Finding]]:
    """The matrix with zeros for values that are no finite number, and the rows where these were."""
    if isinstance(matrix, sp.csr_array):
        entries = matrix.tocoo()
        odd = ~np.isfinite(entries.data)
        rows = np.bincount(entries.row[odd], minlength=matrix.shape[0]) > 0
        entries.data = np.where(odd, 0, entries.data)
        matrix = entries.tocsr()
    else:
        odd = ~np.isfinite(matrix)
        rows = odd.max(axis=1)
        matrix = np.where(odd, 0, matrix)
    what = "rows with features that are no finite number"
    return matrix, [replace(found, action="set to 0") for found in rows_found(what, rows, ids)]


def _placed(matrix: Matrix, node: np.ndarray, row: np.ndarray, num_nodes: int) -> Matrix:
    """[N, F] the rows of the matrix at their nodes, zeros elsewhere."""
    if sp.issparse(matrix):
        shape = (num_nodes, matrix.shape[0])
        return sp.csr_array((np.ones(len(node), dtype=np.float32), (node, row)), shape=shape) @ matrix
    features = np.zeros((num_nodes, matrix.shape[1]), dtype=np.float32)
    features[node] = matrix[row]
    return features
