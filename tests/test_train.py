"""The engine: rates, groups, penalties, stopping, loggers."""

import csv
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.bprmf import BPRMF
from graphtune.models.deepwalk import DeepWalk
from graphtune.models.gnn import GCN
from graphtune.models.heads import HeadSpec
from graphtune.models.line import LINE
from graphtune.objectives import Losses
from graphtune.testing import checkerboard, equal, snapshot, two_cliques
from graphtune.train import progress
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.fit import Run, Training, TrainingError, fit
from graphtune.train.groups import parameter_groups
from graphtune.train.loggers import CSVLogger, TensorBoardLogger
from graphtune.train.schedule import Clock, rate
from graphtune.train.steps import AutogradStep, penalty, reduce

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=4, batch_size=32, lr=0.05, patience=0)


def training_of(recipe, graph, config, **more):
    sampler, objective = recipe.pretraining(graph, config)
    return Training("test", sampler, objective, **more)


def train(config=SHORT, run=QUIET, recipe=BPRMF(dim=4), graph=checkerboard(), **more):  # noqa: B008
    return fit(recipe.build(graph, config.seed), training_of(recipe, graph, config, **more), config, run)


class Script:
    """A validation that gives the numbers it was told to, and keeps the weights it saw."""

    def __init__(self, *scores):
        self.scores, self.seen = list(scores), []

    def __call__(self, model):
        self.seen.append(snapshot(model))
        return {"score": self.scores[len(self.seen) - 1]}


def same_weights(model, weights):
    return all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


# ---- configuration ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 1.5},
        {"lr": 0.0},
        {"lr": math.nan},
        {"lr_head": -0.1},
        {"l2": -1e-3},
        {"patience": -1},
        {"optimizer": "adam"},
        {"schedule": "steps"},
        {"schedule": "exponential", "lr_end": 0.0},
        {"warmup": 1.5},
        {"precision": "fp4"},
        {"seed": -1},
    ],
)
def test_bad_configuration_is_refused(options):
    with pytest.raises(ArgumentError, match=f"`{list(options)[-1]}` of TrainConfig must be"):
        TrainConfig(**options)


# ---- learning rate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule, end, hand",
    [
        ("constant", 0.0, [1, 1, 1, 1, 1]),
        ("linear", 0.0, [1, 0.75, 0.5, 0.25, 0]),
        ("linear", 0.2, [1, 0.8, 0.6, 0.4, 0.2]),
        ("cosine", 0.0, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]),
        ("cosine", 0.5, [1, 0.5 + (1 + math.sqrt(0.5)) / 4, 0.75, 0.5 + (1 - math.sqrt(0.5)) / 4, 0.5]),
        ("exponential", 0.0001, [1, 0.1, 0.01, 0.001, 0.0001]),
    ],
)
def test_schedules(schedule, end, hand):
    config = TrainConfig(schedule=schedule, lr_end=end)
    assert [rate(config, step, 100) for step in (0, 25, 50, 75, 100)] == pytest.approx(hand)
    assert rate(config, 130, 100) == pytest.approx(hand[-1]), "past the end the rate stays"


def test_warm_up():
    config = TrainConfig(schedule="linear", warmup=0.1)
    climb = [rate(config, step, 100) for step in range(11)]
    assert climb == pytest.approx([(step + 1) / 11 for step in range(11)])
    assert rate(config, 55, 100) == pytest.approx(0.5) and rate(config, 100, 100) == 0
    assert all(0 < rate(TrainConfig(warmup=1.0), step, 10) < 1 for step in range(10))


def test_rate_reaches_the_optimiser_and_the_history():
    config = TrainConfig(epochs=4, batch_size=1000, lr=0.5, lr_table=0.1, optimizer="sgd", schedule="linear")
    result = train(config)
    assert [row["lr"] for row in result.history] == pytest.approx([0.375, 0.25, 0.125, 0.0])
    model = BPRMF(dim=4).build(checkerboard())
    step = AutogradStep(model, training_of(BPRMF(dim=4), checkerboard(), config).objective, config)
    step(Batch(torch.tensor([0]), torch.tensor([18]), torch.tensor([[17]])), Clock(rate=0.25))
    assert [group["lr"] for group in step.optimizer.param_groups] == pytest.approx([0.025])


