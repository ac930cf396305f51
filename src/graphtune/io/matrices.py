"""Graphs in .mat and .npz files. Pickled entries are never loaded: they can run any program."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse as sp

from graphtune.check import DataError
from graphtune.findings import EXAMPLES, Finding
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io.layout import check_file, first_line
from graphtune.io.tables import suffix_of

MATRIX_FILES = (".mat", ".npz")


def read_matrix_file(path: Path, directed: bool) -> tuple[Graph, list[Finding]]:
    """The graph in a .mat or .npz file, not cleaned, and what was settled.

    Raises:
        DataError: the file is damaged, pickled, or lacks an entry; the matrix is not square or has no edge.
    """
    check_file(path)
    return _read_mat(path, directed) if suffix_of(path) == ".mat" else _read_npz(path, directed)


def _read_mat(path: Path, directed: bool) -> tuple[Graph, list[Finding]]:
    try:
        entries = scipy.io.loadmat(path)
    except NotImplementedError:
        raise DataError(f"{path.name} must be a MATLAB file before 7.3. Got 7.3. Save it with -v7.") from None
    except Exception as error:  # the parser raises errors of many kinds, all about the file
        raise DataError(f"{path.name} must be a MATLAB file. Got: {first_line(error)}.") from None
    if "network" not in entries:
        there = [name for name in entries if not name.startswith("__")]
        raise DataError(f"{path.name} must hold a matrix `network`. Got {there}.")
    graph, findings = _from_matrix(entries["network"], directed, path.name)
    if "group" not in entries:
        return graph, findings
    group = sp.csr_array(entries["group"]).toarray() != 0
    if len(group) != graph.num_nodes:
        raise DataError(f"`group` of {path.name} must have {graph.num_nodes} rows. Got {len(group)}.")
    return graph.replace(labels=group, label_names=tuple(map(str, range(group.shape[1])))), findings


def _read_npz(path: Path, directed: bool) -> tuple[Graph, list[Finding]]:
    arrays, pickled = load_npz(path)
    matrix = sparse_in(path, arrays, "adj_")
    if matrix is None:
        got = f"{sorted(arrays)}"
        if pickled:
            got += f", and {pickled}, which are pickled: these can run any program and are never loaded"
        fix = "Load it with a program that you trust, and save the matrix with scipy.sparse.save_npz."
        raise DataError(f"{path.name} must hold a sparse matrix, or adj_data, adj_indices, ... Got {got}. {fix}")
    graph, findings = _from_matrix(matrix, directed, path.name)
    if pickled:
        findings.append(Finding("pickled entries not read", len(pickled), "noted", tuple(pickled[:5])))
    return _with_node_data(graph, path, arrays), findings


def load_npz(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of an .npz file, and the names of the entries that are pickled, which are not loaded.

    Raises:
        DataError: it is no .npz file, or damaged.
    """
    check_file(path)
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path.name} must be an .npz file. Got something else.")
    arrays, pickled = {}, []
    try:
        with np.load(path, allow_pickle=False) as file:
            for name in file.files:
                try:
                    arrays[name] = file[name]
                except ValueError:
                    pickled.append(name)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path.name} must be an .npz file. Got: {first_line(error)}.") from None
    return arrays, pickled


def sparse_in(path: Path, arrays: dict[str, np.ndarray], prefix: str) -> sp.csr_array | None:
    """The matrix that SciPy saved in the file, or else that of the arrays `prefix`data, `prefix`indices, ...

    Raises:
        DataError: the arrays do not fit together.
    """
    try:
        if "format" in arrays:
            matrix = sp.csr_array(sp.load_npz(path))
        elif f"{prefix}data" in arrays:
            data, indices, indptr, shape = (arrays[prefix + name] for name in ("data", "indices", "indptr", "shape"))
            matrix = sp.csr_array((data, indices, indptr), shape=tuple(map(int, shape)))
        else:
            return None
        matrix.check_format(full_check=True)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path.name} must hold a sparse matrix. Got: {first_line(error)}.") from None
    return matrix


def _from_matrix(matrix: Any, directed: bool, source: str) -> tuple[Graph, list[Finding]]:
    """The graph whose adjacency matrix this is; an undirected one takes a symmetric matrix once."""
    if getattr(matrix, "ndim", 0) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(f"The matrix in {source} must be square. Got shape {getattr(matrix, 'shape', None)}.")
    matrix = sp.csr_array(matrix)
    if not directed and (matrix != matrix.T).nnz == 0:
        matrix = sp.triu(matrix)
    entries = matrix.tocoo()
    entries.eliminate_zeros()
    if entries.nnz == 0:
        raise DataError(f"The matrix in {source} must hold at least one edge. Got none.")
    weight = None if (entries.data == 1).all() else entries.data
    ids = NodeIds.range(entries.shape[0])
    graph = Graph(np.stack([entries.row, entries.col]), ids, directed=directed, weight=weight)
    if weight is None:
        return graph, []
    examples = tuple(f"{value:g}" for value in weight[:EXAMPLES])
    return graph, [Finding("entries of the matrix read as weights", len(weight), "noted", examples)]


def _with_node_data(graph: Graph, path: Path, arrays: dict[str, np.ndarray]) -> Graph:
    """The graph with the features, classes and names of nodes that gnn-benchmark files hold, where they are there."""
    features = arrays.get("attr_matrix")
    if "attr_data" in arrays:
        features = sparse_in(path, {name: array for name, array in arrays.items() if name != "format"}, "attr_")
    labels, names = arrays.get("labels"), arrays.get("class_names")
    if labels is not None and names is None:
        names = np.arange(labels.shape[1] if labels.ndim == 2 else labels.max(initial=-1) + 1)
    ids = graph.ids
    if "node_names" in arrays:
        ids = NodeIds.of(arrays["node_names"].tolist())
    return graph.replace(
        ids=ids,
        features=features,
        labels=labels,
        label_names=None if labels is None or names is None else tuple(map(str, names.tolist())),
    )
