"""Starts from what is known of the nodes: vectors, or another model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from graphtune.check import bad
from graphtune.models.base import Model
from graphtune.start.report import StartReport
from graphtune.start.rows import How, Piece, encoder_tables, facing, put_rows, rows_of, to_numpy
from graphtune.start.weights import find_copies
from graphtune.vectors import Vectors, names_of


def start_from(
    model: Model,
    vectors: Vectors,
    missing: str = "neighbours",
    resize: str = "project",
    seed: int = 0,
    scale: str = "keep",
) -> StartReport:
    """Set the rows of a model's source-side tables to known vectors, matched by id.

    The two tables of LINE get a half each: the first and the last columns of vectors of the model's dim, else
    directions in turn, so that both hold as much.

    Args:
        model: changed in place.
        vectors: under the user's ids.
        missing: "neighbours" gives a node without a vector the mean of those of its neighbours, in rounds outwards;
            where there are none it stays as it is, random in a new model. "random" leaves all such nodes as they are.
        resize: "project" makes vectors of another dim fit: fewer columns keep dot products best (the leading right
            singular vectors), more get a small random tail. "refuse" raises.
        seed: of the tail.
        scale: "own" multiplies the vectors by the one number that gives them the root mean square of the rows they
            replace, for scores that need numbers of a size: distances (TransE, RotatE), products of three (ComplEx).
            "keep" leaves them as they are.

    Raises:
        ArgumentError: the model has no table of node embeddings, the dims differ and are to be refused, or a vector is
            not finite.
    """
    how = How("start_from", missing, resize, seed, scale)
    piece = Piece(encoder_tables(model, how.who), np.asarray(vectors.matrix, dtype=np.float32))
    return put_rows(model, rows_of(model.ids, vectors.ids, vectors.kinds), [piece], how)


def start_from_model(
    model: Model,
    other: Model,
    missing: str = "neighbours",
    resize: str = "project",
    seed: int = 0,
    scale: str = "keep",
) -> StartReport:
    """Take over a pretrained model of the same or another recipe, over the same or another graph.

    Of a model with the same encoder all weights are taken that have a place: rows of nodes and of relations by name,
    others as they are. Of any other model the embeddings are taken, its target side for the target-side table.

    Args:
        model: changed in place.
        other: left as it is.
        missing, resize, seed: as for `start_from`; with "refuse" a weight of another shape is an error, too.
        scale: as for `start_from`, where embeddings are taken; weights of the same encoder are kept as they are.

    Raises:
        ArgumentError: no weight of `other` has a place, or what `start_from` raises.
    """
    how = How("start_from_model", missing, resize, seed, scale)
    rows = rows_of(model.ids, *names_of(other.ids))
    if not _same_encoder(model, other):
        names, source = encoder_tables(model, how.who), other.embeddings()
        target = other.embeddings("target") if facing(model) else None
        return put_rows(model, rows, [_piece(names, source, target)], how)
    if other.encoder.adapter_width and not model.encoder.adapter_width:
        model.encoder.add_adapters(other.encoder.adapter_width)
    how = replace(how, scale="keep")
    theirs = other.table_parameters()
    state = other.state_dict()  # running means, too
    weights = {name: value for name, value in state.items() if name not in theirs and not name.startswith("heads.")}
    copies, skipped = find_copies(model, weights, _relations(model, other), how)
    report = put_rows(model, rows, _pieces(model, other), how)
    if not copies and not report.known:
        raise bad("other", how.who, f"about nodes or relations of the model, or a {_kind(model)}", _kind(other))
    for copy in copies:
        copy.make()
    return replace(report, skipped=skipped)


def _same_encoder(model: Model, other: Model) -> bool:
    """Whether weights can be taken by name: the encoders have the same ones, or some and are of one recipe."""
    ours, theirs = ({name for name, _ in m.encoder.named_parameters()} for m in (model, other))
    return ours == theirs or (type(model.recipe) is type(other.recipe) and bool(ours & theirs))


def _pieces(model: Model, other: Model) -> list[Piece]:
    """Table by table; for a target side that `other` has no table for, its target-side embeddings. Tables of the scorer
    come with those of the encoder that they face, or alone."""
    theirs, other_side = other.table_parameters(), facing(model)
    pieces = []
    for name, source in theirs.items():
        if name not in model.table_parameters() or name in other_side.values():
            continue
        target: Tensor | None = theirs.get(other_side.get(name, ""))
        if target is None and name in other_side:
            target = other.embeddings("target")
        pieces.append(_piece((name,), source, target))
    return pieces


def _piece(names: tuple[str, ...], source: Tensor, target: Tensor | None) -> Piece:
    """Both sides, where they are of one space."""
    both = target is not None and target.shape == source.shape
    return Piece(names, to_numpy(source), to_numpy(target) if target is not None and both else None)


def _relations(model: Model, other: Model) -> np.ndarray | None:
    """The model's number of each relation of `other`, -1 for those it does not know."""
    ours, theirs = model.graph.relation_ids, other.graph.relation_ids
    if ours is None or theirs is None:
        return None
    return ours.index(theirs.values(np.arange(len(theirs))), missing="mark")


def _kind(model: Model) -> str:
    return f"{type(model.recipe).__name__} of dim {model.dim}"
