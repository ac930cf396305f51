"""The demo, its plain methods and its reader of source code."""

import json
import shlex
import sys

import numpy as np
import pytest

import graphtune
from graphtune.check import ArgumentError, DataError
from graphtune.demo import run_demo
from graphtune.demo.baselines import common_neighbours, frequent_answers, logistic_regression, popularity
from graphtune.demo.code import read_code
from graphtune.demo.similarity import digits
from graphtune.demo.story import BASELINE, FINE_TUNED, PRETRAINED, Contest, Score
from graphtune.evaluate import evaluate_recommendations, evaluate_triples
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.split import given_split, split_nodes

DIRECTORIES = [
    "digits/communities",
    "digits/fine-tuned",
    "digits/pretrained",
    "knowledge/fine-tuned",
    "knowledge/pretrained",
    "recommender/fine-tuned",
    "recommender/pretrained",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A quick run: its directory, its result and its output."""
    out = tmp_path_factory.mktemp("demo") / "out"
    texts: list[str] = []
    return out, run_demo(out, quick=True, echo=texts.append), "\n".join(texts)


def test_every_contest_has_a_baseline_a_pretrained_and_mostly_a_fine_tuned_score(demo):
    _, result, _ = demo
    assert [story["name"] for story in result["stories"]] == ["digits", "recommender", "knowledge"]
    contests = [contest for story in result["stories"] for contest in story["contests"]]
    roles = [{score["role"] for score in contest["scores"]} for contest in contests]
    assert all({BASELINE, PRETRAINED} <= role for role in roles)
    assert [FINE_TUNED in role for role in roles] == [True, False, True, True]
    for contest in contests:
        for score in contest["scores"]:
            assert set(contest["metrics"]) == set(score["metrics"])
            for estimate in score["metrics"].values():
                assert 0 <= estimate["low"] <= estimate["mean"] <= estimate["high"] <= 1
                assert estimate["n"] > 50
        tuned = [score["model"] for score in contest["scores"] if score["role"] == FINE_TUNED]
        assert len(contest["gains"]) == (len(contest["scores"]) - 1 if tuned else 0)


def test_result_is_json_and_says_what_was_read(demo):
    _, result, _ = demo
    assert json.loads(json.dumps(result)) == result
    assert "1,797 images" in result["stories"][0]["read"][0]
    assert result["quick"] is True and result["seconds"] > 0


def test_models_are_saved_and_score_again_what_was_said(demo):
    out, result, _ = demo
    found = sorted(path.parent.relative_to(out).as_posix() for path in out.rglob("run.json"))
    assert found == DIRECTORIES
    (contest,) = result["stories"][2]["contests"]
    said = {score["role"]: score for score in contest["scores"]}[FINE_TUNED]
    stored = graphtune.open_directory(said["directory"])
    again = graphtune.TripleCompletion(stored.record.split).evaluate(stored.model)
    assert again["mrr"] == pytest.approx(said["metrics"]["mrr"]["mean"], abs=1e-6)


def test_output_shows_scores_places_and_what_to_type_next(demo):
    out, result, text = demo
    for story in result["stories"]:
        assert story["title"] in text and f"Ask it: {story['ask']}" in text
        for contest in story["contests"]:
            assert contest["title"] in text
            for score in contest["scores"]:
                estimate = score["metrics"][contest["metrics"][0]]
                assert f"{score['model']}" in text
                assert f"{estimate['mean']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]" in text
    assert all(f" {directory} " in text for directory in DIRECTORIES)
    assert "What to type next" in text and "graphtune embed edges.csv" in text
    assert text.isascii() and max(map(len, text.replace(str(out), "").splitlines())) <= 120


def test_commands_that_ask_the_models_work(demo, capsys):
    from graphtune.cli.app import app

    _, result, _ = demo
    for story in result["stories"]:
        program, *arguments = shlex.split(story["ask"])
        assert program == "graphtune"
        with pytest.raises(SystemExit) as stop:
            app(arguments)
        assert stop.value.code == 0
        assert len(capsys.readouterr().out.splitlines()) > 3


def test_foreign_files_are_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "knowledge" / "fine-tuned").mkdir(parents=True)
    (tmp_path / "knowledge" / "fine-tuned" / "thesis.txt").write_text("mine")
    with pytest.raises(ArgumentError, match="It holds other files"):
        run_demo(tmp_path, quick=True)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["thesis.txt"]


# --- source code as data ---


def package(tmp_path, monkeypatch, **files):
    """Write and make importable a package called `sample`."""
    (tmp_path / "sample").mkdir()
    for name, text in {"__init__": "", **files}.items():
        path = tmp_path / "sample" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("sample", None)


def test_code_gives_uses_by_their_full_names(tmp_path, monkeypatch):
    package(
        tmp_path,
        monkeypatch,
        one="""
import numpy as np
import os
from .two import thing
from math import sqrt as root
x = np.zeros(os.sep)
x.any()
""",
        two="raise SystemExit  # read, never run",
        test_one="import json\njson.dumps",
    )
    code = read_code("sample")
    assert code.files == 3
    assert code.uses == tuple(
        ("sample/one.py", name) for name in ("math.sqrt", "numpy.zeros", "os.sep", "sample.two.thing")
    )


def test_code_gives_facts(tmp_path, monkeypatch):
    package(
        tmp_path,
        monkeypatch,
        model="""
class Model(base.Base, Mixin):
    def __init__(self, alpha, *, beta=1):
        self.alpha = alpha
    def fit(self, x):
        self.coef_ = x
        self._hidden_ = 1
    def __repr__(self): ...
def load(path): ...
def _own(): ...
""",
    )
    assert set(read_code("sample").facts) == {
        ("Model", "is defined in", "sample.model"),
        ("Model", "inherits from", "Base"),
        ("Model", "inherits from", "Mixin"),
        ("Model", "takes", "alpha="),
        ("Model", "takes", "beta="),
        ("Model", "has method", "fit()"),
        ("Model", "learns", "coef_"),
        ("load", "is defined in", "sample.model"),
        ("load", "takes", "path="),
    }


def test_code_of_a_package_that_is_not_there():
    with pytest.raises(DataError, match="must be installed with its sources"):
        read_code("graphtune_no_such_package")


# --- plain methods ---


def events(pairs):
    """Users 0..2 and items 0..3, the last pair in the test part."""
    ids = NodeIds.of(range(3), range(4), kinds=("user", "item"))
    edges = np.array([(user, item + 3) for user, item in pairs]).T
    part = np.zeros(len(pairs), dtype=int)
    part[-1] = 2
    return given_split(Graph(edges, ids, directed=True), part, "edge")


def test_popularity_ranks_by_count_and_common_neighbours_by_shared_items():
    split = events([(0, 0), (1, 0), (1, 1), (2, 2), (2, 3), (1, 2), (0, 1)])
    items = range(3, 7)
    assert popularity(split.train).cross(np.array([0]), items).tolist() == [[2, 1, 2, 1]]
    # user 0 shares item 0 with user 1, who has items 0, 1 and 2; with itself it shares item 0
    assert common_neighbours(split.train).cross(np.array([0]), items).tolist() == [[2, 1, 1, 0]]
    assert evaluate_recommendations(popularity(split.train), split)["mrr_20"] == pytest.approx(1 / 2)
    assert evaluate_recommendations(common_neighbours(split.train), split)["mrr_20"] == pytest.approx(1)


def test_frequent_answers_count_each_direction():
    graph = Graph(
        np.array([[0, 1, 2, 3], [3, 3, 0, 0]]),
        NodeIds.range(4),
        directed=True,
        relation=np.array([0, 0, 1, 0]),
        relation_ids=NodeIds.of(["r", "s"]),
    )
    split = given_split(graph, np.array([0, 0, 0, 2]), "edge")
    found = frequent_answers(split.train).cross(np.array([0, 0, 0]), range(4), np.array([0, 2, 3]))
    assert found.tolist() == [[0, 0, 0, 2], [1, 1, 0, 0], [0, 0, 1, 0]]
    # of r, 3 has been the tail twice, the others never: 0 ties with 1 and 2; heads: 3 ties with 2 behind 0 and 1
    ranks = 1 / evaluate_triples(frequent_answers(split.train), split).per_query["mrr"]
    assert ranks.tolist() == [3, 3.5]


def test_logistic_regression_learns_from_features_alone():
    graph = digits()
    split = split_nodes(graph.take_edges(np.zeros(graph.num_edges, dtype=bool)), (30, 10, 60))
    assert 0.9 < logistic_regression(split)["accuracy"] < 1


def test_digits_are_joined_to_their_nearest():
    graph = digits()
    pixels = graph.features.astype(np.float64)
    distance = ((pixels - pixels[7]) ** 2).sum(axis=1)
    distance[7] = np.inf
    csr = graph.adjacency()
    neighbours = set(csr.indices[csr.indptr[7] : csr.indptr[8]].tolist())
    assert set(np.argsort(distance)[:5].tolist()) <= neighbours
    assert csr.degree.min() >= 5 and (graph.edges[0] < graph.edges[1]).all()


def test_gains_are_paired_by_query():
    def score(role, values):
        return Score(role, role, {}, {"accuracy": np.array(values)})

    scores = (score(BASELINE, [0.0, 0.0, 1.0, 0.0]), score(PRETRAINED, [1.0, 0.0, 0.0, 0.0]))
    assert Contest("", ("accuracy",), scores).gains() == {}
    gains = Contest("", ("accuracy",), (*scores, score(FINE_TUNED, [1.0, 1.0, 1.0, 1.0]))).gains()
    assert list(gains) == [BASELINE, PRETRAINED]
    assert gains[BASELINE].difference == pytest.approx(0.75) and gains[BASELINE].n == 4
