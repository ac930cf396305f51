"""Reading edges, triples and events: from hand-made files of every kind, and from broken ones."""

import bz2
import gzip
import json
import warnings

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.check import ArgumentError, DataError
from graphtune.cleaning import LOOK_ONLY, Cleaning
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.io import (
    encode,
    from_frame,
    read_adjacency_lists,
    read_edges,
    read_event_files,
    read_events,
    read_triple_files,
    read_triples,
)


@pytest.fixture
def write(tmp_path):
    """write(text, name) -> the path of a file with this text or these bytes."""

    def of(content, name="edges.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return of


def pairs(graph: Graph) -> list[tuple]:
    """The edges in the user's ids."""
    return list(zip(graph.ids.values(graph.edges[0]), graph.ids.values(graph.edges[1])))


def finding(report: Report, what: str):
    return next(finding for finding in report.findings if what in finding.what)


def changes(report: Report) -> dict[str, int]:
    return {finding.what: finding.count for finding in report.findings if finding.changed_data}


@pytest.mark.parametrize(
    "text",
    [
        "a,b\nb,c\n",
        "a\tb\nb\tc\n",
        "a;b\nb;c\n",
        "a|b\nb|c\n",
        "a b\nb c\n",
        "a   b\n  b \t c  \n",
        "\ufeffa,b\nb,c",
        "a,b\r\nb,c\r\n",
        "a b \r\nb  c\r\n",
        "\n\na,b\n\nb,c\n\n",
        "# from to\n% more\na b\nb c\n",
        "a, b\nb , c\n",
        '"a","b"\n"b","c"\n',
        '"a"\t"b"\n"b"\t"c"\n',
        '"a" "b"\n"b" "c"\n',
        "source,target\na,b\nb,c\n",
        "target,source\nb,a\nc,b\n",
        "from\tto\na\tb\nb\tc\n",
    ],
)
def test_text_in_every_layout_gives_the_same_graph(write, text):
    graph, report = read_edges(write(text), strict=True)
    assert pairs(graph) == [("a", "b"), ("b", "c")]
    assert report.summary == {"nodes": 3, "edges": 2, "components": 1}


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".zst", lambda b: pa.compress(b, "zstd", asbytes=True)),
    ],
)
def test_compressed_text(write, suffix, pack):
    graph, _ = read_edges(write(pack(b"a\tb\nb\tc\n"), f"edges.tsv{suffix}"))
    assert pairs(graph) == [("a", "b"), ("b", "c")]


@pytest.mark.parametrize(
    ("text", "header", "first"),
    [
        ("id_1,id_2\n0,1\n", 1, "id_1, id_2"),
        ("0,1\n1,2\n", 0, "this is data: 0,1"),
        ("ann,bob\nbob,cem\n", 0, "this is data: ann,bob"),
        ("user,item\nann,bob\n", 1, "user, item"),
        ("# a comment\nu,v,w\nann,bob,1\n", 1, "u, v, w"),
    ],
)
def test_the_decision_about_the_header_is_in_the_report(write, text, header, first):
    _, report = read_edges(write(text))
    found = finding(report, "header lines")
    assert (found.count, found.action, found.examples) == (header, "noted", (first,))


def test_the_header_can_be_settled_by_the_caller(write):
    path = write("a,b\nb,c\n")
    assert pairs(read_edges(path, header=True)[0]) == [("b", "c")]
    assert pairs(read_edges(path, header=False)[0]) == [("a", "b"), ("b", "c")]
    assert pairs(read_edges(path, source="a", target="b")[0]) == [("b", "c")]


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        (["1", "2", "10", "2"], [1, 2, 10]),
        (["10", "-2", "0", "7"], [-2, 0, 7, 10]),
        (["007", "1", "2", "3"], ["007", "1", "2", "3"]),
        (["1", "x", "2", "3"], ["1", "x", "2", "3"]),
        (["12.0", "3", "4.00", "12"], [3, 4, 12]),
        (["1.5", "3", "4", "12"], ["1.5", "3", "4", "12"]),
        (["9223372036854775808", "1", "2", "3"], ["9223372036854775808", "1", "2", "3"]),
        (["NA", "null", "nan", "None"], ["NA", "null", "nan", "None"]),
        (["é", "日本", "a b", "É"], ["é", "日本", "a b", "É"]),
    ],
)
def test_ids_are_integers_where_all_spell_one_and_else_strings(write, cells, ids):
    text = f"{cells[0]},{cells[1]}\n{cells[2]},{cells[3]}\n"
    graph, _ = read_edges(write(text), header=False)
    found = graph.ids.values(range(graph.num_nodes))
    assert sorted(found) == sorted(ids)
    assert found == (ids if isinstance(ids[0], int) else found)
    expected = dict(zip(cells, [c if isinstance(ids[0], str) else int(float(c)) for c in cells]))
    assert pairs(graph) == [
        (expected[cells[0]], expected[cells[1]]),
        (expected[cells[2]], expected[cells[3]]),
    ]


