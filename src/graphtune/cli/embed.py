"""`graphtune embed`: from a file to a saved model with its scores."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from graphtune.check import bad
from graphtune.cli.data import DEFAULT_MODEL, Data, DataOptions, check_file, check_pair, read_data, split_data
from graphtune.cli.judge import natural_task, show_evaluation
from graphtune.cli.output import OutOptions, check_out, keep, running
from graphtune.cli.settings import configure, find_recipe, own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines
from graphtune.graph import Graph
from graphtune.models import Model
from graphtune.split import Split
from graphtune.store import Record, load
from graphtune.tasks import pretrain
from graphtune.vectors import StartReport, read_vectors, start_from, start_from_model


@dataclass(frozen=True)
class EmbedOptions:
    """What `graphtune embed` is asked.

    Attributes:
        data: the graph.
        out: where to save.
        model: a name of graphtune.models.RECIPES or "package.module:Class"; None for the default of the data.
        dim: of the embeddings; None for the model's default.
        seed: of every random choice.
        split: "none", ratios, or None for the published split or else 7:2:1.
        by: for events "user", "time" or "last".
        start: vectors, or a model directory, to start from.
        set: settings of the model and of the training, as key=value.
    """

    data: DataOptions
    out: OutOptions
    model: str | None = None
    dim: int | None = None
    seed: int = 0
    split: str | None = None
    by: str | None = None
    start: str | None = None
    set: tuple[str, ...] = ()


def embed(options: EmbedOptions, talk: Talk) -> dict[str, Any]:
    """Read, clean, split, pretrain, evaluate and save."""
    begun = time.monotonic()
    out = check_out(options.out, "embed")
    check_file("--start", options.start)
    settings = parse_settings(options.set, "embed", {"dim": options.dim, "seed": options.seed})
    kind = options.data.kind
    if kind is not None:  # told before a large file is read
        check_pair(options.model or DEFAULT_MODEL[kind], kind)
        configure(find_recipe(options.model or DEFAULT_MODEL[kind]), settings)
    data = read_data(options.data, talk)
    name = options.model or DEFAULT_MODEL[data.kind]
    check_pair(name, data.kind)
    recipe, config = configure(find_recipe(name), settings)
    split = split_data(data, options.split, options.by, config.seed)
    learned = data.graph if split is None else split.train
    _tell_split(split, data, talk)
    talk.say(f"Learning {name}, dim {recipe.dim}, on {learned.num_edges:,} edges")
    start, started = None, None
    if options.start is not None:
        start = recipe.build(learned, config.seed)
        started = _start(start, options.start, options.model)
        talk.say(f"{options.start}: {started}")
    plan = {"data": _fingerprint(data.graph, split), "model": repr(recipe), "training": asdict(config)}
    with running(options.out, "embed", plan, talk.quiet) as run:
        result = pretrain(recipe, data.graph if split is None else split, config, start, run)
        metrics = {}
        if split is not None:
            task = natural_task(split)
            metrics[task.name] = task.evaluate(result.model).as_dict()
        notes = {
            "command": "embed",
            "options": asdict(options),
            "report": [str(report) for report in data.reports],
            "start": None if started is None else str(started),
            "seconds": round(time.monotonic() - begun, 1),
        }
        keep(options.out, run, result.model, Record(split, asdict(config), metrics, result.history, notes))
    return {
        "directory": str(out),
        "model": type(recipe).__name__,
        "dim": recipe.dim,
        "nodes": data.graph.num_nodes,
        "edges": data.graph.num_edges,
        "edges_learned": learned.num_edges,
        "split": None if split is None else {"unit": split.unit, "kind": split.kind, "counts": split.summary()},
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped_early": result.stopped_early,
        "start": None if started is None else asdict(started),
        "metrics": metrics,
        "seconds": notes["seconds"],
        "next": _next_commands(data, out, split),
    }


def show_embedding(result: dict[str, Any]) -> None:
    """Scores, the place, and what to type next."""
    for evaluation in result["metrics"].values():
        show_evaluation({"model": result["model"], **evaluation})
    if result["split"] is None:
        lines("All edges were learned, so there are none left to test on.")
    elif result["edges_learned"] < result["edges"]:
        share = f"{result['edges_learned']:,} of {result['edges']:,} edges"
        lines(f"Only the train part was learned, {share}; --split none learns all.")
    lines("", f"Saved in {result['directory']} ({result['seconds']} s). Next:", *(f"  {c}" for c in result["next"]))


def _start(model: Model, path: str, own: str | None) -> StartReport:
    if Path(path).is_dir():
        report = start_from_model(model, load(path, own_recipes(own) if own and ":" in own else ()))
    else:
        report = start_from(model, read_vectors(path))
    if not report.known:
        fix = f"Ids of the graph look like {', '.join(map(str, model.ids.values(range(min(3, len(model.ids))))))}."
        raise bad("--start", "embed", f"about nodes of the graph; {path} knows none of them", str(report), fix)
    return report


def _tell_split(split: Split | None, data: Data, talk: Talk) -> None:
    if split is None:
        talk.say("No split: every edge is learned")
        return
    counts = ", ".join(f"{count:,} {name}" for name, count in split.summary().items())
    talk.say(f"Split ({split.kind}): {counts}")
    for note in split.audit():
        talk.say(f"  {note}")


def _fingerprint(graph: Graph, split: Split | None) -> str:
    return graph.fingerprint + ("" if split is None else sha256(split.part.tobytes()).hexdigest())


def _next_commands(data: Data, out: Path, split: Split | None) -> list[str]:
    """What one may type next, with an id of this very graph."""
    most = int(data.graph.adjacency("out").degree.argmax())
    example = data.graph.ids.values([most])[0]
    commands = [f"graphtune neighbors {out} {example} -k 10"]
    if data.kind == "events":
        commands = [f"graphtune recommend {out} {example} -k 10", f"graphtune neighbors {out} {example} --kind user"]
    if data.kind == "triples":
        relation = data.graph.relation_ids.values([int(data.graph.relation[0])])[0]  # type: ignore[index, union-attr]
        head = data.graph.ids.values(data.graph.edges[:1, 0])[0]
        commands.append(f'graphtune predict {out} {head} {relation} "?"')
    task = None if split is None else natural_task(split).name
    if task is not None:
        commands.append(f"graphtune finetune {out} --task {task} --out {out}-tuned")
    commands.append(f"graphtune export {out} --format parquet --out {out}.parquet")
    return commands
