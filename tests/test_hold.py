"""What holds weights while they are trained: rows that keep their bits, and the anchor to the start."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models import BPRMF, LINE, DeepWalk, NetMF
from graphtune.split import split_nodes
from graphtune.tasks import NodeClassification, finetune, pretrain
from graphtune.testing import checkerboard, equal, snapshot, two_cliques
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep
from test_groups import FIXED, QUIET, RECIPE, SHORT, labelled, trained, with_head
from test_resume import training_of


def batches(recipe, graph, config):
    """The batches of the first epoch."""
    return list(training_of(recipe, graph, config).sampler.batches(0))


# ---- fixed rows ---------------------------------------------------------------------------------------------


WAYS = {
    "adamw with decay": {"weight_decay_table": 0.3},
    "adagrad": {"optimizer": "adagrad", "weight_decay_table": 0.3},
    "sgd": {"optimizer": "sgd", "weight_decay_table": 0.3, "l2_sp": 0.5},
    "clipping": {"clip_norm": 0.1, "precision": "bf16"},
    "fused": {"optimizer": "sgd"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recipe", [DeepWalk(dim=4), LINE(dim=4, order="both"), RECIPE], ids=lambda r: type(r).__name__)
def test_fixed_rows_keep_their_bits(recipe, way):
    config = replace(SHORT, **WAYS[way])
    model = recipe.build(two_cliques())
    before = snapshot(model)
    trained(model, config, FIXED)
    others = np.setdiff1d(np.arange(12), FIXED)
    for name, table in model.table_parameters().items():
        assert torch.equal(table[FIXED], before[name][FIXED]), name
        assert (table[others] != before[name][others]).any(1).all(), "the others learn"


def test_fixed_rows_of_half_precision_keep_their_bits_in_the_fused_step():
    recipe = DeepWalk(dim=4, table_dtype="bfloat16")
    model = recipe.build(two_cliques())
    before = snapshot(model)
    trained(model, replace(SHORT, optimizer="sgd"), FIXED)
    assert torch.equal(model.encoder.weight[FIXED], before["encoder.weight"][FIXED])


def test_fixed_rows_have_no_part_in_clipping_and_no_moments():
    recipe, graph = BPRMF(dim=4), checkerboard()
    config = replace(SHORT, optimizer="sgd", clip_norm=1e-3, lr=1.0)
    model, twin = recipe.build(graph), recipe.build(graph)
    batch, objective = batches(recipe, graph, config)[0], training_of(recipe, graph, config).objective
    AutogradStep(model, objective, config, FIXED)(batch, Clock())
    table = twin.encoder.weight
    objective(twin, batch).values.mean().backward()
    gradient = table.grad.clone()
    gradient[FIXED] = 0
    assert gradient.norm() > 1e-3, "it is clipped"
    torch.testing.assert_close(model.encoder.weight, table - gradient * 1e-3 / gradient.norm(), atol=1e-8, rtol=1e-5)

    step = AutogradStep(model, objective, replace(config, optimizer="adamw"), FIXED)
    step(batch, Clock())
    moments = step.optimizer.state[model.encoder.weight]["exp_avg_sq"]
    assert not moments[FIXED].any() and moments.any()


def test_ids_of_the_user_are_fixed():
    known = ["a1", "b3"]
    model = DeepWalk(dim=4).build(two_cliques())
    start = model.encode(known)
    result = pretrain(model.recipe, two_cliques(), replace(SHORT, seed=3), start=model, run=QUIET, fixed=known)
    assert np.array_equal(result.model.encode(known), start)
    assert not np.array_equal(result.model.encode(["a2"]), model.encode(["a2"]))
    task = NodeClassification(split_nodes(labelled(), (4, 1, 1)))
    tuned = finetune(model, task, SHORT, QUIET, fixed=known).model
    assert np.array_equal(tuned.encode(known), start) and not equal(tuned.encoder, model.encoder)
    with pytest.raises(ArgumentError, match="a1x"):
        finetune(model, task, SHORT, QUIET, fixed=["a1x"])


def test_ids_that_stand_in_several_kinds_are_fixed_by_kind():
    recipe = BPRMF(dim=4)
    model = recipe.build(checkerboard())
    with pytest.raises(ArgumentError, match="kind"):
        pretrain(recipe, checkerboard(), SHORT, model, QUIET, fixed=[3])
    after = pretrain(recipe, checkerboard(), SHORT, model, QUIET, fixed={"item": [3, 4]}).model
    same = (after.encoder.weight == model.encoder.weight).all(1)
    assert np.flatnonzero(same).tolist() == [19, 20]


def test_fixing_what_is_not_there_is_refused():
    features = two_cliques(features=True)
    with pytest.raises(ArgumentError, match="without a table"):
        pretrain(RECIPE, features, SHORT, run=QUIET, fixed=["a1"])
    with pytest.raises(ArgumentError, match="rows from 0 to 11"):
        trained(RECIPE.build(two_cliques()), SHORT, np.array([12]))
    with pytest.raises(ArgumentError, match=r"`fixed` of pretrain .*NetMF is solved"):
        pretrain(NetMF(dim=4), two_cliques(), run=QUIET, fixed=["a1"])


# ---- the anchor ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_l2_sp_by_a_naive_line(optimizer):
    """With plain SGD it is the gradient of l2_sp / 2 |w - w0|^2, with others it stands beside their step."""
    config = TrainConfig(lr=0.1, optimizer=optimizer, l2_sp=0.7, device="cpu")
    model, twin = with_head(), with_head()
    data = training_of(RECIPE, model.graph, config)
    step = AutogradStep(model, lambda m, b: data.objective(m, b), config)
    weights = [p for name, p in twin.named_parameters() if name.startswith("encoder")]
    start = [w.detach().clone() for w in weights]
    if optimizer == "sgd":
        naive = torch.optim.SGD(weights, 0.1)
    else:
        naive = torch.optim.AdamW(weights, 0.1, weight_decay=0.0)
    for number in range(5):
        batch = next(iter(data.sampler.batches(number)))
        step(batch, Clock())
        naive.zero_grad()
        loss = data.objective(twin, batch).values.mean()
        if optimizer == "sgd":
            loss = loss + sum(0.7 / 2 * (w - w0).square().sum() for w, w0 in zip(weights, start))
        loss.backward()
        if optimizer == "adamw":
            for w, w0 in zip(weights, start):
                w.data -= 0.1 * 0.7 * (w.data - w0)
        naive.step()
    for new, by_hand, old in zip(model.encoder.parameters(), weights, start):
        torch.testing.assert_close(new, by_hand, atol=1e-5, rtol=1e-4)
        assert not torch.equal(new, old)


def test_the_anchor_leaves_heads_alone_and_follows_the_rate():
    config = replace(SHORT, l2_sp=0.5, lr=0.1)
    step = AutogradStep(with_head(), None, config)
    head, bias = step.model.heads["task"].layers[0].weight, step.model.encoder.convolutions[0].bias
    before = head.detach().clone()
    with torch.no_grad():
        head.add_(1.0)
        bias.fill_(1.0)
    step.anchor.pull([{"lr": 0.2}])
    assert torch.equal(head, before + 1.0)
    torch.testing.assert_close(bias.detach(), torch.full_like(bias, 0.9))


def test_a_strong_anchor_keeps_the_model_where_it_was():
    def moved(l2_sp):
        model = RECIPE.build(two_cliques())
        start = snapshot(model)
        trained(model, replace(SHORT, epochs=20, l2_sp=l2_sp))
        return sum((model.state_dict()[name] - start[name]).norm() for name in start)

    assert moved(10.0) < 0.5 * moved(0.0)
