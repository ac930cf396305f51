"""Several tasks that share one model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from graphtune.check import bad, number, one_of
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.objectives import Several
from graphtune.sampling import MixedSampler, check_each, check_mix
from graphtune.split import TEST, Split, audit_together
from graphtune.tasks.base import Task
from graphtune.tasks.communities import CommunityDetection
from graphtune.train.balance import BALANCES
from graphtune.train.fit import Training

MEAN = "mean"


@dataclass(frozen=True)
class Shared:
    """Several tasks on one model: its encoder learns from all of them, each task has its head, if any, to itself.

        Shared((LinkPrediction(edge_split), NodeClassification(node_split)), balance="uncertainty")

    All tasks are on the same nodes. Those on edges have them in the same parts, and the model may know the train part
    only; those on nodes divide the nodes of any graph, as they read labels and no edges. Metrics carry the name of
    their task: "link-prediction/auc".

    Attributes:
        tasks: two or more of different names. The first one's settings are the default for all, but the epochs and
            the patience are the largest of all; `batch_size` is that of each.
        mix: "together", "in-turn" or "by-size"; see `MixedSampler`.
        balance: "fixed", the weighted sum of the losses; "uncertainty", weighed by learned variances (Kendall et al.,
            2018); "pcgrad", conflicting gradients projected (Yu et al., 2020), which needs all tasks "together".
        weights: one for each task, for "fixed" and "pcgrad"; 1 where None.
        balance_lr: rate of the log variances, for "uncertainty"; the training's where None.
        temperature: for mix="by-size"; see `MixedSampler`.
        shares: for mix="by-size"; see `MixedSampler`.
        watch: what validation goes by: the name of a task, for its metric, or "mean", of the metrics that the tasks go
            by on their own; all are at most 1, and larger is better.
    """

    tasks: tuple[Task, ...]
    mix: str = "together"
    balance: str = "fixed"
    weights: tuple[float, ...] | None = None
    balance_lr: float | None = None
    temperature: float = 1.0
    shares: tuple[float, ...] | None = None
    watch: str = MEAN

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        names = [task.name for task in self.tasks]
        _check_tasks(self.tasks, names)
        check_mix("Shared", len(names), self.mix, self.temperature, self.shares)
        _check_balance(self)
        one_of("watch", "Shared", self.watch, (MEAN, *names))
        audit_together(self.splits)

    @property
    def name(self) -> str:
        return ",".join(task.name for task in self.tasks)

    @property
    def monitor(self) -> str:
        return MEAN if self.watch == MEAN else next(_monitored(task) for task in self.tasks if task.name == self.watch)

    @property
    def graph(self) -> Graph:
        return self.tasks[0].graph

    @property
    def splits(self) -> dict[str, Split]:
        """The split of each task that has one, by its name."""
        found = {task.name: getattr(task, "split", None) for task in self.tasks}
        return {name: split for name, split in found.items() if isinstance(split, Split)}

    def training(self, model: Model, config: TrainConfig) -> Training:
        each = [task.training(model, config) for task in self.tasks]
        for training in each:
            if training.sampler.num_batches == 0:
                raise bad("tasks", "Shared", "tasks with something to learn from", f"{training.name} without")
        samplers = tuple(training.sampler for training in each)
        sampler = MixedSampler(samplers, self.mix, self.temperature, self.shares, config.seed)
        objectives = tuple(training.objective for training in each)
        objective = Several(objectives, self.balance, self.weights, self.balance_lr)
        return Training(self.name, sampler, objective, self.validate, self.monitor)

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        """The metrics of all tasks, each under the name of its task."""
        found = {task.name: task.evaluate(model, part) for task in self.tasks}
        return Evaluation(
            self.name,
            next(iter(found.values())).part,
            {f"{name}/{k}": v for name, e in found.items() for k, v in e.per_query.items()},
            {f"{name}/{k}": v for name, e in found.items() for k, v in e.pooled.items()},
            {f"{name}/{k}": v for name, e in found.items() for k, v in e.counts.items()},
        )

    def defaults(self) -> TrainConfig:
        each = [task.defaults() for task in self.tasks]
        return replace(each[0], epochs=max(c.epochs for c in each), patience=max(c.patience for c in each))

    def validate(self, model: Model) -> dict[str, float]:
        row = {f"{task.name}/{k}": value for task in self.tasks for k, value in task.validate(model).items()}
        return row | {MEAN: float(np.mean([row[_monitored(task)] for task in self.tasks]))}


def _monitored(task: Task) -> str:
    return f"{task.name}/{task.monitor}"


def _check_tasks(tasks: tuple[Task, ...], names: list[str]) -> None:
    if len(tasks) < 2 or len(set(names)) < len(names):
        raise bad("tasks", "Shared", "two tasks or more, of different names", names)
    for task in tasks:
        if isinstance(task, Shared | CommunityDetection):
            raise bad("tasks", "Shared", "single tasks with something to learn from", task.name)
        if task.graph.ids != tasks[0].graph.ids:
            fix = "Split one graph both ways, or give the second one the ids of the first."
            raise bad("tasks", "Shared", "on the same nodes", f"{task.name} on others than {names[0]}", fix)


def _check_balance(shared: Shared) -> None:
    count = len(shared.tasks)
    one_of("balance", "Shared", shared.balance, BALANCES)
    check_each("weights", "Shared", count, shared.weights)
    if shared.balance_lr is not None:
        number("balance_lr", "Shared", shared.balance_lr, 0, open_low=True)
    learned = shared.balance == "uncertainty"
    if learned and shared.weights is not None:
        raise bad("weights", "Shared", "left out for balance='uncertainty', which learns them", shared.weights)
    if not learned and shared.balance_lr is not None:
        raise bad("balance_lr", "Shared", "left out unless balance='uncertainty'", shared.balance_lr)
    if shared.balance == "pcgrad" and shared.mix != "together":
        raise bad("mix", "Shared", "'together' for balance='pcgrad', which compares the tasks' gradients", shared.mix)
