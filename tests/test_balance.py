"""Balance of several tasks' losses: hand numbers, and the papers' algorithms line by line."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from graphtune.batch import MixedBatch
from graphtune.config import TrainConfig
from graphtune.objectives import Several
from graphtune.train.balance import (
    BALANCES,
    Balance,
    ProjectedGradients,
    Uncertainty,
    WeightedSum,
    make_balance,
    products,
    projected,
)
from graphtune.train.shares import WHOLE
from graphtune.train.state import MismatchError

CPU = torch.device("cpu")
BOTH = MixedBatch((0, 1))  # type: ignore[arg-type]


def given(*losses):
    """What gives task k the loss number k."""
    return lambda objective, part, share: losses[objective]


def of(count, **more):
    return Several(tuple(range(count)), **more)  # type: ignore[arg-type]


def test_a_single_task_is_left_alone():
    weight = nn.Parameter(torch.tensor(3.0))
    balance = make_balance("objective", TrainConfig(), [weight], CPU)
    assert type(balance) is Balance
    right = ("objective", 7, WHOLE)
    loss = balance.total(lambda *given: weight * (2.0 if given == right else 0), 7, WHOLE)
    balance.backward(loss)
    balance.settle(0)
    assert loss.item() == 6.0
    assert weight.grad.item() == 2.0
    assert balance.groups == []


def test_fixed_weights():
    losses = torch.tensor(2.0), torch.tensor(0.5)
    assert WeightedSum(of(2)).total(given(*losses), BOTH, WHOLE).item() == 2.5
    weighted = WeightedSum(of(2, weights=(0.25, 4.0)))
    assert weighted.total(given(*losses), BOTH, WHOLE).item() == 2.5
    assert weighted.total(given(*losses), MixedBatch((None, 1)), WHOLE).item() == 2.0


def test_uncertainty_by_hand():
    """exp(-s) L + s / 2: at s = 0 the losses themselves, with the gradient 1/2 - L; at s = log 4 L / 4 + log 2."""
    losses = torch.tensor(2.0), torch.tensor(0.5)
    balance = Uncertainty(of(2), TrainConfig(lr=0.3), CPU)
    total = balance.total(given(*losses), BOTH, WHOLE)
    total.backward()
    assert total.item() == 2.5
    assert [s.grad.item() for s in balance.log_variances] == [-1.5, 0.0]
    with torch.no_grad():
        balance.log_variances[0].fill_(math.log(4))
    assert balance.total(given(*losses), BOTH, WHOLE).item() == pytest.approx(0.5 + math.log(2) + 0.5)
    (group,) = balance.groups
    assert (group.peak, group.decay) == (0.3, 0.0)
    assert Uncertainty(of(2, lr=0.1), TrainConfig(lr=0.3), CPU).groups[0].peak == 0.1


def test_uncertainty_ends_where_each_task_counts_by_its_loss():
    """Kendall's s = log 2L: a task counts 1 / 2L, whatever the scale of its loss; of a squared error with the halved
    first term, s = log L and again 1 / 2L."""
    losses = torch.tensor(8.0), torch.tensor(0.02)
    balance = Uncertainty(of(2), TrainConfig(), CPU)
    optimizer = torch.optim.SGD(balance.log_variances, lr=0.2)
    for _ in range(400):
        optimizer.zero_grad()
        balance.total(given(*losses), BOTH, WHOLE).backward()
        optimizer.step()
    for s, loss in zip(balance.log_variances, losses):
        assert s.item() == pytest.approx(math.log(2 * loss), abs=1e-4)


def test_a_task_that_is_left_out_keeps_its_variance():
    balance = Uncertainty(of(2), TrainConfig(), CPU)
    balance.total(given(torch.tensor(2.0), torch.tensor(3.0)), MixedBatch((0, None)), WHOLE).backward()  # type: ignore[arg-type]
    assert balance.log_variances[0].grad is not None
    assert balance.log_variances[1].grad is None


def pcgrad(gradients, rng):
    """Algorithm 1 of Yu et al. (2020), line by line, on vectors [T, P]."""
    changed = gradients.copy()
    for i in range(len(gradients)):
        for j in rng.permutation([j for j in range(len(gradients)) if j != i]):
            if changed[i] @ gradients[j] < 0:
                changed[i] -= changed[i] @ gradients[j] / (gradients[j] @ gradients[j]) * gradients[j]
    return changed.sum(axis=0)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_projections_are_those_of_the_paper(count):
    conflicts = 0
    for seed in range(30):
        vectors = np.random.default_rng(seed).standard_normal((count, 6))
        gram = vectors @ vectors.T
        conflicts += (gram < 0).any()
        counts = projected(gram, np.random.default_rng([9, seed]))
        np.testing.assert_allclose(counts @ vectors, pcgrad(vectors, np.random.default_rng([9, seed])), atol=1e-12)
    assert conflicts > 10


def test_projection_by_hand():
    """(1, 0) and (-1, 1) conflict: they become (1/2, 1/2) and (0, 1)."""
    vectors = np.array([[1.0, 0.0], [-1.0, 1.0]])
    counts = projected(vectors @ vectors.T, np.random.default_rng(0))
    np.testing.assert_allclose(counts @ vectors, [0.5, 1.5])
    no_gradient = np.array([[1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(projected(no_gradient, np.random.default_rng(0)), [1.0, 1.0])


def test_products_pass_over_what_a_task_does_not_reach():
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    np.testing.assert_array_equal(products([(a, b), (None, b)]), [[5.0, 11.0], [11.0, 50.0]])


@dataclass
class Small:
    """Three tasks on one matrix, with a head each; `losses` are linear in no weight."""

    shared: nn.Parameter
    heads: list[nn.Parameter]
    inputs: torch.Tensor

    @classmethod
    def make(cls, seed=0):
        rng = torch.Generator().manual_seed(seed)
        heads = [nn.Parameter(torch.randn(4, generator=rng)) for _ in range(3)]
        return cls(nn.Parameter(torch.randn(4, 3, generator=rng)), heads, torch.randn(3, 8, 3, generator=rng))

    @property
    def parameters(self):
        return [self.shared, *self.heads]

    def loss(self, k, rows=slice(None)):
        return (torch.tanh(self.inputs[k, rows] @ self.shared.T) @ self.heads[k] - k).square().mean()


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0)])
def test_pcgrad_projects_shared_weights_and_leaves_heads(weights):
    small, step = Small.make(), 5
    balance = ProjectedGradients(of(3, weights=weights), small.parameters, seed=3)
    batch = MixedBatch((0, 1, 2))  # type: ignore[arg-type]
    loss = balance.total(lambda k, part, share: small.loss(k), batch, WHOLE)
    balance.backward(loss)
    balance.settle(step)
    own = [w * small.loss(k) for k, w in enumerate(weights or (1.0, 1.0, 1.0))]
    assert loss.item() == pytest.approx(sum(x.item() for x in own))
    assert small.shared.grad.stride() == small.shared.stride(), "as fused optimisers read it"
    vectors = [torch.autograd.grad(x, small.shared, retain_graph=True)[0].double().flatten() for x in own]
    gradients = torch.stack(vectors).numpy()
    assert (gradients @ gradients.T < 0).any(), "some tasks are in conflict"
    expected = pcgrad(gradients, np.random.default_rng([3, step]))
    np.testing.assert_allclose(small.shared.grad.double().flatten(), expected, rtol=1e-4, atol=1e-5)
    for k, head in enumerate(small.heads):
        torch.testing.assert_close(head.grad, torch.autograd.grad(own[k], head, retain_graph=True)[0])


def test_pcgrad_takes_a_batch_in_parts_and_any_multiple_of_the_loss():
    """Halves of a batch, each counting a half, give the gradient of the whole; a scaled loss a scaled one."""
    whole, halves = Small.make(1), Small.make(1)
    balance = ProjectedGradients(of(3), whole.parameters, seed=0)
    balance.backward(balance.total(lambda k, part, share: whole.loss(k), MixedBatch((0, 1, 2)), WHOLE))  # type: ignore[arg-type]
    balance.settle(1)
    other = ProjectedGradients(of(3), halves.parameters, seed=0)
    for rows in (slice(0, 4), slice(4, 8)):
        loss = other.total(lambda k, part, share: halves.loss(k, rows), MixedBatch((0, 1, 2)), WHOLE)  # type: ignore[arg-type]  # noqa: B023
        other.backward(loss / 2 * 1024)
    other.settle(1)
    for a, b in zip(whole.parameters, halves.parameters):
        torch.testing.assert_close(a.grad * 1024, b.grad, rtol=1e-4, atol=1e-2)


def test_pcgrad_leaves_frozen_weights_alone():
    small = Small.make()
    small.shared.requires_grad_(False)
    balance = ProjectedGradients(of(3), small.parameters, seed=0)
    balance.backward(balance.total(lambda k, part, share: small.loss(k), MixedBatch((0, 1, 2)), WHOLE))  # type: ignore[arg-type]
    balance.settle(0)
    assert small.shared.grad is None
    assert all(head.grad is not None for head in small.heads)


def test_each_balance_says_its_state_and_refuses_anothers():
    weight = nn.Parameter(torch.zeros(2))
    rules = {name: make_balance(of(2, balance=name), TrainConfig(), [weight], CPU) for name in BALANCES}
    for name, rule in rules.items():
        assert rule.name == name
        rule.load_state_dict(rule.state_dict())
        for other in rules.values():
            if other is not rule:
                with pytest.raises(MismatchError, match="balance"):
                    rule.load_state_dict(other.state_dict())
    learned = make_balance(of(2, balance="uncertainty"), TrainConfig(), [weight], CPU)
    with torch.no_grad():
        rules["uncertainty"].log_variances[1].fill_(0.7)
    learned.load_state_dict(rules["uncertainty"].state_dict())
    assert [s.item() for s in learned.log_variances] == pytest.approx([0.0, 0.7])