def test_ids_spelled_in_two_ways_are_noted(write):
    _, report = read_edges(write("1.0,2\n2.0,3\n3,4\n"))
    assert finding(report, "decimal").examples == ("1.0", "2.0")
    graph, report = read_edges(write("a, b\na ,b\n"))
    assert pairs(graph) == [("a", "b")]
    assert finding(report, "space around").examples == ("'a '", "' b'")


def test_integers_are_ordered_and_strings_stand_in_order_of_appearance(write):
    assert read_edges(write("5 3\n4 5\n"))[0].ids.values(range(3)) == [3, 4, 5]
    assert read_edges(write("e c\nd e\n"))[0].ids.values(range(3)) == ["e", "d", "c"]


@given(st.lists(st.tuples(st.text("ab1 .é", max_size=3), st.text("ab1 .é", max_size=3)), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_every_row_comes_back_in_the_users_ids(tmp_path_factory, rows):
    table = pa.table({"source": [u for u, _ in rows], "target": [v for _, v in rows]})
    whole = [(u.strip(), v.strip()) for u, v in rows if u.strip() and v.strip()]
    if not whole:
        with pytest.raises(DataError, match="at least one edge"):
            from_frame(table, directed=True, cleaning=LOOK_ONLY)
        return
    graph, report = from_frame(table, directed=True, cleaning=LOOK_ONLY)
    expected = [(u, v) for u, v in whole]
    if isinstance(graph.ids.values([0])[0], int):
        expected = [(int(float(u)), int(float(v))) for u, v in whole]
    assert pairs(graph) == expected
    assert graph.num_nodes == len({name for row in expected for name in row})
    assert changes(report).get("rows with a missing id", 0) == len(rows) - len(whole)


def test_columns_are_chosen_by_name_or_position(write):
    path = write("when,a,b,how much\n5,x,y,0.5\n3,y,z,2\n")
    graph, report = read_edges(path, source="a", target=2, weight="how much", time="0")
    assert pairs(graph) == [("x", "y"), ("y", "z")]
    assert (graph.weight.tolist(), graph.time.tolist(), graph.time.dtype) == ([0.5, 2], [5, 3], np.int64)
    assert finding(report, "columns read").examples == (
        "source = a",
        "target = b",
        "weight = how much",
        "time = when",
    )
    _, report = read_edges(path, source=1, target=2)
    assert finding(report, "columns not read").examples == ("when", "how much")


def test_malformed_lines_are_dropped_counted_and_shown_with_their_numbers(write):
    path = write("# head\nu,v,w\n1,2,3\n1,2\n4,5,6,7\n,2,1\n3, ,1\n8,9,much\n# note\n9,1,2\n")
    graph, report = read_edges(path, weight="w")
    assert pairs(graph) == [(1, 2), (9, 1)]
    assert [str(f) for f in report.findings if f.changed_data or "comment" in f.what] == [
        "2 comment lines: noted",
        "2 lines without 3 columns: dropped (first: line 4: 1,2; line 5: 4,5,6,7)",
        "2 rows with a missing id: dropped (first: row 2: source = '', target = '2', weight = '1'; "
        "row 3: source = '3', target = ' ', weight = '1')",
        "1 rows whose weight is no number: dropped (first: row 4: source = '8', target = '9', weight = 'much')",
    ]
    with pytest.raises(DataError, match=r"`strict` reading of edges\.csv must find clean data\. Got 2 lines"):
        read_edges(path, weight="w", strict=True)


def test_what_is_no_number_is_told_with_the_likely_reason(write):
    _, report = read_edges(write("u;v;w\n1;2;3\n2;3;3,5\n"), weight="w")
    assert finding(report, "(decimals stand behind a point").count == 1
    _, report = read_edges(write("u,v,t\n1,2,2024-01-02\n2,3,2024-01-03\n3,4,soon\n4,5,2024-01-04\n"), time="t")
    assert finding(report, "time is no date as others in its column are").count == 1


def test_ids_that_read_like_missing_values_are_kept_and_noted(write):
    graph, report = read_edges(write("a,NA\nNA,nan\nb,a\nb,Nana\n"), header=False)
    assert set(graph.ids.values(range(5))) == {"a", "NA", "nan", "b", "Nana"}
    assert finding(report, "write for a missing value").examples == ("NA", "nan")


def test_lines_are_called_rows_where_blank_lines_shift_the_count(write):
    _, report = read_edges(write("1,2\n\n3,4\n5\n"))
    assert finding(report, "lines without").examples == ("row 3: 5",)


def test_nodes_of_dropped_rows_alone_are_not_in_the_graph(write):
    graph, _ = read_edges(write("a,b,1\nghost,c,x\nc,a,2\n"), weight=2)
    assert sorted(graph.ids.values(range(graph.num_nodes))) == ["a", "b", "c"]
    assert pairs(graph) == [("a", "b"), ("c", "a")]


def test_comment_characters_can_begin_ids(write):
    path = write("a b\n#go #ml\n#ml b\n")
    graph, report = read_edges(path)
    assert pairs(graph) == [("a", "b")]
    assert changes(report) == {"comment lines among the data": 2}
    assert read_edges(path, comment="", strict=True)[0].num_edges == 3


def test_weights_that_cannot_be_used_are_cleaned_away(write):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph, report = read_edges(write("a b 1\nb c nan\nc d inf\nd e -2\ne f 0\nf g 1e300\n"), weight=2)
    assert pairs(graph) == [("a", "b")]
    assert changes(report) == {
        "edges with a weight that is not finite": 3,
        "edges with a weight below zero": 1,
        "edges of weight zero": 1,
    }


@pytest.mark.parametrize(
    ("cells", "times"),
    [
        (["5", "-3"], [5, -3]),
        (["1600000000000000001", "1600000000000000002"], [1600000000000000001, 1600000000000000002]),
        (["0.5", "2"], [0.5, 2.0]),
        (["1970-01-02", "1970-01-01"], [86400, 0]),
        (["1970-01-01T00:00:10Z", "1970-01-01T01:00:00Z"], [10, 3600]),
        (["1970-01-01 00:00:00.5", "1970-01-01 00:00:01.5"], [0.5, 1.5]),
    ],
)
def test_times_are_numbers_or_dates(write, cells, times):
    graph, _ = read_events(write(f"u,a,{cells[0]}\nu,b,{cells[1]}\n"), time=2)
    assert graph.time.tolist() == times
    assert graph.time.dtype == (np.int64 if isinstance(times[0], int) else np.float64)


def test_triples(write):
    path = write("ann\tknows\tbob\nbob\tknows\tann\nann\tlikes\tann\nann\tknows\tbob\n", "kg.tsv")
    graph, report = read_triples(path)
    assert graph.directed
    assert pairs(graph) == [("ann", "bob"), ("bob", "ann"), ("ann", "ann")]
    assert graph.relation_ids.values(graph.relation) == ["knows", "knows", "likes"]
    assert report.summary == {"nodes": 2, "edges": 3, "relations": 2, "components": 1}
    turned, _ = read_triples(path, head=2, tail=0, relation=1)
    assert pairs(turned)[0] == ("bob", "ann")


def test_a_relation_of_dropped_rows_alone_is_not_in_the_graph(write):
    graph, _ = read_triples(write("a,r,b\na,s,\nb,t,c\n"))
    assert graph.relation_ids.values(range(graph.num_relations)) == ["r", "t"]
    assert graph.relation.tolist() == [0, 1]


def test_triple_files_share_one_id_space_and_keep_their_order(write):
    files = {
        "train": write("a\tr\tb\nb\tr\tc\nbad\n", "train.txt"),
        "test": write("c\ts\ta\na\tr\tb\nx\tr\t\n", "test.txt"),
    }
    graph, part, report = read_triple_files(files)
    assert pairs(graph) == [("a", "b"), ("b", "c"), ("c", "a"), ("a", "b")]
    assert (part.tolist(), part.dtype) == ([0, 0, 2, 2], np.uint8)
    backwards, part, _ = read_triple_files(dict(reversed(files.items())))
    assert (pairs(backwards)[:2], part.tolist()) == ([("c", "a"), ("a", "b")], [2, 2, 0, 0])
    assert report.summary == {"nodes": 3, "edges": 4, "relations": 2, "components": 1, "train": 2, "test": 2}
    assert report.source == "train.txt, test.txt"
    assert finding(report, "repeated edges").action == "kept"
    assert finding(report, "missing id").examples == ("test.txt row 3: head = 'x', relation = 'r', tail = ''",)
    assert finding(report, "lines without").examples == ("line 3: bad",)
    with pytest.raises(DataError, match="strict"):
        read_triple_files(files, strict=True)


def test_events_have_users_and_items(write):
    path = write("item,user,stars,when\n1,7,5,30\n2,7,3,20\n1,8,1,10\n1,7,2,5\n")
    graph, report = read_events(path, weight="stars", time="when")
    assert graph.is_bipartite_events
    assert graph.directed
    assert graph.ids.kinds == ("user", "item")
    assert pairs(graph) == [(7, 2), (8, 1), (7, 1)]
    assert (graph.weight.tolist(), graph.time.tolist()) == (
        [3, 1, 2],
        [20, 10, 5],
    )  # the earliest of two stays
    assert report.summary == {"nodes": 4, "users": 2, "items": 2, "edges": 3, "components": 1}
    with pytest.raises(DataError, match=r"at least one edge. Got .* 4 nodes outside the 2-core: dropped"):
        read_events(path, cleaning=Cleaning(k_core=2))


def test_event_files(write):
    files = {"train": write("1 10\n2 20.0\n", "train.txt"), "test": write("2 10\n", "test.txt")}
    graph, part, report = read_event_files(files)
    assert pairs(graph) == [(1, 10), (2, 20), (2, 10)]
    assert part.tolist() == [0, 0, 2]
    assert report.summary["train"] == 2


def test_adjacency_lists_of_users_and_items(write):
    files = {"train": write("0 5 6\n1 5\n2\n\n", "train.txt"), "test": write(b"1\t6  7 \r\n", "test.txt")}
    graph, part, report = read_adjacency_lists(files)
    assert pairs(graph) == [(0, 5), (0, 6), (1, 5), (1, 6), (1, 7)]
    assert part.tolist() == [0, 0, 0, 2, 2]
    assert graph.ids.kinds == ("user", "item")
    assert report.summary == {
        "nodes": 6,
        "users": 3,
        "items": 3,
        "edges": 5,
        "components": 2,
        "train": 3,
        "test": 2,
    }
    assert str(finding(report, "no item")) == "1 lines with a user and no item: kept (first: 2)"
    single, part, _ = read_adjacency_lists(files["test"])
    assert (pairs(single), part.tolist()) == ([(1, 6), (1, 7)], [0, 0])


def test_parquet(tmp_path):
    path = tmp_path / "edges.parquet"
    pq.write_table(pa.table({"source": [3, 1, None], "target": [1, 2, 3], "w": [1.5, 2.5, 1.0]}), path)
    graph, report = read_edges(path, weight="w")
    assert (pairs(graph), graph.weight.tolist()) == ([(3, 1), (1, 2)], [1.5, 2.5])
    assert finding(report, "missing id").examples == ("row 3: source = None, target = 3, weight = 1.0",)


def test_frames_of_every_kind_give_the_same_graph():
    columns = {"source": ["a", "b", "a"], "target": ["b", "c", "a"], "w": [1.0, 2.0, 3.0]}
    frames = [
        pd.DataFrame(columns),
        pd.DataFrame(columns).astype({"source": "category", "target": object}),
        pl.DataFrame(columns),
        pl.DataFrame(columns).with_columns(pl.col("source").cast(pl.Categorical)),
        pa.table(columns),
    ]
    for frame in frames:
        graph, report = from_frame(frame, weight="w")
        assert (pairs(graph), graph.weight.tolist()) == ([("a", "b"), ("b", "c")], [1.0, 2.0])
        assert changes(report) == {"self-loops": 1}


def test_frames_of_triples_and_events():
    triples = pd.DataFrame({"s": ["a", "b"], "p": ["r", "r"], "o": ["b", "c"]})
    graph, _ = from_frame(triples, kind="triples")
    assert (graph.num_relations, pairs(graph), graph.directed) == (1, [("a", "b"), ("b", "c")], True)
    named, _ = from_frame(triples, kind="triples", source="o", target="s", relation="p")
    assert pairs(named) == [("b", "a"), ("c", "b")]
    events = pd.DataFrame({"u": [1, 1], "i": [1, 2], "t": pd.to_datetime(["1970-01-01", "1970-01-02"])})
    graph, _ = from_frame(events, kind="events", time="t")
    assert (graph.ids.kinds, pairs(graph), graph.time.tolist()) == (
        ("user", "item"),
        [(1, 1), (1, 2)],
        [0, 86400],
    )


def test_integers_that_pandas_made_floats_and_columns_of_two_types():
    graph, report = from_frame(pd.DataFrame({"a": [1.0, None, 3.0], "b": [2, 3, 4]}))
    assert pairs(graph) == [(1, 2), (3, 4)]
    assert changes(report) == {"rows with a missing id": 1}
    mixed, _ = from_frame(pd.DataFrame({"a": [1, 2], "b": ["x", "2"]}), cleaning=LOOK_ONLY)
    assert pairs(mixed) == [("1", "x"), ("2", "2")]
    names = pd.DataFrame([[1, 2]])
    assert pairs(from_frame(names, source=0, target="1")[0]) == [(1, 2)]


@pytest.mark.parametrize("suffix", [".gml", ".graphml"])
def test_networkx_files(tmp_path, suffix):
    network = nx.Graph()
    network.add_edge("ann", "bob", weight=2.0, since=1999, how="kin")
    network.add_edge("bob", "cem", weight=0.5, since=2001, how="work")
    network.add_node("dee")
    nx.set_node_attributes(network, {"ann": "x", "bob": "y", "cem": "x"}, "team")
    path = tmp_path / f"net{suffix}"
    (nx.write_gml if suffix == ".gml" else nx.write_graphml)(network, path)
    graph, report = read_edges(path, weight="weight", time="since", relation="how", label="team")
    assert pairs(graph) == [("ann", "bob"), ("bob", "cem")]
    assert (graph.weight.tolist(), graph.time.tolist()) == ([2.0, 0.5], [1999, 2001])
    assert graph.relation_ids.values(graph.relation) == ["kin", "work"]
    assert (graph.labels.tolist(), graph.label_names) == ([0, 1, 0, -1], ("x", "y"))
    assert not graph.directed
    assert finding(report, "isolated").examples == ("dee",)
    plain, report = read_edges(path, directed=True)
    assert (plain.num_edges, plain.weight) == (4, None)
    assert finding(report, "edge attributes not read").examples == ("how", "since", "weight")
    assert finding(report, "node attributes not read").examples == ("team",)


def test_networkx_files_say_themselves_whether_edges_have_a_direction(tmp_path):
    path = tmp_path / "net.graphml"
    nx.write_graphml(nx.DiGraph([(1, 2), (2, 1)]), path)
    graph, _ = read_edges(path)
    assert (graph.directed, pairs(graph)) == (True, [(1, 2), (2, 1)])
    undirected, _ = read_edges(path, directed=False)
    assert (undirected.directed, undirected.num_edges) == (False, 1)


def test_gml_without_labels_is_read_by_its_numbers(write):
    text = "graph [\n node [ id 4 ]\n node [ id 5 ]\n edge [ source 4 target 5 ]\n]\n"
    assert pairs(read_edges(write(text, "net.gml"))[0]) == [(4, 5)]


def test_mat_files(tmp_path):
    network = sp.csc_array(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    group = sp.csc_array(np.array([[1, 0], [1, 1], [0, 0]]))
    scipy.io.savemat(tmp_path / "g.mat", {"network": network, "group": group})
    graph, _ = read_edges(tmp_path / "g.mat", strict=True)
    assert pairs(graph) == [(0, 1), (1, 2)]
    assert graph.weight is None
    assert graph.labels.tolist() == [[True, False], [True, True], [False, False]]
    assert graph.label_names == ("0", "1")
    assert read_edges(tmp_path / "g.mat", directed=True)[0].num_edges == 4


def test_npz_of_a_scipy_matrix(tmp_path):
    sp.save_npz(tmp_path / "a.npz", sp.coo_array(np.array([[0, 2.0], [3.0, 0]])))
    graph, report = read_edges(tmp_path / "a.npz", directed=True)
    assert (pairs(graph), graph.weight.tolist()) == ([(0, 1), (1, 0)], [2, 3])
    _, report = read_edges(tmp_path / "a.npz")
    assert changes(report) == {"edges given in both directions": 1}  # of two weights: it is not symmetric


def test_npz_of_gnn_benchmark(tmp_path):
    adjacency = sp.csr_array(np.array([[0, 1.0], [1.0, 0]]))
    features = sp.csr_array(np.array([[0, 0.5, 0], [1.0, 0, 0]]))
    parts = {f"{name}_{part}": getattr(m, part) for name, m in [("adj", adjacency), ("attr", features)]
             for part in ("data", "indices", "indptr", "shape")}  # fmt: skip
    pickled = np.array([{"a": 1}], dtype=object)
    names = {
        "labels": np.array([1, 0]),
        "class_names": np.array(["x", "y"]),
        "node_names": np.array(["ann", "bob"]),
    }
    np.savez(tmp_path / "g.npz", **parts, **names, idx_to_attr=pickled)
    graph, report = read_edges(tmp_path / "g.npz")
    assert pairs(graph) == [("ann", "bob")]
    assert graph.features.toarray().tolist() == features.toarray().tolist()
    assert (graph.labels.tolist(), graph.label_names) == ([1, 0], ("x", "y"))
    assert finding(report, "pickled").examples == ("idx_to_attr",)


def test_pickled_matrices_are_refused_with_the_fix(tmp_path):
    np.savez(tmp_path / "g.npz", adj_matrix=np.array(sp.csr_array(np.eye(2)), dtype=object))
    with pytest.raises(DataError, match=r"pickled.*Load it with a program that you trust, and save .*save_npz"):
        read_edges(tmp_path / "g.npz")


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        ("", "e.csv", "must hold data. Got an empty file"),
        ("\n \n", "e.csv", "Got comments and blank lines alone"),
        ("# a\n# b\n", "e.csv", 'pass comment=""'),
        ("a\nb\n", "e.csv", "must hold two columns or more. Got 'a'"),
        ("source,target\n", "e.csv", "must hold at least one edge. Got no rows"),
        ("1,\n,2\n", "e.csv", "must hold at least one edge. Got 2 rows with a missing id"),
        (
            "a a\nb b\n",
            "e.csv",
            "must hold at least one edge. Got 2 self-loops: dropped (first: a - a; b - b)",
        ),
        ('a,"b\nc,d\n', "e.csv", "must hold at least one edge. Got 1 rows with a missing id"),
        ("a,b\n" * 9 + "x" * 9_000_000 + ",y\n", "e.csv", "a line may be longer than 4 MB"),
        ("id,id\n1,2\n", "e.csv", "Column names of e.csv must be distinct. Got 'id' twice"),
        (b"\x00\x01\x02binary\x00", "e.csv", "must be text in UTF-8. Got binary data"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00", "e.csv", "must be text in UTF-8"),
        ("caf\u00e9,b\n".encode("latin1"), "e.csv", "iconv"),
        (b"a,b\n" * 50_000 + b"caf\xe9,b\n", "e.csv", "bytes that are not UTF-8"),
        (b"not gzip", "e.csv.gz", "must be a readable file"),
        (b"not parquet", "e.parquet", "must be a Parquet file"),
        (b"not a matrix, but long enough to look" * 9, "e.mat", "must be a MATLAB file"),
        (b"not a zip", "e.npz", "must be an .npz file"),
        ("graph [ node ]", "e.gml", "must be a gml file"),
        ("graph [ node [ id 1 ] ]", "e.gml", "must hold at least one edge"),
        ("<graphml", "e.graphml", "must be a graphml file"),
    ],
)
def test_broken_files_give_one_line_that_says_what_to_do(write, content, name, text):
    with pytest.raises(DataError) as error:
        read_edges(write(content, name))
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"must be a file. Got no such file"):
        read_edges(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match=r"must be a file. Got a directory"):
        read_edges(tmp_path)
    with pytest.raises(ArgumentError, match="Data frames go to `from_frame`"):
        read_edges(pd.DataFrame())


@pytest.mark.parametrize(
    ("read", "options", "text"),
    [
        (read_edges, {"source": "from"}, "by name or by position from 0. Got 'from'. The columns are a, b, w."),
        (read_edges, {"weight": 3}, "`weight` of read_edges must be a column"),
        (read_edges, {"weight": -1}, "`weight` of read_edges must be a column"),
        (read_edges, {"source": 1, "target": "b"}, "`target` of read_edges must be another column than `source`"),
        (read_edges, {"source": 1}, "`target` of read_edges must be another column than `source`"),
        (read_edges, {"delimiter": "ab"}, "`delimiter` of read_edges must be one ASCII character"),
        (read_edges, {"delimiter": "\n"}, "`delimiter` of read_edges must be one ASCII character"),
        (read_edges, {"header": "yes"}, "`header` of read_edges must be True, False or None"),
        (read_edges, {"comment": None}, "`comment` of read_edges must be the characters"),
        (read_edges, {"label": "x"}, "`label` of read_edges must be left out for a .csv file"),
        (read_triples, {"tail": "x"}, "`tail` of read_triples must be a column"),
        (read_events, {"time": "x"}, "`time` of read_events must be a column"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_give_one_line(write, read, options, text):
    with pytest.raises(ArgumentError) as error:
        read(write("a,b,w\nx,y,1\ny,z,2\n", "e.csv"), **options)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_a_delimiter_that_is_not_there_is_an_error(write):
    with pytest.raises(DataError, match=r"must hold two columns or more\. Got 'a,b'\. Name the `delimiter`, or leave"):
        read_edges(write("a,b\n"), delimiter=";")


def test_names_without_a_header_are_an_error(write):
    with pytest.raises(ArgumentError, match="It has 2 columns and no header, so use positions"):
        read_edges(write("1,2\n"), header=False, source="a")


def test_a_header_of_another_width_is_an_error(write):
    with pytest.raises(DataError, match=r"must name 3 columns, as many as lines have. Got \['a', 'b'\]"):
        read_edges(write("a,b\n1,2,3\n1,2,3\n"), header=True)


@pytest.mark.parametrize(
    ("frame", "error", "text"),
    [
        ({"a": [1]}, ArgumentError, "a pandas or polars data frame or an Arrow table. Got 'dict'"),
        (
            pd.DataFrame({"a": [1, "x"], "b": [1, 2]}),
            DataError,
            "Column 'a' of the frame must be of one type",
        ),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), DataError, "must be distinct"),
        (pd.DataFrame({"a": [1.5], "b": [2]}), DataError, "must be strings or whole numbers"),
        (pd.DataFrame({"a": [1], "b": [2]}).iloc[:0], DataError, "at least one edge"),
    ],
)
def test_frames_that_cannot_be_read(frame, error, text):
    with pytest.raises(error, match=text):
        from_frame(frame)


def test_matrices_that_cannot_be_read(tmp_path):
    scipy.io.savemat(tmp_path / "g.mat", {"other": np.eye(2)})
    with pytest.raises(DataError, match=r"must hold a matrix `network`. Got \['other'\]"):
        read_edges(tmp_path / "g.mat")
    scipy.io.savemat(tmp_path / "g.mat", {"network": np.ones((2, 3))})
    with pytest.raises(DataError, match="must be square"):
        read_edges(tmp_path / "g.mat")
    scipy.io.savemat(tmp_path / "g.mat", {"network": np.eye(2), "group": np.eye(3)})
    with pytest.raises(DataError, match=r"must have 2 rows. Got 3"):
        read_edges(tmp_path / "g.mat")
    np.savez(tmp_path / "g.npz", adj_data=[1.0], adj_indices=[5], adj_indptr=[0, 1], adj_shape=[1, 1])
    with pytest.raises(DataError, match="must hold a sparse matrix"):
        read_edges(tmp_path / "g.npz")


def test_attributes_that_are_not_there(tmp_path):
    network = nx.Graph([("a", "b"), ("b", "c")])
    network.edges["a", "b"]["w"] = 1.0
    nx.write_gml(network, tmp_path / "g.gml")
    with pytest.raises(ArgumentError, match=r"an attribute of edges in g.gml. Got 'x'. There are \['w'\]"):
        read_edges(tmp_path / "g.gml", weight="x")
    with pytest.raises(ArgumentError, match=r"an attribute of nodes in g.gml. Got 'x'. There are none"):
        read_edges(tmp_path / "g.gml", label="x")
    with pytest.raises(DataError, match=r"must have the attribute 'w'. Got 1 edges without it"):
        read_edges(tmp_path / "g.gml", weight="w")
    with pytest.raises(ArgumentError, match=r"`delimiter` of read_edges must be left out for a .gml file"):
        read_edges(tmp_path / "g.gml", delimiter=",")


def test_parts_that_are_not_there(write):
    with pytest.raises(ArgumentError, match=r"names of parts .* with their files. Got {}"):
        read_triple_files({})
    with pytest.raises(ArgumentError, match=r"names of parts \(train, valid, test, unused\) with their files"):
        read_triple_files({"train": write("a\tr\tb\n"), "dev": write("a\tr\tb\n")})
    with pytest.raises(DataError, match=r"must have 3 columns \(head, relation, tail\).* Got 2"):
        read_triples(write("a\tb\nc\td\n"))
    with pytest.raises(DataError, match="must hold a user and items in a line"):
        read_adjacency_lists(write("1\n2\n"))
    with pytest.raises(DataError, match="binary data"):
        read_adjacency_lists(write(b"1 2\x00\n"))


def test_reports_can_be_written_as_json(write):
    _, report = read_edges(write("a b 1\nb a x\n"), weight=2)
    assert json.dumps({"summary": report.summary, "findings": [str(f) for f in report.findings]})


def test_ids_whose_hashes_collide_are_still_told_apart(monkeypatch):
    def short_hash(chunk):
        lengths = pa.compute.utf8_length(chunk).cast(pa.uint64())
        return lengths, pl.Series(chunk).hash(2).to_numpy()

    frame = pa.table({"source": ["a", "bb", "cc"], "target": ["bb", "cc", "d"]})
    expected = from_frame(frame)[0]
    monkeypatch.setattr(encode, "_hashes", short_hash)
    assert pairs(from_frame(frame)[0]) == pairs(expected) == [("a", "bb"), ("bb", "cc"), ("cc", "d")]


def test_truncated_archives_are_refused(write):
    packed = gzip.compress(b"a,b\nb,c\n" * 1000)
    with pytest.raises(DataError, match="must be a readable file"):
        read_edges(write(packed[: len(packed) // 2], "e.csv.gz"))


def test_numbers_beyond_what_floats_hold_exactly():
    huge = 2**60 + 1
    graph, _ = from_frame(pa.table({"a": [1], "b": [2], "t": [huge], "w": [huge]}), time="t", weight="w")
    assert graph.time.tolist() == [huge]
    assert graph.weight.tolist() == [float(np.float32(huge))]
    with pytest.raises(DataError, match="must be strings or whole numbers"):
        from_frame(pa.table({"a": pa.array([2**63], pa.uint64()), "b": [1]}))


def test_attributes_that_are_no_numbers(tmp_path):
    nx.write_gml(nx.Graph([("a", "b", {"when": "soon"})]), tmp_path / "g.gml")
    with pytest.raises(DataError, match=r"The time of every edge of g\.gml must be a number\. Got 'soon'"):
        read_edges(tmp_path / "g.gml", time="when")
