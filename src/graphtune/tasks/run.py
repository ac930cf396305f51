"""The two calls that train: `pretrain` on structure alone, `finetune` on a task. Both are `fit` with its arguments."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.base import ClosedForm, Model, Recipe
from graphtune.split import Split
from graphtune.tasks.base import Task, watching
from graphtune.tasks.links import LinkPrediction
from graphtune.tasks.ranking import Recommendation
from graphtune.tasks.triples import TripleCompletion
from graphtune.train.distributed import workers
from graphtune.train.fit import Result, Run, Training, fit
from graphtune.train.stages import Stages

Fixed = Iterable[Any] | Mapping[str, Iterable[Any]]


def pretrain(
    recipe: Recipe | ClosedForm,
    data: Graph | Split,
    config: TrainConfig | None = None,
    start: Model | None = None,
    run: Run = Run(),
    fixed: Fixed | None = None,
) -> Result:
    """Learn embeddings from the structure of a graph.

    Args:
        recipe: the model family and its options; a closed form is solved, in one epoch of which `config` says the seed.
        data: a split, of which only the train part is learned and the validation part, if it has one, watched; or a
            graph, all of which is learned with nothing to watch.
        config: how to train; what suits the recipe where None.
        start: a model to go on from instead of random weights.
        run: checkpoints, loggers and progress.
        fixed: ids of nodes whose rows of the tables stay as they are (by kind where ids stand in several).

    Raises:
        TrainingError: the loss is no longer finite.
        ArgumentError: a closed form is given weights to start from or to fix; an id is unknown.
        LeakError: a part of the split leaks into another.
    """
    config = config or recipe.training()
    graph = data.train if isinstance(data, Split) else data
    task = default_task(data) if isinstance(data, Split) and data.unit == "edge" else None
    if task is not None and watching(task, data) == (None, None):  # type: ignore[arg-type]
        task = None
    if isinstance(recipe, ClosedForm):
        if start is not None or fixed is not None:
            argument = "start" if start is not None else "fixed"
            raise bad(argument, "pretrain", f"left out: {type(recipe).__name__} is solved, not trained", "a value")
        return _solve(recipe, graph, task, config, run)
    model = start.copy() if start is not None else recipe.build(graph, config.seed)
    sampler, objective = recipe.pretraining(graph, config)
    training = Training(type(recipe).__name__, sampler, objective, fixed=_rows(graph.ids, fixed))
    if task is not None:
        training = replace(training, validate=task.validate, monitor=task.monitor)
    return fit(model, training, config, run)


def finetune(
    model: Model, task: Task, config: TrainConfig | None = None, run: Run = Run(), fixed: Fixed | None = None
) -> Result:
    """Train a copy of `model` for a task, from the weights it has; tables of bfloat16 become float32.

    Args:
        model: pretrained or not; left as it is.
        task: what to train for.
        config: how to train; what suits the task where None.
        run: checkpoints, loggers and progress.
        fixed: ids of nodes whose rows of the tables stay as they are (by kind where ids stand in several).

    Raises:
        TrainingError: the loss is no longer finite.
        ArgumentError: the model and the task do not fit, the model has no weights, or an id is unknown.
    """
    config = config or task.defaults()
    if next(model.parameters(), None) is None:
        found = f"{type(model.recipe).__name__}, which is solved and has none"
        other = "ComplEx" if model.reads_relations else "LightGCN or BPRMF"
        fix = f"Solve it again with `pretrain` (graphtune embed), or train {other}."
        raise bad("model", "finetune", "one with weights to train", found, fix)
    if model.ids != task.graph.ids:
        fix = "Split the graph that the model was built on, or start a model on this graph from its vectors."
        raise bad("task", "finetune", "on the nodes of the model", f"{len(task.graph.ids)} other nodes", fix)
    tuned = model.copy(_with_whole_tables(model.recipe))
    training = replace(task.training(tuned, config), fixed=_rows(model.ids, fixed))
    return fit(tuned, training, config, run)


def _rows(ids: NodeIds, fixed: Fixed | None) -> np.ndarray | None:
    if isinstance(fixed, Mapping):
        return np.concatenate([np.empty(0, np.int64), *(ids.index(some, kind) for kind, some in fixed.items())])
    return None if fixed is None else ids.index(fixed)


def _with_whole_tables(recipe: Any) -> Any:
    half = getattr(recipe, "table_dtype", "float32") != "float32"
    return replace(recipe, table_dtype="float32") if half else recipe


def _solve(recipe: ClosedForm, graph: Graph, task: Task | None, config: TrainConfig, run: Run) -> Result:
    """A closed form in place of `fit`: one row of history, its loss 0."""
    begin, run = time.monotonic(), workers().own(run)
    model = recipe.build(graph, config.seed)
    with Stages(type(recipe).__name__, run.quiet) as say:
        recipe.solve(model, config.seed, say)
    model.eval()
    row = {"epoch": 1, "step": 1, "loss": 0.0, "lr": 0.0, "seconds": 0.0}
    if task is not None:
        row |= task.validate(model)
    row["seconds"] = time.monotonic() - begin
    for logger in run.loggers:
        logger.begin([])
        logger.log(row)
    return Result(model, [row], config, 1, False, None if task is None else task.monitor)


def default_task(split: Split) -> Task:
    """The task that the edges of a split are for: triples, events or links."""
    if split.graph.relation is not None:
        return TripleCompletion(split)
    if split.graph.is_bipartite_events:
        return Recommendation(split)
    return LinkPrediction(split)
