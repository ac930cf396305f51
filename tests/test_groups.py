"""What is trained: frozen weights, layers with rates of their own, gradual unfreezing; all of it resumed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cli_help import done, run
from graphtune.check import ArgumentError, DataError
from graphtune.config import TrainConfig
from graphtune.models import GCN, DeepWalk, LightGCN
from graphtune.models.heads import HeadSpec
from graphtune.split import split_nodes
from graphtune.store import load
from graphtune.tasks import NodeClassification
from graphtune.testing import checkerboard, snapshot, two_cliques
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


# ---- resuming -----------------------------------------------------------------------------------------------


FIXED = np.array([7, 0, 3, 7])
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
