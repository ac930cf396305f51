"""Every objective against hand numbers or a naive line, and its fused step against autograd."""

import math

import numpy as np
import pytest
import torch

from graphtune.batch import Batch, WalkBatch
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.bprmf import BPRMF
from graphtune.models.complex import ComplEx
from graphtune.models.deepwalk import DeepWalk
from graphtune.models.distmult import DistMult
from graphtune.models.gnn import GCN
from graphtune.models.heads import HeadSpec
from graphtune.models.line import LINE, BothOrders
from graphtune.models.transe import TransE
from graphtune.objectives import (
    BPR,
    Classify,
    EdgeProximity,
    OneVsAll,
    Regress,
    SampledSoftmax,
    SelfAdversarial,
    SkipGram,
)
from graphtune.testing import checkerboard, inverse_relations, two_cliques
from graphtune.train.schedule import Clock
from graphtune.train.steps import FUSED, AutogradStep, FusedStep, make_step


def scrambled(model, seed=0):
    """The model with all weights drawn anew: a start of zeros would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model


def batch_of(source, target, negative, relation=None):
    as_tensor = (None if x is None else torch.tensor(x) for x in (source, target, negative, relation))
    return Batch(*as_tensor)


def softplus(x):
    return np.logaddexp(0, x)


PAIRS = ([0, 3, 3, 7], [1, 4, 9, 2])
OWN = [[5, 6], [4, 0], [9, 9], [11, 2]]  # with the true target among its own negatives
SHARED = [5, 4, 0]


@pytest.fixture
def dot():
    """A model of products, with its embeddings."""
    model = scrambled(BPRMF(dim=3).build(two_cliques()))
    return model, model.embeddings().double().numpy()


@pytest.fixture
def triples():
    """TransE, so that the naive score is short, with its embeddings and relations."""
    model = scrambled(TransE(dim=4).build(inverse_relations()))
    z, relation = model.embeddings().double().numpy(), model.scorer.relation.detach().double().numpy()
    return model, lambda h, r, t: -abs(z[h] + relation[r] - z[t]).sum()


def values(objective, model, batch):
    found = objective(model, batch).values
    assert found.shape == (len(batch),)
    return found.detach().numpy()


# ---- against a naive line -----------------------------------------------------------------------------------


def test_skip_gram():
    model = scrambled(DeepWalk(dim=3).build(two_cliques()))
    z, c = model.embeddings().double().numpy(), model.scorer.weight.detach().double().numpy()
    batch = WalkBatch(
        walks=np.array([[2, 5, 2]], dtype=np.int32),
        reach=np.array([[1, 2]], dtype=np.int32),
        negative=np.array([[[[5, 2], [0, 0]], [[7, 7], [0, 0]]]], dtype=np.int32),
    )
    found, factors, _ = SkipGram()(model, batch)
    naive = [  # (node, centre, noise without the centre)
        softplus(-z[x] @ c[centre]) + sum(softplus(z[x] @ c[n]) for n in noise)
        for x, centre, noise in [(5, 2, [5]), (2, 5, [2]), (2, 5, [2]), (2, 2, [7, 7]), (5, 2, [7, 7])]
    ]
    np.testing.assert_allclose(found.detach().numpy(), naive, rtol=1e-5)
    np.testing.assert_allclose(factors[0].detach().numpy(), z[[5, 2, 2, 2, 5]], rtol=1e-6)
    np.testing.assert_allclose(factors[1].detach().numpy(), c[[2, 5, 5, 2, 2]], rtol=1e-6)


@pytest.mark.parametrize("order", ["first", "second"])
def test_edge_proximity(order):
    model = scrambled(LINE(dim=3, order=order).build(two_cliques()))
    z = model.embeddings().double().numpy()
    c = z if order == "first" else model.scorer.weight.detach().double().numpy()
    naive = [
        softplus(-z[u] @ c[v]) + sum(softplus(z[u] @ c[n]) for n in noise if n != v) for u, v, noise in zip(*PAIRS, OWN)
    ]
    np.testing.assert_allclose(values(EdgeProximity(), model, batch_of(*PAIRS, OWN)), naive, rtol=1e-5)


def test_edge_proximity_seen_in_inference_mode_can_be_learned_from_later(dot):
    model, batch = dot[0], batch_of(*PAIRS, [[5, 6, 7, 8, 9, 10, 11]] * 4)  # as many negatives as no other test has
    with torch.inference_mode():
        seen = values(EdgeProximity(), model, batch)
    learned = EdgeProximity()(model, batch).values
    learned.sum().backward()
    np.testing.assert_array_equal(learned.detach().numpy(), seen)
    assert model.encoder.weight.grad.count_nonzero()


def test_both_orders_is_the_sum_of_two():
    model = scrambled(LINE(dim=6, order="both").build(two_cliques()))
    first = model.encoder.first.weight.detach().double().numpy()
    second = model.encoder.second.weight.detach().double().numpy()
    context = model.scorer.context.weight.detach().double().numpy()
    naive = [
        sum(
            softplus(-z[u] @ c[v]) + sum(softplus(z[u] @ c[n]) for n in noise if n != v)
            for z, c in ((first, first), (second, context))
        )
        for u, v, noise in zip(*PAIRS, OWN)
    ]
    np.testing.assert_allclose(values(BothOrders(), model, batch_of(*PAIRS, OWN)), naive, rtol=1e-5)


def test_bpr(dot):
    model, z = dot
    naive = [np.mean([softplus(z[u] @ z[n] - z[u] @ z[v]) for n in noise]) for u, v, noise in zip(*PAIRS, OWN)]
    np.testing.assert_allclose(values(BPR(), model, batch_of(*PAIRS, OWN)), naive, rtol=1e-5)


@pytest.mark.parametrize("temperature, normalize", [(1.0, False), (0.2, True)])
def test_sampled_softmax(dot, temperature, normalize):
    model, z = dot
    if normalize:
        z = z / np.linalg.norm(z, axis=1, keepdims=True)

    def one(u, v, noise):
        scores = np.array([z[u] @ z[w] for w in [v] + [n for n in noise if n != v]]) / temperature
        return -math.log(math.exp(scores[0]) / np.exp(scores).sum())

    naive = [one(u, v, noise) for u, v, noise in zip(*PAIRS, OWN)]
    found = values(SampledSoftmax(temperature, normalize), model, batch_of(*PAIRS, OWN))
    np.testing.assert_allclose(found, naive, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_one_vs_all(triples, smoothing):
    model, score = triples
    batch = batch_of([0, 16, 3], [15, 4, 17], None, [1, 0, 3])

    def one(h, r, t):
        scores = np.array([score(h, r, x) for x in range(18)])
        logs = scores - np.log(np.exp(scores).sum())
        return -(1 - smoothing) * logs[t] - smoothing * logs.mean()

    naive = [one(*triple) for triple in [(0, 1, 15), (16, 0, 4), (3, 3, 17)]]
    np.testing.assert_allclose(values(OneVsAll(smoothing), model, batch), naive, rtol=1e-4)


def test_one_vs_all_over_items():
    model = scrambled(BPRMF(dim=3).build(checkerboard()))
    z = model.embeddings().double().numpy()
    scores = z[[2, 5]] @ z[16:].T
    naive = [np.log(np.exp(row).sum()) - row[t] for row, t in zip(scores, [4, 1])]
    found = values(OneVsAll(first=16, last=32), model, batch_of([2, 5], [20, 17], None))
    np.testing.assert_allclose(found, naive, rtol=1e-5)


@pytest.mark.parametrize("margin, temperature", [(9.0, 1.0), (2.0, 0.0), (0.0, 0.5)])
def test_self_adversarial(triples, margin, temperature):
    model, score = triples
    heads, relations, tails, noise = [0, 16, 3], [1, 0, 3], [15, 4, 17], [[1, 2], [5, 0], [7, 9]]

    def one(h, r, t, noise):
        wrong = np.array([score(h, r, n) for n in noise])
        share = np.exp(temperature * wrong) / np.exp(temperature * wrong).sum()
        return (softplus(-(margin + score(h, r, t))) + (share * softplus(margin + wrong)).sum()) / 2

    naive = [one(*row) for row in zip(heads, relations, tails, noise)]
    found = values(SelfAdversarial(margin, temperature), model, batch_of(heads, tails, noise, relations))
    np.testing.assert_allclose(found, naive, rtol=1e-4)


def test_self_adversarial_shares_have_no_gradient(triples):
    """With the shares taken as given, d loss / d wrong score k is share_k * s(margin + score_k) / 2."""
    model, score = triples
    objective, batch = SelfAdversarial(2.0, 1.0), batch_of([0], [15], [[1, 2]], [1])
    (by_relation,) = torch.autograd.grad(objective(model, batch).values.sum(), model.scorer.relation)
    z, r = model.embeddings().double().numpy(), model.scorer.relation.detach().double().numpy()[1]
    wrong = np.array([score(0, 1, n) for n in (1, 2)])
    share = np.exp(wrong) / np.exp(wrong).sum()
    by_score = [-1 / (1 + np.exp(2 + score(0, 1, 15))), *(share / (1 + np.exp(-2 - wrong)))]
    naive = sum(g / 2 * -np.sign(z[0] + r - z[t]) for g, t in zip(by_score, (15, 1, 2)))
    np.testing.assert_allclose(by_relation[1].numpy(), naive, rtol=1e-3, atol=1e-5)


def test_classify_one_class(dot):
    model, z = dot
    model.add_head("task", HeadSpec(3, 4))
    weight, bias = (p.detach().double().numpy() for p in model.heads["task"].layers[0].parameters())
    batch = Batch(source=torch.tensor([1, 8]), label=torch.tensor([3, 0]))
    logits = z[[1, 8]] @ weight.T + bias
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(values(Classify("task"), model, batch), [-logs[0, 3], -logs[1, 0]], rtol=1e-5)
    smooth = [-0.8 * logs[i, t] - 0.2 * logs[i].mean() for i, t in enumerate([3, 0])]
    np.testing.assert_allclose(values(Classify("task", 0.2), model, batch), smooth, rtol=1e-5)


def test_classify_several_classes(dot):
    model, z = dot
    model.add_head("task", HeadSpec(3, 3))
    weight, bias = (p.detach().double().numpy() for p in model.heads["task"].layers[0].parameters())
    label = np.array([[1, 0, 1], [0, 0, 0]])
    batch = Batch(source=torch.tensor([1, 8]), label=torch.tensor(label, dtype=torch.float32))
    chance = 1 / (1 + np.exp(-(z[[1, 8]] @ weight.T + bias)))
    naive = -(label * np.log(chance) + (1 - label) * np.log(1 - chance)).sum(1)
    np.testing.assert_allclose(values(Classify("task"), model, batch), naive, rtol=1e-5)


def test_regress(dot):
    model, z = dot
    model.add_head("task", HeadSpec(3, 1))
    head = model.heads["task"].layers[0]
    predicted = z[[1, 8, 4]] @ head.weight.detach().double().numpy()[0] + head.bias.item()
    label = predicted + np.array([0.5, -3.0, 1.0])  # errors of 0.5, 3 and 1
    batch = Batch(source=torch.tensor([1, 8, 4]), label=torch.tensor(label, dtype=torch.float32))
    np.testing.assert_allclose(values(Regress("task"), model, batch), [0.25, 9.0, 1.0], rtol=1e-4)
    huber = [0.5 * 0.25, 1.0 * (3.0 - 0.5), 0.5]  # delta = 1
    np.testing.assert_allclose(values(Regress("task", huber=1.0), model, batch), huber, rtol=1e-4)


# ---- shared negatives ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", [BPR(), SampledSoftmax(), SampledSoftmax(0.5, True), EdgeProximity()])
def test_shared_negatives_equal_own_ones(dot, objective):
    model, _ = dot
    shared = values(objective, model, batch_of(*PAIRS, SHARED))
    own = values(objective, model, batch_of(*PAIRS, [SHARED] * 4))
    np.testing.assert_allclose(shared, own, rtol=1e-5)


def test_shared_negatives_equal_own_ones_for_triples(triples):
    model, _ = triples
    sides = ([0, 16, 3], [15, 4, 17])
    shared = values(SelfAdversarial(), model, batch_of(*sides, SHARED, [1, 0, 3]))
    own = values(SelfAdversarial(), model, batch_of(*sides, [SHARED] * 3, [1, 0, 3]))
    np.testing.assert_allclose(shared, own, rtol=1e-4)


# ---- factors ------------------------------------------------------------------------------------------------


def test_factors_of_pairs_are_the_rows_used(dot):
    model, z = dot
    factors = BPR()(model, batch_of(*PAIRS, OWN)).factors
    assert [f.shape for f in factors] == [(4, 3), (4, 3)]
    np.testing.assert_allclose(factors[0].detach().numpy(), z[PAIRS[0]], rtol=1e-6)
    np.testing.assert_allclose(factors[1].detach().numpy(), z[PAIRS[1]], rtol=1e-6)


def test_factors_of_triples_are_source_key_and_relation():
    model = scrambled(DistMult(dim=4).build(inverse_relations()))
    z, relation = model.embeddings(), model.scorer.relation.detach()
    factors = OneVsAll()(model, batch_of([0, 16], [15, 4], None, [1, 0])).factors
    for found, rows in zip(factors, (z[[0, 16]], z[[15, 4]], relation[[1, 0]]), strict=True):
        torch.testing.assert_close(found.detach(), rows)


def test_factors_of_complex_rows_are_moduli():
    model = scrambled(ComplEx(dim=4).build(inverse_relations()))
    z = model.embeddings().numpy()
    factors = OneVsAll()(model, batch_of([0], [15], None, [1])).factors
    np.testing.assert_allclose(factors[0].detach().numpy(), abs(z[[0], :2] + 1j * z[[0], 2:]), rtol=1e-5)
    assert len(factors) == 3


# ---- fused steps --------------------------------------------------------------------------------------------


GRAPH = Graph(np.array([[0, 1, 2], [3, 4, 5]]), NodeIds.range(12), directed=True)
PLAIN = TrainConfig(optimizer="sgd", lr=1e-4, device="cpu")


@pytest.mark.parametrize(
    "recipe, objective",
    [
        (DeepWalk(dim=4), SkipGram()),
        (LINE(dim=4, order="first"), EdgeProximity()),
        (LINE(dim=4, order="second"), EdgeProximity()),
        (LINE(dim=4, order="both"), BothOrders()),
    ],
)
def test_fused_step_equals_autograd(recipe, objective):
    """At a tiny rate one fused pass is one plain step of -lr times the gradient of the summed loss."""
    model = scrambled(recipe.build(GRAPH))
    twin = model.copy()
    if isinstance(objective, SkipGram):
        walks = np.arange(12, dtype=np.int32).reshape(2, 6)
        noise = np.random.default_rng(0).integers(0, 12, (2, 3, 2, 2)).astype(np.int32)
        batch = WalkBatch(walks, np.full((2, 3), 2, np.int32), noise)
    else:
        batch = batch_of([0, 1, 2, 2], [3, 4, 5, 1], [[6, 7], [8, 9], [10, 11], [1, 6]])
    fused = make_step(model, objective, PLAIN)
    assert isinstance(fused, FusedStep)
    loss = fused(batch, Clock())
    losses = objective(twin, batch).values
    losses.sum().backward()
    if not isinstance(objective, SkipGram):  # of so few the loss is measured on the first
        assert loss == pytest.approx(losses[0].item(), rel=1e-3)
    for (name, new), old in zip(model.named_parameters(), twin.parameters()):
        if old.grad is None:
            assert name == "scorer.log_scale" and torch.equal(new, old)
            continue
        torch.testing.assert_close((old - new).detach() / PLAIN.lr, old.grad, atol=0.05, rtol=0.01)
        assert old.grad.abs().max() > 0.5, "the tolerance must be small beside the gradient"


@pytest.mark.parametrize(
    "recipe, objective, options",
    [
        (LINE(dim=4, order="first"), EdgeProximity(), {"optimizer": "adamw"}),
        (LINE(dim=4, order="first"), EdgeProximity(), {"l2": 0.1}),
        (LINE(dim=4, order="first"), EdgeProximity(), {"clip_norm": 1.0}),
        (LINE(dim=4, order="first"), EdgeProximity(), {"lr_table": 0.01}),
        (LINE(dim=4, order="first"), EdgeProximity(), {"weight_decay_table": 0.01}),
        (LINE(dim=4, order="first"), EdgeProximity(), {"precision": "bf16"}),
        (LINE(dim=4, order="first"), EdgeProximity(), {"row_dropout": 0.1}),
        (LINE(dim=4, order="first"), EdgeProximity(label_smoothing=0.1), {}),
        (LINE(dim=4, order="first"), SkipGram(), {}),
        (LINE(dim=4, order="both"), EdgeProximity(), {}),
        (GCN(dim=4), EdgeProximity(), {}),
        (BPRMF(dim=4), BPR(), {"l1": 0.1}),
    ],
)
def test_what_the_kernels_do_not_know_takes_autograd(recipe, objective, options):
    config = TrainConfig(**{"optimizer": "sgd", "device": "cpu", **options})
    assert isinstance(make_step(recipe.build(GRAPH), objective, config), AutogradStep)


def test_an_option_takes_autograd_unless_the_kernels_are_known_to_obey_it():
    assert set(TrainConfig.names()) >= FUSED
    left = set(TrainConfig.names()) - FUSED
    which = {"freeze", "unfreeze", "layer_decay", "lr_table", "lora_rank", "adapter"}
    penalties = {"weight_decay_table", "l1", "l2", "n3", "l2_sp"}
    clips, others = {"clip_norm", "clip_value", "clip_rows"}, {"curriculum", "row_dropout", "accumulate", "precision"}
    views = {"edge_dropout", "node_dropout", "feature_dropout", "edge_add", "subgraph"}
    batches = {"mixup", "swap_weight"}
    assert left == {*which, *penalties, *views, *batches, *clips, *others}
