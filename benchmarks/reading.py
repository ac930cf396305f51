"""How fast an edge list with string ids becomes a graph, beside pandas, which reads and factorises it.

    python benchmarks/reading.py [--quick] [--json OUT] [--repeats N]

Writes a tab-separated file of 10 million edges (1 million with --quick) over a tenth as many nodes, in random order
and with skewed degrees, to a temporary directory. Then, in turns: `read_edges` with its cleaning (duplicates,
self-loops, isolated nodes, components, degree outliers), the same without cleaning, and
`pandas.read_csv` + `pandas.factorize`. The best wall time of each counts; processor time is given beside it, since it
suffers less from other work on the machine. The last line is the result as JSON.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from graphtune.io import read_edges
from graphtune.io.assemble import build_graph, read_rows
from graphtune.io.edges import EDGES
from graphtune.io.layout import TextOptions
from graphtune.io.tables import open_table
from harness import arguments, finish


def write_edges(path: Path, num_edges: int) -> None:
    """A file of edges between nodes called user_0, user_1, ...; the density of a node falls with its number."""
    num_nodes = num_edges // 10
    rng = np.random.default_rng(0)
    names = pa.array([f"user_{i}" for i in rng.permutation(num_nodes)])
    ends = (num_nodes * rng.random((2, num_edges)) ** 2).astype(np.int64)
    table = pa.table({"source": names.take(pa.array(ends[0])), "target": names.take(pa.array(ends[1]))})
    arrow_csv.write_csv(table, path, arrow_csv.WriteOptions(delimiter="\t", quoting_style="none"))


def with_cleaning(path: Path) -> int:
    return read_edges(path)[0].num_nodes


def without_cleaning(path: Path) -> int:
    columns = {"source": None, "target": None}
    rows = read_rows([open_table(path, TextOptions(), columns.values())], columns, EDGES)
    return build_graph(rows, EDGES)[0].num_nodes


def with_pandas(path: Path) -> int:
    frame = pd.read_csv(path, sep="\t")
    codes, names = pd.factorize(pd.concat([frame["source"], frame["target"]]))
    edges = codes.reshape(2, -1)
    return len(names) if edges.size else 0


def best_times(
    path: Path, runs: dict[str, Callable[[Path], int]], repeats: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The shortest wall time and the shortest processor time of each run in seconds, the runs taking turns."""
    wall: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats):
        nodes = set()
        for name, run in runs.items():
            start, worked = time.perf_counter(), time.process_time()
            nodes.add(run(path))
            wall[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - worked)
            print(f"turn {turn + 1}: {name} {wall[name][-1]:.2f} s, processor {processor[name][-1]:.2f} s", flush=True)
        if len(nodes) != 1:
            raise SystemExit(f"the runs must find the same nodes. Got {nodes}.")
    return {name: min(values) for name, values in wall.items()}, {name: min(v) for name, v in processor.items()}


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--repeats", type=int, default=3, help="turns of each run")
    options = parser.parse_args()
    size, num_edges = ("1m", 1_000_000) if options.quick else ("10m", 10_000_000)
    runs = {"graphtune": with_cleaning, "graphtune_without_cleaning": without_cleaning, "pandas": with_pandas}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edges.tsv"
        write_edges(path, num_edges)
        wall, processor = best_times(path, runs, options.repeats)
    figures = {
        f"seconds_{size}": wall["graphtune"],
        f"seconds_{size}_without_cleaning": wall["graphtune_without_cleaning"],
        f"seconds_{size}_pandas": wall["pandas"],
        "ratio_pandas": wall["pandas"] / wall["graphtune_without_cleaning"],
        f"processor_seconds_{size}": processor["graphtune"],
        f"processor_seconds_{size}_pandas": processor["pandas"],
    }
    rounded = {name: round(figure, 3) for name, figure in figures.items()}
    finish("reading", rounded, options)


if __name__ == "__main__":
    main()
