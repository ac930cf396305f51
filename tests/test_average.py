"""Means of weights: against torch's, against naive lines, in validation and result, and in runs that are broken off."""

from dataclasses import replace

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.estimate.memory import embedding_memory
from graphtune.estimate.plan import Plan, Size
from graphtune.models import BPRMF, GCN, LINE, ComplEx, DeepWalk
from graphtune.split import split_nodes
from graphtune.tasks import NodeClassification
from graphtune.testing import checkerboard, inverse_relations, snapshot, two_cliques
from graphtune.train import average
from graphtune.train.average import Average, EpochMean, ExponentialMean, make_average
from graphtune.train.fit import Run, fit
from graphtune.train.steps import FusedStep, make_step
from test_resume import check_resuming, distance_from_three, train, training_of

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=6, batch_size=32, lr=0.05, patience=0, deterministic=True)
EMA, SWA = replace(SHORT, average="ema", ema_decay=0.9), replace(SHORT, average="swa", swa_start=0.5)


def walk(model, mean, steps, twin=None):
    """Move the weights at random; the weights after each step."""
    generator, trail = torch.Generator().manual_seed(0), []
    for _ in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn(parameter.shape, generator=generator)
        mean()
        if twin is not None:
            twin.update_parameters(model)
        trail.append(snapshot(model))
    return trail


def close(model, weights):
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=1e-4, atol=1e-5)


def naive_ema(trail, decay):
    mean = trail[0]
    for n, weights in enumerate(trail[1:], 1):
        d = min(decay, (1 + n) / (10 + n))
        mean = {name: d * mean[name] + (1 - d) * weights[name] for name in mean}
    return mean


def naive_mean(trail):
    return {name: sum(weights[name].double() for weights in trail).float() / len(trail) for name in trail[0]}


# ---- formulas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_exponential_mean_is_the_naive_line(decay):
    model = GCN(dim=3, hidden=4).build(two_cliques())
    mean = ExponentialMean(model, decay)
    trail = walk(model, mean.after_step, 20)
    with mean.shown():
        close(model, naive_ema(trail, decay))
    close(model, trail[-1])


def test_the_exponential_mean_is_that_of_torch():
    """At a decay below the first (1 + n) / (10 + n), where ours has no shorter memory at the start."""
    model = GCN(dim=3, hidden=4).build(two_cliques())
    mean, twin = ExponentialMean(model, 0.15), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.15))
    walk(model, mean.after_step, 20, twin)
    mean.put_into()
    close(model, twin.module.state_dict())


def test_the_mean_of_epochs_is_that_of_torch_and_the_naive_one():
    model = GCN(dim=3, hidden=4).build(two_cliques())
    mean, twin = EpochMean(model, 0.0), AveragedModel(model)
    trail = walk(model, lambda: mean.after_epoch(0.5), 7, twin)
    mean.put_into()
    close(model, naive_mean(trail))
    close(model, twin.module.state_dict())


def test_the_mean_of_epochs_begins_where_it_should():
    model = BPRMF(dim=3).build(checkerboard())
    mean = EpochMean(model, 0.75)
    mean.after_step()
    mean.after_epoch(0.7499)
    assert not mean.means and mean.count == 0, "nothing is held before"
    before = snapshot(model)
    with mean.shown():
        close(model, before)
    mean.after_epoch(0.75)
    assert mean.count == 1


def test_no_mean_is_nothing():
    model = BPRMF(dim=3).build(checkerboard())
    none = make_average(model, TrainConfig())
    assert type(none) is Average and none.state_dict() == {}
    before = snapshot(model)
    walk(model, none.after_step, 1)
    moved = snapshot(model)
    with none.shown():
        close(model, moved)
    none.put_into()
    close(model, moved)
    assert not torch.equal(moved["encoder.weight"], before["encoder.weight"])


# ---- in a run -----------------------------------------------------------------------------------------------


class Watching:
    """A sampler that notes the weights before each step."""

    def __init__(self, sampler, model):
        self.sampler, self.num_batches, self.model, self.trail = sampler, sampler.num_batches, model, []

    def batches(self, epoch, first=0):
        for batch in self.sampler.batches(epoch, first):
            self.trail.append(snapshot(self.model))
            yield batch


def trail_of(recipe, graph, config):
    """The weights after each step of a plain run."""
    model = recipe.build(graph, config.seed)
    training = training_of(recipe, graph, config)
    watching = Watching(training.sampler, model)
    fit(model, replace(training, sampler=watching), config, QUIET)
    return [*watching.trail[1:], snapshot(model)], watching.num_batches


