"""Negatives that are no positives, that stand for all nodes, and that are hard."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.cli.settings import parse_settings, settable
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.negatives import known_targets
from graphtune.models import BPRMF, GCN, LINE, ComplEx, TransE
from graphtune.objectives import BPR, EdgeProximity, Hardest, SampledSoftmax, SelfAdversarial
from graphtune.sampling import EdgeSampler, Negatives
from graphtune.sampling.known import Known
from graphtune.split import split_edges, split_triples
from graphtune.tasks import LinkPrediction, Recommendation, TripleCompletion, finetune
from graphtune.testing import checkerboard, equal, inverse_relations, two_cliques
from graphtune.train.fit import Run

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=3, batch_size=16, lr=0.05, patience=0, deterministic=True)
NOISES = ["uniform", "degree", "in-batch"]


def first(sampler):
    return next(iter(sampler.batches(0)))


def scrambled(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model


# ---- known positives ----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    rows=st.integers(1, 9),
    targets=st.integers(1, 30),
    kind=st.sampled_from(["own", "shared", "pairs"]),
)
def test_known_targets_are_those_of_a_naive_loop(seed, rows, targets, kind):
    rng = np.random.default_rng(seed)
    table = rng.random((rows, 12)) < rng.random()
    indptr, indices = np.append(0, table.sum(1).cumsum()), np.nonzero(table)[1].astype(np.int32)
    row, itself = rng.integers(0, rows, 7), rng.integers(-1, 12, 7)
    shape = {"own": (7, targets), "shared": (targets,), "pairs": (4, targets)}[kind]
    target = rng.integers(0, 12, shape)
    own = {"own": target, "shared": np.tile(target, (7, 1)), "pairs": np.repeat(target, 2, axis=0)[:7]}[kind]
    naive = [[bool(table[r, t]) or t == i for t in line] for r, i, line in zip(row, itself, own)]
    assert known_targets(indptr, indices, row, target, itself).tolist() == naive


@pytest.mark.parametrize("directed", [True, False])
def test_known_edges_and_the_source_itself(directed):
    graph = Graph(np.array([[0, 0, 3], [1, 2, 0]]), NodeIds.range(4), directed=directed)
    found = Known.of(graph).mask(np.array([0, 1]), None, np.arange(4))
    assert found.tolist() == [[True, True, True, not directed], [not directed, True, False, False]]


def test_known_triples_are_those_of_the_relation():
    graph = inverse_relations()
    told = set(zip(graph.edges[0].tolist(), graph.relation.tolist(), graph.edges[1].tolist()))
    told |= {(t, r + 2, h) for h, r, t in told}
    batch = first(EdgeSampler(graph, 50, Negatives(40, shared=True, unknown=True), reciprocal=True))
    naive = [
        [(u, r, n) in told for n in batch.negative.tolist()]
        for u, r in zip(*(x.tolist() for x in (batch.source, batch.relation)))
    ]
    assert batch.known.tolist() == naive
    assert batch.known.any() and not batch.known.all()


def test_own_unknown_answers_of_triples():
    graph = inverse_relations()
    known = Known.of(graph)
    batch = first(EdgeSampler(graph, 99, Negatives(30, unknown=True), reciprocal=True))
    assert batch.known is None, "there is nothing to mark"
    assert not known.mask(batch.source.numpy(), batch.relation.numpy(), batch.negative.numpy()).any()
    own = batch.negative == batch.source[:, None]
    assert own.any(), "a triple may have one entity at both ends"


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("shape", [{"shared": True}, {"pairs": True}, {}])
def test_negatives_are_marked_or_unknown(noise, shape):
    graph = checkerboard()
    taken = graph.sparse().toarray() > 0
    batch = first(EdgeSampler(graph, 31, Negatives(12, noise, unknown=True, **shape)))
    nodes = batch.own_negative().expand(31, 12)
    known = torch.from_numpy(taken[batch.source[:, None], nodes])
    if noise == "uniform" and not shape:
        assert batch.known is None and not known.any()
    else:
        assert torch.equal(batch.known, known) and known.any()


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("shape", [{"shared": True}, {"pairs": True}, {}])
def test_batches_with_all_fields_can_be_split(noise, shape):
    how = Negatives(12, noise, unknown=True, log_q=True, **shape)
    sampler = EdgeSampler(checkerboard(), 31, how, weight=np.arange(checkerboard().num_edges))
    model = scrambled(BPRMF(dim=4).build(checkerboard()))
    batch = first(sampler)
    whole = SampledSoftmax()(model, batch).values
    parts = [SampledSoftmax()(model, part).values for part in batch.split(4)]
    torch.testing.assert_close(torch.cat(parts), whole)
    again = next(iter(sampler.batches(0, 2)))
    assert all(
        torch.equal(a, b)
        for a, b in zip(vars(list(sampler.batches(0))[2]).values(), vars(again).values())
        if a is not None
    )


OBJECTIVES = [EdgeProximity(), EdgeProximity(gamma=1.0), BPR(), SampledSoftmax(), SelfAdversarial(2.0, 0.5)]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{type(o).__name__}")
@pytest.mark.parametrize("shared", [True, False])
def test_a_known_negative_is_as_if_it_were_not_there(objective, shared):
    model = scrambled(TransE(dim=4).build(inverse_relations()))
    source, target, relation = torch.tensor([0, 16]), torch.tensor([15, 4]), torch.tensor([1, 0])
    nodes = torch.tensor([1, 7, 2]) if shared else torch.tensor([[1, 7, 2], [1, 7, 2]])
    known = torch.tensor([[False, True, False], [True, False, False]])
    left = torch.tensor([[1, 2], [7, 2]])
    wanted = objective(model, Batch(source, target, left, relation)).values
    found = objective(model, Batch(source, target, nodes, relation, known=known)).values
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{type(o).__name__}")
def test_where_all_is_known_nothing_is_noise(objective):
    model = scrambled(BPRMF(dim=4).build(two_cliques()))
    batch = Batch(
        torch.tensor([0, 3]), torch.tensor([1, 4]), torch.tensor([7, 8]), known=torch.ones(2, 2, dtype=torch.bool)
    )
    objective(model, batch).values.sum().backward()
    gradient = model.encoder.weight.grad
    assert gradient.isfinite().all() and not gradient[[7, 8]].any()


# ---- corruption of triples ---------------------------------------------------------------------------------


def told(graph):
    """The triples read both ways, as a set, and the answers of each relation."""
    triples = set(zip(graph.edges[0].tolist(), graph.relation.tolist(), graph.edges[1].tolist()))
    triples |= {(t, r + graph.num_relations, h) for h, r, t in triples}
    return triples, {q: {t for _, r, t in triples if r == q} for q in range(2 * graph.num_relations)}


def drawn(noise, sharing, graph, **options):
    how = Negatives(40, noise, **options).shared_by(sharing)
    batch = first(EdgeSampler(graph, 50, how, reciprocal=True))
    return batch, batch.own_negative().expand(50, 40)


@pytest.mark.parametrize("sharing", ["batch", "pairs", "own"])
@pytest.mark.parametrize("unknown", [False, True])
def test_type_constrained_negatives_are_answers_of_their_relation(sharing, unknown):
    graph = inverse_relations()
    triples, answers = told(graph)
    batch, nodes = drawn("type-constrained", sharing, graph, unknown=unknown)
    seen = {q: set() for q in answers}
    for b, (u, r) in enumerate(zip(batch.source.tolist(), batch.relation.tolist())):
        for k, n in enumerate(nodes[b].tolist()):
            hidden = batch.known is not None and bool(batch.known[b, k])
            assert hidden == (n not in answers[r] or (unknown and (u, r, n) in triples))
            if not hidden:
                seen[r].add(n)
    assert (batch.known is None) == (sharing == "own" and not unknown)
    if not unknown:
        assert all(len(seen[r]) > 1 for r in set(batch.relation.tolist()))


def test_type_constrained_draws_are_uniform_in_the_range():
    graph = inverse_relations()
    _, answers = told(graph)
    sampler = EdgeSampler(graph, 16, Negatives(200, "type-constrained"), reciprocal=True)
    counts = {q: np.zeros(graph.num_nodes) for q in answers}
    for epoch in range(5):
        for batch in sampler.batches(epoch):
            for r, row in zip(batch.relation.tolist(), batch.negative.numpy()):
                counts[r] += np.bincount(row, minlength=graph.num_nodes)
    for r, count in counts.items():
        share = count[sorted(answers[r])] / count.sum()
        assert share.sum() == 1 and np.allclose(share, 1 / len(share), rtol=0.25)


@pytest.mark.parametrize("noise", ["type-constrained", "bernoulli"])
@pytest.mark.parametrize("sharing", ["batch", "pairs", "own"])
def test_corrupted_batches_depend_on_seed_epoch_and_number_alone(noise, sharing):
    how = Negatives(9, noise, unknown=True).shared_by(sharing)
    sampler = EdgeSampler(inverse_relations(), 7, how, reciprocal=True)
    batches = [list(sampler.batches(epoch)) for epoch in (0, 1)]
    again = next(iter(sampler.batches(1, 2)))
    assert torch.equal(batches[1][2].negative, again.negative) and torch.equal(batches[1][2].source, again.source)
    assert not torch.equal(batches[0][2].negative, again.negative)


def test_bernoulli_is_uniform_noise_and_weights():
    graph = inverse_relations()
    plain, weighed = (first(EdgeSampler(graph, 50, Negatives(9, n), reciprocal=True)) for n in ("uniform", "bernoulli"))
    assert torch.equal(plain.negative, weighed.negative) and plain.weight is None
    triples, _ = told(graph)
    for r, weight in zip(weighed.relation.tolist(), weighed.weight.tolist()):
        own = [(h, t) for h, q, t in triples if q == r % 2]
        tph, hpt = (len(own) / len({pair[side] for pair in own}) for side in (0, 1))
        share = hpt / (tph + hpt) if r < 2 else tph / (tph + hpt)
        assert weight == pytest.approx(2 * share, rel=1e-6)
    assert weighed.weight.min() < 0.5 < 1.5 < weighed.weight.max(), "cities have many residents"


@pytest.mark.parametrize("noise", ["type-constrained", "bernoulli"])
def test_corruption_needs_triples(noise):
    for graph, reciprocal in ((checkerboard(), True), (inverse_relations(), False)):
        with pytest.raises(ArgumentError, match="`negatives` of EdgeSampler"):
            EdgeSampler(graph, 5, Negatives(3, noise), reciprocal=reciprocal)
    with pytest.raises(ArgumentError, match="`noise` of LinkPrediction"):
        LinkPrediction(LINKS, noise=noise)


@pytest.mark.parametrize("noise", ["uniform", "degree", "type-constrained", "bernoulli"])
@pytest.mark.parametrize("sharing", ["batch", "pairs", "own"])
def test_triples_take_every_corruption_and_sharing(noise, sharing):
    task = TripleCompletion(TRIPLES, "self-adversarial", 8, noise=noise, sharing=sharing, temperature=0.5, unknown=True)
    start = TransE(dim=4).build(TRIPLES.train)
    plain = finetune(start, TripleCompletion(TRIPLES, "self-adversarial", 8), SHORT, QUIET).model
    assert not equal(plain, finetune(start, task, SHORT, QUIET).model)


# ---- noise that stands for all ------------------------------------------------------------------------------


def naive_softmax(z, u, v, nodes):
    scores = z[u] @ z[nodes].T
    return float(torch.logsumexp(scores, 0) - z[u] @ z[v])


def test_corrected_in_batch_negatives_by_hand():
    model = scrambled(BPRMF(dim=4).build(checkerboard()))
    z = model.embeddings().double()
    batch = first(EdgeSampler(checkerboard(), 3, Negatives(9, "in-batch", log_q=True)))
    assert torch.equal(batch.negative, batch.target)
    count = np.bincount(checkerboard().edges[1], minlength=32)
    expected = 2 * count / count.sum()  # two others, each such an item by its share of the edges
    np.testing.assert_allclose(batch.log_q, np.log(expected[batch.target]), rtol=1e-6)
    for b, (u, v) in enumerate(zip(batch.source.tolist(), batch.target.tolist())):
        others = [n for n in batch.target.tolist() if n != v]
        total = (z[u] @ z[v]).exp() + sum((z[u] @ z[n]).exp() / expected[n] for n in others)
        found = SampledSoftmax()(model, batch).values[b]
        assert float(found.detach()) == pytest.approx(float(total.log() - z[u] @ z[v]), rel=1e-5)


@pytest.mark.parametrize(
    "how", [Negatives(6, n, shared=s, log_q=True) for n, s in itertools.product(NOISES, (True, False))], ids=str
)
def test_corrected_noise_sums_to_all_other_nodes_on_average(how):
    """exp(loss) is the sum over all nodes, as a share of the target's: an average without bias."""
    rng = np.random.default_rng(0)
    edges = np.stack([rng.integers(0, 10, 400), 10 + (8 * rng.random(400) ** 2).astype(int)])
    edges[1, :8] = 10 + np.arange(8)
    graph = Graph(edges, NodeIds.of(range(10), range(8), kinds=("user", "item")), directed=True)
    model = scrambled(BPRMF(dim=2).build(graph))
    z = model.embeddings()
    items = list(range(10, 18))
    sampled, whole = [], []
    sampler = EdgeSampler(graph, 8, how)
    for epoch in range(60):
        for batch in sampler.batches(epoch):
            with torch.no_grad():
                sampled += (SampledSoftmax()(model, batch).values).exp().tolist()
            whole += [
                np.exp(naive_softmax(z, u, v, items)) for u, v in zip(batch.source.tolist(), batch.target.tolist())
            ]
    ratio = np.array(sampled) / np.array(whole)
    error = 5 * ratio.reshape(-1, 8).mean(1).std() / np.sqrt(len(ratio) / 8)  # draws of a batch are shared
    assert abs(ratio.mean() - 1) < error and error < 0.05
    biased = replace(sampler, negatives=replace(how, log_q=False))
    with torch.no_grad():
        plain = SampledSoftmax()(model, first(biased)).values.exp()
    assert abs(plain.numpy() / np.array(whole[:8]) - 1).mean() > 0.05, "or there is nothing to correct"


