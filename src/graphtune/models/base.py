"""A model, and the recipe that builds it.

Axes: N nodes, R relations, D dim of an embedding, Q dim of a key, n any number of rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import bad, integer, number, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.alike import most_similar
from graphtune.models.best import recommend_one
from graphtune.models.calibration import Calibration
from graphtune.models.chance import judging
from graphtune.models.completion import Completion, complete
from graphtune.models.encoder import Encoder
from graphtune.models.heads import Head, HeadSpec
from graphtune.models.scorer import Frozen, Scorer
from graphtune.sampling import Sampler
from graphtune.split import Split

SIDES = ("source", "target")


class Recipe(Protocol):
    """A model family with its options: a frozen dataclass that says how to build and how to pretrain.

    This is what one adds to the product: `build` gives the untrained model, `pretraining` what it learns from
    the structure of a graph alone, `training` the engine settings that suit it.
    """

    @property
    def dim(self) -> int: ...

    def build(self, graph: Graph, seed: int = 0) -> Model: ...

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]: ...

    def training(self) -> TrainConfig: ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A recipe that needs files to build its model. A model directory keeps them beside the weights, and is the `path`
    of the recipe that is loaded from it."""

    @property
    def path(self) -> str: ...

    def files(self) -> dict[str, Path]:
        """Where each file is, by the name that it has in a model directory."""
        ...


@runtime_checkable
class ClosedForm(Protocol):
    """A recipe that is solved rather than trained: instead of `pretraining` it has `solve`.

    `solve` fills in the weights of a model that `build` made from the structure of the model's graph, and calls `say`
    with what it does now.
    """

    @property
    def dim(self) -> int: ...

    def build(self, graph: Graph, seed: int = 0) -> Model: ...

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = ...) -> None: ...

    def training(self) -> TrainConfig: ...


def check_recipe(recipe: Any, **lowest: float) -> None:
    """Check that numeric fields of a recipe are at least their `lowest` value; whole numbers where that is an int."""
    who = type(recipe).__name__
    for name, low in lowest.items():
        if isinstance(low, int):
            integer(name, who, getattr(recipe, name), low)
        else:
            number(name, who, getattr(recipe, name), low)


