"""How the losses of tasks that share a model become one step. T tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graphtune.config import TrainConfig
from graphtune.objectives import Objective, Several
from graphtune.train.groups import Group
from graphtune.train.shares import Share, Whole
from graphtune.train.state import MismatchError

LossOf = Callable[[Objective, Any, Share | Whole], Tensor]
Gradients = list[Tensor | None]


class Balance:
    """A single task: its loss is the loss.

    Args:
        objective: of the task.

    Attributes:
        groups: what the rule itself learns.
    """

    name = "none"

    def __init__(self, objective: Any):
        self.objective = objective
        self.groups: list[Group] = []

    def begin(self) -> None:
        """A step begins, or begins anew: there are no gradients."""

    def total(self, loss_of: LossOf, batch: Any, share: Share | Whole) -> Tensor:
        """The loss of a batch, or of a part with its share; `loss_of` gives one objective's, with its penalties."""
        return loss_of(self.objective, batch, share)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, what `total` gave or a multiple of it."""
        loss.backward()

    def settle(self, step: int) -> None:
        """All of a step's gradients are there; `step` is its number."""

    def state_dict(self) -> dict[str, Any]:
        return {"rule": self.name}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["rule"] != self.name:
            raise MismatchError(
                f"be of a run with the same balance. Found {state['rule']!r}, now {self.name!r}. "
                "Give the same tasks, or begin anew without resume."
            )


class WeightedSum(Balance):
    """sum_k w_k L_k over the tasks of the batch.

    Args:
        objective: of all tasks, with their weights.
    """

    name = "fixed"

    def __init__(self, objective: Several):
        super().__init__(objective)
        self.weights = objective.weights or (1.0,) * len(objective.objectives)

    def total(self, loss_of: LossOf, batch: Any, share: Share | Whole) -> Tensor:
        return sum_of([self.weights[k] * loss for k, loss in self.losses(loss_of, batch, share).items()])

    def losses(self, loss_of: LossOf, batch: Any, share: Share | Whole) -> dict[int, Tensor]:
        """The loss of each task that has a part in the batch, by its number."""
        parts = enumerate(zip(self.objective.objectives, batch.parts))
        return {k: loss_of(objective, part, share.task(k)) for k, (objective, part) in parts if part is not None}


class Uncertainty(WeightedSum):
    """sum_k exp(-s_k) L_k + s_k / 2, the log variances s_k learned with the rest (Kendall et al., 2018, equation 10).

    They begin at 0, are not decayed, and no part of the model. A task then counts 1 / (2 L_k) in the end.
    For a squared error the paper halves the first term, which is the same with s_k moved by log 2.

    Args:
        objective: of all tasks.
        config: whose rate the log variances have unless the objective says another.
        device: of the losses.
    """

    name = "uncertainty"

    def __init__(self, objective: Several, config: TrainConfig, device: torch.device):
        super().__init__(objective)
        zeros = torch.zeros(len(objective.objectives), device=device)
        self.log_variances = [nn.Parameter(zero.clone()) for zero in zeros]
        named = {f"balance.log_variances.{k}": s for k, s in enumerate(self.log_variances)}
        self.groups = [Group(config.lr if objective.lr is None else objective.lr, 0.0, parameters=named)]

    def total(self, loss_of: LossOf, batch: Any, share: Share | Whole) -> Tensor:
        losses, s = self.losses(loss_of, batch, share), self.log_variances
        return sum_of([torch.exp(-s[k]) * loss + share.task(k).mean * s[k] / 2 for k, loss in losses.items()])

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "log_variances": [s.detach() for s in self.log_variances]}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for own, saved in zip(self.log_variances, state["log_variances"], strict=True):
            own.copy_(saved)


