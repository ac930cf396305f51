"""Smoothed labels: every loss that knows classes, against cross-entropy with the targets written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models import BPRMF, GCN, LINE, ComplEx
from graphtune.objectives import Classify, EdgeProximity
from graphtune.sampling import EdgeSampler
from graphtune.split import split_edges, split_nodes, split_triples
from graphtune.tasks import LinkPrediction, NodeClassification, Recommendation, TripleCompletion, finetune
from graphtune.testing import checkerboard, equal, inverse_relations, two_cliques
from graphtune.train.fit import Run

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=4, batch_size=16, lr=0.05, patience=0, deterministic=True)


def loss_of(task, model, config):
    training = task.training(model, config)
    batch = next(iter(training.sampler.batches(0)))
    return training.objective(model, batch).values, batch


def test_links_are_binary_cross_entropy_with_smooth_targets():
    graph = two_cliques()
    task = LinkPrediction(split_edges(graph, (3, 1, 1)), loss="logistic", negatives=4, label_smoothing=0.2)
    model = BPRMF(dim=4).build(task.split.train)
    values, batch = loss_of(task, model, SHORT)
    z = model.encoder.weight
    right = (z[batch.source] * z[batch.target]).sum(-1)
    wrong = z[batch.source] @ z[batch.negative].T
    loss = F.binary_cross_entropy_with_logits
    noise = loss(wrong, torch.full_like(wrong, 0.1), reduction="none")
    noise = noise * (batch.negative[None] != batch.target[:, None])
    wanted = loss(right, torch.full_like(right, 0.9), reduction="none") + noise.sum(-1)
    torch.testing.assert_close(values, wanted)


def test_smoothed_links_take_no_kernel():
    model = LINE(dim=4, order="first").build(two_cliques())
    assert EdgeProximity().can_update(model) and not EdgeProximity(label_smoothing=0.1).can_update(model)


def test_triples_are_smoothed_cross_entropy():
    split = split_triples(inverse_relations(), (8, 1, 1))
    task = TripleCompletion(split, loss="one-vs-all", label_smoothing=0.3)
    model = ComplEx(dim=4).build(task.split.train)
    values, batch = loss_of(task, model, SHORT)
    z = model.encoder.weight
    scores = model.scorer.cross(model.scorer.query(z[batch.source], batch.relation), z)
    own = -scores.log_softmax(-1)
    wanted = 0.7 * own.gather(1, batch.target[:, None])[:, 0] + 0.3 * own.mean(-1)
    torch.testing.assert_close(values, wanted)


def test_items_are_smoothed_cross_entropy():
    split = split_edges(checkerboard(), (8, 1, 1))
    task = Recommendation(split, loss="full-softmax", label_smoothing=0.3)
    model = BPRMF(dim=4).build(split.train)
    values, batch = loss_of(task, model, SHORT)
    z = model.encoder.weight
    own = -(z[batch.source] @ z[16:].T).log_softmax(-1)
    wanted = 0.7 * own.gather(1, batch.target[:, None] - 16)[:, 0] + 0.3 * own.mean(-1)
    torch.testing.assert_close(values, wanted)


def test_several_classes_are_drawn_towards_a_half():
    model = BPRMF(dim=8).build(two_cliques())
    batch = Batch(torch.arange(3), label=torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))
    model.heads["t"] = torch.nn.Linear(8, 2)
    values = Classify("t", 0.2)(model, batch).values
    logits = model.heads["t"](model.encoder.weight[:3])
    wanted = F.binary_cross_entropy_with_logits(logits, batch.label * 0.8 + 0.1, reduction="none").sum(-1)
    torch.testing.assert_close(values, wanted)


def test_smoothing_reaches_the_steps():
    graph = two_cliques().replace(labels=np.repeat([0, 1], 6), label_names=("a", "b"))
    task = NodeClassification(split_nodes(graph, (4, 1, 1)), dropout=0.0)
    start = GCN(dim=4, hidden=6, dropout=0.0).build(graph)
    plain, smooth = (finetune(start, replace(task, label_smoothing=s), SHORT, QUIET).model for s in (0.0, 0.3))
    assert not equal(plain, smooth)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: LinkPrediction(split_edges(two_cliques(), (3, 1, 1)), label_smoothing=s),
        lambda s: LinkPrediction(split_edges(two_cliques(), (3, 1, 1)), loss="bpr", label_smoothing=s),
        lambda s: Recommendation(split_edges(checkerboard(), (8, 1, 1)), label_smoothing=s),
        lambda s: TripleCompletion(
            split_triples(inverse_relations(), (8, 1, 1)), loss="self-adversarial", label_smoothing=s
        ),
    ],
)
def test_losses_without_classes_refuse_smoothing(make):
    make(0.0)
    with pytest.raises(ArgumentError, match=r"`label_smoothing` of \w+ must be 0 unless loss="):
        make(0.1)
    with pytest.raises(ArgumentError, match=r"`label_smoothing` of \w+ must be"):
        make(1.0)


def test_without_smoothing_the_loss_is_the_old_one():
    model = BPRMF(dim=4).build(two_cliques())
    sampler = EdgeSampler(two_cliques(), 8, LINE(dim=4).pretraining(two_cliques(), SHORT)[0].negatives)
    batch = next(iter(sampler.batches(0)))
    z = model.encoder.weight
    noise = batch.own_negative()
    wrong = F.softplus((z[batch.source][:, None] * z[noise]).sum(-1)) * (noise != batch.target[:, None])
    right = F.softplus(-(z[batch.source] * z[batch.target]).sum(-1))
    torch.testing.assert_close(EdgeProximity()(model, batch).values, right + wrong.sum(-1))
