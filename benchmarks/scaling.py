"""What DeepWalk costs from 10 thousand to 3 million nodes, and with 10 million nodes and 100 million edges.

Generated power-law graphs of degree 20; dim 32, one walk of 20 nodes from each node, each size in its own process.
Seconds are from the edge list in memory to the embedding: neighbour lists, walks, training. The exponent is the slope
of log seconds over log nodes. Graphs are made by another process and read as an array. `peak_gib` is the peak of the
whole process; `measured` is its peak resident memory less what it held before the graph was read, which is the program
itself, its kernels compiled; `predicted` is what `graphtune inspect` says, known beforehand. `memory_prediction_error`
is the largest |predicted - measured| / measured of all sizes.
"""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path

import numpy as np

import graphtune as gt
from graphtune.cli.machine import peak_resident
from graphtune.estimate import Plan, Size, training_memory
from harness import apart, arguments, finish, power_law_graph, reset_peak

DIM, LENGTH, HALF_DEGREE = 32, 20, 10
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)


def make(num_nodes: int, path: str) -> None:
    """Write the edges of a graph."""
    np.save(path, power_law_graph(num_nodes, HALF_DEGREE, seed=0).edges)


def one(num_nodes: int, path: str, dim: int) -> dict[str, float]:
    """Train on one graph; nodes, edges, seconds, and memory in bytes and GiB."""
    recipe = gt.DeepWalk(dim=dim, walks_per_node=1, walk_length=LENGTH)
    gt.pretrain(recipe, power_law_graph(1_000, HALF_DEGREE, seed=1), run=gt.Run(quiet=True))  # compiles
    gc.collect()
    before = reset_peak()
    graph = gt.Graph(np.load(path), gt.NodeIds.range(num_nodes))
    begin = time.perf_counter()
    gt.pretrain(recipe, graph)
    seconds, peak = time.perf_counter() - begin, peak_resident()
    predicted = max(training_memory(Plan.of(recipe, recipe.training()), Size.of(graph)).values())
    return {
        "nodes": num_nodes,
        "edges": graph.num_edges,
        "seconds": seconds,
        "peak_gib": peak / 2**30,
        "measured": peak - before,
        "predicted": predicted,
    }


def measured(num_nodes: int, dim: int) -> dict[str, float]:
    """`one` in a process of its own, on a graph made in another."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "edges.npy")
        apart(make, num_nodes, path)
        row = apart(one, num_nodes, path, dim)
    off = row["predicted"] / row["measured"] - 1
    memory = f"{row['peak_gib']:.2f} GiB, {row['measured'] / 1e6:,.0f} MB beyond the program, predicted {off:+.1%}"
    print(f"{num_nodes:,} nodes, {row['edges']:,} edges: {row['seconds']:.1f} s, {memory}", flush=True)
    return row


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of nodes")
    parser.add_argument("--large", type=int, default=10_000_000, help="nodes of the large graph; 0 leaves it out")
    parser.add_argument("--dim", type=int, default=DIM)
    args = parser.parse_args()
    rows = [measured(size, args.dim) for size in ((10_000, 20_000) if args.quick else args.sizes)]
    slope = np.polyfit(np.log([r["nodes"] for r in rows]), np.log([r["seconds"] for r in rows]), 1)[0]
    errors = [abs(r["predicted"] / r["measured"] - 1) for r in rows]
    figures = {"time_exponent": float(slope), "memory_prediction_error": max(errors)}
    large = measured(30_000 if args.quick else args.large, args.dim) if args.large else None
    if large is not None:
        figures |= {"minutes_100m_edges": large["seconds"] / 60, "peak_gib_100m_edges": large["peak_gib"]}
    finish("scaling", figures, args, curve=rows, large=large)


if __name__ == "__main__":
    main()