class ProjectedGradients(WeightedSum):
    """PCGrad (Yu et al., 2020, algorithm 1): a task's gradient loses what points against another's, then all are added.

    Weights that a single task reaches, such as heads, have its own gradient. The order in which a task meets the others
    is drawn from the seed and the step. A projected gradient is a sum of the tasks' gradients, so only their products
    are computed, and the sum once. Takes a backward pass and holds a gradient for each task.

    Args:
        objective: of all tasks, with their weights.
        parameters: what is trained.
        seed: of the order.
    """

    name = "pcgrad"

    def __init__(self, objective: Several, parameters: Sequence[nn.Parameter], seed: int):
        super().__init__(objective)
        self.parameters, self.seed = list(parameters), seed
        self.now: list[tuple[int, Tensor]] = []
        self.gradients: dict[int, Gradients] = {}

    def begin(self) -> None:
        self.now, self.gradients = [], {}

    def total(self, loss_of: LossOf, batch: Any, share: Share | Whole) -> Tensor:
        losses = self.losses(loss_of, batch, share)
        self.now = [(k, loss) for k, loss in losses.items() if loss.requires_grad]
        return sum_of([self.weights[k] * loss for k, loss in losses.items()])

    def backward(self, loss: Tensor) -> None:
        shares = torch.autograd.grad(loss, [own for _, own in self.now], retain_graph=True)
        asked = [p for p in self.parameters if p.requires_grad]
        for (k, own), share in zip(self.now, shares):
            found = iter(torch.autograd.grad(own, asked, share, retain_graph=True, allow_unused=True))
            fresh = [next(found) if p.requires_grad else None for p in self.parameters]
            held = self.gradients.get(k, [None] * len(fresh))
            self.gradients[k] = [a if b is None else b if a is None else a + b for a, b in zip(held, fresh)]
        self.now = []

    @torch.no_grad()
    def settle(self, step: int) -> None:
        rows = list(zip(*(self.gradients[k] for k in sorted(self.gradients))))  # of each parameter, by task
        shared = [row for row in rows if sum(g is not None for g in row) > 1]
        counts = projected(products(shared), np.random.default_rng([self.seed, step])) if shared else np.empty(0)
        for parameter, row in zip(self.parameters, rows):
            reached = [(k, g) for k, g in enumerate(row) if g is not None]
            total = torch.zeros_like(parameter)  # of the same strides, by which fused optimisers read
            for k, gradient in reached:
                total.add_(gradient, alpha=float(counts[k]) if len(reached) > 1 else 1.0)
            parameter.grad = total if reached else None


def products(rows: Sequence[Sequence[Tensor | None]]) -> np.ndarray:
    """[T, T] float64 inner products of the tasks' gradients, of which each row has one parameter's."""
    count = len(rows[0])
    pairs = [(i, j) for i in range(count) for j in range(i, count)]
    zero = torch.zeros((), dtype=torch.float64, device=next(g.device for g in rows[0] if g is not None))
    gram = np.zeros((count, count))
    sums = torch.stack([sum_of([zero, *_dots(rows, i, j)]) for i, j in pairs])
    for (i, j), value in zip(pairs, sums.tolist()):
        gram[i, j] = gram[j, i] = value
    return gram


def projected(gram: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[T] how often each task's gradient counts in the sum of the projected ones, from the products of all [T, T]."""
    count = len(gram)
    own = np.eye(count)  # row i: task i's gradient, as a sum of the tasks' first ones
    for i in range(count):
        for j in rng.permutation(np.delete(np.arange(count), i)):
            along = own[i] @ gram[:, j]
            if along < 0:
                own[i, j] -= along / gram[j, j]
    return own.sum(axis=0)


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """The sum of one tensor or more."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def make_balance(
    objective: Any, config: TrainConfig, parameters: Sequence[nn.Parameter], device: torch.device
) -> Balance:
    """The rule that an objective asks for."""
    if not isinstance(objective, Several):
        return Balance(objective)
    if objective.balance == "uncertainty":
        return Uncertainty(objective, config, device)
    if objective.balance == "pcgrad":
        return ProjectedGradients(objective, parameters, config.seed)
    return WeightedSum(objective)


BALANCES = tuple(rule.name for rule in (WeightedSum, Uncertainty, ProjectedGradients))


def _dots(rows: Sequence[Sequence[Tensor | None]], i: int, j: int) -> list[Tensor]:
    both = [(row[i], row[j]) for row in rows]
    return [torch.dot(a.flatten(), b.flatten()).double() for a, b in both if a is not None and b is not None]
