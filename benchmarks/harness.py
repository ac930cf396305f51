"""What every benchmark shares: arguments, the machine, and the last line of JSON."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import psutil

from graphtune import Graph, NodeIds
from graphtune.cli.machine import machine
from graphtune.kernels.alias import Alias
from graphtune.split import Split

HERE = Path(__file__).parent
T = TypeVar("T")
PACKAGES = ("graphtune", "torch", "numpy", "numba", "torch-geometric", "gensim", "scikit-learn")


def arguments(description: str | None, seeds: int = 5) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks take."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small run that shows the benchmark works")
    parser.add_argument("--json", metavar="OUT", help="write figures, machine and versions to this file")
    parser.add_argument("--seeds", type=int, default=seeds, help="number of seeds")
    return parser


def finish(
    name: str, figures: dict[str, float], args: argparse.Namespace, shown: Sequence[str] = (), **details: Any
) -> None:
    """Write the results where they were asked for, and print the last line.

    Args:
        name: of the benchmark.
        figures: its numbers.
        args: as parsed.
        shown: the figures that the README's table is to show; all where empty.
        details: anything else to keep in the file.
    """
    rounded = {key: round(float(value), 5) for key, value in figures.items()}
    if args.json:
        record = {
            "benchmark": name,
            "figures": rounded,
            "shown": list(shown) or list(rounded),
            "quick": args.quick,
            "seeds": args.seeds,
            "details": details,
            "command": typed(),
            "machine": machine(PACKAGES),
            "date": time.strftime("%Y-%m-%d"),
        }
        Path(args.json).write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({"benchmark": name, "figures": rounded}))


def mean_and_spread(values: list[float]) -> str:
    """ "0.812 +- 0.004 (n=10)"."""
    return f"{np.mean(values):.4f} +- {np.std(values):.4f} (n={len(values)})"


def median_ratio(turns: list[dict[str, float]], ours: str, theirs: str) -> float:
    """Median over turns of one column divided by another."""
    return float(np.median([turn[ours] / turn[theirs] for turn in turns]))


def write_edges(graph: Graph, path: Path) -> Path:
    """The graph's edges as row numbers, tab-separated, for peers to read."""
    pl.DataFrame({"source": graph.edges[0], "target": graph.edges[1]}).write_csv(
        path, include_header=False, separator="\t"
    )
    return path


def write_triples(split: Split, path: Path) -> Path:
    """The parts of a split of triples as arrays (head, relation, tail) of row numbers in a .npz, for peers to read."""
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    arrays = {
        name: np.stack([g.edges[0], g.relation, g.edges[1]], axis=1).astype(np.int64) for name, g in parts.items()
    }
    np.savez(path, **arrays, entities=split.graph.num_nodes, relations=split.graph.num_relations)
    return path


def power_law_graph(num_nodes: int, edges_a_node: int, seed: int) -> Graph:
    """A connected-ish graph with a power-law degree: edge ends drawn in proportion to rank^-0.5 (Chung & Lu, 2002).

    Loops and repeats are left out, so there are slightly fewer than `num_nodes * edges_a_node` edges.
    """
    chance = Alias((1.0 + np.arange(num_nodes)) ** -0.5)
    ends = [chance.draw(num_nodes * edges_a_node, seed + side) for side in range(2)]
    order = np.random.default_rng(seed).permutation(num_nodes)
    low, high = (order[np.minimum(*ends)], order[np.maximum(*ends)])
    pairs = np.unique(np.minimum(low, high) * num_nodes + np.maximum(low, high))
    pairs = pairs[pairs // num_nodes != pairs % num_nodes]
    return Graph(np.stack([pairs // num_nodes, pairs % num_nodes]), NodeIds.range(num_nodes))


def resident() -> int:
    """Bytes of memory that this process has now."""
    return psutil.Process().memory_info().rss


def reset_peak() -> int:
    """Forget the peak so far, where the system can (Linux); the memory that the process has now, in bytes."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
    return resident()


@contextmanager
def one_thread() -> Iterator[None]:
    """Our kernels on one thread."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def apart(function: Callable[..., T], *arguments: Any) -> T:
    """What a function of a module gives in a new process; its memory is then its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def in_new_process(function: Callable[..., T], *arguments: Any) -> T:
    """`apart` on one thread."""
    with one_thread():
        return apart(function, *arguments)


def peer(name: str, task: str, *words: Any) -> dict[str, Any]:
    """What benchmarks/peers/NAME_TASK.py prints as its last line, run in the peer's own environment."""
    home = Path(os.environ.get("GRAPHTUNE_PEERS", HERE / ".peers")) / name
    if not (home / "bin" / "python").exists():
        raise SystemExit(f"The peer {name} must be installed. Found none in {home}: benchmarks/peers.sh {name}")
    script = HERE / "peers" / f"{name}_{task}.py"
    command = [str(home / "bin" / "python"), str(script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The peer {name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def typed() -> str:
    """What was typed, without where the results go."""
    words = sys.argv[1:]
    if "--json" in words:
        at = words.index("--json")
        words = words[:at] + words[at + 2 :]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])
