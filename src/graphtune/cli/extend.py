"""`graphtune extend`: a saved model, with rows for nodes that came after its training."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from graphtune.adapt.divided import divided, divided_nodes
from graphtune.adapt.enlarge import enlarge
from graphtune.adapt.induct import REPLAY, Extended, NewNodes, extend, usual_training
from graphtune.check import bad
from graphtune.cli.data import read_data
from graphtune.cli.fuse import refuse_fused
from graphtune.cli.options.data import DataOptions, NewEdges, NewEvents
from graphtune.cli.options.learn import ExtendOptions
from graphtune.cli.settings import Settings, own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines, table
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NODE
from graphtune.store import Record, Stored, check_target, open_directory, save
from graphtune.train.fit import Run

SHOWN = 10


def extend_directory(options: ExtendOptions, talk: Talk) -> dict[str, Any]:
    """Read new edges, give their new nodes rows, and save the model over the larger graph."""
    begun = time.monotonic()
    out = check_target(options.out, options.overwrite)
    settings = parse_settings(options.set, "extend", {"seed": options.seed})
    settings.check(TrainConfig)
    stored = open_directory(options.directory, own_recipes(options.model))
    refuse_fused(stored, options.directory, "extend")
    facts = read_data(of_kind(options.data, stored.model.graph, "extend"), talk).graph
    found, record = _extended(stored, facts, settings, Run(quiet=talk.quiet), options.rows)
    seconds = round(time.monotonic() - begun, 1)
    notes = {
        "command": "extend",
        "options": asdict(options),
        "before": stored.record.notes,
        "start": f"{options.directory}: {found.report}",
        "seconds": seconds,
    }
    save(out, found.model, replace(record, notes=notes), options.overwrite)
    return {"directory": str(out), **_told(found), "seconds": seconds, "next": _next(out, found.report)}


def show_extension(result: dict[str, Any]) -> None:
    """The report, the first of the new nodes, and the place."""
    several = "kind" in result["nodes"][0]
    rows = [
        [node["id"], *([node["kind"]] if several else []), f"{node['edges']:,}"] for node in result["nodes"][:SHOWN]
    ]
    columns = ("id", "kind", "edges") if several else ("id", "edges")
    table(f"{result['model']}: {result['report']}", columns, rows)
    if result["new_nodes"] > SHOWN:
        lines(f"... and {result['new_nodes'] - SHOWN:,} more")
    lines("", f"Saved in {result['directory']} ({result['seconds']} s). Next:", f"  {result['next']}")


def _told(found: Extended) -> dict[str, Any]:
    """The new nodes, as JSON can say it; their kinds where there are several."""
    report = found.report
    nodes: list[dict[str, Any]] = [{"id": name, "edges": count} for name, count in zip(report.ids, report.edges)]
    for node, kind in zip(nodes, report.kinds if len(set(report.kinds)) > 1 else ()):
        node["kind"] = kind
    return {
        "model": type(found.model.recipe).__name__,
        "report": str(report),
        "new_nodes": len(report.ids),
        "nodes": nodes,
        "of_kind": {kind: report.count(kind) for kind in found.model.ids.kinds},
        "untold": list(report.untold),
        "by_features": list(report.featured),
        "known": report.known,
        "between": report.between,
    }


def _next(out: Path, report: NewNodes) -> str:
    """What to ask of a new node; of a user, what to recommend."""
    first, kind = str(report.ids[0]), report.kinds[0]
    if kind == "user":
        return shlex.join(["graphtune", "recommend", str(out), first])
    return shlex.join(["graphtune", "neighbors", str(out), first, *(["--kind", kind] if kind != NODE else [])])


def of_kind(data: NewEdges | NewEvents, graph: Graph, who: str) -> DataOptions:
    """New data, to be read as the model's own were.

    Raises:
        ArgumentError: events that do not say which columns they have.
    """
    if graph.is_bipartite_events and data.events is None:
        raise bad("--events", who, "given, as the model is of events", None, "Such as --events user,item,time.")
    if data.events is not None and not graph.is_bipartite_events:
        raise bad("--events", who, "left out, as the model is not of events", data.events)
    triples = graph.relation is not None
    return DataOptions(**vars(data), triples=triples, directed=not triples and graph.directed and data.events is None)


def _extended(stored: Stored, facts: Graph, settings: Settings, run: Run, rows: str) -> tuple[Extended, Record]:
    """The model over the larger graph, and what to save beside it: scores were of the smaller one."""
    model, record = stored.model, stored.record
    config = replace(usual_training(model), **settings.of(TrainConfig))
    epochs = config.epochs if "epochs" in settings.values else 0
    split = record.split
    if split is None:
        seen = enlarge(model.graph, facts)
    else:
        split, seen = divided(split, enlarge(split.graph, facts))
    found = extend(model, seen, epochs, REPLAY, config, run, rows)
    of_nodes = {name: divided_nodes(nodes, found.model.graph, seen) for name, nodes in record.node_splits.items()}
    return found, replace(record, split=split, metrics={}, node_splits=of_nodes)
