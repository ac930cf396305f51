"""Embeddings as plain files, and starting a model from them by id.

Axes: n vectors, N nodes, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from graphtune.check import DataError, bad, one_of
from graphtune.files import commit
from graphtune.models.base import Model

FORMATS = ("parquet", "word2vec", "npz", "npy")
SUFFIXES = {".parquet": "parquet", ".txt": "word2vec", ".vec": "word2vec", ".bin": "word2vec", ".npz": "npz"}


@dataclass(frozen=True, eq=False)
class Vectors:
    """Embeddings under the user's ids.

    Attributes:
        ids: n ids.
        matrix: [n, D] float32.
        kinds: the kind of each node, where there are several.
    """

    ids: list[Any]
    matrix: np.ndarray
    kinds: list[str] | None = None


@dataclass(frozen=True)
class StartReport:
    """How a model's rows were started.

    Attributes:
        known: rows taken from the vectors.
        new: rows left as they were: nodes that have no vector.
        ignored: vectors of no node.
    """

    known: int
    new: int
    ignored: int

    def __str__(self) -> str:
        return f"{self.known:,} rows started from known vectors, {self.new:,} new, {self.ignored:,} vectors unused"


def vectors_of(model: Model, side: str = "source") -> Vectors:
    """All embeddings of a model, in row order."""
    ids = model.ids.values(np.arange(len(model.ids)))
    kinds = None
    if len(model.ids.kinds) > 1:
        kinds = [model.ids.kinds[i] for i in model.ids.kinds_of(np.arange(len(model.ids)))]
    return Vectors(ids, model.encode(side=side), kinds)


def write_vectors(path: str | Path, vectors: Vectors, format: str) -> None:
    """Write embeddings to a file, whole or not at all.

    Args:
        path: the file.
        vectors: what to write.
        format: "parquet" (columns id, kind, e0..), "word2vec" (text), "npz" (ids and matrix) or "npy" (matrix only, in
            row order).

    Raises:
        DataError: the file cannot be written.
    """
    one_of("format", "write_vectors", format, FORMATS)
    writer = {"parquet": _write_parquet, "word2vec": _write_word2vec, "npz": _write_npz, "npy": _write_npy}[format]
    commit(Path(path), lambda at: writer(at, vectors))


def read_vectors(path: str | Path) -> Vectors:
    """Read embeddings: Parquet (a column `id`, then numbers), word2vec text or binary (.bin), npz (`ids`, `matrix`).

    Raises:
        DataError: the file is missing or is not of the format that its name says.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise bad("path", "read_vectors", f"a file that ends in {', '.join(SUFFIXES)}", str(path))
    if not path.is_file():
        raise DataError(f"The file {path} must exist. Found none.")
    reader = {"parquet": _read_parquet, "word2vec": _read_word2vec, "npz": _read_npz}[SUFFIXES[path.suffix]]
    try:
        return reader(path)
    except (KeyError, ValueError, OSError, EOFError, pl.exceptions.PolarsError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"The file {path} must hold vectors as {SUFFIXES[path.suffix]}. Found: {reason}.") from error


@torch.no_grad()
def start_from(model: Model, vectors: Vectors) -> StartReport:
    """Set the rows of a model's source-side table to known vectors, matched by id; other rows stay as they are.

    Raises:
        ArgumentError: the model has no table of its own rows, or the dimensions differ.
    """
    tables = model.table_parameters()
    table = next((p for name, p in tables.items() if name.startswith("encoder.")), None)
    if table is None:
        raise bad("model", "start_from", "one with a table of node embeddings", type(model.recipe).__name__)
    if vectors.matrix.shape[1] != table.shape[1]:
        fix = f"Build the model with dim={vectors.matrix.shape[1]}."
        raise bad("vectors", "start_from", f"of dim {table.shape[1]}, as the model", vectors.matrix.shape[1], fix)
    rows = _rows(model, vectors)
    known = rows >= 0
    table[torch.from_numpy(rows[known])] = torch.from_numpy(vectors.matrix[known]).to(table)
    distinct = len(np.unique(rows[known]))
    return StartReport(distinct, len(model.ids) - distinct, int((~known).sum()))


