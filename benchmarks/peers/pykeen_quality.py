"""What PyKEEN comes to with negatives of each triple's own, on one thread.

Arguments: triples.npz, model, dim in reals, negatives, batch size, epochs, rates of Adam with commas between. The rate
is chosen on validation. Prints JSON.
"""

import json
import sys
import time

import numpy as np
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.training import SLCWATrainingLoop
from pykeen.triples import CoreTriplesFactory
from pykeen_models import make

path, name, dim, negatives, size, epochs, rates = sys.argv[1:]
torch.set_num_threads(1)
torch.set_flush_denormal(True)
data = np.load(path)
train, valid, test = (torch.from_numpy(data[part]) for part in ("train", "valid", "test"))
factory = CoreTriplesFactory(
    mapped_triples=train, num_entities=int(data["entities"]), num_relations=int(data["relations"])
)


def mrr(model, asked, known):
    evaluator = RankBasedEvaluator(filtered=True)
    found = evaluator.evaluate(model, asked, additional_filter_triples=known, batch_size=512, use_tqdm=False)
    return found.get_metric("both.realistic.inverse_harmonic_mean_rank")


def trained(rate):
    """Validation MRR, test MRR and CPU-seconds of the training."""
    model = make(name, int(dim), negatives, 0.0, factory)
    loop = SLCWATrainingLoop(
        model=model,
        triples_factory=factory,
        optimizer=torch.optim.Adam(model.parameters(), lr=float(rate)),
        negative_sampler="basic",
        negative_sampler_kwargs={"num_negs_per_pos": int(negatives)},
    )
    begin = time.process_time()
    still = {"use_tqdm": False, "use_tqdm_batch": False, "pin_memory": False, "num_workers": 0}
    loop.train(triples_factory=factory, num_epochs=int(epochs), batch_size=int(size), **still)
    took = time.process_time() - begin
    return {"valid": mrr(model, valid, [train]), "mrr": mrr(model, test, [train, valid]), "cpu_s": took}


found = {rate: trained(rate) for rate in rates.split(",")}
best = max(found, key=lambda rate: found[rate]["valid"])
print(json.dumps({**found[best], "rate": best, "tried": found}))
