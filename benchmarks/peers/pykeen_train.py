"""PyKEEN's training on one thread.

Arguments: triples.npz, model, dim in reals, loss ("softmax" or a number of negatives), weight of N3 (0 for none, its
fastest), batch sizes with commas between, CPU-seconds for each. Softmax is LCWA with inverse triples: all entities at
once for each (h, r), which stands for all its triples. Of the batch sizes the fastest counts. Prints JSON.
"""

import contextlib
import json
import sys
import time

import numpy as np
import torch
from memory import base_bytes, peak_bytes
from pykeen.training import LCWATrainingLoop, SLCWATrainingLoop, TrainingCallback
from pykeen.triples import CoreTriplesFactory
from pykeen_models import make

path, name, dim, loss, n3, sizes, seconds = sys.argv[1:]
torch.set_num_threads(1)
base = base_bytes()
torch.set_flush_denormal(True)
data = np.load(path)
triples = torch.from_numpy(data["train"])
entities, relations = int(data["entities"]), int(data["relations"])


class Enough(Exception):
    """The time is up."""


class Watch(TrainingCallback):
    """Counts batches and their CPU-seconds after a first one, and ends the training when the time is up."""

    def on_batch(self, epoch, batch, batch_loss, **kwargs):
        now = time.process_time()
        if not hasattr(self, "begin"):
            self.begin, self.last, self.batches = now, now, 0
            return
        self.batches, self.last = self.batches + 1, now
        if now - self.begin > float(seconds):
            raise Enough


def speed(size):
    """Triples in one direction a CPU-second, with batches of about so many of them."""
    softmax = loss == "softmax"
    factory = CoreTriplesFactory(
        mapped_triples=triples, num_entities=entities, num_relations=relations, create_inverse_triples=softmax
    )
    model = make(name, int(dim), loss, float(n3), factory)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    if softmax:
        loop = LCWATrainingLoop(model=model, triples_factory=factory, optimizer=optimizer)
        both = torch.cat([triples[:, :2], torch.stack([triples[:, 2], triples[:, 1] + relations], 1)])
        of_one = len(both) / len(torch.unique(both, dim=0))
    else:
        sampler = {"num_negs_per_pos": int(loss)}
        loop = SLCWATrainingLoop(
            model=model,
            triples_factory=factory,
            optimizer=optimizer,
            negative_sampler="basic",
            negative_sampler_kwargs=sampler,
        )
        of_one = 1.0
    watch = Watch()
    still = {"use_tqdm": False, "use_tqdm_batch": False, "pin_memory": False, "num_workers": 0}
    with contextlib.suppress(Enough):
        loop.train(triples_factory=factory, num_epochs=1000, batch_size=size, callbacks=watch, **still)
    return watch.batches * size * of_one / (watch.last - watch.begin)


found = {size: speed(int(size)) for size in sizes.split(",")}
best = max(found, key=found.get)
memory = {"peak_bytes": peak_bytes(), "base_bytes": base}
print(json.dumps({"speed": found[best], "size": best, "speeds": found, **memory}))
