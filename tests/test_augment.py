"""Batches that are changed before the step: similar nodes in place of others, and mixup, against numbers by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from graphtune.batch import Batch, WalkBatch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models import BPRMF, GCN, LINE, ComplEx, DeepWalk, LightGCN
from graphtune.models.heads import HeadSpec
from graphtune.objectives import Classify, Regress
from graphtune.sampling import NodeSampler
from graphtune.split import split_nodes
from graphtune.tasks import NodeClassification
from graphtune.testing import checkerboard, equal, inverse_relations, two_cliques
from graphtune.train.augment import Augmented, augment, mix, swap_similar
from graphtune.train.fit import Run, fit
from graphtune.train.steps import FusedStep, make_step
from test_resume import check_resuming, distance_from_three, train, training_of

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=6, batch_size=32, lr=0.05, patience=0, deterministic=True)
NEAREST = np.array([[1, 2], [0, -1], [-1, -1], [4, 5], [3, 5], [3, 4]])


# ---- similar nodes in place of others ------------------------------------------------------------------------


def many(count=20000):
    rng = np.random.default_rng(0)
    return Batch(*torch.from_numpy(rng.integers(0, [[3], [6]], (2, count))), negative=torch.arange(6))


def test_one_node_of_an_example_is_swapped_for_a_similar_one():
    batch = many()
    new = swap_similar(batch, NEAREST, 0.4, 1.0, np.random.default_rng(1))
    source, target = new.source != batch.source, new.target != batch.target
    assert not (source & target).any()
    assert torch.equal(new.negative, batch.negative) and new.weight is None
    for before, after in ((batch.source, new.source), (batch.target, new.target)):
        changed = (before != after).float()
        for node in range(6):
            near = NEAREST[node][NEAREST[node] >= 0]
            mine = before == node
            if mine.any():
                assert changed[mine].mean().item() == pytest.approx(0.2 if len(near) else 0.0, abs=0.02)
                for other in near:
                    share = (after[mine] == other).float().mean().item()
                    assert share == pytest.approx(0.2 / len(near), abs=0.02)


def test_swapped_examples_have_a_weight():
    batch = replace(many(), weight=torch.full((20000,), 2.0))
    ring = (np.arange(6)[:, None] + [1, 2]) % 6
    new = swap_similar(batch, ring, 0.4, 0.25, np.random.default_rng(1))
    changed = (new.source != batch.source) | (new.target != batch.target)
    assert changed.float().mean().item() == pytest.approx(0.4, abs=0.02)
    torch.testing.assert_close(new.weight, torch.where(changed, 0.5, 2.0))
    alone = swap_similar(Batch(batch.source), NEAREST, 0.4, 0.25, np.random.default_rng(1))
    assert alone.target is None and torch.equal(alone.weight, torch.where(alone.source == batch.source, 1.0, 0.25))


def test_nodes_of_walks_are_swapped():
    rng = np.random.default_rng(0)
    walks = rng.integers(-1, 6, (500, 20)).astype(np.int32)
    batch = WalkBatch(walks, np.ones((500, 10), np.int32), np.zeros((500, 10, 2, 2), np.int32))
    new = swap_similar(batch, NEAREST, 0.3, 1.0, np.random.default_rng(1))
    assert new.walks.dtype == np.int32 and new.reach is batch.reach
    assert (new.walks[walks == -1] == -1).all() and (new.walks[walks == 2] == 2).all()
    changed = new.walks != walks
    assert changed[walks > 2].mean() == pytest.approx(0.3, abs=0.02)
    assert all(after in NEAREST[before] for before, after in zip(walks[changed], new.walks[changed]))
    with pytest.raises(ArgumentError, match="`swap_weight` of TrainConfig must be 1 for walks"):
        swap_similar(batch, NEAREST, 0.3, 0.5, np.random.default_rng(1))


def test_swapped_nodes_are_of_the_same_kind_and_alike():
    model = LightGCN(dim=64).build(checkerboard())
    config = replace(SHORT, swap=0.5, swap_nearest=2)
    training = training_of(model.recipe, model.graph, config)
    sampler = augment(training.sampler, training.objective, model, config)
    z = F.normalize(model.embeddings(), dim=-1)
    cosine = (z @ z.T).fill_diagonal_(-1)
    changed = 0
    for old, new in zip(training.sampler.batches(0), sampler.batches(0)):
        assert (new.source < 16).all() and (new.target >= 16).all()
        which = old.source != new.source
        u, v = old.source[which], new.source[which]
        assert (cosine[u, v] >= cosine[u, :16].topk(2).values[:, 1]).all()
        changed += int(which.sum() + (old.target != new.target).sum())
    assert changed == pytest.approx(0.5 * 112, abs=25)


def same(a, b):
    return all(torch.equal(x, y) if torch.is_tensor(x) else x is y for x, y in zip(vars(a).values(), vars(b).values()))


def test_a_changed_batch_is_of_seed_epoch_and_number_alone():
    nodes = np.arange(40)
    sampler = NodeSampler(nodes, nodes % 3, 8)
    nearest = np.roll(nodes, 1)[:, None]
    config = TrainConfig(swap=0.5, mixup=0.3)
    one = Augmented(sampler, config, nearest)
    assert one.num_batches == sampler.num_batches == 5
    whole = list(one.batches(2))
    for first in range(5):
        assert all(same(a, b) for a, b in zip(one.batches(2, first), whole[first:], strict=True))
    assert not same(next(one.batches(1)), whole[0])
    other = Augmented(sampler, replace(config, seed=1), nearest)
    assert not torch.equal(next(other.batches(2)).mix_share, whole[0].mix_share)


def test_without_the_options_the_sampler_is_itself():
    model = BPRMF(dim=4).build(checkerboard())
    training = training_of(model.recipe, model.graph, SHORT)
    assert augment(training.sampler, training.objective, model, SHORT) is training.sampler


@pytest.mark.parametrize("case", ["deepwalk", "line", "bprmf", "complex", "lightgcn"])
def test_resuming_with_swaps_is_bit_identical(tmp_path, case):
    sgd = replace(SHORT, optimizer="sgd", swap=0.4, swap_nearest=3)
    walks = DeepWalk(dim=4, walks_per_node=4, walk_length=6, window=2, negatives=2)
    recipe, graph, config = {
        "deepwalk": (walks, two_cliques(), replace(sgd, batch_size=8)),
        "line": (LINE(dim=4, order="first"), two_cliques(), replace(sgd, batch_size=8)),
        "bprmf": (BPRMF(dim=4), checkerboard(), replace(SHORT, swap=0.4, swap_weight=0.5)),
        "complex": (ComplEx(dim=4, loss="one-vs-all"), inverse_relations(), replace(SHORT, swap=0.4, batch_size=8)),
        "lightgcn": (LightGCN(dim=4), checkerboard(), replace(SHORT, swap=0.4)),
    }[case]
    training = training_of(recipe, graph, config, validate=distance_from_three, monitor="score")
    fused = isinstance(make_step(recipe.build(graph), training.objective, config), FusedStep)
    assert fused == (case in ("deepwalk", "line"))

    def begin(run, wrap):
        return fit(recipe.build(graph), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    assert not equal(whole.model, train(replace(config, swap=0.0), QUIET, recipe, graph).model)
    within = check_resuming(tmp_path, whole, begin, 4 * training.sampler.num_batches + 2, save_steps=1)
    assert (within["epoch"], within["batch"]) == (4, 1)


# ---- mixup ---------------------------------------------------------------------------------------------------


def head_model(outputs):
    model = GCN(dim=4, hidden=6, dropout=0.0).build(two_cliques(features=True)).train()
    model.add_head("task", HeadSpec(4, outputs))
    return model


def test_examples_are_mixed_with_others_of_the_batch():
    batch = Batch(torch.arange(4000), label=torch.arange(4000) * 10, weight=torch.arange(4000.0))
    new = mix(batch, 0.4, np.random.default_rng(0))
    assert torch.equal(new.mix_source.sort().values, batch.source) and torch.equal(new.mix_label, new.mix_source * 10)
    assert torch.equal(new.source, batch.source) and torch.equal(new.label, batch.label)
    share = new.mix_share.double()
    assert share.mean().item() == pytest.approx(0.5, abs=0.02)
    assert share.var().item() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.05), "the variance of Beta(a, a)"
    torch.testing.assert_close(new.weight.double(), share * batch.source + (1 - share) * new.mix_source)
    for part, at in zip(new.split(3), (0, 1334, 2668)):
        assert torch.equal(part.mix_share, new.mix_share[at : at + len(part)])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classes_are_mixed_as_soft_labels(smoothing):
    model = head_model(3)
    batch = mix(Batch(torch.tensor([0, 4, 7, 9]), label=torch.tensor([0, 1, 2, 1])), 1.0, np.random.default_rng(0))
    z, share = model.encoder(None), batch.mix_share[:, None]
    soft = share * F.one_hot(batch.label, 3) + (1 - share) * F.one_hot(batch.mix_label, 3)
    rows = share * z[batch.source] + (1 - share) * z[batch.mix_source]
    wanted = F.cross_entropy(model.heads["task"](rows), soft, reduction="none", label_smoothing=smoothing)
    losses = Classify("task", smoothing)(model, batch)
    torch.testing.assert_close(losses.values, wanted)
    torch.testing.assert_close(losses.factors[0], rows)


def test_several_classes_and_values_are_mixed():
    model = head_model(3)
    label = torch.tensor([[1.0, 0, 1], [0, 0, 1], [1, 1, 0]])
    batch = mix(Batch(torch.tensor([0, 4, 7]), label=label), 1.0, np.random.default_rng(0))
    z, share = model.encoder(None), batch.mix_share[:, None]
    rows = share * z[batch.source] + (1 - share) * z[batch.mix_source]
    mixed = share * label + (1 - share) * batch.mix_label
    wanted = F.binary_cross_entropy_with_logits(model.heads["task"](rows), mixed, reduction="none").sum(1)
    torch.testing.assert_close(Classify("task")(model, batch).values, wanted)
    model = head_model(1)
    batch = replace(batch, label=label[:, 0] * 3, mix_label=batch.mix_label[:, 0] * 3)
    z = model.encoder(None)
    value = model.heads["task"](share * z[batch.source] + (1 - share) * z[batch.mix_source])[:, 0]
    torch.testing.assert_close(Regress("task")(model, batch).values, (value - 3 * mixed[:, 0]).square())


def test_mixup_is_for_heads_only():
    with pytest.raises(ArgumentError, match="`mixup` of TrainConfig must be 0 for BPR: only labels or values"):
        train(replace(SHORT, mixup=0.5))


@pytest.mark.parametrize("options", [{"mixup": 0.5}, {"mixup": 0.5, "swap": 0.3, "swap_weight": 0.5}])
def test_resuming_with_mixup_is_bit_identical(tmp_path, options):
    graph = two_cliques(features=True).replace(labels=np.repeat([0, 1], 6))
    split = split_nodes(graph, (0.6, 0.2, 0.2))
    config = replace(SHORT, batch_size=3, **options)
    recipe = GCN(dim=4, hidden=6)
    model = recipe.build(graph)
    training = NodeClassification(split).training(model, config)
    training = replace(training, validate=distance_from_three, monitor="score")
    batches = training.sampler.num_batches
    assert batches > 1

    def begin(run, wrap):
        return fit(model.copy(), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    plain = fit(model.copy(), training, replace(config, mixup=0.0, swap=0.0), QUIET)
    assert not equal(whole.model, plain.model)
    check_resuming(tmp_path, whole, begin, 4 * batches + 2, save_steps=1)


@pytest.mark.parametrize("options", [{"swap": 1.5}, {"swap_nearest": 0}, {"swap_weight": -1}, {"mixup": -0.5}])
def test_bad_options_are_refused(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` of TrainConfig must be"):
        TrainConfig(**options)
