"""NetMF (Qiu et al., 2018): the matrix that DeepWalk and LINE factorise implicitly, factorised outright."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from graphtune.check import bad, number, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.alias import alias_rows
from graphtune.kernels.sparse import sparse_product, walk_counts
from graphtune.models.base import Model, check_recipe
from graphtune.models.factorise import (
    Factors,
    factors,
    put_sides,
    quiet,
    sparse_operator,
    symmetric_factors,
    table_model,
    top_eigenpairs,
)
from graphtune.models.propagation import normalised_adjacency
from graphtune.models.smoothing import smooth_sides

METHODS = ("auto", "exact", "eigen", "sampled")
DENSE_NODES = 24_000  # most for an [N, N] float32 matrix, 2.3 GB
# A pair met once says little, though its ratio to chance may be large. Chosen on labels of BlogCatalog and LastFM Asia
# that were split off for validation.
DOUBT = 5.0
MOST_VISITS = 100_000_000  # of walks, in all: at most some 5 GB while they are counted
# Memory at its height, where no two visits are of one pair (1 M nodes, 5 M edges: 9 GB): of a visit while they are
# counted, of a visit and of a number of the embedding while the matrix is factorised.
COUNT_BYTES, ENTRY_BYTES, FACTOR_BYTES = 55, 27, 40
EXACT_PRODUCTS = 5e10  # most multiplications for the powers of the walk matrix, some ten seconds
ROWS = 1024  # of an [N, N] matrix at a time


@dataclass(frozen=True)
class NetMF:
    """DeepWalk in closed form; with `window=1` LINE of second order.

    Factors of M_uv = log max(1, vol / (b d_v) (1/T) sum_{r=1..T} (P^r)_uv), where P = D^-1 A steps along an edge by
    weight, vol is the sum of weights and d_v of those into v: the logarithm of how much oftener than by chance walks
    from u meet v. The source side of M = U S V^T is U sqrt(S), the target side V sqrt(S); where the graph is directed
    they differ.

    Attributes:
        dim: D; where the graph has fewer nodes the rest is 0.
        window: T, steps that count.
        negatives: b, noise nodes a pair; more leave out weaker relations.
        method: "exact" takes every power; "eigen" those of the `rank` largest eigenvalues of D^-1/2 A D^-1/2 in each
            component, for undirected graphs; "sampled" walks (in the manner of NetSMF: Qiu et al., 2019), for graphs
            whose [N, N] matrix is too large. "auto" takes the first that fits.
        rank: eigenpairs of a component for "eigen". Leaving out the small ones takes noise away, too.
        walks: for "sampled", of `window` steps, from each node for each of its neighbours; fewer, but one, where they
            would visit more than 100 M nodes. Refused where the counts may not fit the free memory. Beyond five million
            edges `ProNE` is the one to take.
        smoothing: terms of ProNE's filter, which the factors are smoothed by; 0 for the paper's NetMF.
        mu, theta: of that filter: see `ProNE`.
    """

    dim: int = 128
    window: int = 10
    negatives: float = 1.0
    method: str = "auto"
    rank: int = 192
    walks: int = 10
    smoothing: int = 0
    mu: float = 0.2
    theta: float = 0.5

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, window=1, rank=1, walks=1, smoothing=0)
        number("negatives", "NetMF", self.negatives, 0, open_low=True)
        number("mu", "NetMF", self.mu)
        number("theta", "NetMF", self.theta, 0, open_low=True)
        if self.smoothing == 1:
            raise bad("smoothing", "NetMF", "0 or at least 2", 1)
        one_of("method", "NetMF", self.method, METHODS)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return table_model(self, graph, seed)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Put the factors into the tables of `model`.

        Raises:
            ArgumentError: the method is not for this graph, or the counts of its walks may not fit the free memory.
        """
        method = self.method_for(model.graph)
        say(f"{method} matrix of {self.window} steps")
        if method == "sampled" or self.window == 1:
            found = self._sparse_factors(model.graph, method, seed, say)
        else:
            found = self._dense_factors(model.graph, method, seed, say)
        sides = found.sides()
        if self.smoothing:
            say(f"{self.smoothing} terms of smoothing")
            sides = smooth_sides(model.graph, *sides, self.smoothing, self.mu, self.theta)
        put_sides(model, *sides)

    def method_for(self, graph: Graph) -> str:
        """ "exact", "eigen" or "sampled": what `method` comes to for a graph.

        Raises:
            ArgumentError: the method is not for this graph.
        """
        n = graph.num_nodes
        if self.method == "eigen" and graph.directed:
            raise bad("method", "NetMF", "'exact' or 'sampled' for a directed graph", self.method)
        if self.method in ("exact", "eigen") and self.window > 1 and n > DENSE_NODES:
            raise bad("method", "NetMF", f"'sampled' for more than {DENSE_NODES} nodes", self.method)
        if self.method != "auto":
            return self.method
        if self.window == 1 or (n <= DENSE_NODES and self.window * 2 * graph.num_edges * n <= EXACT_PRODUCTS):
            return "exact"
        return "eigen" if n <= DENSE_NODES and not graph.directed else "sampled"

    def _dense_factors(self, graph: Graph, method: str, seed: int, say: Callable[[str], None]) -> Factors:
        matrix = self.eigen_matrix(graph, seed) if method == "eigen" else self.exact_matrix(graph)
        say(f"factors of {graph.num_nodes:,} x {graph.num_nodes:,} numbers")
        return factorised(lambda x: matrix @ x, lambda x: matrix.T @ x, graph, self.dim, seed)

    def _sparse_factors(self, graph: Graph, method: str, seed: int, say: Callable[[str], None]) -> Factors:
        if method == "sampled":
            self._check_memory(graph)
        matrix = self.sampled_matrix(graph, seed) if method == "sampled" else self.edge_matrix(graph)
        say(f"factors of {matrix.nnz:,} entries")
        multiply = sparse_operator(matrix)
        transposed = sparse_operator(sp.csr_array(matrix.T)) if graph.directed else multiply
        return factorised(multiply, transposed, graph, self.dim, seed)

    def exact_matrix(self, graph: Graph) -> Tensor:
        """[N, N] M, by Horner's rule: P (I + P (I + ...))."""
        steps, into, volume = walk_matrix(graph)
        csr = steps.indptr.astype(np.int64), steps.indices.astype(np.int32), steps.data
        powers = steps.toarray()
        diagonal = np.arange(len(powers))
        for _ in range(self.window - 1):
            powers[diagonal, diagonal] += 1
            powers = sparse_product(*csr, powers)
        matrix = torch.from_numpy(powers)
        matrix *= torch.from_numpy((volume / (self.negatives * self.window) * reciprocal(into)).astype(np.float32))
        return matrix.clamp_(min=1).log_()

    def eigen_matrix(self, graph: Graph, seed: int = 0) -> Tensor:
        """[N, N] M with the powers of each component's `rank` largest eigenvalues; all of them give the exact one.

        Each component has the eigenvalue 1: among those of the whole graph, many small components would leave no place
        for the structure of the large ones.
        """
        degree = np.asarray(graph.sparse("both").sum(axis=1), dtype=np.float64).ravel()
        scale = np.sqrt(degree.sum() / self.negatives) * np.sqrt(reciprocal(degree))
        steps = normalised_adjacency(graph)
        matrix = torch.zeros(graph.num_nodes, graph.num_nodes)
        for nodes in components(steps):
            if not degree[nodes[0]]:
                continue
            part = steps if len(nodes) == graph.num_nodes else sp.csr_array(steps[nodes][:, nodes])
            left, right = self._half_powers(part, scale[nodes], seed)
            rows = torch.from_numpy(nodes)
            for begin in range(0, len(nodes), ROWS):
                some = slice(begin, begin + ROWS)
                matrix[rows[some, None], rows] = (left[some] @ right.T).clamp_(min=1).log_()
        return matrix

    def _half_powers(self, steps: sp.csr_array, scale: np.ndarray, seed: int) -> tuple[Tensor, Tensor]:
        """Two [n, h] whose product holds the chances that `eigen_matrix` takes the logarithm of, for one component."""
        vectors, values = top_eigenpairs(sparse_operator(steps), len(scale), min(self.rank, len(scale)), seed)
        weight = sum(values**step for step in range(1, self.window + 1)) / self.window
        left = vectors * torch.from_numpy(scale[:, None] * np.sqrt(np.abs(weight))).float()
        return left, left * torch.from_numpy(np.sign(weight)).float()

    def _walks(self, entries: int) -> int:
        """Walks for each neighbour of a node, where the neighbour lists have so many entries."""
        visits = max(1, entries * self.window)
        return min(self.walks, max(1, MOST_VISITS // visits))

    def _check_memory(self, graph: Graph) -> None:
        """Refuse a graph whose sampled matrix may not fit, before the walks begin."""
        entries = len(graph.adjacency("out").indices)
        visits = self._walks(entries) * entries * self.window
        numbers = graph.num_nodes * self.dim
        needed = max(COUNT_BYTES * visits, ENTRY_BYTES * visits + FACTOR_BYTES * numbers)
        free = psutil.virtual_memory().available
        if needed > free:
            what = f"a graph whose sampled walks fit in the free memory, {free / 1e9:.1f} GB"
            found = f"{graph.num_nodes:,} nodes, {graph.num_edges:,} edges: up to {needed / 1e9:.1f} GB"
            raise bad("graph", "NetMF", what, found, "Take fewer steps (window), or ProNE.")

    def edge_matrix(self, graph: Graph) -> sp.csr_array:
        """M of one step, sparse: LINE's."""
        steps, into, volume = walk_matrix(graph)
        return log_above_one(steps, volume / self.negatives * reciprocal(into))

    def sampled_matrix(self, graph: Graph, seed: int = 0) -> sp.csr_array:
        """M from walks that are counted, sparse. What was met k times counts k / (k + DOUBT) of its share."""
        steps, into, volume = walk_matrix(graph)
        alias = None if graph.weight is None else alias_rows(steps.indptr, steps.data)
        csr = steps.indptr.astype(np.int64), steps.indices.astype(np.int32)
        walks = self._walks(steps.nnz)
        bounds, columns, counts = walk_counts(*csr, alias, walks, self.window, seed)
        met = sp.csr_array((counts.astype(np.float32), columns, bounds), shape=steps.shape)
        met.data *= met.data / (met.data + DOUBT)
        met.data *= reciprocal(into).astype(np.float32)[columns]
        begun = (np.diff(csr[0]) * walks).astype(np.float32)
        scale = volume / (self.negatives * self.window)
        if graph.directed:
            met.data /= np.repeat(begun, np.diff(met.indptr))
        else:  # M is symmetric: both nodes of a pair have seen it, each with a say by the walks it began
            met = sp.csr_array(met + met.T)
            met.data /= np.repeat(begun, np.diff(met.indptr)) + begun[met.indices]
        return log_above_one(met, np.full(len(begun), scale))


def components(adjacency: sp.csr_array) -> list[np.ndarray]:
    """The nodes of each connected component, int64, ascending."""
    count, component = connected_components(adjacency, directed=False)
    order = np.argsort(component, kind="stable")
    return np.split(order, np.cumsum(np.bincount(component, minlength=count))[:-1])


def factorised(
    multiply: Callable[[Tensor], Tensor], transposed: Callable[[Tensor], Tensor], graph: Graph, dim: int, seed: int
) -> Factors:
    """The `dim` leading factors of a matrix over a graph's nodes, symmetric where the graph is undirected."""
    n = graph.num_nodes
    if graph.directed:
        return factors(multiply, transposed, (n, n), dim, seed)
    return symmetric_factors(multiply, n, dim, seed)


def walk_matrix(graph: Graph) -> tuple[sp.csr_array, np.ndarray, float]:
    """P [N, N] float32, rows that sum to 1 (0 at dead ends); the weight into each node [N]; the sum of weights."""
    adjacency = graph.sparse("out")
    out = np.asarray(adjacency.sum(axis=1, dtype=np.float64)).ravel()
    into = np.asarray(adjacency.sum(axis=0, dtype=np.float64)).ravel()
    steps = adjacency.copy()
    steps.data = (steps.data * np.repeat(reciprocal(out), np.diff(steps.indptr))).astype(np.float32)
    return steps, into, float(out.sum())


def log_above_one(matrix: sp.csr_array, scale: np.ndarray) -> sp.csr_array:
    """log max(1, .) of `matrix` with column v times scale[v]; entries that come to 0 are left out."""
    values = matrix.data * scale.astype(np.float32)[matrix.indices]
    np.maximum(values, 1, out=values)
    logs = sp.csr_array((np.log(values, out=values), matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
    logs.eliminate_zeros()
    return logs


def reciprocal(x: np.ndarray) -> np.ndarray:
    """1 / x, 0 where x is 0."""
    return np.divide(1.0, x, out=np.zeros(len(x)), where=x > 0)