CASES = {
    "autograd": (BPRMF(dim=4), checkerboard(), {}),
    "fused walks": (
        DeepWalk(dim=4, walks_per_node=2, walk_length=6, window=2, negatives=2),
        two_cliques(),
        {"batch_size": 5, "optimizer": "sgd"},
    ),
    "fused edges": (LINE(dim=4), two_cliques(), {"batch_size": 7, "optimizer": "sgd"}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_result_is_the_mean_of_the_steps(case):
    recipe, graph, options = CASES[case]
    plain = replace(SHORT, **options)
    trail, batches = trail_of(recipe, graph, plain)
    ema = train(replace(plain, average="ema", ema_decay=0.9), QUIET, recipe, graph)
    close(ema.model, naive_ema(trail, 0.9))
    swa = train(replace(plain, average="swa", swa_start=0.5), QUIET, recipe, graph)
    close(swa.model, naive_mean(trail[3 * batches - 1 :: batches]))
    losses = [[row["loss"] for row in result.history] for result in (train(plain, QUIET, recipe, graph), ema, swa)]
    assert losses[0] == losses[1] == losses[2], "the steps themselves see nothing of it"


@pytest.mark.parametrize("config", [EMA, SWA], ids=["ema", "swa"])
def test_the_fused_step_is_taken_with_a_mean(config):
    config = replace(config, optimizer="sgd", device="cpu")
    recipe = LINE(dim=4)
    model = recipe.build(two_cliques())
    assert isinstance(make_step(model, recipe.pretraining(two_cliques(), config)[1], config), FusedStep)


@pytest.mark.parametrize("config", [EMA, SWA], ids=["ema", "swa"])
def test_validation_and_best_weights_are_means(config):
    """The third epoch is the best: its mean is what comes back."""
    seen = []

    def validate(model):
        seen.append(snapshot(model))
        return {"score": -abs(len(seen) - 4.0)}

    result = train(config, validate=validate, monitor="score")
    trail, batches = trail_of(BPRMF(dim=4), checkerboard(), SHORT)
    assert result.best_epoch == 4
    wanted = naive_ema(trail[: 4 * batches], 0.9) if config.average == "ema" else naive_mean(trail[11:16:4])
    close(result.model, wanted)
    assert all(torch.equal(value, seen[3][name]) for name, value in result.model.state_dict().items())


def test_a_broken_validation_leaves_the_weights():
    model = BPRMF(dim=3).build(checkerboard())
    mean = ExponentialMean(model, 0.9)
    last = walk(model, mean.after_step, 5)[-1]
    with pytest.raises(KeyboardInterrupt), mean.shown():
        raise KeyboardInterrupt
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())


def test_a_table_of_bfloat16_has_a_mean_of_float32():
    """Its small steps would be lost in a mean of bfloat16."""
    model = DeepWalk(dim=4, table_dtype="bfloat16").build(two_cliques())
    mean = ExponentialMean(model, 0.999)
    trail = walk(model, mean.after_step, 30)
    wanted = naive_ema([{name: value.float() for name, value in weights.items()} for weights in trail], 0.999)
    for name, value in mean.means.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, wanted[name])
    mean.put_into()
    for name, value in model.state_dict().items():
        assert torch.equal(value, wanted[name].bfloat16()) or value.float().sub(wanted[name]).abs().max() < 0.05


def test_heads_are_averaged_too():
    graph = two_cliques().replace(labels=[0] * 6 + [1] * 6, label_names=("a", "b"))
    task = NodeClassification(split_nodes(graph, (4, 1, 1)))
    model = GCN(dim=4, hidden=6).build(graph)
    training = task.training(model, EMA)
    assert any(name.startswith("heads.") for name in ExponentialMean(model, 0.9).parameters)
    result = fit(model, replace(training, validate=None, monitor=None), EMA, QUIET)
    twin = GCN(dim=4, hidden=6).build(graph)
    plain = fit(twin, replace(task.training(twin, SHORT), validate=None, monitor=None), SHORT, QUIET)
    head = "heads.node-classification.layers.0.weight"
    assert not torch.equal(result.model.state_dict()[head], plain.model.state_dict()[head])


# ---- broken off ---------------------------------------------------------------------------------------------


RESUMED = {
    **CASES,
    "gcn": (GCN(dim=4, hidden=6, dropout=0.5), two_cliques(), {"batch_size": 16}),
    "complex": (ComplEx(dim=6), inverse_relations(), {"batch_size": 8, "optimizer": "adagrad", "lr": 0.1}),
}


@pytest.mark.parametrize("kind", [{"average": "ema", "ema_decay": 0.9}, {"average": "swa", "swa_start": 0.5}])
@pytest.mark.parametrize("case", RESUMED)
def test_resuming_is_bit_identical(tmp_path, case, kind):
    recipe, graph, options = RESUMED[case]
    config = replace(SHORT, **options, **kind)
    training = training_of(recipe, graph, config, validate=distance_from_three, monitor="score")
    batches = training.sampler.num_batches

    def begin(run, wrap):
        return fit(recipe.build(graph), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    check_resuming(tmp_path / "ended", whole, begin, 4 * batches + 1)
    within = check_resuming(tmp_path / "within", whole, begin, 4 * batches + 2, save_steps=1)
    assert (within["epoch"], within["batch"]) == (4, 1)


def test_resuming_needs_the_mean(tmp_path, monkeypatch):
    """Without its state another model comes out: the test above can fail."""
    whole = train(EMA)

    def begin(run, wrap):
        training = training_of(BPRMF(dim=4), checkerboard(), EMA)
        model = BPRMF(dim=4).build(checkerboard())
        return fit(model, replace(training, sampler=wrap(training.sampler)), EMA, run)

    check_resuming(tmp_path / "with", whole, begin, 18, save_steps=1)
    monkeypatch.setattr(average.RunningMean, "load_state_dict", lambda self, state: None)
    with pytest.raises(AssertionError):
        check_resuming(tmp_path / "without", whole, begin, 18, save_steps=1)


# ---- around it ----------------------------------------------------------------------------------------------


def test_the_estimate_counts_the_mean():
    size = Size(nodes=1000, edges=5000, targets=1000)
    recipe = DeepWalk(dim=64)
    plain, more = (
        embedding_memory(Plan.of(recipe, replace(recipe.training(), average=kind)), size, (7, 2, 1))
        for kind in ("none", "ema")
    )
    tables = 2 * 4 * 1000 * 64
    assert more["training"] - plain["training"] == tables
    assert more["validation"] - plain["validation"] == 2 * tables, "the mean, and the weights put aside"


@pytest.mark.parametrize("options", [{"average": "polyak"}, {"ema_decay": 1.0}, {"swa_start": 1.5}])
def test_bad_averages_are_refused(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` of TrainConfig must be"):
        TrainConfig(**options)
