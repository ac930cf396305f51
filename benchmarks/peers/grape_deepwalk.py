"""DeepWalk by GRAPE. Arguments: edges.tsv, out.npy, walks per node, length, dim, window, threads. Prints JSON."""

import json
import sys
import time

import numpy as np
from grape import Graph
from grape.embedders import DeepWalkSkipGramEnsmallen

path, out, walks, length, dim, window, _ = sys.argv[1:]
begin = time.perf_counter()
graph = Graph.from_csv(
    edge_path=path,
    edge_list_separator="\t",
    edge_list_header=False,
    sources_column_number=0,
    destinations_column_number=1,
    directed=False,
    verbose=False,
)
model = DeepWalkSkipGramEnsmallen(
    embedding_size=int(dim),
    epochs=1,
    iterations=int(walks),
    walk_length=int(length),
    window_size=int(window),
    number_of_negative_samples=5,
    learning_rate=0.01,
    verbose=False,
)
table = model.fit_transform(graph).get_all_node_embedding()[0]
rows = np.empty(table.shape, dtype=np.float32)
rows[table.index.astype(np.int64)] = table.to_numpy()
np.save(out, rows)
print(json.dumps({"seconds": time.perf_counter() - begin}))
