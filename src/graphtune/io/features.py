"""Reading features of nodes.

Axes: N nodes of the graph, m rows of the file, F features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import scipy.sparse as sp

from graphtune.check import DataError
from graphtune.findings import Finding, Report
from graphtune.graph import Graph
from graphtune.io.layout import TextOptions, check_file, first_line
from graphtune.io.matching import BETWEEN, match_rows, nodes_found, report_on, rows_found
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
    categories: Sequence[Column] | None = None,
    node_kind: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    strict: bool = False,
) -> tuple[Graph, Report]:
    """The graph with node features from a file, float32 [N, F]; nodes without a row get zeros and are counted.

    Text and .parquet hold a node a row: its id, then its features. A column of categories becomes a column of 0 and 1
    for each of them, in the order of their names; "Drama|War" is of both. .npy and .npz hold a matrix (SciPy sparse, or
    the arrays attr_data, ... of gnn-benchmark) whose row i is about the node with the id i. .json holds, as in
    MUSAE, {"id": [numbers of the features that are 1]}. Features are sparse where the file's are, or have categories.

    With `node_kind` the file is about one kind of node, such as users: features that the graph has already stay, and
    these stand in columns of their own behind them, zeros for nodes of other kinds. Without it they are replaced.

    Args:
        path: the file.
        graph: the graph; it is not changed.
        id: the column of the ids by name or position; None: the first.
        columns: the columns of the features; None: all others.
        categories: columns of numbers that stand for categories; columns of text without a number do in any case.
        node_kind: the kind of node that the rows are about.
        delimiter, header, comment: see `read_edges`.
        strict: raise where a row is dropped or a value is filled in.

    Raises:
        ArgumentError: a column is not there.
        DataError: the file is missing or damaged, or no row is about a node of the graph.
    """
    path = as_path(path, "read_features")
    suffix = suffix_of(path)
    findings: list[Finding] = []
    cells: list[Cells] = []
    if suffix == ".json":
        ids, matrix = _json_features(path)
    elif suffix in (".npy", ".npz"):
        matrix = _matrix_in(path)
        ids = pa.chunked_array([pa.array(np.arange(matrix.shape[0]))])
    else:
        options = TextOptions(delimiter, header, comment)
        options.check("read_features")
        ids, cells, findings = _table_columns(path, 0 if id is None else id, columns, categories, options)
    rows = match_rows(graph, ids, node_kind, path.name)
    if cells:
        matrix, empty = _encoded(cells, ids, rows.node >= 0, path.name)
        findings += empty
    matrix, filled = _finite(matrix, ids)
    node, row, repeated = rows.first_rows(graph)
    without = np.ones(graph.num_nodes, dtype=bool)
    if node_kind is not None:
        without = graph.ids.kinds_of(np.arange(graph.num_nodes)) == graph.ids.kinds.index(node_kind)
    without[node] = False
    findings += [*rows.findings, *filled, *repeated]
    findings += nodes_found(graph, "nodes without features", without, "set to zeros")
    summary = {"nodes": graph.num_nodes, "features": int(matrix.shape[1])}
    report = report_on(path, findings, strict, summary)
    features = _placed(matrix, node, row, graph.num_nodes)
    if node_kind is not None and graph.features is not None:
        features = _beside(graph.features, features)
    return graph.replace(features=features), report


@dataclass(frozen=True)
class Cells:
    """A column of features as it stands in a file.

    Attributes:
        name: of the column.
        values: a row each.
        categories: whether they name categories.
    """

    name: str
    values: pa.ChunkedArray
    categories: bool


def _table_columns(
    path: Path,
    id: Column,
    columns: Sequence[Column] | None,
    categories: Sequence[Column] | None,
    options: TextOptions,
) -> tuple[pa.ChunkedArray, list[Cells], list[Finding]]:
    table = open_table(path, options, [id, *(columns or ()), *(categories or ())])
    at = find_column(table, "read_features", "id", id)
    wanted = [i for i in range(len(table.names)) if i != at]
    if columns is not None:
        wanted = [find_column(table, "read_features", "columns", column) for column in columns]
    if not wanted:
        raise DataError(f"{path.name} must have columns of features beside the id. Got {list(table.names)}.")
    named = {find_column(table, "read_features", "categories", column) for column in categories or ()}
    wanted += sorted(named.difference(wanted))
    (ids, *arrays), findings = table.read([at, *wanted])
    cells = [Cells(table.names[i], array, i in named or _is_of_words(array)) for i, array in zip(wanted, arrays)]
    return ids, cells, list(findings)


def _encoded(
    cells: Sequence[Cells], ids: pa.ChunkedArray, known: np.ndarray, source: str
) -> tuple[Matrix, list[Finding]]:
    """[m, F] the columns as numbers, a column for each category of the rows that are `known`."""
    blocks: list[Matrix] = []
    findings: list[Finding] = []
    for column in cells:
        if column.categories:
            block = _one_hot(column.values, known)
            without = rows_found(f"rows without a category in {column.name}", known & (np.diff(block.indptr) == 0), ids)
            findings += [replace(found, action="set to zeros") for found in without]
            blocks.append(block)
        else:
            blocks.append(read_numbers(column.values, column.name, source).values.astype(np.float32)[:, None])
    if any(column.categories for column in cells):
        return sp.csr_array(sp.hstack(blocks, format="csr", dtype=np.float32)), findings
    return np.concatenate(blocks, axis=1), findings


def _is_of_words(column: pa.ChunkedArray) -> bool:
    """Whether a column holds text, and no number."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    text = _text(column)
    return text.len() > 0 and text.cast(pl.Float64, strict=False).null_count() == text.len()


def _text(column: pa.ChunkedArray) -> pl.Series:
    """The values that are there, without space around them."""
    text = pl.Series(column).str.strip_chars().drop_nulls()
    return text.filter(text != "")


def _one_hot(column: pa.ChunkedArray, known: np.ndarray) -> sp.csr_array:
    """[m, C] 1 for each category of a row that is known, the categories in the order of their names."""
    split = pl.DataFrame({"row": np.arange(len(column)), "value": pl.Series(column).cast(pl.String).str.split(BETWEEN)})
    cells = split.filter(pl.Series(known)).explode("value").with_columns(pl.col("value").str.strip_chars())
    cells = cells.filter(pl.col("value") != "")
    names = cells["value"].unique().sort()
    at = (cells["row"].to_numpy(), names.search_sorted(cells["value"]).to_numpy())
    matrix = sp.coo_array((np.ones(len(cells), dtype=np.float32), at), shape=(len(column), len(names))).tocsr()
    matrix.data[:] = 1
    return sp.csr_array(matrix)


def _beside(features: Matrix, more: Matrix) -> Matrix:
    """Two blocks of columns."""
    if sp.issparse(features) or sp.issparse(more):
        return sp.csr_array(sp.hstack([sp.csr_array(features), sp.csr_array(more)], format="csr"))
    return np.concatenate([features, more], axis=1)  # type: ignore[list-item]


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
