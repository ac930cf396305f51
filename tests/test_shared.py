"""Several tasks on one encoder: how their batches are mixed, what they may not tell one another, and the runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graphs import planted
from graphtune.batch import Batch, MixedBatch
from graphtune.check import ArgumentError, LeakError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import GCN, ComplEx, DeepWalk, LightGCN
from graphtune.objectives import Several
from graphtune.sampling import MixedSampler, NodeSampler
from graphtune.split import (
    TEST,
    TRAIN,
    VALID,
    given_split,
    split_edges,
    split_inductive,
    split_interactions,
    split_nodes,
    split_triples,
)
from graphtune.split.together import audit_together
from graphtune.store import Record, open_directory, save
from graphtune.tasks import (
    CommunityDetection,
    LinkPrediction,
    NodeClassification,
    NodeRegression,
    Recommendation,
    Shared,
    TripleCompletion,
    finetune,
)
from graphtune.testing import equal
from graphtune.train.fit import Run
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep, make_step

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=4, batch_size=40, lr=0.02, patience=0, deterministic=True)
GRAPH = planted(groups=3, size=20)
EDGES = split_edges(GRAPH, seed=0)
NODES = split_nodes(EDGES.train, seed=0)
VALUES = split_nodes(EDGES.train.replace(labels=None, targets=np.repeat([1.0, 5.0, 9.0], 20)), seed=0)
LINKS, CLASSES, NUMBERS = LinkPrediction(EDGES, negatives=16), NodeClassification(NODES), NodeRegression(VALUES)


# ---- batches ------------------------------------------------------------------------------------------------


def nodes_of(first, count, batch_size, seed=0):
    """A sampler of `count` nodes from number `first` on."""
    rows = np.arange(first, first + count)
    return NodeSampler(rows, rows.astype(np.float64), batch_size, seed=seed)


LONG, MIDDLE, LITTLE = nodes_of(0, 70, 10), nodes_of(100, 30, 10), nodes_of(200, 12, 10)  # 7, 3 and 2 batches
RULES = {
    "together": MixedSampler((LONG, MIDDLE, LITTLE)),
    "in-turn": MixedSampler((LONG, MIDDLE, LITTLE), "in-turn"),
    "by-size": MixedSampler((LONG, MIDDLE, LITTLE), "by-size", seed=4),
    "evenly": MixedSampler((LONG, MIDDLE, LITTLE), "by-size", temperature=1e9),
    "by shares": MixedSampler((LONG, MIDDLE, LITTLE), "by-size", shares=(1, 1, 4)),
}


def told(batch):
    """What a mixed batch holds, as plain numbers."""
    return [None if part is None else part.source.tolist() for part in batch.parts]


@pytest.mark.parametrize("rule", RULES)
def test_an_epoch_can_begin_at_any_batch(rule):
    sampler = RULES[rule]
    for epoch in (0, 1, 5):
        whole = [told(batch) for batch in sampler.batches(epoch)]
        assert len(whole) == sampler.num_batches
        for first in range(len(whole) + 1):
            assert [told(batch) for batch in sampler.batches(epoch, first)] == whole[first:]
    assert [told(b) for b in sampler.batches(0)] != [told(b) for b in sampler.batches(1)]


@pytest.mark.parametrize("rule", RULES)
def test_each_task_goes_through_its_own_epochs(rule):
    """Whatever the rule, a task's batches one after the other are those of its sampler, epoch after epoch."""
    sampler = RULES[rule]
    steps = [told(batch) for epoch in range(6) for batch in sampler.batches(epoch)]
    for number, own in enumerate(sampler.samplers):
        got = [step[number] for step in steps if step[number] is not None]
        expected = [batch.source.tolist() for epoch in range(len(got)) for batch in own.batches(epoch)]
        assert got == expected[: len(got)]
        assert len(got) > own.num_batches


def test_together_has_all_tasks_in_each_step():
    assert RULES["together"].num_batches == 7
    assert RULES["together"].present(3).all()


def test_in_turn_goes_round():
    assert RULES["in-turn"].num_batches == 21
    np.testing.assert_array_equal(RULES["in-turn"].present(2).argmax(axis=1), [0, 1, 2] * 7)