def test_log_q_of_weighed_draws():
    graph = checkerboard()
    graph = graph.replace(weight=np.arange(graph.num_edges) + 1.0)
    batch = first(EdgeSampler(graph, 10, Negatives(10, "in-batch", log_q=True), by_weight=True))
    share = np.bincount(graph.edges[1], graph.weight, 32) / graph.weight.sum()
    np.testing.assert_allclose(batch.log_q, np.log(9 * share[batch.target]), rtol=1e-5)


def test_log_q_on_disk_is_that_in_memory(tmp_path):
    from graphtune.disk import load_graph, save_graph

    graph = two_cliques()
    save_graph(graph, tmp_path / "graph")
    how = Negatives(12, "in-batch", log_q=True)
    chances = [EdgeSampler(g, 4, how)._targets._log_chance for g in (graph, load_graph(tmp_path / "graph"))]
    np.testing.assert_allclose(*chances)


# ---- hard negatives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{type(o).__name__}")
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("recipe", [BPRMF(dim=4), LINE(dim=4, order="second")], ids=["dot", "context"])
def test_the_hardest_are_those_of_a_naive_sort(objective, shared, recipe):
    model = scrambled(recipe.build(two_cliques()))
    source, target = torch.tensor([0, 3, 5]), torch.tensor([1, 4, 9])
    nodes = torch.tensor([9, 2, 7, 11, 4, 6])
    nodes = nodes if shared else torch.stack([nodes, nodes.flip(0), nodes + torch.tensor([0, 0, 1, 0, 1, 2])])
    known = torch.zeros(3, 6, dtype=torch.bool)
    known[0, 3] = True
    batch = Batch(source, target, nodes, known=known)
    chosen = []
    for b in range(3):
        own = nodes if shared else nodes[b]
        free = [n for n, k in zip(own.tolist(), known[b]) if not k and n != target[b]]
        query, keys = (
            model.scorer.query(model.encoder(source[b : b + 1])),
            model.scorer.key(model.encoder(torch.tensor(free)), torch.tensor(free)),
        )
        chosen.append([free[i] for i in (query @ keys.T)[0].argsort(descending=True)[:2]])
    naive = objective(model, Batch(source, target, torch.tensor(chosen)))
    found = Hardest(objective, 2)(model, batch)
    torch.testing.assert_close(found.values, naive.values)
    assert len(found.factors) == len(naive.factors)
    gradients = [torch.autograd.grad(x.values.sum(), model.encoder.weight)[0] for x in (found, naive)]
    torch.testing.assert_close(*gradients)


