"""One row per node, and a target-side table: the two sides of a bidirectional embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.kernels.memory import ask_for_large_pages
from graphtune.models.chance import generator
from graphtune.models.encoder import Encoder
from graphtune.models.scorer import Scorer

TABLE_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Lookup(Encoder):
    """A table of embeddings, one row per node.

    Args:
        num_nodes: N.
        dim: D.
        scale: rows start uniform in +-scale; word2vec's 0.5 / D where None.
        seed: of the start.
        dtype: of the table, one of `TABLE_DTYPES`; embeddings are float32 whatever it is.

    Attributes:
        sparse: whether the gradient is sparse where rows are read; set by the engine.
    """

    in_kernels = True
    reads_rows = True
    sparse = False

    def __init__(self, num_nodes: int, dim: int, scale: float | None = None, seed: int = 0, dtype: str = "float32"):
        super().__init__()
        self.num_nodes, self.dim = num_nodes, dim
        self.weight = nn.Parameter(uniform(num_nodes, dim, 0.5 / dim if scale is None else scale, seed, dtype))

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        return _rows(self.weight, nodes, self.sparse)

    @property
    def table_names(self) -> tuple[str, ...]:
        return ("weight",)


class Dot(Scorer):
    """Score z_u . z_v: source and target side are one."""

    in_kernels = True


class Cosine(Scorer):
    """Score cos(z_u, z_v) / temperature: lengths say nothing, so softmax losses need the temperature.

    Args:
        temperature: the smaller, the more a loss looks at the hardest negatives alone.
    """

    def __init__(self, temperature: float = 1.0):
        super().__init__()
        self.temperature = temperature

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        return F.normalize(z, dim=-1) / self.temperature

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        return F.normalize(z, dim=-1)


class Context(Scorer):
    """Score z_u . c_v with a table of target-side vectors c of its own, so u -> v and v -> u differ.

    Args:
        num_nodes: N.
        dim: D.
        scale: rows start uniform in +-scale; word2vec's 0 by default.
        seed: of the start.
        dtype: of the table, one of `TABLE_DTYPES`; keys are float32 whatever it is.

    Attributes:
        sparse: as in `Lookup`.
    """

    in_kernels = True
    sparse = False

    def __init__(self, num_nodes: int, dim: int, scale: float = 0.0, seed: int = 0, dtype: str = "float32"):
        super().__init__()
        self.weight = nn.Parameter(uniform(num_nodes, dim, scale, seed, dtype))

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        return _rows(self.weight, nodes, self.sparse)

    @property
    def table_names(self) -> tuple[str, ...]:
        return ("weight",)


class Projected(Scorer):
    """Score (A z_u) . (B z_v): two sides for encoders without a table, such as GNNs on a directed graph.

    Args:
        dim: D.
        seed: of the start, orthogonal for A and the same for B, so that scores start symmetric.
    """

    def __init__(self, dim: int, seed: int = 0):
        super().__init__()
        start = torch.empty(dim, dim)
        nn.init.orthogonal_(start, generator=generator(seed))
        self.source = nn.Parameter(start.clone())
        self.target = nn.Parameter(start.clone())

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        return z @ self.source

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        return z @ self.target


def uniform(rows: int, dim: int, scale: float, seed: int, dtype: str = "float32") -> Tensor:
    """[rows, dim] uniform in +-scale."""
    table = torch.empty(rows, dim, dtype=TABLE_DTYPES[dtype])
    ask_for_large_pages(table.data_ptr(), table.nbytes)
    return table.uniform_(-scale, scale, generator=generator(seed))


def _rows(table: Tensor, nodes: Tensor | None, sparse: bool) -> Tensor:
    if nodes is None:
        rows = table
    elif sparse or nodes.ndim != 1 or not table.is_cpu:
        rows = F.embedding(nodes, table, sparse=sparse)
    else:
        rows = table.index_select(
            0, nodes
        )  # the same rows; on the CPU their gradient is added up in two thirds of the time
    return rows.float() if rows.dtype == torch.bfloat16 else rows
