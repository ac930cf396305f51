"""Embeddings under the user's ids, and files of them.

Axes: n vectors, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from graphtune.check import DataError, bad, one_of
from graphtune.files import commit
from graphtune.ids import NodeIds
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

    def __post_init__(self) -> None:
        if np.ndim(self.matrix) != 2 or len(self.matrix) != len(self.ids):
            raise bad("matrix", "Vectors", f"of {len(self.ids)} rows, one an id", list(np.shape(self.matrix)))
        if self.kinds is not None and len(self.kinds) != len(self.ids):
            raise bad("kinds", "Vectors", f"{len(self.ids)} names, one an id", f"{len(self.kinds)} names")


def vectors_of(model: Model, side: str = "source") -> Vectors:
    """All embeddings of a model, in row order."""
    names, kinds = names_of(model.ids)
    return Vectors(names, model.encode(side=side), kinds)


def names_of(ids: NodeIds) -> tuple[list[Any], list[str] | None]:
    """All ids in row order, and the kind of each where there are several."""
    rows = np.arange(len(ids))
    kinds = [ids.kinds[i] for i in ids.kinds_of(rows)] if len(ids.kinds) > 1 else None
    return ids.values(rows), kinds


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
