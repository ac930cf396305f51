"""Neighbour lists of a graph on disk, built in passes over ranges of rows and mapped.

A pass reads the edges from end to end, keeps the entries of as many rows as fit into memory, sorts them there and
writes them. So the memory is what is allowed for a pass, some numbers a node and a block of edges; the time is that of
reading the edges once for every pass.

Axes: N nodes, E edges, M entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphtune.disk.arrays import ArrayFile, mapped, staged, verified
from graphtune.graph import CSR
from graphtune.kernels.memory import blocks

FORMAT = 2
RECORD = "lists.json"
PLAIN_BYTES, WEIGHTED_BYTES = 4, 24  # of an entry in a pass: neighbour; neighbour, weight, alias table and its making


@dataclass(frozen=True)
class ListsOnDisk:
    """Where the neighbour lists of a graph lie; those that are missing are built when they are asked for.

    Attributes:
        directory: of the graph.
        num_nodes: N.
        memory: bytes that a pass of building may take for entries.
    """

    directory: Path
    num_nodes: int
    memory: int

    def read(self, direction: str) -> CSR:
        """The lists of "out", "in" or "both" directions, mapped.

        Raises:
            DataError: the files were changed, or cannot be written.
        """
        path = self.directory / f"lists-{direction}"
        if path.is_dir():
            verified(path, RECORD, FORMAT)
        else:
            self._build(path, direction)
        found = {name: mapped(path / f"{name}.npy") for name in ("indptr", "indices")}
        if not (self.directory / "weight.npy").exists():
            return CSR(found["indptr"], found["indices"], None)
        return CSR(**found, **{name: mapped(path / f"{name}.npy") for name in ("weight", "alias")})

    def _build(self, path: Path, direction: str) -> None:
        edges = mapped(self.directory / "edges.npy")
        source, target = (edges[1], edges[0]) if direction == "in" else (edges[0], edges[1])
        has_weight = (self.directory / "weight.npy").exists()
        weight = mapped(self.directory / "weight.npy") if has_weight else np.empty(0, np.float32)
        both = direction == "both"
        indptr, leaving = _bounds(source, target, self.num_nodes, both)
        index = np.dtype(np.int32 if self.num_nodes < 2**31 else np.int64)
        with staged(path, {"format": FORMAT}, RECORD) as staging, ExitStack() as stack:
            dtypes = {"indices": index}
            if has_weight:
                dtypes |= {"weight": np.dtype("f4"), "alias": np.dtype("u8")}
            files = {
                name: stack.enter_context(ArrayFile(staging / f"{name}.npy", dtype, int(indptr[-1])))
                for name, dtype in dtypes.items()
            }
            for first, last in row_ranges(indptr, self.memory // (WEIGHTED_BYTES if has_weight else PLAIN_BYTES)):
                own = indptr[first : last + 1] - indptr[first]
                back = own[:-1] + leaving[first:last] if both else own[:0]
                for name, piece in _one_pass(source, target, weight, first, own, back, index).items():
                    files[name].put(int(indptr[first]), piece)
            with ArrayFile(staging / "indptr.npy", np.int64, len(indptr)) as file:
                file.put(0, indptr)


def _bounds(source: np.ndarray, target: np.ndarray, num_nodes: int, both: bool) -> tuple[np.ndarray, np.ndarray]:
    """indptr [N + 1], and [N] how many entries of each row are edges read forwards."""
    from graphtune.kernels.csr import count

    indptr, backwards = np.zeros((2, num_nodes + 1), dtype=np.int64)
    for u, v in blocks(source, target):
        count(u, 1, v, indptr)
        if both:
            count(v, 0, u, backwards)
    leaving = indptr[1:].copy() if both else indptr[:0]
    indptr += backwards
    return np.cumsum(indptr, out=indptr), leaving


def row_ranges(indptr: np.ndarray, entries: int) -> Iterator[tuple[int, int]]:
    """(first, last) of consecutive ranges of rows of at most so many entries, or of one row that has more."""
    first, rows = 0, len(indptr) - 1
    while first < rows:
        last = int(np.searchsorted(indptr, indptr[first] + entries, side="right")) - 1
        last = min(max(last, first + 1), rows)
        yield first, last
        first = last


def _one_pass(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    first: int,
    own: np.ndarray,
    back: np.ndarray,
    index: np.dtype,
) -> dict[str, np.ndarray]:
    """The entries of the rows from `first` on whose bounds are `own`, with the alias tables of their weights."""
    from graphtune.kernels.alias import alias_rows
    from graphtune.kernels.csr import keep_rows, sort_rows

    indices = np.empty(own[-1], dtype=index)
    values = np.empty(own[-1] if len(weight) else 0, dtype=np.float32)
    place, last = own[:-1].copy(), first + len(own) - 1
    for u, v, *w in blocks(source, target, *([weight] if len(weight) else [])):
        keep_rows(u, v, w[0] if w else weight, first, last, place, back, indices, values)
    sort_rows(own, indices, values)
    if not len(weight):
        return {"indices": indices}
    return {"indices": indices, "weight": values, "alias": alias_rows(own, values)}
