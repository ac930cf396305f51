"""LoRA: linear layers that learn through thin factors, merged into them in the end."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models import GAT, GCN, DeepWalk, GraphSAGE
from graphtune.models.lora import attach, linear_layers, merge
from graphtune.store import load, save
from graphtune.testing import equal, snapshot, two_cliques
from graphtune.train.fit import Run, fit
from graphtune.train.groups import parameter_groups
from test_resume import DiesAt, distance_from_three, training_of

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=5, batch_size=16, lr=0.05, patience=0, lora_rank=2, deterministic=True)
RECIPES = [GCN(dim=4, hidden=6), GraphSAGE(dim=4, hidden=6), GAT(dim=4, hidden=6, heads=2)]
every_gnn = pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: type(r).__name__)


def trained(recipe, config=SHORT, graph=two_cliques(), run=QUIET, **more):  # noqa: B008
    model = recipe.build(graph)
    model.seen = fit(model, training_of(recipe, graph, config, **more), config, run)
    return model


def moved(encoder):
    """The encoder with factors whose product is not zero any more."""
    for name, parameter in encoder.named_parameters():
        if name.endswith(".up"):
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    return encoder


@every_gnn
@pytest.mark.parametrize("features", [False, True])
def test_the_start_changes_nothing(recipe, features):
    model = recipe.build(two_cliques(features=features))
    before = model.embeddings()
    attach(model.encoder, 2, 8.0, "*")
    assert torch.equal(model.embeddings(), before)


@every_gnn
def test_merged_equals_unmerged(recipe):
    """Bit for bit, under the names that there were."""
    model = recipe.build(two_cliques())
    names, start = {name for name, _ in model.named_parameters()}, model.embeddings()
    attach(model.encoder, 2, 8.0, "*")
    moved(model.encoder)
    unmerged = model.embeddings()
    assert not torch.allclose(unmerged, start)
    merge(model.encoder)
    assert torch.equal(model.embeddings(), unmerged)
    assert {name for name, _ in model.named_parameters()} == names == set(model.state_dict())
    assert type(linear_layers(model.encoder).popitem()[1]).__name__ == "Linear"


def test_by_a_naive_line():
    """x (W + alpha / rank B A)^T + b, of torch's layer and of PyG's."""
    from torch_geometric.nn import Linear

    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    for layer in (nn.Linear(5, 3), Linear(5, 3)):
        weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
        module = nn.Sequential(layer)
        attach(module, 2, 6.0, "0")
        moved(module)
        a, b = (dict(module.named_parameters())[f"0.parametrizations.weight.0.{name}"] for name in ("down", "up"))
        assert a.shape == (2, 5) and b.shape == (3, 2)
        torch.testing.assert_close(module(x), x @ (weight + 3.0 * b @ a).T + bias)


@pytest.mark.parametrize("rank", [1, 2])
def test_only_the_product_is_learned(rank):
    """Matrices change by one of that rank, heads as they like, all else not at all."""
    recipe = GCN(dim=4, hidden=6, dropout=0.0)
    config = replace(SHORT, lora_rank=rank, weight_decay=0.1, weight_decay_table=0.1)
    start = snapshot(recipe.build(two_cliques()))
    after = trained(recipe, config).state_dict()
    matrices = {name for name in start if name.endswith("lin.weight")}
    assert {name for name in start if not torch.equal(after[name], start[name])} == matrices and len(matrices) == 2
    for name in matrices:
        assert torch.linalg.matrix_rank((after[name] - start[name]).double(), rtol=1e-5) == rank


def test_scorer_and_heads_learn_beside_the_factors():
    recipe = GCN(dim=4, hidden=6)
    model = recipe.build(two_cliques(directed=True))
    attach(model.encoder, 2, 8.0, "convolutions.1.*")
    learns = {name for group in parameter_groups(model, SHORT) for name in group.parameters}
    factors = {f"encoder.convolutions.1.lin.parametrizations.weight.0.{name}" for name in ("up", "down")}
    assert learns == {"scorer.source", "scorer.target", *factors}


def test_targets_choose_the_layers():
    recipe = GCN(dim=4, hidden=6)
    start = snapshot(recipe.build(two_cliques()))
    after = trained(recipe, replace(SHORT, lora_targets="convolutions.1")).state_dict()
    assert {name for name in start if not torch.equal(after[name], start[name])} == {
        "encoder.convolutions.1.lin.weight"
    }


def test_what_cannot_have_factors_is_refused():
    with pytest.raises(ArgumentError, match=r"`lora_targets` .*convolutions\.0\.lin, conv.* Got 'query"):
        trained(GCN(dim=4), replace(SHORT, lora_targets="query"))
    with pytest.raises(ArgumentError, match=r"`lora_rank` .*without linear layers"):
        trained(DeepWalk(dim=4))


@every_gnn
def test_store_and_copy_know_nothing_of_it(tmp_path, recipe):
    model = trained(recipe)
    assert equal(load(save(tmp_path / "model", model)), model) and equal(model.copy(), model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_best_weights_are_those_that_were_scored():
    """The merged model scores what the one with factors did, to the last bit."""
    model = trained(GCN(dim=4, hidden=6), replace(SHORT, epochs=12), validate=distance_from_three, monitor="score")
    best = model.seen.history[model.seen.best_epoch - 1]["score"]
    assert best == max(row["score"] for row in model.seen.history) == distance_from_three(model)["score"]


def test_a_break_leaves_a_model_without_factors():
    recipe = GCN(dim=4, hidden=6)
    model = recipe.build(two_cliques())
    run = Run(quiet=True, loggers=(DiesAt(2),))
    with pytest.raises(KeyboardInterrupt):
        fit(model, training_of(recipe, two_cliques(), SHORT), SHORT, run)
    assert set(model.state_dict()) == set(recipe.build(two_cliques()).state_dict())
    assert not equal(model, recipe.build(two_cliques())), "with what it has learned so far"


def test_bf16_keeps_the_sum_in_float32():
    layer = nn.Linear(5, 3)
    attach(layer, 2, 8.0, "*")
    moved(layer)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer.weight
    sums = layer.parametrizations.weight
    by_hand = sums.original + 4.0 * sums[0].up @ sums[0].down
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, by_hand, atol=1e-6, rtol=1e-6)


def test_seed_decides_the_factors():
    recipe = GCN(dim=4, hidden=6)
    assert equal(trained(recipe), trained(recipe))
    first, second = recipe.build(two_cliques()), recipe.build(two_cliques())
    attach(first.encoder, 2, 8.0, "*", seed=0)
    attach(second.encoder, 2, 8.0, "*", seed=1)
    assert not equal(first, second)
