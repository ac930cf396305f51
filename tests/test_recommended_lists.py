"""What recommended lists are like, by hand and by loops; users by activity, tests by time; ir_measures on LastFM."""

import ir_measures
import numpy as np
import pytest
import torch
from ir_measures import AP, RR, P, Qrel, R, ScoredDoc, Success, nDCG

import graphtune as gt
from cli_help import done, make_models, working_in, write_files
from graphtune import metrics
from graphtune.check import ArgumentError
from graphtune.datasets import load_dataset
from graphtune.evaluate import evaluate_recommendations
from graphtune.evaluate.ranking import PERIODS
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.best import Targets, best_targets
from graphtune.models.bprmf import BPRMF
from graphtune.models.popularity import Popularity
from graphtune.split import TEST, TRAIN, VALID, given_split

LISTS = np.array([[0, 1, -1], [0, 2, 3], [-1, -1, -1]])


def test_by_hand():
    assert metrics.coverage(LISTS, 8) == 4 / 8
    # 0, 0, 0, 0, 1, 1, 1, 2 times: (1*1 + 3*1 + 5*1 + 7*2) / (8 * 5)
    assert metrics.gini(LISTS, 8) == pytest.approx(23 / 40)
    assert metrics.gini(np.array([[0], [1]]), 2) == 0
    assert metrics.gini(np.zeros((5, 1), int), 100) == pytest.approx(0.99)
    assert np.isnan(metrics.gini(np.full((2, 3), -1), 4)) and metrics.coverage(np.full((2, 3), -1), 4) == 0
    means = metrics.list_means(LISTS, np.array([1.0, 2.0, 3.0, 5.0]))
    np.testing.assert_allclose(means, [1.5, 3.0, np.nan])
    np.testing.assert_allclose(metrics.self_information(np.array([8, 4, 1, 0]), 8), [0, 1, 3, 3])
    assert metrics.popularity_lift(np.array([0.4, 0.2, np.nan, 9]), np.array([0.1, 0.3, 5, np.nan])) == pytest.approx(
        0.5
    )
    assert np.isnan(metrics.popularity_lift(np.array([np.nan]), np.array([1.0])))


USERS, ITEMS, K = 30, 40, 5


