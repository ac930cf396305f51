"""Ranks of triples, their groups and files of them, and triple classification, against naive loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from graphtune.check import ArgumentError, DataError
from graphtune.cli.evaluate import GROUPS
from graphtune.datasets import load_dataset
from graphtune.demo.baselines import Fixed
from graphtune.evaluate import compare, compare_ranks, evaluate_triples, evaluate_truth, ranks, read_ranks, write_ranks
from graphtune.evaluate.groups import CATEGORIES, Groups, relation_categories
from graphtune.evaluate.ranks import rank_triples
from graphtune.evaluate.result import Evaluation, Pooled
from graphtune.evaluate.saved import ranks_table
from graphtune.evaluate.truth import best_threshold, corrupted, thresholds
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import ComplEx, DistMult, RotatE, TransE
from graphtune.split import TEST, TRAIN, VALID, given_split
from graphtune.store import Record, open_directory, save
from graphtune.tasks import TripleClassification, TripleCompletion

ENTITIES, RELATIONS = 7, 3
NAMES = [f"e{i}" for i in range(ENTITIES)]


def graph_of(triples):
    head, relation, tail = np.array(triples, dtype=np.int64).reshape(-1, 3).T
    names = NodeIds.of([f"r{r}" for r in range(RELATIONS)])
    return Graph(np.stack([head, tail]), NodeIds.of(NAMES), directed=True, relation=relation, relation_ids=names)


def split_of(train, valid, test):
    part = np.repeat([TRAIN, VALID, TEST], [len(train), len(valid), len(test)])
    return given_split(graph_of([*train, *valid, *test]), part, "edge")


def tied_model(split, seed=0):
    """A model of few different numbers, whose scores tie."""
    model = DistMult(dim=3).build(split.train)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.integers(-1, 2, parameter.shape).astype(np.float32)))
    return model


def naive_queries(model, split, part, side):
    """(triple, direction, rank, candidates) of every query, tails first."""
    z, r = (p.detach().numpy().astype(np.float64) for p in model.parameters())
    every = list(zip(split.graph.edges[0].tolist(), split.graph.relation.tolist(), split.graph.edges[1].tolist()))
    known = {triple for triple, its in zip(every, split.part) if its <= part}
    asked = [triple for triple, its in zip(every, split.part) if its == part]
    found = []
    for missing in {"both": ("tail", "head")}.get(side, (side,)):
        for h, k, t in asked:
            if missing == "tail":
                scores = (z[h] * r[k]) @ z.T
                others = [e for e in range(ENTITIES) if e != t and (h, k, e) not in known]
                own = scores[t]
            else:
                scores = (z[t] * r[k + RELATIONS]) @ z.T
                others = [e for e in range(ENTITIES) if e != h and (e, k, t) not in known]
                own = scores[h]
            rank = 1 + sum(scores[e] > own for e in others) + sum(scores[e] == own for e in others) / 2
            found.append(((h, k, t), missing, rank, len(others) + 1))
    return found


one_triple = st.tuples(st.integers(0, ENTITIES - 1), st.integers(0, RELATIONS - 1), st.integers(0, ENTITIES - 1))
all_triples = st.lists(one_triple, min_size=3, max_size=40, unique=True)


@st.composite
def splits(draw):
    triples = draw(all_triples)
    first = draw(st.integers(1, len(triples) - 2))
    second = draw(st.integers(first + 1, len(triples) - 1))
    return split_of(triples[:first], triples[first:second], triples[second:])


# --- ranks ---


@given(splits(), st.integers(0, 99), st.sampled_from(["both", "head", "tail"]), st.sampled_from([VALID, TEST]))
@settings(max_examples=60, deadline=None)
def test_ranks_are_those_of_a_loop(split, seed, side, part):
    model = tied_model(split, seed)
    found = rank_triples(model, split.valid if part == VALID else split.test, split.through(part), side)
    naive = naive_queries(model, split, part, side)
    (head, tail), relation = found.asked.edges[:, found.triple], found.asked.relation[found.triple]
    assert list(zip(head, relation, tail)) == [query[0] for query in naive]
    assert np.where(found.is_head, "head", "tail").tolist() == [query[1] for query in naive]
    np.testing.assert_array_equal(found.rank, [query[2] for query in naive])
    np.testing.assert_array_equal(found.candidates, [query[3] for query in naive])


@given(splits(), st.integers(1, 5), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_ranks_do_not_depend_on_the_blocks(split, queries, scores):
    model = tied_model(split)
    whole = rank_triples(model, split.test, split.through(TEST))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "QUERIES", queries)
        patch.setattr(ranks, "SCORES", scores)
        parts = rank_triples(model, split.test, split.through(TEST))
    np.testing.assert_array_equal(whole.rank, parts.rank)
    np.testing.assert_array_equal(whole.candidates, parts.candidates)


def test_equal_questions_are_scored_once():
    test = [(0, 0, 1), (0, 0, 2), (0, 0, 3), (4, 0, 3), (4, 1, 3)]
    split = split_of([(5, 0, 6)], [], test)

    asked = []

    class Counted(Fixed):
        def cross(self, nodes, columns, relation=None):
            asked.extend(zip(nodes.tolist(), relation.tolist()))
            return super().cross(nodes, columns, relation)

    model = Counted(np.random.default_rng(0).random((ENTITIES, ENTITIES)))
    rank_triples(model, split.test, split.through(TEST))
    assert sorted(asked) == [(0, 0), (1, 3), (2, 3), (3, 3), (3, 4), (4, 0), (4, 1)]


@pytest.mark.parametrize(
    "recipe", [ComplEx(dim=10), TransE(dim=10), RotatE(dim=10)], ids=["ComplEx", "TransE", "RotatE"]
)
@pytest.mark.parametrize("entities, asked", [(7, 1), (50, 2), (131, 40)])
def test_a_model_for_which_all_entities_are_equal_has_the_expected_rank(recipe, entities, asked):
    """No rounding parts what ties, wherever an entity stands and however many queries are scored together."""
    rng = np.random.default_rng(entities)
    head, tail = rng.permutation(entities * entities)[:asked] // entities, rng.integers(0, entities, asked)
    graph = Graph(
        np.stack([head, tail]),
        NodeIds.range(entities),
        directed=True,
        relation=np.zeros(asked),
        relation_ids=NodeIds.of(["r"]),
    )
    model = recipe.build(graph)
    with torch.no_grad():
        model.encoder.weight.copy_(torch.randn(10, generator=torch.Generator().manual_seed(1)).expand(entities, 10))
    found = rank_triples(model, graph, graph)
    np.testing.assert_array_equal(found.rank, (found.candidates + 1) / 2)


def test_a_side_must_be_one_of_three():
    split = split_of([(0, 0, 1)], [], [(1, 0, 2)])
    with pytest.raises(ArgumentError, match="`side` of rank_triples must be one of 'both', 'head', 'tail'"):
        evaluate_triples(tied_model(split), split, side="left")


# --- groups ---


@given(all_triples)
@settings(max_examples=80, deadline=None)
def test_categories_are_those_of_a_loop(triples):
    found = relation_categories(graph_of(triples))
    for r in range(RELATIONS):
        its = [(h, t) for h, k, t in triples if k == r]
        if not its:
            assert CATEGORIES[found[r]] == "not in train"
            continue
        per_head = np.mean([len({t for a, t in its if a == h}) for h in {h for h, _ in its}])
        per_tail = np.mean([len({h for h, b in its if b == t}) for t in {t for _, t in its}])
        heads, tails = ("1" if per_tail < 1.5 else "N"), ("1" if per_head < 1.5 else "N")
        assert CATEGORIES[found[r]] == f"{heads}-{tails}"


def test_categories_by_hand():
    """r0: a head has three tails, each its own. r1: three heads share a tail. r2: none."""
    graph = graph_of([(0, 0, 1), (0, 0, 2), (0, 0, 3), (1, 1, 6), (2, 1, 6), (3, 1, 6)])
    assert [CATEGORIES[c] for c in relation_categories(graph)] == ["1-N", "N-1", "not in train"]
    at_the_border = graph_of([(0, 0, 1), (0, 0, 2), (3, 0, 4), (5, 1, 6), (5, 1, 6)])  # 3 tails of 2 heads: 1.5
    assert [CATEGORIES[c] for c in relation_categories(at_the_border)] == ["1-N", "1-1", "not in train"]


@given(splits(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_groups_divide_the_queries(split, seed):
    model = tied_model(split, seed)
    whole = evaluate_triples(model, split)
    naive = naive_queries(model, split, TEST, "both")
    categories = relation_categories(split.train)
    seen = set(split.train.edges.ravel().tolist())
    group_of = {
        "relation": lambda h, k, t, missing: f"r{k}",
        "category": lambda h, k, t, missing: CATEGORIES[categories[k]],
        "side": lambda h, k, t, missing: missing,
        "entities": lambda h, k, t, missing: f"{'seen' if {h, t} <= seen else 'unseen'} in train",
    }
    assert set(whole.groups) == set(group_of) == set(GROUPS[TripleCompletion.name])
    for name, group in group_of.items():
        found = whole.by(name)
        expected = {}
        for triple, missing, rank, candidates in naive:
            expected.setdefault(group(*triple, missing), []).append((rank, candidates))
        assert set(found) == set(expected)
        sizes = [len(part.per_query["mrr"]) for part in found.values()]
        assert sizes == sorted(sizes, reverse=True) == list(whole.groups[name].sizes().values())
        for key, part in found.items():
            rank, candidates = np.array(expected[key]).T
            assert part["mrr"] == pytest.approx((1 / rank).mean()) and part["mean_rank"] == pytest.approx(rank.mean())
            assert part["hits_3"] == pytest.approx((rank <= 3).mean())
            if candidates.mean() > 1:
                assert part["amri"] == pytest.approx(1 - (rank.mean() - 1) / ((candidates.mean() + 1) / 2 - 1))
        mean = sum(part["mrr"] * len(part.per_query["mrr"]) for part in found.values()) / len(naive)
        assert mean == pytest.approx(whole["mrr"])


def test_groups_can_be_divided_again():
    split = split_of([(0, 0, 1), (1, 1, 2)], [], [(1, 0, 2), (2, 0, 3), (3, 1, 4)])
    found = evaluate_triples(tied_model(split), split).by("relation")
    assert list(found) == ["r0", "r1"] and list(found["r1"].by("side")) == ["tail", "head"]
    assert len(found["r0"].by("side")["head"].per_query["mrr"]) == 2
    with pytest.raises(ArgumentError, match=r"`name` of Evaluation\.by must be one of 'relation'"):
        found["r0"].by("colour")


def test_a_pooled_metric_without_rows_is_no_metric_of_a_group():
    pooled = {"auc": Pooled(lambda a, b: 1.0, (np.ones(3), np.ones(5)), together=False)}
    colours = Groups(("red", "blue"), np.array([0, 1, 1]))
    found = Evaluation("a task", "test", {"hit": np.array([1.0, 0, 1])}, pooled, groups={"colour": colours})
    assert {colour: part.means() for colour, part in found.by("colour").items()} == {
        "blue": {"hit": 0.5},
        "red": {"hit": 1.0},
    }


def test_sides_are_parts_of_both():
    split = split_of([(0, 0, 1), (1, 1, 2)], [], [(1, 0, 2), (2, 0, 3), (3, 1, 4)])
    model = tied_model(split)
    both = evaluate_triples(model, split).by("side")
    for side in ("head", "tail"):
        one = TripleCompletion(split).evaluate(model, TEST, side)
        assert one.means() == both[side].means() and side in one.task and one.counts["triples"] == 3


# --- validation knows nothing of test ---


@given(all_triples.filter(lambda triples: len(triples) > 5), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_validation_is_the_same_whatever_test_holds(triples, seed):
    """The triples of test decide nothing: not the filter, not the groups, not the false triples, not the thresholds."""
    train, valid, test = triples[:3], triples[3:5], triples[5:]
    one, other = split_of(train, valid, test), split_of(train, valid, test[:1])
    model = tied_model(one, seed)
    first, second = evaluate_triples(model, one, VALID), evaluate_triples(model, other, VALID)
    np.testing.assert_array_equal(first.ranks.rank, second.ranks.rank)
    np.testing.assert_array_equal(first.ranks.candidates, second.ranks.candidates)
    assert all(np.array_equal(groups.of, second.groups[name].of) for name, groups in first.groups.items())
    np.testing.assert_array_equal(corrupted(one, VALID, seed), corrupted(other, VALID, seed))
    assert evaluate_truth(model, one, VALID).means() == evaluate_truth(model, other, VALID).means()


def test_the_filter_of_validation_is_of_train_and_validation():
    """(0, r0, ?) has answers 1 in train, 2 and 3 in validation, 4 and 5 in test: only the first two are left out."""
    split = split_of([(0, 0, 1)], [(0, 0, 2), (0, 0, 3)], [(0, 0, 4), (0, 0, 5)])
    scores = np.zeros((ENTITIES, ENTITIES))
    scores[0] = [0, 9, 5, 8, 7, 6, 0]
    model = Fixed(scores)
    tails = rank_triples(model, split.valid, split.through(VALID), "tail")
    assert tails.rank.tolist() == [3, 1] and tails.candidates.tolist() == [5, 5]
    tails = rank_triples(model, split.test, split.through(TEST), "tail")
    assert tails.rank.tolist() == [1, 1] and tails.candidates.tolist() == [3, 3]


# --- files of ranks ---


@pytest.fixture
def judged():
    """A split with two models of different scores, and their evaluations."""
    rng = np.random.default_rng(0)
    triples = rng.permutation([(h, r, t) for h in range(ENTITIES) for r in range(RELATIONS) for t in range(ENTITIES)])
    split = split_of(triples[:60], triples[60:80], triples[80:120])
    models = tied_model(split, 1), tied_model(split, 2)
    return split, *(evaluate_triples(model, split) for model in models)


def test_saved_ranks_are_under_the_users_ids(judged, tmp_path):
    split, one, _ = judged
    write_ranks(tmp_path / "one.parquet", one.ranks)
    table = read_ranks(tmp_path / "one.parquet")
    assert table.columns == ["head", "relation", "tail", "direction", "rank", "candidates"]
    assert table["rank"].to_list() == one.per_query["mean_rank"].tolist()
    assert table["direction"].to_list() == ["tail"] * 40 + ["head"] * 40
    (head, tail), relation = split.test.edges, split.test.relation
    rows = [(f"e{h}", f"r{r}", f"e{t}") for h, r, t in zip(head, relation, tail)]
    assert table.select("head", "relation", "tail").rows() == rows * 2
    amri = 1 - (table["rank"].mean() - 1) / ((table["candidates"].mean() + 1) / 2 - 1)
    assert one["amri"] == pytest.approx(amri)


def test_models_are_compared_by_their_files_as_they_are_in_memory(judged):
    _, one, two = judged
    tables = {"one": ranks_table(one.ranks), "two": ranks_table(two.ranks).sample(fraction=1, shuffle=True, seed=0)}
    for metric in ("mrr", "hits_3", "mean_rank"):
        found, expected = compare_ranks(tables, metric), compare({"one": one, "two": two}, metric)
        assert found.baseline == expected.baseline
        for row, other in zip(found.rows, expected.rows):
            assert row.model == other.model and row.estimate.mean == pytest.approx(other.estimate.mean)
            if row.test is not None:
                assert row.test.difference == pytest.approx(other.test.difference)
                assert row.test.p_value == pytest.approx(other.test.p_value, abs=0.02)  # other coins
    assert compare_ranks(tables, "hits_7").rows[0].estimate.mean == max(
        (e.per_query["mean_rank"] <= 7).mean() for e in (one, two)
    )


def test_other_queries_cannot_be_compared(judged):
    _, one, two = judged
    table = ranks_table(one.ranks)
    with pytest.raises(ArgumentError, match="1 queries of b alone and 0 of a alone"):
        compare_ranks({"a": table[1:], "b": ranks_table(two.ranks)})
    with pytest.raises(ArgumentError, match="other candidates in b than in a"):
        compare_ranks({"a": table, "b": table.with_columns(pl.col("candidates") + 1)})
    for metric in ("hits_0", "hits_", "amri"):
        with pytest.raises(ArgumentError, match="`metric` of compare_ranks must be"):
            compare_ranks({"a": table, "b": table}, metric)


def test_files_that_hold_no_ranks(tmp_path, judged):
    path = tmp_path / "ranks.parquet"
    with pytest.raises(DataError, match="must exist"):
        read_ranks(path)
    path.write_text("head,rank\n")
    with pytest.raises(DataError, match="must hold ranks in Parquet"):
        read_ranks(path)
    table = ranks_table(judged[1].ranks)
    table.drop("tail").write_parquet(path)
    with pytest.raises(DataError, match="Found no tail"):
        read_ranks(path)
    for wrong in (pl.lit(0.5), pl.lit(None, pl.Float64), pl.lit("first"), pl.lit(float("nan"))):
        table.with_columns(rank=wrong).write_parquet(path)
        with pytest.raises(DataError, match="finite ranks from 1"):
            read_ranks(path)


def test_ids_of_several_kinds_have_the_kind_in_front():
    ids = NodeIds.of([1, 2], [1], kinds=("user", "item"))
    graph = Graph(np.array([[0], [2]]), ids, directed=True, relation=np.zeros(1), relation_ids=NodeIds.of(["has"]))
    found = rank_triples(Fixed(np.eye(3)), graph, graph)
    assert ranks_table(found).select("head", "relation", "tail").row(0) == ("user:1", "has", "item:1")


# --- triple classification ---

few_scores = st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 3.0]), max_size=8)


@given(few_scores, few_scores, st.none() | st.sampled_from([-3.0, -0.5, 0.1, 2.0]))
@settings(max_examples=100, deadline=None)
def test_no_threshold_is_better(positive, negative, near):
    positive, negative = np.array(positive), np.array(negative)
    if len(positive) + len(negative) == 0:
        return

    def right(threshold):
        return (positive >= threshold).sum() + (negative < threshold).sum()

    found = best_threshold(positive, negative, near)
    tried = np.arange(-4, 4, 1 / 16)
    assert right(found) == max(right(threshold) for threshold in tried)
    if near is not None:
        assert right(near) < right(found) or found == near


def test_thresholds_by_hand():
    """Relation 0 is parted between 1 and 2, relation 1 between 5 and 8; relation 2 has none; all together: 6.5."""
    scores = np.array([2, 3, 0, 1, 8, 9, 4, 5, 5], dtype=np.float32)
    relation = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    is_true = np.array([True, True, False, False, True, True, False, False, False])
    chosen, everywhere = thresholds(scores, relation, is_true, 3)
    assert chosen.tolist() == [1.5, 6.5, 6.5] and everywhere == 6.5


def false_split():
    """A split with false triples; relation 2 is in test alone."""
    rng = np.random.default_rng(3)
    triples = rng.permutation([(h, r, t) for h in range(ENTITIES) for r in (0, 1) for t in range(ENTITIES)])
    test = [*triples[50:60].tolist(), (0, 2, 1), (1, 2, 2)]
    split = split_of(triples[:30], triples[30:50], test)
    false = np.array([*triples[60:80].tolist(), (3, 2, 4), (4, 2, 5)])[:, [0, 2, 1]].T
    return given_split(split.graph, split.part, "edge"), false[:, :12], false[:, 12:]


@pytest.mark.parametrize("seed", range(4))
def test_classification_is_that_of_a_loop(seed):
    split, false_valid, false_test = false_split()
    model = ComplEx(dim=4).build(split.train, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(seed))

    def scored(graph, false):
        triples = np.concatenate([np.stack([*graph.edges, graph.relation]), false], axis=1)
        ids = [NAMES[i] for i in triples[0]], [NAMES[i] for i in triples[1]], [f"r{r}" for r in triples[2]]
        return model.score(*ids), triples[2], np.arange(triples.shape[1]) < graph.num_edges

    valid, relation, is_true = scored(split.valid, false_valid)
    chosen, everywhere = thresholds(valid, relation, is_true, RELATIONS)
    scores, relation, is_true = scored(split.test, false_test)
    said = [score >= (everywhere if r == 2 else chosen[r]) for score, r in zip(scores, relation)]
    found = evaluate_truth(model, split, TEST, (false_valid, false_test))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(is_true, said))
    assert found["f1"] == pytest.approx(sk.f1_score(is_true, said))
    assert found["accuracy_global"] == pytest.approx(sk.accuracy_score(is_true, scores >= everywhere))
    assert found["f1_global"] == pytest.approx(sk.f1_score(is_true, scores >= everywhere))
    assert found.counts == {
        "true triples": 12,
        "false triples (as published, hard)": 10,
        "relations without validation triples (threshold for all)": 1,
    }
    assert set(found.groups) == set(GROUPS[TripleClassification.name])
    for r, part in found.by("relation").items():
        its = relation == int(r[1])
        assert part["accuracy"] == pytest.approx(sk.accuracy_score(is_true[its], np.array(said)[its]))
        assert part["f1"] == pytest.approx(sk.f1_score(is_true[its], np.array(said)[its], zero_division=0))


def test_thresholds_of_validation_come_from_its_other_half():
    """Scores that say nothing: thresholds that had seen the very triples would be right on more than half of them."""
    rng = np.random.default_rng(0)
    triples = rng.permutation([(h, r, t) for h in range(ENTITIES) for r in range(RELATIONS) for t in range(ENTITIES)])
    split = split_of(triples[:1], triples[1:60], triples[60:61])
    false = triples[61:120][:, [0, 2, 1]].T
    found = [
        evaluate_truth(_random_model(split, seed), split, VALID, (false, false[:, :1]), seed)["accuracy"]
        for seed in range(40)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)


def _random_model(split, seed):
    model = DistMult(dim=8).build(split.train)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(seed))
    return model


@given(splits(), st.integers(0, 9), st.sampled_from([VALID, TEST]))
@settings(max_examples=60, deadline=None)
def test_drawn_triples_are_false_and_of_the_right_type(split, seed, part):
    asked, known = (split.valid if part == VALID else split.test), split.through(part)
    triples = [tuple(t) for t in np.stack([*asked.edges, asked.relation]).T.tolist()]
    taken = {tuple(t) for t in np.stack([*known.edges, known.relation]).T.tolist()}
    train = {tuple(t) for t in np.stack([*split.train.edges, split.train.relation]).T.tolist()}
    made = [tuple(t) for t in corrupted(split, part, seed).T.tolist()]
    assert made == [tuple(t) for t in corrupted(split, part, seed).T.tolist()]
    assert not taken & set(made)

    def options(triple, typed):
        for end in (0, 1):
            pool = {t[end] for t in train if t[2] == triple[2]} if typed else range(ENTITIES)
            for entity in pool:
                other = (entity, triple[1], triple[2]) if end == 0 else (triple[0], entity, triple[2])
                if other not in taken:
                    yield other

    rest = iter(made)
    for triple in triples:
        allowed = set(options(triple, True)) or set(options(triple, False))
        if allowed:
            assert next(rest) in allowed
    assert next(rest, None) is None


def test_both_ends_are_replaced():
    split = split_of([(h, 0, (h + 1) % ENTITIES) for h in range(ENTITIES)], [], [(h, 0, h) for h in range(ENTITIES)])
    kept = np.concatenate([corrupted(split, TEST, seed)[:2] == split.test.edges for seed in range(30)], axis=1)
    assert (kept.sum(axis=0) == 1).all() and 0.35 < kept[0].mean() < 0.65


def test_what_the_task_takes(judged):
    split = judged[0]
    task = TripleClassification(split, seed=1)
    model = tied_model(split, 1)
    found = task.evaluate(model)
    drawn = corrupted(split, TEST, 1).shape[1]
    assert found.counts["false triples (drawn within the types of the relation, seed 1)"] == drawn > 30
    assert found.means() == TripleClassification(split, "drawn", 1).evaluate(model).means()
    assert task.validate(model) == task.evaluate(model, VALID).means() and task.monitor in task.validate(model)
    with pytest.raises(ArgumentError, match="`negatives` of TripleClassification must be of a split with false"):
        TripleClassification(split, "hard")
    with pytest.raises(ArgumentError, match="`negatives` of TripleClassification must be one of"):
        TripleClassification(split, "some")
    with pytest.raises(ArgumentError, match="Fine-tune on triple-completion"):
        task.training(model, task.defaults())
    without = split_of([(0, 0, 1)], [], [(1, 0, 2)])
    with pytest.raises(ArgumentError, match="validation triples"):
        TripleClassification(without).evaluate(tied_model(without))


def test_hard_negatives_of_codex_come_with_its_split_and_are_saved_with_it(data, tmp_path):
    split = load_dataset("codex-s", data).split
    assert split.false_valid.shape == (3, 1827) and split.false_test.shape == (3, 1828)
    n = split.graph.num_nodes
    known = (split.graph.relation * n + split.graph.edges[0]) * n + split.graph.edges[1]
    for false in (split.false_valid, split.false_test):
        assert not np.isin((false[2] * n + false[0]) * n + false[1], known).any()
    first = split.graph.ids.values(split.false_test[:2, 0]), split.graph.relation_ids.values(split.false_test[2, :1])
    assert first == (["Q104081", "Q35"], ["P27"])
    save(tmp_path / "model", DistMult(dim=4).build(split.train), Record(split))
    again = open_directory(tmp_path / "model").record.split
    np.testing.assert_array_equal(again.false_valid, split.false_valid)
    np.testing.assert_array_equal(again.false_test, split.false_test)
    counts = TripleClassification(again).evaluate(DistMult(dim=4).build(split.train)).counts
    assert counts["false triples (as published, hard)"] == 1828
