"""Losses of cosines and contrasts of noisy views, against naive formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.kernels.perturb import perturbed
from graphtune.models.bprmf import BPRMF
from graphtune.models.contrast import Contrasted, Perturbed, chance_of, info_nce, noisy_layers
from graphtune.models.lightgcn import LightGCN
from graphtune.models.lookup import Cosine
from graphtune.objectives import BPR, CosineContrast, SampledSoftmax
from graphtune.tasks import pretrain
from graphtune.testing import checkerboard, two_cliques

SOURCE, TARGET = [0, 3, 3, 7], [1, 4, 9, 2]
OWN = [[5, 6], [4, 0], [9, 9], [11, 2]]
SHARED = [5, 4, 0]


def scrambled(recipe, graph):
    model = recipe.build(graph)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(0))
    return model


def batch_of(negative, known=None):
    return Batch(torch.tensor(SOURCE), torch.tensor(TARGET), torch.tensor(negative), known=known)


@pytest.mark.parametrize("negative", [OWN, SHARED])
def test_cosine_contrast(negative):
    model = scrambled(BPRMF(dim=3, loss="ccl"), two_cliques())
    z = model.encoder.weight.detach().double().numpy()
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    found = CosineContrast(0.2, 3.0)(model, batch_of(negative)).values.detach().numpy()
    for i, (u, v) in enumerate(zip(SOURCE, TARGET)):
        noise = [n for n in (negative if negative is SHARED else negative[i]) if n != v]
        wrong = [max(0.0, z[u] @ z[n] - 0.2) for n in noise]
        naive = 1 - z[u] @ z[v] + 3.0 * (sum(wrong) / max(len(wrong), 1))
        assert found[i] == pytest.approx(naive, rel=1e-5)


def test_known_positives_cost_nothing_in_the_contrast():
    model = scrambled(BPRMF(dim=3), two_cliques())
    known = torch.tensor([[True, False], [False, False], [True, True], [False, True]])
    z = torch.nn.functional.normalize(model.encoder.weight.detach(), dim=-1).double().numpy()
    found = CosineContrast(0.0, 1.0)(model, batch_of(OWN, known)).values.detach().numpy()
    expected = 1 - z[0] @ z[1] + max(0.0, z[0] @ z[6])
    assert found[0] == pytest.approx(expected, rel=1e-5)
    assert found[2] == pytest.approx(1 - z[3] @ z[9], rel=1e-5)


def test_softmax_of_cosines_over_a_temperature():
    model = scrambled(BPRMF(dim=3, loss="softmax", temperature=0.2), two_cliques())
    z = torch.nn.functional.normalize(model.encoder.weight.detach(), dim=-1).double().numpy()
    found = SampledSoftmax()(model, batch_of(SHARED)).values.detach().numpy()
    for i, (u, v) in enumerate(zip(SOURCE, TARGET)):
        scores = np.array([z[u] @ z[w] for w in [v, *(n for n in SHARED if n != v)]]) / 0.2
        assert found[i] == pytest.approx(-math.log(math.exp(scores[0]) / np.exp(scores).sum()), rel=1e-4)
    assert isinstance(model.scorer, Cosine)
    pair = model.frozen().pairs(np.array([0]), np.array([1]))
    assert pair[0] == pytest.approx(z[0] @ z[1] / 0.2, rel=1e-5)


@given(st.integers(1, 40), st.integers(1, 9), st.floats(0, 2, width=32), st.integers(0, 2**70))
@settings(max_examples=30, deadline=None)
def test_noise_has_its_length_and_the_signs_of_the_row(rows, dim, length, seed):
    x = np.random.default_rng(rows).normal(size=(rows, dim)).astype(np.float32)
    found = perturbed(x, length, seed)
    np.testing.assert_array_equal(found, perturbed(x, length, seed))
    np.testing.assert_allclose(np.linalg.norm(found - x, axis=1), length, rtol=1e-3, atol=1e-5)
    assert ((found - x) * np.sign(x) >= -1e-6).all()


def test_noise_is_that_of_the_slow_generator_and_uniform():
    def mixed(x):
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    x = np.ones((3, 5), dtype=np.float32)
    for i, row in enumerate(perturbed(x, 0.5, 9)):
        state = mixed((mixed(9) + i) % 2**64)
        drawn = np.array([(mixed((state + j) % 2**64) >> 40) / 2**24 for j in range(5)])
        np.testing.assert_allclose(row, 1 + 0.5 * drawn / np.linalg.norm(drawn), rtol=1e-6)
    long = perturbed(np.ones((1, 100_000), np.float32), 1.0, 3)[0] - 1
    long = long / long.max()
    assert abs(long.mean() - 0.5) < 0.01 and abs(np.mean(long**2) - 1 / 3) < 0.01
    one, other = (perturbed(np.ones((1, 1000), np.float32), 1.0, seed)[0] for seed in (3, 4))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_noise_passes_the_gradient():
    x = torch.ones(4, 3, requires_grad=True)
    (Perturbed.apply(x, 0.1, 0) * torch.arange(3.0)).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.tile(np.arange(3.0, dtype=np.float32), (4, 1)))


def test_info_nce():
    z, other = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))
    nodes = [1, 4, 5]
    unit = [x.double().numpy() / np.linalg.norm(x.double().numpy(), axis=1, keepdims=True) for x in (z, other)]
    naive = np.mean(
        [
            -math.log(
                math.exp(unit[0][a] @ unit[1][a] / 0.3) / sum(math.exp(unit[0][a] @ unit[1][b] / 0.3) for b in nodes)
            )
            for a in nodes
        ]
    )
    assert info_nce(z, other, torch.tensor(nodes), 0.3).item() == pytest.approx(naive, rel=1e-5)


def test_contrasted_adds_both_sides_to_the_loss_of_noisy_embeddings():
    model = scrambled(LightGCN(dim=4, layers=2), checkerboard())
    model.train()
    batch = Batch(torch.tensor([0, 1, 1]), torch.tensor([18, 17, 19]), torch.tensor([[17], [18], [18]]))
    found = Contrasted(BPR(), 0.5, 0.2, 0.1)(model, batch).values.detach().numpy()
    layers = noisy_layers(model.encoder, 0.1, chance_of(batch))
    plain = noisy_layers(model.encoder, 0.0, 0)
    np.testing.assert_allclose(sum(plain).detach() / 3, model.encoder(None).detach(), rtol=1e-5, atol=1e-6)
    z = (sum(layers) / 3).detach()
    contrast = sum(info_nce(z, layers[1].detach(), torch.tensor(n), 0.2).item() for n in ([0, 1], [17, 18, 19]))
    for i, (u, v, (n,)) in enumerate(zip(batch.source, batch.target, batch.negative)):
        margin = float(z[u] @ z[v] - z[u] @ z[n])
        assert found[i] == pytest.approx(np.logaddexp(0, -margin) + 0.5 * contrast, rel=1e-4)


@pytest.mark.parametrize(
    "recipe",
    [
        LightGCN(dim=8, layers=2, contrast=0.1),
        LightGCN(dim=8, layers=2, loss="full-softmax", temperature=0.3, contrast=0.1),
        LightGCN(dim=8, layers=2, loss="ccl", negatives=8, margin=0.2),
    ],
)
def test_a_run_is_the_same_each_time(recipe):
    config = TrainConfig(epochs=3, batch_size=32, lr=0.02, patience=0)
    one, other = (pretrain(recipe, checkerboard(), config).model.encode() for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_lengths_are_not_penalised_where_cosines_are_scored():
    assert BPRMF(loss="softmax").training().l2 == 1e-3 and LightGCN().training().l2 == 1e-4
    for recipe in (BPRMF(temperature=0.2), BPRMF(loss="ccl"), LightGCN(temperature=0.2), LightGCN(loss="ccl")):
        assert recipe.training().l2 == 0


def test_options_that_do_not_fit_are_refused():
    for options in ({"temperature": 0.0}, {"loss": "hinge"}, {"margin": 2.0}, {"negative_weight": -1.0}):
        with pytest.raises(ArgumentError):
            BPRMF(**options)
    with pytest.raises(ArgumentError, match="layers"):
        LightGCN(layers=0, contrast=0.1)
    with pytest.raises(ArgumentError, match="contrast_temperature"):
        LightGCN(contrast_temperature=0.0)
