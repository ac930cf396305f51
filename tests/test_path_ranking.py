"""Path ranking: scores and weights against naive sums over all paths, planted rules, arrivals and the command line."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphtune.check import ArgumentError
from graphtune.kernels.pathranking import LEVELS, START, learn_paths, level_of, room_for
from graphtune.models.pathranking import PathRanking, Paths
from graphtune.testing import all_scores, equal, inverse_relations

QUIET = gt.Run(quiet=True)


def graph_of(rows, nodes, relations):
    head, relation, tail = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    names = gt.NodeIds.of([f"r{i}" for i in range(relations)])
    return gt.Graph(np.stack([head, tail]), gt.NodeIds.range(nodes), True, relation=relation, relation_ids=names)


def random_graph(seed, nodes=9, relations=2, edges=24):
    random = np.random.default_rng(seed)
    return graph_of(random.integers(0, [nodes, relations, nodes], (edges, 3)), nodes, relations)


def naive_edges(graph):
    """{(node, relation): set of nodes} with each relation also backwards, and the number of relations."""
    count, found = graph.num_relations, {}
    for h, r, t in zip(graph.edges[0].tolist(), graph.relation.tolist(), graph.edges[1].tolist()):
        found.setdefault((h, r), set()).add(t)
        found.setdefault((t, r + count), set()).add(h)
    return found, 2 * count


def naive_paths(graph, x, r, length, any_last):
    """[N, F without levels and itself] the features of every node as an answer to x -r-> ?, path by path."""
    edges, a = naive_edges(graph)
    features = np.zeros((graph.num_nodes, Paths(graph, length, any_last).steps.features - LEVELS - 1))

    def follow(nodes, relations, value):
        steps = len(relations)
        if steps == 1 and relations[0] != r:
            features[nodes[-1], relations[0]] += 1
        if steps == 2:
            features[nodes[-1], a + relations[0] * a + relations[1]] += value
        if steps == 3 and (any_last or relations[2] == r):
            pair = relations[0] * a + relations[1]
            features[nodes[-1], a + a * a + (pair * a + relations[2] if any_last else pair)] += value
        for p in range(a) if steps < length else ():
            there = edges.get((nodes[-1], p), set())
            for y in there - set(nodes):
                follow((*nodes, y), (*relations, p), value / np.sqrt(len(there)))

    follow((x,), (), 1.0)
    return features


def naive_question(graph, x, r, length, any_last):
    """[N, F] features, answers; the level of an answer is that without the edge from x."""
    edges, _ = naive_edges(graph)
    answers = edges.get((x, r), set())
    arrive = np.zeros(graph.num_nodes, dtype=int)
    for (_, p), there in edges.items():
        arrive[list(there)] += p == r
    rest = np.zeros((graph.num_nodes, LEVELS + 1))
    for y in range(graph.num_nodes):
        rest[y, level_of(arrive[y] - (y in answers))] = 1
    rest[x, LEVELS] = 1
    plain = rest.copy()
    for y in answers:
        plain[y, :LEVELS] = np.eye(LEVELS)[level_of(arrive[y])]
    paths = naive_paths(graph, x, r, length, any_last)
    return np.hstack([paths, rest]), np.hstack([paths, plain]), sorted(answers)


def naive_weights(graph, r, length, any_last, order, lr):
    """Adagrad on the softmax of each answer among all that are none."""
    weight = np.zeros(Paths(graph, length, any_last).steps.features)
    squares, loss = np.full(len(weight), START), 0.0
    for epoch in order:
        loss, count = 0.0, 0
        for x in epoch:
            features, _, answers = naive_question(graph, x, r, length, any_last)
            others = np.setdiff1d(np.arange(graph.num_nodes), answers)
            slope, score = np.zeros(len(weight)), features @ weight
            for y in answers:
                among = [y, *others]
                share = np.exp(score[among]) / np.exp(score[among]).sum()
                slope += share @ features[among] - features[y]
                loss, count = loss - np.log(share[0]), count + 1
            squares += slope**2
            weight -= lr * slope / np.sqrt(squares)
    return weight, loss / count


CASES = [(1, True), (2, True), (3, True), (3, False)]


@pytest.mark.parametrize("length, any_last", CASES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_weights_are_the_naive_ones(length, any_last, seed):
    graph = random_graph(seed)
    paths, r = Paths(graph, length, any_last), seed % 4
    asked = paths.asked(r)
    sources = np.flatnonzero(np.diff(asked.indptr))
    if not len(sources):
        return
    random = np.random.default_rng(seed)
    order = np.stack([random.permutation(sources) for _ in range(3)])
    room = room_for(graph.num_nodes, paths.steps.features)
    loss = learn_paths(paths.steps, asked, order, 0.2, room)
    wanted, its_loss = naive_weights(graph, r, length, any_last, order, 0.2)
    # a slope of rounding alone is a whole step of Adagrad's, so what must be equal is what the weights say
    assert loss == pytest.approx(its_loss, rel=2e-3)
    for x in sources:
        features, _, _ = naive_question(graph, x, r, length, any_last)
        np.testing.assert_allclose(features @ room.weight, features @ wanted, atol=0.02)


@pytest.mark.parametrize("length, any_last", CASES)
def test_scores_are_the_naive_sums(length, any_last):
    graph = random_graph(3, nodes=12, relations=3, edges=40)
    recipe = PathRanking(length=length, last="any" if any_last else "asked", epochs=1)
    model = gt.pretrain(recipe, graph, run=QUIET).model
    scores = all_scores(model).reshape(12, 6, 12)
    for x in range(12):
        for r in range(6):
            weight = model.scorer.weights(r, Paths(graph, length, any_last).steps.features)
            _, features, _ = naive_question(graph, x, r, length, any_last)
            np.testing.assert_allclose(scores[x, r], features @ weight, atol=1e-5)
    by_relation = model.frozen().relations(np.array([1, 2]), np.array([4, 5]), 3)
    np.testing.assert_allclose(by_relation, [scores[1, :3, 4], scores[2, :3, 5]], atol=1e-6)


def test_levels():
    assert [level_of(n) for n in (0, 1, 2, 3, 4, 5, 6, 8, 11, 12)] == [0, 1, 2, 3, 4, 4, 5, 6, 6, 7]
    assert all(level_of(b) - level_of(a) in (0, 1) for a, b in pairwise(range(10_000)))
    assert level_of(10**9) == LEVELS - 1


@pytest.mark.parametrize("last", ["any", "asked"])
def test_no_path_tells_of_the_edge_that_it_holds(last):
    """Every path from 0 that comes to 1 holds the edge 0 -> 1, so its level is all that speaks for it."""
    graph = graph_of([(0, 0, 1), (1, 1, 2), (1, 0, 2), (3, 0, 4)], 5, 2)
    model = gt.pretrain(PathRanking(last=last), graph, run=QUIET).model
    weight = model.scorer.weights(0, model.encoder.paths.steps.features)
    assert weight.any() and all_scores(model).reshape(5, 4, 5)[0, 0, 1] == weight[-1 - LEVELS + 1]


def test_a_composition_is_found():
    """x -c-> y where x -a-> z -b-> y, with some of the c left out: they are answered first, either way round."""
    count = 60
    random = np.random.default_rng(0)
    towns, lands = count + random.permutation(count) % 20, count + 20 + random.integers(0, 8, 20)
    rows = [(x, 0, towns[x]) for x in range(count)] + [(count + t, 1, lands[t]) for t in range(20)]
    rows += [(x, 2, lands[towns[x] - count]) for x in range(count) if x % 4]
    graph = graph_of(rows, count + 28, 3)
    for recipe in (PathRanking(length=2), PathRanking(), PathRanking(last="asked")):
        recipe = replace(recipe, lr=0.5)
        model = gt.pretrain(recipe, graph, run=QUIET).model
        for x in range(0, count, 4):
            assert model.complete(head=x, relation="r2", k=1).answers[0].id == lands[towns[x] - count]


@pytest.mark.parametrize("last", ["any", "asked"])
def test_rules_are_told_by_their_relations(last):
    graph = graph_of([(0, 0, 1), (1, 1, 2), (0, 2, 2)], 3, 3)
    model = gt.pretrain(PathRanking(last=last), graph, run=QUIET).model
    found = gt.path_rules(model, "r2", 3)
    assert found[0][0] == ("r0", "r1") and found[0][1] > 0
    assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
    names = [f"r{i}{back}" for back in ("", "^-1") for i in range(3)]
    for feature in range(model.encoder.paths.steps.features - LEVELS - 1):
        steps = model.encoder.paths.relations_of(feature, 2)
        number = 0
        for r in steps[: 2 if last == "asked" else 3]:
            number = number * 6 + r
        assert feature == number + (0, 6, 42)[len(steps) - 1] and len(names) > max(steps)
    with pytest.raises(ArgumentError, match="one built by PathRanking"):
        gt.path_rules(gt.ComplEx(dim=4).build(graph), "r2")


def test_one_answer_is_enough_where_each_node_has_one():
    """Who has no capital yet is the likelier answer to (?, r, t): levels are counted without the edge asked about."""
    rows = [(x, 0, 40 + x % 4) for x in range(30)]
    graph = graph_of(rows, 44, 1)
    model = gt.pretrain(PathRanking(length=1, epochs=10), graph, run=QUIET).model
    scores = model.frozen().cross(np.array([40]), range(44), np.array([1]))[0]
    assert scores[30:40].min() > scores[:30].max()


def test_relation_without_edges_says_nothing():
    graph = graph_of([(0, 0, 1), (1, 0, 2), (2, 0, 3)], 5, 2)
    model = gt.pretrain(PathRanking(), graph, run=QUIET).model
    assert not model.frozen().cross(np.array([0]), range(5), np.array([1])).any()


def test_threads_change_no_bit(monkeypatch):
    graph = random_graph(5, nodes=40, relations=5, edges=300)
    made = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        made.append(gt.pretrain(PathRanking(), graph, run=QUIET).model)
    assert equal(*made) and np.array_equal(all_scores(made[0]), all_scores(made[1]))
    other = gt.pretrain(PathRanking(), graph, gt.TrainConfig(seed=1), run=QUIET).model
    assert not np.array_equal(all_scores(made[0]), all_scores(other))


def test_paths_are_counted():
    """From each (node, relation) of a triangle 0 -> 1 -> 2 -> 0: two edges a node, so 2 + 4 + 8 sequences."""
    graph = graph_of([(0, 0, 1), (1, 0, 2), (2, 0, 0)], 3, 1)
    assert Paths(graph, 3, True).count() == 3 * 2 * (2 + 4 + 8)
    assert Paths(graph, 3, False).count() == Paths(graph, 2, True).count() == 3 * 2 * (2 + 4)


@pytest.mark.parametrize(
    "options", [{"length": 0}, {"length": 4}, {"last": "first"}, {"epochs": 0}, {"lr": 0.0}, {"lr": float("nan")}]
)
def test_options_are_checked(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` of PathRanking must be"):
        PathRanking(**options)


def test_the_last_step_is_free_where_relations_are_few():
    few, many = random_graph(0, relations=80, edges=200), random_graph(0, relations=81, edges=200)
    assert PathRanking().build(few).encoder.paths.any_last
    assert not PathRanking().build(many).encoder.paths.any_last
    with pytest.raises(ArgumentError, match="a knowledge graph"):
        PathRanking().build(gt.testing.two_cliques())


def test_a_new_entity_is_scored_by_its_edges():
    """A person who came after training lives in the city that has it, by the weights there were."""
    model = gt.pretrain(PathRanking(), inverse_relations(), run=QUIET).model
    names, has = gt.NodeIds.of(["city1", "newcomer"]), gt.NodeIds.of(["has"])
    facts = gt.Graph(np.array([[0], [1]]), names, True, relation=np.zeros(1, np.int64), relation_ids=has)
    bigger = gt.add_nodes(model, facts).model
    assert bigger.complete(head="newcomer", relation="in", k=1).answers[0].id == "city1"
    assert all(np.array_equal(bigger.scorer.array(name), model.scorer.array(name)) for name in ("feature", "weight"))
    with pytest.raises(ArgumentError, match="which has no rows of nodes"):
        gt.add_nodes(model, facts, epochs=1)


def test_umls_is_learned_in_seconds():
    split = gt.load_dataset("umls").split
    model = gt.pretrain(PathRanking(length=2), split, run=QUIET).model
    assert gt.TripleCompletion(split).evaluate(model)["mrr"] > 0.85
