"""Adapters: bottlenecks behind the convolutions, saved with the model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models import GAT, GCN, DeepWalk, GraphSAGE
from graphtune.models.adapters import Adapter
from graphtune.split import split_nodes
from graphtune.store import load, save
from graphtune.tasks import NodeClassification, finetune
from graphtune.testing import EncoderContract, equal, snapshot, two_cliques
from graphtune.train.fit import Run
from graphtune.train.groups import layer_depths

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=5, batch_size=16, lr=0.05, patience=0, adapter=3, weight_decay=0.1, deterministic=True)
RECIPES = [GCN(dim=4, hidden=6), GraphSAGE(dim=4, hidden=6), GAT(dim=4, hidden=6, heads=2)]
every_gnn = pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: type(r).__name__)


def task():
    graph = two_cliques().replace(labels=np.repeat([0, 1], 6), label_names=("a", "b"))
    return NodeClassification(split_nodes(graph, (4, 1, 1)))


def moved(module):
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.normal_(generator=torch.Generator().manual_seed(number))
    return module


class TestEncoderWithAdapters(EncoderContract):
    def make(self, graph):
        encoder = GCN(dim=4, hidden=6, dropout=0.0).build(graph).encoder
        encoder.add_adapters(8)
        for convolution in encoder.convolutions:
            moved(convolution.adapter)
        return encoder


def test_by_hand():
    adapter = moved(Adapter(5, 3))
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    v, b, u, c = adapter.parameters()
    torch.testing.assert_close(adapter(x), x + F.relu(x @ v.T + b) @ u.T + c)


@every_gnn
def test_the_start_changes_nothing(recipe):
    model = recipe.build(two_cliques())
    before = model.embeddings()
    model.encoder.add_adapters(3)
    assert torch.equal(model.embeddings(), before)
    for convolution in model.encoder.convolutions:
        moved(convolution.adapter)
        now = model.embeddings()
        assert not torch.allclose(now, before), "each has its say"
        before = now


@every_gnn
def test_only_adapters_and_head_learn_and_all_is_saved(tmp_path, recipe):
    model = recipe.build(two_cliques())
    start = snapshot(model)
    tuned = finetune(model, task(), SHORT, QUIET).model
    after = tuned.state_dict()
    assert all(torch.equal(after[name], value) for name, value in start.items())
    added = set(after) - set(start)
    assert added == {name for name in after if ".adapter." in name or name.startswith("heads.")}
    assert len([name for name in added if ".adapter." in name]) == 8
    assert all(after[name].any() for name in added if ".adapter.up" in name)
    assert model.encoder.adapter_width == 0 and equal(model, recipe.build(two_cliques())), "left as it was"
    loaded = load(save(tmp_path / "model", tuned))
    assert equal(loaded, tuned) and torch.equal(loaded.embeddings(), tuned.embeddings())
    assert equal(tuned.copy(), tuned)
    assert all(parameter.requires_grad for parameter in tuned.parameters())


def test_they_stay_in_the_model_and_go_on_learning():
    tuned = finetune(GCN(dim=4, hidden=6).build(two_cliques()), task(), SHORT, QUIET).model
    again = finetune(tuned, task(), SHORT, QUIET).model
    assert set(again.state_dict()) == set(tuned.state_dict()) and not equal(again, tuned)
    whole = finetune(tuned, task(), replace(SHORT, adapter=0), QUIET).model
    changed = [not torch.equal(whole.state_dict()[name], value) for name, value in tuned.state_dict().items()]
    assert all(changed), "without the option everything learns"
    with pytest.raises(ArgumentError, match=r"`adapter` .* must be 3, the width of those that are there"):
        finetune(tuned, task(), replace(SHORT, adapter=4), QUIET)


def test_an_encoder_without_layers_takes_none():
    with pytest.raises(ArgumentError, match=r"`adapter` .*Lookup is an encoder that takes none"):
        finetune(DeepWalk(dim=4).build(two_cliques()), task(), SHORT, QUIET)


def test_an_adapter_is_of_its_layer():
    model = GCN(dim=4, hidden=6).build(two_cliques())
    model.encoder.add_adapters(3)
    depths = layer_depths(model)
    assert depths["encoder.convolutions.0.adapter.up.weight"] == depths["encoder.convolutions.0.lin.weight"] == 1