def test_by_size_deals_steps_by_share():
    for rule, counts in (("by-size", [7, 3, 2]), ("evenly", [4, 4, 4]), ("by shares", [2, 2, 8])):
        present = RULES[rule].present(0)
        assert (present.sum(axis=1) == 1).all()
        np.testing.assert_array_equal(present.sum(axis=0), counts)
        assert (present != RULES[rule].present(1)).any(), "another order in each epoch"
    rare = MixedSampler((LONG, LITTLE), "by-size", shares=(1e6, 1.0))
    np.testing.assert_array_equal(rare.present(0).sum(axis=0), [9, 1])
    warm = MixedSampler((LONG, MIDDLE, LITTLE), "by-size", temperature=2.0)
    share = np.sqrt([7, 3, 2]) / np.sqrt([7, 3, 2]).sum() * 12
    assert (abs(warm.present(0).sum(axis=0) - share) < 1).all()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"mix": "at once"}, "mix"),
        ({"temperature": 2.0}, "temperature"),
        ({"shares": (1.0, 1.0)}, "shares"),
        ({"mix": "by-size", "shares": (1.0,)}, "shares"),
        ({"mix": "by-size", "shares": (1.0, -1.0)}, "shares"),
        ({"mix": "by-size", "shares": (1.0, 1.0), "temperature": 2.0}, "temperature"),
        ({"samplers": ()}, "samplers"),
        ({"samplers": (LONG, nodes_of(0, 0, 10))}, "samplers"),
    ],
)
def test_mixes_that_make_no_sense_are_refused(changes, word):
    with pytest.raises(ArgumentError, match=f"`{word}` of MixedSampler"):
        MixedSampler(**{"samplers": (LONG, LITTLE), **changes})


def test_a_mixed_batch_is_split_moved_and_counted():
    edges = Batch(torch.arange(10), torch.arange(10), torch.arange(3))
    batch = MixedBatch((edges, None, Batch(torch.arange(3))))
    assert len(batch) == 13
    parts = batch.split(3)
    assert [told(part) for part in parts] == [
        [[0, 1, 2, 3], None, [0, 1]],
        [[4, 5, 6, 7], None, [2]],
        [[8, 9], None, None],
    ]
    assert batch.to(torch.device("meta")).parts[0].negative.device.type == "meta"


# ---- what is refused ----------------------------------------------------------------------------------------


def test_tasks_are_two_or_more_single_ones_on_the_same_nodes():
    other = NodeClassification(split_nodes(planted(groups=2, size=20), seed=0))
    twice = NodeClassification(split_nodes(EDGES.train, seed=5))
    for tasks in ((LINKS,), (), (CLASSES, twice), (LINKS, CommunityDetection(GRAPH)), (LINKS, other)):
        with pytest.raises(ArgumentError, match="`tasks` of Shared"):
            Shared(tasks)
    with pytest.raises(ArgumentError, match="`tasks` of Shared"):
        Shared((LINKS, Shared((CLASSES, NUMBERS))))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"balance": "gradnorm"}, "balance"),
        ({"weights": (1.0,)}, "weights"),
        ({"weights": (1.0, 0.0)}, "weights"),
        ({"weights": (1.0, 2.0), "balance": "uncertainty"}, "weights"),
        ({"balance_lr": 0.1}, "balance_lr"),
        ({"balance": "pcgrad", "mix": "in-turn"}, "mix"),
        ({"mix": "at once"}, "mix"),
        ({"watch": "auc"}, "watch"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, word):
    with pytest.raises(ArgumentError, match=f"`{word}` of Shared"):
        Shared((LINKS, CLASSES), **options)


def test_what_one_task_hides_no_other_may_show():
    """Another split of the same edges shows some that the first hides, be it to train on or to choose weights by."""
    other = split_edges(GRAPH, seed=1)
    with pytest.raises(LeakError, match="link-prediction and recommendation must have each edge in the same part"):
        Shared((LINKS, Recommendation(other)))
    late = given_split(GRAPH, np.where(EDGES.part == VALID, TEST, np.where(EDGES.part == TEST, VALID, TRAIN)), "edge")
    with pytest.raises(LeakError, match="valid of link-prediction and test of recommendation"):
        Shared((LINKS, Recommendation(late)))
    Shared((LINKS, Recommendation(EDGES)))
    Shared((LINKS, Recommendation(replace(EDGES))))


