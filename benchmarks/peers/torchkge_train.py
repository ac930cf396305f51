"""TorchKGE's training with negatives on one thread, its Trainer's steps with its sampler of several negatives.

Arguments: triples.npz, model, dim in reals, negatives, batch sizes with commas between, CPU-seconds for each. Of the
batch sizes the fastest counts. Prints JSON.
"""

import json
import sys
import time

import numpy as np
import torch
from memory import base_bytes, peak_bytes
from torchkge.data_structures import KnowledgeGraph
from torchkge.models import ComplExModel, TransEModel
from torchkge.sampling import UniformNegativeSampler
from torchkge.utils import LogisticLoss, MarginLoss

path, name, dim, negatives, sizes, seconds = sys.argv[1:]
torch.set_num_threads(1)
base = base_bytes()
torch.set_flush_denormal(True)
torch.manual_seed(0)
data = np.load(path)
entities, relations = int(data["entities"]), int(data["relations"])
head, relation, tail = torch.from_numpy(data["train"]).T.contiguous()
graph = KnowledgeGraph(
    kg={"heads": head, "tails": tail, "relations": relation},
    ent2ix={i: i for i in range(entities)},
    rel2ix={i: i for i in range(relations)},
)
sampler = UniformNegativeSampler(graph, n_neg=int(negatives))


def speed(size):
    """Triples with their negatives a CPU-second."""
    if name == "complex":
        model, criterion = ComplExModel(int(dim) // 2, entities, relations), LogisticLoss()
    else:
        model, criterion = TransEModel(int(dim), entities, relations, "L1"), MarginLoss(9.0)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    order, batches, begin, now = torch.randperm(len(head)), 0, None, 0.0
    while begin is None or now - begin < float(seconds):
        at = order[torch.arange(batches * size, (batches + 1) * size) % len(head)]
        optimizer.zero_grad()
        corrupted = sampler.corrupt_batch(head[at], tail[at], relation[at])
        right, wrong = model(head[at], tail[at], relation[at], *corrupted)
        criterion(right, wrong).backward()
        optimizer.step()
        now = time.process_time()
        if begin is None:
            begin = now  # the first batch warms up
        else:
            batches += 1
    return batches * size / (now - begin)


found = {size: speed(int(size)) for size in sizes.split(",")}
best = max(found, key=found.get)
memory = {"peak_bytes": peak_bytes(), "base_bytes": base}
print(json.dumps({"speed": found[best], "size": best, "speeds": found, **memory}))
