"""LightGCN-3, interactions a second of training beside PyG's: Gowalla, 64 numbers a node, batches of 2048, BPR, Adam.

An interaction is a positive with its one negative. Ours is the engine itself, `fit` with its sampler, from the first
batch that it asks for to the end of the last step. Theirs is `torch_geometric.nn.models.LightGCN` with its own
`recommendation_loss`, as in its example: shuffled edges in order, items drawn uniformly, the penalty on the rows of the
batch, torch's Adam. Drawing the batches is within the time of all. Ours draws no item that the user has taken; theirs
may.

With CSR PyG is given the matrix normalised, so that its layers need not do it at each step as they otherwise would
(`pyg_csr_plain`). All go in turns, a few steps each after a warm-up; ratios are medians over the turns.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch_geometric.nn.models import LightGCN as Peer

import graphtune as gt
from graphtune.batch import Batch
from graphtune.models.propagation import normalised_adjacency, to_torch_csr, with_values
from graphtune.sampling import EdgeSampler
from graphtune.train.fit import Training, fit
from harness import median_ratio

BATCH, DIM, LAYERS = 2048, 64, 3
STEPS, WARM = {"ours": 16, "pyg_csr": 3, "pyg_csr_plain": 2, "pyg": 2}, 1
Steps = Callable[[int], float]
"""So many steps of training; the seconds they took."""


@dataclass
class First:
    """The first batches of an epoch, timed from the request for the first to that for one more."""

    inner: EdgeSampler
    num_batches: int
    seconds: float = 0.0

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        begin = time.perf_counter()
        for _, batch in zip(range(self.num_batches), self.inner.batches(epoch, first)):
            yield batch
        self.seconds = time.perf_counter() - begin


def ours(graph: gt.Graph) -> Steps:
    recipe = gt.LightGCN(dim=DIM, layers=LAYERS)
    model, config = recipe.build(graph), replace(recipe.training(), epochs=1, batch_size=BATCH)
    sampler, objective = recipe.pretraining(graph, config)

    def steps(count: int) -> float:
        some = First(sampler, count)
        fit(model, Training("lightgcn", some, objective), config, gt.Run(quiet=True))
        return some.seconds

    return steps


def pyg(graph: gt.Graph, how: str) -> Steps:
    edges, items = torch.from_numpy(np.array(graph.edges)), graph.ids.rows("item")
    model = Peer(graph.num_nodes, DIM, LAYERS, normalize=how != "pyg_csr")
    adjacency = adjacency_for(graph, edges, how)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def step(index: torch.Tensor) -> None:
        positive = edges[:, index]
        negative = torch.randint(items.start, items.stop, (len(index),))
        asked = torch.cat([positive, torch.stack([positive[0], negative])], dim=1)
        optimizer.zero_grad()
        right, wrong = model(adjacency, asked).chunk(2)
        loss = model.recommendation_loss(right, wrong, node_id=asked.unique())
        loss.backward()
        optimizer.step()
        loss.item()

    def steps(count: int) -> float:
        begin = time.perf_counter()
        for index in torch.randperm(edges.shape[1]).split(BATCH)[:count]:
            step(index)
        return time.perf_counter() - begin

    return steps


def adjacency_for(graph: gt.Graph, edges: torch.Tensor, how: str) -> torch.Tensor:
    if how == "pyg":
        return torch.cat([edges, edges.flip(0)], dim=1)
    matrix = to_torch_csr(normalised_adjacency(graph))
    return matrix if how == "pyg_csr" else with_values(matrix, torch.ones_like(matrix.values()))


def figures(turns: int, quick: bool) -> dict[str, float]:
    """Interactions a second and ratios to PyG's; `quick` takes a small graph."""
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
    graph = gt.load_dataset("lastfm" if quick else "gowalla").split.train
    runs = {"ours": ours(graph)} | {how: pyg(graph, how) for how in list(STEPS)[1:]}
    for run in runs.values():
        run(WARM)
    rows = []
    for _ in range(turns):
        rows.append({name: STEPS[name] * BATCH / run(STEPS[name]) for name, run in runs.items()})
        print("lightgcn:", ", ".join(f"{name} {speed:,.0f}/s" for name, speed in rows[-1].items()), flush=True)
    return {
        "lightgcn_ratio_pyg_csr": median_ratio(rows, "ours", "pyg_csr"),
        "lightgcn_ratio_pyg_csr_plain": median_ratio(rows, "ours", "pyg_csr_plain"),
        "lightgcn_ratio_pyg": median_ratio(rows, "ours", "pyg"),
        "lightgcn_interactions_s": float(np.median([row["ours"] for row in rows])),
    }