def test_edges_are_the_same_whichever_way_round_and_in_whatever_order():
    turned = Graph(GRAPH.edges[::-1, ::-1], GRAPH.ids)
    audit_together({"a": EDGES, "b": given_split(turned, EDGES.part[::-1], "edge")})
    part = EDGES.part[::-1].copy()
    part[np.flatnonzero(part == TRAIN)[0]] = TEST
    with pytest.raises(LeakError, match="Got 1 edges"):
        audit_together({"a": EDGES, "b": given_split(turned, part, "edge")})


def test_hidden_nodes_of_an_inductive_split_are_not_trained_on():
    inductive = split_inductive(GRAPH, seed=0)
    with pytest.raises(LeakError, match=r"train of link-prediction and (valid|test) of node-classification"):
        Shared((LINKS, NodeClassification(inductive)))
    with pytest.raises(LeakError, match="train of link-prediction"):
        Shared((NodeClassification(inductive), LINKS))


def test_a_model_that_has_seen_hidden_edges_is_refused():
    task = Shared((CLASSES, LINKS))
    seen = GCN(dim=4, hidden=4).build(GRAPH)
    for use in (lambda: finetune(seen, task, SHORT, QUIET), lambda: task.evaluate(seen)):
        with pytest.raises(LeakError, match="train part only"):
            use()


def test_triples_and_links_of_one_graph_are_held_together():
    ids = NodeIds.range(12)
    edges = np.stack(np.triu_indices(12, 1))
    triples = Graph(edges, ids, directed=True, relation=np.arange(66) % 2, relation_ids=NodeIds.of(["a", "b"]))
    of_triples = split_triples(triples, seed=0)
    links = given_split(Graph(edges, ids), of_triples.part, "edge")
    audit_together({"triples": of_triples, "links": links})
    with pytest.raises(LeakError):
        audit_together({"triples": of_triples, "links": split_edges(links.graph, seed=3)})


# ---- runs ---------------------------------------------------------------------------------------------------


def test_a_step_has_the_weighted_losses_of_its_tasks():
    """The engine's loss is that of each objective with its own weights and penalties; heads learn each from theirs."""
    model = GCN(dim=8, hidden=8, dropout=0.0).build(EDGES.train)
    task = Shared((LINKS, NodeClassification(NODES, dropout=0.0)), weights=(0.5, 2.0))
    config = replace(SHORT, l2=0.1)
    training = task.training(model, config)
    assert isinstance(training.objective, Several)
    step = make_step(model, training.objective, config)
    assert isinstance(step, AutogradStep)
    batch = next(iter(training.sampler.batches(0)))
    steps = [AutogradStep(model, objective, config) for objective in training.objective.objectives]
    each = [one.loss(part, Clock()) for one, part in zip(steps, batch.parts)]
    assert step.loss(batch, Clock()).item() == pytest.approx(0.5 * each[0].item() + 2.0 * each[1].item())
    alone = [t.training(model, config) for t in task.tasks]
    for own, part in zip(alone, batch.parts):
        assert next(iter(own.sampler.batches(0))).source.tolist() == part.source.tolist()


@pytest.mark.parametrize("balance", ["fixed", "uncertainty", "pcgrad"])
def test_a_step_in_parts_is_that_on_the_whole(balance):
    """Though the tasks' batches have other sizes, and so are split unevenly."""
    model = GCN(dim=8, hidden=8, dropout=0.0).build(EDGES.train)
    task = Shared((LINKS, NodeClassification(NODES, dropout=0.0)), balance=balance)
    config = replace(SHORT, optimizer="sgd", lr=1.0, l2=0.1)
    training = task.training(model, config)
    batch, twin = next(iter(training.sampler.batches(0))), model.copy()
    whole, parts = (
        make_step(m, training.objective, replace(config, accumulate=k))(batch, Clock(total=9))
        for m, k in ((model, 1), (twin, 3))
    )
    assert parts == pytest.approx(whole, abs=1e-5)
    for own, other in zip(model.parameters(), twin.parameters()):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("balance", ["fixed", "uncertainty", "pcgrad"])
