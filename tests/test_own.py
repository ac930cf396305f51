"""Scores with keys of their own: kernels against plain torch on gathered rows."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.kernels.own import EUCLID, MODULUS, PRODUCT, TAXICAB, Own
from graphtune.models import ComplEx, RotatE, TransE
from graphtune.models.own import scores_by_kernel
from graphtune.models.scorer import Scorer
from graphtune.objectives import SelfAdversarial
from graphtune.testing import inverse_relations

B, K, U, Q = 70, 9, 13, 22


def modulus(x, y):
    real, imaginary = (x - y).chunk(2, -1)
    return torch.sqrt(real.square() + imaginary.square()).sum(-1)


PLAIN = {
    PRODUCT: lambda x, y: (x * y).sum(-1),
    TAXICAB: lambda x, y: (x - y).abs().sum(-1),
    EUCLID: lambda x, y: torch.linalg.vector_norm(x - y, dim=-1),
    MODULUS: modulus,
}


def nodes_of(seed=0):
    return np.random.default_rng(seed).integers(0, U, (B, K)) * 7 % 50


def rows(n, seed):
    return torch.randn(n, Q, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def test_own_keys_stand_where_they_say():
    nodes = nodes_of()
    own = Own.of(nodes)
    assert np.array_equal(own.nodes, np.unique(nodes)) and np.array_equal(own.nodes[own.place], nodes)
    for u, node in enumerate(own.nodes):
        assert np.array_equal(np.sort(own.order[own.starts[u] : own.starts[u + 1]]), np.flatnonzero(nodes == node))


@pytest.mark.parametrize("kind", PLAIN)
def test_kernels_are_plain_torch_on_gathered_rows(kind):
    own = Own.of(nodes_of())
    query, key = rows(B, 1), rows(len(own.nodes), 2)
    weight = torch.randn(B, K, generator=torch.Generator().manual_seed(3))
    found = scores_by_kernel(kind, query, key, own)
    doubles = [x.detach().double().requires_grad_() for x in (query, key)]
    wanted = PLAIN[kind](doubles[0][:, None], F.embedding(torch.from_numpy(own.place), doubles[1]))
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)
    gradients = torch.autograd.grad((found * weight).sum(), (query, key))
    for one, other in zip(gradients, torch.autograd.grad((wanted * weight.double()).sum(), doubles)):
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_query_that_is_its_key_has_a_finite_gradient(kind):
    query = torch.ones(1, 4, requires_grad=True)
    scores_by_kernel(kind, query, torch.ones(1, 4), Own.of(np.zeros((1, 2), np.int64))).sum().backward()
    assert query.grad.isfinite().all() and (kind == PRODUCT or not query.grad.any())


@pytest.mark.parametrize("recipe", [ComplEx(dim=4), TransE(dim=4), TransE(dim=4, norm=2), RotatE(dim=4)], ids=str)
def test_scorers_know_their_own_kind(recipe):
    """The kernel of a scorer is what its `pair` says, and an objective on own negatives that on gathered ones."""
    model = recipe.build(inverse_relations(), seed=3)
    for parameter in model.parameters():
        parameter.data.normal_(generator=torch.Generator().manual_seed(0))
    nodes = torch.tensor([[1, 7, 2], [2, 2, 9]])
    batch = Batch(torch.tensor([0, 16]), torch.tensor([15, 4]), nodes, torch.tensor([1, 0]))
    results = []
    for own in (type(model.scorer).own, lambda self, q, k, o: self.pair(q[:, None], F.embedding(place(o), k))):
        model.scorer.own = own.__get__(model.scorer)
        model.zero_grad()
        loss = SelfAdversarial(2.0, 0.5)(model, batch).values
        loss.sum().backward()
        results.append([loss.detach(), *(p.grad.clone() for p in model.parameters())])
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def place(own):
    return torch.from_numpy(own.place)


class Squashed(Scorer):
    def pair(self, query, key):
        return torch.tanh((query * key).sum(-1))


def test_a_scorer_that_no_kernel_knows_goes_by_its_pair():
    own = Own.of(nodes_of())
    query, key = rows(B, 1), rows(len(own.nodes), 2)
    wanted = torch.tanh((query[:, None] * F.embedding(place(own), key)).sum(-1))
    torch.testing.assert_close(Squashed().own(query, key, own), wanted)


def test_threads_change_no_bit(monkeypatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        own = Own.of(np.random.default_rng(0).integers(0, 100, (200, K)))
        query, key = rows(200, 1), rows(len(own.nodes), 2)
        scores_by_kernel(MODULUS, query, key, own).square().sum().backward()
        found.append(torch.cat([query.grad, key.grad]))
    assert torch.equal(*found)