def test_fewer_negatives_than_asked_for():
    model = scrambled(BPRMF(dim=4).build(two_cliques()))
    batch = Batch(torch.tensor([0, 3]), torch.tensor([1, 4]), torch.tensor([7, 4]))
    torch.testing.assert_close(Hardest(EdgeProximity(), 9)(model, batch).values, EdgeProximity()(model, batch).values)


def test_one_pass_of_the_encoder():
    model = GCN(dim=4).build(two_cliques())
    calls = []
    rows = lambda *nodes: calls.append(1) or model.rows(*nodes)  # noqa: E731
    Hardest(BPR(), 1)(
        SimpleNamespace(scorer=model.scorer, rows=rows), first(EdgeSampler(two_cliques(), 4, Negatives(3)))
    )
    assert len(calls) == 1


# ---- the tasks ----------------------------------------------------------------------------------------------

LINKS, ITEMS, TRIPLES = (
    split_edges(two_cliques(), (3, 1, 1)),
    split_edges(checkerboard(), (8, 1, 1)),
    split_triples(inverse_relations(), (8, 1, 1)),
)
OPTIONS = [
    {"noise": "degree"},
    {"noise": "in-batch"},
    {"unknown": True},
    {"hard": 2},
    {"noise": "in-batch", "unknown": True, "hard": 1},
]


