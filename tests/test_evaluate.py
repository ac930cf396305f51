"""Evaluators against naive loops, scikit-learn and ir_measures, and what each may and may not look at."""

import json

import ir_measures
import networkx as nx
import numpy as np
import pytest
import torch
from ir_measures import AP, RR, P, Qrel, R, ScoredDoc, Success, nDCG
from sklearn import metrics as sk

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.evaluate import (
    compare,
    evaluate_classes,
    evaluate_communities,
    evaluate_links,
    evaluate_recommendations,
    evaluate_triples,
    evaluate_values,
)
from graphtune.evaluate.communities import kmeans, leiden
from graphtune.evaluate.nodes import head_values
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.bprmf import BPRMF
from graphtune.models.complex import ComplEx
from graphtune.models.deepwalk import DeepWalk
from graphtune.models.distmult import DistMult
from graphtune.models.heads import HeadSpec
from graphtune.models.transe import TransE
from graphtune.split import TEST, TRAIN, UNUSED, VALID, given_split
from graphtune.testing import COMMUNITY, two_cliques
from graphtune.train.fit import Run, Training, fit


def with_weights(model, *tables):
    """The model with its first parameters set; the rest drawn anew."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            if number < len(tables):
                parameter.copy_(torch.as_tensor(tables[number]))
            else:
                parameter.normal_(generator=generator)
    return model


# ---- knowledge graphs ---------------------------------------------------------------------------------------

ENTITIES, RELATIONS = 9, 2


def triple_split(seed=0, test_seed=0):
    """Random triples in random parts; entity 8 is in no training triple. `test_seed` changes the test part alone."""
    rng, test_rng = np.random.default_rng(seed), np.random.default_rng([seed, test_seed])
    every = np.array([(h, r, t) for h in range(8) for r in range(RELATIONS) for t in range(8)])
    rng.shuffle(every)
    parts = [every[:40], every[40:60], test_rng.permutation(every[60:])[:15]]
    parts[TEST] = np.concatenate([parts[TEST], [[8, 0, 1], [2, 1, 8]]])
    triples = np.concatenate(parts)
    graph = Graph(
        triples[:, [0, 2]].T,
        NodeIds.range(ENTITIES),
        directed=True,
        relation=triples[:, 1],
        relation_ids=NodeIds.of(["a", "b"]),
    )
    return given_split(graph, np.repeat([TRAIN, VALID, TEST], [len(p) for p in parts]), "edge")


def naive_ranks(score, split, part, filter_parts):
    """Realistic ranks of all tails, then of all heads, `filter_parts` left out."""
    (h, t), r = split.graph.edges, split.graph.relation
    known = {(a, b, c) for a, b, c, p in zip(h.tolist(), r.tolist(), t.tolist(), split.part) if p in filter_parts}
    asked = list(zip(h[split.part == part], r[split.part == part], t[split.part == part]))

    def rank(own, others):
        return 1 + sum(s > own for s in others) + sum(s == own for s in others) / 2

    tails = [
        rank(score(h, r, t), [score(h, r, x) for x in range(ENTITIES) if x != t and (h, r, x) not in known])
        for h, r, t in asked
    ]
    heads = [
        rank(
            score(t, r + RELATIONS, h),
            [score(t, r + RELATIONS, x) for x in range(ENTITIES) if x != h and (x, r, t) not in known],
        )
        for h, r, t in asked
    ]
    return np.array(tails + heads)


def small_integers(shape, seed):
    """Numbers so few that scores tie."""
    return np.random.default_rng(seed).integers(-1, 2, shape).astype(np.float32)


@pytest.fixture
def tied():
    """A model with many equal scores, and its score naively."""
    z, relation = small_integers((ENTITIES, 4), 1), small_integers((2 * RELATIONS, 4), 2)
    model = with_weights(DistMult(dim=4).build(triple_split().train), z, relation)
    return model, lambda h, r, t: (z[h] * relation[r] * z[t]).sum()


@pytest.mark.parametrize("part, filter_parts", [(VALID, (TRAIN, VALID)), (TEST, (TRAIN, VALID, TEST))])
def test_triples_are_ranked_filtered_and_realistic(tied, part, filter_parts):
    model, score = tied
    split = triple_split()
    found = evaluate_triples(model, split, part)
    ranks = naive_ranks(score, split, part, filter_parts)
    assert len(set(ranks % 1)) == 2, "the example must have ties"
    np.testing.assert_array_equal(found.per_query["mean_rank"], ranks)
    np.testing.assert_allclose(found.per_query["mrr"], 1 / ranks)
    for k in (1, 3, 10):
        assert found[f"hits_{k}"] == pytest.approx((ranks <= k).mean())
    other = (TRAIN, VALID, TEST) if part == VALID else (TRAIN, VALID)
    assert not np.array_equal(naive_ranks(score, split, part, other), ranks), "the filter must matter"


def test_triples_by_complex_and_by_distance():
    split = triple_split()
    model = with_weights(ComplEx(dim=6).build(split.train))
    z, relation = (p.detach().double().numpy() for p in model.parameters())
    z, relation = (x[:, :3] + 1j * x[:, 3:] for x in (z, relation))
    ranks = naive_ranks(
        lambda h, r, t: (z[h] * relation[r] * z[t].conj()).sum().real, split, TEST, (TRAIN, VALID, TEST)
    )
    np.testing.assert_array_equal(evaluate_triples(model, split).per_query["mean_rank"], ranks)
    model = with_weights(TransE(dim=6).build(split.train))
    z, relation = (p.detach().double().numpy() for p in model.parameters())
    ranks = naive_ranks(lambda h, r, t: -abs(z[h] + relation[r] - z[t]).sum(), split, TEST, (TRAIN, VALID, TEST))
    np.testing.assert_array_equal(evaluate_triples(model, split).per_query["mean_rank"], ranks)


def test_validation_of_triples_knows_nothing_of_test(tied):
    model, _ = tied
    one, other = triple_split(), triple_split(test_seed=1)
    assert not np.array_equal(one.test.edges, other.test.edges)
    assert evaluate_triples(model, one, VALID).means() == evaluate_triples(model, other, VALID).means()


def test_unseen_entities_are_kept_and_counted(tied):
    model, _ = tied
    found = evaluate_triples(model, triple_split())
    assert len(found.per_query["mrr"]) == 2 * 17
    assert found.counts == {"triples": 17, "triples with an entity unseen in train (kept)": 2}
    split = triple_split()
    strange = np.where((split.part == TRAIN) & (split.graph.relation == 0), UNUSED, split.part).astype(np.uint8)
    found = evaluate_triples(model, given_split(split.graph, strange, "edge"))
    count = int((split.test.relation == 0).sum())
    assert count and found.counts["triples with a relation unseen in train (kept)"] == count


def test_amri_by_hand(tied):
    model, score = tied
    split = triple_split()
    ranks = naive_ranks(score, split, TEST, (TRAIN, VALID, TEST))
    everything = naive_ranks(lambda h, r, t: 0.0, split, TEST, (TRAIN, VALID, TEST))  # all tied: the expected rank
    expected = 1 - (ranks.mean() - 1) / (everything.mean() - 1)
    assert evaluate_triples(model, split)["amri"] == pytest.approx(expected)


# ---- recommendation -----------------------------------------------------------------------------------------

USERS, ITEMS = 12, 15


def event_split(seed=0, repeats=False):
    """Random events in random parts; user 11 has no test event, user 10 none at all."""
    rng = np.random.default_rng(seed)
    events = np.array([(u, i) for u in range(USERS) for i in range(ITEMS) if u != 10])
    events = events[rng.permutation(len(events))[:90]]
    part = rng.choice([TRAIN, VALID, TEST], 90, p=[0.6, 0.2, 0.2])
    part[(events[:, 0] == 11) & (part == TEST)] = TRAIN
    if repeats:  # each event once more, in a part of its own
        events = np.concatenate([events, events])
        part = np.concatenate([part, np.where(rng.random(90) < 0.5, part, rng.permutation(part))])
    ids = NodeIds.of(range(USERS), [f"item{i}" for i in range(ITEMS)], kinds=("user", "item"))
    graph = Graph(events.T + np.array([[0], [USERS]]), ids, directed=True)
    return given_split(graph, part.astype(np.uint8), "edge")


def naive_lists(scores, split, part):
    """Per user with something to find: the ranked items not seen before, and what was to be found."""
    taken = {number: set(zip(*split.graph.edges[:, split.part == number].tolist())) for number in range(3)}
    seen = taken[TRAIN] | (taken[VALID] if part == TEST else set())
    lists = {}
    for user in range(USERS):
        wanted = {i for i in range(ITEMS) if (user, USERS + i) in taken[part] - seen}
        open_ = [i for i in range(ITEMS) if (user, USERS + i) not in seen]
        if wanted:
            lists[user] = sorted(open_, key=lambda i: -scores[user, i]), wanted
    return lists


def naive_ranking(lists, k):
    rows = []
    for ranked, wanted in lists.values():
        hits = np.array([i in wanted for i in ranked[:k]])
        gain = 1 / np.log2(np.arange(2, k + 2))
        rows.append(
            {
                f"recall_{k}": hits.sum() / len(wanted),
                f"precision_{k}": hits.sum() / k,
                f"ndcg_{k}": gain[: len(hits)][hits].sum() / gain[: min(k, len(wanted))].sum(),
                f"mrr_{k}": next((1 / (place + 1) for place, hit in enumerate(hits) if hit), 0.0),
                f"map_{k}": sum(hits[: place + 1].mean() for place in np.flatnonzero(hits)) / len(wanted),
                f"hit_rate_{k}": float(hits.any()),
            }
        )
    return rows


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("part", [VALID, TEST])
@pytest.mark.parametrize("k", [1, 4, 40])
def test_recommendation_agrees_with_a_loop(part, k, repeats):
    split = event_split(repeats=repeats)
    model = with_weights(BPRMF(dim=4).build(split.train))
    z = model.embeddings().double().numpy()
    lists = naive_lists(z[:USERS] @ z[USERS:].T, split, part)
    found = evaluate_recommendations(model, split, part, k)
    naive = naive_ranking(lists, k)
    short = evaluate_recommendations(model, split, part, k, beyond=False)
    assert set(short.per_query) == set(naive[0]) and short.means().keys() == set(naive[0])
    for name, scores in short.per_query.items():
        np.testing.assert_array_equal(scores, found.per_query[name])
        np.testing.assert_allclose(scores, [row[name] for row in naive], err_msg=name)
    skipped = "users without anything to find (skipped)"
    assert found.counts == {"users": len(lists), skipped: USERS - len(lists)}
    assert len(lists) <= USERS - 2 + (part == VALID), "users 10 and, in the test part, 11 have nothing to find"


def test_recommendation_agrees_with_ir_measures():
    """On what a trained model recommends."""
    split, k = event_split(seed=3), 5
    recipe, config = BPRMF(dim=4), TrainConfig(epochs=20, batch_size=16, lr=0.05, patience=0)
    model = fit(
        recipe.build(split.train), Training("", *recipe.pretraining(split.train, config)), config, Run(quiet=True)
    ).model
    found = evaluate_recommendations(model, split, TEST, k)
    run, relevant = [], []
    tests = split.test.edges.T.tolist()
    for user in {u for u, _ in tests}:
        seen = {v for u, v in split.graph.edges[:, split.part < TEST].T.tolist() if u == user}
        scores = model.score([user] * ITEMS, model.ids.values(range(USERS, USERS + ITEMS)))
        run += [ScoredDoc(str(user), str(i), float(s)) for i, s in enumerate(scores) if USERS + i not in seen]
    relevant += [Qrel(str(u), str(v - USERS), 1) for u, v in tests]
    theirs = ir_measures.calc_aggregate([nDCG @ k, R @ k, P @ k, AP @ k, RR @ k, Success @ k], relevant, run)
    names = {nDCG: "ndcg", R: "recall", P: "precision", AP: "map", RR: "mrr", Success: "hit_rate"}
    for measure, name in names.items():
        assert found[f"{name}_{k}"] == pytest.approx(theirs[measure @ k]), name
    assert 0 < found["ndcg_5"] < 1


def test_new_neighbours_are_ranked_where_there_are_no_events():
    """Every node is a user; itself and what it knows are left out; an undirected edge is to be found from both ends."""
    graph = two_cliques()
    part = np.zeros(graph.num_edges, dtype=np.uint8)
    part[0] = TEST  # a0 - a1
    part[1] = VALID
    split = given_split(graph, part, "edge")
    z = np.zeros((12, 2), dtype=np.float32)
    z[0], z[1], z[6], z[7] = (2, 0), (1, 0), (1.5, 0), (0.5, 0)
    model = with_weights(BPRMF(dim=2).build(split.train), z)
    found = evaluate_recommendations(model, split, TEST, 3)
    # a0 knows b0 (row 6), so a1 comes first; for a1 the best are a0, b0, b1
    assert found.per_query["mrr_3"].tolist() == [1.0, 1.0]
    assert found.counts["users"] == 2
    assert evaluate_recommendations(model, split, VALID, 3).counts["users"] == 2


# ---- links --------------------------------------------------------------------------------------------------


class Recording:
    """A model that notes which pairs it is asked for."""

    def __init__(self, model):
        self.scores, self.asked = model.frozen(), []

    def frozen(self):
        return self

    def pairs(self, u, v):
        self.asked.append((u, v))
        return self.scores.pairs(u, v)


def link_split(directed, seed=0, test_seed=0):
    """Random edges in random parts. `test_seed` changes the test part alone."""
    rng, test_rng = np.random.default_rng(seed), np.random.default_rng([seed, test_seed])
    u, v = np.triu_indices(30, k=1)
    if directed:
        u, v = np.concatenate([u, v]), np.concatenate([v, u])
    order = rng.permutation(len(u))
    chosen = np.concatenate([order[:60], test_rng.permutation(order[60:])[:20]])
    graph = Graph(np.stack([u, v])[:, chosen], NodeIds.range(30), directed=directed)
    return given_split(graph, np.repeat([TRAIN, VALID, TEST], [40, 20, 20]), "edge")


@pytest.fixture
def link_model():
    return with_weights(DeepWalk(dim=4).build(link_split(True).train))


@pytest.mark.parametrize("part", [VALID, TEST])
@pytest.mark.parametrize("directed", [False, True])
def test_links_agree_with_scikit_learn(directed, part):
    split = link_split(directed)
    model = Recording(with_weights(DeepWalk(dim=4).build(split.train)))
    found = evaluate_links(model, split, part)
    (u, v), (source, target), (asked, others) = model.asked
    hidden = split.valid if part == VALID else split.test
    assert np.array_equal([u, v], hidden.edges) and len(source) == 20
    known = split.graph.take_edges(split.part <= part).sparse("out").toarray() > 0
    for a, b in ((source, target), (asked, others)):
        assert not known[a, b].any() and (a != b).all(), "a non-edge joins two nodes without an edge"
    true, false = (model.scores.pairs(*pairs) for pairs in ((u, v), (source, target)))
    label = np.repeat([1, 0], 20)
    assert found["auc"] == pytest.approx(sk.roc_auc_score(label, np.concatenate([true, false])))
    assert found["ap"] == pytest.approx(sk.average_precision_score(label, np.concatenate([true, false])))
    among = model.scores.pairs(asked, others).reshape(20, 100)
    ranks = 1 + (among > true[:, None]).sum(1) + (among == true[:, None]).sum(1) / 2
    np.testing.assert_allclose(found.per_query["mrr"], 1 / ranks)
    assert found["hits_10"] == pytest.approx((ranks <= 10).mean())


def test_validation_of_links_knows_nothing_of_test(link_model):
    one, other = link_split(True), link_split(True, test_seed=1)
    assert not np.array_equal(one.test.edges, other.test.edges)
    assert evaluate_links(link_model, one, VALID).means() == evaluate_links(link_model, other, VALID).means()
    assert evaluate_links(link_model, one).means() != evaluate_links(link_model, other).means()


def test_the_same_non_edges_for_every_model_and_others_for_another_seed():
    split = link_split(True)
    recordings = [Recording(with_weights(DeepWalk(dim=d).build(split.train))) for d in (2, 3, 4)]
    for model, seed in zip(recordings, (5, 5, 6)):
        evaluate_links(model, split, TEST, seed)
    pairs = [np.concatenate([np.concatenate(p) for p in model.asked]) for model in recordings]
    assert np.array_equal(pairs[0], pairs[1]) and not np.array_equal(pairs[0], pairs[2])


def test_the_reverse_of_a_directed_edge_is_a_non_edge_like_any_other():
    """In the graph 0 -> 1 every other pair, 1 -> 0 among them, may be drawn."""
    edges = np.array([[0, 1, 2], [1, 2, 0]])
    split = given_split(Graph(edges, NodeIds.range(3), directed=True), np.array([0, 1, 2]), "edge")
    model = Recording(with_weights(DeepWalk(dim=2).build(split.train)))
    evaluate_links(model, split, TEST)
    asked, others = model.asked[2]
    assert asked.tolist() == [2] * 100 and set(others.tolist()) == {1}


# ---- nodes --------------------------------------------------------------------------------------------------


def node_split(seed=0, **content):
    """60 nodes in parts of 30, 12 and 12; 6 in none."""
    graph = Graph(np.array([[0], [1]]), NodeIds.range(60), **content)
    part = np.repeat([TRAIN, VALID, TEST, UNUSED], [30, 12, 12, 6]).astype(np.uint8)
    return given_split(graph, np.random.default_rng(seed).permutation(part), "node")


def model_with(z, split):
    return with_weights(BPRMF(dim=z.shape[1]).build(split.graph), z)


CLASS = np.arange(60) % 3
NOISE = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)


def test_probe_finds_classes_that_are_there():
    split = node_split(labels=CLASS)
    clear = model_with(np.eye(3, dtype=np.float32)[CLASS] + 0.05 * NOISE, split)
    for part in (VALID, TEST):
        found = evaluate_classes(clear, split, part)
        assert found.means() == {"accuracy": 1, "f1_micro": 1, "f1_macro": 1, "precision": 1, "recall": 1}
        assert found.counts == {"nodes": 12}
    assert evaluate_classes(model_with(NOISE, split), split)["accuracy"] < 0.8


def test_probe_reads_neither_test_nor_unused_labels():
    split = node_split(labels=CLASS)
    z = np.eye(3, dtype=np.float32)[CLASS] + NOISE
    before = evaluate_classes(model_with(z, split), split, VALID).means()
    hidden = np.where(split.part >= TEST, (CLASS + 1) % 3, CLASS)
    changed = node_split(labels=hidden)
    assert evaluate_classes(model_with(z, changed), changed, VALID).means() == before
    assert (
        evaluate_classes(model_with(z, changed), changed)["accuracy"]
        != evaluate_classes(model_with(z, split), split)["accuracy"]
    )


def test_head_predicts_classes():
    """Against scikit-learn, for a head whose answer is known: the largest of three coordinates."""
    split = node_split(labels=CLASS)
    z = np.eye(3, dtype=np.float32)[CLASS] + NOISE
    model = model_with(z, split)
    model.add_head("task", HeadSpec(3, 3))
    with torch.no_grad():
        model.heads["task"].layers[0].weight.copy_(torch.eye(3))
        model.heads["task"].layers[0].bias.zero_()
    found = evaluate_classes(model, split, TEST, "task")
    nodes = split.part == TEST
    true, predicted = CLASS[nodes], z[nodes].argmax(1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(true, predicted)) and 0 < found["accuracy"] < 1
    assert found["f1_macro"] == pytest.approx(sk.f1_score(true, predicted, average="macro"))
    assert found["f1_micro"] == pytest.approx(sk.f1_score(true, predicted, average="micro"))
    assert found["precision"] == pytest.approx(sk.precision_score(true, predicted, average="macro", zero_division=0))
    assert found["recall"] == pytest.approx(sk.recall_score(true, predicted, average="macro"))


def test_several_labels_take_the_protocol_of_deepwalk():
    """As many of the highest scores are predicted as the node has labels."""
    labels = np.stack([CLASS == 0, CLASS != 1, np.arange(60) % 2 == 0], axis=1)
    split = node_split(labels=labels)
    model = model_with(NOISE, split)
    model.add_head("task", HeadSpec(3, 3))
    with torch.no_grad():
        model.heads["task"].layers[0].weight.copy_(torch.eye(3))
        model.heads["task"].layers[0].bias.zero_()
    nodes = split.part == TEST
    predicted = np.zeros((12, 3), dtype=bool)
    for row, scores, has in zip(predicted, NOISE[nodes], labels[nodes]):
        row[np.argsort(-scores)[: has.sum()]] = True
    found = evaluate_classes(model, split, TEST, "task")
    assert found["f1_micro"] == pytest.approx(sk.f1_score(labels[nodes], predicted, average="micro"))
    assert found["f1_macro"] == pytest.approx(sk.f1_score(labels[nodes], predicted, average="macro", zero_division=0))
    clear = evaluate_classes(model_with(2.0 * labels.astype(np.float32), split), split)
    assert clear["f1_micro"] == 1.0


def test_probe_finds_values_that_are_there():
    targets = 5 + NOISE @ [1.0, -2.0, 0.5]
    targets[::11] = np.nan
    split = node_split(targets=targets)
    split = given_split(split.graph, np.where(np.isnan(targets), UNUSED, split.part), "node")
    found = evaluate_values(model_with(NOISE, split), split)
    assert found["r2"] > 0.999 and found["mse"] < 1e-3 and found["mae"] < 0.05
    other = np.random.default_rng(5).normal(size=(60, 3)).astype(np.float32)
    assert evaluate_values(model_with(other, split), split)["r2"] < 0.5


def test_head_predicts_values_on_the_scale_of_the_targets():
    targets = np.arange(60.0)
    split = node_split(targets=targets)
    model = model_with(NOISE, split)
    model.add_head("task", HeadSpec(3, 1))
    model.outputs["task"] = {"mean": 30.0, "spread": 7.0}
    with torch.no_grad():
        model.heads["task"].layers[0].weight.copy_(torch.tensor([[1.0, 2.0, 0.0]]))
        model.heads["task"].layers[0].bias.fill_(0.5)
    predicted = (NOISE @ [1.0, 2.0, 0.0] + 0.5) * 7 + 30
    np.testing.assert_allclose(head_values(model, "task"), predicted, rtol=1e-5)
    nodes = split.part == VALID
    found = evaluate_values(model, split, VALID, "task")
    assert found["mse"] == pytest.approx(sk.mean_squared_error(targets[nodes], predicted[nodes]), rel=1e-5)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(targets[nodes], predicted[nodes]), rel=1e-5)
    assert found["r2"] == pytest.approx(sk.r2_score(targets[nodes], predicted[nodes]), rel=1e-5)


def test_evaluation_leaves_training_mode_and_dropout_as_they_were():
    split = node_split(labels=CLASS)
    model = model_with(NOISE, split)
    model.add_head("task", HeadSpec(3, 3, dropout=0.9))
    model.train()
    one, two = (evaluate_classes(model, split, TEST, "task").means() for _ in range(2))
    assert one == two and model.training and model.heads["task"].training


# ---- communities --------------------------------------------------------------------------------------------


def test_communities_of_two_cliques():
    labels = np.arange(12) // COMMUNITY
    graph = two_cliques().replace(labels=labels)
    z = np.eye(2, dtype=np.float32)[labels] * np.arange(1, 13, dtype=np.float32)[:, None]  # of any length
    found = evaluate_communities(with_weights(BPRMF(dim=2).build(graph), z), graph)
    for metric in (f"{score}_{by}" for score in ("nmi", "ari") for by in ("kmeans", "leiden", "combined")):
        assert found[metric] == pytest.approx(1.0)
    theirs = nx.community.modularity(nx.Graph(graph.edges.T.tolist()), [set(range(6)), set(range(6, 12))])
    assert found["modularity_kmeans"] == pytest.approx(theirs)
    assert found["modularity_leiden"] == pytest.approx(theirs)
    assert found.counts == {"communities of KMeans and combined": 2, "communities of Leiden": 2}
    mixed = np.eye(2, dtype=np.float32)[np.arange(12) % 2]
    assert evaluate_communities(with_weights(BPRMF(dim=2).build(graph), mixed), graph)["nmi_kmeans"] < 0.1


def test_communities_without_known_classes_and_with_a_given_number():
    graph = two_cliques()
    model = with_weights(BPRMF(dim=3).build(graph))
    found = evaluate_communities(model, graph)
    assert set(found.means()) == {"modularity_kmeans", "modularity_leiden", "modularity_combined"}
    assert found.counts["communities of KMeans and combined"] == 2, "as many as Leiden finds"
    assert evaluate_communities(model, graph, k=4).counts["communities of KMeans and combined"] == 4
    assert len(set(kmeans(model, 4))) == 4


def test_leiden_reads_weights():
    """A square whose heavy edges pair 0 with 1 and 2 with 3, or 1 with 2 and 3 with 0."""
    square = Graph(np.array([[0, 1, 2, 3], [1, 2, 3, 0]]), NodeIds.range(4), weight=np.array([9.0, 1, 9, 1]))
    first = leiden(square)
    assert first[0] == first[1] != first[2] == first[3]
    second = leiden(square.replace(weight=np.array([1.0, 9, 1, 9])))
    assert second[1] == second[2] != second[3] == second[0]


# ---- what comes back ----------------------------------------------------------------------------------------


def test_every_metric_has_an_interval_around_its_mean(tied):
    model, _ = tied
    found = evaluate_triples(model, triple_split())
    assert set(found.metrics) == set(found.means())
    for name, estimate in found.metrics.items():
        assert estimate.low <= estimate.mean <= estimate.high and estimate.mean == pytest.approx(found[name])
    assert found.metrics["mrr"].low < found.metrics["mrr"].high
    record = json.loads(json.dumps(found.as_dict()))
    assert record["metrics"]["mrr"]["mean"] == pytest.approx(found["mrr"]) and record["part"] == "test"
    assert "mrr" in str(found) and "17 triples" in str(found)


def test_compare_pairs_models_on_the_same_queries(tied):
    model, _ = tied
    split = triple_split()
    better = evaluate_triples(model, split)
    worse = evaluate_triples(with_weights(TransE(dim=4).build(split.train)), split)
    table = str(compare({"one": better, "two": worse}, "mrr"))
    assert "one" in table and "two" in table and f"{better['mrr']:.3f}" in table
    with pytest.raises(ArgumentError, match="amri"):
        compare({"one": better, "two": worse}, "amri")
    with pytest.raises(ArgumentError):
        compare({"one": better, "two": evaluate_triples(model, split, VALID)}, "mrr")