def test_three_tasks_on_one_encoder_all_learn(balance):
    graph = planted(groups=3, size=60, inside=0.2, outside=0.02)
    edges = split_edges(graph, seed=0)
    nodes = split_nodes(edges.train, (3, 2, 5), seed=0)
    values = given_split(edges.train.replace(targets=np.repeat([1.0, 5.0, 9.0], 60)), nodes.part, "node")
    links = LinkPrediction(edges, negatives=16)
    task = Shared((links, NodeClassification(nodes), NodeRegression(values)), balance=balance)
    model = GCN(dim=16, hidden=16).build(edges.train)
    tuned = finetune(model, task, replace(SHORT, epochs=12, batch_size=256, weight_decay=0.1), QUIET)
    assert set(tuned.model.heads) == {"node-classification", "node-regression"}
    assert not model.heads, "left as it was"
    row = tuned.history[-1]
    three = row["link-prediction/auc"], row["node-classification/f1_micro"], row["node-regression/r2"]
    assert row["mean"] == pytest.approx(np.mean(three))
    found = task.evaluate(tuned.model)
    assert found["link-prediction/auc"] > 0.7
    assert found["node-classification/accuracy"] > 0.8
    assert found["node-regression/r2"] > 0.4
    assert found.part == "test"
    assert found.counts["node-classification/nodes"] == 90
    assert found["link-prediction/auc"] == links.evaluate(tuned.model)["auc"]
    best = max(tuned.history, key=lambda row: (row["mean"], row["epoch"]))
    assert tuned.best_epoch == best["epoch"]


def test_what_validation_goes_by():
    task = Shared((LINKS, CLASSES), watch="node-classification")
    assert task.monitor == "node-classification/f1_micro"
    assert Shared((LINKS, CLASSES)).monitor == "mean"
    assert task.name == "link-prediction,node-classification"


def test_the_first_task_leads():
    config, links, classes = Shared((LINKS, CLASSES)).defaults(), LINKS.defaults(), CLASSES.defaults()
    assert config == replace(links, epochs=classes.epochs, patience=classes.patience)


@pytest.mark.parametrize("mix", ["in-turn", "by-size"])
def test_steps_of_one_task_leave_the_heads_of_others_alone(mix):
    model = GCN(dim=8, hidden=8).build(EDGES.train)
    training = Shared((LINKS, CLASSES), mix=mix, balance="uncertainty").training(model, SHORT)
    step = make_step(model, training.objective, replace(SHORT, weight_decay=0.5))
    head = model.heads["node-classification"]
    for batch in training.sampler.batches(0):
        before = [p.detach().clone() for p in head.parameters()]
        step(batch, Clock())
        same = all(torch.equal(a, b) for a, b in zip(before, head.parameters()))
        assert same == (batch.parts[1] is None)


def test_recommendation_with_regression_and_triples_with_classes():
    """Events and triples share a model with tasks on their nodes as links do."""
    rng = np.random.default_rng(0)
    user, item = np.divmod(np.arange(20 * 16), 16)
    took = (user % 2 == item % 2) & (rng.random(len(user)) < 0.7)
    ids = NodeIds.of([f"u{i}" for i in range(20)], [f"i{i}" for i in range(16)], kinds=("user", "item"))
    events = Graph(np.stack([user[took], 20 + item[took]]), ids, directed=True, targets=np.arange(36) % 2 * 1.0)
    split = split_interactions(events, seed=0)
    task = Shared((Recommendation(split, k=5, negatives=8), NodeRegression(split_nodes(split.train, seed=0))))
    tuned = finetune(LightGCN(dim=8).build(split.train), task, replace(SHORT, epochs=30, lr=0.05), QUIET)
    assert tuned.history[-1]["node-regression/r2"] > 0.3
    assert tuned.history[-1]["recommendation/ndcg_5"] > 0.55  # of embeddings by chance .25
    person = np.arange(40)
    knows = Graph(
        np.stack([person, (person + 4) % 40]),
        NodeIds.range(40),
        directed=True,
        relation=np.zeros(40, np.int64),
        relation_ids=NodeIds.of(["knows"]),
        labels=person % 2,
    )
    of_triples = split_triples(knows, seed=0)
    task = Shared((TripleCompletion(of_triples), NodeClassification(split_nodes(of_triples.train, seed=0))))
    tuned = finetune(ComplEx(dim=8).build(of_triples.train), task, replace(SHORT, epochs=5, lr=0.1), QUIET)
    assert {"triple-completion/mrr", "node-classification/f1_micro", "mean"} <= set(tuned.history[-1])