# ---- groups of weights --------------------------------------------------------------------------------------


def model_with_everything():
    """A table, an encoder with matrices and biases, a head with both."""
    model = GCN(dim=4, hidden=6).build(two_cliques())
    model.add_head("task", HeadSpec(4, 3))
    return model


def test_groups():
    model = model_with_everything()
    config = TrainConfig(lr=0.1, lr_table=0.01, lr_head=0.03, weight_decay=0.5, weight_decay_table=0.7)
    groups = parameter_groups(model, config)
    assert {name: (group.peak, group.decay) for group in groups for name in group.parameters} == {
        "encoder.table.weight": (0.01, 0.7),
        "encoder.convolutions.0.bias": (0.1, 0.0),
        "encoder.convolutions.0.lin.weight": (0.1, 0.5),
        "encoder.convolutions.1.bias": (0.1, 0.0),
        "encoder.convolutions.1.lin.weight": (0.1, 0.5),
        "heads.task.layers.0.weight": (0.03, 0.5),
        "heads.task.layers.0.bias": (0.03, 0.0),
    }


@pytest.mark.parametrize("option, part", [("lr_table", "encoder.table"), ("lr_encoder", "encoder.convolutions")])
def test_rate_of_zero_freezes(option, part):
    recipe, graph = GCN(dim=4, hidden=6), two_cliques()
    config = replace(SHORT, **{option: 0.0})
    model = recipe.build(graph)
    before = snapshot(model)
    fit(model, training_of(recipe, graph, config), config, QUIET)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith(part), name


def test_nothing_to_train_is_refused():
    with pytest.raises(ArgumentError, match="lr_table"):
        train(replace(SHORT, lr_table=0.0))


def test_a_graph_without_edges_is_refused():
    empty = Graph(np.empty((2, 0)), NodeIds.range(5))
    for recipe in (DeepWalk(dim=4), LINE(dim=4), GCN(dim=4)):
        with pytest.raises(ArgumentError, match="learn from"):
            train(recipe=recipe, graph=empty)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_is_decoupled(optimizer):
    """Where the gradient is 0, a step shrinks weights by lr * decay and leaves biases alone."""
    model = model_with_everything()
    config = TrainConfig(optimizer=optimizer, lr=0.1, weight_decay=0.5, weight_decay_table=0.2)
    before = snapshot(model)
    step = AutogradStep(model, lambda m, b: Losses(sum(p.sum() for p in m.parameters()).reshape(1) * 0, ()), config)
    step(Batch(torch.tensor([0])), Clock())
    for name, value in model.state_dict().items():
        shrunk = 1.0 if value.ndim == 1 else 0.98 if "table" in name else 0.95
        torch.testing.assert_close(value, before[name] * shrunk)


# ---- one step -----------------------------------------------------------------------------------------------


def one_row_model(row):
    """A model whose first embedding is `row`."""
    model = BPRMF(dim=len(row)).build(two_cliques())
    with torch.no_grad():
        model.encoder.weight[0] = torch.tensor(row)
    return model


def sum_of_rows(model, batch):
    (z,) = model.rows(batch.source)
    return Losses(z.sum(-1), (z,))


def test_plain_step_goes_down_the_mean_gradient():
    model = one_row_model([1.0, 2.0])
    step = AutogradStep(model, sum_of_rows, TrainConfig(optimizer="sgd", lr=0.5))
    assert step(Batch(torch.tensor([0, 0])), Clock(rate=0.1)) == pytest.approx(3.0)
    assert model.encoder.weight[0].tolist() == pytest.approx([0.95, 1.95])


