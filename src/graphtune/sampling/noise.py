"""Noise: which targets stand against the true ones, and what else draws by weight. N nodes, M entries, K negatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from graphtune.check import bad, integer, one_of
from graphtune.graph import CSR, Graph
from graphtune.kernels.alias import alias_rows

NOISE_POWER = 0.75
NOISES = ("uniform", "degree", "in-batch")
TRIPLE_NOISES = (*NOISES, "type-constrained", "bernoulli")
SHARINGS = ("batch", "pairs", "own")


def noise_weights(graph: Graph, direction: str = "both") -> np.ndarray:
    """[N] degree^0.75 (Mikolov et al., 2013), weighted where the graph is; uniform for a graph without edges."""
    return flattened(graph.strength(direction))


def flattened(frequency: np.ndarray) -> np.ndarray:
    """[N] frequency^0.75; uniform where all are 0."""
    weights = frequency**NOISE_POWER
    return weights if weights.sum() > 0 else np.ones(len(weights))


def weight_tables(csr: CSR) -> np.ndarray | None:
    """[M] the alias tables of the rows, from disk where they lie there; None unweighted."""
    if csr.weight is None or csr.alias is not None:
        return csr.alias
    return alias_rows(csr.indptr, csr.weight)


@dataclass(frozen=True)
class Negatives:
    """How negative targets are drawn.

    Attributes:
        count: K per example, or in all when `shared`.
        noise: "uniform"; "degree" for degree^0.75; or "in-batch" for the targets of the first `count` examples of the
            batch, shared by all. Of triples alone: "type-constrained", uniform among the entities that the train part
            has in the place of the answer (Krompass et al., 2015), see `Ranges`; "bernoulli", uniform, and of a
            triple's two queries the one whose corruption makes fewer true triples counts more (Wang et al., 2014), see
            `corruption_weights`.
        shared: one set for the whole batch.
        pairs: one set for two examples in a row, as the fused step of LINE reads them.
        unknown: never a known positive of the source (or of source and relation), nor, without relations, the source
            itself: uniform ones for each example are drawn so, others are marked in `Batch.known`. There too is marked
            what an example shares of "type-constrained" ones that is no answer to its own relation.
        log_q: give `Batch.log_q`, by which an objective undoes how unlike the draws are; not of "type-constrained".
    """

    count: int
    noise: str = "uniform"
    shared: bool = False
    pairs: bool = False
    unknown: bool = False
    log_q: bool = False

    def __post_init__(self) -> None:
        integer("count", "Negatives", self.count, 1)
        one_of("noise", "Negatives", self.noise, TRIPLE_NOISES)
        if self.log_q and self.noise == "type-constrained":
            raise bad("log_q", "Negatives", "False for noise='type-constrained'", self.log_q)

    def shared_by(self, sharing: str) -> Negatives:
        """The same, shared as one of `SHARINGS` says."""
        return replace(self, shared=sharing == "batch", pairs=sharing == "pairs")
