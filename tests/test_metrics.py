"""Metrics against hand numbers, scikit-learn, ir_measures, networkx, igraph and naive lines."""

import igraph
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, Qrel, R, ScoredDoc, Success, iter_calc, nDCG
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from graphtune import metrics
from graphtune.check import ArgumentError
from graphtune.metrics import (
    accuracy,
    accuracy_at,
    amri,
    average_precision,
    average_precision_at_k,
    average_precision_each,
    deepwalk_protocol,
    f1_at,
    f1_macro,
    f1_micro,
    hit_rate_at_k,
    hits_at,
    hits_at_k_against,
    mean_rank,
    modularity,
    mrr,
    mrr_at_k,
    ndcg_at_k,
    one_vs_rest_scores,
    precision_at_k,
    precision_macro,
    recall_at_k,
    recall_macro,
    roc_auc,
    roc_auc_each,
    top_k_labels,
)

# ---- ranked lists


def random_ranking(seed, queries=40, items=30, length=20):
    """Relevance sets, ranked lists without repeats (some padded with -1), and the hits they make."""
    rng = np.random.default_rng(seed)
    relevant = [set(rng.choice(items, rng.integers(1, 15), replace=False).tolist()) for _ in range(queries)]
    lists = np.array([rng.permutation(items)[:length] for _ in range(queries)])
    lists[rng.random(queries) < 0.3, length // 2 :] = -1
    hits = np.array([[item in wanted for item in row] for row, wanted in zip(lists, relevant)])
    return relevant, lists, hits, np.array([len(wanted) for wanted in relevant])


@pytest.mark.parametrize("k", [1, 3, 10, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_ranked_lists_are_scored_as_by_ir_measures(k, seed):
    relevant, lists, hits, num_relevant = random_ranking(seed)
    qrels = [Qrel(str(q), str(item), 1) for q, wanted in enumerate(relevant) for item in wanted]
    run = [
        ScoredDoc(str(q), str(item), float(100 - place))
        for q, row in enumerate(lists)
        for place, item in enumerate(row)
        if item >= 0
    ]
    pairs = {
        nDCG @ k: ndcg_at_k,
        R @ k: recall_at_k,
        P @ k: precision_at_k,
        RR @ k: mrr_at_k,
        AP @ k: average_precision_at_k,
        Success @ k: hit_rate_at_k,
    }
    theirs = {measure: np.full(len(hits), np.nan) for measure in pairs}
    for scored in iter_calc(list(pairs), qrels, run):
        theirs[scored.measure][int(scored.query_id)] = scored.value
    for measure, ours in pairs.items():
        np.testing.assert_allclose(ours(hits, num_relevant, k), theirs[measure], atol=1e-6, err_msg=str(measure))


def test_ranked_lists_by_hand():
    hits = np.array([[True, False, True, False], [False, False, False, True], [False] * 4])
    relevant = np.array([3, 1, 2])
    np.testing.assert_allclose(recall_at_k(hits, relevant), [2 / 3, 1, 0])
    np.testing.assert_allclose(recall_at_k(hits, relevant, 2), [1 / 3, 0, 0])
    np.testing.assert_allclose(precision_at_k(hits, relevant), [1 / 2, 1 / 4, 0])
    np.testing.assert_allclose(mrr_at_k(hits, relevant), [1, 1 / 4, 0])
    np.testing.assert_allclose(hit_rate_at_k(hits, relevant, 3), [1, 0, 0])
    np.testing.assert_allclose(average_precision_at_k(hits, relevant), [(1 + 2 / 3) / 3, 1 / 4, 0])
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    np.testing.assert_allclose(ndcg_at_k(hits, relevant), [1.5 / ideal, 1 / np.log2(5), 0])


RANKED = [recall_at_k, precision_at_k, hit_rate_at_k, mrr_at_k, ndcg_at_k, average_precision_at_k]


@pytest.mark.parametrize("metric", RANKED)
def test_queries_without_relevant_items_are_nan(metric):
    got = metric(np.array([[False, False], [True, False]]), np.array([0, 1]))
    assert np.isnan(got).tolist() == [True, False]


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6), st.integers(0, 4))
@settings(max_examples=50, deadline=None)
def test_ranked_metrics_lie_in_0_1_and_the_ideal_list_scores_1(rows, missed):
    hits = np.array(rows)
    relevant = hits.sum(axis=1) + missed
    for metric in RANKED:
        scores = metric(hits, relevant)
        assert ((scores >= 0) & (scores <= 1 + 1e-12))[relevant > 0].all()
    best = np.arange(5) < hits.sum(axis=1)[:, None]
    some = hits.any(axis=1)
    np.testing.assert_allclose(ndcg_at_k(best, hits.sum(axis=1))[some], 1)
    np.testing.assert_allclose(average_precision_at_k(best, hits.sum(axis=1))[some], 1)
    assert (ndcg_at_k(best, relevant)[some] >= ndcg_at_k(hits, relevant)[some] - 1e-12).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3), dtype=int), [1, 1]), "`hits` of recall_at_k must be a bool array"),
        ((np.zeros((2, 0), dtype=bool), [1, 1]), "K >= 1"),
        ((np.zeros((2, 3), dtype=bool), [1]), "one count per query"),
        ((np.ones((1, 3), dtype=bool), [2]), "no less than its hits"),
        ((np.zeros((2, 3), dtype=bool), [1, 1], 4), "`k` of recall_at_k must be an integer in"),
        ((np.zeros((2, 3), dtype=bool), [1, 1], 0), "`k`"),
    ],
)
def test_bad_ranked_lists(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        recall_at_k(*arguments)


# ---- ranks


def test_ranks_by_hand():
    ranks = np.array([1, 2.5, 10, 4])
    np.testing.assert_allclose(mrr(ranks), [1, 0.4, 0.1, 0.25])
    assert hits_at(ranks, 2).tolist() == [1, 0, 0, 0]
    assert hits_at(ranks, 10).tolist() == [1, 1, 1, 1]
    assert mean_rank(ranks).mean() == 4.375
    # E[MR] is the mean of (1 + candidates) / 2: (6 + 6 + 5.5 + 10.5) / 4 = 7
    np.testing.assert_allclose(amri(ranks, np.array([11, 11, 10, 20])).mean(), 1 - 3.375 / 6)


def test_amri_is_1_for_perfect_0_for_constant_scores_and_0_on_average_for_random_ones():
    counts = np.array([5, 9, 30])
    assert amri(np.ones(3), counts).mean() == 1
    np.testing.assert_allclose(amri((counts + 1) / 2, counts).mean(), 0, atol=1e-12)
    rng = np.random.default_rng(0)
    many = rng.integers(2, 100, 200_000)
    assert abs(amri(rng.integers(1, many + 1), many).mean()) < 0.01
    assert np.isnan(amri(np.ones(2), np.ones(2))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mrr(np.array([1.0, 0.0])), "`ranks` of mrr must be counted from 1. Got 0.0"),
        (lambda: mrr(np.array([1.0, np.nan])), "finite. Got 'nan at position 1'"),
        (lambda: mrr(np.array(["a"])), "1-D array of numbers"),
        (lambda: hits_at(np.ones(2), 0), "`k` of hits_at"),
        (lambda: amri(np.array([3.0]), np.array([2])), "no less than it"),
        (lambda: amri(np.array([3.0]), np.array([5, 5])), "one count per rank"),
    ],
)
def test_bad_ranks(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


# ---- links

scores = st.lists(st.integers(-4, 4), min_size=1, max_size=25).map(lambda v: np.array(v, dtype=np.float64))


@given(scores, scores)
@settings(max_examples=100, deadline=None)
def test_auc_and_ap_are_those_of_scikit_learn(positive, negative):
    truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    both = np.r_[positive, negative]
    np.testing.assert_allclose(roc_auc(positive, negative), sk.roc_auc_score(truth, both), rtol=1e-12)
    np.testing.assert_allclose(
        average_precision(positive, negative), sk.average_precision_score(truth, both), rtol=1e-12
    )


@given(scores, scores, st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_link_scores_per_positive_do_not_change_with_the_scale_or_the_order_of_negatives(positive, negative, k):
    for each in (roc_auc_each, average_precision_each, lambda p, n: hits_at_k_against(p, n, k)):
        got = each(positive, negative)
        np.testing.assert_array_equal(each(np.exp(positive) * 3 - 7, np.exp(negative) * 3 - 7), got)
        np.testing.assert_array_equal(each(positive, negative[::-1]), got)
        np.testing.assert_array_equal(each(positive[::-1], negative), got[::-1])


@given(scores, scores, st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_hits_against_negatives_is_ogbs(positive, negative, k):
    ogb = 1.0 if len(negative) < k else np.mean([p > sorted(negative, reverse=True)[k - 1] for p in positive])
    np.testing.assert_allclose(hits_at_k_against(positive, negative, k).mean(), ogb)


def test_links_by_hand():
    positive, negative = np.array([0.9, 0.5, 0.3]), np.array([0.5, 0.1])
    np.testing.assert_allclose(roc_auc_each(positive, negative), [1, 0.75, 0.5])
    np.testing.assert_allclose(average_precision_each(positive, negative), [1, 2 / 3, 3 / 4])
    assert hits_at_k_against(positive, negative, 1).tolist() == [1, 0, 0]
    assert hits_at_k_against(positive, negative, 2).tolist() == [1, 1, 1]


@given(scores, scores, st.integers(-5, 5))
@settings(max_examples=50, deadline=None)
def test_links_at_a_threshold_are_those_of_scikit_learn(positive, negative, threshold):
    truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    claimed = np.r_[positive, negative] >= threshold
    np.testing.assert_allclose(accuracy_at(positive, negative, threshold), sk.accuracy_score(truth, claimed))
    expected = sk.f1_score(truth, claimed, zero_division=0)
    np.testing.assert_allclose(f1_at(positive, negative, threshold), expected)


def test_bad_link_scores():
    with pytest.raises(ArgumentError, match="`negative` of roc_auc must be at least one score"):
        roc_auc(np.ones(2), np.ones(0))
    with pytest.raises(ArgumentError, match="`positive` of average_precision must be finite"):
        average_precision(np.array([np.nan]), np.ones(1))
    with pytest.raises(ArgumentError, match="`threshold`"):
        f1_at(np.ones(1), np.ones(1), float("nan"))


# ---- classes

SKLEARN = {
    precision_macro: lambda t, p: sk.precision_score(t, p, average="macro", zero_division=0),
    recall_macro: lambda t, p: sk.recall_score(t, p, average="macro", zero_division=0),
    f1_macro: lambda t, p: sk.f1_score(t, p, average="macro", zero_division=0),
    f1_micro: lambda t, p: sk.f1_score(t, p, average="micro", zero_division=0),
    (lambda t, p: accuracy(t, p).mean()): sk.accuracy_score,
}


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_classes_are_scored_as_by_scikit_learn(seed, nodes, classes):
    rng = np.random.default_rng(seed)
    single = 2 * rng.integers(0, classes, (2, nodes))  # odd classes never occur
    several = rng.random((2, nodes, classes + 1)) < rng.random()
    for ours, theirs in SKLEARN.items():
        np.testing.assert_allclose(ours(*single), theirs(*single), rtol=1e-12)
        np.testing.assert_allclose(ours(*several), theirs(*several), rtol=1e-12)


def test_accuracy_is_per_node():
    assert accuracy(np.array([0, 1, 2]), np.array([0, 2, 2])).tolist() == [1, 0, 1]
    labels = np.array([[True, False], [True, True]])
    assert accuracy(labels, np.array([[True, False], [True, False]])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        (np.array([0, -1]), np.array([0, 1]), "`labels` of f1_macro must be classes from 0. Got -1. Leave out"),
        (np.array([0, 1]), np.array([0]), "of the shape of `labels`"),
        (np.array([0.0, 1.0]), np.array([0, 1]), "integers"),
        (np.zeros((2, 2), dtype=int), np.zeros((2, 2), dtype=bool), "bool"),
        (np.zeros(0, dtype=int), np.zeros(0, dtype=int), "`labels`"),
    ],
)
def test_bad_classes(labels, predicted, message):
    with pytest.raises(ArgumentError, match=message):
        f1_macro(labels, predicted)


def test_top_k_labels_by_hand():
    probabilities = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.5], [0.3, 0.2, 0.1]])
    got = top_k_labels(probabilities, np.array([2, 2, 0]))
    assert got.astype(int).tolist() == [[0, 1, 1], [1, 1, 0], [0, 0, 0]]
    with pytest.raises(ArgumentError, match="`k_per_node`"):
        top_k_labels(probabilities, np.array([1, 1, 4]))
    with pytest.raises(ArgumentError, match="`scores`"):
        top_k_labels(probabilities * np.nan, np.array([1, 1, 1]))


