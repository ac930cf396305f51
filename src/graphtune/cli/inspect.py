"""`graphtune inspect`: what is in a file, and what learning it would take. Imports no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil
import scipy.sparse as sp

from graphtune.cli.data import DEFAULT_MODEL, DataOptions, read_data
from graphtune.cli.talk import Talk, lines
from graphtune.findings import Finding, Report
from graphtune.graph import Graph

# Of the default model of each kind of data: its dim, and how many tables [N, dim] are held at once (weights, gradients,
# optimiser state, the best weights, a checkpoint being written, the embeddings of every layer).
DIMS = {"deepwalk": 128, "complex": 200, "lightgcn": 64}
COPIES = {"deepwalk": 8, "complex": 8, "lightgcn": 18}
EDGE_BYTES = 80  # an edge in the graph, its train part and their neighbour lists
PAIR_NUMBERS = 1 << 26  # at most, of the pairs that are scored at once in link prediction
TOP = 3


def inspect(options: DataOptions, talk: Talk) -> dict[str, Any]:
    """Read and clean, and describe what is left."""
    data = read_data(options, Talk(talk.json, quiet=True))
    graph, model = data.graph, DEFAULT_MODEL[data.kind]
    size = estimated_bytes(graph, model)
    return {
        "source": options.edges,
        "kind": data.kind,
        "directed": graph.directed,
        "size": data.reports[0].summary,
        "has": [name for name in ("weight", "time", "features", "labels", "targets", "texts") if _has(graph, name)],
        "degrees": degrees(graph),
        "reports": [_report(report) for report in data.reports],
        "embed": {"model": model, "dim": DIMS[model], "bytes": size, "bytes_free": psutil.virtual_memory().available},
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
    need = result["embed"]
    room = f"{_size(need['bytes'])} beyond the program itself; {_size(need['bytes_free'])} are free here"
    lines(f"`graphtune embed` would learn {need['model']}, dim {need['dim']}: about {room}", "")
    for report in result["reports"]:
        lines(f"Found in {report['source']}:", *(f"  {text}" for text in report["lines"]))


def degrees(graph: Graph) -> dict[str, Any]:
    """Of each kind of node: least, median, mean and most edges, and the nodes that have most."""
    degree = np.bincount(graph.edges.ravel(), minlength=graph.num_nodes)
    found = {}
    for kind in graph.ids.kinds:
        rows = np.array(graph.ids.rows(kind))
        own = degree[rows]
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


def estimated_bytes(graph: Graph, model: str) -> int:
    """Memory of `graphtune embed` with the default model, beyond what the program itself takes; to within a half."""
    scores = {
        "deepwalk": 12 * min(10 * graph.num_edges * DIMS[model], PAIR_NUMBERS),  # 100 candidates for a tenth of edges
        "complex": 4 * 3 * 1024 * graph.num_nodes,  # a batch against every node, in three arrays
        "lightgcn": 8 * 1024 * len(graph.ids.blocks[-1]),  # a batch of users against every item
    }
    features = graph.features
    held = 0 if features is None else (features.data.nbytes * 2 if sp.issparse(features) else features.nbytes)
    return 4 * COPIES[model] * DIMS[model] * graph.num_nodes + EDGE_BYTES * graph.num_edges + scores[model] + held


def _has(graph: Graph, name: str) -> bool:
    return getattr(graph, name) is not None


def _report(report: Report) -> dict[str, Any]:
    return {
        "source": report.source,
        "summary": report.summary,
        "findings": [_finding(f) for f in report.findings],
        "lines": [str(f) for f in report.findings] or ["nothing to mend"],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {"what": finding.what, "count": finding.count, "action": finding.action, "examples": list(finding.examples)}


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 0.1):.1f} MB"
