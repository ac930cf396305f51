"""Fused rankings: each scale against a naive line, weights from validation alone, directories, and the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune
from cli_help import QUICK, done, make_models, run, working_in, write_files
from graphtune.adapt.fuse import Lists, learned
from graphtune.check import ArgumentError, DataError, LeakError
from graphtune.evaluate import evaluate_recommendations
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.fusion import reciprocal_ranks, standard_scores
from graphtune.metrics import ndcg_at_k
from graphtune.models.fused import Fused, Fusion, NoEmbeddings
from graphtune.split import TEST, VALID, given_split
from graphtune.testing import two_cliques

USERS, ITEMS = 12, 15


def events(seed: int = 0) -> graphtune.Split:
    """A log with all three parts for each user."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(USERS), 8)
    item = np.concatenate([rng.choice(ITEMS, 8, replace=False) for _ in range(USERS)])
    ids = NodeIds.of(range(USERS), [f"i{i}" for i in range(ITEMS)], kinds=("user", "item"))
    graph = Graph(np.stack([user, USERS + item]), ids, directed=True)
    return given_split(graph, np.tile([0, 0, 0, 0, 1, 1, 2, 2], USERS).astype(np.uint8), "edge")


def drawn_model(split: graphtune.Split, seed: int) -> graphtune.Model:
    """An untrained model of random weights."""
    model = graphtune.BPRMF(dim=4).build(split.train, seed)
    with torch.no_grad():
        model.encoder.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model


def csr(sets: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.cumsum([0, *map(len, sets)]), np.array([j for one in sets for j in one], dtype=np.int64)


@st.composite
def rows_and_sets(draw):
    """Scores with ties, zeros of both signs and infinities, and what each user has, with repeats."""
    users, columns = draw(st.integers(0, 3)), draw(st.integers(1, 9))
    values = st.one_of(
        st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 1e-40, 0.25, 3.0]), st.floats(-9, 9, width=32, allow_nan=False)
    )
    rows = draw(st.lists(st.lists(values, min_size=columns, max_size=columns), min_size=users, max_size=users))
    one = st.lists(st.integers(0, columns - 1), max_size=columns)
    return np.array(rows, np.float32).reshape(users, columns), draw(st.lists(one, min_size=users, max_size=users))


@given(rows_and_sets())
@settings(max_examples=80, deadline=None)
def test_scales_are_the_naive_ones(problem) -> None:
    scores, sets = problem
    ranks, standard = reciprocal_ranks(scores, *csr(sets), 60), standard_scores(scores, *csr(sets))
    for u, (row, taken) in enumerate(zip(scores, sets)):
        others = [j for j in range(len(row)) if j not in taken]
        naive = [1 / (60 + 1 + sum(row[o] > value for o in others)) for value in row]
        np.testing.assert_allclose(ranks[u], naive, rtol=1e-6)
        finite = np.array([row[o] for o in others if np.isfinite(row[o])], dtype=np.float64)
        mean, deviation = (finite.mean(), finite.std()) if len(finite) else (0.0, 0.0)
        for value, found in zip(row, standard[u]):
            if not np.isfinite(value):
                assert found == value
            else:
                expected = (value - mean) / deviation if deviation > max(1e-7 * abs(mean), 1e-30) else 0.0
                assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_ranks_of_a_long_row_and_of_nan() -> None:
    row = np.random.default_rng(0).normal(size=(2, 70_000)).astype(np.float32)
    nothing = np.zeros(3, np.int64), np.empty(0, np.int64)
    order = np.argsort(-row, axis=1, kind="stable")
    found = reciprocal_ranks(row, *nothing, 60)
    assert (np.argsort(-found, axis=1, kind="stable") == order).all()
    assert found[0, order[0, 999]] == np.float32(1 / 1060)
    row[1, 5] = np.nan
    assert np.isnan(reciprocal_ranks(row, *nothing, 60)[1, 5])