# ---- the DeepWalk protocol


def several_labels(seed=0, nodes=200, classes=6, dim=8):
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((nodes, dim))
    labels = embedding @ rng.standard_normal((dim, classes)) + rng.standard_normal((nodes, classes)) > 2
    return embedding, labels


class TopKRanker(OneVsRestClassifier):
    """As in the DeepWalk repository's `scoring.py`, with its arrays in place of its sets."""

    def predict(self, embedding, label_counts):
        chosen = np.zeros((len(label_counts), len(self.classes_)), dtype=bool)
        for i, k in enumerate(label_counts):
            chosen[i, self.predict_proba(embedding[i : i + 1])[0].argsort()[-k:]] = True
        return chosen


def test_deepwalk_protocol_is_the_scoring_script():
    embedding, labels = several_labels()
    got = deepwalk_protocol(embedding, labels, fractions=(0.3, 0.7), repeats=2, seed=5)
    labelled = np.flatnonzero(labels.any(axis=1))
    assert len(labelled) < len(labels)
    rng = np.random.default_rng(5)
    for repeat in range(2):
        nodes = rng.permutation(labelled)
        for fraction in (0.3, 0.7):
            train, test = np.split(nodes, [int(fraction * len(nodes))])
            ranker = TopKRanker(LogisticRegression(max_iter=1000)).fit(embedding[train], labels[train])
            predicted = ranker.predict(embedding[test], labels[test].sum(axis=1))
            for average in ("micro", "macro"):
                expected = sk.f1_score(labels[test], predicted, average=average, zero_division=0)
                np.testing.assert_allclose(got[fraction][f"{average}_f1"][repeat], expected, atol=1e-9)


