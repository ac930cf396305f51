"""Commands that write a file from a directory: communities, embeddings and the report."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from graphtune.check import bad, integer, one_of
from graphtune.cli.options.saved import CommunityOptions, ExportOptions
from graphtune.cli.output import check_file_target
from graphtune.cli.settings import own_recipes
from graphtune.cli.talk import lines, waiting
from graphtune.cli.tasks import whole_graph
from graphtune.evaluate.communities import combined, kmeans, leiden
from graphtune.files import commit_text
from graphtune.graph import Graph
from graphtune.metrics import modularity
from graphtune.models.base import SIDES, Model
from graphtune.reporting import read_facts, write_report
from graphtune.reporting.curves import PICTURES
from graphtune.reporting.write import beside, place_of
from graphtune.store import open_directory
from graphtune.vectors import FORMATS, vectors_of, write_vectors

METHODS = ("combined", "kmeans", "leiden")
SUFFIXES = {"parquet": ".parquet", "word2vec": ".vec", "npz": ".npz", "npy": ".npy"}


def communities(options: CommunityOptions) -> dict[str, Any]:
    """Write the community of every node, as csv.

    Embeddings and edges combined, or KMeans on the embeddings, make `k` communities: as many as the graph has classes
    where k is None, else as many as Leiden finds. Leiden reads the edges alone and finds their number by itself.
    """
    method = one_of("--method", "communities", options.method, METHODS)
    k, seed = options.k, options.seed
    if k is not None and method == "leiden":
        raise bad("-k", "communities", "left out for --method leiden, which finds the number", k)
    path = check_file_target(options.out, "communities", options.overwrite)
    stored = open_directory(options.directory, own_recipes(options.model))
    graph = whole_graph(stored)
    if k is not None:
        integer("-k", "communities", k, 1, graph.num_nodes)
    told = f"Looking for communities of {graph.num_nodes:,} nodes, by {method}; the first time something is compiled"
    with waiting(told):
        found = _communities(stored.model, graph, method, k, seed)
    commit_text(path, _community_table(graph, found))
    sizes = np.sort(np.bincount(found))[::-1]
    quality = modularity(graph.edges, found, graph.weight)
    counts = {"communities": len(sizes), "sizes": sizes.tolist(), "modularity": quality}
    return {"file": str(path), "method": method, **counts}


def _communities(model: Model, graph: Graph, method: str, k: int | None, seed: int) -> np.ndarray:
    """[N] the community of each node."""
    if method == "leiden":
        return leiden(graph, seed)
    count = k or _number_of(graph, seed)
    return kmeans(model, count, seed) if method == "kmeans" else combined(model, graph, count, seed)


def show_communities(result: dict[str, Any]) -> None:
    sizes = ", ".join(f"{size:,}" for size in result["sizes"][:10])
    more = ", ..." if len(result["sizes"]) > 10 else ""
    lines(
        f"{result['communities']:,} communities by {result['method']}, modularity {result['modularity']:.4f}",
        f"Nodes in them: {sizes}{more}",
        f"Saved in {result['file']}",
    )


def export(options: ExportOptions) -> dict[str, Any]:
    """Write all embeddings to a file, beside the directory and named after it unless `out` says otherwise."""
    format = one_of("--format", "export", options.format, FORMATS)
    side = one_of("--side", "export", options.side, SIDES)
    out = f"{Path(options.directory)}{SUFFIXES[format]}" if options.out is None else options.out
    path = check_file_target(out, "export", options.overwrite)
    model = open_directory(options.directory, own_recipes(options.model)).model
    vectors = vectors_of(model, side)
    write_vectors(path, vectors, format)
    nodes, dim = vectors.matrix.shape
    return {"file": str(path), "format": format, "side": side, "nodes": nodes, "dim": dim}


def show_export(result: dict[str, Any]) -> None:
    lines(f"Saved {result['nodes']:,} embeddings of dim {result['dim']} in {result['file']} ({result['format']})")
    if result["format"] == "npy":
        lines("The file has no ids: row i is that of line i of nodes.parquet in the model directory.")


def report(directory: str, out: str | None, overwrite: bool) -> dict[str, Any]:
    """Write a page on a run and its curves; in the directory itself they are made anew each time."""
    facts = read_facts(directory)
    path = place_of(directory, out) if out is None else check_file_target(out, "report", overwrite)
    for name in PICTURES if out is not None else ():
        check_file_target(str(beside(path, name)), "report", overwrite)
    with waiting("Drawing the curves"):
        page, *pictures = write_report(facts, path)
    return {
        "file": str(page),
        "pictures": [str(picture) for picture in pictures],
        "state": facts.state,
        "epochs": len(facts.history),
        "monitor": facts.monitor,
        "best_epoch": facts.best_epoch or None,
        "metrics": facts.metrics,
    }


def show_report(result: dict[str, Any]) -> None:
    best = f", best epoch {result['best_epoch']} by {result['monitor']}" if result["monitor"] else ""
    lines(f"The run is {result['state']}: {result['epochs']:,} epochs{best}", f"Saved in {result['file']}")
    lines(*(f"  {picture}" for picture in result["pictures"]))


def _number_of(graph: Graph, seed: int) -> int:
    if graph.labels is not None and graph.labels.ndim == 1:
        return len(np.unique(graph.labels[graph.labels >= 0]))
    return int(leiden(graph, seed).max()) + 1


def _community_table(graph: Graph, found: np.ndarray) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = [graph.ids.kinds[i] for i in graph.ids.kinds_of(np.arange(graph.num_nodes))]
    names = graph.ids.values(np.arange(graph.num_nodes))
    several = len(graph.ids.kinds) > 1
    writer.writerow(["id", "kind", "community"] if several else ["id", "community"])
    writer.writerows([name, kind, c] if several else [name, c] for name, kind, c in zip(names, kinds, found.tolist()))
    return text.getvalue()