@torch.no_grad()
def start_from_model(model: Model, other: Model) -> StartReport:
    """Take over the weights of a pretrained model of the same recipe, over the same or another graph.

    Rows of tables go by id; all other weights are copied where name and shape agree.

    Raises:
        ArgumentError: no weight of `other` fits.
    """
    rows = _rows(model, vectors_of(other))
    known = torch.from_numpy(np.flatnonzero(rows >= 0))
    to = torch.from_numpy(rows[rows >= 0])
    theirs, tables = dict(other.named_parameters()), model.table_parameters()
    taken = 0
    for name, parameter in model.named_parameters():
        source = theirs.get(name)
        if source is None or source.shape[1:] != parameter.shape[1:]:
            continue
        if name in tables:
            parameter[to] = source[known].to(parameter)
            taken += 1
        elif source.shape == parameter.shape:
            parameter.copy_(source)
            taken += 1
    if not taken:
        got = f"{type(other.recipe).__name__} of dim {other.dim}"
        raise bad("start", "start_from_model", f"a {type(model.recipe).__name__} of dim {model.dim}", got)
    return StartReport(len(to), len(model.ids) - len(to), len(rows) - len(to))


def _rows(model: Model, vectors: Vectors) -> np.ndarray:
    """[n] the model's row of each vector, -1 where its graph has no such node."""
    rows = np.full(len(vectors.ids), -1, dtype=np.int64)
    for kind in model.ids.kinds:
        of_kind, names = _of_kind(vectors, kind, len(model.ids.kinds) > 1)
        rows[of_kind] = np.maximum(rows[of_kind], model.ids.index(names, kind, missing="mark"))
    return rows


def _of_kind(vectors: Vectors, kind: str, several: bool) -> tuple[np.ndarray, list[Any]]:
    """Positions and ids of the vectors of a kind; those of unknown kind may say it as word2vec files do, `user:7`."""
    if vectors.kinds is not None:
        at = np.flatnonzero(np.array(vectors.kinds) == kind)
        return at, [vectors.ids[i] for i in at]
    names = vectors.ids
    if several:
        names = [name.removeprefix(f"{kind}:") if isinstance(name, str) else name for name in names]
    return np.arange(len(names)), names


def _write_parquet(path: Path, vectors: Vectors) -> None:
    columns: dict[str, Any] = {"id": vectors.ids}
    if vectors.kinds is not None:
        columns["kind"] = vectors.kinds
        columns["id"] = [str(i) for i in vectors.ids]
    columns |= {f"e{d}": vectors.matrix[:, d] for d in range(vectors.matrix.shape[1])}
    pl.DataFrame(columns).write_parquet(path)


def _write_word2vec(path: Path, vectors: Vectors) -> None:
    from gensim.models import KeyedVectors

    names = [str(i) for i in vectors.ids]
    if vectors.kinds is not None:
        names = [f"{kind}:{name}" for kind, name in zip(vectors.kinds, names)]
    spaced = next((name for name in names if any(c.isspace() for c in name)), None)
    if spaced is not None:
        raise bad(
            "format", "write_vectors", "parquet or npz for ids with spaces", "word2vec", f"The id {spaced!r} has."
        )
    keyed = KeyedVectors(vectors.matrix.shape[1])
    keyed.add_vectors(names, vectors.matrix)
    keyed.save_word2vec_format(str(path), binary=False)


def _write_npz(path: Path, vectors: Vectors) -> None:
    arrays = {"ids": np.array(vectors.ids), "matrix": vectors.matrix}
    if vectors.kinds is not None:
        arrays |= {"ids": np.array([str(i) for i in vectors.ids]), "kinds": np.array(vectors.kinds)}
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _write_npy(path: Path, vectors: Vectors) -> None:
    with open(path, "wb") as file:
        np.save(file, vectors.matrix, allow_pickle=False)


def _read_parquet(path: Path) -> Vectors:
    table = pl.read_parquet(path)
    numbers = table.select([c for c in table.columns if c not in ("id", "kind")])
    kinds = table["kind"].to_list() if "kind" in table.columns else None
    return Vectors(table["id"].to_list(), numbers.to_numpy().astype(np.float32), kinds)


def _read_word2vec(path: Path) -> Vectors:
    from gensim.models import KeyedVectors

    keyed = KeyedVectors.load_word2vec_format(str(path), binary=path.suffix == ".bin")
    return Vectors(list(keyed.index_to_key), np.asarray(keyed.vectors, dtype=np.float32))


def _read_npz(path: Path) -> Vectors:
    with np.load(path, allow_pickle=False) as file:
        kinds = file["kinds"].tolist() if "kinds" in file else None
        return Vectors(file["ids"].tolist(), file["matrix"].astype(np.float32), kinds)