@pytest.mark.parametrize("by", ["rrf", "weights"])
def test_scores_are_sums_over_models(by: str) -> None:
    split = events()
    models = [drawn_model(split, 0), drawn_model(split, 1)]
    fused = Fused(Fusion(by, (0.3, 0.7)), models)
    users, items = np.array([3, 0, 11]), split.graph.ids.rows("item")
    found = fused.frozen().cross(users, items)
    for u, row in zip(users, found):
        taken = set(split.train.edges[1, split.train.edges[0] == u] - USERS)
        left = [j for j in range(ITEMS) if j not in taken]
        naive = np.zeros(ITEMS)
        for weight, model in zip((0.3, 0.7), models):
            own = model.frozen().cross(np.array([u]), items)[0].astype(np.float64)
            if by == "rrf":
                naive += weight / (60 + 1 + (own[left] > own[:, None]).sum(axis=1))
            else:
                naive += weight * (own - own[left].mean()) / own[left].std()
        np.testing.assert_allclose(row, naive, rtol=1e-4, atol=1e-6)
    some = range(items.start + 2, items.start + 7)
    np.testing.assert_array_equal(fused.frozen().cross(users, some), found[:, 2:7])
    pairs = fused.frozen().pairs(np.array([11, 3, 11]), np.array([items.start, items.start + 4, items.start + 1]))
    np.testing.assert_array_equal(pairs, [found[2, 0], found[0, 4], found[2, 1]])
    np.testing.assert_array_equal(fused.score([11], ["i0"]), pairs[:1])


@pytest.mark.parametrize("by", ["rrf", "weights"])
def test_the_same_model_twice_ranks_as_itself(by: str) -> None:
    split = events()
    model = drawn_model(split, 0)
    fused = graphtune.fuse([model, model], split, by, k=3)
    for user in range(USERS):
        assert [i for i, _ in fused.recommend(user, 20)] == [i for i, _ in model.recommend(user, 20)]
    for part in (VALID, TEST):
        ours, own = (evaluate_recommendations(m, split, part, 3).per_query for m in (fused, model))
        for name in own:
            np.testing.assert_array_equal(ours[name], own[name])


