"""The second part of a model: embeddings and relations to scores, and many of them at one moment.

Axes: N nodes, R relations, D dim of an embedding, Q dim of a query or key, K own keys of a query, n and m any number
of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.graph import Graph
from graphtune.kernels.own import PRODUCT, Own
from graphtune.models.chance import judging
from graphtune.models.encoder import Encoder
from graphtune.models.own import scores_by_kernel

CHUNK = 1 << 26  # numbers held at once when many pairs are scored
AT_ONCE = 1 << 12  # pairs that are scored with relations at a time: their rows stay in the cache


class Scorer(nn.Module):
    """`query(source, relation) . key(target)`: the one place a score is written.

    A subclass changes `query`, `key` or the similarity of the two; pairs, one-vs-all and top-k follow.

    Attributes:
        in_kernels: whether the fused steps know it: rows times rows, of the encoder's table or its own `weight`.
        reads_relations: whether a score depends on the relation.
        has_embeddings: whether nodes have vectors that scores are made of.
        query_cost: numbers held while one query is made, where these are many more than D or Q.
    """

    in_kernels = False
    reads_relations = False
    has_embeddings = True
    query_cost = 0

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        """[n, D] source embeddings, [n] relations -> [n, Q]."""
        return z

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        """[..., D] embeddings of the target nodes [...] (all nodes if None) -> [..., Q]."""
        return z

    def pair(self, query: Tensor, key: Tensor) -> Tensor:
        """[..., Q] x [..., Q] -> [...] scores, row by row; broadcasts."""
        return (query * key).sum(-1)

    def cross(self, query: Tensor, key: Tensor) -> Tensor:
        """[n, Q] x [m, Q] -> [n, m] scores, each with each."""
        return query @ key.T

    def own(self, query: Tensor, key: Tensor, own: Own) -> Tensor:
        """[n, Q] x [m, Q] -> [n, K] scores, each query with the keys that are its own among all."""
        plain = self.is_product and getattr(self.pair, "__func__", None) is Scorer.pair
        if plain and query.device.type == "cpu":
            return scores_by_kernel(PRODUCT, query, key, own)
        return self.pair(query[:, None], F.embedding(torch.from_numpy(own.place).to(key.device), key))

    @property
    def is_product(self) -> bool:
        """Whether `cross` is the product of queries and keys and nothing more."""
        return getattr(self.cross, "__func__", None) is Scorer.cross

    def relation_query(self, source: Tensor, key: Tensor) -> Tensor | None:
        """[n, D] source embeddings, [n, Q] keys of targets -> [n, D] whose products with the rows of `relation` are the
        scores; None where scores are no such products."""
        return None

    def frozen(self, encoder: Encoder, graph: Graph) -> Frozen:
        """All embeddings and keys of the encoder at this moment, to score many pairs of the graph with."""
        z = encoder(None)
        return Frozen(z.detach(), self.key(z, None).detach(), self, graph.directed)

    def modulus(self, rows: Tensor) -> Tensor:
        """What penalties act on: the rows themselves, or the moduli of complex rows."""
        return rows

    def backwards(self, rows: Tensor) -> Tensor | None:
        """The relation rows that score v -> u as `rows` score u -> v; None where there may be none."""
        return rows

    @property
    def table_names(self) -> tuple[str, ...]:
        """Names of the parameters with one row per node."""
        return ()

    @property
    def relation_names(self) -> tuple[str, ...]:
        """Names of the parameters with 2R rows: one per relation, then those of the same read backwards."""
        return ()


@dataclass(frozen=True)
class Frozen:
    """A model's embeddings and keys at one moment, to score many pairs with. Works on row numbers.

    Scores of an undirected graph are the mean of both directions.

    Attributes:
        z: [N, D] embeddings.
        key: [N, Q] target-side keys.
        scorer: puts queries and keys together.
        directed: whether u -> v differs from v -> u.
    """

    z: Tensor
    key: Tensor
    scorer: Scorer
    directed: bool

    @torch.no_grad()
    def pairs(self, u: np.ndarray, v: np.ndarray, relation: np.ndarray | None = None) -> np.ndarray:
        """[n] float32 scores of u -> v; relation r + R reads r backwards."""
        chunk = max(1, CHUNK // max(self.z.shape[1], self.scorer.query_cost))
        parts = [slice(i, i + chunk) for i in range(0, len(u), chunk)]
        scores = [self._pairs(u[p], v[p], None if relation is None else relation[p]) for p in parts]
        return np.concatenate([np.empty(0, np.float32), *scores])

    @torch.no_grad()
    def cross(self, u: np.ndarray, columns: range, relation: np.ndarray | None = None) -> np.ndarray:
        """[n, len(columns)] float32 scores of each u -> every node in `columns`."""
        rows, r = self._tensor(u), None if relation is None else self._tensor(relation)
        span = slice(columns.start, columns.stop)
        scores = self.scorer.cross(self.queries(rows, r), self.key[span])
        if not self.directed:
            back = self.scorer.cross(self.queries(span, None), self.key[rows]).T
            scores = (scores + back) / 2
        return scores.float().cpu().numpy()

    def relations(self, u: np.ndarray, v: np.ndarray, count: int) -> np.ndarray:
        """[n, count] float32 scores of u -> v by each of the first `count` relations."""
        every = np.tile(np.arange(count), len(u))
        pairs = np.repeat(u, count), np.repeat(v, count)
        parts = [slice(i, i + AT_ONCE) for i in range(0, len(every), AT_ONCE)]
        scores = [self.pairs(pairs[0][p], pairs[1][p], every[p]) for p in parts]
        return np.concatenate([np.empty(0, np.float32), *scores]).reshape(len(u), count)

    def _pairs(self, u: np.ndarray, v: np.ndarray, relation: np.ndarray | None) -> np.ndarray:
        first, second = self._tensor(u), self._tensor(v)
        r = None if relation is None else self._tensor(relation)
        scores = self.scorer.pair(self.queries(first, r), self.key[second])
        if not self.directed:
            scores = (scores + self.scorer.pair(self.queries(second, r), self.key[first])) / 2
        return scores.float().cpu().numpy()

    def queries(self, rows: Tensor | slice, relation: Tensor | None) -> Tensor:
        """[n, Q], without chance even while the model is trained."""
        with judging(self.scorer):
            return self.scorer.query(self.z[rows], relation)

    def _tensor(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(rows, dtype=np.int64)).to(self.z.device)
