"""Graphs on disk: the same lists, walks and answers as in memory, whatever the memory for building; damage is told."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import graphtune as gt
from graphtune.check import ArgumentError, DataError
from graphtune.disk import has_graph
from graphtune.disk.lists import row_ranges
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels import memory
from graphtune.kernels.alias import alias_rows
from graphtune.kernels.memory import blocks, is_mapped, release
from graphtune.kernels.numbering import Numbering
from graphtune.sampling import EdgeSampler, Negatives


def some_graph(num_nodes=30, num_edges=200, directed=False, weighted=False, seed=0):
    """With parallel edges and self-loops."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 9, num_edges).astype(np.float32) if weighted else None
    ids = NodeIds.of([f"n{i}" for i in range(num_nodes)])
    return Graph(rng.integers(0, num_nodes, (2, num_edges)), ids, directed=directed, weight=weight)


def same_lists(one, other):
    assert np.array_equal(one.indptr, other.indptr) and np.array_equal(one.indices, other.indices)
    assert one.indices.dtype == other.indices.dtype
    assert (one.weight is None) == (other.weight is None)
    assert one.weight is None or np.array_equal(one.weight, other.weight)


@settings(deadline=None, max_examples=60)
@given(
    edges=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=60),
    directed=st.booleans(),
    weighted=st.booleans(),
    memory=st.integers(1, 400),
)
def test_lists_on_disk_are_those_in_memory(edges, directed, weighted, memory, tmp_path_factory):
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    weight = np.arange(1, len(edges) + 1, dtype=np.float32) if weighted else None
    graph = Graph(ends, NodeIds.range(12), directed=directed, weight=weight)
    place = tmp_path_factory.mktemp("graph") / "graph"
    loaded = gt.load_graph(gt.save_graph(graph, place), memory)
    for direction in ("out", "in", "both"):
        same_lists(graph.adjacency(direction), loaded.adjacency(direction))
    again = gt.load_graph(place).adjacency()
    same_lists(graph.adjacency(), again)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_loaded_graph_is_mapped_and_the_same(tmp_path, monkeypatch, weighted):
    graph = some_graph(300, 5000, weighted=weighted).replace(time=np.arange(5000))
    whole = graph.fingerprint, graph.strength()
    monkeypatch.setattr(memory, "BLOCK", 700)
    loaded = gt.load_graph(gt.save_graph(graph, tmp_path / "g"), memory=3000)
    assert loaded.on_disk and not graph.on_disk
    assert loaded.fingerprint == graph.fingerprint == whole[0]
    assert loaded.ids == graph.ids
    np.testing.assert_allclose(loaded.strength(), whole[1])
    csr = loaded.adjacency()
    assert all(is_mapped(a) for a in (loaded.edges, loaded.edges[0], loaded.time, csr.indices, csr.indptr))
    assert not any(is_mapped(a) for a in (graph.edges, loaded.edges + 1, np.array(csr.indices)))
    if weighted:
        assert np.array_equal(alias_rows(csr.indptr, csr.weight), csr.alias)


def test_a_changed_graph_has_lists_of_its_own(tmp_path):
    loaded = gt.load_graph(gt.save_graph(some_graph(), tmp_path / "g"))
    less = loaded.take_edges(np.arange(50))
    assert not less.on_disk and less.adjacency().indptr[-1] <= 100
    assert loaded.replace(labels=np.zeros(30, np.int64)).on_disk


def test_relations_and_kinds_come_back(tmp_path):
    ids = NodeIds.of(["a", "b"], [1, 2, 3], kinds=("user", "item"))
    graph = Graph(np.array([[0, 1], [2, 4]]), ids, True, np.array([1, 0]), NodeIds.of(["buys", "sees"]))
    loaded = gt.load_graph(gt.save_graph(graph, tmp_path / "g"))
    assert loaded.fingerprint == graph.fingerprint and loaded.relation_ids == graph.relation_ids
    assert loaded.is_bipartite_events and loaded.directed


def test_row_ranges_hold_what_fits_or_one_row():
    indptr = np.cumsum([0, 3, 0, 2, 9, 1, 1, 0])
    assert list(row_ranges(indptr, 5)) == [(0, 3), (3, 4), (4, 7)]
    assert list(row_ranges(indptr, 1)) == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 7)]
    assert list(row_ranges(np.zeros(1, np.int64), 5)) == []


# ---- training ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [gt.DeepWalk(dim=8, walks_per_node=2), gt.Node2Vec(dim=8, walks_per_node=1, q=0.5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_walk_models_learn_the_same_bits_on_disk(tmp_path, recipe, weighted):
    graph = some_graph(60, 300, weighted=weighted)
    loaded = gt.load_graph(gt.save_graph(graph, tmp_path / "g"), memory=500)
    config = gt.TrainConfig(epochs=1, batch_size=32, lr=0.025, optimizer="sgd", deterministic=True, patience=0)
    models = [gt.pretrain(recipe, g, config, run=gt.Run(quiet=True)).model for g in (graph, loaded)]
    assert np.array_equal(models[0].encode(), models[1].encode())


