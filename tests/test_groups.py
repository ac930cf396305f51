"""What is trained: frozen weights, layers with rates of their own, gradual unfreezing, fixed rows, the anchor."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cli_help import done, run
from graphtune.check import ArgumentError, DataError
from graphtune.config import TrainConfig
from graphtune.models import BPRMF, GCN, LINE, DeepWalk, LightGCN, NetMF
from graphtune.models.base import HeadSpec
from graphtune.split import split_nodes
from graphtune.store import load
from graphtune.tasks import NodeClassification, finetune, pretrain
from graphtune.testing import checkerboard, equal, snapshot, two_cliques
from graphtune.train.fit import Run, fit
from graphtune.train.groups import layer_depths, learning, parameter_groups, unfreeze
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep, FusedStep, make_step
from test_resume import check_resuming, distance_from_three, friends, training_of  # noqa: F401

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=4, batch_size=16, lr=0.05, patience=0, deterministic=True)
RECIPE = GCN(dim=4, hidden=6, dropout=0.0)


def with_head(recipe=RECIPE):
    """A table, two convolutions and a head."""
    model = recipe.build(two_cliques())
    model.add_head("task", HeadSpec(4, 3))
    return model


def batches(recipe, graph, config):
    """The batches of the first epoch."""
    return list(training_of(recipe, graph, config).sampler.batches(0))


def trained(model, config, fixed=None):
    fit(model, replace(training_of(model.recipe, model.graph, config), fixed=fixed), config, QUIET)
    return model


@pytest.mark.parametrize(
    "options",
    [
        {"freeze": 1},
        {"layer_decay": 0.0},
        {"layer_decay": 1.1},
        {"unfreeze": -0.1},
        {"unfreeze": 1.5},
        {"l2_sp": -1.0},
        {"lora_rank": 1.5},
        {"lora_alpha": 0.0},
        {"lora_targets": None},
        {"adapter": -1},
        {"adapter": 2, "lora_rank": 2},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` of TrainConfig"):
        TrainConfig(**options)


# ---- layers -------------------------------------------------------------------------------------------------


def test_depth_counts_the_layers_above():
    depths = layer_depths(with_head())
    assert depths == {
        "heads.task.layers.0.weight": 0,
        "heads.task.layers.0.bias": 0,
        "encoder.convolutions.1.bias": 1,
        "encoder.convolutions.1.lin.weight": 1,
        "encoder.convolutions.0.bias": 2,
        "encoder.convolutions.0.lin.weight": 2,
        "encoder.table.weight": 3,
    }
    assert layer_depths(RECIPE.build(two_cliques()))["encoder.convolutions.1.bias"] == 0, "where nothing is above it"
    assert layer_depths(DeepWalk(dim=4).build(two_cliques())) == {"encoder.weight": 1, "scorer.weight": 0}
    assert layer_depths(LightGCN(dim=4).build(checkerboard())) == {"encoder.table.weight": 0}


def test_eleven_layers_are_told_apart():
    depths = layer_depths(GCN(dim=4, hidden=4, layers=11).build(two_cliques()))
    assert depths["encoder.convolutions.1.bias"] == 9 and depths["encoder.convolutions.10.bias"] == 0


def test_rates_fall_by_layer():
    config = TrainConfig(lr=0.1, lr_table=0.2, layer_decay=0.5, weight_decay=0.3)
    groups = parameter_groups(with_head(), config)
    rates = {name: group.peak for group in groups for name in group.parameters}
    assert rates == pytest.approx(
        {
            "heads.task.layers.0.weight": 0.1,
            "heads.task.layers.0.bias": 0.1,
            "encoder.convolutions.1.bias": 0.05,
            "encoder.convolutions.1.lin.weight": 0.05,
            "encoder.convolutions.0.bias": 0.025,
            "encoder.convolutions.0.lin.weight": 0.025,
            "encoder.table.weight": 0.025,
        }
    )


def test_defaults_keep_the_groups_few():
    """One group is one call of the optimiser's kernel."""
    assert len(parameter_groups(with_head(), TrainConfig())) == 1
    assert len(parameter_groups(with_head(), TrainConfig(weight_decay=0.1))) == 2


# ---- freezing -----------------------------------------------------------------------------------------------


FREEZE = {
    "encoder": "encoder.",
    "encoder.table": "encoder.table",
    "encoder.convolutions.0": "encoder.convolutions.0",
    "*.lin.weight": ("encoder.convolutions.0.lin", "encoder.convolutions.1.lin"),
    " encoder.table , heads": ("encoder.table", "heads"),
}


