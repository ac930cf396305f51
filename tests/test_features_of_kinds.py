"""Features of users and items: numbers and categories, of one kind of node or of both."""

import numpy as np
import pytest
import scipy.sparse as sp

import graphtune as gt
from cli_help import done, run


@pytest.fixture
def place(tmp_path):
    (tmp_path / "log.csv").write_text("user,item\n" + "".join(f"{u},{i}\n" for u in range(4) for i in range(u + 1)))
    (tmp_path / "users.csv").write_text("id,age,town,plan\n0,31,Kyiv,1\n1,47,Bonn,2\n3,,Kyiv,1\n")
    (tmp_path / "films.csv").write_text("id,year,genre\n0,1999,Drama|War\n1,2001,\n2,2010,War\n9,1980,Noir\n")
    return tmp_path


def dense(features):
    return features.toarray() if sp.issparse(features) else features


def test_numbers_and_words(place):
    graph, _ = gt.read_events(place / "log.csv")
    found, report = gt.read_features(place / "users.csv", graph, node_kind="user")
    want = np.array([[31, 0, 1, 1], [47, 1, 0, 2], [0, 0, 0, 0], [0, 0, 1, 1]])  # age, Bonn, Kyiv, plan
    np.testing.assert_array_equal(dense(found.features), np.concatenate([want, np.zeros((4, 4))]))
    assert sp.issparse(found.features)
    told = {f.what: f.count for f in report.findings}
    assert told["nodes without features"] == 1, "items are not asked for"
    assert told["rows with features that are no finite number"] == 1


def test_numbers_that_are_categories(place):
    graph, _ = gt.read_events(place / "log.csv")
    found, _ = gt.read_features(place / "users.csv", graph, columns=["plan"], categories=["plan"], node_kind="user")
    np.testing.assert_array_equal(dense(found.features)[:4], [[1, 0], [0, 1], [0, 0], [1, 0]])
    named, _ = gt.read_features(place / "users.csv", graph, columns=["age"], categories=["plan"], node_kind="user")
    np.testing.assert_array_equal(dense(named.features)[:2], [[31, 1, 0], [47, 0, 1]])


def test_several_categories_in_a_cell(place):
    graph, _ = gt.read_events(place / "log.csv")
    found, report = gt.read_features(place / "films.csv", graph, columns=["genre"], node_kind="item")
    np.testing.assert_array_equal(dense(found.features)[4:], [[1, 1], [0, 0], [0, 1], [0, 0]])  # Drama, War, no Noir
    told = {f.what: (f.count, f.action, f.examples) for f in report.findings}
    assert told["rows without a category in genre"] == (1, "set to zeros", ("1",))
    assert told["ids that are not in the graph"][0] == 1


def test_both_kinds_stand_in_blocks(place):
    graph, _ = gt.read_events(place / "log.csv")
    users, _ = gt.read_features(place / "users.csv", graph, columns=["age"], node_kind="user")
    both, _ = gt.read_features(place / "films.csv", users, node_kind="item")
    assert dense(both.features).shape == (8, 1 + 1 + 2)
    assert not dense(both.features)[:4, 1:].any() and not dense(both.features)[4:, 0].any()
    want = [[31, 0, 0, 0], [0, 1999, 1, 1], [0, 2010, 0, 1]]
    np.testing.assert_array_equal(dense(both.features)[[0, 4, 6]], want)
    other, _ = gt.read_features(place / "films.csv", graph, columns=["year"], node_kind="item")
    numbers, _ = gt.read_features(place / "users.csv", other, columns=["age"], node_kind="user")
    assert isinstance(numbers.features, np.ndarray) and numbers.features.shape == (8, 2)


def test_without_a_kind_features_are_replaced(tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b\nb,c\n")
    (tmp_path / "f.csv").write_text("id,x\na,1\nb,2\nc,3\n")
    graph, _ = gt.read_edges(tmp_path / "edges.csv")
    for _ in range(2):
        graph, _ = gt.read_features(tmp_path / "f.csv", graph)
    np.testing.assert_array_equal(graph.features, [[1], [2], [3]])


def test_a_column_with_one_number_is_of_numbers(tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b\nb,c\n")
    (tmp_path / "f.csv").write_text("id,x\na,1.5\nb,unknown\nc,n/a\n")
    graph, _ = gt.read_edges(tmp_path / "edges.csv")
    found, report = gt.read_features(tmp_path / "f.csv", graph, header=True)
    np.testing.assert_array_equal(found.features, [[1.5], [0], [0]])
    assert any(f.count == 2 and f.action == "set to 0" for f in report.findings)


def test_a_header_that_is_not_seen_is_no_category(tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b\nb,c\n")
    (tmp_path / "f.csv").write_text("node,colour\na,red\nb,blue\nc,red\n")
    graph, _ = gt.read_edges(tmp_path / "edges.csv")
    found, _ = gt.read_features(tmp_path / "f.csv", graph)
    np.testing.assert_array_equal(found.features.toarray(), [[0, 1], [1, 0], [0, 1]])


def test_on_the_command_line(place):
    data = (place / "log.csv", "--events", "user,item", "--user-features", place / "users.csv", "--item-features",
            place / "films.csv")  # fmt: skip
    assert "features" in done("inspect", *data, "--json").json["has"]
    model = ("--model", "graphsage", "--dim", "4", "--set", "epochs=1", "--set", "hidden=4", "--quiet")
    done("embed", *data, "--categories", "user.plan", "--split", "none", "--out", place / "model", *model)
    features = gt.load(place / "model").graph.features
    assert features.shape == (8, (1 + 2 + 2) + (1 + 2))  # age, two towns, two plans; year, two genres
    failed = run("inspect", *data, "--categories", "plan")
    assert failed.code == 2 and "`--categories` of graphtune must be user.COLUMN or item.COLUMN" in failed.error
