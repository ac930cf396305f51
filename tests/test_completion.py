"""The three forms of question: answers against scores one by one, known facts, ids of one's own, nearest entities."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import graphtune
from graphtune.check import ArgumentError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import ComplEx, DeepWalk, DistMult, RotatE, TransE
from graphtune.models.calibration import Calibration, Curve
from graphtune.models.completion import answering
from graphtune.split import TEST, TRAIN, UNUSED, VALID, Split
from graphtune.testing import inverse_relations, two_cliques

RECIPES = (ComplEx(dim=8), DistMult(dim=8), TransE(dim=8), RotatE(dim=8))
CURVES = Calibration(Curve(1.0, 0.0, 0.0), Curve(1.0, 0.0, 0.0), Curve(1.0, 0.0, 0.0), 30)


def random_triples(entities=9, relations=3, count=40, seed=0):
    rng = np.random.default_rng(seed)
    head, relation, tail = np.unique(rng.integers(0, [entities, relations, entities], (count, 3)), axis=0).T
    names = NodeIds.of([f"e{i}" for i in range(entities)])
    return Graph(
        np.stack([head, tail]), names, True, relation=relation, relation_ids=NodeIds.of(list("xyz"[:relations]))
    )


def facts(graph):
    head, tail = (graph.ids.values(end) for end in graph.edges)
    return list(zip(head, graph.relation_ids.values(graph.relation), tail))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: type(r).__name__)
def test_answers_are_the_best_scores_with_known_facts_marked(recipe):
    graph = random_triples()
    model, known = recipe.build(graph, seed=1), set(facts(graph))
    everyone, relations = graph.ids.values(range(9)), graph.relation_ids.values(range(3))
    found = model.complete(head="e1", relation="y", k=9)
    wanted = sorted(everyone, key=lambda t: -model.score(["e1"], [t], ["y"])[0])
    assert [a.id for a in found.answers] == wanted and (found.head, found.relation, found.tail) == ("e1", "y", None)
    np.testing.assert_allclose([a.score for a in found.answers], model.score(["e1"] * 9, wanted, ["y"] * 9), atol=1e-5)
    assert [a.known for a in found.answers] == ["known" if ("e1", "y", t) in known else None for t in wanted]
    found = model.complete(head="e1", tail="e2", k=9)
    wanted = sorted(relations, key=lambda r: -model.score(["e1"], ["e2"], [r])[0])
    assert [a.id for a in found.answers] == wanted
    assert [a.known for a in found.answers] == ["known" if ("e1", r, "e2") in known else None for r in wanted]
    found = model.complete(relation="z", tail="e3", k=4)
    backwards = model.frozen().cross(graph.ids.index(["e3"]), range(9), np.array([2 + 3]))[0]
    assert [a.id for a in found.answers] == [f"e{i}" for i in np.argsort(-backwards, kind="stable")[:4]]
    assert found.known == sum((r, t) == ("z", "e3") for _, r, t in known)


def test_what_no_triple_holds_is_named_and_gets_no_probability():
    whole = random_triples()
    keep = (whole.edges != 0).all(axis=0) & (whole.relation != 2)
    graph = whole.replace(edges=whole.edges[:, keep], relation=whole.relation[keep])
    model = ComplEx(dim=8).build(graph, seed=1)
    model.calibration = CURVES
    for asked, unseen in (("e0", "y"), ("e0",)), (("e2", "z"), ("z",)), (("e2", "y"), ()):
        found = model.complete(*asked, k=9)
        assert found.unseen == unseen
        assert all((a.probability is None) == bool(unseen or a.known) for a in found.answers)
    assert model.complete(head="e0", tail="e0").unseen == ("e0", "e0")


def test_a_model_of_nan_has_no_answers():
    model = ComplEx(dim=8).build(random_triples(), seed=1)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(ArgumentError, match=r"`model` of Model.complete must be one whose scores"):
        model.complete("e1", "y")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: type(r).__name__)
def test_a_loss_that_there_is_not_is_refused_where_it_is_written(recipe):
    with pytest.raises(ArgumentError, match=f"`loss` of {type(recipe).__name__} must be one of.*Got 'one-vs-al'"):
        replace(recipe, loss="one-vs-al")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: type(r).__name__)
def test_relations_are_scored_as_triples_are(recipe):
    graph = random_triples()
    model = recipe.build(graph, seed=1)
    heads, tails = ["e0", "e4", "e8", "e4"], ["e1", "e1", "e8", "e5"]
    names, scores = model.score_relations(heads, tails)
    assert names == ["x", "y", "z"] and scores.shape == (4, 3)
    for column, name in enumerate(names):
        np.testing.assert_allclose(scores[:, column], model.score(heads, tails, [name] * 4), atol=1e-6)


def test_relations_of_thousands_of_pairs():
    """A thousand pairs with 237 relations; a block holds fewer than these."""
    rng = np.random.default_rng(0)
    ids, names = NodeIds.range(500), NodeIds.of([f"r{i}" for i in range(237)])
    graph = Graph(rng.integers(0, 500, (2, 900)), ids, True, relation=np.arange(900) % 237, relation_ids=names)
    model = ComplEx(dim=200).build(graph)
    pairs = rng.integers(0, 500, (2, 1000))
    begin = time.process_time()
    _, scores = model.score_relations(*pairs)
    assert time.process_time() - begin < 10, "a third of a second on a machine of its own"
    at = rng.integers(0, [1000, 237], (30, 2))
    wanted = model.frozen().pairs(pairs[0, at[:, 0]], pairs[1, at[:, 0]], at[:, 1])
    np.testing.assert_allclose(scores[at[:, 0], at[:, 1]], wanted, atol=1e-6)


def test_new_answers_leave_known_facts_out():
    graph = random_triples()
    model, known = ComplEx(dim=8).build(graph), set(facts(graph))
    head, relation, _ = facts(graph)[0]
    found = model.complete(head, relation, k=100, new=True)
    tails = {t for h, r, t in known if (h, r) == (head, relation)}
    assert {a.id for a in found.answers} == set(graph.ids.values(range(9))) - tails and found.known == len(tails) > 0
    assert all(a.known is None and a.probability is None for a in found.answers)


def test_a_split_tells_the_part_of_a_fact():
    """One that stands in two parts is of the first of them."""
    graph = inverse_relations()
    part = np.full(graph.num_edges, TRAIN)
    part[[0, 1, 2, 15]] = [VALID, TEST, UNUSED, TEST]
    split = Split(graph, "edge", "public", part)
    model = ComplEx(dim=4).build(split.train)
    told = {a.id: a.known for a in model.complete("city0", "has", k=100, known=split).answers}
    parts = {"person0": "valid", "person1": "test", "person2": "unused", "person3": "train", "person4": "train"}
    assert {name: at for name, at in told.items() if at} == parts
    assert model.complete("city0", "has", known=split.train).known == 2 == model.complete("city0", "has").known
    assert [a.known for a in model.complete("person1", None, "city0", known=split).answers].count("test") == 1
    twice = graph.replace(edges=graph.edges[:, [0, 0]], relation=graph.relation[[0, 0]])
    both = Split(twice, "edge", "public", np.array([TEST, TRAIN]))
    found = ComplEx(dim=4).build(both.train).complete("city0", "has", known=both)
    assert found.known == 1 and {a.id: a.known for a in found.answers}.get("person0", "train") == "train"


def test_integer_ids_and_text_that_spells_them():
    graph = random_triples().replace(ids=NodeIds.range(9))
    model = ComplEx(dim=8).build(graph)
    assert model.complete(3, "x").answers == model.complete("3", "x").answers
    assert all(isinstance(a.id, int) for a in model.complete(3, "x").answers)


def test_probabilities_are_of_new_answers_and_sum_to_one_by_softmax():
    graph = random_triples()
    model = ComplEx(dim=8).build(graph)
    head, relation, tail = facts(graph)[0]
    for asked in ((head, relation, None), (None, relation, tail), (head, None, tail)):
        assert all(a.probability is None for a in model.complete(*asked).answers)
    model.calibration = CURVES
    for asked in ((head, relation, None), (None, relation, tail), (head, None, tail)):
        answers = model.complete(*asked, k=100).answers
        assert all((a.probability is None) == (a.known is not None) for a in answers)
        new = [a for a in answers if a.known is None]
        scores = np.exp([a.score for a in new])
        np.testing.assert_allclose([a.probability for a in new], scores / scores.sum(), rtol=1e-6)
    assert model.copy().calibration is None


def test_which_facts_answer_which_question():
    graph = random_triples(count=60)
    rng = np.random.default_rng(1)
    columns = [graph.edges[0], graph.relation, graph.edges[1]]
    for missing in range(3):
        given = [c for place, c in enumerate(columns) if place != missing]
        query = np.stack([c[rng.integers(0, graph.num_edges, 12)] for c in given])
        got = sorted(zip(*(found.tolist() for found in answering(graph, missing, query))))
        wanted = [(q, e) for q in range(12) for e in range(graph.num_edges)
                  if all(c[e] == query[side, q] for side, c in enumerate(given))]  # fmt: skip
        assert got == wanted and wanted


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"head": "e1"}, "must be two of the three"),
        ({"head": "e1", "relation": "x", "tail": "e2"}, "must be two of the three"),
        ({"head": "e1", "relation": "xx"}, "must be known relation ids"),
        ({"head": "e11", "relation": "x"}, "must be known node ids.*Did you mean e1"),
        ({"head": "e1", "relation": "x", "k": 0}, "`k` of Model.complete"),
        ({"head": "e1", "relation": "x", "known": inverse_relations()}, "`known` of Model.complete must be"),
    ],
)
def test_what_may_be_asked(asked, message):
    with pytest.raises(ArgumentError, match=message):
        ComplEx(dim=4).build(random_triples()).complete(**asked)


def test_only_knowledge_graphs_are_completed():
    model = DeepWalk(dim=4).build(two_cliques())
    with pytest.raises(ArgumentError, match=r"`head` of Model.complete must be a node of a knowledge graph"):
        model.complete("a0", "x")
    with pytest.raises(ArgumentError, match=r"`source` of Model.score_relations must be"):
        model.score_relations(["a0"], ["a1"])
    with pytest.raises(ArgumentError, match=r"`target` of Model.score_relations must be as long"):
        ComplEx(dim=4).build(random_triples()).score_relations(["e0"], ["e1", "e2"])


def test_nearest_entities_keep_their_kind():
    """Drugs and diseases are two kinds with ids of their own, related by triples."""
    rng = np.random.default_rng(0)
    ids = NodeIds.of(range(6), range(8), kinds=("drug", "disease"))
    edges = np.stack([rng.integers(0, 6, 30), 6 + rng.integers(0, 8, 30)])
    graph = Graph(edges, ids, True, relation=np.arange(30) % 2, relation_ids=NodeIds.of(["treats", "causes"]))
    model = ComplEx(dim=8).build(graph)
    assert {i for i, _ in model.most_similar(2, 10, "disease")} == set(range(8)) - {2}
    assert {i for i, _ in model.most_similar(2, 10, "drug")} == set(range(6)) - {2}


def test_names_at_the_top():
    assert graphtune.Answer is type(ComplEx(dim=4).build(random_triples()).complete("e0", "x").answers[0])
