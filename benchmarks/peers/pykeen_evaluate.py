"""PyKEEN's filtered evaluation of test triples, both sides, on one thread.

Arguments: triples.npz, dim in reals, batch sizes with commas between, triples. Two slices of different lengths are
timed, and what the longer takes more counts, so that whatever is done once costs nothing. Prints JSON.
"""

import json
import sys
import time

import numpy as np
import torch
from memory import base_bytes, peak_bytes
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import ComplEx
from pykeen.triples import CoreTriplesFactory

path, dim, sizes, count = sys.argv[1:]
torch.set_num_threads(1)
base = base_bytes()
torch.set_flush_denormal(True)
data = np.load(path)
train, valid, test = (torch.from_numpy(data[part]) for part in ("train", "valid", "test"))
factory = CoreTriplesFactory(
    mapped_triples=train, num_entities=int(data["entities"]), num_relations=int(data["relations"])
)
model = ComplEx(embedding_dim=int(dim) // 2, triples_factory=factory, random_seed=0)
order = np.random.default_rng(0).permutation(len(test))


def took(triples, size):
    evaluator = RankBasedEvaluator(filtered=True)
    begin = time.process_time()
    evaluator.evaluate(
        model, test[order[:triples]], additional_filter_triples=[train, valid], batch_size=size, use_tqdm=False
    )
    return time.process_time() - begin


found = {}
for size in sizes.split(","):
    short, long = int(size), int(size) * (1 + max(1, round(int(count) / int(size))))
    took(min(short, len(test)), int(size))  # warms up
    short, long = min(short, len(test) // 2), min(long, len(test))
    found[size] = (long - short) / (took(long, int(size)) - took(short, int(size)))
best = max(found, key=found.get)
memory = {"peak_bytes": peak_bytes(), "base_bytes": base}
print(json.dumps({"speed": found[best], "size": best, "speeds": found, **memory}))