@pytest.mark.parametrize("options", [*OPTIONS, {"noise": "in-batch", "log_q": True, "unknown": True}], ids=str)
def test_softmax_tasks_take_all_of_it(options):
    for task_class, split in ((LinkPrediction, LINKS), (Recommendation, ITEMS)):
        start = BPRMF(dim=4).build(split.train)
        plain, other = (finetune(start, task_class(split, negatives=8, **o), SHORT, QUIET).model for o in ({}, options))
        assert not equal(plain, other)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    "task, recipe",
    [
        (LinkPrediction(LINKS, loss="bpr", negatives=8), BPRMF(dim=4)),
        (LinkPrediction(LINKS, loss="logistic", negatives=8), GCN(dim=4, hidden=4)),
        (Recommendation(ITEMS, loss="bpr", negatives=8), BPRMF(dim=4)),
        (TripleCompletion(TRIPLES, loss="self-adversarial", negatives=8), ComplEx(dim=4)),
    ],
    ids=["links bpr", "links logistic", "items bpr", "triples"],
)
def test_other_tasks_take_all_but_the_correction(task, recipe, options):
    start = recipe.build(task.split.train)
    plain, other = (finetune(start, t, SHORT, QUIET).model for t in (task, replace(task, **options)))
    assert equal(plain, other) == (isinstance(task, Recommendation) and options == {"unknown": True}), "as it always is"


