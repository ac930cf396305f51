"""What holds weights while they are trained: rows that stay as they are, and an anchor to the start."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphtune.check import bad
from graphtune.models.base import Model
from graphtune.train.groups import Group
from graphtune.train.rowwise import without


class FixedRows:
    """Rows of every table that keep their bits: known nodes, while new ones learn.

    They get no gradient, so they have no part in clipping and no moments; decay is undone by putting them back.

    Args:
        model: whose tables.
        rows: numbers of nodes, or None for none.

    Raises:
        ArgumentError: the model has no table, or no such rows.
    """

    def __init__(self, model: Model, rows: np.ndarray | None):
        self.tables = [] if rows is None else list(model.table_parameters().values())
        chosen = np.empty(0, np.int64) if rows is None else np.unique(np.asarray(rows, dtype=np.int64))
        if rows is not None and not self.tables:
            fix = "Its embeddings come from features; `freeze` holds whole layers."
            raise bad("fixed", "fit", "left out for a model without a table of nodes", len(chosen), fix)
        if len(chosen) and not 0 <= chosen[0] <= chosen[-1] < model.graph.num_nodes:
            raise bad("fixed", "fit", f"rows from 0 to {model.graph.num_nodes - 1}", chosen[[0, -1]].tolist())
        self.rows = torch.from_numpy(chosen).to(model.device)
        self.kept = [table.detach()[self.rows] for table in self.tables]
        self.held = torch.zeros(model.graph.num_nodes, dtype=torch.bool, device=model.device)
        self.held[self.rows] = True

    def clear_gradients(self) -> None:
        """Before clipping and the step."""
        for table in self.tables:
            if table.grad is None:
                continue
            if table.grad.is_sparse:
                table.grad = without(table.grad, self.held)
            else:
                table.grad.index_fill_(0, self.rows, 0)

    def put_back(self) -> None:
        """After the step, which leaves rows alone that a sparse gradient does not have."""
        for table, kept in zip(self.tables, self.kept):
            if table.grad is None or not table.grad.is_sparse:
                table.detach().index_copy_(0, self.rows, kept)


class Anchor:
    """L2-SP (Li et al., 2018), decoupled: w <- w - lr l2_sp (w - w0), with w0 the weights now. Heads are left out.

    With plain SGD it is the gradient of l2_sp / 2 |w - w0|^2.

    Args:
        groups: what is trained.
        strength: l2_sp; 0 for none.
    """

    def __init__(self, groups: Sequence[Group], strength: float):
        self.strength = strength
        self.held: list[tuple[int, list[Tensor], list[Tensor]]] = []
        for number, group in enumerate(groups if strength else ()):
            weights = [p.detach() for name, p in group.parameters.items() if not name.startswith("heads.")]
            if weights:
                self.held.append((number, weights, [w.clone() for w in weights]))

    def pull(self, rated: Sequence[dict[str, Any]]) -> None:
        """Before the step; `rated` has the rate of each group now, as the optimiser does."""
        for number, weights, start in self.held:
            torch._foreach_lerp_(weights, start, rated[number]["lr"] * self.strength)


def fingerprint(rows: np.ndarray | None) -> str | None:
    """What tells one choice of fixed rows from another."""
    return None if rows is None else hashlib.sha256(np.unique(np.asarray(rows, dtype=np.int64)).tobytes()).hexdigest()
