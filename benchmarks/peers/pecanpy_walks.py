"""PecanPy's second-order walks. Arguments: edges.tsv, walks per node, length, p, q, threads. Prints JSON."""

import json
import sys
import time

from pecanpy import pecanpy

path, walks, length, p, q, threads = sys.argv[1:]
graph = pecanpy.SparseOTF(p=float(p), q=float(q), workers=int(threads), verbose=False)
graph.read_edg(path, weighted=False, directed=False)
graph.simulate_walks(1, 2)  # compiles
begin = time.perf_counter()
found = graph.simulate_walks(int(walks), int(length))
print(json.dumps({"steps": sum(len(walk) - 1 for walk in found), "seconds": time.perf_counter() - begin}))
