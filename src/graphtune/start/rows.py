"""Rows of a model's tables, matched by id; those of nodes without a vector come from their neighbours.

Axes: N nodes, n vectors, d their dim, D the width of a model's tables side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphtune.check import bad, one_of
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.spread import fill_means, outwards
from graphtune.models.base import Model
from graphtune.start.report import StartReport
from graphtune.start.resize import dealt, resized

MISSING = ("neighbours", "random")
RESIZE = ("project", "refuse")
SCALES = ("keep", "own")


@dataclass(frozen=True)
class How:
    """What to do where vectors and model differ.

    Attributes:
        who: the function that is called, for errors.
        missing: one of `MISSING`.
        resize: one of `RESIZE`.
        seed: of random columns.
        scale: one of `SCALES`.
    """

    who: str
    missing: str = "neighbours"
    resize: str = "project"
    seed: int = 0
    scale: str = "keep"

    def __post_init__(self) -> None:
        one_of("missing", self.who, self.missing, MISSING)
        one_of("resize", self.who, self.resize, RESIZE)
        one_of("scale", self.who, self.scale, SCALES)


@dataclass(frozen=True)
class Piece:
    """Vectors for some tables of a model.

    Attributes:
        tables: names of tables of the encoder, which share the columns.
        source: [n, d] float32.
        target: [n, d] float32 for the tables of the scorer that face them; None to leave those as they are.
        falling: whether the first columns weigh most, so that several tables must share them.
    """

    tables: tuple[str, ...]
    source: np.ndarray
    target: np.ndarray | None = None
    falling: bool = False


def encoder_tables(model: Model, who: str) -> tuple[str, ...]:
    """Names of the encoder's tables.

    Raises:
        ArgumentError: it has none.
    """
    names = tuple(name for name in model.table_parameters() if name.startswith("encoder."))
    if not names:
        raise bad("model", who, "one with a table of node embeddings", type(model.recipe).__name__)
    return names


def facing(model: Model) -> dict[str, str]:
    """The target-side table of the scorer that faces a table of the encoder; of several the last ones have one."""
    tables = model.table_parameters()
    ours = [name for name in tables if name.startswith("encoder.")]
    theirs = [name for name in tables if name.startswith("scorer.")]
    pairs = zip(reversed(ours), reversed(theirs))
    return {our: their for our, their in pairs if tables[our].shape == tables[their].shape}


def width_of(model: Model, names: Sequence[str]) -> int:
    """D, of these tables side by side."""
    tables = model.table_parameters()
    return sum(tables[name].shape[1] for name in names)


@torch.no_grad()
def put_rows(model: Model, rows: np.ndarray, pieces: Sequence[Piece], how: How) -> StartReport:
    """Set rows of tables to vectors, and rows without one as `how.missing` says.

    Args:
        model: changed in place.
        rows: [n] the row of each vector, -1 for those of no node.
        pieces: the vectors.
        how: what to do where they and the model differ.

    Raises:
        ArgumentError: the dim is another and is not to be changed, or a vector is not finite.
    """
    if not pieces:
        return StartReport(0)
    known = np.zeros(model.graph.num_nodes, dtype=bool)
    known[rows[rows >= 0]] = True
    matrices: dict[str, np.ndarray] = {}
    for piece in pieces:
        matrices |= _columns(model, rows, piece, how)
    filled = np.zeros_like(known)
    if how.missing == "neighbours":
        filled = _fill(model.graph, known, list(matrices.values()))
    tables = model.table_parameters()
    chosen = torch.from_numpy(np.flatnonzero(known | filled))
    for name, matrix in matrices.items():
        tables[name][chosen.to(tables[name].device)] = torch.from_numpy(matrix)[chosen].to(tables[name])
    counts = int(known.sum()), int(filled.sum())
    names = [name for piece in pieces for name in piece.tables]
    from_dim = sum(piece.source.shape[1] for piece in pieces)
    ignored = int((rows < 0).sum())
    return StartReport(*counts, len(known) - sum(counts), ignored, from_dim, width_of(model, names))


def rows_of(ids: NodeIds, names: Sequence[Any], kinds: Sequence[str] | None) -> np.ndarray:
    """[n] the row of each name, -1 where there is no such node.

    Args:
        ids: of the model.
        names: n ids.
        kinds: of each; None where that is unknown.
    """
    rows = np.full(len(names), -1, dtype=np.int64)
    for kind in ids.kinds:
        at, of_kind = _of_kind(names, kinds, kind, len(ids.kinds) > 1)
        rows[at] = np.maximum(rows[at], ids.index(of_kind, kind, missing="mark"))
    return rows


def to_numpy(tensor: Tensor) -> np.ndarray:
    """float32, in memory of its own."""
    return tensor.detach().float().cpu().numpy().copy()


def _columns(model: Model, rows: np.ndarray, piece: Piece, how: How) -> dict[str, np.ndarray]:
    """[N, width] of each table that the piece is for, its columns and known rows in place."""
    tables, other_side = model.table_parameters(), facing(model)
    widths = [tables[name].shape[1] for name in piece.tables]
    at = np.flatnonzero(rows >= 0)
    sides = [side[at] for side in (piece.source, piece.target) if side is not None]
    if not all(np.isfinite(side).all() for side in sides):
        raise bad("vectors", how.who, "finite numbers", "NaN or infinite ones")
    given = piece.source.shape[1]
    if given != sum(widths) and how.resize == "refuse":
        fix = f"Build the model with {given} numbers a node, or let them be projected."
        raise bad("vectors", how.who, f"of dim {sum(widths)}, as the model", given, fix)
    sides = resized(sides, sum(widths), how.seed)
    if how.scale == "own":
        own = np.concatenate([to_numpy(tables[name]).ravel() for name in piece.tables])
        sides = [side * (_size(own) / max(_size(sides[0]), 1e-30)) for side in sides]
    whole = given == sum(widths) and not piece.falling  # they may be of such a model: its tables side by side
    columns = np.split(np.arange(given), np.cumsum(widths)[:-1]) if whole else dealt(widths)
    placed = {}
    for name, column in zip(piece.tables, columns):
        for side, table in zip(sides, (name, other_side.get(name))):
            if table is not None:
                placed[table] = np.zeros((len(tables[table]), len(column)), dtype=np.float32)
                placed[table][rows[at]] = side[:, column]
    return placed


def _size(numbers: np.ndarray) -> float:
    """Their root mean square."""
    return float(np.sqrt(np.mean(np.square(numbers, dtype=np.float64)))) if numbers.size else 0.0


def _fill(graph: Graph, known: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Which rows were unknown and are now the mean of their neighbours' in the matrices, [N] bool."""
    filled = np.zeros_like(known)
    if known.all() or not known.any():
        return filled
    csr = graph.adjacency("both")
    rounds, reached = outwards(csr.indptr, csr.indices, known)
    for matrix in matrices:
        fill_means(csr.indptr, csr.indices, rounds, reached, matrix)
    filled[reached] = True
    return filled


def _of_kind(
    names: Sequence[Any], kinds: Sequence[str] | None, kind: str, several: bool
) -> tuple[np.ndarray, list[Any]]:
    """Positions and ids of the names of a kind; those of unknown kind may say it as word2vec files do, `user:7`."""
    if kinds is not None:
        at = [i for i, found in enumerate(kinds) if found == kind]
        return np.array(at, dtype=np.int64), [names[i] for i in at]
    plain = list(names)
    if several:
        plain = [name.removeprefix(f"{kind}:") if isinstance(name, str) else name for name in plain]
    return np.arange(len(plain)), plain
