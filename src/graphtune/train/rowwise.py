"""Optimisers whose step costs only the rows of a table that a batch has touched, for tables of millions of rows.

Kernels on the CPU, plain torch elsewhere. A gradient may be sparse, its rows repeated, or dense: it touches all rows.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.kernels.optimizers import adagrad_rows, adam_rows, descent_rows
from graphtune.models.base import Model
from graphtune.models.lookup import Context, Lookup
from graphtune.train.light import Light

BIG = 1_000_000
"""Rows from which `table_updates="auto"` takes them one by one."""


def tables_by_rows(model: Model, objective: Any, config: TrainConfig) -> set[str]:
    """Names of the tables that are updated by rows, as `config.table_updates` says; their lookups then give sparse
    gradients.

    Raises:
        ArgumentError: rows are asked for where every step needs the whole table.
    """
    tables = model.table_parameters()
    whole = _needs_whole(model, objective, config)
    if config.table_updates == "rows" and whole:
        raise bad("table_updates", "TrainConfig", f'"dense" or "auto": {whole}', "rows")
    lazy = config.weight_decay_table or config.average == "ema"  # which "rows" does otherwise, or gains nothing with
    if config.table_updates == "rows":
        chosen = set(tables)
    elif config.table_updates == "auto" and not whole and not lazy:
        enough = _rows_that_pay(objective, config)
        chosen = {name for name, table in tables.items() if len(table) >= enough}
    else:
        chosen = set()
    for name, module in model.named_modules():
        if isinstance(module, Lookup | Context):
            module.sparse = f"{name}.weight" in chosen
    return chosen


def _rows_that_pay(objective: Any, config: TrainConfig) -> int:
    """Rows from which "auto" takes a table by rows: `BIG`, or far fewer where a step reads few of them and both ways
    come to the same weights."""
    same = config.optimizer in ("adagrad", "sgd") and getattr(objective, "reads_few", False)
    return min(BIG, 4 * config.batch_size) if same else BIG


def _needs_whole(model: Model, objective: Any, config: TrainConfig) -> str:
    """Why a step reads or changes whole tables; nothing if it does not."""
    if not model.encoder.reads_rows:
        return f"{type(model.recipe).__name__} does not read rows of a table alone"
    if getattr(objective, "reads_all", False):
        return f"{type(objective).__name__} reads all rows"
    return "l2_sp pulls all rows" if config.l2_sp else ""


class RowOptimizer(Light):
    """What the optimisers share: from a gradient to touched rows.

    Args:
        groups: as torch's optimisers take them, each with "lr" and "weight_decay"; parameters are tables [N, D].
    """

    def __init__(self, groups: Iterable[dict[str, Any]]):
        super().__init__(groups, {"lr": 1e-3, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of every table that has a gradient."""
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is None:
                    continue
                indices, values = parts(table.grad)
                state = self.state[table]
                if not state:
                    state.update(self.start(table))
                if table.device.type == "cpu" and table.dtype == torch.float32 and table.is_contiguous():
                    self.by_kernel(indices, values, table.detach(), state, group)
                else:
                    rows, place = indices.unique(return_inverse=True)
                    gradient = values.new_zeros(len(rows), *values.shape[1:]).index_add_(0, place, values)
                    self.by_torch(rows, gradient, table.detach(), state, group)

    @abstractmethod
    def start(self, table: Tensor) -> dict[str, Any]:
        """The state of a table before its first step."""

    @abstractmethod
    def by_kernel(
        self, indices: Tensor, values: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """The step with `values` [n, D] in rows `indices` [n], some repeated."""

    @abstractmethod
    def by_torch(
        self, rows: Tensor, gradient: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """The same with `gradient` [U, D] in `rows` [U], each once."""


class RowAdam(RowOptimizer):
    """Lazy Adam: moments and weights of untouched rows stay as they are, and the corrections for the start from 0
    count the steps of the whole table, as `torch.optim.SparseAdam` does. Touched rows move as in AdamW: `eps` is added
    to the corrected root, and decay is decoupled.
    """

    betas, eps = (0.9, 0.999), 1e-8

    def start(self, table: Tensor) -> dict[str, Any]:
        return {"step": 0, "mean": torch.zeros_like(table), "square": torch.zeros_like(table)}

    def by_kernel(
        self, indices: Tensor, values: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        rate, keep, eps = self._rates(state, group)
        mean, square = state["mean"].numpy(), state["square"].numpy()
        adam_rows(indices.numpy(), values.numpy(), table.numpy(), mean, square, rate, keep, self.betas, eps)

    def by_torch(
        self, rows: Tensor, gradient: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        rate, keep, eps = self._rates(state, group)
        mean = state["mean"][rows].lerp_(gradient, 1 - self.betas[0])
        square = state["square"][rows].lerp_(gradient.square(), 1 - self.betas[1])
        table[rows] = keep * table[rows] - rate * mean / (square.sqrt() + eps)
        state["mean"][rows], state["square"][rows] = mean, square

    def _rates(self, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, float, float]:
        """Step size, what decay leaves and eps in the next step, for a mean and a root that are not corrected."""
        state["step"] += 1
        by_mean, by_square = (1 - beta ** state["step"] for beta in self.betas)
        root = math.sqrt(by_square)
        return group["lr"] * root / by_mean, 1 - group["lr"] * group["weight_decay"], self.eps * root


class RowAdagrad(RowOptimizer):
    """Adagrad, which leaves rows without gradient alone by itself; decay is in the gradient, of touched rows only."""

    eps = 1e-10

    def start(self, table: Tensor) -> dict[str, Any]:
        return {"square": torch.zeros_like(table)}

    def by_kernel(
        self, indices: Tensor, values: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        square, rate, decay = state["square"].numpy(), group["lr"], group["weight_decay"]
        adagrad_rows(indices.numpy(), values.numpy(), table.numpy(), square, rate, decay, self.eps)

    def by_torch(
        self, rows: Tensor, gradient: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        gradient = gradient + group["weight_decay"] * table[rows]
        square = state["square"][rows] + gradient.square()
        table[rows] -= group["lr"] * gradient / (square.sqrt() + self.eps)
        state["square"][rows] = square


class RowSGD(RowOptimizer):
    """Gradient descent, which leaves rows without gradient alone by itself; decay as in `RowAdagrad`. No state."""

    def start(self, table: Tensor) -> dict[str, Any]:
        return {}

    def by_kernel(
        self, indices: Tensor, values: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        descent_rows(indices.numpy(), values.numpy(), table.numpy(), group["lr"], group["weight_decay"])

    def by_torch(
        self, rows: Tensor, gradient: Tensor, table: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        table[rows] -= group["lr"] * (gradient + group["weight_decay"] * table[rows])


def parts(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [n] and values [n, D] of a gradient of a table; all of them where it is dense."""
    if gradient.is_sparse:
        return gradient._indices()[0], gradient._values().contiguous()
    return torch.arange(len(gradient), device=gradient.device), gradient.contiguous()


def without(gradient: Tensor, held: Tensor) -> Tensor:
    """A sparse gradient less the rows where `held` [N] is true."""
    indices, values = parts(gradient)
    left = ~held[indices]
    return torch.sparse_coo_tensor(
        indices[left][None], values[left], gradient.shape, is_coalesced=gradient.is_coalesced(), check_invariants=False
    )
