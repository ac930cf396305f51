"""Scores of users in files: under their ids, compared as in memory, refused where damaged, and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import graphtune
from cli_help import QUICK, done, run, working_in, write_files
from graphtune.check import ArgumentError, DataError
from graphtune.evaluate import compare, compare_scores, evaluate_links, read_scores, write_scores
from graphtune.evaluate.scores import scores_table
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.split import given_split
from graphtune.testing import two_cliques


@pytest.fixture(scope="module")
def judged() -> tuple[graphtune.Split, graphtune.Evaluation, graphtune.Evaluation]:
    """A log, and two untrained models of it as they rank its test part."""
    rng = np.random.default_rng(0)
    user, item = np.repeat(np.arange(20), 6), np.concatenate([rng.choice(12, 6, replace=False) for _ in range(20)])
    ids = NodeIds.of([f"u{19 - i}" for i in range(20)], range(12), kinds=("user", "item"))
    split = given_split(Graph(np.stack([user, 20 + item]), ids, directed=True), np.tile([0, 0, 0, 1, 2, 2], 20), "edge")
    models = [graphtune.BPRMF(dim=4).build(split.train, seed) for seed in range(2)]
    return split, *(graphtune.Recommendation(split, k=3).evaluate(model) for model in models)


def test_scores_are_under_the_users_ids(judged, tmp_path: Path) -> None:
    split, one, _ = judged
    write_scores(tmp_path / "one.parquet", one, split.graph.ids)
    table = read_scores(tmp_path / "one.parquet")
    assert table["user"].to_list() == [f"u{19 - i}" for i in range(20)]
    assert table.columns[1:] == list(one.per_query)
    for name, scores in one.per_query.items():
        np.testing.assert_array_equal(table[name], scores)


def test_models_are_compared_by_their_files_as_they_are_in_memory(judged) -> None:
    split, one, two = judged
    tables = {name: scores_table(found, split.graph.ids) for name, found in (("one", one), ("two", two))}
    tables["two"] = tables["two"].sample(fraction=1, shuffle=True, seed=0)
    found, expected = compare_scores(tables, "ndcg_3"), compare({"one": one, "two": two}, "ndcg_3")
    assert found.baseline == expected.baseline
    for row, other in zip(found.rows, expected.rows):
        assert row.model == other.model and row.estimate.mean == pytest.approx(other.estimate.mean)
        if row.test is not None:
            assert row.test.difference == pytest.approx(other.test.difference)


def test_what_cannot_be_compared_is_refused(judged, tmp_path: Path) -> None:
    split, one, _ = judged
    table = scores_table(one, split.graph.ids)
    with pytest.raises(ArgumentError, match="others in b than in a"):
        compare_scores({"a": table, "b": table[1:]}, "ndcg_3")
    with pytest.raises(ArgumentError, match="one of a: recall_3, precision_3"):
        compare_scores({"a": table, "b": table}, "user")
    links = graphtune.split_edges(two_cliques())
    of_links = evaluate_links(graphtune.DeepWalk(dim=4).build(links.train), links)
    with pytest.raises(ArgumentError, match="one of recommendations"):
        scores_table(of_links, links.graph.ids)
    path = tmp_path / "scores.parquet"
    for wrong in (table.drop("user"), table.select("user"), pl.concat([table, table])):
        wrong.write_parquet(path)
        with pytest.raises(DataError, match="with each user once"):
            read_scores(path)
    table.with_columns(ndcg_3=pl.lit("much")).write_parquet(path)
    with pytest.raises(DataError, match=r"a number for each user\. Found others in ndcg_3"):
        read_scores(path)
    path.write_text("user,ndcg_3\n")
    with pytest.raises(DataError, match="scores of users in Parquet"):
        read_scores(path)


def test_scores_on_the_command_line(tmp_path: Path) -> None:
    with working_in(tmp_path):
        write_files(tmp_path)
        log, ask = ("log.csv", "--events", "user,item,time", "--out"), ("--task", "recommendation", "--scores")
        for name in ("popularity", "bprmf"):
            done("embed", *log, name, "--model", name, *(QUICK if name == "bprmf" else ("--quiet",)))
            assert "Scores of the users saved" in done("evaluate", name, *ask, f"{name}.parquet").out
        found = done("compare", "popularity.parquet", "bprmf.parquet", "--metric", "ndcg_20", "--json").json
        assert found["metric"] == "ndcg_20"
        mean = done("evaluate", "bprmf", *ask[:2], "--json").json["metrics"]["ndcg_20"]["mean"]
        row = next(row for row in found["models"] if row["model"] == "bprmf.parquet")
        assert row["mean"] == pytest.approx(mean)
        assert "recall_20" in done("compare", "popularity.parquet", "bprmf.parquet").out
        done("embed", "facts.tsv", "--triples", "--out", "kg", *QUICK)
        done("evaluate", "kg", "--task", "triple-completion", "--ranks", "kg.parquet")
        assert "must have the columns head" in run("compare", "bprmf.parquet", "kg.parquet").error
        assert "--task recommendation" in run("evaluate", "kg", "--task", "triple-completion", "--scores", "no").error
        assert "must exist" in run("compare", "bprmf.parquet", "gone.parquet").error
