"""A graph on disk beside one in memory: reading 20 million edges from text, and their neighbour lists.

A generated power-law graph of 2 million nodes as tab-separated text, with 16 MiB for a pass over it on disk. Each step
in a process of its own: `read_edges`, then `Graph.adjacency`, which must give the same lists. Memory is the peak of
resident memory beyond the program itself; of what is on disk the pages of mapped files count too, which the system can
take back at any time.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path

import graphtune as gt
from graphtune.cli.machine import peak_resident
from harness import apart, arguments, finish, power_law_graph, reset_peak, write_edges

PASS = 16 << 20


def compile_all() -> None:
    """Everything once on a small graph."""
    with tempfile.TemporaryDirectory() as scratch:
        small = write_edges(power_law_graph(1_000, 10, seed=1), Path(scratch) / "small.txt")
        gt.read_edges(small)[0].adjacency()
        gt.read_edges(small, on_disk=Path(scratch) / "graph")[0].adjacency()


def make(nodes: int, text: Path) -> None:
    """Write the edges of a graph."""
    write_edges(power_law_graph(nodes, 10, seed=0), text)


def one(text: Path, directory: Path, step: str) -> dict[str, float | str]:
    """One step: seconds, bytes beyond the program, and what the lists are."""
    compile_all()
    before, begin = reset_peak(), time.perf_counter()
    if step == "lists_on_disk":
        graph = gt.load_graph(directory, memory=PASS)
    elif step == "read_on_disk":
        graph, _ = gt.read_edges(text, on_disk=directory, memory=PASS)
    else:
        graph, _ = gt.read_edges(text)
    lists = ""
    if step.startswith("lists"):
        reset_peak()
        begin = time.perf_counter()
        graph.adjacency()
    seconds, peak = time.perf_counter() - begin, peak_resident() - before
    if step.startswith("lists"):
        csr = graph.adjacency()
        lists = hashlib.sha256(csr.indptr.tobytes() + csr.indices.tobytes()).hexdigest()
    return {"seconds": seconds, "bytes": peak, "edges": graph.num_edges, "lists": lists}


def measured(text: Path, directory: Path, step: str) -> dict[str, float | str]:
    """`one` in a process of its own."""
    row = apart(one, text, directory, step)
    print(f"{step}: {row['seconds']:.1f} s, {row['bytes'] / 1e6:,.0f} MB beyond the program", flush=True)
    return row


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--nodes", type=int, default=2_000_000)
    args = parser.parse_args()
    nodes = 20_000 if args.quick else args.nodes
    with tempfile.TemporaryDirectory() as scratch:
        text, directory = Path(scratch) / "edges.txt", Path(scratch) / "graph"
        apart(make, nodes, text)
        rows = {step: measured(text, directory, step) for step in ("read", "read_on_disk", "lists", "lists_on_disk")}
    if rows["lists"]["lists"] != rows["lists_on_disk"]["lists"]:
        raise SystemExit("The lists on disk must be those in memory. Got others.")
    figures = {f"{step}_{unit}": row[unit] for step, row in rows.items() for unit in ("seconds", "bytes")}
    figures = {name.replace("bytes", "gib"): v / 2**30 if "bytes" in name else v for name, v in figures.items()}
    finish("on_disk", figures, args, steps=rows)


if __name__ == "__main__":
    main()
