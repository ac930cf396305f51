"""What DeepWalk costs from 10 thousand to 3 million nodes, and with 10 million nodes and 100 million edges.

Generated power-law graphs of degree 20; dim 32, one walk of 20 nodes from each node, each size in its own process.
Seconds are from the edge list in memory to the embedding: neighbour lists, walks, training. The exponent is the slope
of log seconds over log nodes; the peak is of the whole process, the making of the graph included.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np

import graphtune as gt
from harness import arguments, finish, power_law_graph

DIM, LENGTH, HALF_DEGREE = 32, 20, 10
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)


def one(num_nodes: int) -> dict[str, float]:
    """Train on one graph in this process; nodes, edges, seconds, and peak memory in GiB."""
    recipe = gt.DeepWalk(dim=DIM, walks_per_node=1, walk_length=LENGTH)
    gt.pretrain(recipe, power_law_graph(1_000, HALF_DEGREE, seed=1), run=gt.Run(quiet=True))  # compiles
    graph = power_law_graph(num_nodes, HALF_DEGREE, seed=0)
    begin = time.perf_counter()
    gt.pretrain(recipe, graph)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"nodes": num_nodes, "edges": graph.num_edges, "seconds": seconds, "peak_gib": peak}


def apart(num_nodes: int) -> dict[str, float]:
    """`one` in a process of its own."""
    command = [sys.executable, __file__, "--one", str(num_nodes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{num_nodes:,} nodes, {row['edges']:,} edges: {row['seconds']:.1f} s, {row['peak_gib']:.2f} GiB", flush=True)
    return row


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of nodes")
    parser.add_argument("--large", type=int, default=10_000_000, help="nodes of the large graph; 0 leaves it out")
    parser.add_argument("--one", type=int, help="measure this size only, in this process")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one)))
        return
    rows = [apart(size) for size in ((1_000, 10_000) if args.quick else args.sizes)]
    slope = np.polyfit(np.log([r["nodes"] for r in rows]), np.log([r["seconds"] for r in rows]), 1)[0]
    figures = {"time_exponent": float(slope)}
    large = apart(20_000 if args.quick else args.large) if args.large else None
    if large is not None:
        figures |= {"minutes_100m_edges": large["seconds"] / 60, "peak_gib_100m_edges": large["peak_gib"]}
    finish("scaling", figures, args, curve=rows, large=large)


if __name__ == "__main__":
    main()