def log(seed=0, timed=True):
    """Events of users of very different activity; user 0 has a single one, in the test part. Some stand twice."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(u, USERS + i) for u in range(USERS) for i in rng.permutation(ITEMS)[: 1 + u]])
    part = rng.choice([TRAIN, VALID, TEST], len(pairs), p=[0.5, 0.1, 0.4])
    part[0] = TEST
    twice = rng.permutation(len(pairs))[:60]
    pairs, part = np.concatenate([pairs, pairs[twice]]), np.concatenate([part, part[twice]])
    ids = NodeIds.of(range(USERS), range(ITEMS), kinds=("user", "item"))
    time = rng.permutation(len(pairs)) if timed else None
    return given_split(Graph(pairs.T, ids, directed=True, time=time), part.astype(np.uint8), "edge")


@pytest.fixture
def ranked():
    """A split, a model of random factors, and what each user with something to find is given, by a loop."""
    split = log()
    model = BPRMF(dim=4).build(split.train)
    z = torch.from_numpy(np.random.default_rng(1).standard_normal((USERS + ITEMS, 4)).astype(np.float32))
    with torch.no_grad():
        model.encoder.weight.copy_(z)
    taken = [set(zip(*split.graph.edges[:, split.part == part].tolist())) for part in range(3)]
    wanted = taken[TEST] - taken[TRAIN] - taken[VALID]
    lists = {}
    for user in sorted({u for u, _ in wanted}):
        left = [i for i in range(USERS, USERS + ITEMS) if (user, i) not in taken[TRAIN] | taken[VALID]]
        lists[user] = sorted(left, key=lambda i: -float(z[user] @ z[i]))[:K]
    return split, model, lists, taken[TRAIN], wanted


def test_popularity_and_coverage_agree_with_loops(ranked):
    split, model, lists, train, _ = ranked
    found = evaluate_recommendations(model, split, TEST, K)
    takers = {i: sum(j == i for _, j in train) for i in range(USERS, USERS + ITEMS)}
    users = len({u for u, _ in train})
    given = {u: np.mean([takers[i] / users for i in items]) for u, items in lists.items()}
    own = {u: [takers[i] / users for v, i in train if v == u] for u in lists}
    novelty = [np.mean([-np.log2(max(takers[i], 1) / users) for i in items]) for items in lists.values()]
    np.testing.assert_allclose(found.per_query[f"novelty_{K}"], novelty)
    np.testing.assert_allclose(found.per_query[f"popularity_{K}"], list(given.values()))
    both = [u for u in lists if own[u]]
    gap = np.mean([given[u] for u in both]), np.mean([np.mean(own[u]) for u in both])
    assert found[f"popularity_lift_{K}"] == pytest.approx((gap[0] - gap[1]) / gap[1])
    assert len(both) == len(lists) - 1, "user 0 has taken nothing"
    assert found[f"coverage_{K}"] == len({i for items in lists.values() for i in items}) / ITEMS
    lift, covered = found.metrics[f"popularity_lift_{K}"], found.metrics[f"coverage_{K}"]
    assert lift.low < lift.mean < lift.high
    assert np.isnan(covered.low) and covered.n == len(lists), "resampled users would cover less"


def test_users_by_their_activity(ranked):
    split, model, lists, _, _ = ranked
    found = evaluate_recommendations(model, split, TEST, K)
    events = np.bincount(split.train.edges[0], minlength=USERS)[list(lists)]
    groups = found.by("activity")
    for name, low, high in (("cold: 0", 0, 0), ("1 to 9", 1, 9), ("10 to 49", 10, 49)):
        which = (events >= low) & (events <= high)
        assert groups[name].counts == {"queries": which.sum()}
        assert groups[name][f"ndcg_{K}"] == found.per_query[f"ndcg_{K}"][which].mean()
        reached = {i for u, inside in zip(lists, which) if inside for i in lists[u]}
        assert groups[name][f"coverage_{K}"] == len(reached) / ITEMS
    assert len(groups) == 3 and events[0] == 0
    with pytest.raises(ArgumentError, match="'activity', 'period'"):
        found.by("age")


def test_metrics_by_time(ranked):
    split, model, lists, _, wanted = ranked
    periods = evaluate_recommendations(model, split, TEST, K).by("period")
    when = {}
    for (u, i), part, time in zip(split.graph.edges.T.tolist(), split.part, split.graph.time):
        if part == TEST:
            when[u, i] = min(time, when.get((u, i), time))
    assert len(periods) == PERIODS
    total = 0
    for name, of in periods.items():
        low, high = map(int, name.split(" to "))
        inside = {pair for pair in wanted if low <= when[pair] <= high}
        total += len(inside)
        assert of.counts["targets to find"] == len(inside) and abs(len(inside) - len(wanted) / PERIODS) <= 1
        of_users = {u: {i for v, i in inside if v == u} for u in lists}
        recall = [len(items & set(lists[u])) / len(items) for u, items in of_users.items() if items]
        np.testing.assert_allclose(of.per_query[f"recall_{K}"], recall)
        assert of.counts["queries"] == len(recall)
    assert total == len(wanted)


def test_there_are_no_periods_without_times():
    split = log(timed=False)
    found = evaluate_recommendations(BPRMF(dim=2).build(split.train), split, VALID, 3)
    with pytest.raises(ArgumentError, match="one of 'activity'"):
        found.by("period")


class Plain:
    """Scores without embeddings."""

    def __init__(self, scores):
        self.cross = scores.cross


def test_products_are_ranked_as_any_scores_are(monkeypatch):
    """Whole numbers, of which torch makes the same products; many tie. All targets, or some of them."""
    split, rng = log(), np.random.default_rng(2)
    model = BPRMF(dim=3).build(split.train)
    with torch.no_grad():
        model.encoder.weight.copy_(torch.from_numpy(rng.integers(-2, 3, (USERS + ITEMS, 3)).astype(np.float32)))
    rows, span, frozen = rng.permutation(USERS)[:20], range(USERS, USERS + ITEMS), model.frozen()
    out = np.arange(0, 21 * 4, 4), rng.integers(0, ITEMS, 80)
    monkeypatch.setattr("graphtune.models.best.SOURCES", 7)
    monkeypatch.setattr("graphtune.models.best.SCORES", 90)
    assert Targets(frozen, span).keys is not None and Targets(Plain(frozen), span).keys is None
    some = rng.random(ITEMS) < 0.4
    for allowed in (None, some, np.zeros(ITEMS, bool)):
        fast, slow = (best_targets(of, rows, span, 6, out, allowed) for of in (frozen, Plain(frozen)))
        for one, other in zip(fast, slow):
            np.testing.assert_array_equal(one, other)
        if allowed is some:
            assert set((fast[0][fast[0] >= 0] - USERS).tolist()) <= set(np.flatnonzero(some).tolist())
            for row, found in enumerate(fast[0]):
                assert not set(found) & set(USERS + out[1][out[0][row] : out[0][row + 1]])
    assert (fast[0] == -1).all()


def test_the_command_line_shows_groups(tmp_path):
    with working_in(tmp_path):
        write_files(tmp_path)
        make_models(tmp_path)
        found = done("evaluate", "log", "--task", "recommendation", "--by", "activity,period", "--json").json
        assert {"coverage_20", "gini_20", "novelty_20", "popularity_20", "popularity_lift_20"} < set(found["metrics"])
        assert [group["group"] for group in found["groups"]["activity"]] == ["1 to 9"]
        assert found["groups"]["activity"][0]["queries"] == found["counts"]["users"]
        assert len(found["groups"]["period"]) == PERIODS
        told = done("evaluate", "log", "--task", "recommendation", "--by", "period").out
        assert "By period" in told and "coverage_20" in told


@pytest.mark.data
def test_lastfm_agrees_with_ir_measures(data):
    """What a trained model recommends on LastFM, ranked again by NumPy; six digits of all metrics."""
    split = load_dataset("lastfm", data).split
    config = gt.TrainConfig(epochs=3, batch_size=2048, lr=0.01, eval_every=3)
    model = gt.pretrain(gt.BPRMF(dim=16, loss="softmax", negatives=256), split, config, run=gt.Run(quiet=True)).model
    found = evaluate_recommendations(model, split, TEST, 20)
    users, items = split.graph.ids.rows("user"), split.graph.ids.rows("item")
    z = model.embeddings().numpy()
    scores = z[users.start : users.stop] @ z[items.start : items.stop].T
    seen = split.through(VALID).edges
    scores[seen[0] - users.start, seen[1] - items.start] = -np.inf
    asked = np.unique(split.test.edges[0])
    run = [
        ScoredDoc(str(u), str(i), float(scores[u - users.start, i]))
        for u in asked
        for i in np.argsort(-scores[u - users.start])[:40]
    ]
    relevant = [Qrel(str(u), str(i - items.start), 1) for u, i in split.test.edges.T]
    k = 20
    theirs = ir_measures.calc_aggregate([nDCG @ k, R @ k, P @ k, AP @ k, RR @ k, Success @ k], relevant, run)
    names = {nDCG: "ndcg", R: "recall", P: "precision", AP: "map", RR: "mrr", Success: "hit_rate"}
    for measure, name in names.items():
        assert found[f"{name}_{k}"] == pytest.approx(theirs[measure @ k], abs=5e-7), name
    assert found.counts["users"] == len(asked) > 1000 and found["recall_20"] > 0.03


@pytest.mark.filterwarnings("error")
def test_without_a_validation_part_nothing_is_watched():
    """What is not there stops no training, and is no score."""
    rng = np.random.default_rng(0)
    edges = np.unique(rng.integers(0, [12, 9], (60, 2)), axis=0).T + np.array([[0], [12]])
    graph = Graph(edges, NodeIds.of(range(12), range(9), kinds=("user", "item")), directed=True)
    split = gt.split_interactions(graph, ratios=(8, 0, 2))
    config = gt.TrainConfig(epochs=5, eval_every=1, patience=1)
    result = gt.pretrain(BPRMF(dim=4), split, config, run=gt.Run(quiet=True))
    assert len(result.history) == result.best_epoch == 5 and result.monitor is None
    assert not any("ndcg_20" in row for row in result.history)
    tuned = gt.finetune(result.model, gt.Recommendation(split), config, gt.Run(quiet=True))
    assert len(tuned.history) == 5 and tuned.monitor is None
    assert "ndcg_20" not in gt.pretrain(Popularity(), split, run=gt.Run(quiet=True)).history[0]
    assert gt.Recommendation(split).evaluate(result.model)["ndcg_20"] > 0
    with pytest.raises(ArgumentError, match="`split` of evaluate_recommendations must be one whose valid part holds"):
        gt.Recommendation(split).evaluate(result.model, VALID)


def test_a_model_of_other_nodes_is_refused():
    """As many nodes under other names, or in another order, would be judged by what they are not."""
    split = log()
    ids = split.graph.ids
    for names in (("x", "y"), ("u", "i")):
        blocks = [[f"{n}{v}" for v in reversed(b.to_pylist())] for n, b in zip(names, ids.blocks)]
        other = given_split(split.graph.replace(ids=NodeIds.of(*blocks, kinds=ids.kinds)), split.part, "edge")
        with pytest.raises(ArgumentError, match="`split` of evaluate must be of the nodes of the model"):
            gt.Recommendation(other).evaluate(BPRMF(dim=2).build(split.train))
