"""Starts from the state_dict of a PyG or DGL module.

Axes: n rows of their node table, r their relations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from graphtune.check import DataError, bad
from graphtune.ids import NodeIds
from graphtune.models.base import Model
from graphtune.models.transe import TransEScorer
from graphtune.start.layers import convolutions
from graphtune.start.report import StartReport
from graphtune.start.rows import How, Piece, encoder_tables, facing, put_rows, rows_of, to_numpy
from graphtune.start.weights import find_copies
from graphtune.vectors import names_of

State = Mapping[str, Tensor]
Named = dict[str, tuple[tuple[str, ...], Tensor]]  # by our name, the names in a state and the weight as we have it
SUFFIX = ".safetensors"
SOURCE = ("node_emb", "node_embed", "embedding", "embeddings", "embed", "emb", "entity_emb", "entity_embedding")
TARGET = ("context_embed", "context_emb", "context_embedding")
RELATION = ("rel_emb", "rel_embed", "relation_emb", "relation_embedding")
IMAGINARY = "_im"  # PyG's ComplEx and RotatE have the imaginary parts in a table of their own


def start_from_state(
    model: Model,
    state: State | str | Path,
    ids: Sequence[Any] | NodeIds | None = None,
    relations: Sequence[Any] | None = None,
    missing: str = "neighbours",
    resize: str = "project",
    seed: int = 0,
) -> StartReport:
    """Start a model from the weights of a module of PyG or DGL.

    Known are the convolutions of GCN, GraphSAGE (mean) and GAT of both, named as any module of one's own names them;
    tables of nodes (`node_emb`, `embedding`, ..., and `context_embed` as their target side); and relations (`rel_emb`).
    Relations are read backwards by the score's own formula, and entities for TransE get length 1, as in PyG.

    Args:
        model: changed in place.
        state: `module.state_dict()`, or a .safetensors file of one.
        ids: whose rows the node table has; those of the model, in its order, where None.
        relations: whose rows the relation table has; those of the model where None.
        missing, resize, seed: as for `start_from`; with "refuse" a weight of another shape is an error, too.

    Raises:
        ArgumentError: the file may run code when read, nothing in the state has a place, its convolutions are not as
            many as the model's, or ids and rows are not equally many; or what `start_from` raises.
        DataError: the file is missing or damaged.
    """
    how = How("start_from_state", missing, resize, seed)
    theirs = dict(state) if isinstance(state, Mapping) else read_state(state)
    found = _weights(model, theirs, how.who)
    numbers = _relation_numbers(model, found, relations, how.who)
    copies, unfit = find_copies(model, {our: weight for our, (_, weight) in found.items()}, numbers, how)
    report, used = _put_table(model, theirs, ids, how)
    if not copies and not report.known:
        what = f"weights that a {type(model.recipe).__name__} has a place for"
        raise bad("state", how.who, what, ", ".join(theirs) or "none")
    for copy in copies:
        copy.make()
    used |= {name for our, (names, _) in found.items() if our not in unfit for name in names}
    return replace(report, skipped=tuple(name for name in theirs if name not in used))


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file.

    Raises:
        ArgumentError: the file is of another kind, which may run code when it is read.
        DataError: the file is missing or damaged.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        fix = (
            "Other files may run code when they are read. Where you trust it: "
            "safetensors.torch.save_file(module.state_dict(), 'state.safetensors')."
        )
        raise bad("state", "start_from_state", f"a file that ends in {SUFFIX}", str(path), fix)
    if not path.is_file():
        raise DataError(f"The file {path} must exist. Found none.")
    try:
        return load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise DataError(f"The file {path} must hold tensors as safetensors. Found: {error}.") from error


def _weights(model: Model, theirs: State, who: str) -> Named:
    """The weights that are not tables of nodes, relations forwards and backwards."""
    found = convolutions(model, theirs, who)
    table = _table(theirs, RELATION)
    if table is None:
        return found
    names, rows = table
    back = model.scorer.backwards(rows)
    if back is not None:
        found |= {f"scorer.{name}": (names, torch.cat([rows, back])) for name in model.scorer.relation_names}
    return found


def _relation_numbers(model: Model, found: Named, relations: Sequence[Any] | None, who: str) -> np.ndarray | None:
    """[r] the model's number of each of their relations, -1 where it has no such; None where they have none."""
    tables = [found[f"scorer.{name}"][1] for name in model.scorer.relation_names if f"scorer.{name}" in found]
    ours = model.graph.relation_ids
    if not tables or ours is None:
        return None
    names, count = names_of(ours)[0] if relations is None else list(relations), len(tables[0]) // 2
    if len(names) != count:
        what = f"{count} names, one a row of the relation table"
        raise bad("relations", who, what, f"{len(names)} names" + (" of the model" if relations is None else ""))
    return ours.index(names, missing="mark")


def _put_table(
    model: Model, theirs: State, ids: Sequence[Any] | NodeIds | None, how: How
) -> tuple[StartReport, set[str]]:
    """Rows of nodes by id, those of the target side with them; and the names of what was taken."""
    table, other = _table(theirs, SOURCE), _table(theirs, TARGET)
    if table is None or not model.encoder.table_names:
        return StartReport(0), set()
    called, source = table
    given = model.ids if ids is None else ids
    names, kinds = names_of(given) if isinstance(given, NodeIds) else (list(given), None)
    if len(names) != len(source):
        what = f"{len(source)} ids, one a row of the node table"
        raise bad("ids", how.who, what, f"{len(names)} ids" + (" of the model" if ids is None else ""))
    if isinstance(model.scorer, TransEScorer):
        source = F.normalize(source, p=model.scorer.norm, dim=-1)
    target = None
    if other is not None and facing(model):
        called, target = (*called, *other[0]), to_numpy(other[1])
    piece = Piece(encoder_tables(model, how.who), to_numpy(source), target)
    return put_rows(model, rows_of(model.ids, names, kinds), [piece], how), set(called)


def _table(theirs: State, names: Sequence[str]) -> tuple[tuple[str, ...], Tensor] | None:
    """What the first table of one of these names is called, and its rows: real parts, then imaginary ones."""
    for name in names:
        key = next((k for k in theirs if f".{k}".endswith(f".{name}.weight") and theirs[k].ndim == 2), None)
        if key is None:
            continue
        imaginary = key.removesuffix(".weight") + IMAGINARY + ".weight"
        if imaginary in theirs:
            return (key, imaginary), torch.cat([theirs[key], theirs[imaginary]], dim=1).detach()
        return (key,), theirs[key].detach()
    return None
