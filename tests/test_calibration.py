"""Probabilities of answers: formulas against naive lines and scikit-learn, reliability on public data, the store."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

import graphtune
from cli_help import done, working_in
from graphtune.check import ArgumentError, LeakError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.metrics import brier_score, expected_calibration_error
from graphtune.models import ComplEx, DeepWalk
from graphtune.models.calibration import Calibration, Curve, margins
from graphtune.split import TEST, TRAIN, VALID, Split, split_edges
from graphtune.store import Record, load, save
from graphtune.tasks import calibrate, can_calibrate, pretrain, reliability
from graphtune.tasks.calibration import Looked, Questions, _fit, hidden_answers, look
from graphtune.testing import two_cliques
from graphtune.train.fit import Run


@given(arrays(np.float64, (3, 6), elements=st.floats(-40, 40)), arrays(np.bool_, (3, 6)))
@settings(max_examples=100, deadline=None)
def test_margins_are_log_odds_of_a_softmax(scores, free):
    got = margins(scores, free)
    for i in range(3):
        for j in range(6):
            rivals = [scores[i, k] for k in range(6) if free[i, k] and k != j]
            wanted = scores[i, j] - np.logaddexp.reduce(rivals) if rivals else 100.0
            assert got[i, j] == pytest.approx(np.clip(wanted, -100, 100), abs=1e-6)


@given(arrays(np.float64, (2, 5), elements=st.floats(-20, 20)), arrays(np.float64, (2, 5), elements=st.floats(0.01, 1)))
@settings(max_examples=50, deadline=None)
def test_rivals_count_by_their_weight(scores, weight):
    got = margins(scores, weight)
    for i, j in np.ndindex(2, 5):
        rivals = [weight[i, k] * np.exp(scores[i, k]) for k in range(5) if k != j]
        assert got[i, j] == pytest.approx(scores[i, j] - np.log(sum(rivals)), abs=1e-6)


def test_margins_of_a_sure_answer_keep_their_digits():
    """1 / (1 + exp(-m)) is 1 in float64, and m is not lost."""
    got = margins(np.array([[60.0, 0.0, 0.0]]), np.ones((1, 3), bool))
    np.testing.assert_allclose(got[0], [60 - np.log(2), -60, -60])


def test_the_softmax_is_a_curve():
    scores = np.random.default_rng(0).normal(size=(2, 5))
    wanted = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Curve(1.0, 0.0, 0.0).chances(scores, np.ones((2, 5), bool)), wanted)
    by_score = Curve(0.0, 2.0, 1.0).chances(scores, np.ones((2, 5), bool))
    np.testing.assert_allclose(by_score, 1 / (1 + np.exp(-2 * scores - 1)))


# --- errors of calibration ---


def test_errors_by_hand():
    """Two bins: 0.2 and 0.4 with one true of two, 0.9 true three times; 2/5 * 0.2 + 3/5 * 0.1."""
    p, y = [0.2, 0.4, 0.9, 0.9, 0.9], [0, 1, 1, 1, 1]
    assert expected_calibration_error(p, y, bins=2) == pytest.approx(0.4 * 0.2 + 0.6 * 0.1)
    assert expected_calibration_error(p[:3], y[:3], [1, 1, 3], bins=2) == pytest.approx(0.4 * 0.2 + 0.6 * 0.1)
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0 == brier_score([1.0, 0.0], [1, 0])
    assert brier_score([0.5, 0.1], [1, 0], [1, 3]) == pytest.approx((0.25 + 3 * 0.01) / 4)


def test_errors_are_scikit_learns():
    rng = np.random.default_rng(0)
    p = rng.random(500)
    y = rng.random(500) < p**2
    true, said = calibration_curve(y, p, n_bins=10)
    share = np.bincount((p * 10).astype(int), minlength=10) / 500
    assert expected_calibration_error(p, y, bins=10) == pytest.approx((share * np.abs(true - said)).sum())
    assert brier_score(p, y) == pytest.approx(brier_score_loss(y, p))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "not empty"),
        (([0.5], [1, 0]), "as long as"),
        (([1.5], [1]), r"in \[0, 1\]"),
        (([0.5], [2]), "0 or 1"),
        (([0.5], [1], [-1.0]), "not negative"),
        (([0.5], [1], None, 0), "`bins`"),
    ],
)
def test_bad_predictions(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        expected_calibration_error(*arguments)


# --- fitting ---


def drawn(curve, n=40_000, seed=0):
    """Candidates whose truth is drawn by a curve."""
    rng = np.random.default_rng(seed)
    score, margin = rng.normal(0, 2, n), rng.normal(-2, 2, n)
    truth = rng.random(n) < curve.at(score, margin)
    return Looked(score, margin, truth, np.ones(n), np.zeros(n))


@pytest.mark.parametrize("curve", [Curve(0.7, 0.3, -1.0), Curve(1.0, 0.0, 0.0), Curve(0.0, 1.5, 2.0)])
def test_the_curve_that_truth_was_drawn_by_is_found(curve):
    found = _fit(drawn(curve))
    np.testing.assert_allclose([found.margin, found.score, found.bias], list(asdict(curve).values()), atol=0.08)


def test_slopes_are_never_negative():
    seen = drawn(Curve(1.0, 0.0, 0.0))
    found = _fit(replace(seen, score=-seen.margin + 0.1 * seen.score))
    assert found.margin > 0.5 and found.score == 0
    found = _fit(replace(seen, score=-seen.score, margin=-seen.margin))
    assert (found.margin, found.score) == (0, 0) or min(found.margin, found.score) >= 0
    assert 1 / (1 + np.exp(-_fit(replace(seen, score=-seen.margin, margin=-seen.margin)).bias)) == pytest.approx(
        seen.truth.mean(), abs=0.01
    )
    sure = replace(seen, truth=np.ones(len(seen.truth), bool))
    assert _fit(sure).at(np.zeros(1), np.zeros(1)) > 0.99


def test_what_truth_tells_apart_entirely_has_finite_slopes():
    found = _fit(Looked(np.zeros(60), np.linspace(-1, 1, 60), np.linspace(-1, 1, 60) > 0, np.ones(60), np.zeros(60)))
    assert 0 < found.margin < 1000


class Fixed:
    """Scores from tables, as `Frozen` gives them: tails [h, r, t], heads by the reciprocal relation, relations."""

    def __init__(self, tables):
        self.tables = tables

    def cross(self, u, columns, relation):
        return self.tables[u, relation]

    def relations(self, u, v, count):
        return self.tables[u, :count, v]


def small_split(entities=150, relations=4, count=700, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.unique(rng.integers(0, [entities, relations, entities], (count, 3)), axis=0)
    ids, names = NodeIds.range(entities), NodeIds.of([f"r{i}" for i in range(relations)])
    graph = Graph(rows[:, [0, 2]].T, ids, True, relation=rows[:, 1], relation_ids=names)
    return Split(graph, "edge", "public", rng.permutation(len(rows)) % 5 // 3 * (1 + rng.integers(0, 2, len(rows))))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_candidates_that_are_looked_at(missing):
    """The best new ones each for itself, the sample for the others; what is known is none; the answer is always one."""
    split, rng = small_split(), np.random.default_rng(1)
    entities, relations = split.graph.num_nodes, split.graph.num_relations
    tables = rng.normal(size=(entities, 2 * relations, entities))
    seen = look(Questions(Fixed(tables), split, VALID, missing, 10_000, 0))
    n = split.valid.num_edges
    assert seen.truth.sum() == n and (seen.weight[seen.truth] == 1).all()
    known = {}
    both = split.through(VALID)
    for h, r, t in zip(both.edges[0].tolist(), both.relation.tolist(), both.edges[1].tolist()):
        row = (h, r, t)
        known.setdefault(tuple(x for place, x in enumerate(row) if place != missing), set()).add(row[missing])
    width = relations if missing == 1 else entities
    asked = split.valid
    rows = list(zip(asked.edges[0].tolist(), asked.relation.tolist(), asked.edges[1].tolist()))
    rivals = [width - len(known[tuple(x for p, x in enumerate(row) if p != missing)]) for row in rows]
    assert seen.weight.sum() == pytest.approx(sum(rivals) + n), "every candidate is counted once"
    tops = sorted(seen.score[seen.place == 0])
    wanted = []
    for row in rows:
        others = known[tuple(x for p, x in enumerate(row) if p != missing)] - {row[missing]}
        h, r, t = row
        scores = (tables[t, r + relations], tables[h, :relations, t], tables[h, r])[missing].copy()
        scores[list(others)] = -np.inf
        wanted.append(scores.max())
    np.testing.assert_allclose(tops, sorted(wanted))


def test_a_model_that_says_the_truth_gets_probabilities_that_hold():
    """Facts are drawn one by one; the one of a question that is not known is then drawn by a softmax of their log-odds.
    Scores are these, each question shifted by a number of its own, so the softmax is right. Half of the facts are in
    test, and make validation look as if good answers were false, unless it is reckoned with."""
    rng = np.random.default_rng(2)
    log_odds = rng.normal(-4, 1.5, size=(60, 8, 60))
    rows = np.argwhere(rng.random(log_odds.shape) < 1 / (1 + np.exp(-log_odds)))
    names = NodeIds.of([f"r{i}" for i in range(8)])
    graph = Graph(rows[:, [0, 2]].T, NodeIds.range(60), True, relation=rows[:, 1], relation_ids=names)
    split = Split(graph, "edge", "public", np.where(rng.random(len(rows)) < 0.5, VALID, TEST))
    tables = np.concatenate([log_odds + 20 * rng.normal(size=(60, 8, 1))] * 2, axis=1)
    asked = Questions(Fixed(tables), split, VALID, 2, 10_000, 0)
    naive, ours = _fit(look(asked)), _fit(look(asked, hidden_answers(asked)))
    assert abs(ours.margin - 1) < min(0.1, 0.6 * abs(naive.margin - 1)) and ours.score < 0.01
    assert abs(ours.bias) < 0.5 * abs(naive.bias)
    seen = look(Questions(Fixed(tables), split, TEST, 2, 10_000, 0))
    curves = {"ours": ours, "naive": naive, "softmax": Curve(1.0, 0, 0), "sigmoid": Curve(0.0, 1.0, 0)}
    shown = seen.place < 10
    chances = {name: c.at(seen.score, seen.margin)[shown] for name, c in curves.items()}
    said = {name: expected_calibration_error(p, seen.truth[shown]) for name, p in chances.items()}
    assert said["softmax"] < said["ours"] < said["naive"] < 0.015 < 0.3 < said["sigmoid"], said


# --- on models ---


def untrained(valid=30):
    split = small_split()
    part = np.where(np.cumsum(split.part == VALID) > valid, TRAIN, split.part)
    split = Split(split.graph, "edge", "public", np.where(split.part == VALID, part, split.part))
    return ComplEx(dim=8).build(split.train), split


def test_a_calibration_is_plain_numbers_that_the_store_keeps(tmp_path):
    model, split = untrained()
    model.calibration = calibrate(model, split)
    assert model.calibration == calibrate(model, split), "its choices are seeded"
    assert model.calibration.triples == 30
    save(tmp_path / "model", model, Record(split))
    written = json.loads((tmp_path / "model" / "config.json").read_text())["calibration"]
    assert written == asdict(model.calibration)
    again = load(tmp_path / "model")
    assert again.calibration == model.calibration
    entity, relation = split.graph.ids.values([3])[0], "r1"
    assert again.complete(entity, relation) == model.complete(entity, relation)
    save(tmp_path / "plain", untrained()[0], Record(split))
    assert load(tmp_path / "plain").calibration is None and Calibration.of(None) is None


def test_what_can_be_calibrated():
    model, split = untrained()
    assert can_calibrate(model, split) and not can_calibrate(model, None)
    few, short = untrained(valid=10)
    assert not can_calibrate(few, short)
    with pytest.raises(ArgumentError, match="`split` of calibrate must be of triples, with 20 in validation"):
        calibrate(few, short)
    links = split_edges(two_cliques())
    assert not can_calibrate(DeepWalk(dim=4).build(links.train), links)
    with pytest.raises(LeakError):
        calibrate(ComplEx(dim=8).build(split.graph), split)
    with pytest.raises(ArgumentError, match="`triples` of calibrate"):
        calibrate(model, split, triples=3)
    with pytest.raises(ArgumentError, match="`split` of reliability"):
        reliability(model, Split(split.graph, "edge", "public", np.minimum(split.part, VALID)))
    assert set(reliability(model, split)["tail"]) == {"softmax", "sigmoid"}


def test_one_relation_has_no_rivals():
    split = small_split(relations=1)
    model = ComplEx(dim=8).build(split.train)
    model.calibration = calibrate(model, split)
    told = model.complete(head=0, tail=1, known=split).answers
    assert len(told) == 1 and (told[0].known or told[0].probability > 0.9)


@pytest.fixture(scope="module")
def umls(data):
    """A model of UMLS, 20 epochs old, and the published split."""
    split = graphtune.load_dataset("umls").split
    recipe = ComplEx(dim=64)
    config = replace(recipe.training(), epochs=20)
    return pretrain(recipe, split, config, run=Run(quiet=True)).model, split


@pytest.mark.data
def test_probabilities_hold_on_umls(umls):
    """Test triples of UMLS: what is said is so within 3 points, and nearer than by the model's own softmax; its scores
    are far off."""
    model, split = umls
    model.calibration = calibrate(model, split)
    for place, said in reliability(model, split).items():
        assert said["calibrated"].ece < min(0.03, 0.6 * said["softmax"].ece, 0.1 * said["sigmoid"].ece), (place, said)
        assert said["calibrated"].brier < min(said["softmax"].brier, said["sigmoid"].brier), (place, said)
        assert said["calibrated"].ece_all < min(said["softmax"].ece_all, said["sigmoid"].ece_all), (place, said)


@pytest.mark.data
def test_nearest_entities_have_the_same_facts(umls):
    """The share of facts, all of UMLS, that an entity has in common with its five nearest is seven times the mean."""
    model, split = umls
    graph, n = split.graph, split.graph.num_nodes
    (head, tail), relation = graph.edges, graph.relation
    facts = np.zeros((n, 2 * graph.num_relations, n))
    facts[head, relation, tail] = facts[tail, relation + graph.num_relations, head] = 1
    facts = facts.reshape(n, -1)
    common, size = facts @ facts.T, facts.sum(axis=1)
    jaccard = common / (size[:, None] + size - common)
    near = [graph.ids.index([i for i, _ in model.most_similar(name, 5)]) for name in graph.ids.values(range(n))]
    others = (jaccard.sum() - n) / (n * (n - 1))
    assert np.mean([jaccard[row, at].mean() for row, at in enumerate(near)]) > 6 * others


@pytest.mark.data
def test_embed_calibrates_and_predict_tells(data, tmp_path):
    with working_in(tmp_path):
        done("embed", "dataset:umls", "--dim", 32, "--out", "umls", "--set", "epochs=10", "--quiet")
        found = done("predict", "umls", "virus", "causes", "?", "-k", 50, "--json").json
        assert found["calibrated_on"] == 652 and found["known"] > 0
        for answer in found["answers"]:
            assert (answer["known"] is None) == (answer["probability"] is not None)
        new, fact = (next(a for a in found["answers"] if (a["known"] is None) == free) for free in (True, False))
        asked = ("predict", "umls", "virus", "causes", new["id"], "virus", "causes", fact["id"])
        ours = done(*asked, "--json").json["scores"]
        assert [one["probability"] for one in ours] == [new["probability"], None]
        assert [one["known"] for one in ours] == [None, fact["known"]]
        assert "Probability of the tail" in done(*asked).out
        told = done("predict", "umls", "virus", "causes", "?", "--new").out
        assert f"{found['known']:,} known answers, left out." in told
        told = done("predict", "umls", "virus", "?", "cell").out
        assert "calibrated on 652 validation triples" in told and "probability" in told
