"""torchmetrics' retrieval metrics of ranked lists, on one thread.

Arguments: lists.npz (index, preds, target: one row a place of a list, and one for each item that is missing in it), k.
Prints JSON.
"""

import json
import sys
import time

import numpy as np
import torch
from torchmetrics.retrieval import (
    RetrievalHitRate,
    RetrievalMAP,
    RetrievalMRR,
    RetrievalNormalizedDCG,
    RetrievalPrecision,
    RetrievalRecall,
)

torch.set_num_threads(1)
path, k = sys.argv[1], int(sys.argv[2])
data = np.load(path)
index, preds, target = (torch.from_numpy(data[name]) for name in ("index", "preds", "target"))
metrics = {
    "recall": RetrievalRecall(top_k=k),
    "precision": RetrievalPrecision(top_k=k),
    "ndcg": RetrievalNormalizedDCG(top_k=k),
    "mrr": RetrievalMRR(top_k=k),
    "map": RetrievalMAP(top_k=k),
    "hit_rate": RetrievalHitRate(top_k=k),
}
begin = time.process_time()
values = {}
for name, metric in metrics.items():
    metric.update(preds, target, indexes=index)
    values[name] = float(metric.compute())
took = time.process_time() - begin
print(json.dumps({"seconds": took, "values": values}))
