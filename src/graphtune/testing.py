"""Contract tests that ship with the package: subclass one, and pytest checks a new model, encoder or scorer.

    from graphtune.testing import RecipeContract

    class TestMine(RecipeContract):
        recipe = Mine(dim=8)

Axes: N nodes, B examples, D dim, n and m any number of rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, is_dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.base import SIDES, ClosedForm, Encoder, Model, Recipe, Scorer, judging
from graphtune.models.histories import with_graph
from graphtune.store import load, save
from graphtune.train.fit import Result, Run, Training, fit
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep

QUIET = Run(quiet=True)
COMMUNITY = 6  # nodes a clique
BOARD = 16  # users, and as many items
CITIES, RESIDENTS = 3, 5
_TRAINED: dict[type, Result] = {}  # by contract class; only read after it is made


def two_cliques(directed: bool = False, features: bool = False) -> Graph:
    """Two cliques of 6 nodes, "a0".."a5" and "b0".."b5", joined by the one edge a0 -> b0.

    Args:
        directed: the edges of a clique then run from the smaller number to the larger.
        features: one column a node, 1 for itself.
    """
    i, j = np.triu_indices(COMMUNITY, k=1)
    edges = np.concatenate([[i, j], [i + COMMUNITY, j + COMMUNITY], [[0], [COMMUNITY]]], axis=1)
    ids = NodeIds.of([f"{side}{number}" for side in "ab" for number in range(COMMUNITY)])
    one_hot = np.eye(len(ids), dtype=np.float32) if features else None
    return Graph(edges, ids, directed=directed, features=one_hot)


def checkerboard() -> Graph:
    """Users 0..15 who took the items 0..15 of their own parity, all but the one of their own number."""
    user, item = np.divmod(np.arange(BOARD * BOARD), BOARD)
    took = ((user - item) % 2 == 0) & (user != item)
    edges = np.stack([user[took], BOARD + item[took]])
    return Graph(edges, NodeIds.of(range(BOARD), range(BOARD), kinds=("user", "item")), directed=True)


def inverse_relations() -> Graph:
    """People and cities: (city, has, person) for all, (person, in, city), its inverse, for all but one a city."""
    person = np.arange(CITIES * RESIDENTS)
    city = len(person) + person // RESIDENTS
    told = person % RESIDENTS > 0
    edges = np.concatenate([[city, person], [person[told], city[told]]], axis=1)
    relation = np.repeat([0, 1], [len(person), told.sum()])
    names = [f"person{p}" for p in person] + [f"city{c}" for c in range(CITIES)]
    return Graph(edges, NodeIds.of(names), directed=True, relation=relation, relation_ids=NodeIds.of(["has", "in"]))


class Pattern(ABC):
    """A graph with something in it that every model of its kind must learn."""

    graph: Graph

    @abstractmethod
    def score(self, model: Model) -> float:
        """The share of questions about the pattern that the model answers right."""


@dataclass(frozen=True, eq=False)
class Communities(Pattern):
    """Nodes of a clique are closer, by their mean cosine, to their own clique than to the other."""

    graph: Graph = field(default_factory=two_cliques)

    def score(self, model: Model) -> float:
        z = torch.nn.functional.normalize(model.embeddings(), dim=-1)
        side = torch.arange(len(z)) // COMMUNITY
        cosine = z @ z.T
        cosine.fill_diagonal_(0.0)
        own = (cosine * (side[:, None] == side)).sum(1) / (COMMUNITY - 1)
        other = (cosine * (side[:, None] != side)).sum(1) / COMMUNITY
        return float((own > other).float().mean())


@dataclass(frozen=True, eq=False)
class Checkerboard(Pattern):
    """The one item of its parity that a user has not taken is recommended first."""

    graph: Graph = field(default_factory=checkerboard)

    def score(self, model: Model) -> float:
        return float(np.mean([model.recommend(user, 1)[0][0] == user for user in range(BOARD)]))


@dataclass(frozen=True, eq=False)
class InverseRelations(Pattern):
    """Where a person lives follows from whom a city has."""

    graph: Graph = field(default_factory=inverse_relations)

    def score(self, model: Model) -> float:
        cities = [f"city{c}" for c in range(CITIES)]
        people = [f"person{c * RESIDENTS}" for c in range(CITIES) for _ in cities]
        scores = model.score(people, cities * CITIES, ["in"] * CITIES**2).reshape(CITIES, CITIES)
        return float((scores.argmax(1) == np.arange(CITIES)).mean())


class ModelContract:
    """What the models of every recipe must do, trained or solved. See `RecipeContract` and `ClosedFormContract`.

    Attributes:
        recipe: a small instance.
        pattern: a graph and what is to be learned from it: `Communities`, `Checkerboard` or `InverseRelations`.
        needed: the share of the pattern's questions to be answered right.
    """

    recipe: Recipe | ClosedForm
    pattern: Pattern = Communities()
    needed: float = 1.0

    @pytest.fixture
    def model(self) -> Model:
        """The recipe's model of the pattern's graph, trained or solved."""
        raise NotImplementedError

    def test_is_a_frozen_record(self) -> None:
        assert is_dataclass(self.recipe) and type(self.recipe).__dataclass_params__.frozen, "must be frozen"
        assert replace(self.recipe) == self.recipe, "must be equal to a recipe with the same options"
        assert isinstance(self.recipe.training(), TrainConfig), "`training` must give a TrainConfig"

    def test_builds_finite_embeddings(self) -> None:
        graph = self.pattern.graph
        model = self.recipe.build(graph)
        for side in SIDES:
            z = model.embeddings(side)
            width = self.recipe.dim if side == "source" else query_width(model)
            assert z.shape == (graph.num_nodes, width), f"{side} side is {tuple(z.shape)}"
            assert z.dtype == torch.float32 and z.isfinite().all(), f"{side} side must be finite float32"

    def test_seed_decides_the_start(self) -> None:
        first, same, other = (self.recipe.build(self.pattern.graph, seed) for seed in (3, 3, 4))
        assert equal(first, same), "the same seed must give the same weights"
        assert not equal(first, other), "another seed must give other weights"

    def test_encode_keeps_ids_in_order(self, model: Model) -> None:
        for kind in model.ids.kinds:
            span = model.ids.rows(kind)
            ids = model.ids.values(np.array(span))
            order = np.random.default_rng(0).permutation(len(ids))
            for side in SIDES:
                rows = model.embeddings(side).numpy()[span.start : span.stop]
                found = model.encode([ids[i] for i in order], side, kind)
                assert np.array_equal(found, rows[order]), "row i of `encode` must belong to the i-th id"

    def test_pairs_agree_with_cross(self, model: Model) -> None:
        graph, frozen = model.graph, model.frozen()
        rng = np.random.default_rng(0)
        u, v = rng.integers(0, graph.num_nodes, (2, 40))
        relation = rng.integers(0, 2 * graph.num_relations, 40) if graph.num_relations else None
        cross = frozen.cross(u, range(graph.num_nodes), relation)
        part = frozen.cross(u, range(2, 5), relation)
        assert cross.shape == (40, graph.num_nodes) and cross.dtype == np.float32
        np.testing.assert_allclose(frozen.pairs(u, v, relation), cross[np.arange(40), v], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(part, cross[:, 2:5], rtol=1e-4, atol=1e-5)

    def test_undirected_scores_are_symmetric(self, model: Model) -> None:
        if model.graph.directed:
            return
        u, v = np.triu_indices(model.graph.num_nodes, k=1)
        np.testing.assert_allclose(model.frozen().pairs(u, v), model.frozen().pairs(v, u), rtol=1e-5, atol=1e-6)

    def test_copy_is_independent(self, model: Model) -> None:
        before = snapshot(model)
        twin = model.copy()
        assert equal(model, twin), "a copy must have the same weights"
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.add_(1.0)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    def test_state_dict_restores(self, model: Model) -> None:
        twin = self.recipe.build(model.graph, seed=9)
        twin.load_state_dict(snapshot(model))
        for side in SIDES:
            assert torch.equal(twin.embeddings(side), model.embeddings(side)), f"{side} side must be restored"

    def test_directory_gives_the_model_back(self, model: Model, tmp_path: Path) -> None:
        loaded = load(save(tmp_path / "model", model), recipes=(type(self.recipe),))
        assert loaded.recipe == self.recipe and loaded.ids == model.ids
        assert equal(model, loaded), "weights must come back bit for bit"
        for side in SIDES:
            assert torch.equal(loaded.embeddings(side), model.embeddings(side)), f"{side} side must come back"

    def test_recommend_leaves_out_what_is_known(self, model: Model) -> None:
        graph = model.graph
        if graph.num_relations:
            return
        kinds = ("user", "item") if graph.is_bipartite_events else (None, None)
        csr = graph.adjacency("out")
        for row in np.flatnonzero(csr.degree)[:4]:
            (name,) = graph.ids.values([row])
            found = model.recommend(name, graph.num_nodes)
            rows = graph.ids.index([target for target, _ in found], kinds[1])
            known = set(csr.indices[csr.indptr[row] : csr.indptr[row + 1]]) | {row}
            assert not known & set(rows), "known edges must be left out"
            targets = set(graph.ids.rows("item") if graph.is_bipartite_events else range(graph.num_nodes))
            assert set(rows) == targets - known, "every other target must be there"
            assert all(a >= b for (_, a), (_, b) in pairwise(found)), "the best must come first"

    def test_most_similar_leaves_out_itself(self, model: Model) -> None:
        kind = model.ids.kinds[0]
        ids = model.ids.values(np.array(model.ids.rows(kind)))
        found = model.most_similar(ids[1], len(ids), kind)
        assert sorted(name for name, _ in found) == sorted(name for name in ids if name != ids[1])
        assert all(a >= b for (_, a), (_, b) in pairwise(found)), "the closest must come first"


class RecipeContract(ModelContract):
    """What every model family that trains must do. A subclass sets `recipe`, and the rest where defaults do not suit.

    Attributes:
        recipe: a small instance.
        pattern: a graph and what is to be learned from it: `Communities`, `Checkerboard` or `InverseRelations`.
        config: settings under which the recipe learns the pattern in a second or so.
        needed: the share of the pattern's questions to be answered right.
        untrained: parameters that pretraining leaves alone, by name.
    """

    recipe: Recipe
    config: TrainConfig = TrainConfig(epochs=60, batch_size=64, lr=0.02, patience=0)
    untrained: tuple[str, ...] = ()

    @pytest.fixture
    def result(self) -> Result:
        """The recipe, pretrained on the pattern's graph; trained once a class."""
        if type(self) not in _TRAINED:
            _TRAINED[type(self)] = self.train(self.config)
        return _TRAINED[type(self)]

    @pytest.fixture
    def model(self, result: Result) -> Model:
        return result.model

    def train(self, config: TrainConfig) -> Result:
        graph = self.pattern.graph
        sampler, objective = self.recipe.pretraining(graph, config)
        return fit(self.recipe.build(graph, config.seed), Training("contract", sampler, objective), config, QUIET)

    def test_epoch_is_repeatable(self) -> None:
        sampler, _ = self.recipe.pretraining(self.pattern.graph, self.config)
        once, again = list(sampler.batches(1)), list(sampler.batches(1))
        assert len(once) == len(again) == sampler.num_batches, "an epoch must have `num_batches` batches"
        for a, b in zip(once, again):
            for name, value in vars(a).items():
                assert np.array_equal(value, getattr(b, name)), f"`{name}` must depend on seed and epoch alone"

    def test_epoch_can_begin_at_any_batch(self) -> None:
        sampler, _ = self.recipe.pretraining(self.pattern.graph, replace(self.config, batch_size=3))
        whole = list(sampler.batches(1))
        for first in {0, 1, 2, len(whole) // 2, len(whole) - 1, len(whole)}:
            rest = list(sampler.batches(1, first))
            assert len(rest) == len(whole[first:]), f"an epoch from batch {first} on must have the others"
            for a, b in zip(whole[first:], rest):
                for name, value in vars(a).items():
                    assert np.array_equal(value, getattr(b, name)), f"`{name}` must not depend on where one begins"

    def test_losses_are_finite_and_one_an_example(self) -> None:
        model = self.recipe.build(self.pattern.graph)
        sampler, objective = self.recipe.pretraining(self.pattern.graph, self.config)
        for batch in sampler.batches(0):
            values, factors, _ = objective(model, batch)
            assert values.shape == (len(batch),), f"losses must be [{len(batch)}], one an example"
            assert values.isfinite().all()
            assert all(z.ndim >= 2 for z in factors), "factors must be rows"

    def test_gradient_reaches_every_parameter(self) -> None:
        model = self.recipe.build(self.pattern.graph).float()  # half tables are for the fused step only
        sampler, objective = self.recipe.pretraining(self.pattern.graph, self.config)
        step, reached = AutogradStep(model, objective, self.config), set()
        for epoch in range(2):
            for batch in sampler.batches(epoch):
                step(batch, Clock())
                reached |= {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        asked = {n for n, p in model.named_parameters() if p.requires_grad}
        assert reached == asked - set(self.untrained)

    def test_learns_the_pattern(self, result: Result) -> None:
        losses = [row["loss"] for row in result.history]
        assert losses[-1] < losses[0], "training must lower the loss"
        assert self.pattern.score(result.model) >= self.needed, f"{type(self.pattern).__name__} is not learned"

    def test_deterministic_training_repeats_bit_for_bit(self) -> None:
        config = replace(self.config, epochs=2, deterministic=True)
        once, again = self.train(config).model, self.train(config).model
        assert equal(once, again)


class ClosedFormContract(ModelContract):
    """What every recipe that is solved rather than trained must do. A subclass sets `recipe`."""

    recipe: ClosedForm

    @pytest.fixture
    def model(self) -> Model:
        return self.solve(seed=0)

    def solve(self, seed: int) -> Model:
        model = self.recipe.build(self.pattern.graph, seed)
        self.recipe.solve(model, seed)
        return model.eval()

    def test_is_no_recipe_that_trains(self) -> None:
        assert isinstance(self.recipe, ClosedForm) and not hasattr(self.recipe, "pretraining")

    def test_finds_the_pattern(self, model: Model) -> None:
        assert all(p.isfinite().all() for p in model.parameters())
        assert self.pattern.score(model) >= self.needed, f"{type(self.pattern).__name__} is not found"

    def test_seed_decides_the_solution(self) -> None:
        assert equal(self.solve(3), self.solve(3)), "the same seed must give the same weights"

    def test_says_what_it_does(self) -> None:
        said: list[str] = []
        self.recipe.solve(self.recipe.build(self.pattern.graph), 0, said.append)
        assert said and all(said)


class HistoryContract(ClosedFormContract):
    """What every closed form that scores histories must do (`graphtune.models.histories`). A subclass sets `recipe`.

    Nothing starts at random, a model may have no embeddings, and all that it has is in its buffers.
    """

    pattern: Pattern = Checkerboard()

    def test_builds_finite_embeddings(self) -> None:
        model = self.recipe.build(self.pattern.graph)
        if not self.recipe.dim:
            with pytest.raises(ArgumentError, match="one with embeddings"):
                model.embeddings()
            return
        for side in SIDES:
            z = model.embeddings(side)
            assert z.shape == (model.graph.num_nodes, self.recipe.dim), f"{side} side is {tuple(z.shape)}"
            assert z.dtype == torch.float32 and z.isfinite().all(), f"{side} side must be finite float32"

    def test_seed_decides_the_start(self) -> None:
        assert equal(self.recipe.build(self.pattern.graph, 3), self.recipe.build(self.pattern.graph, 3))

    def test_encode_keeps_ids_in_order(self, model: Model) -> None:
        if self.recipe.dim:
            super().test_encode_keeps_ids_in_order(model)

    def test_state_dict_restores(self, model: Model) -> None:
        twin = self.recipe.build(model.graph, seed=9)
        twin.load_state_dict(snapshot(model))
        assert np.array_equal(all_scores(twin), all_scores(model)), "scores must be restored"

    def test_directory_gives_the_model_back(self, model: Model, tmp_path: Path) -> None:
        loaded = load(save(tmp_path / "model", model), recipes=(type(self.recipe),))
        assert loaded.recipe == self.recipe and loaded.ids == model.ids
        assert equal(loaded, model) and equal(model, loaded), "arrays must come back bit for bit"
        assert np.array_equal(all_scores(loaded), all_scores(model)), "scores must come back"

    def test_a_new_user_is_scored_by_its_history(self, model: Model) -> None:
        """A user with the events of another has its scores, and an item that is new scores 0."""
        graph = model.graph
        users, items = (graph.ids.values(np.array(graph.ids.rows(kind))) for kind in ("user", "item"))
        mine = graph.edges[:, graph.edges[0] == 1]
        edges = np.concatenate([graph.edges, [np.full(mine.shape[1], len(users)), mine[1]]], axis=1)
        edges[1] += 1
        ids = NodeIds.of([*users, BOARD], [*items, BOARD], kinds=("user", "item"))
        bigger = with_graph(model, Graph(edges, ids, directed=True))
        scores = all_scores(bigger)
        assert np.array_equal(scores[:-1, :-1], all_scores(model)), "known users must keep their scores"
        assert np.array_equal(scores[-1], scores[1]) and not scores[:, -1].any()
        assert bigger.recommend(BOARD, 3) == bigger.recommend(users[1], 3)


class EncoderContract:
    """What every encoder must do. A subclass gives `make`, and `graph` where two cliques do not suit it."""

    graph: Graph = two_cliques()

    def make(self, graph: Graph) -> Encoder:
        """A small encoder over the graph."""
        raise NotImplementedError

    @pytest.fixture
    def encoder(self) -> Encoder:
        return self.make(self.graph).eval()

    def test_shape(self, encoder: Encoder) -> None:
        z = encoder()
        assert z.shape == (self.graph.num_nodes, encoder.dim) == (encoder.num_nodes, encoder.dim)
        assert z.dtype == torch.float32 and z.isfinite().all()

    def test_chosen_nodes_are_rows_of_all(self, encoder: Encoder) -> None:
        z = encoder()
        for nodes in (torch.tensor([3, 0, 3, 5]), torch.arange(self.graph.num_nodes).flip(0), torch.tensor([1])):
            torch.testing.assert_close(encoder(nodes), z[nodes])
        assert encoder(torch.empty(0, dtype=torch.int64)).shape == (0, encoder.dim)

    def test_evaluation_has_no_chance_in_it(self, encoder: Encoder) -> None:
        assert torch.equal(encoder(), encoder())

    def test_table_names_are_tables(self, encoder: Encoder) -> None:
        parameters = dict(encoder.named_parameters())
        for name in encoder.table_names:
            assert len(parameters[name]) == self.graph.num_nodes, f"{name} must have a row per node"

    def test_layers_share_out_the_parameters(self, encoder: Encoder) -> None:
        names = [name for name, _ in encoder.named_parameters()]
        layers = [[name for name in names if f"{name}.".startswith(f"{layer}.")] for layer in encoder.layer_names]
        assert all(layers), "every layer must have weights"
        shared = sorted(name for layer in layers for name in layer)
        assert not layers or shared == sorted(names), "every weight must be of one layer"

    def test_gradient_reaches_every_parameter(self, encoder: Encoder) -> None:
        z = encoder()
        (z * torch.randn(z.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
        for name, parameter in encoder.named_parameters():
            assert parameter.grad is not None and parameter.grad.any(), f"{name} must get a gradient"


class ScorerContract:
    """What every scorer must do. A subclass gives `make` and `oracle`.

    Attributes:
        dim: D.
        relations: R, 0 for a scorer without relations.
    """

    dim: int = 6
    relations: int = 0
    nodes: int = 7

    def make(self) -> Scorer:
        """A scorer over `nodes` nodes of width `dim`."""
        raise NotImplementedError

    def oracle(self, scorer: Any, z: np.ndarray, h: int, r: int, t: int) -> float:
        """The score of one triple, written naively.

        Args:
            scorer: as `make` gave it, its weights drawn anew; read its parameters through `rows`.
            z: [nodes, D] embeddings.
            h, r, t: head, relation (0 where there are none) and tail.
        """
        raise NotImplementedError

    @pytest.fixture
    def scorer(self) -> Scorer:
        """The scorer in float64, with random weights: a start of zeros would hide mistakes."""
        scorer = self.make().double()
        with torch.no_grad():
            for parameter in scorer.parameters():
                parameter.normal_(generator=self.generator())
        return scorer

    @pytest.fixture
    def z(self) -> Tensor:
        return torch.randn(self.nodes, self.dim, dtype=torch.float64, generator=self.generator())

    @pytest.fixture
    def triples(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """Heads, relations (forwards and backwards) and tails, each [20]."""
        heads, tails = torch.randint(self.nodes, (2, 20), generator=self.generator())
        if not self.relations:
            return heads, None, tails
        return heads, torch.randint(2 * self.relations, (20,), generator=self.generator()), tails

    @staticmethod
    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    @staticmethod
    def rows(parameter: Tensor) -> np.ndarray:
        return parameter.detach().numpy()

    def test_agrees_with_the_oracle(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        found = scorer.pair(scorer.query(z[heads], relation), scorer.key(z[tails], tails))
        numbers = relation.tolist() if relation is not None else [0] * len(heads)
        naive = [self.oracle(scorer, z.numpy(), *t) for t in zip(heads.tolist(), numbers, tails.tolist())]
        np.testing.assert_allclose(found.detach().numpy(), naive, rtol=1e-5, atol=1e-5)

    def test_pairs_are_entries_of_cross(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        query = scorer.query(z[heads], relation)
        pairs = scorer.pair(query, scorer.key(z[tails], tails))
        cross = scorer.cross(query, scorer.key(z, None))
        assert cross.shape == (len(heads), self.nodes)
        torch.testing.assert_close(cross[torch.arange(len(heads)), tails].double(), pairs, rtol=1e-4, atol=1e-4)

    def test_pair_broadcasts(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        query, key = scorer.query(z[heads], relation), scorer.key(z[tails], tails)
        every = scorer.pair(query[:, None], key[None])
        assert every.shape == (len(heads), len(tails))
        torch.testing.assert_close(every.diagonal(), scorer.pair(query, key))

    def test_key_of_all_nodes(self, scorer: Scorer, z: Tensor) -> None:
        some = torch.tensor([[4, 0], [1, 4]])
        torch.testing.assert_close(scorer.key(z, None)[some], scorer.key(z[some], some))

    def test_relation_query_scores_every_relation(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        key = scorer.key(z[tails], tails)
        found = scorer.relation_query(z[heads], key)
        if found is None:
            return
        rows = scorer.get_parameter(scorer.relation_names[0])
        naive = [scorer.pair(scorer.query(z[heads], torch.full_like(relation, r)), key) for r in range(len(rows))]
        torch.testing.assert_close(found @ rows.T, torch.stack(naive, 1))

    def test_relations_read_backwards(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        tables = [scorer.get_parameter(name).detach() for name in scorer.relation_names]
        mirrored = [back for rows in tables if (back := scorer.backwards(rows[: self.relations])) is not None]
        if not tables or len(mirrored) < len(tables):
            return
        for rows, back in zip(tables, mirrored):
            rows[self.relations :] = back
        there = scorer.pair(scorer.query(z[heads], relation), scorer.key(z[tails], tails))
        back = (relation + self.relations) % (2 * self.relations)
        torch.testing.assert_close(scorer.pair(scorer.query(z[tails], back), scorer.key(z[heads], heads)), there)

    def test_gradient_of_pairs(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples

        def score(source: Tensor, target: Tensor, *weights: Tensor) -> Tensor:
            return scorer.pair(scorer.query(source, relation), scorer.key(target, tails))

        inputs = (z[heads].requires_grad_(), z[tails].requires_grad_(), *scorer.parameters())
        assert torch.autograd.gradcheck(score, inputs)

    def test_gradient_of_cross(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, _ = triples
        scorer, z = scorer.float(), z.float().requires_grad_()
        weight = torch.randn(len(heads), self.nodes, generator=self.generator())
        query, key = scorer.query(z[heads], relation), scorer.key(z, None)
        inputs = (z, *scorer.parameters())
        naive = torch.autograd.grad(
            (scorer.pair(query[:, None], key[None]) * weight).sum(), inputs, retain_graph=True, allow_unused=True
        )
        found = torch.autograd.grad((scorer.cross(query, key) * weight).sum(), inputs, allow_unused=True)
        for a, b in zip(found, naive):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def query_width(model: Model) -> int:
    """Q, which keys must be as wide as."""
    relation = torch.zeros(1, dtype=torch.int64) if model.scorer.reads_relations else None
    with judging(model.scorer):
        return model.scorer.query(model.embeddings()[:1], relation).shape[1]


def all_scores(model: Model) -> np.ndarray:
    """[U, I] of all users with all items."""
    return model.frozen().cross(np.array(model.ids.rows("user")), model.ids.rows("item"))


def snapshot(model: Model) -> dict[str, Tensor]:
    """A copy of all weights."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(a: Model, b: Model) -> bool:
    """Whether two models have the same weights, bit for bit."""
    return all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
