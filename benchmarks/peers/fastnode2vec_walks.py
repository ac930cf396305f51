"""fastnode2vec's second-order walks on one thread. Arguments: edges.tsv, walks per node, length, p, q. Prints JSON."""

import json
import sys
import time

from fastnode2vec import Graph

path, walks, length, p, q = sys.argv[1:]
with open(path) as file:
    graph = Graph([tuple(line.split("\t")) for line in file.read().splitlines()], directed=False, weighted=False)
graph.generate_random_walk(2, float(p), float(q), 0)  # compiles
begin = time.perf_counter()
steps = 0
for _ in range(int(walks)):
    for node in range(len(graph.node_names)):
        steps += len(graph.generate_random_walk(int(length), float(p), float(q), node)) - 1
print(json.dumps({"steps": steps, "seconds": time.perf_counter() - begin}))