@pytest.mark.parametrize("pattern", FREEZE)
@pytest.mark.parametrize("optimizer", ["adamw", "adagrad", "sgd"])
def test_frozen_weights_have_no_gradient_no_moment_and_no_decay(pattern, optimizer):
    config = replace(SHORT, freeze=pattern, optimizer=optimizer, weight_decay=0.1, weight_decay_table=0.1)
    model = RECIPE.build(labelled())
    training = NodeClassification(split_nodes(labelled(), (4, 1, 1)), dropout=0.0).training(model, config)
    frozen = {name for name, _ in model.named_parameters() if name.startswith(FREEZE[pattern])}
    before = snapshot(model)
    with learning(model, config):
        step = make_step(model, training.objective, config)
        for batch in training.sampler.batches(0):
            step(batch, Clock())
        with_moments = {id(p) for p in step.optimizer.state}
        for name, parameter in model.named_parameters():
            assert (parameter.grad is None) == (name in frozen), name
            assert name not in frozen or id(parameter) not in with_moments
            assert torch.equal(parameter, before[name]) == (name in frozen), name
    assert all(p.requires_grad for p in model.parameters()), "restored"


def labelled():
    return two_cliques().replace(labels=np.repeat([0, 1], 6), label_names=("a", "b"))


def test_fit_gives_gradients_back_even_after_an_error():
    model = RECIPE.build(two_cliques())
    model.encoder.convolutions[0].bias.requires_grad_(False)
    asked = {name: p.requires_grad for name, p in model.named_parameters()}

    def fails(model, batch):
        raise RuntimeError("stop")

    config = replace(SHORT, freeze="encoder.table")
    with pytest.raises(RuntimeError, match="stop"):
        fit(model, replace(training_of(RECIPE, model.graph, config), objective=fails), config, QUIET)
    assert {name: p.requires_grad for name, p in model.named_parameters()} == asked
    before = snapshot(model)
    trained(model, config)
    assert {name for name in before if torch.equal(before[name], model.state_dict()[name])} == {
        "encoder.table.weight",
        "encoder.convolutions.0.bias",
    }, "what asked for no gradient stays too"


def test_a_pattern_that_matches_nothing_names_what_there_is():
    with pytest.raises(ArgumentError, match=r"`freeze` of TrainConfig .*encoder\.table\.weight.* Got 'encoder\.tabel'"):
        trained(RECIPE.build(two_cliques()), replace(SHORT, freeze="encoder.convolutions.0,encoder.tabel"))


def test_all_frozen_is_refused():
    with pytest.raises(ArgumentError, match="`freeze` of TrainConfig"):
        trained(RECIPE.build(two_cliques()), replace(SHORT, freeze="*"))
    with pytest.raises(ArgumentError, match="something to train"):
        trained(with_head(), replace(SHORT, freeze="encoder"))  # the head does not enter the loss of links


def test_freezing_turns_the_fused_step_off():
    recipe = DeepWalk(dim=4)
    model, config = recipe.build(two_cliques()), TrainConfig(optimizer="sgd", device="cpu")
    objective = training_of(recipe, model.graph, config).objective
    assert isinstance(make_step(model, objective, config), FusedStep)
    assert isinstance(make_step(model, objective, replace(config, freeze="scorer")), AutogradStep)


# ---- gradual unfreezing -------------------------------------------------------------------------------------


def test_layers_learn_in_their_turn():
    """Depths 1 and 2 of three layers begin at 1/4 and 2/4 of eight steps; before, nothing of theirs changes."""
    config = replace(SHORT, unfreeze=0.25, weight_decay=0.1, weight_decay_table=0.1)
    model = RECIPE.build(two_cliques())
    training = training_of(RECIPE, model.graph, config)
    batch = next(iter(training.sampler.batches(0)))
    layers = {"encoder.convolutions.1": 0, "encoder.convolutions.0": 2, "encoder.table": 4}
    with learning(model, config):
        step = make_step(model, training.objective, config)
        for number in range(8):
            before = snapshot(model)
            step(batch, Clock(number, 8))
            for name, parameter in model.named_parameters():
                begins = next(at for layer, at in layers.items() if name.startswith(layer))
                assert torch.equal(parameter, before[name]) == (number < begins), (number, name)
                assert (parameter in step.optimizer.state) == (number >= begins)
        of_table = step.optimizer.state[model.encoder.table.weight]
        assert of_table["step"] == 4, "moments are corrected by the steps that the layer has made"