@pytest.mark.parametrize("directed", [False, True])
def test_edges_on_disk_are_drawn_by_weight(tmp_path, directed):
    edges, weight = np.array([[0, 0, 1, 2], [1, 2, 2, 3]]), np.array([1, 2, 4, 0.5], np.float32)
    graph = Graph(edges, NodeIds.range(4), directed, weight=weight)
    loaded = gt.load_graph(gt.save_graph(graph, tmp_path / "g"))
    sampler = EdgeSampler(loaded, 3, Negatives(2, noise="degree", pairs=True), by_weight=True)
    batches = [batch for epoch in range(1500) for batch in sampler.batches(epoch)]
    assert sampler.num_batches == (2 if directed else 3) and len(batches) == 1500 * sampler.num_batches
    assert batches[0].negative.shape == (2, 2)
    drawn = np.concatenate([np.stack([b.source, b.target]) for b in batches], axis=1)
    csr = graph.adjacency("out")
    source = np.repeat(np.arange(4), csr.degree)
    chance = csr.weight.astype(float) / csr.weight.sum(dtype=float)
    counts = [int(((drawn[0] == u) & (drawn[1] == v)).sum()) for u, v in zip(source, csr.indices)]
    assert sum(counts) == drawn.shape[1]
    assert chisquare(counts, drawn.shape[1] * chance).pvalue > 1e-3


@pytest.mark.parametrize("order", ["first", "second", "both"])
def test_line_learns_on_disk(tmp_path, order):
    rng = np.random.default_rng(0)
    pairs = {(i, j) for i in range(40) for j in range(i) if rng.random() < (0.5 if i // 20 == j // 20 else 0.02)}
    graph = Graph(np.array(sorted(pairs)).T, NodeIds.range(40))
    loaded = gt.load_graph(gt.save_graph(graph, tmp_path / "g"))
    config = gt.TrainConfig(epochs=200, batch_size=64, lr=0.05, optimizer="sgd", patience=0)
    z = gt.pretrain(gt.LINE(dim=8, order=order), loaded, config, run=gt.Run(quiet=True)).model.encode()
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    like = z @ z.T
    assert like[:20, :20].mean() > like[:20, 20:].mean() + 0.1


# ---- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["edges.npy", "ids-0.parquet", "weight.npy", "graph.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
def test_damage_is_told(tmp_path, name, damage):
    place = gt.save_graph(some_graph(weighted=True), tmp_path / "g")
    damaged(place / name, damage)
    with pytest.raises((DataError, ArgumentError), match=name):
        gt.load_graph(place)


@pytest.mark.parametrize("name", ["indices.npy", "indptr.npy", "lists.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
def test_damaged_lists_are_told(tmp_path, name, damage):
    place = gt.save_graph(some_graph(), tmp_path / "g")
    gt.load_graph(place).adjacency()
    damaged(place / "lists-both" / name, damage)
    with pytest.raises(DataError, match=name):
        gt.load_graph(place).adjacency()


def damaged(file: Path, how: str) -> None:
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        if file.suffix == ".json":
            file.write_text(json.dumps({"format": 99}))


def test_an_object_array_is_refused(tmp_path):
    place = gt.save_graph(some_graph(), tmp_path / "g")
    np.save(place / "edges.npy", np.array([object()]), allow_pickle=True)
    record = json.loads((place / "graph.json").read_text())
    record["sha256"].pop("edges.npy")
    (place / "graph.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"edges\.npy"):
        gt.load_graph(place)


def test_saving_refuses_what_it_cannot_keep(tmp_path):
    with pytest.raises(ArgumentError, match="labels"):
        gt.save_graph(some_graph().replace(labels=np.zeros(30, np.int64)), tmp_path / "g")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(ArgumentError, match="new or empty"):
        gt.save_graph(some_graph(), tmp_path / "full")
    gt.save_graph(some_graph(), tmp_path / "g")
    assert has_graph(tmp_path / "g")
    with pytest.raises(ArgumentError, match="load_graph"):
        gt.save_graph(some_graph(), tmp_path / "g")
    with pytest.raises(ArgumentError, match=r"graph\.json"):
        gt.load_graph(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "g"]


# ---- the kernels below -------------------------------------------------------------------------------------------


def test_blocks_cover_the_array_and_mapped_pages_can_be_read_again(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10_000))
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    pieces = [(a.copy(), b.copy()) for a, b in blocks(array, np.arange(10_000), size=999)]
    assert np.array_equal(np.concatenate([a for a, _ in pieces]), np.arange(10_000))
    assert [len(a) for a, _ in pieces] == [len(b) for _, b in pieces]
    release(array)
    assert array.sum() == 49_995_000
    own = np.arange(10_000)
    release(own)
    assert own.sum() == 49_995_000, "memory that is no file is left alone"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 40), max_size=50), max_size=6))
def test_numbering_counts_first_appearances(batches):
    numbering, seen = Numbering(), {}
    for batch in batches:
        expected = [seen.setdefault(key, len(seen)) for key in batch]
        assert numbering.number(np.array(batch, dtype=np.uint64)).tolist() == expected
    assert numbering.known == len(seen)


def test_numbering_grows():
    numbering = Numbering()
    keys = np.random.default_rng(0).integers(0, 2**63, 200_000, dtype=np.uint64)
    first = numbering.number(keys)
    assert np.array_equal(numbering.number(keys), first) and numbering.known == len(np.unique(keys))
    assert np.array_equal(np.unique(keys[np.unique(first, return_index=True)[1]]), np.unique(keys))
