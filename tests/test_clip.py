"""Clipping: against torch, and a loop over rows."""

import pytest
import torch
from torch import nn

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models.bprmf import BPRMF
from graphtune.objectives import Losses
from graphtune.testing import two_cliques
from graphtune.train.clip import Clip, gradients_of, total_norm
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep

SHAPES = ((7, 4), (3, 5), (5,))
COMBINATIONS = [
    {"clip_norm": 0.5},
    {"clip_value": 0.3},
    {"clip_rows": 0.8},
    {"clip_value": 0.6, "clip_rows": 0.9, "clip_norm": 2.0},
    {"clip_value": 100.0, "clip_rows": 100.0, "clip_norm": 100.0},
    {},
]


def weights(seed=0):
    """A table, a matrix and a bias with gradients."""
    generator = torch.Generator().manual_seed(seed)
    found = [nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    for parameter in found:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return found


def naive(parameters, clip_value=0.0, clip_rows=0.0, clip_norm=0.0):
    """By torch's functions and a loop; the first parameter is the table."""
    if clip_value:
        nn.utils.clip_grad_value_(parameters, clip_value)
    if clip_rows:
        for row in parameters[0].grad:
            row.mul_(min(1.0, clip_rows / (row.norm().item() + 1e-6)))
    if clip_norm:
        nn.utils.clip_grad_norm_(parameters, clip_norm)


@pytest.mark.parametrize("options", COMBINATIONS, ids=str)
def test_clipping_agrees_with_torch_and_a_loop(options):
    ours, theirs = weights(), weights()
    before = nn.utils.get_total_norm([p.grad for p in theirs]).item()
    assert Clip(ours[:1], TrainConfig(**options))(gradients_of(ours)) == before
    naive(theirs, **options)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=0)


@pytest.mark.parametrize("options", COMBINATIONS[:2])
def test_clipping_that_torch_has_gives_the_same_bits(options):
    ours, theirs = weights(), weights()
    Clip(ours[:1], TrainConfig(**options))(gradients_of(ours))
    naive(theirs, **options)
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours, theirs))


def test_all_bounds_hold_together():
    parameters = weights()
    Clip(parameters[:1], TrainConfig(clip_value=0.6, clip_rows=0.9, clip_norm=2.0))(gradients_of(parameters))
    gradients = [p.grad for p in parameters]
    assert max(g.abs().max() for g in gradients) <= 0.6
    assert gradients[0].norm(dim=1).max() <= 0.9
    assert total_norm(gradients) <= 2.0 + 1e-5


@pytest.mark.parametrize("options", COMBINATIONS, ids=str)
def test_sparse_rows_are_clipped_as_dense_ones(options):
    """A row that is given twice counts as the sum of both."""
    dense, sparse = weights(), weights()
    rows, values = torch.tensor([2, 5, 2]), torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    dense[0].grad = torch.zeros(7, 4).index_add(0, rows, values)
    sparse[0].grad = torch.sparse_coo_tensor(rows[None], values, (7, 4))
    norms = [Clip(p[:1], TrainConfig(**options))(gradients_of(p)) for p in (dense, sparse)]
    assert norms[0] == pytest.approx(norms[1])
    assert sparse[0].grad.is_sparse and sparse[0].grad.is_coalesced() and sparse[0].grad._nnz() == 2
    torch.testing.assert_close(sparse[0].grad.to_dense(), dense[0].grad)
    for a, b in zip(sparse[1:], dense[1:]):
        torch.testing.assert_close(a.grad, b.grad)


def test_the_norm_of_one_is_that_of_torch():
    for seed in range(20):
        gradient = weights(seed)[0].grad
        assert torch.equal(total_norm([gradient]), nn.utils.get_total_norm([gradient]))


@pytest.mark.parametrize("wild", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_not_hidden_by_clipping(wild):
    parameters = weights()
    parameters[1].grad[0, 0] = wild
    norm = Clip(parameters[:1], TrainConfig(clip_value=1.0, clip_norm=1.0))(gradients_of(parameters))
    assert norm - norm != 0
    assert parameters[1].grad[0, 0] == wild or wild != wild


def test_weights_without_gradient_are_left_out():
    parameters = weights()
    parameters[1].grad = None
    assert list(gradients_of(parameters)) == [parameters[0], parameters[2]]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(
    "options, moved",
    [
        ({"clip_value": 2.0}, [[-2.0, -2.0], [-1.0, 0.0]]),
        ({"clip_rows": 2.5}, [[-1.5, -2.0], [-1.0, 0.0]]),
        ({"clip_value": 3.5, "clip_rows": 2.0}, [[-2 * 6 / 85**0.5, -2 * 7 / 85**0.5], [-1.0, 0.0]]),
    ],
)
def test_a_step_is_clipped_by_hand_numbers(precision, options, moved):
    """The gradient is [[3, 4], [1, 0]], also where the loss was scaled by 65,536."""
    model = BPRMF(dim=2).build(two_cliques())
    slope = torch.tensor([[3.0, 4.0], [1.0, 0.0]])

    def objective(model, batch):
        (z,) = model.rows(batch.source)
        return Losses((z * slope).sum().reshape(1), ())

    before = model.encoder.weight.detach().clone()
    config = TrainConfig(optimizer="sgd", lr=1.0, precision=precision, **options)
    AutogradStep(model, objective, config)(Batch(torch.tensor([0, 1])), Clock())
    torch.testing.assert_close((model.encoder.weight - before)[:2], torch.tensor(moved), rtol=1e-4, atol=1e-5)
    assert torch.equal(model.encoder.weight[2:], before[2:])


@pytest.mark.parametrize("option", ["clip_value", "clip_rows"])
def test_bounds_below_nothing_are_refused(option):
    with pytest.raises(ArgumentError, match=f"`{option}` of TrainConfig must be"):
        TrainConfig(**{option: -1.0})