def test_weights_of_examples():
    losses = Losses(torch.tensor([1.0, 4.0, 10.0]), ())
    assert reduce(losses, None).item() == 5.0
    assert reduce(losses, torch.tensor([2.0, 1.0, 0.0])).item() == 2.0
    assert reduce(losses, torch.zeros(3)).item() == 0.0
    model = one_row_model([1.0, 2.0])
    step = AutogradStep(model, sum_of_rows, TrainConfig(optimizer="sgd", lr=1.0))
    other = model.encoder.weight[1].tolist()
    step(Batch(torch.tensor([0, 1]), weight=torch.tensor([3.0, 1.0])), Clock())
    assert model.encoder.weight[0].tolist() == pytest.approx([0.25, 1.25])
    assert model.encoder.weight[1].tolist() == pytest.approx([x - 0.25 for x in other])


def test_penalties_by_hand():
    rows, one = torch.tensor([[1.0, -2.0], [3.0, 0.0]]), torch.tensor([[2.0]])
    assert penalty((rows, one), TrainConfig(l1=0.1)) == pytest.approx(0.1 * ((3 + 3) / 2 + 2))
    assert penalty((rows, one), TrainConfig(l2=0.1)) == pytest.approx(0.1 * ((5 + 9) / 2 + 4))
    assert penalty((rows, one), TrainConfig(n3=0.1)) == pytest.approx(0.1 * ((9 + 27) / 2 + 8))
    both = penalty((rows, one), TrainConfig(l1=1.0, n3=1.0))
    assert both == pytest.approx(5 + 26)
    assert penalty((rows, one), TrainConfig()) == 0


def test_penalty_is_in_the_loss_and_the_gradient():
    model = one_row_model([1.0, -2.0])
    step = AutogradStep(model, sum_of_rows, TrainConfig(optimizer="sgd", lr=0.1, l2=0.5))
    assert step(Batch(torch.tensor([0])), Clock()) == pytest.approx(-1 + 0.5 * 5)
    assert model.encoder.weight[0].tolist() == pytest.approx([1 - 0.1 * (1 + 1), -2 - 0.1 * (1 - 2)])


@pytest.mark.parametrize("clip, moved", [(0.0, math.sqrt(18)), (0.5, 0.5), (100.0, math.sqrt(18))])
def test_clipping(clip, moved):
    model = one_row_model([1.0, 2.0])
    before = model.encoder.weight.detach().clone()
    config = TrainConfig(optimizer="sgd", lr=1.0, clip_norm=clip)
    step = AutogradStep(model, lambda m, b: Losses(3 * sum_of_rows(m, b).values, ()), config)
    step(Batch(torch.tensor([0])), Clock())
    assert (model.encoder.weight - before).norm().item() == pytest.approx(moved, rel=1e-4)


@pytest.mark.parametrize("recipe", [BPRMF(dim=4, loss="full-softmax"), GCN(dim=4, hidden=4)])
def test_bf16_trains_and_keeps_fp32_weights(recipe):
    result = train(replace(SHORT, epochs=30, precision="bf16"), recipe=recipe, graph=two_cliques())
    losses = [row["loss"] for row in result.history]
    assert losses[-1] < losses[0] - 0.1
    assert all(p.dtype == torch.float32 for p in result.model.parameters())
    exact = train(replace(SHORT, epochs=30), recipe=recipe, graph=two_cliques())
    assert not equal(exact.model, result.model), "bf16 must have been used"