def test_known_is_what_the_train_part_knows():
    for task, recipe in (
        (LinkPrediction(LINKS, unknown=True, negatives=300), BPRMF(dim=4)),
        (TripleCompletion(TRIPLES, "self-adversarial", 300, unknown=True), ComplEx(dim=4)),
    ):
        train = task.split.train
        batch = first(task.training(recipe.build(train), SHORT).sampler)
        relation = None if batch.relation is None else batch.relation.numpy()
        assert np.array_equal(batch.known, Known.of(train).mask(batch.source.numpy(), relation, batch.negative.numpy()))
        everything = Known.of(task.split.graph).mask(batch.source.numpy(), relation, batch.negative.numpy())
        assert (everything & ~batch.known.numpy()).any(), "held-out edges stay possible negatives"


@pytest.mark.parametrize(
    "make, field",
    [
        (lambda: Recommendation(ITEMS, loss="full-softmax", unknown=True), "unknown"),
        (lambda: TripleCompletion(TRIPLES, hard=2), "hard"),
        (lambda: TripleCompletion(TRIPLES, noise="degree"), "noise"),
        (lambda: TripleCompletion(TRIPLES, "self-adversarial", log_q=True), "log_q"),
        (lambda: LinkPrediction(LINKS, loss="bpr", log_q=True), "log_q"),
        (lambda: LinkPrediction(LINKS, log_q=True, hard=2), "log_q"),
        (lambda: LinkPrediction(LINKS, noise="some"), "noise"),
        (lambda: LinkPrediction(LINKS, hard=-1), "hard"),
        (lambda: Negatives(0), "count"),
        (lambda: Negatives(1, "some"), "noise"),
        (lambda: Negatives(1, "type-constrained", log_q=True), "log_q"),
        (lambda: TripleCompletion(TRIPLES, "self-adversarial", sharing="some"), "sharing"),
        (lambda: TripleCompletion(TRIPLES, "self-adversarial", sharing="own", noise="in-batch"), "sharing"),
        (lambda: TripleCompletion(TRIPLES, sharing="own"), "sharing"),
        (lambda: TripleCompletion(TRIPLES, "self-adversarial", temperature=-1.0), "temperature"),
    ],
)
def test_what_does_not_fit_is_refused(make, field):
    with pytest.raises(ArgumentError, match=f"`{field}` of"):
        make()


def test_the_command_line_can_set_them():
    names = {"noise", "unknown", "log_q", "hard", "sample_weight", "weight_power", "half_life"}
    for task_class in (LinkPrediction, Recommendation, TripleCompletion):
        assert names <= set(settable(task_class)) and not names & set(TrainConfig.names())
    chosen = parse_settings(["unknown=true", "hard=4", "noise=in-batch"], "finetune", {})
    of_triples = parse_settings(["noise=type-constrained", "sharing=own", "temperature=0.5"], "finetune", {})
    assert of_triples.of(TripleCompletion) == {"noise": "type-constrained", "sharing": "own", "temperature": 0.5}
    assert LinkPrediction(LINKS, **chosen.of(LinkPrediction)) == LinkPrediction(
        LINKS, noise="in-batch", unknown=True, hard=4
    )
