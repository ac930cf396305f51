"""`graphtune extend`: a saved model, with rows for nodes that came after its training."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from graphtune.adapt.divided import divided, divided_nodes
from graphtune.adapt.enlarge import enlarge
from graphtune.adapt.induct import REPLAY, Extended, extend, usual_training
from graphtune.check import bad
from graphtune.cli.data import DataOptions, read_data
from graphtune.cli.fuse import refuse_fused
from graphtune.cli.settings import Settings, own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines, table
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.store import Record, Stored, check_target, open_directory, save
from graphtune.train.fit import Run

SHOWN = 10


@dataclass(frozen=True)
class ExtendOptions:
    """What `graphtune extend` is asked.

    Attributes:
        directory: of the trained model.
        data: the new edges.
        out: where to save.
        overwrite: replace a model that is there.
        seed: of the training.
        set: settings of the training, as key=value; without epochs there is none.
        model: the class of a model of one's own.
    """

    directory: str
    data: DataOptions
    out: str
    overwrite: bool = False
    seed: int = 0
    set: tuple[str, ...] = ()
    model: str | None = None


def extend_directory(options: ExtendOptions, talk: Talk) -> dict[str, Any]:
    """Read new edges, give their new nodes rows, and save the model over the larger graph."""
    begun = time.monotonic()
    out = check_target(options.out, options.overwrite)
    settings = parse_settings(options.set, "extend", {"seed": options.seed})
    settings.check(TrainConfig)
    stored = open_directory(options.directory, own_recipes(options.model))
    refuse_fused(stored, options.directory, "extend")
    facts = read_data(_of_kind(options.data, stored.model.graph), talk).graph
    found, record = _extended(stored, facts, settings, Run(quiet=talk.quiet))
    seconds = round(time.monotonic() - begun, 1)
    notes = {
        "command": "extend",
        "options": asdict(options),
        "before": stored.record.notes,
        "start": f"{options.directory}: {found.report}",
        "seconds": seconds,
    }
    save(out, found.model, replace(record, notes=notes), options.overwrite)
    report = found.report
    nodes = [{"id": name, "edges": count} for name, count in zip(report.ids, report.edges)]
    return {
        "directory": str(out),
        "model": type(found.model.recipe).__name__,
        "report": str(report),
        "new_nodes": len(report.ids),
        "nodes": nodes,
        "untold": list(report.untold),
        "known": report.known,
        "between": report.between,
        "seconds": seconds,
        "next": f"graphtune neighbors {out} {report.ids[0]}",
    }


def show_extension(result: dict[str, Any]) -> None:
    """The report, the first of the new nodes, and the place."""
    rows = [[node["id"], f"{node['edges']:,}"] for node in result["nodes"][:SHOWN]]
    table(f"{result['model']}: {result['report']}", ("id", "edges"), rows)
    if result["new_nodes"] > SHOWN:
        lines(f"... and {result['new_nodes'] - SHOWN:,} more")
    lines("", f"Saved in {result['directory']} ({result['seconds']} s). Next:", f"  {result['next']}")


def _of_kind(data: DataOptions, graph: Graph) -> DataOptions:
    """The options, read as the model's own data were.

    Raises:
        ArgumentError: events that do not say which columns they have.
    """
    if graph.is_bipartite_events and data.events is None:
        raise bad("--events", "extend", "given, as the model is of events", None, "Such as --events user,item,time.")
    if graph.relation is None:
        return replace(data, directed=graph.directed and data.events is None)
    return replace(data, triples=True)


def _extended(stored: Stored, facts: Graph, settings: Settings, run: Run) -> tuple[Extended, Record]:
    """The model over the larger graph, and what to save beside it: scores were of the smaller one."""
    model, record = stored.model, stored.record
    config = replace(usual_training(model), **settings.of(TrainConfig))
    epochs = config.epochs if "epochs" in settings.values else 0
    split = record.split
    if split is None:
        seen = enlarge(model.graph, facts)
    else:
        split, seen = divided(split, enlarge(split.graph, facts))
    found = extend(model, seen, epochs, REPLAY, config, run)
    of_nodes = {name: divided_nodes(nodes, found.model.graph, seen) for name, nodes in record.node_splits.items()}
    return found, replace(record, split=split, metrics={}, node_splits=of_nodes)
