"""`graphtune embed`: from a file to a saved model with its scores."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphtune.check import bad
from graphtune.cli.data import DEFAULT_MODEL, Data, check_pair, kind_of, read_data
from graphtune.cli.evaluate import show_evaluation
from graphtune.cli.options.learn import EmbedOptions
from graphtune.cli.output import already_done, check_out, fingerprint, keep, outcome, running, show_done
from graphtune.cli.parts import split_data
from graphtune.cli.profile import show_profile
from graphtune.cli.room import needed, ratios_for, warning
from graphtune.cli.settings import configure, find_variant, parse_settings
from graphtune.cli.start import begin, check_start, read_fixed
from graphtune.cli.talk import Talk, lines
from graphtune.cli.tasks import natural_task
from graphtune.config import TrainConfig
from graphtune.estimate import Plan as Estimated
from graphtune.graph import Graph
from graphtune.launch import launch
from graphtune.models import RECIPES, ClosedForm, Model, Recipe
from graphtune.split import Split
from graphtune.start import StartReport
from graphtune.store import Record
from graphtune.tasks import NodeClassification, pretrain
from graphtune.train.distributed import workers


@dataclass(frozen=True)
class Plan:
    """What is to be learned, settled before the first step.

    Attributes:
        data: the graph as it was read.
        split: its parts, or None to learn every edge.
        recipe: the model with its settings.
        config: how to train it.
        chosen: what was asked for and, for a variant, what stands for it and why.
    """

    data: Data
    split: Split | None
    recipe: Recipe | ClosedForm
    config: TrainConfig
    chosen: str

    @property
    def learned(self) -> Graph:
        """The edges that training sees."""
        return self.data.graph if self.split is None else self.split.train

    def described(self) -> dict[str, Any]:
        """What a run that is resumed must have in common with the one that was begun, beside the configuration."""
        data = fingerprint(self.data.graph, self.split)
        return {"data": data, "model": repr(self.recipe)}


def embed(options: EmbedOptions, talk: Talk) -> dict[str, Any]:
    """Read, clean, split, pretrain, evaluate and save."""
    begun = time.monotonic()
    done = already_done(options.out, "embed", asdict(options))
    if done is not None:
        return done
    out = check_out(options.out, "embed")
    check_start(options, "embed")
    fixed = read_fixed(options.fixed, options.data.labels.kind, "embed")
    plan = _plan(options, talk)
    if options.out.profile and isinstance(plan.recipe, ClosedForm):
        raise bad("--profile", "embed", f"left out: {type(plan.recipe).__name__} is solved, not trained", True)
    start, started = _start(plan, options, talk)
    with running(options.out, "embed", plan.described(), talk.quiet, plan.config) as run:
        learned_from = plan.data.graph if plan.split is None else plan.split
        result = pretrain(plan.recipe, learned_from, plan.config, start, run, fixed)
        if not launch().is_first:
            return {}
        metrics = _test_scores(result.model, plan.split)
        seconds = round(time.monotonic() - begun, 1)
        notes = {
            "command": "embed",
            "options": asdict(options),
            "chosen": plan.chosen,
            "report": [str(report) for report in plan.data.reports],
            "start": None if started is None else f"{options.start}: {started}",
            "outcome": outcome(result),
            "seconds": seconds,
        }
        record = Record(plan.split, asdict(plan.config), metrics, result.history, notes)
        keep(options.out, run, result.model, record)
    return {
        "directory": str(out),
        "model": type(plan.recipe).__name__,
        "dim": plan.recipe.dim,
        **_sizes(plan),
        **outcome(result),
        "start": None if started is None else asdict(started),
        "metrics": metrics,
        "profile": None if run.profile is None else run.profile.as_dict(),
        "seconds": seconds,
        "next": _next_commands(plan, result.model, out),
    }


def show_embedding(result: dict[str, Any]) -> None:
    """Scores, the place, and what to type next."""
    if "finished" in result:
        show_done(result)
        return
    for task, evaluation in result["metrics"].items():
        show_evaluation({"model": result["model"], **evaluation, "task": task})
    if result["split"] is None:
        lines("All edges were learned, so there are none left to test on.")
    elif result["split"]["unit"] == "node":
        lines("Every edge was learned; the parts are of the labelled nodes.")
    else:
        share = f"{result['edges_learned']:,} of {result['edges']:,} edges"
        lines(f"Only the train part was learned, {share}; --split none learns all.")
    show_profile(result["profile"])
    lines("", f"Saved in {result['directory']} ({result['seconds']} s). Next:", *(f"  {c}" for c in result["next"]))


def _plan(options: EmbedOptions, talk: Talk) -> Plan:
    settings = parse_settings(options.set, "embed", {"dim": options.dim, "seed": options.seed})
    kind = kind_of(options.data)
    if options.data.test is not None and (options.split, options.by) != (None, None):
        what = "left out with --valid and --test, which are the split"
        raise bad("--by" if options.split is None else "--split", "embed", what, options.split or options.by)
    if kind is not None:  # a model or a setting that is none is told before a large file is read
        check_pair(options.model or DEFAULT_MODEL[kind], kind)
        configure(find_variant(options.model or DEFAULT_MODEL[kind], options.variant)[0], settings)
    with workers().in_turn():  # as it may make files: a graph on disk, a data set that is downloaded
        data = read_data(options.data, talk)
    name = options.model or DEFAULT_MODEL[data.kind]
    check_pair(name, data.kind)
    _, config = configure(find_variant(name, options.variant)[0], settings)
    split = split_data(data, options.split, options.by, config.seed)
    found, why = find_variant(name, options.variant, data.graph if split is None else split.train)
    recipe, _ = configure(found, settings)
    _warn(recipe, config, data, options.split, talk)
    by = f" as {type(recipe).__name__} ({why})" if why else ""
    plan = Plan(data, split, recipe, config, name + by)
    _tell_split(split, talk)
    width = f", dim {recipe.dim}" if recipe.dim else ""
    talk.say(f"Learning {plan.chosen}{width}, on {plan.learned.num_edges:,} edges")
    return plan


def _warn(recipe: Recipe | ClosedForm, config: TrainConfig, data: Data, how: str | None, talk: Talk) -> None:
    """Say it where the memory that is free will not do."""
    if type(recipe) in RECIPES.values():
        need = needed(Estimated.of(recipe, config), data.graph, ratios_for(data, how), timed=False)
        if not need["fits"]:
            talk.say(warning(need))


def _tell_split(split: Split | None, talk: Talk) -> None:
    if split is None:
        talk.say("No split: every edge is learned")
        return
    counts = ", ".join(f"{count:,} {name}" for name, count in split.summary().items() if count)
    talk.say(f"Split ({split.kind}): {counts}")
    for note in split.audit():
        talk.say(f"  {note}")
    if split.unit == "edge" and not split.valid.num_edges:
        talk.say("warning: no edge is left to validate on, so nothing stops the training or chooses its best epoch")


def _start(plan: Plan, options: EmbedOptions, talk: Talk) -> tuple[Model | None, StartReport | None]:
    """The model to start from, and how it was started; None without --start."""
    if options.start is None:
        return None, None
    if isinstance(plan.recipe, ClosedForm):
        raise bad("--start", "embed", f"left out: {type(plan.recipe).__name__} is solved, not trained", options.start)
    model = plan.recipe.build(plan.learned, plan.config.seed)
    own = options.model if options.model and ":" in options.model else None
    return model, begin(model, options, plan.config.seed, own, "embed", talk)


def _test_scores(model: Model, split: Split | None) -> dict[str, Any]:
    if split is None:
        return {}
    task = natural_task(split)
    return {task.name: task.evaluate(model).as_dict()}


def _sizes(plan: Plan) -> dict[str, Any]:
    split, graph = plan.split, plan.data.graph
    parts = None if split is None else {"unit": split.unit, "kind": split.kind, "counts": split.summary()}
    return {
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "edges_learned": plan.learned.num_edges,
        "split": parts,
    }


def _next_commands(plan: Plan, model: Model, out: Path) -> list[str]:
    """What one may type next, with an id of this very graph: what has no weights is not fine-tuned, and without
    embeddings there are none to export."""
    graph = plan.data.graph
    node = graph.ids.values([int(graph.adjacency("out").degree.argmax())])[0]
    commands: list[list[object]] = [["neighbors", out, node, "-k", 10]]
    if plan.data.kind == "events":
        commands = [["recommend", out, node, "-k", 10], ["neighbors", out, node, "--kind", "user"]]
    if graph.relation is not None and graph.relation_ids is not None:
        (head,), (relation,) = graph.ids.values(graph.edges[0, :1]), graph.relation_ids.values(graph.relation[:1])
        commands.append(["predict", out, head, relation, "?"])
    task = NodeClassification.name if graph.labels is not None else None
    if plan.split is not None:
        task = natural_task(plan.split).name
    if task is not None and next(model.parameters(), None) is not None:
        commands.append(["finetune", out, "--task", task, "--out", f"{out}-tuned"])
    if model.dim:
        commands.append(["export", out, "--format", "parquet"])
    return [shlex.join(["graphtune", *map(str, command)]) for command in commands]
