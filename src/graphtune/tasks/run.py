"""The two calls that train: `pretrain` on structure alone, `finetune` on a task. Both are `fit` with its arguments."""

from __future__ import annotations

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, Recipe
from graphtune.split import Split
from graphtune.tasks.base import Task
from graphtune.tasks.links import LinkPrediction
from graphtune.tasks.ranking import Recommendation
from graphtune.tasks.triples import TripleCompletion
from graphtune.train.fit import Result, Run, Training, fit


def pretrain(
    recipe: Recipe,
    data: Graph | Split,
    config: TrainConfig | None = None,
    start: Model | None = None,
    run: Run = Run(),
) -> Result:
    """Learn embeddings from the structure of a graph.

    Args:
        recipe: the model family and its options.
        data: a split, of which only the train part is learned and the validation part watched; or a graph, all of
            which is learned with nothing to watch.
        config: how to train; what suits the recipe where None.
        start: a model to go on from instead of random weights.
        run: checkpoints, loggers and progress.

    Raises:
        TrainingError: the loss is no longer finite.
        LeakError: a part of the split leaks into another.
    """
    config = config or recipe.training()
    graph = data.train if isinstance(data, Split) else data
    model = start.copy() if start is not None else recipe.build(graph, config.seed)
    sampler, objective = recipe.pretraining(graph, config)
    training = Training(type(recipe).__name__, sampler, objective)
    if isinstance(data, Split) and data.unit == "edge":
        task = default_task(data)
        training = Training(type(recipe).__name__, sampler, objective, task.validate, task.monitor)
    return fit(model, training, config, run)


def finetune(model: Model, task: Task, config: TrainConfig | None = None, run: Run = Run()) -> Result:
    """Train a copy of `model` for a task, from the weights it has.

    Args:
        model: pretrained or not; left as it is.
        task: what to train for.
        config: how to train; what suits the task where None.
        run: checkpoints, loggers and progress.

    Raises:
        TrainingError: the loss is no longer finite.
        ArgumentError: the model and the task do not fit.
    """
    config = config or task.defaults()
    if model.ids != task.graph.ids:
        fix = "Split the graph that the model was built on, or start a model on this graph from its vectors."
        raise bad("task", "finetune", "on the nodes of the model", f"{len(task.graph.ids)} other nodes", fix)
    tuned = model.copy()
    return fit(tuned, task.training(tuned, config), config, run)


def default_task(split: Split) -> Task:
    """The task that the edges of a split are for: triples, events or links."""
    if split.graph.relation is not None:
        return TripleCompletion(split)
    if split.graph.is_bipartite_events:
        return Recommendation(split)
    return LinkPrediction(split)
