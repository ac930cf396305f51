"""Relations that others read backwards: rules against numbers by hand and a naive loop, and what they add."""

import numpy as np
import pytest

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import ComplEx
from graphtune.split import TRAIN, VALID, InverseRule, Split, inverse_rules, with_inverses
from graphtune.tasks import TripleCompletion, finetune
from graphtune.testing import inverse_relations
from graphtune.train.fit import Run

QUIET = Run(quiet=True)


def triples(*rows, names=("r", "s"), nodes=8, **more):
    head, relation, tail = np.array(rows).reshape(-1, 3).T
    ids = NodeIds.of(list(names))
    return Graph(np.stack([head, tail]), NodeIds.range(nodes), True, relation=relation, relation_ids=ids, **more)


def test_rules_of_a_graph_of_inverses():
    """(city, has, person) for 15, its inverse for 12 of them."""
    graph = inverse_relations()
    has, inside = InverseRule(0, 1, 12, 0.8), InverseRule(1, 0, 12, 1.0)
    assert inverse_rules(graph, 0.5) == [has, inside] and inverse_rules(graph, 0.9) == [inside]
    assert inverse_rules(graph, 0.5, support=13) == []
    whole = with_inverses(graph, inverse_rules(graph, 0.5))
    assert whole.num_edges == 30
    assert whole.edges[:, 27:].tolist() == [[0, 5, 10], [15, 16, 17]] and whole.relation[27:].tolist() == [1, 1, 1]
    assert with_inverses(graph, inverse_rules(graph, 0.9)).num_edges == 27, "all of them are known"
    assert with_inverses(graph, []).num_edges == 27


def test_symmetric_relations_by_hand():
    """r is symmetric but for 2 -> 3; the self-loop and the repeat say nothing, s has too few."""
    rows = [(0, 0, 1), (1, 0, 0), (0, 0, 2), (2, 0, 0), (2, 0, 3), (4, 0, 4), (0, 0, 1), (5, 1, 6), (6, 1, 5)]
    graph = triples(*rows, weight=np.arange(1, 10), time=np.arange(9) * 10)
    assert inverse_rules(graph, 0.8, support=3) == [InverseRule(0, 0, 4, 0.8)]
    whole = with_inverses(graph, inverse_rules(graph, 0.8, support=3))
    assert whole.edges[:, 9:].tolist() == [[3], [2]] and whole.relation[9:].tolist() == [0]
    assert whole.weight[9:].tolist() == [5] and whole.time[9:].tolist() == [40]


def test_rules_are_the_naive_ones():
    rng = np.random.default_rng(0)
    graph = triples(*rng.integers(0, [12, 4, 12], (150, 3)), names="abcd", nodes=12)
    known = {(h, r, t) for (h, t), r in zip(graph.edges.T.tolist(), graph.relation.tolist()) if h != t}
    wanted = []
    for r in range(4):
        mine = [(h, t) for h, q, t in known if q == r]
        for s in range(4):
            support = sum((t, s, h) in known for h, t in mine)
            if support >= 5 and support / len(mine) >= 0.25:
                wanted.append(InverseRule(r, s, support, support / len(mine)))
    found = inverse_rules(graph, 0.25)
    assert [rule[:3] for rule in found] == [rule[:3] for rule in wanted] and 2 < len(wanted) < 16
    whole = with_inverses(graph, found)
    more = {(t, s, h) for r, s, *_ in wanted for (h, q, t) in known if q == r} - known
    got = list(zip(whole.edges[0, 150:].tolist(), whole.relation[150:].tolist(), whole.edges[1, 150:].tolist()))
    assert {g for g in got if g[0] != g[2]} == more and len(got) == len(set(got))
    assert inverse_rules(graph.take_edges(np.zeros(150, bool)), 0.25) == []


def test_implied_triples_are_of_the_train_part_and_are_trained():
    """Held out are the inverses that are implied; without the option no relation is read as another's inverse."""
    graph = inverse_relations()
    part = np.full(graph.num_edges, TRAIN)
    part[[15, 19, 23]] = VALID
    split = Split(graph, "edge", "public", part)
    task = TripleCompletion(split, invert=0.5)
    config = TrainConfig(epochs=1, batch_size=1000)
    model = ComplEx(dim=8).build(split.train)
    sampler = task.training(model, config).sampler
    assert sampler.graph.num_edges == 30 and task.graph is graph and model.graph.num_edges == 24
    assert TripleCompletion(split).training(model, config).sampler.graph.num_edges == 24
    assert TripleCompletion(split, invert=0.9).training(model, config).sampler.graph.num_edges == 24
    assert finetune(model, task, config, QUIET).history


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_confidence_is_a_share(share):
    split = Split(inverse_relations(), "edge", "public", np.full(27, TRAIN))
    with pytest.raises(ArgumentError, match="`invert` of TripleCompletion must be"):
        TripleCompletion(split, invert=share)