@given(st.integers(0, 1000), st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_test_edges_do_not_change_the_weights(seed: int, other: int) -> None:
    """Weights are the same whatever the test part holds, even if it is empty."""
    split = events(seed)
    models = [drawn_model(split, seed + i) for i in range(3)]
    found = graphtune.fuse(models, split, "weights", k=3).recipe
    edges = split.graph.edges.copy()
    hidden = split.part == TEST
    edges[1, hidden] = USERS + np.random.default_rng(other).integers(ITEMS, size=hidden.sum())
    changed = replace(split, graph=split.graph.replace(edges=edges))
    assert graphtune.fuse(models, changed, "weights", k=3).recipe == found
    assert graphtune.fuse(models, split, "weights", k=3).recipe == found


def test_learned_weights_are_better_than_equal_ones_on_validation() -> None:
    split = events()
    good, bad = graphtune.BPRMF(dim=USERS).build(split.train), drawn_model(split, 1)
    with torch.no_grad():  # this one knows the validation edges
        good.encoder.weight.zero_()
        good.encoder.weight[:USERS] = torch.eye(USERS)
        u, v = map(torch.tensor, split.valid.edges)
        good.encoder.weight[v, u] = 1.0
    chosen = graphtune.fuse([bad, good], split, "weights", k=3)
    equal = Fused(Fusion("weights"), [bad, good])
    score = [evaluate_recommendations(m, split, VALID, 3)["ndcg_3"] for m in (chosen, equal)]
    assert score[0] >= score[1] and chosen.recipe.weights[1] > chosen.recipe.weights[0]
    assert sum(chosen.recipe.weights) == pytest.approx(1)


def test_ndcg_of_lists_by_hand() -> None:
    """One user, four candidates, the last place empty; relevant is the second best of the first model."""
    scores = np.array([[[3.0, 2.0, 1.0, -np.inf]], [[0.0, 5.0, 1.0, -np.inf]]], dtype=np.float32)
    relevant = np.array([[False, True, False, False]])
    lists = Lists(scores, relevant, np.array([1.0]), 2)
    assert lists.measure(np.array([1.0, 0.0])) == pytest.approx(1 / np.log2(3))
    assert lists.measure(np.array([0.0, 1.0])) == 1.0
    assert ndcg_at_k(np.array([[False, True]]), np.array([1]), 2)[0] == pytest.approx(1 / np.log2(3))
    assert learned(lists, 2)[1] > 0


def test_a_graph_without_kinds() -> None:
    graph = two_cliques()
    models = [graphtune.BPRMF(dim=4).build(graph, seed) for seed in range(2)]
    found = Fused(Fusion(), models).recommend(graph.ids.values([0])[0], 3)
    assert len(found) == 3
    assert graph.ids.values([0])[0] not in [node for node, _ in found]


def test_what_does_not_fit_is_refused() -> None:
    split = events()
    model = drawn_model(split, 0)
    with pytest.raises(ArgumentError, match="over one graph"):
        graphtune.fuse([model, drawn_model(events(1), 0)])
    with pytest.raises(ArgumentError, match="one model or more"):
        graphtune.fuse([])
    with pytest.raises(ArgumentError, match="with a validation part"):
        graphtune.fuse([model], None, "weights")
    with pytest.raises(ArgumentError, match="one a model"):
        Fused(Fusion("rrf", (1.0, 2.0)), [model])
    with pytest.raises(ArgumentError, match="one is above 0"):
        Fusion("rrf", (0.0, 0.0))
    with pytest.raises(LeakError):
        graphtune.fuse([graphtune.BPRMF(dim=4).build(split.graph)], split)
    fused = graphtune.fuse([model, model], split)
    with pytest.raises(NoEmbeddings, match="one with embeddings, as `most_similar`"):
        fused.most_similar(3)
    assert not hasattr(fused, "scorer")
    with pytest.raises(ArgumentError, match="within range"):
        fused.frozen().cross(np.array([0]), range(3))


def test_a_directory_gives_the_same_ranking(tmp_path: Path) -> None:
    split = events()
    fused = graphtune.fuse([drawn_model(split, 0), drawn_model(split, 1)], split, "weights", k=3)
    graphtune.save(tmp_path / "fused", fused, graphtune.Record(split, notes={"why": "test"}))
    stored = graphtune.open_directory(tmp_path / "fused")
    assert stored.model.recipe == fused.recipe and stored.record.notes == {"why": "test"}
    np.testing.assert_array_equal(stored.record.split.part, split.part)
    assert stored.model.recommend(3, 5) == fused.recommend(3, 5)
    assert "standard scores" in (tmp_path / "fused" / "README.md").read_text()
    inner = tmp_path / "fused" / "models" / "1" / "run.json"
    inner.write_text(inner.read_text() + " ")
    with pytest.raises(DataError, match=r"models/1/run\.json"):
        graphtune.load(tmp_path / "fused")


def test_fuse_on_the_command_line(tmp_path: Path) -> None:
    with working_in(tmp_path):
        write_files(tmp_path)
        make_models(tmp_path)
        done("embed", "log.csv", "--events", "user,item,time", "--model", "lightgcn", "--out", "gcn", *QUICK)
        shown = done("fuse", "log", "gcn", "--out", "both")
        assert "BPRMF" in shown.out and "ndcg_20" in shown.out and "graphtune recommend both" in shown.out
        found = done("fuse", "log", "gcn", "--out", "weighed", "--by", "weights", "--json").json
        assert sum(m["weight"] for m in found["models"]) == pytest.approx(1)
        test = done("evaluate", "weighed", "--task", "recommendation", "--json").json
        assert test["metrics"]["ndcg_20"]["mean"] == found["metrics"]["recommendation"]["metrics"]["ndcg_20"]["mean"]
        assert len(done("recommend", "both", "3", "-k", "2", "--json").json["items"]) == 2
        again = done("fuse", "both", "log", "--out", "nested", "--json").json
        assert again["models"][0]["model"] == "Fusion"
        assert "one with embeddings" in run("neighbors", "both", "3", "--kind", "user").error
        assert "one with embeddings" in run("export", "both", "--format", "npy").error
        assert "with weights of its own" in run("finetune", "both", "--task", "recommendation", "--out", "t").error
        assert len(done("predict", "both", "3", "4", "--json").json["scores"]) == 1
        (tmp_path / "new.csv").write_text("user,item\n77,3\n")
        extended = run("extend", "both", "new.csv", "--events", "user,item", "--out", "t")
        assert "with weights of its own" in extended.error
        assert run("communities", "both", "--out", "c.csv").code == 2
        other = ("--events", "user,item,time", "--model", "bprmf", "--seed", "1", "--out", "other")
        done("embed", "log.csv", *other, *QUICK)
        assert "of the data and the parts of log" in run("fuse", "log", "other", "--out", "no").error
        assert "two model directories" in run("fuse", "log", "--out", "no").error