def test_the_turn_is_a_function_of_the_clock_alone():
    model = RECIPE.build(two_cliques())
    groups = parameter_groups(model, TrainConfig(unfreeze=0.1))
    for step, learns in ((5, 2), (0, 1), (6, 3), (2, 1), (3, 2)):
        unfreeze(groups, 0.1, Clock(step, 30))
        layers = {name.split(".")[1] + name.split(".")[2] for name, p in model.named_parameters() if p.requires_grad}
        assert len(layers) == learns, step


def test_a_layer_whose_turn_never_comes_is_refused():
    with pytest.raises(ArgumentError, match=r"`unfreeze` .* below 1/2 for 3 layers"):
        trained(RECIPE.build(two_cliques()), replace(SHORT, unfreeze=0.5))


def test_unfreezing_may_begin_with_a_head_that_is_not_in_the_loss():
    model = with_head()
    before = snapshot(model)
    trained(model, replace(SHORT, unfreeze=0.2))
    changed = {name for name in before if not torch.equal(before[name], model.state_dict()[name])}
    assert changed == {name for name in before if name.startswith("encoder")}


# ---- fixed rows ---------------------------------------------------------------------------------------------


FIXED = np.array([7, 0, 3, 7])
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


# ---- resuming -----------------------------------------------------------------------------------------------


RESUMED = {
    "freeze": {"freeze": "encoder.table", "weight_decay": 0.1},
    "layer_decay": {"layer_decay": 0.5},
    "unfreeze": {"unfreeze": 0.3, "weight_decay_table": 0.1},
    "l2_sp": {"l2_sp": 0.5},
    "lora": {"lora_rank": 2, "weight_decay": 0.1},
    "adapter": {"adapter": 3, "weight_decay": 0.1},
    "fixed": {"weight_decay_table": 0.1},
    "all": {"freeze": "*.bias", "layer_decay": 0.5, "unfreeze": 0.3, "l2_sp": 0.5, "clip_norm": 1.0},
}


@pytest.mark.parametrize("case", RESUMED)
def test_resuming_is_bit_identical(tmp_path, case):
    recipe = GCN(dim=4, hidden=6, dropout=0.5)
    config = replace(SHORT, epochs=5, **RESUMED[case])
    fixed = FIXED if case in ("fixed", "all") else None
    training = training_of(recipe, two_cliques(), config, validate=distance_from_three, monitor="score", fixed=fixed)
    count = training.sampler.num_batches
    assert count >= 2

    def begin(run, wrap):
        return fit(recipe.build(two_cliques()), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    for break_at in (2, count + 1, 3 * count + 1):
        found = check_resuming(tmp_path / str(break_at), whole, begin, break_at, save_steps=1)
        assert found["step"] == break_at - 1


def test_resuming_with_other_rows_fixed_is_refused(tmp_path):
    training = training_of(RECIPE, two_cliques(), SHORT, fixed=FIXED)
    fit(RECIPE.build(two_cliques()), training, SHORT, Run(tmp_path, quiet=True))
    again = Run(tmp_path, resume=True, quiet=True)
    fit(RECIPE.build(two_cliques()), replace(training, fixed=np.array([0, 3, 7])), SHORT, again)  # the same set
    for other in (None, np.array([0, 3])):
        with pytest.raises(DataError, match="another value of fixed"):
            fit(RECIPE.build(two_cliques()), replace(training, fixed=other), SHORT, again)


# ---- the command line ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("friends")
def test_options_come_through_the_command_line():
    start = load(make("start", "embed", "friends.csv", "--model", "gcn", "--dim", "4", "--set", "hidden=6"))
    for name, options in {
        "frozen": ["freeze=encoder.convolutions.1.bias,*.table", "layer_decay=0.5", "unfreeze=0.2", "l2_sp=0.1"],
        "lora": ["lora_rank=2", "lora_targets=*.0.*"],
        "adapters": ["adapter=2"],
    }.items():
        settings = (word for option in options for word in ("--set", option))
        tuned = load(make(name, "finetune", "start", "--task", "link-prediction", *settings))
        same = {key for key, value in start.state_dict().items() if torch.equal(tuned.state_dict()[key], value)}
        assert (
            same
            == {
                "frozen": {"encoder.convolutions.1.bias", "encoder.table.weight"},
                "lora": set(start.state_dict()) - {"encoder.convolutions.0.lin.weight"},
                "adapters": set(start.state_dict()),
            }[name]
        ), name
    refused = run("finetune", "start", "--task", "link-prediction", "--set", "freeze=table", "--out", "x")
    assert refused.code == 2 and "encoder.table.weight" in refused.error


def make(out, *words):
    done(*words, "--set", "epochs=3", "--quiet", "--out", out)
    return out