# ---- bit for bit --------------------------------------------------------------------------------------------

CASES = {
    "fixed, together": {"weights": (0.5, 2.0)},
    "uncertainty, together": {"balance": "uncertainty", "balance_lr": 0.1},
    "uncertainty, by size": {"balance": "uncertainty", "mix": "by-size", "temperature": 2.0},
    "pcgrad": {"balance": "pcgrad"},
    "fixed, in turn": {"mix": "in-turn"},
}


class Breaking:
    """A sampler that breaks a run off before some step."""

    def __init__(self, sampler, step):
        self.sampler, self.num_batches, self.step = sampler, sampler.num_batches, step

    def batches(self, epoch, first=0):
        for number, batch in enumerate(self.sampler.batches(epoch, first), first):
            if epoch * self.num_batches + number == self.step:
                raise KeyboardInterrupt
            yield batch


class Broken(Shared):
    """Tasks whose run breaks off."""

    def training(self, model, config):
        training = super().training(model, config)
        return replace(training, sampler=Breaking(training.sampler, 7))


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_is_broken_off_ends_with_the_same_bits(case, tmp_path):
    tasks = LINKS, CLASSES
    model = GCN(dim=8, hidden=8).build(EDGES.train)
    config = replace(SHORT, epochs=3, batch_size=64, clip_norm=1.0, weight_decay=0.1, average="ema")
    whole = finetune(model, Shared(tasks, **CASES[case]), config, QUIET)
    assert whole.history[-1]["step"] > 9
    again = finetune(model, Shared(tasks, **CASES[case]), config, QUIET)
    assert equal(whole.model, again.model), "the same bits each time"
    with pytest.raises(KeyboardInterrupt):
        finetune(model, Broken(tasks, **CASES[case]), config, Run(tmp_path, quiet=True, save_steps=1))
    torch.rand(5)
    resumed = finetune(model, Shared(tasks, **CASES[case]), config, Run(tmp_path, resume=True, quiet=True))
    assert equal(whole.model, resumed.model)
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_tables_are_shared_too():
    """A lookup model, whose fused kernels are left aside."""
    model = DeepWalk(dim=8, walks_per_node=2).build(EDGES.train)
    tuned = finetune(model, Shared((LINKS, CLASSES)), replace(SHORT, optimizer="sgd", lr=0.5), QUIET)
    assert tuned.history[-1]["loss"] < tuned.history[0]["loss"]


def test_splits_of_nodes_are_saved_beside_that_of_edges(tmp_path):
    labelled = replace(EDGES, graph=GRAPH.replace(targets=np.repeat([1.0, 5.0, 9.0], 20)))
    of_nodes = {"node-classification": NODES, "node-regression": VALUES}
    model = GCN(dim=4, hidden=4).build(EDGES.train)
    save(tmp_path / "model", model, Record(labelled, node_splits=of_nodes))
    stored = open_directory(tmp_path / "model")
    assert equal(stored.model, model)
    np.testing.assert_array_equal(stored.record.split.part, EDGES.part)
    for name, split in stored.record.node_splits.items():
        np.testing.assert_array_equal(split.part, of_nodes[name].part)
        assert split.graph is stored.model.graph, "none of them holds a hidden edge"
        assert (split.kind, split.seed, split.ratios) == ("nodes", 0, of_nodes[name].ratios)
    np.testing.assert_array_equal(stored.record.node_splits["node-classification"].graph.labels, GRAPH.labels)
    with pytest.raises(ArgumentError, match="node_splits"):
        Record(EDGES, node_splits={"link-prediction": EDGES})
