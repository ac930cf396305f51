"""DeepWalk (Perozzi et al., 2014): skip-gram over uniform random walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from graphtune.check import bad, number, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.lookup import TABLE_DTYPES, Context, Lookup
from graphtune.objectives import SkipGram
from graphtune.sampling import WalkSampler


class WalkOptions(Protocol):
    """The fields that DeepWalk and node2vec share."""

    @property
    def dim(self) -> int: ...
    @property
    def walks_per_node(self) -> int: ...
    @property
    def walk_length(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def negatives(self) -> int: ...
    @property
    def restart(self) -> float: ...
    @property
    def subsample(self) -> float: ...
    @property
    def table_dtype(self) -> str: ...


@dataclass(frozen=True)
class DeepWalk:
    """Nodes that walks bring together get close embeddings.

    Trained by negative sampling rather than the paper's hierarchical softmax, as every current tool does.

    Attributes:
        dim: D.
        walks_per_node: walks that start at each node in an epoch.
        walk_length: nodes a walk.
        window: largest distance of a pair in a walk.
        negatives: noise nodes of a pair; pairs near one another in a walk share them. With many walks a dense graph
            gains from more: on BlogCatalog, with 40 walks a node, 8 give .003 and 10 .005 more micro-F1 than 5, in 1.4
            and 1.6 times the time.
        restart: chance of a walk to jump back to its start instead of a step.
        subsample: word2vec's threshold for frequent nodes; 0 keeps all.
        table_dtype: "float32", or "bfloat16" for tables of half the size, whose small steps are rounded by chance.
    """

    dim: int = 128
    walks_per_node: int = 10
    walk_length: int = 40
    window: int = 10
    negatives: int = 5
    restart: float = 0.0
    subsample: float = 0.0
    table_dtype: str = "float32"

    def __post_init__(self) -> None:
        check_walks(self)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return walk_model(self, graph, seed)

    def training(self) -> TrainConfig:
        return walk_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[WalkSampler, SkipGram]:
        return walk_sampler(self, graph, config), SkipGram()


def check_walks(recipe: WalkOptions) -> None:
    """Check the fields that DeepWalk and node2vec share."""
    check_recipe(recipe, dim=1, walks_per_node=1, walk_length=2, window=1, negatives=1, subsample=0.0)
    one_of("table_dtype", type(recipe).__name__, recipe.table_dtype, TABLE_DTYPES)
    if not 0 <= number("restart", type(recipe).__name__, recipe.restart) < 1:
        raise bad("restart", type(recipe).__name__, "in [0, 1)", recipe.restart)


def walk_model(recipe: Any, graph: Graph, seed: int) -> Model:
    """Source and target tables as gensim starts them: +-1 / D, which on walks beats word2vec's +-0.5 / D."""
    n, dim, dtype = graph.num_nodes, recipe.dim, recipe.table_dtype
    lookup, context = Lookup(n, dim, 1.0 / dim, seed, dtype), Context(n, dim, dtype=dtype)
    return Model(recipe, lookup, context, graph)


def walk_training() -> TrainConfig:
    """word2vec's settings: plain SGD from 0.025, falling linearly to almost nothing."""
    return TrainConfig(
        epochs=1, batch_size=2048, lr=0.025, optimizer="sgd", schedule="linear", lr_end=0.004, patience=0
    )


def walk_sampler(recipe: WalkOptions, graph: Graph, config: TrainConfig, p: float = 1.0, q: float = 1.0) -> WalkSampler:
    """The sampler of a recipe with DeepWalk's fields."""
    return WalkSampler(
        graph,
        recipe.walks_per_node,
        recipe.walk_length,
        recipe.window,
        recipe.negatives,
        p,
        q,
        recipe.restart,
        recipe.subsample,
        config.batch_size,
        config.seed,
    )
