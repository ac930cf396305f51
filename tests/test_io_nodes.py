"""Reading features, labels, targets and texts of nodes, matched by id."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from graphtune.check import ArgumentError, DataError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io import read_features, read_labels, read_texts

NAMES = Graph(np.array([[0, 1], [1, 2]]), NodeIds.of(["ann", "bob", "cem"]))
NUMBERS = Graph(np.array([[0, 1], [1, 2]]), NodeIds.range(3))
EVENTS = Graph(np.array([[0, 1], [2, 2]]), NodeIds.of([1, 2], [1], kinds=("user", "item")), directed=True)


@pytest.fixture
def write(tmp_path):
    """write(text, name) -> the path of a file with this text."""

    def of(text, name="nodes.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return of


def changes(report) -> dict[str, int]:
    return {finding.what: finding.count for finding in report.findings if finding.changed_data}


def test_features_of_a_table_stand_at_their_nodes(write):
    graph, report = read_features(write("id,f,g\ncem,1,2\nann,3,4.5\n"), NAMES)
    assert graph.features.tolist() == [[3, 4.5], [0, 0], [1, 2]]
    assert graph.features.dtype == np.float32
    assert changes(report) == {"nodes without features": 1}
    assert report.summary == {"nodes": 3, "features": 2}
    assert NAMES.features is None


def test_columns_of_features_are_chosen(write):
    path = write("f,who,g,note\n1,ann,2,x\n3,bob,4,y\n5,cem,6,z\n")
    assert read_features(path, NAMES, id="who", columns=["g"], strict=True)[0].features.tolist() == [
        [2],
        [4],
        [6],
    ]
    with pytest.raises(ArgumentError, match=r"`columns` of read_features must be a column .* f, who, g, note"):
        read_features(path, NAMES, id="who", columns=["h"])


def test_what_is_odd_about_features_is_counted(write):
    text = "id,f\nann,1\nann,2\nbob,nan\ncem,much\ndee,4\n,5\n"
    graph, report = read_features(write(text), NAMES, header=True)
    assert graph.features.tolist() == [[1], [0], [0]]
    assert changes(report) == {
        "rows with a missing id": 1,
        "ids that are not in the graph": 1,
        "rows with features that are no finite number": 2,
        "further rows about a node": 1,
    }
    with pytest.raises(DataError, match="strict"):
        read_features(write(text), NAMES, header=True, strict=True)


def test_features_of_a_matrix_are_matched_by_row_number(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1.0], [2], [3], [4]]))
    graph, report = read_features(tmp_path / "x.npy", NUMBERS)
    assert graph.features.tolist() == [[1], [2], [3]]
    assert changes(report) == {"ids that are not in the graph": 1}
    with pytest.raises(DataError, match=r"about nodes of the graph, such as \['ann', 'bob', 'cem'\]. Got ids such as"):
        read_features(tmp_path / "x.npy", NAMES)


def test_sparse_features_stay_sparse(tmp_path):
    matrix = sp.csr_array(np.array([[0, 1.0], [np.inf, 0], [2, 0]]))
    sp.save_npz(tmp_path / "x.npz", matrix)
    graph, report = read_features(tmp_path / "x.npz", NUMBERS)
    assert sp.issparse(graph.features)
    assert graph.features.toarray().tolist() == [[0, 1], [0, 0], [2, 0]]
    assert changes(report) == {"rows with features that are no finite number": 1}
    np.savez(tmp_path / "y.npz", x=matrix.toarray())
    assert read_features(tmp_path / "y.npz", NUMBERS)[0].features.tolist() == [[0, 1], [0, 0], [2, 0]]


def test_json_lists_of_features(tmp_path, write):
    path = write(json.dumps({"0": [2, 0], "2": [], "1": [1, 1]}), "x.json")
    graph, _ = read_features(path, NUMBERS, strict=True)
    assert graph.features.toarray().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[1]", "x.json"),
        ('{"0": "a"}', "x.json"),
        ('{"0": [-1]}', "x.json"),
        ("{", "x.json"),
        ("x", "x.npy"),
        ("x", "x.npz"),
        ("id\n1\n", "x.csv"),
    ],
)
def test_files_that_hold_no_features(write, text, name):
    with pytest.raises(DataError) as error:
        read_features(write(text, name), NUMBERS)
    assert f"{name} must" in str(error.value)
    assert "\n" not in str(error.value)


def test_classes_are_numbered_in_the_order_of_their_names(write):
    graph, report = read_labels(write("id,label\ncem,x\nann,y\n"), NAMES)
    assert (graph.labels.tolist(), graph.label_names) == ([1, -1, 0], ("x", "y"))
    assert report.summary == {"nodes": 3, "labelled": 2, "classes": 2}
    assert str(report.findings[-1]) == "1 nodes without a label: kept (first: bob)"
    numbers, _ = read_labels(write("0,10\n1,9\n2,10\n"), NUMBERS, strict=True)
    assert (numbers.labels.tolist(), numbers.label_names) == ([1, 0, 1], ("9", "10"))


def test_what_is_odd_about_classes_is_counted(write):
    text = "ann,x\nann,y\nbob,\ncem,z\ndee,w\n"
    graph, report = read_labels(write(text), NAMES)
    assert (graph.labels.tolist(), graph.label_names) == ([0, -1, 1], ("x", "z"))
    assert changes(report) == {
        "ids that are not in the graph": 1,
        'further rows about a node (for several labels a node pass kind="multi")': 1,
        "rows without a label": 1,
    }


@pytest.mark.parametrize(
    ("text", "separator"),
    [("ann,x\nann,y\ncem,x\ndee,q\n", None), ("ann,x|y|\ncem,x\n", "|"), ("ann,x|y\ncem,x", "|")],
)
def test_several_labels_a_node(write, text, separator):
    graph, report = read_labels(write(text), NAMES, kind="multi", separator=separator)
    assert graph.labels.tolist() == [[True, True], [False, False], [True, False]]
    assert graph.label_names == ("x", "y")
    assert report.summary == {"nodes": 3, "labelled": 2, "classes": 2}


def test_targets_are_numbers(write):
    graph, report = read_labels(write("id,pay\ncem,2.5\nann,inf\nbob,none\n"), NAMES, kind="target", header=True)
    assert np.array_equal(graph.targets, [np.nan, np.nan, 2.5], equal_nan=True)
    assert changes(report) == {"rows whose target is no finite number": 2}
    assert report.summary == {"nodes": 3, "labelled": 1}


def test_texts(write, tmp_path):
    path = write('bob\t"Bob", who, and more\nann\t\ndee\tD\n', "texts.tsv")
    graph, report = read_texts(path, NAMES)
    assert graph.texts == ("", '"Bob", who, and more', "")
    assert changes(report) == {"ids that are not in the graph": 1}
    assert report.summary == {"nodes": 3, "texts": 2}
    quoted, _ = read_texts(write('id,text\nann,"two\nlines, here"\nbob,#one\ncem,3\n'), NAMES, strict=True)
    assert quoted.texts == ("two\nlines, here", "#one", "3")
    pq.write_table(pa.table({"text": ["b", None], "id": ["bob", "cem"]}), tmp_path / "t.parquet")
    assert read_texts(tmp_path / "t.parquet", NAMES)[0].texts == ("", "b", "")


def test_rows_about_one_kind_of_node(write):
    path = write("1,x\n")
    assert read_labels(path, EVENTS, node_kind="item")[0].labels.tolist() == [-1, -1, 0]
    assert read_labels(path, EVENTS, node_kind="user")[0].labels.tolist() == [0, -1, -1]
    with pytest.raises(ArgumentError, match="ids of one kind of node"):
        read_labels(path, EVENTS)
    with pytest.raises(ArgumentError, match="kind"):
        read_labels(path, EVENTS, node_kind="shop")


def test_ids_match_whether_they_are_numbers_or_text(write):
    text_ids = Graph(np.array([[0], [1]]), NodeIds.of(["1", "x"]))
    assert read_labels(write("1,a\n"), text_ids)[0].labels.tolist() == [0, -1]
    assert read_labels(write(" 1.0,a\n2,b\n"), NUMBERS)[0].labels.tolist() == [-1, 0, 1]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"kind": "classes"}, ArgumentError, "`kind` of read_labels must be one of"),
        ({"separator": "|"}, ArgumentError, 'left out unless kind="multi"'),
        ({"label": "pay"}, ArgumentError, "`label` of read_labels must be a column"),
        ({"id": 1, "label": 0}, DataError, r"Got ids such as \['x', 'y'\]. Check which column holds the ids"),
    ],
)
def test_labels_that_cannot_be_read(write, options, error, text):
    with pytest.raises(error, match=text):
        read_labels(write("id,label\nann,x\nbob,y\n"), NAMES, **options)
