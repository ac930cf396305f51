"""Splits that hold entities out whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphs import planted
from graphtune.split import TEST, TRAIN, UNUSED, VALID, EntitySplit, split_entities


def knowledge(entities=60, relations=4, triples=600, seed=0):
    rng = np.random.default_rng(seed)
    found = np.unique(rng.integers(0, [entities, relations, entities], (triples, 3)), axis=0)
    return gt.Graph(
        found[:, [0, 2]].T, gt.NodeIds.of([f"e{i}" for i in range(entities)]), directed=True, relation=found[:, 1],
        relation_ids=gt.NodeIds.of([f"r{i}" for i in range(relations)]),
    )  # fmt: skip


def named(graph):
    """The edges as the user knows them."""
    ends = [graph.ids.values(side) for side in graph.edges]
    return set(zip(*ends)) if graph.relation is None else set(zip(*ends, graph.relation_ids.values(graph.relation)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(20, 60), st.booleans())
def test_every_edge_has_its_place(seed, support, entities, related):
    graph = knowledge(entities, 3, 8 * entities, seed) if related else planted(4, entities // 4, 0.5, 0.2, seed)
    found = split_entities(graph, (7, 2, 1), support, seed)
    whole, part, new = found.split.graph, found.split.part, found.new
    assert named(whole) == named(graph)
    assert sorted(whole.ids.values(np.arange(len(new)))) == sorted(graph.ids.values(np.arange(len(new))))
    ends = new[whole.edges].sum(axis=0)
    np.testing.assert_array_equal(part == UNUSED, ends == 2)
    assert (part[ends == 0] == TRAIN).all()
    assert named(found.seen) == named(whole.take_edges(ends == 0))
    assert found.seen.ids == gt.NodeIds.of(whole.ids.values(np.flatnonzero(~new)))
    assert named(found.support) == named(whole.take_edges((ends == 1) & (part == TRAIN)))
    told, asked = (np.bincount(whole.edges[:, at][new[whole.edges[:, at]]], minlength=len(new)) for at in (
        (part == TRAIN) & (ends == 1), (part == VALID) | (part == TEST)))  # fmt: skip
    assert (told[new][(told + asked)[new] > 0] >= 1).all(), "each of which anything is known is told of"
    entity = np.where(new[whole.edges[0]], *whole.edges)
    assert not set(entity[part == VALID]) & set(entity[part == TEST])
    assert not found.split._leaks()[0]
    found.audit()
    assert sum(found.summary()[f"{name} edges"] for name in ("seen", "support", "valid", "test")) == (ends < 2).sum()


def test_support_is_what_was_asked_for():
    for seed in range(10):
        found = split_entities(planted(3, 12, 0.3, 0.05, seed), (8, 2, 2), 3, seed)
        counts = []
        for node in np.flatnonzero(found.new):
            mine = (found.split.graph.edges == node).any(axis=0) & (found.split.part != UNUSED)
            told = int((mine & (found.split.part == TRAIN)).sum())
            counts.append((int(mine.sum()), told))
        assert all(told == min(3, max(total - 1, 1), total) for total, told in counts), counts


def test_what_says_the_same_stays_together():
    rng = np.random.default_rng(0)
    u, v = np.unique(rng.integers(0, 40, (300, 2)), axis=0).T
    edges = np.stack([np.concatenate([u, v]), np.concatenate([v, u])])
    inverse = gt.Graph(
        edges, gt.NodeIds.range(40), directed=True, relation=np.repeat([0, 1], len(u)),
        relation_ids=gt.NodeIds.of(["part_of", "has_part"]),
    )  # fmt: skip
    found = split_entities(inverse, seed=1)
    found.audit()
    assert not found.split.audit()


def test_the_same_seed_gives_the_same_split():
    graph = knowledge()
    first, second, other = (split_entities(graph, seed=seed) for seed in (3, 3, 4))
    assert first.split.graph.ids == second.split.graph.ids != other.split.graph.ids
    np.testing.assert_array_equal(first.split.part, second.split.part)


def test_features_and_labels_go_along():
    graph = knowledge().replace(
        features=np.arange(120, dtype=np.float32).reshape(60, 2),
        labels=np.arange(60),
        texts=tuple(f"t{i}" for i in range(60)),
    )
    found = split_entities(graph, seed=2)
    for part in (found.split.graph, found.seen):
        number = [int(name[1:]) for name in part.ids.values(np.arange(part.num_nodes))]
        np.testing.assert_array_equal(part.labels, number)
        np.testing.assert_array_equal(part.features[:, 0], 2 * np.array(number))
        assert part.texts == tuple(f"t{i}" for i in number)


def test_refusals():
    events = gt.Graph(np.array([[0, 1], [2, 3]]), gt.NodeIds.of([0, 1], [0, 1], kinds=("user", "item")), directed=True)
    with pytest.raises(gt.ArgumentError, match="of one kind of node"):
        split_entities(events)
    with pytest.raises(gt.ArgumentError, match="`support` of split_entities must be an integer >= 1"):
        split_entities(knowledge(), support=0)
    with pytest.raises(gt.ArgumentError, match="remain to learn and to ask for"):
        split_entities(gt.Graph(np.array([[0, 2, 4], [1, 3, 5]]), gt.NodeIds.range(6)), (1, 1, 1))


def test_audit_names_what_is_wrong():
    found = split_entities(knowledge(), seed=0)
    part = found.split.part.copy()
    part[np.flatnonzero(part == TRAIN)[0]] = TEST  # between two seen entities
    wrong = EntitySplit(gt.given_split(found.split.graph, part, "edge", "triples"), found.new)
    with pytest.raises(gt.LeakError, match="Got 1 others"):
        wrong.audit()
    part = found.split.part.copy()
    entity = np.where(found.new[found.split.graph.edges[0]], *found.split.graph.edges)
    mine = np.flatnonzero((part == VALID) & (entity == entity[part == VALID][0]))
    part[mine[0]] = TEST
    wrong = EntitySplit(gt.given_split(found.split.graph, part, "edge", "triples"), found.new)
    with pytest.raises(gt.LeakError, match=f"Got {len(mine) - 1} others"):
        wrong.audit()
    with pytest.raises(gt.ArgumentError, match="the new ones last"):
        EntitySplit(found.split, ~found.new)
