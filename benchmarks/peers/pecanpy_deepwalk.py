"""DeepWalk by PecanPy. Arguments: edges.tsv, out.npy, walks per node, length, dim, window, threads. Prints JSON."""

import json
import sys
import time

import numpy as np
from pecanpy import pecanpy

path, out, walks, length, dim, window, threads = sys.argv[1:]
warm = pecanpy.FirstOrderUnweighted(p=1, q=1, workers=int(threads), verbose=False)
warm.read_edg(path, weighted=False, directed=False)
warm.simulate_walks(1, 2)  # compiles
begin = time.perf_counter()
graph = pecanpy.FirstOrderUnweighted(p=1, q=1, workers=int(threads), verbose=False)
graph.read_edg(path, weighted=False, directed=False)
found = graph.embed(dim=int(dim), num_walks=int(walks), walk_length=int(length), window_size=int(window), epochs=1)
rows = np.empty_like(found)
rows[np.array(graph.nodes, dtype=np.int64)] = found
np.save(out, rows)
print(json.dumps({"seconds": time.perf_counter() - begin}))
