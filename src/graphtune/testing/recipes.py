"""What recipes must do by how they come to their weights: trained, solved, or scoring histories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.base import SIDES, ClosedForm, Model, Recipe
from graphtune.models.histories import with_graph
from graphtune.store import load, save
from graphtune.testing.models import ModelContract
from graphtune.testing.patterns import BOARD, Checkerboard, Pattern
from graphtune.testing.weights import all_scores, equal, snapshot
from graphtune.train.fit import Result, Run, Training, fit
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep

QUIET = Run(quiet=True)
_TRAINED: dict[type, Result] = {}  # by contract class; only read after it is made


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


class ScoresContract(ClosedFormContract):
    """What every closed form must do whose solution is in its buffers. A subclass sets `recipe` and `pattern`.

    Nothing starts at random, and a model may have no embeddings.
    """

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


class HistoryContract(ScoresContract):
    """What every closed form that scores histories must do (`graphtune.models.histories`). A subclass sets `recipe`."""

    pattern: Pattern = Checkerboard()

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
