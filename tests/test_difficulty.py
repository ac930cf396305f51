"""Easy and hard examples: the focal loss and the curriculum, against numbers by hand and naive lines."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models import BPRMF, DeepWalk
from graphtune.objectives import Classify, EdgeProximity
from graphtune.objectives.parts import focal
from graphtune.split import split_edges
from graphtune.tasks import LinkPrediction, pretrain
from graphtune.testing import equal, two_cliques
from graphtune.train.difficulty import easiest
from graphtune.train.fit import Run, fit
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep, FusedStep, make_step

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=4, batch_size=16, lr=0.05, patience=0, deterministic=True)


# ---- the focal loss -----------------------------------------------------------------------------------------


def test_focal_factor_is_a_power_of_the_chance():
    score = torch.tensor([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(focal(score, 2.0), (1 - torch.sigmoid(score)) ** 2, rtol=1e-6)
    far = torch.tensor([200.0], requires_grad=True)
    focal(far, 0.5).backward()
    assert far.grad.isfinite(), "where the chance of an error is 0 in float32"


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_classes(gamma):
    model = BPRMF(dim=8).build(two_cliques())
    model.heads["t"] = torch.nn.Linear(8, 3)
    batch = Batch(torch.arange(4), label=torch.tensor([2, 0, 1, 2]))
    values = Classify("t", gamma=gamma)(model, batch).values
    p = model.heads["t"](model.encoder.weight[:4]).softmax(-1)[torch.arange(4), batch.label]
    torch.testing.assert_close(values, -((1 - p) ** gamma) * p.log())
    plain = Classify("t")(model, batch).values
    torch.testing.assert_close(plain, -p.log())


def test_focal_several_classes():
    model = BPRMF(dim=8).build(two_cliques())
    model.heads["t"] = torch.nn.Linear(8, 2)
    batch = Batch(torch.arange(3), label=torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))
    p = torch.sigmoid(model.heads["t"](model.encoder.weight[:3]))
    right = torch.where(batch.label > 0, p, 1 - p)
    wanted = (-((1 - right) ** 2) * right.log()).sum(-1)
    torch.testing.assert_close(Classify("t", gamma=2.0)(model, batch).values, wanted)


def test_a_class_that_is_certain_has_a_gradient():
    model = BPRMF(dim=8).build(two_cliques())
    model.heads["t"] = torch.nn.Linear(8, 2)
    torch.nn.init.constant_(model.heads["t"].bias, 0.0)
    with torch.no_grad():
        model.heads["t"].bias[0] = 500.0
    Classify("t", gamma=0.5)(
        model, Batch(torch.arange(2), label=torch.zeros(2, dtype=torch.int64))
    ).values.sum().backward()
    assert model.encoder.weight.grad.isfinite().all()


def test_focal_links():
    model = BPRMF(dim=4).build(two_cliques())
    batch = Batch(torch.tensor([0, 3]), torch.tensor([1, 4]), torch.tensor([4, 7, 8]))
    z = model.encoder.weight
    right, wrong = (
        torch.sigmoid((z[batch.source] * z[batch.target]).sum(-1)),
        torch.sigmoid(z[batch.source] @ z[batch.negative].T),
    )
    noise = -(wrong**1.5) * (1 - wrong).log() * (batch.negative != batch.target[:, None])
    wanted = -((1 - right) ** 1.5) * right.log() + noise.sum(-1)
    torch.testing.assert_close(EdgeProximity(gamma=1.5)(model, batch).values, wanted)


def test_focal_is_for_the_logistic_loss():
    split = split_edges(two_cliques(), (3, 1, 1))
    assert (
        LinkPrediction(split, loss="logistic", focal=2.0)
        .training(BPRMF(dim=4).build(split.train), SHORT)
        .objective.gamma
        == 2
    )
    with pytest.raises(ArgumentError, match="`focal` of LinkPrediction must be 0 unless loss='logistic'"):
        LinkPrediction(split, focal=2.0)
    with pytest.raises(ArgumentError, match="`focal` of LinkPrediction must be"):
        LinkPrediction(split, loss="logistic", focal=-1.0)


# ---- the curriculum -----------------------------------------------------------------------------------------

VALUES = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "step, counted",
    [
        (0, [0, 1, 0, 1, 0]),  # 0.4 of 5
        (10, [0, 1, 0, 1, 1]),  # 0.52 of 5, rounded up
        (25, [0, 1, 1, 1, 1]),  # 0.7 of 5
        (49, [1, 1, 1, 1, 1]),
        (50, None),
        (99, None),
    ],
)
def test_the_easiest_count_first(step, counted):
    found = easiest(VALUES, None, 0.4, Clock(step=step, total=100))
    assert found is None if counted is None else found.tolist() == counted


def test_weights_stay_and_no_curriculum_changes_nothing():
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    assert easiest(VALUES, weight, 0.4, Clock(total=100)).tolist() == [0, 2, 0, 4, 0]
    assert easiest(VALUES, weight, 0.0, Clock()) is weight and easiest(VALUES, None, 0.0, Clock()) is None
    assert easiest(VALUES, weight, 1.0, Clock()) is weight


def test_hard_examples_have_no_gradient_at_first():
    model = BPRMF(dim=4).build(two_cliques())
    config = TrainConfig(curriculum=0.5)
    batch = Batch(torch.tensor([0, 1, 2, 3]), torch.tensor([6, 7, 8, 9]), torch.tensor([10]))
    step = AutogradStep(model, EdgeProximity(), config)
    values = EdgeProximity()(model, batch).values
    loss = step.loss(batch, Clock(0, 100))
    torch.testing.assert_close(loss, values.sort().values[:2].mean())
    loss.backward()
    moved = model.encoder.weight.grad[:4].abs().sum(1) > 0
    assert set(torch.nonzero(moved)[:, 0].tolist()) == set(values.argsort()[:2].tolist())


def test_a_curriculum_changes_a_run_and_takes_no_kernel():
    graph, recipe = two_cliques(), DeepWalk(dim=4, walk_length=5, window=2)
    config = replace(SHORT, optimizer="sgd")
    objective = recipe.pretraining(graph, config)[1]
    assert isinstance(make_step(recipe.build(graph), objective, config), FusedStep)
    assert isinstance(make_step(recipe.build(graph), objective, replace(config, curriculum=0.5)), AutogradStep)
    slow = replace(config, l2=1e-9)  # which takes autograd too
    plain, paced = (pretrain(recipe, graph, c, run=QUIET).model for c in (slow, replace(slow, curriculum=0.3)))
    assert not equal(plain, paced)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_curriculum_is_a_share(share):
    with pytest.raises(ArgumentError, match="`curriculum` of TrainConfig"):
        TrainConfig(curriculum=share)


def test_losses_are_those_of_torch():
    """The naive lines above go through the logarithm of a chance; this one does not."""
    x = torch.linspace(-4, 4, 9)
    torch.testing.assert_close(-torch.sigmoid(x).log() * focal(x, 0.0), F.softplus(-x))


# ---- a run that breaks --------------------------------------------------------------------------------------


class Breaking:
    """A sampler that breaks a run off before the second batch of an epoch."""

    def __init__(self, sampler, epoch):
        self.sampler, self.num_batches, self.epoch = sampler, sampler.num_batches, epoch

    def batches(self, epoch, first=0):
        for number, batch in enumerate(self.sampler.batches(epoch, first), first):
            if (epoch, number) == (self.epoch, 1):
                raise KeyboardInterrupt
            yield batch


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_run_with_all_of_it_goes_on_bit_for_bit(tmp_path, epoch):
    split = split_edges(two_cliques(), (3, 1, 1))
    config = replace(SHORT, curriculum=0.3, batch_size=8)
    task = LinkPrediction(split, negatives=6, noise="in-batch", unknown=True, hard=2, sample_weight="degree")

    def start():
        model = BPRMF(dim=4).build(split.train)
        return model, replace(task.training(model, config), validate=None, monitor=None)

    model, training = start()
    whole = fit(model, training, config, QUIET).model
    model, training = start()
    run = Run(tmp_path, save_steps=1, quiet=True)
    with pytest.raises(KeyboardInterrupt):
        fit(model, replace(training, sampler=Breaking(training.sampler, epoch)), config, run)
    model, training = start()
    assert equal(fit(model, training, config, replace(run, resume=True)).model, whole)
