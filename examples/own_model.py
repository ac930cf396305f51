"""Your own model in one file: a scorer, a recipe, and it trains, evaluates, saves and loads like any other.

The scorer here is SimplE-like: each entity has a head half and a tail half (Kazemi & Poole, 2018).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import graphtune as gt
from graphtune.models import Lookup
from graphtune.objectives import OneVsAll
from graphtune.sampling import EdgeSampler


class HalvesScorer(gt.Scorer):
    """<h_head, r, t_tail> with reciprocal relations: query and key are all there is to write."""

    def __init__(self, num_relations: int, dim: int, seed: int):
        super().__init__()
        start = torch.randn(2 * num_relations, dim // 2, generator=torch.Generator().manual_seed(seed))
        self.relation = torch.nn.Parameter(0.1 * start)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        return z.chunk(2, dim=-1)[0] * self.relation[relation]

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        return z.chunk(2, dim=-1)[1]


@dataclass(frozen=True)
class TwoHalves:
    """The recipe: how to build the model and what it learns from.

    Attributes:
        dim: reals per entity, both halves together.
    """

    dim: int = 32

    def build(self, graph: gt.Graph, seed: int = 0) -> gt.Model:
        lookup = Lookup(graph.num_nodes, self.dim, scale=0.1, seed=seed)
        return gt.Model(self, lookup, HalvesScorer(graph.num_relations, self.dim, seed), graph)

    def training(self) -> gt.TrainConfig:
        return gt.TrainConfig(epochs=60, batch_size=128, lr=0.1, optimizer="adagrad", eval_every=10)

    def pretraining(self, graph: gt.Graph, config: gt.TrainConfig) -> tuple[EdgeSampler, Any]:
        return EdgeSampler(graph, config.batch_size, reciprocal=True, seed=config.seed), OneVsAll()


def neighbours(directory: Path) -> Path:
    """A ring of 40 houses: who is left of, right of and opposite whom."""
    lines = []
    for i in range(40):
        lines += [(i, "left_of", (i + 1) % 40), (i, "two_left_of", (i + 2) % 40), (i, "opposite", (i + 20) % 40)]
    path = directory / "houses.tsv"
    path.write_text("".join(f"house{h}\t{r}\thouse{t}\n" for h, r, t in lines))
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        graph, _ = gt.read_triples(neighbours(Path(directory)))
        split = gt.split_triples(graph)
        model = gt.pretrain(TwoHalves(), split).model
        print(gt.TripleCompletion(split).evaluate(model))

        gt.save(Path(directory) / "model", model)
        again = gt.load(Path(directory) / "model", recipes=[TwoHalves])
        assert (again.encode() == model.encode()).all()
        print("saved and loaded bit for bit")


if __name__ == "__main__":
    main()
