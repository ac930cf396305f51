"""Patterns of relations: naive loops on random graphs, numbers by hand, known facts of public data."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune
from graphtune.check import ArgumentError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.split import inverse_rules, relation_patterns
from graphtune.split.patterns import RelationPattern
from graphtune.testing import inverse_relations, two_cliques

NAMES = "abcd"


def triples(*rows, names=NAMES, nodes=8):
    head, relation, tail = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    ids = NodeIds.of(list(names))
    return Graph(np.stack([head, tail]), NodeIds.range(nodes), True, relation=relation, relation_ids=ids)


def naive(rows, names, nodes):
    """Every rule with its support and confidence, whatever they are: {(kind, relations): (support, confidence)}."""
    pairs = {r: {(h, t) for h, q, t in rows if names[q] == r and h != t} for r in names}
    found = {}
    for r in names:
        back = {(t, h) for h, t in pairs[r]}
        for s in names:
            if not pairs[r]:
                continue
            both = len({(t, h) for h, t in pairs[r]} & pairs[s])
            if r != s:
                found["inverse", (r, s)] = both, both / len(pairs[r])
            if r < s:
                common, either = len(pairs[r] & pairs[s]), len(pairs[r] | pairs[s])
                found["duplicate", (r, s)] = common, common / either
        if pairs[r]:
            both = len(back & pairs[r])
            found["symmetric", (r,)] = both, both / len(pairs[r])
            found["antisymmetric", (r,)] = len(pairs[r]) - both, 1 - both / len(pairs[r])
        for s in names:
            joined = {(x, y) for x, z in pairs[r] for w, y in pairs[s] if z == w and x != y}
            for t in names:
                if joined & pairs[t]:
                    found["composition", (r, s, t)] = len(joined & pairs[t]), len(joined & pairs[t]) / len(joined)
    return found


rows_of = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 6)), max_size=60)


@given(rows_of, st.sampled_from([0.05, 0.4, 0.8]), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_patterns_are_the_naive_ones(rows, confidence, support):
    got = relation_patterns(triples(*rows), confidence, support)
    wanted = {k: v for k, v in naive(rows, NAMES, 8).items() if v[0] >= support and v[1] >= confidence}
    assert {(p.kind, p.relations): (p.support, pytest.approx(p.confidence)) for p in got.found} == wanted
    assert len(got.found) == len(wanted) and (got.sources, got.relations) == (1.0, 1.0)


def test_many_paths_and_rules_outgrow_their_tables():
    """Entities with hundreds of edges and 17^3 rules, against a product of boolean matrices."""
    rng = np.random.default_rng(0)
    names, nodes = [f"r{i:02}" for i in range(17)], 60
    graph = triples(*rng.integers(0, [nodes, 17, nodes], (6000, 3)), names=names, nodes=nodes)
    held = np.zeros((17, nodes, nodes), dtype=bool)
    held[graph.relation, graph.edges[0], graph.edges[1]] = True
    held[:, np.arange(nodes), np.arange(nodes)] = False
    got = {p.relations: (p.support, p.confidence) for p in relation_patterns(graph, 1e-9, 1).of("composition")}
    assert len(got) == 17**3
    for p, q, r in rng.integers(0, 17, (50, 3)):
        joined = (held[p].astype(int) @ held[q]) > 0
        np.fill_diagonal(joined, False)
        both = (joined & held[r]).sum()
        assert got[names[p], names[q], names[r]] == (both, pytest.approx(both / joined.sum()))


def test_inverse_patterns_are_inverse_rules():
    graph = inverse_relations()
    names = graph.relation_ids.values([0, 1])
    rules = {((names[r], names[s]), n, share) for r, s, n, share in inverse_rules(graph, 0.5)}
    found = relation_patterns(graph, 0.5)
    assert {(p.relations, p.support, p.confidence) for p in found.of("inverse")} == rules
    assert [p.relations for p in found.of("antisymmetric")] == [("has",), ("in",)]
    assert [p.kind for p in found.found] == ["antisymmetric"] * 2 + ["inverse"] * 2


def test_a_family_by_hand():
    """Ten grandparents, each with a child and its child; uncle has the pairs of grandparent but for one."""
    rows = [row for i in range(0, 30, 3) for row in ((i, 0, i + 1), (i + 1, 0, i + 2), (i, 1, i + 2))]
    rows += [(i, 2, i + 2) for i in range(3, 30, 3)] + [(3, 0, 3), (0, 0, 1)]
    found = relation_patterns(triples(*rows, names=("parent", "grandparent", "elder"), nodes=30))
    assert RelationPattern("composition", ("parent", "parent", "grandparent"), 10, 1.0) in found.found
    assert RelationPattern("composition", ("parent", "parent", "elder"), 9, 0.9) in found.found
    assert found.of("duplicate") == (RelationPattern("duplicate", ("grandparent", "elder"), 9, 0.9),)
    assert found.of("symmetric") == () and len(found.of("antisymmetric")) == 3
    assert str(found.of("duplicate")[0]) == "grandparent and elder share 90 % of their pairs (9)"
    (told,) = found.warnings()
    assert told.startswith("grandparent and elder share 90 % of their pairs (9): test triples can be read off train")


def test_warnings_say_whether_splits_mind_them():
    """a is b read backwards both ways; c, a few triples, is d read backwards, and d is much more; e is symmetric."""
    rows = [(i, 0, i + 10) for i in range(10)] + [(i + 10, 1, i) for i in range(10)]
    rows += [(i, 2, i + 12) for i in range(6)] + [(i + 12, 3, i) for i in range(8)] + [(i, 3, i + 1) for i in range(6)]
    rows += [row for i in range(4) for row in ((i, 4, i + 20), (i + 20, 4, i))]
    told = relation_patterns(triples(*rows, nodes=24, names="abcde")).warnings()
    assert [t.split(" (")[0] for t in told] == [
        "e is symmetric: 100 % of its pairs stand turned round too",
        "a is b read backwards in 100 % of its pairs",
        "c is d read backwards in 100 % of its pairs",
    ]
    assert ["many more pairs" in t for t in told] == [False, False, True]


def test_too_many_paths_are_sampled_and_it_is_said():
    rng = np.random.default_rng(0)
    graph = triples(*rng.integers(0, [50, 2, 50], (1500, 3)), names="ab", nodes=50)
    whole, part = (relation_patterns(graph, 1e-6, 1, work) for work in (1 << 27, 20_000))
    assert whole.sources == 1 and 0.1 < part.sources < 0.7
    exact = {p.relations: p for p in whole.of("composition")}
    for pattern in part.of("composition"):
        assert pattern.support < exact[pattern.relations].support
        assert pattern.confidence == pytest.approx(exact[pattern.relations].confidence, abs=0.1)
    assert part.of("inverse") == whole.of("inverse")
    assert relation_patterns(graph, 1e-6, 1, 20_000) == part, "drawn by a seed"


def test_rare_relations_are_left_out_of_compositions(monkeypatch):
    monkeypatch.setattr("graphtune.split.patterns.MOST_RELATIONS", 2)
    rows = [(i, r, (i + 1) % 8) for i in range(8) for r in (1, 3)] + [(0, 0, 2)]
    found = relation_patterns(triples(*rows), 0.01, 1)
    assert found.relations == 0.5 and found.of("composition") == ()
    rows += [(i, 3, (i + 2) % 8) for i in range(8)]
    assert {p.relations for p in relation_patterns(triples(*rows), 0.01, 1).of("composition")} >= {("b", "b", "d")}


@pytest.mark.parametrize(
    ("change", "argument"),
    [({"confidence": 0}, "confidence"), ({"confidence": 1.1}, "confidence"), ({"support": 0}, "support"),
     ({"work": 0}, "work")],
)  # fmt: skip
def test_bounds(change, argument):
    with pytest.raises(ArgumentError, match=f"`{argument}` of relation_patterns must be"):
        relation_patterns(inverse_relations(), **change)


def test_only_triples_have_patterns():
    with pytest.raises(ArgumentError, match="`graph` of relation_patterns must be directed, with relations"):
        relation_patterns(two_cliques())
    assert relation_patterns(triples()).found == ()


@pytest.mark.data
def test_known_patterns_of_public_data(data):
    """WN18RR keeps three symmetric relations (Dettmers et al., 2018); all of FB15k-237 takes seconds."""
    found = relation_patterns(graphtune.load_dataset("wn18rr").graph)
    symmetric = {p.relations[0] for p in found.of("symmetric")}
    assert symmetric == {"_derivationally_related_form", "_similar_to", "_verb_group"}
    assert {"_hypernym", "_instance_hypernym", "_member_meronym"} <= {p.relations[0] for p in found.of("antisymmetric")}
    graph = graphtune.load_dataset("fb15k-237").graph
    begin = time.process_time()
    assert len(relation_patterns(graph).of("composition")) > 10
    assert time.process_time() - begin < 15  # two or three seconds on a machine that is not shared
