"""Softmax losses with gradients formed by hand, against torch's own in float64."""

import pytest
import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.models import BPRMF, ComplEx, TransE
from graphtune.models.lookup import Dot
from graphtune.objectives import OneVsAll, SampledSoftmax, entropy
from graphtune.objectives.entropy import can_form, full_entropy, sampled_entropy
from graphtune.testing import checkerboard, inverse_relations

B, N, Q = 21, 83, 7  # no multiples of vectors or blocks


def drawn(*shape, scale=1.0, seed=0):
    return (scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).requires_grad_()


def targets(high=N):
    return torch.randint(0, high, (B,), generator=torch.Generator().manual_seed(5))


def held_together(ours, reference, *leaves, rtol=1e-4, atol=1e-5):
    """The same losses and the same gradients of their sum by weights."""
    weight = torch.linspace(-1, 2, B)
    found = ours(*leaves)
    gradients = torch.autograd.grad((found * weight).sum(), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = reference(*doubles)
    expected_gradients = torch.autograd.grad((expected * weight.double()).sum(), doubles)
    torch.testing.assert_close(found.double(), expected, rtol=rtol, atol=atol)
    for one, other in zip(gradients, expected_gradients):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=rtol, atol=atol * other.abs().max().item())


@pytest.mark.parametrize("most", [1 << 26, 5 * N], ids=["whole", "in blocks"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("scale", [0.1, 3.0, 12.0])
def test_full_entropy_is_torchs_cross_entropy(scale, smoothing, most, monkeypatch):
    monkeypatch.setattr(entropy, "MOST", most)
    target = targets()
    held_together(
        lambda q, k: full_entropy(q, k, target, smoothing),
        lambda q, k: F.cross_entropy(q @ k.T, target, reduction="none", label_smoothing=smoothing),
        drawn(B, Q, scale=scale),
        drawn(N, Q, seed=1),
    )


@pytest.mark.parametrize("scale", [0.1, 3.0, 12.0])
def test_sampled_entropy_is_a_masked_logsumexp(scale):
    target, negative = targets(30), torch.arange(25).repeat(2)

    def reference(query, noise, positive):
        wrong = (query @ noise.T).masked_fill(negative == target[:, None], -torch.inf)
        return torch.logaddexp(positive, wrong.logsumexp(1)) - positive

    assert (target < 25).any() and (target >= 25).any()
    held_together(
        lambda q, n, p: sampled_entropy(q, n, p, negative, target),
        reference,
        drawn(B, Q, scale=scale),
        drawn(len(negative), Q, seed=1),
        drawn(B, scale=scale, seed=2),
    )


def test_noise_that_is_all_the_target_leaves_no_loss():
    query, noise, positive = drawn(2, Q), drawn(3, Q), drawn(2)
    loss = sampled_entropy(query, noise, positive, torch.tensor([4, 4, 4]), torch.tensor([4, 4]))
    assert loss.tolist() == [0, 0]
    loss.sum().backward()
    assert not (query.grad.any() or noise.grad.any() or positive.grad.any())


@pytest.mark.parametrize("most", [1 << 26, 5 * N], ids=["whole", "in blocks"])
def test_bf16(most, monkeypatch):
    monkeypatch.setattr(entropy, "MOST", most)
    target, negative = targets(), torch.arange(N)
    query, key, positive = drawn(B, Q), drawn(N, Q, seed=1), drawn(B, seed=2)

    def ours(q, k, p):
        with torch.autocast("cpu", torch.bfloat16):
            return full_entropy(q, k, target, 0.1) + sampled_entropy(q, k, p, negative, target)

    def reference(q, k, p):
        wrong = (q @ k.T).masked_fill(negative == target[:, None], -torch.inf)
        share = torch.logaddexp(p, wrong.logsumexp(1)) - p
        return F.cross_entropy(q @ k.T, target, reduction="none", label_smoothing=0.1) + share

    held_together(ours, reference, query, key, positive, rtol=0.05, atol=0.05)


def test_threads_change_no_bit(monkeypatch):
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        query, key = drawn(B, Q), drawn(N, Q, seed=1)
        full_entropy(query, key, targets(), 0.1).sum().backward()
        results.append(torch.cat([query.grad, key.grad]))
    assert torch.equal(*results)


def test_targets_beyond_the_keys_are_refused():
    for wrong in (-1, N):
        with pytest.raises(IndexError, match=f"from 0 to {N - 1}"):
            full_entropy(drawn(1, Q), drawn(N, Q), torch.tensor([wrong]), 0.0)


class Squashed(Dot):
    def cross(self, query, key):
        return torch.tanh(query @ key.T)


def test_who_takes_them():
    query, key = drawn(B, Q), drawn(N, Q)
    dot = BPRMF(dim=4).build(checkerboard()).scorer
    product = ComplEx(dim=4).build(inverse_relations()).scorer
    distance = TransE(dim=4).build(inverse_relations()).scorer
    assert can_form(dot, query, key) and can_form(product, query, key)
    assert not can_form(distance, query, key) and not can_form(Squashed(), query, key)
    assert not can_form(dot, query.double(), key.double()) and not can_form(dot, query, drawn(B, 3, Q))


@pytest.mark.parametrize("objective", [OneVsAll(0.1), SampledSoftmax(0.5), SampledSoftmax(0.5, normalize=True)])
@pytest.mark.parametrize("recipe, options", [(ComplEx, {}), (TransE, {})], ids=["product", "distance"])
def test_objectives_agree_with_plain_torch(recipe, options, objective, monkeypatch):
    model = recipe(dim=6, **options).build(inverse_relations(), seed=3)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(generator=generator)
    batch = Batch(torch.tensor([0, 3, 5]), torch.tensor([1, 4, 2]), torch.tensor([2, 4, 6, 7]), torch.tensor([0, 1, 0]))
    results = []
    for known in (True, False):
        if not known:
            monkeypatch.setattr("graphtune.objectives.softmax.can_form", lambda *given: False)
        model.zero_grad()
        values = objective(model, batch).values
        values.mean().backward()
        results.append([values.detach(), *(p.grad.clone() for p in model.parameters())])
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