@pytest.mark.parametrize("optimizer", ["adamw", "adagrad", "sgd"])
def test_optimisers_agree_with_torch(optimizer):
    """One step of the engine is one step of torch's optimiser on the same loss."""
    config = TrainConfig(optimizer=optimizer, lr=0.1, l2=0.01)
    recipe, graph = BPRMF(dim=4), checkerboard()
    model = recipe.build(graph)
    twin = model.copy()
    training = training_of(recipe, graph, config)
    step = AutogradStep(model, training.objective, config)
    plain = {"adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad, "sgd": torch.optim.SGD}[optimizer]
    reference = plain(twin.parameters(), lr=0.1, weight_decay=0.0)
    for batch in list(training.sampler.batches(0))[:3]:
        step(batch, Clock())
        reference.zero_grad()
        z = twin.encoder.weight
        u, v, n = z[batch.source], z[batch.target], z[batch.negative[:, 0]]
        loss = F.softplus((u * n).sum(1) - (u * v).sum(1)).mean()
        (loss + 0.01 * (u.square().sum(1).mean() + v.square().sum(1).mean())).backward()
        reference.step()
    torch.testing.assert_close(model.encoder.weight, twin.encoder.weight, rtol=1e-4, atol=1e-5)


# ---- the loop -----------------------------------------------------------------------------------------------


def test_history_and_result():
    result = train()
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4]
    steps = math.ceil(checkerboard().num_edges / 32)
    assert [row["step"] for row in result.history] == [steps * e for e in (1, 2, 3, 4)]
    assert all(set(row) == {"epoch", "step", "loss", "lr", "seconds"} for row in result.history)
    assert result.config == SHORT and result.best_epoch == 4 and not result.stopped_early
    assert not result.model.training


def test_fit_goes_on_from_the_weights_there_are():
    first = train(replace(SHORT, epochs=30))
    again = fit(first.model.copy(), training_of(BPRMF(dim=4), checkerboard(), SHORT), SHORT, QUIET)
    assert again.history[0]["loss"] < 0.5 * train().history[0]["loss"]


def test_seed_decides_everything():
    config = replace(SHORT, deterministic=True)
    assert equal(train(config).model, train(config).model)
    start = BPRMF(dim=4).build(checkerboard(), 0)
    runs = [replace(config, seed=seed) for seed in (1, 2)]
    a, b = (fit(start.copy(), training_of(BPRMF(dim=4), checkerboard(), c), c, QUIET).model for c in runs)
    assert not equal(a, b), "the order of examples must follow the seed"


def test_early_stopping_gives_back_the_best_weights():
    script = Script(0.1, 0.5, 0.4, 0.5, 0.9)
    config = replace(SHORT, epochs=5, patience=2)
    result = train(config, validate=script, monitor="score")
    assert result.stopped_early and result.best_epoch == 4
    assert [row["score"] for row in result.history] == [0.1, 0.5, 0.4, 0.5], "no gain twice, an equal score is none"
    assert same_weights(result.model, script.seen[3]), "of equals the last"
    assert not same_weights(result.model, script.seen[1])


def test_without_patience_all_epochs_run_and_the_best_is_kept():
    script = Script(0.9, 0.1, 0.1, 0.1)
    result = train(validate=script, monitor="score")
    assert len(result.history) == 4 and result.best_epoch == 1 and not result.stopped_early
    assert same_weights(result.model, script.seen[0])


def test_without_a_monitor_the_last_weights_stay():
    script = Script(0.9, 0.1, 0.1, 0.2)
    result = train(validate=script)
    assert result.best_epoch == 4 and same_weights(result.model, script.seen[3])


def test_a_validation_of_nan_is_no_gain():
    script = Script(math.nan, 0.2, math.nan, math.nan)
    result = train(replace(SHORT, patience=2), validate=script, monitor="score")
    assert result.best_epoch == 2 and result.stopped_early


def test_validation_every_few_epochs_and_at_the_end():
    script = Script(1, 2, 3)
    result = train(replace(SHORT, epochs=5, eval_every=2), validate=script, monitor="score")
    assert [row["epoch"] for row in result.history if "score" in row] == [2, 4, 5]


# ---- a loss that is not finite ------------------------------------------------------------------------------


class NaNFrom:
    """An objective whose loss is NaN from some step on."""

    def __init__(self, objective, step):
        self.objective, self.left = objective, step

    def __call__(self, model, batch):
        values, factors, _ = self.objective(model, batch)
        self.left -= 1
        return Losses(values if self.left >= 0 else values * math.nan, factors)


