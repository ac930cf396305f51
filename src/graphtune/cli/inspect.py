"""`graphtune inspect`: what is in a file, and what learning it would take. Imports torch only to ask for a model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from graphtune.cli.data import DEFAULT_MODEL, Data, check_pair, read_data
from graphtune.cli.options.learn import InspectOptions
from graphtune.cli.room import amount, duration, needed, ratios_for, warning
from graphtune.cli.talk import Talk, lines
from graphtune.estimate import USUAL, Plan
from graphtune.events import describe_events
from graphtune.findings import Finding, Report
from graphtune.graph import Graph
from graphtune.kernels.memory import blocks
from graphtune.split import relation_patterns
from graphtune.split.patterns import SENTENCES

TOP = 3
PATTERNS = 5  # shown of a kind
AT_ONCE = 1 << 22
HAS = ("weight", "time", "features", "labels", "targets", "texts")


def inspect(options: InspectOptions) -> dict[str, Any]:
    """Read and clean, and describe what is left."""
    data = read_data(options.data, Talk(quiet=True))
    graph, model = data.graph, options.model or DEFAULT_MODEL[data.kind]
    check_pair(model, data.kind)
    plan = _plan(options, model, graph)
    return {
        "source": options.data.edges,
        "kind": data.kind,
        "directed": graph.directed,
        "size": data.reports[0].summary,
        "has": [name for name in HAS if getattr(graph, name) is not None],
        "degrees": degrees(graph),
        "side": {name: links.shape[1] for name, links in (graph.side or {}).items()},
        "events": _events(data),
        "patterns": _patterns(graph),
        "leaks": _leaks(data),
        "reports": [_report(report) for report in data.reports],
        "embed": {"model": model, "dim": plan.dim, **needed(plan, graph, ratios_for(data, options.split))},
    }


def show_inspection(result: dict[str, Any]) -> None:
    """A short account, the findings last."""
    numbers = ", ".join(f"{count:,} {name}" for name, count in result["size"].items())
    directed = "directed" if result["directed"] else "undirected"
    lines(f"{result['source']}: {result['kind']}, {directed}: {numbers}")
    if result["has"]:
        lines("With " + ", ".join(result["has"]))
    for kind, d in result["degrees"].items():
        highest = ", ".join(f"{node['id']} ({node['degree']:,})" for node in d["highest"])
        lines(f"Degrees of {kind}s: {d['least']:,} to {d['most']:,}, median {d['median']:g}, mean {d['mean']:.2f};"
              f" highest: {highest}")  # fmt: skip
    if result["side"]:
        lines("Side edges: " + ", ".join(f"{name} ({count:,})" for name, count in result["side"].items()))
    lines(*(result["events"]["lines"] if result["events"] else ()))
    _show_patterns(result["patterns"])
    lines(*(f"Split: {text}" for text in result["leaks"]))
    need = result["embed"]
    room = f"{amount(need['bytes'])} beyond the program itself; {amount(need['bytes_free'])} are free here"
    lines(f"`graphtune embed` would learn {need['model']}, dim {need['dim']}: about {room}")
    lines(f"and roughly {duration(need['seconds'])} of training, all {need['epochs']} epochs of it", "")
    if not need["fits"]:
        lines(str(warning(need)), "")
    for report in result["reports"]:
        lines(f"Found in {report['source']}:", *(f"  {text}" for text in report["lines"]))


def degrees(graph: Graph) -> dict[str, Any]:
    """Of each kind of node: least, median, mean and most edges, and the nodes that have most."""
    degree = np.zeros(graph.num_nodes, dtype=np.int64)
    for ends in blocks(*graph.edges, size=AT_ONCE):
        degree += np.bincount(np.concatenate(ends), minlength=graph.num_nodes)
    found = {}
    for kind in graph.ids.kinds:
        rows = np.array(graph.ids.rows(kind))
        own = degree[rows]
        if not own.any():
            continue  # entities, which have side edges alone
        top = rows[np.argsort(-own, kind="stable")[:TOP]]
        named = zip(graph.ids.values(top), degree[top].tolist())
        found[kind] = {
            "least": int(own.min()),
            "median": float(np.median(own)),
            "mean": float(own.mean()),
            "most": int(own.max()),
            "highest": [{"id": i, "degree": d} for i, d in named],
        }
    return found


def _events(data: Data) -> dict[str, Any] | None:
    """Of users and items; None where there are none."""
    if data.kind != "events":
        return None
    found = describe_events(data.graph)
    return {**asdict(found), "repeats": found.repeats, "lines": list(found.lines())}


def _patterns(graph: Graph) -> dict[str, Any] | None:
    """Of the relations; None where there are none."""
    if graph.relation is None or not graph.directed:
        return None
    patterns = relation_patterns(graph)
    return {
        "found": [asdict(pattern) for pattern in patterns.found],
        "lines": {kind: [str(p) for p in patterns.of(kind)] for kind in SENTENCES},
        "walked_from": patterns.sources,
        "relations_composed": patterns.relations,
        "warnings": list(patterns.warnings()),
    }


def _show_patterns(patterns: dict[str, Any] | None) -> None:
    """The first of each kind; --json has all."""
    if patterns is None:
        return
    lines("", "Patterns of relations (and how many pairs speak for them):")
    for kind, found in patterns["lines"].items():
        lines(*(f"  {text}" for text in found[:PATTERNS]))
        if len(found) > PATTERNS:
            lines(f"  ... {len(found) - PATTERNS:,} more: {kind}")
    if not any(patterns["lines"].values()):
        lines("  none that hold for 80 % of their pairs")
    if patterns["walked_from"] < 1 or patterns["relations_composed"] < 1:
        shares = f"{patterns['walked_from']:.0%} of the entities, {patterns['relations_composed']:.0%} of the relations"
        lines(f"  Too many paths: compositions were counted from {shares}")
    warnings = patterns["warnings"]
    lines(*(f"warning: {text}" for text in warnings[:PATTERNS]))
    if len(warnings) > PATTERNS:
        lines(f"warning: and {len(warnings) - PATTERNS:,} more such relations, which --json lists")
    lines("")


def _leaks(data: Data) -> list[str]:
    """What the published split of a data set lets through."""
    return [] if data.published is None else [str(finding) for finding in data.published.audit()]


def _plan(options: InspectOptions, model: str, graph: Graph) -> Plan:
    """The usual one without torch where nothing is asked for."""
    if options.dim is None and options.variant is None and not options.set and model in USUAL:
        return USUAL[model]
    from graphtune.cli.settings import configure, find_variant, parse_settings

    settings = parse_settings(options.set, "inspect", {"dim": options.dim})
    return Plan.of(*configure(find_variant(model, options.variant, graph)[0], settings))


def _report(report: Report) -> dict[str, Any]:
    return {
        "source": report.source,
        "summary": report.summary,
        "findings": [_finding(f) for f in report.findings],
        "lines": [str(f) for f in report.findings] or ["nothing to mend"],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {"what": finding.what, "count": finding.count, "action": finding.action, "examples": list(finding.examples)}