def test_deepwalk_protocol_on_a_perfect_and_on_a_random_embedding():
    rng = np.random.default_rng(0)
    labels = np.eye(4, dtype=bool)[rng.integers(0, 4, 400)]
    perfect = deepwalk_protocol(10.0 * labels, labels, fractions=(0.5,), repeats=2)
    assert perfect[0.5]["micro_f1"].tolist() == perfect[0.5]["macro_f1"].tolist() == [1, 1]
    chance = deepwalk_protocol(rng.standard_normal((400, 5)), labels, fractions=(0.5,), repeats=20)
    assert abs(chance[0.5]["micro_f1"].mean() - 0.25) < 0.04


def test_deepwalk_protocol_is_reproducible_and_seeded():
    embedding, labels = several_labels(1)
    runs = [deepwalk_protocol(embedding, labels, (0.5,), 2, seed)[0.5]["micro_f1"] for seed in (0, 0, 1)]
    assert runs[0].tolist() == runs[1].tolist() != runs[2].tolist()


def test_a_class_that_no_training_node_has_ranks_last_and_one_that_all_have_first():
    labels = np.array([[True, False, True], [True, False, False]])
    got = one_vs_rest_scores(np.array([[1.0], [-1.0]]), labels, np.array([[2.0]]))
    assert np.isposinf(got[0, 0])
    assert np.isneginf(got[0, 1])
    assert 0 < got[0, 2] < np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(200, dtype=int)}, "bool \\[N, C\\]"),
        ({"embedding": np.zeros((3, 2))}, "beside an embedding"),
        ({"embedding": np.full((200, 2), np.nan)}, "`embedding` of deepwalk_protocol must be finite"),
        ({"fractions": (1.0,)}, "`fractions`"),
        ({"fractions": (0.001,)}, "`fractions`"),
        ({"repeats": 0}, "`repeats`"),
    ],
)
def test_bad_protocols(change, message):
    embedding, labels = several_labels()
    with pytest.raises(ArgumentError, match=message):
        deepwalk_protocol(**{"embedding": embedding, "labels": labels, **change})