def test_nan_stops_names_the_epoch_and_keeps_the_last_checkpoint(tmp_path):
    recipe, graph = BPRMF(dim=4), checkerboard()
    training = training_of(recipe, graph, SHORT)
    per_epoch = training.sampler.num_batches
    training = replace(training, objective=NaNFrom(training.objective, 2 * per_epoch + 1))
    model = recipe.build(graph)
    with pytest.raises(TrainingError, match=r"loss of test .* nan in epoch 3, step 10\b.*smaller `lr`"):
        fit(model, training, SHORT, Run(checkpoints=tmp_path, quiet=True))
    assert all(p.isfinite().all() for p in model.parameters())
    state = Checkpoints(tmp_path).latest().state
    assert state["place"]["epoch"] == 2 and all(t.isfinite().all() for t in state["model"].values())


def test_nan_in_a_fused_step_stops_too():
    recipe, graph = DeepWalk(dim=4, walk_length=5, window=2), two_cliques()
    config = TrainConfig(epochs=1, optimizer="sgd", device="cpu")
    model = recipe.build(graph)
    with torch.no_grad():
        model.encoder.weight[3] = math.nan
    with pytest.raises(TrainingError, match="epoch 1"):
        fit(model, training_of(recipe, graph, config), config, QUIET)


# ---- loggers and progress -----------------------------------------------------------------------------------


def test_csv_logger(tmp_path):
    logger = CSVLogger(tmp_path / "logs")
    run = Run(loggers=(logger,), quiet=True)
    result = train(replace(SHORT, epochs=3, eval_every=2), run, validate=Script(0.5, 0.75))
    logger.close()
    with open(tmp_path / "logs" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["metric"], row["value"]) for row in rows] == [
        ("1", "", ""),
        ("2", "score", "0.5"),
        ("3", "score", "0.75"),
    ]
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in result.history]


def test_tensorboard_logger(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path)
    result = train(SHORT, Run(loggers=(logger,), quiet=True), validate=Script(1, 2, 3, 4))
    logger.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    losses = events.Scalars("loss")
    assert [e.value for e in losses] == pytest.approx([row["loss"] for row in result.history])
    assert [e.step for e in losses] == [row["step"] for row in result.history]
    assert [e.value for e in events.Scalars("score")] == [1, 2, 3, 4]


def test_plain_progress_goes_to_stderr_with_an_eta(monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    train(SHORT, Run(), validate=Script(0.25, 0.5, 0.5, 0.5), monitor="score")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 16
    assert re.fullmatch(r"test: 1/16 steps, loss [\d.]+, \d+ s with what had to be compiled", lines[0])
    shape = r"test: \d+/16 steps, loss [\d.]+( score [\d.]+)?, [\d,.]+( M)? examples/s, \d+ s, ETA \d+ s"
    assert all(re.fullmatch(shape, line) for line in lines[1:])
    assert lines[-1].startswith("test: 16/16") and "ETA 0 s" in lines[-1] and "score 0.5000" in lines[-1]


def test_progress_is_seldom_and_can_be_quiet(monkeypatch, capsys):
    train(SHORT, Run())
    assert capsys.readouterr().err == "", "a run of a moment shows no line"
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    train(SHORT, Run())
    assert len(capsys.readouterr().err.splitlines()) == 1
    train(SHORT, Run(quiet=True))
    assert capsys.readouterr().err == ""


def test_weights_that_overflow_stop_before_they_are_scored():
    config = replace(SHORT, lr=1e38, epochs=2)

    def validate(model):
        raise AssertionError("scored weights that are not finite")

    with pytest.raises(TrainingError, match="finite"):
        train(config, validate=validate, monitor="score")


def test_the_way_numbers_are_treated_is_put_back():
    tiny = np.finfo(np.float64).smallest_normal
    seen = []
    train(
        replace(SHORT, epochs=1, deterministic=True),
        validate=lambda m: seen.append(tiny / 2) or {"score": 1.0},
        monitor="score",
    )
    assert seen == [0.0]
    assert tiny / 2 > 0
    assert not torch.are_deterministic_algorithms_enabled()
