"""ProNE (Zhang et al., 2019): a sparse factorisation, then smoothing by the graph's spectrum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from graphtune.check import bad, number
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.factorise import factors, put_sides, quiet, sparse_operator, table_model
from graphtune.models.netmf import walk_matrix
from graphtune.models.smoothing import of_length, smooth_sides


@dataclass(frozen=True)
class ProNE:
    """LINE in closed form, spread over the graph.

    First the factors of M_uv = log(p_uv) - log(b q_v) on the edges u -> v, with p_uv the share of v in the weight out
    of u and q_v proportional to (sum_u p_uv)^0.75, the noise of negative sampling (equation 5 of the paper). Then the
    sides are smoothed by a band-pass filter of the graph's Laplacian. Time and memory are linear in the edges.

    Attributes:
        dim: D; where the graph has fewer nodes the rest is 0.
        negatives: b.
        smoothing: terms of the Chebyshev expansion of the filter; 0 leaves the smoothing out.
        mu: eigenvalue of the Laplacian that the filter is centred on.
        theta: how narrow the filter is.
    """

    dim: int = 128
    negatives: float = 1.0
    smoothing: int = 10
    mu: float = 0.2
    theta: float = 0.5

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, smoothing=0)
        if self.smoothing == 1:
            raise bad("smoothing", "ProNE", "0 or at least 2", 1)
        number("negatives", "ProNE", self.negatives, 0, open_low=True)
        number("mu", "ProNE", self.mu)
        number("theta", "ProNE", self.theta, 0, open_low=True)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return table_model(self, graph, seed)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Put the smoothed factors into the tables of `model`."""
        graph = model.graph
        matrix = noise_matrix(graph, self.negatives)
        say(f"factors of {matrix.nnz:,} entries")
        multiply, transposed = sparse_operator(matrix), sparse_operator(sp.csr_array(matrix.T))
        shape = graph.num_nodes, graph.num_nodes
        sides = factors(multiply, transposed, shape, self.dim, seed).sides()
        if self.smoothing:
            say(f"{self.smoothing} terms of smoothing")
            source, target = (of_length(side, 1.0) for side in sides)
            sides = smooth_sides(graph, source, target, self.smoothing, self.mu, self.theta)
        put_sides(model, *sides)


def noise_matrix(graph: Graph, negatives: float = 1.0) -> sp.csr_array:
    """[N, N] M on the edges; what is below 0 stays."""
    steps, _, _ = walk_matrix(graph)
    noise = np.asarray(steps.sum(axis=0, dtype=np.float64)).ravel() ** 0.75
    noise *= negatives / max(noise.sum(), 1e-300)
    logs = steps.copy()
    logs.data = (np.log(steps.data) - np.log(noise[steps.indices])).astype(np.float32)
    return logs
