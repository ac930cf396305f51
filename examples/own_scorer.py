"""A scoring function of your own in one file: trained, evaluated and held against ComplEx on the same queries.

The scorer here is HolE (Nickel et al., 2016). Put another in its place: `query` and `key` are all there is to write.
Beside this file the command line takes it too:

    graphtune embed dataset:umls --model own_scorer:HolE --dim 64 --out hole
    graphtune evaluate hole --model own_scorer:HolE --task triple-completion

`python examples/own_scorer.py kinship` takes another data set; tests/test_own_scorer.py checks the scorer's formula.
"""

import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fft import irfft, rfft

import graphtune as gt
from graphtune.models import Lookup
from graphtune.objectives import OneVsAll
from graphtune.sampling import EdgeSampler


class HolEScorer(gt.Scorer):
    """r . (h * t), * the circular correlation, is t . (r o h) with the circular convolution o, a product of spectra."""

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, seed: int = 0):
        super().__init__()
        rows = torch.randn(2 * num_relations, dim, generator=torch.Generator().manual_seed(seed))
        self.relation = torch.nn.Parameter(0.1 * rows)  # row r + R reads relation r backwards

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        return irfft(rfft(z) * rfft(self.relation[relation]), n=z.shape[-1])


@dataclass(frozen=True)
class HolE:
    """The recipe: how to build the model, what it learns from, and how.

    Attributes:
        dim: reals per entity and per relation.
    """

    dim: int = 64

    def build(self, graph: gt.Graph, seed: int = 0) -> gt.Model:
        lookup = Lookup(graph.num_nodes, self.dim, scale=0.1, seed=seed)
        return gt.Model(self, lookup, HolEScorer(graph.num_relations, self.dim, seed), graph)

    def training(self) -> gt.TrainConfig:
        return gt.TrainConfig(epochs=40, batch_size=512, lr=0.1, optimizer="adagrad", n3=0.01, eval_every=5)

    def pretraining(self, graph: gt.Graph, config: gt.TrainConfig) -> tuple[EdgeSampler, Any]:
        return EdgeSampler(graph, config.batch_size, reciprocal=True, seed=config.seed), OneVsAll()


def main() -> None:
    split = gt.load_dataset(sys.argv[1] if len(sys.argv) > 1 else "umls").split
    task, config = gt.TripleCompletion(split), HolE().training()
    recipes = {"HolE": HolE(), "ComplEx": gt.ComplEx(dim=64)}
    found = {name: task.evaluate(gt.pretrain(recipe, split, config).model) for name, recipe in recipes.items()}
    print(found["HolE"])
    print(gt.compare(found, "mrr", baseline="ComplEx"))


if __name__ == "__main__":
    main()
