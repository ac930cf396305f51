"""A start in closed form: factors of the graph's own matrix instead of random rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from graphtune.models.base import ClosedForm, Model
from graphtune.models.factorise import quiet, sparse_operator, top_eigenpairs
from graphtune.models.prone import ProNE
from graphtune.models.propagation import normalised_adjacency
from graphtune.start.report import StartReport
from graphtune.start.rows import How, Piece, encoder_tables, facing, put_rows, to_numpy, width_of

LEAST = 1e-6  # eigenvalues up to it are rounding


def start_from_closed_form(
    model: Model,
    recipe: ClosedForm | None = None,
    missing: str = "neighbours",
    seed: int = 0,
    say: Callable[[str], None] = quiet,
) -> StartReport:
    """Start a model from the embeddings that a closed form finds for its graph.

    A model with a target-side table gets both sides; one whose sides are tied gets those of the graph without
    directions. Relations are not looked at. Same bits for the same graph, seed and number of threads.

    Args:
        model: changed in place.
        recipe: solved on the model's graph; ProNE of the width of the model's tables where None, whose time is linear
            in the edges.
        missing: what becomes of nodes of which the closed form knows nothing, as for `start_from`.
        seed: of the closed form.
        say: is told what is done.

    Raises:
        ArgumentError: the model has no table of node embeddings.
    """
    how = How("start_from_closed_form", missing, "project", seed)
    names = encoder_tables(model, how.who)
    recipe = recipe or ProNE(dim=width_of(model, names))
    sided = bool(facing(model))
    directed = model.graph.directed and sided
    graph = model.graph
    if graph.relation is not None or graph.directed != directed:
        graph = graph.replace(directed=directed, relation=None, relation_ids=None)
    solved = recipe.build(graph, seed)
    recipe.solve(solved, seed, say)
    source, target = to_numpy(solved.embeddings()), to_numpy(solved.embeddings("target"))
    used = (source != 0).any(axis=0) | (target != 0).any(axis=0)
    known = (source != 0).any(axis=1) | (target != 0).any(axis=1)
    rows = np.where(known, np.arange(len(known)), -1)
    piece = Piece(names, source[:, used], target[:, used] if sided else None, falling=True)
    return replace(put_rows(model, rows, [piece], how), ignored=0)


def start_from_svd(model: Model, missing: str = "neighbours", seed: int = 0) -> StartReport:
    """Start a model from the leading part of its graph's normalised matrix, as spectral recommenders keep it.

    Rows are V sqrt(L) of the largest eigenpairs of D^-1/2 A D^-1/2 with both directions of each edge. In a log of
    events that is the truncated SVD U S W^T of D_u^-1/2 R D_i^-1/2, users at U sqrt(S / 2) and items at W sqrt(S / 2).
    They are brought to the size of the rows that they replace. Both sides of a model get the same rows.

    Args:
        model: changed in place.
        missing: what becomes of nodes without an edge, as for `start_from`.
        seed: of the subspace that the iteration starts from.

    Raises:
        ArgumentError: the model has no table of node embeddings.
    """
    how = How("start_from_svd", missing, "project", seed, "own")
    names = encoder_tables(model, how.who)
    matrix = normalised_adjacency(model.graph)
    vectors, values = top_eigenpairs(sparse_operator(matrix), len(model.ids), width_of(model, names), seed)
    used = values > LEAST
    rows = to_numpy(vectors)[:, used] * np.sqrt(values[used]).astype(np.float32)
    known = np.flatnonzero(np.diff(matrix.indptr))
    at = np.full(len(rows), -1)
    at[known] = known
    piece = Piece(names, rows, rows if facing(model) else None, falling=True)
    return replace(put_rows(model, at, [piece], how), ignored=0)