# ---- values


def test_regression_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    targets = rng.standard_normal(50)
    predicted = targets + rng.standard_normal(50)
    np.testing.assert_allclose(metrics.mse(targets, predicted), sk.mean_squared_error(targets, predicted))
    np.testing.assert_allclose(metrics.mae(targets, predicted), sk.mean_absolute_error(targets, predicted))
    np.testing.assert_allclose(metrics.r2(targets, predicted), sk.r2_score(targets, predicted))
    assert metrics.squared_errors(np.array([1, 2]), np.array([3.0, 2.5])).tolist() == [4, 0.25]
    assert metrics.absolute_errors(np.array([1, 2]), np.array([3.0, 2.5])).tolist() == [2, 0.5]
    assert metrics.r2(targets, np.full(50, targets.mean())) == pytest.approx(0)
    assert np.isnan(metrics.r2(np.ones(3), np.zeros(3)))


def test_bad_values():
    with pytest.raises(ArgumentError, match="`targets` of squared_errors must be finite"):
        metrics.mse(np.array([np.nan, 1]), np.array([1.0, 1]))
    with pytest.raises(ArgumentError, match="`predicted` of r2 must be as long as"):
        metrics.r2(np.ones(3), np.ones(2))


# ---- communities


def test_partitions_are_compared_as_by_scikit_learn():
    rng = np.random.default_rng(0)
    labels, membership = rng.integers(0, 5, 80), rng.integers(0, 3, 80)
    assert metrics.nmi(labels, membership) == sk.normalized_mutual_info_score(labels, membership)
    assert metrics.ari(labels, membership) == sk.adjusted_rand_score(labels, membership)
    assert metrics.nmi(labels, 10 - labels) == pytest.approx(1)
    assert metrics.ari(labels, 10 - labels) == 1
    with pytest.raises(ArgumentError, match="`membership` of nmi"):
        metrics.nmi(labels, membership[:-1])


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_modularity_is_that_of_networkx_and_igraph(seed, directed, weighted):
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(2, 15))
    edges = rng.integers(0, nodes, (2, int(rng.integers(1, 40))))  # self-loops and parallel edges too
    weight = rng.random(edges.shape[1]) + 0.1 if weighted else None
    membership = rng.integers(-2, 3, nodes)
    got = modularity(edges, membership, weight, directed)
    ones = np.ones(edges.shape[1]) if weight is None else weight
    theirs = nx.MultiDiGraph() if directed else nx.MultiGraph()
    theirs.add_nodes_from(range(nodes))
    theirs.add_weighted_edges_from(zip(*edges.tolist(), ones.tolist()))
    parts = [set(np.flatnonzero(membership == c).tolist()) for c in np.unique(membership)]
    np.testing.assert_allclose(got, nx.community.modularity(theirs, parts), atol=1e-9)
    third = igraph.Graph(n=nodes, edges=edges.T.tolist(), directed=directed)
    numbered = np.unique(membership, return_inverse=True)[1].tolist()
    np.testing.assert_allclose(got, third.modularity(numbered, weights=ones.tolist(), directed=directed), atol=1e-9)


def test_modularity_by_hand():
    two_triangles = np.array([[0, 1, 0, 3, 4, 3, 2], [1, 2, 2, 4, 5, 5, 3]])
    assert modularity(two_triangles, np.array([7, 7, 7, 1, 1, 1])) == pytest.approx(6 / 7 - 2 * (7 / 14) ** 2)
    assert modularity(two_triangles, np.zeros(6, dtype=int)) == pytest.approx(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 0), dtype=int), np.zeros(3, dtype=int)), "at least one edge"),
        ((np.array([[0], [5]]), np.zeros(3, dtype=int)), "one community per node"),
        ((np.array([[0], [1]]), np.zeros(3, dtype=int), np.array([-1.0])), "`weight` of modularity"),
        ((np.array([[0], [1]]), np.zeros(3, dtype=int), np.ones(2)), "one per edge"),
    ],
)
def test_bad_communities(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        modularity(*arguments)
