"""What the models of every recipe must do, trained or solved."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from graphtune.config import TrainConfig
from graphtune.models.base import SIDES, ClosedForm, Model, Recipe
from graphtune.store import load, save
from graphtune.testing.patterns import Communities, Pattern
from graphtune.testing.weights import equal, query_width, snapshot


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
