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
from graphtune.start.weights import copy_weights
from graphtune.vectors import names_of

State = Mapping[str, Tensor]
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
    weights = dict(state) if isinstance(state, Mapping) else read_state(state)
    layers = convolutions(model, weights, how.who)
    found = {our: weight for our, (_, weight) in layers.items()}
    source, target, relation = (_table(weights, names) for names in (SOURCE, TARGET, RELATION))
    rows_of_relations = None
    if relation is not None and model.scorer.relation_names:
        rows_of_relations = _relation_rows(model, len(relation[1]), relations, how.who)
        for name in model.scorer.relation_names:
            found[f"scorer.{name}"] = torch.cat([relation[1], model.scorer.backwards(relation[1])])
    copied, unfit = copy_weights(model, found, rows_of_relations, how)
    used = {their for our, (their, _) in layers.items() if our not in unfit}
    if relation is not None and any(name.startswith("scorer.") for name in set(found) - set(unfit)):
        used |= relation[0]
    report = StartReport(0)
    if source is not None and model.encoder.table_names:
        report = _put_table(model, source[1], None if target is None else target[1], ids, how)
        used |= source[0] | (target[0] if target is not None and facing(model) else set())
    if not copied and not report.known:
        what = f"weights that a {type(model.recipe).__name__} has a place for"
        raise bad("state", how.who, what, ", ".join(weights) or "none")
    return replace(report, skipped=tuple(name for name in weights if name not in used))


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


def _table(state: State, names: Sequence[str]) -> tuple[set[str], Tensor] | None:
    """The first table of one of these names, real parts before imaginary ones, and what it is called in the state."""
    for name in names:
        key = next((k for k in state if f".{k}".endswith(f".{name}.weight") and state[k].ndim == 2), None)
        if key is None:
            continue
        imaginary = key.removesuffix(".weight") + IMAGINARY + ".weight"
        if imaginary in state:
            return {key, imaginary}, torch.cat([state[key], state[imaginary]], dim=1).detach()
        return {key}, state[key].detach()
    return None


def _put_table(
    model: Model, source: Tensor, target: Tensor | None, ids: Sequence[Any] | NodeIds | None, how: How
) -> StartReport:
    """Rows by id, those of the target side with them."""
    given = model.ids if ids is None else ids
    names, kinds = names_of(given) if isinstance(given, NodeIds) else (list(given), None)
    if len(names) != len(source):
        what = f"{len(source)} ids, one a row of the node table"
        raise bad("ids", how.who, what, f"{len(names)} ids" + (" of the model" if ids is None else ""))
    if isinstance(model.scorer, TransEScorer):
        source = F.normalize(source, p=model.scorer.norm, dim=-1)
    piece = Piece(encoder_tables(model, how.who), to_numpy(source), None if target is None else to_numpy(target))
    return put_rows(model, rows_of(model.ids, names, kinds), [piece], how)


def _relation_rows(model: Model, count: int, relations: Sequence[Any] | None, who: str) -> np.ndarray:
    """[r] the model's number of each of their relations, -1 where it has no such."""
    ours = model.graph.relation_ids
    assert ours is not None
    names = names_of(ours)[0] if relations is None else list(relations)
    if len(names) != count:
        what = f"{count} names, one a row of the relation table"
        raise bad("relations", who, what, f"{len(names)} names" + (" of the model" if relations is None else ""))
    return ours.index(names, missing="mark")