class Model(nn.Module):
    """An encoder and a scorer over the nodes of a graph, under the user's ids.

    Args:
        recipe: what it was built from; saved with it.
        encoder: nodes to embeddings.
        scorer: pairs (and relations) to scores.
        graph: the graph it learns from; its edges are the known ones that `recommend` leaves out.

    Attributes:
        heads: the heads of node tasks, by task name.
        outputs: for each head, what its outputs are called (class names) and how targets were scaled.
        calibration: what makes probabilities of its scores, or None; made by `graphtune.calibrate`, saved with it.
        row_dropout: chance of each number that `rows` and `rows_and_all` give to be 0 in training; set by the engine.
    """

    def __init__(self, recipe: Recipe | ClosedForm, encoder: Encoder, scorer: Scorer, graph: Graph):
        super().__init__()
        self.recipe = recipe
        self.encoder = encoder
        self.scorer = scorer
        self.heads = nn.ModuleDict()
        self.outputs: dict[str, dict[str, Any]] = {}
        self.graph = graph
        self.calibration: Calibration | None = None
        self.row_dropout = 0.0

    @property
    def ids(self) -> NodeIds:
        return self.graph.ids

    @property
    def dim(self) -> int:
        return self.encoder.dim

    @property
    def reads_relations(self) -> bool:
        """Whether it scores triples."""
        return self.scorer.reads_relations

    @property
    def device(self) -> torch.device:
        return next(chain(self.parameters(), self.buffers())).device

    # --- tensors: what objectives and evaluators use ---

    def rows(self, *nodes: Tensor) -> list[Tensor]:
        """Embeddings of several index tensors in one pass of the encoder, each [..., D], as losses read them."""
        flat = torch.cat([n if n.ndim == 1 else n.reshape(-1) for n in nodes])
        z = self.drop(self.encoder(flat))
        parts = torch.split_with_sizes(z, [n.numel() for n in nodes])
        return [part if n.ndim == 1 else part.view(*n.shape, z.shape[1]) for part, n in zip(parts, nodes)]

    def rows_and_all(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of `nodes` [n] and of all nodes in one pass of the encoder, [n, D] and [N, D], as `rows`."""
        z = self.encoder(None)
        return self.drop(F.embedding(nodes, z)), self.drop(z)

    def drop(self, z: Tensor) -> Tensor:
        """In training, each number 0 with the chance `row_dropout` and else scaled by 1 / (1 - chance)."""
        return F.dropout(z, self.row_dropout) if self.training and self.row_dropout else z

    def table_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters with one row per node, by their full name."""
        names = [f"encoder.{n}" for n in self.encoder.table_names]
        names += [f"scorer.{n}" for n in self.scorer.table_names]
        parameters = dict(self.named_parameters())
        return {name: parameters[name] for name in names}

    @torch.no_grad()
    def embeddings(self, side: str = "source") -> Tensor:
        """[N, D] of all nodes: what a node is as a source, or as a target; [N, Q] where keys are of another width."""
        one_of("side", "Model.embeddings", side, SIDES)
        frozen = self.frozen()
        return frozen.z if side == "source" else frozen.key

    @torch.no_grad()
    def frozen(self) -> Frozen:
        """All embeddings and keys computed once, to score many pairs with."""
        with judging(self):
            return self.scorer.frozen(self.encoder, self.graph)

    # --- the user's ids: what people use ---

    def encode(self, ids: Iterable[Any] | None = None, side: str = "source", kind: str | None = None) -> np.ndarray:
        """Embeddings of nodes.

        Args:
            ids: the user's ids; all nodes in row order without.
            side: "source", what a node is as the start of an edge, or "target", as its end. The two are the same
                in a model that ties them.
            kind: the kind of node, where the same id stands in several.

        Returns:
            [n, D] float32; as targets [n, Q] where the scorer's keys are of another width (ConvE's have a bias more).

        Raises:
            ArgumentError: an id is unknown or ambiguous, or the side is not one of the two.
        """
        z = self.embeddings(side)
        rows = slice(None) if ids is None else torch.from_numpy(self.ids.index(ids, kind)).to(z.device)
        return z[rows].float().cpu().numpy().copy()

    def score(
        self,
        source: Sequence[Any] | np.ndarray,
        target: Sequence[Any] | np.ndarray,
        relation: Sequence[Any] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Scores of edges source -> target, [n] float32; larger is likelier.

        Undirected graphs give the mean of both directions. Of triples it is the score of the tail; which heads are
        likely a model with reciprocal relations tells by the reverse relation, as `complete` and evaluation ask it.

        Raises:
            ArgumentError: lengths differ, an id is unknown, or `relation` is missing or not called for.
        """
        if len(source) != len(target) or (relation is not None and len(relation) != len(source)):
            raise bad("target", "Model.score", f"as long as `source`, {len(source)}", len(target))
        kinds = ("user", "item") if self.graph.is_bipartite_events else (None, None)
        u, v = self.ids.index(source, kinds[0]), self.ids.index(target, kinds[1])
        return self.frozen().pairs(u, v, self.relation_rows(relation))

    def score_relations(
        self, source: Sequence[Any] | np.ndarray, target: Sequence[Any] | np.ndarray
    ) -> tuple[list[Any], np.ndarray]:
        """Which relations may hold between pairs of entities: all of a thousand pairs take a second or less.

        Returns:
            The names of the R relations, and the scores [n, R] of each pair source -> target by each of them.

        Raises:
            ArgumentError: lengths differ, an id is unknown, or the graph has no relations.
        """
        names = self.graph.relation_ids
        if names is None:
            raise bad(
                "source", "Model.score_relations", "entities of a knowledge graph", "nodes of one without relations"
            )
        if len(source) != len(target):
            raise bad("target", "Model.score_relations", f"as long as `source`, {len(source)}", len(target))
        u, v = self.ids.index(source), self.ids.index(target)
        return names.values(np.arange(len(names))), self.frozen().relations(u, v, len(names))

    def complete(
        self,
        head: Any = None,
        relation: Any = None,
        tail: Any = None,
        k: int = 10,
        known: Graph | Split | None = None,
        new: bool = False,
    ) -> Completion:
        """The `k` best candidates for the part of a triple that is left out, facts that are known marked.

        Probabilities come with a model that is calibrated (`graphtune.calibrate`, and what the command line saves).

        Args:
            head, relation, tail: two of the three.
            k: how many.
            known: where known facts stand: a graph on the entities of the model, or a split of it, which also tells
                the part; without it the graph that the model learned from.
            new: leave known facts out.

        Raises:
            ArgumentError: not two of the three are given, an id is unknown, `known` is of other entities, or the graph
                has no relations.

        Example:
            >>> from graphtune.models import ComplEx
            >>> from graphtune.testing import inverse_relations
            >>> model = ComplEx(dim=4).build(inverse_relations())
            >>> found = model.complete(head="person1", tail="city0")
            >>> found.known, sorted((a.id, a.known) for a in found.answers)
            (1, [('has', None), ('in', 'known')])
        """
        asked = head, relation, tail
        return complete(self.frozen(), self.graph, asked, k, known, new, self.calibration)

    def relation_rows(self, relation: Sequence[Any] | np.ndarray | None) -> np.ndarray | None:
        """Relation names to numbers, checked against whether the graph has relations."""
        names = self.graph.relation_ids
        if (relation is None) != (names is None):
            need = "left out: this graph has no relations" if names is None else "given: this graph has relations"
            raise bad("relation", "Model.score", need, relation)
        return None if names is None or relation is None else names.index(relation, what="relation")

    def most_similar(self, node: Any, k: int = 10, kind: str | None = None) -> list[tuple[Any, float]]:
        """The `k` nodes of the same kind with the highest cosine to `node`, best first, itself left out."""
        return most_similar(self.graph, self.frozen(), node, k, kind)

    def recommend(self, user: Any, k: int = 10, known: Graph | None = None) -> list[tuple[Any, float]]:
        """The `k` targets with the highest score for `user`, best first, those it already has left out.

        In a log of events these are items; in any other graph without relations, new neighbours.

        Args:
            user: the user's id, or a node's.
            k: how many.
            known: a graph on the same nodes whose edges are left out; without it the one that the model learned from,
                which for a split is its train part.
        """
        return recommend_one(self, user, k, known)

    def copy(self, recipe: Recipe | ClosedForm | None = None) -> Model:
        """An independent copy over the same graph; with a `recipe`, as that one builds it. It is not calibrated, and
        sees the graph as it is now, as copies are made to be trained."""
        twin = (recipe or self.recipe).build(self.graph).to(self.device)
        for name, head in self.heads.items():
            twin.add_head(name, head.spec)  # type: ignore[arg-type]
        if self.encoder.adapter_width:
            twin.encoder.add_adapters(self.encoder.adapter_width)
        twin.load_state_dict(self.state_dict())
        twin.outputs = copy.deepcopy(self.outputs)
        return twin

    def add_head(self, name: str, spec: HeadSpec, seed: int = 0) -> None:
        """Put a new head for task `name` on the encoder, unless one of this shape is there already."""
        if name in self.heads and self.heads[name].spec == spec:
            return
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads[name] = Head(spec).to(self.device)
