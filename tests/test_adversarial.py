"""The self-adversarial loss with its gradient formed by hand, against autograd in float64."""

import numpy as np
import pytest
import torch

from graphtune.kernels.adversarial import adversarial
from graphtune.objectives.adversarial import adversarial_loss, plain_loss

B, K = 70, 37  # no multiples of vectors or blocks


def drawn(*shape, scale=1.0, seed=0):
    return (scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).requires_grad_()


def hidden_of(share):
    found = torch.rand(B, K, generator=torch.Generator().manual_seed(7)) < share
    found[3] = share > 0
    return found


@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("margin", [0.0, 9.0])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_kernel_is_autograd(temperature, margin, scale, share):
    positive, scores, hidden = drawn(B, scale=scale), drawn(B, K, scale=scale, seed=1), hidden_of(share)
    weight = torch.linspace(-1, 2, B)
    found = adversarial_loss(positive, scores, hidden, margin, temperature)
    doubles = [x.detach().double().requires_grad_() for x in (positive, scores)]
    # the plain form takes its shares from float32 scores, which at these temperatures are close enough
    wanted = plain_loss(*doubles, hidden, margin, temperature)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)
    gradients = torch.autograd.grad((found * weight).sum(), (positive, scores))
    expected = torch.autograd.grad((wanted * weight.double()).sum(), doubles)
    for one, other in zip(gradients, expected):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-6)


def test_loss_by_hand():
    loss, by_score, by_positive = adversarial(
        np.array([[-2.0, 1.0]], np.float32), np.array([0.5], np.float32), np.array([[False, False]]), 1.0, 1.0
    )
    share = np.exp([-2.0, 1.0]) / np.exp([-2.0, 1.0]).sum()
    wrong = share @ np.log1p(np.exp([-1.0, 2.0]))
    np.testing.assert_allclose(loss, [(np.log1p(np.exp(-1.5)) + wrong) / 2], rtol=1e-6)
    np.testing.assert_allclose(by_score[0], share / (1 + np.exp([1.0, -2.0])) / 2, rtol=1e-6)
    np.testing.assert_allclose(by_positive, [-0.5 / (1 + np.exp(1.5))], rtol=1e-6)


def test_where_all_is_hidden_the_positive_is_left():
    positive, scores = drawn(2), drawn(2, 3)
    loss = adversarial_loss(positive, scores, torch.ones(2, 3, dtype=torch.bool), 1.0, 1.0)
    torch.testing.assert_close(loss, torch.nn.functional.softplus(-1 - positive) / 2)
    loss.sum().backward()
    assert not scores.grad.any() and positive.grad.all()


def test_half_precision_is_that_of_the_scores():
    positive, scores = (x.detach().bfloat16().requires_grad_() for x in (drawn(B), drawn(B, K, seed=1)))
    loss = adversarial_loss(positive, scores, hidden_of(0.3), 1.0, 1.0)
    loss.sum().backward()
    assert loss.dtype == torch.float32 and scores.grad.dtype == positive.grad.dtype == torch.bfloat16
    wanted = plain_loss(positive.float(), scores.float(), hidden_of(0.3), 1.0, 1.0)
    torch.testing.assert_close(loss, wanted, rtol=1e-4, atol=1e-5)


def test_threads_change_no_bit(monkeypatch):
    arrays = [x.detach().numpy() for x in (drawn(200, K), drawn(200, seed=1))]
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        loss, by_score, by_positive = adversarial(*arrays, np.zeros((200, K), bool), 2.0, 1.0)
        found.append(np.concatenate([loss, by_score.ravel(), by_positive]))
    assert np.array_equal(*found)
