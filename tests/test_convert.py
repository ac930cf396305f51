"""Converters: what goes to NetworkX, SciPy, PyG or DGL comes back the same, ids included."""

from collections import Counter

import networkx as nx
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData
from torch_geometric.datasets import Planetoid

from graphtune.check import ArgumentError, DataError
from graphtune.convert import (
    from_dgl,
    from_networkx,
    from_pyg,
    from_scipy,
    part_from_pyg,
    to_dgl,
    to_networkx,
    to_pyg,
    to_scipy,
)
from graphtune.graph import Graph
from graphtune.ids import NodeIds

FEW = settings(max_examples=40, deadline=None)


def floats(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small graphs of one or two kinds of node with any of the optional columns."""
    kinds = draw(st.sampled_from([("node",), ("user", "item"), ("thing",)]))
    sizes = [draw(st.integers(1, 5)) for _ in kinds]
    n = sum(sizes)
    strings = draw(st.booleans())
    ids = NodeIds.of(*([f"n{i}" if strings else 7 * i for i in range(k)] for k in sizes), kinds=kinds)
    ends = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    edges = np.array(draw(st.lists(ends, min_size=1, max_size=12))).T
    e, seed = edges.shape[1], draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    has = {name: draw(st.booleans()) for name in ("relation", "weight", "time", "x", "target", "text")}
    labels = draw(st.sampled_from([None, "one", "many"]))
    several = len(kinds) > 1
    return Graph(
        edges,
        ids,
        directed=draw(st.booleans()),
        relation=rng.integers(0, 3, e) if has["relation"] else None,
        relation_ids=NodeIds.of(draw(st.sampled_from([["likes", "knows", "to"], [3, 1, 2]])))
        if has["relation"]
        else None,
        weight=rng.integers(1, 5, e) / 2 if has["weight"] else None,
        time=rng.integers(0, 5, e) if has["time"] else None,
        features=rng.normal(size=(n, 3)) if has["x"] else None,
        labels={
            None: None,
            "one": rng.integers(-1, 3, n),
            "many": rng.integers(0, 2, (n, 3)).astype(bool),
        }[labels],
        label_names=("a", "b", "c") if labels and (several or draw(st.booleans())) else None,
        targets=np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)) if has["target"] else None,
        texts=tuple(f"text {i}" for i in range(n)) if has["text"] else None,
    )


def edge_bag(graph: Graph) -> Counter:
    """The edges by the user's ids, with all that they carry; an undirected edge has no first end."""
    names = list(zip(graph.ids.kinds_of(np.arange(graph.num_nodes)).tolist(), all_ids(graph)))
    columns = [
        graph.weight,
        graph.time,
        None if graph.relation is None else graph.relation_ids.values(graph.relation),
    ]
    rows = []
    for at, (u, v) in enumerate(graph.edges.T.tolist()):
        ends = (names[u], names[v]) if graph.directed else frozenset((names[u], names[v]))
        rows.append((ends, *(None if column is None else column[at] for column in columns)))
    return Counter(rows)


def all_ids(graph: Graph) -> list:
    return graph.ids.values(np.arange(graph.num_nodes))


def dense(features: object) -> np.ndarray | None:
    return features.toarray() if sp.issparse(features) else features


def assert_same(back: Graph, graph: Graph, label_names: bool = True) -> None:
    assert back.ids == graph.ids
    assert back.directed == graph.directed
    assert edge_bag(back) == edge_bag(graph)
    same(dense(back.features), dense(graph.features))
    same(back.labels, graph.labels)
    same(back.targets, graph.targets)
    assert back.texts == graph.texts
    assert back.label_names == graph.label_names


def same(a: object, b: object) -> None:
    if a is None or b is None:
        assert a is b
    else:
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


# --- PyTorch Geometric and DGL -------------------------------------------------------------------


def nothing_known(graph: Graph) -> bool:
    """Whether labels, targets or features are there but say nothing: a typed graph leaves those out."""
    empty = [
        graph.labels is not None and not (graph.labels >= 0 if graph.labels.ndim == 1 else graph.labels).any(),
        graph.targets is not None and np.isnan(graph.targets).all(),
    ]
    return graph.ids.kinds != ("node",) and any(empty)


@FEW
@given(graphs().filter(lambda graph: not nothing_known(graph)))
def test_pyg_and_back(graph):
    data = to_pyg(graph)
    assert isinstance(data, Data if graph.ids.kinds == ("node",) else HeteroData)
    assert data.validate()
    assert_same(from_pyg(data, directed=graph.directed), graph)


@FEW
@given(graphs().filter(lambda graph: not nothing_known(graph)))
def test_dgl_and_back(graph):
    pytest.importorskip("dgl")
    assert_same(from_dgl(to_dgl(graph), directed=graph.directed), graph)


@FEW
@given(graphs())
def test_an_undirected_graph_is_recognised(graph):
    graph = graph.replace(directed=False)
    assert not from_pyg(to_pyg(graph)).directed
    assert edge_bag(from_pyg(to_pyg(graph))) == edge_bag(graph)


def test_pyg_by_hand():
    data = Data(
        edge_index=torch.tensor([[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]]),
        edge_attr=torch.tensor([[1.0], [1.0], [2.0], [2.0], [5.0]]),
        x=torch.eye(4),
        y=torch.tensor([[0], [1], [1], [-1]]),
    )
    graph = from_pyg(data)
    assert not graph.directed
    assert graph.edges.tolist() == [[0, 1, 2], [1, 2, 2]]
    assert graph.weight.tolist() == [1, 2, 5]
    assert graph.labels.tolist() == [0, 1, 1, -1]
    assert all_ids(graph) == [0, 1, 2, 3]
    data.edge_attr[0] = 3.0  # now 0 -> 1 and 1 -> 0 differ
    assert from_pyg(data).directed
    assert from_pyg(data).num_edges == 5
    assert from_pyg(data, directed=True).num_edges == 5


def test_pyg_edges_given_once_may_be_undirected():
    data = Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=3)
    assert from_pyg(data).directed
    graph = from_pyg(data, directed=False)
    assert not graph.directed
    assert graph.num_edges == 2


def test_hetero_by_hand():
    data = HeteroData()
    data["author"].num_nodes = 2
    data["paper"].x = torch.ones(3, 4)
    data["paper"].y = torch.tensor([1, 0, 1])
    data["author", "writes", "paper"].edge_index = torch.tensor([[0, 1, 1], [0, 0, 2]])
    data["paper", "cites", "paper"].edge_index = torch.tensor([[2], [1]])
    graph = from_pyg(data)
    assert graph.ids.kinds == ("author", "paper")
    assert all_ids(graph) == [0, 1, 0, 1, 2]
    assert graph.edges.tolist() == [[0, 1, 1, 4], [2, 2, 4, 3]]
    assert graph.relation_ids.values(graph.relation) == ["writes"] * 3 + ["cites"]
    assert graph.labels.tolist() == [-1, -1, 1, 0, 1]
    assert graph.features.sum(1).tolist() == [0, 0, 4, 4, 4]
    back = to_pyg(graph)
    assert "x" not in back["author"]
    assert "y" not in back["author"]
    assert back["author", "writes", "paper"].edge_index.tolist() == [[0, 1, 1], [0, 0, 2]]
    assert back["paper"].x.tolist() == data["paper"].x.tolist()


def test_events_keep_their_two_kinds_without_a_relation():
    ids = NodeIds.of(["ann", "bob"], [7, 8, 9], kinds=("user", "item"))
    graph = Graph(np.array([[0, 1, 1], [2, 2, 4]]), ids, directed=True, time=np.array([3, 1, 2]))
    for back in (from_pyg(to_pyg(graph)), from_dgl(to_dgl(graph))):
        assert back.is_bipartite_events
        assert back.relation is None
        assert edge_bag(back) == edge_bag(graph)


def test_sparse_features_come_over_sparse():
    x = torch.eye(3).to_sparse()
    graph = from_pyg(Data(x=x, edge_index=torch.tensor([[0], [1]])))
    assert sp.issparse(graph.features)
    assert graph.features.toarray().tolist() == np.eye(3).tolist()
    assert to_pyg(graph).x.tolist() == np.eye(3).tolist()


def test_to_pyg_shares_no_memory():
    graph = Graph(np.array([[0], [1]]), NodeIds.range(2), features=np.ones((2, 2)))
    to_pyg(graph).x[0, 0] = 9
    assert graph.features[0, 0] == 1


EDGE = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"edge_index": EDGE}, "a Data or HeteroData"),
        (Data(edge_index=EDGE, num_nodes=2, edge_attr=torch.ones(2, 3)), "one weight per edge"),
        (Data(edge_index=EDGE, num_nodes=2, y=torch.ones(1)), "2. classes or targets"),
        (Data(edge_index=EDGE, num_nodes=2, y=torch.rand(2, 3)), "zeros and ones"),
        (Data(edge_index=EDGE, num_nodes=2, x=torch.rand(3)), "of shape"),
        (Data(num_nodes=2), "with an edge_index"),
        (Data(edge_index=EDGE + 1, num_nodes=2), "rows in"),
    ],
)
def test_pyg_that_does_not_fit_is_refused(data, message):
    with pytest.raises(ArgumentError, match=message):
        from_pyg(data)


def test_hetero_that_does_not_fit_is_refused():
    data = HeteroData()
    data["a"].x, data["b"].x = torch.ones(2, 3), torch.ones(2, 4)
    data["a", "to", "b"].edge_index = EDGE
    with pytest.raises(ArgumentError, match=r"widths \[3, 4\]"):
        from_pyg(data)
    data["b"].x = torch.ones(2, 3)
    data["a"].y, data["b"].y = torch.zeros(2).long(), torch.zeros(2).long()
    with pytest.raises(ArgumentError, match="label_names"):
        from_pyg(data)
    data.label_names = ["one"]
    assert from_pyg(data).labels.tolist() == [0, 0, 0, 0]
    data["b"].y = torch.zeros(2, 2)
    with pytest.raises(ArgumentError, match="labelled alike"):
        from_pyg(data)


def test_timed_in_part_is_refused():
    data = HeteroData()
    data["a"].num_nodes = 2
    data["a", "x", "a"].edge_index = EDGE
    data["a", "y", "a"].edge_index = EDGE
    data["a", "y", "a"].edge_time = torch.tensor([1, 2])
    with pytest.raises(ArgumentError, match="timed in all edge types"):
        from_pyg(data)


def test_parts_of_masks():
    mask = torch.tensor([[True, False], [False, True], [False, False], [False, False]])
    data = Data(num_nodes=4, train_mask=mask, test_mask=mask.flip(0))
    assert part_from_pyg(data, column=0).tolist() == [0, 3, 3, 2]
    assert part_from_pyg(data, column=1).tolist() == [3, 0, 2, 3]
    with pytest.raises(ArgumentError, match="2 splits that the masks hold"):
        part_from_pyg(data)
    flat = Data(num_nodes=4, train_mask=mask[:, 0], val_mask=mask[:, 1], test_mask=mask[:, 1])
    with pytest.raises(DataError, match="node 1 in val_mask, test_mask"):
        part_from_pyg(flat)
    with pytest.raises(ArgumentError, match="train_mask"):
        part_from_pyg(Data(num_nodes=4))
    hetero = HeteroData()
    hetero["a"].num_nodes = 2
    hetero["b"].train_mask = torch.tensor([True, False])
    hetero["b"].num_nodes = 2
    assert part_from_pyg(hetero).tolist() == [3, 3, 0, 3]


def test_cora_as_published(data):
    cora = Planetoid(str(data / "gnn/planetoid"), "Cora")[0]
    graph = from_pyg(cora)
    assert (graph.num_nodes, graph.num_edges, graph.directed) == (2708, 5278, False)
    assert np.bincount(part_from_pyg(cora)).tolist() == [140, 500, 1000, 1068]
    back = to_pyg(graph)
    key = [torch.sort(d.edge_index[0] * 2708 + d.edge_index[1]).values for d in (cora, back)]
    assert torch.equal(*key)
    assert torch.equal(back.x, cora.x)
    assert torch.equal(back.y, cora.y)


def test_dgl_by_hand():
    dgl = pytest.importorskip("dgl")
    g = dgl.graph((torch.tensor([0, 1, 1]), torch.tensor([1, 0, 2])), num_nodes=4)
    g.ndata["feat"] = torch.eye(4)
    g.ndata["label"] = torch.tensor([1, 0, 1, 1])
    g.edata["weight"] = torch.tensor([0.5, 0.5, 2.0])
    graph = from_dgl(g)
    assert graph.directed
    assert graph.edges.tolist() == [[0, 1, 1], [1, 0, 2]]
    assert graph.weight.tolist() == [0.5, 0.5, 2]
    assert graph.labels.tolist() == [1, 0, 1, 1]
    assert graph.ids == NodeIds.range(4)


def test_dgl_types_by_hand():
    dgl = pytest.importorskip("dgl")
    rates = (torch.tensor([0, 1]), torch.tensor([2, 0]))
    g = dgl.heterograph({("user", "rates", "item"): rates, ("user", "knows", "user"): EDGE.unbind()})
    graph = from_dgl(g)
    assert graph.ids.kinds == ("user", "item")
    assert graph.num_nodes == 5
    assert graph.relation_ids.values(graph.relation) == ["knows", "knows", "rates", "rates"]
    assert graph.edges.tolist() == [[0, 1, 0, 1], [1, 0, 4, 2]]
    flat = from_dgl(dgl.to_homogeneous(g))
    assert flat.num_relations == 2
    assert flat.num_edges == 4


def test_dgl_of_another_type_is_refused():
    pytest.importorskip("dgl")
    with pytest.raises(ArgumentError, match="a DGLGraph"):
        from_dgl(nx.path_graph(3))
    empty = Graph(np.zeros((2, 0)), NodeIds.of(["a"], ["b"], kinds=("user", "item")), directed=True)
    with pytest.raises(ArgumentError, match="a graph with edges"):
        to_dgl(empty)


# --- SciPy ---------------------------------------------------------------------------------------


@FEW
@given(graphs().filter(lambda graph: graph.ids.kinds == ("node",)))
def test_scipy_and_back(graph):
    pairs = graph.edges if graph.directed else np.sort(graph.edges, axis=0)
    once = graph.take_edges(np.unique(pairs, axis=1, return_index=True)[1])
    back = from_scipy(to_scipy(once), graph.ids, directed=graph.directed)
    plain = Graph(once.edges, once.ids, once.directed, weight=once.weight)
    if plain.weight is not None and (plain.weight == 1).all():
        plain = plain.replace(weight=None)
    assert_same(back, plain)


def test_scipy_by_hand():
    matrix = sp.csr_array(np.array([[0, 2, 0], [2, 1, 0], [0, 0, 0]]))
    graph = from_scipy(matrix, ["a", "b", "c"])
    assert graph.edges.tolist() == [[0, 1], [1, 1]]
    assert graph.weight.tolist() == [2, 1]
    assert to_scipy(graph).toarray().tolist() == matrix.toarray().tolist()
    twice = sp.coo_array(([1, 1, 0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    assert from_scipy(twice, directed=True).weight.tolist() == [2]
    assert from_scipy(twice, directed=True).num_edges == 1


def test_scipy_of_users_and_items():
    ids = NodeIds.of(["ann", "bob"], [7, 8, 9], kinds=("user", "item"))
    graph = from_scipy(sp.csr_matrix(np.array([[0, 1, 0], [1, 0, 1]])), ids)
    assert graph.is_bipartite_events
    assert graph.directed
    assert graph.edges.tolist() == [[0, 1, 1], [3, 2, 4]]


def test_scipy_that_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="a sparse matrix"):
        from_scipy(np.eye(3))
    with pytest.raises(ArgumentError, match=r"NodeIds.of"):
        from_scipy(sp.csr_array((3, 4)))
    with pytest.raises(ArgumentError, match="4 ids"):
        from_scipy(sp.csr_array((3, 3)), range(4))
    with pytest.raises(ArgumentError, match="directed=True"):
        from_scipy(sp.csr_array(np.triu(np.ones((3, 3)))))


def test_to_scipy_is_a_copy():
    graph = Graph(np.array([[0], [1]]), NodeIds.range(2), directed=True)
    to_scipy(graph).data[:] = 9
    assert to_scipy(graph).toarray().tolist() == [[0, 1], [0, 0]]


def test_blogcatalog_matrix(data):
    matrix = scipy.io.loadmat(data / "node/blogcatalog.mat")["network"]
    graph = from_scipy(matrix)
    assert (graph.num_nodes, graph.num_edges, graph.weight) == (10_312, 333_983, None)
    assert (to_scipy(graph) != sp.csr_array(matrix)).nnz == 0


# --- NetworkX ------------------------------------------------------------------------------------


@FEW
@given(graphs())
def test_networkx_and_back(graph):
    if graph.labels is not None and graph.label_names is None:
        graph = graph.replace(label_names=("a", "b", "c"))
    g = to_networkx(graph)
    attributes = {name for _, values in g.nodes(data=True) for name in values}

    def asked(name: str) -> str | None:
        return name if name in attributes else None

    back = from_networkx(
        g,
        relation=None if graph.relation is None else "relation",
        time=None if graph.time is None else "time",
        label=asked("label"),
        target=asked("target"),
        features=asked("features"),
        text=asked("text"),
    )
    assert back.ids == graph.ids
    assert back.directed == graph.directed
    assert edge_bag(back) == edge_bag(graph)
    same(back.features, graph.features)
    assert back.texts == graph.texts
    if "target" in attributes:
        same(back.targets, graph.targets)
    if "label" in attributes:
        assert label_sets(back) == label_sets(graph)


def label_sets(graph: Graph) -> list[set]:
    if graph.labels.ndim == 1:
        return [{graph.label_names[label]} if label >= 0 else set() for label in graph.labels]
    return [{graph.label_names[c] for c in np.flatnonzero(row)} for row in graph.labels]


def test_networkx_classes():
    pair = NodeIds.range(2)
    assert type(to_networkx(Graph(np.array([[0], [1]]), pair))) is nx.Graph
    assert type(to_networkx(Graph(np.array([[0, 1], [1, 0]]), pair))) is nx.MultiGraph
    assert type(to_networkx(Graph(np.array([[0, 1], [1, 0]]), pair, directed=True))) is nx.DiGraph
    assert type(to_networkx(Graph(np.array([[0, 0], [1, 1]]), pair, directed=True))) is nx.MultiDiGraph


def test_karate_club():
    graph = from_networkx(nx.karate_club_graph(), label="club")
    assert (graph.num_nodes, graph.num_edges, graph.directed) == (34, 78, False)
    assert graph.label_names == ("Mr. Hi", "Officer")
    assert np.bincount(graph.labels).tolist() == [17, 17]
    assert graph.weight.max() == 7
    assert from_networkx(nx.karate_club_graph(), weight=None).weight is None


def test_networkx_labels():
    g = nx.path_graph(4)
    g.nodes[0]["c"], g.nodes[1]["c"], g.nodes[2]["c"] = 10, 9, 10
    graph = from_networkx(g, label="c")
    assert graph.labels.tolist() == [1, 0, 1, -1]
    assert graph.label_names == ("9", "10")  # as numbers, not as text
    g.nodes[3]["c"] = {9, 10}
    assert from_networkx(g, label="c").labels.tolist() == [
        [False, True],
        [True, False],
        [False, True],
        [True] * 2,
    ]


def test_networkx_keeps_kinds():
    g = nx.DiGraph([(("user", 7), ("item", 7)), (("user", "8"), ("item", 7))])
    with pytest.raises(ArgumentError, match="all strings or all integers"):
        from_networkx(g)
    g = nx.DiGraph([(("user", 7), ("item", 7)), (("user", 8), ("item", 7))])
    graph = from_networkx(g)
    assert graph.is_bipartite_events
    assert graph.edges.tolist() == [[0, 1], [2, 2]]
    assert set(to_networkx(graph).edges) == set(g.edges)


def with_attribute(**values: object) -> nx.Graph:
    g = nx.path_graph(3)
    for name, value in values.items():
        g.edges[0, 1][name] = value
        g.nodes[0][name] = value
    return g


@pytest.mark.parametrize(
    ("g", "arguments", "message"),
    [
        ([(0, 1)], {}, "a NetworkX graph"),
        (nx.grid_2d_graph(2, 2), {}, "convert_node_labels_to_integers"),
        (nx.Graph([(0.5, 1.5)]), {}, "strings or integers"),
        (nx.Graph([(True, "a")]), {}, "strings or integers"),
        (nx.Graph([("a", 1)]), {}, "relabel_nodes"),
        (with_attribute(weight=2), {}, r"'weight', which 1 edges lack.*weight=None"),
        (nx.Graph([(0, 1, {"weight": "x"})]), {}, "an attribute of numbers.*'x'"),
        (nx.path_graph(3), {"relation": "kind"}, "every edge.*which 2 edges lack"),
        (nx.path_graph(3), {"label": "club"}, "some nodes.*3 of 3 nodes lack"),
        (with_attribute(x=[1]), {"features": "x"}, "every node"),
        (nx.Graph([(0, 1, {"t": "noon"})]), {"time": "t"}, "`time` of from_networkx"),
        (with_attribute(c=1.5), {"label": "c"}, "strings or of integers"),
        (with_attribute(y="high"), {"target": "y"}, "numbers"),
    ],
)
def test_networkx_that_does_not_fit_is_refused(g, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        from_networkx(g, **arguments)


def test_features_of_unequal_length_are_refused():
    g = nx.path_graph(2)
    g.nodes[0]["x"], g.nodes[1]["x"] = [1, 2], [1]
    with pytest.raises(ArgumentError, match="equally many numbers"):
        from_networkx(g, features="x")


def test_empty_graphs():
    assert from_networkx(nx.Graph()).num_nodes == 0
    assert to_networkx(Graph(np.zeros((2, 0)), NodeIds.range(3))).number_of_nodes() == 3
    assert from_scipy(sp.csr_array((3, 3))).num_edges == 0
    lonely = Graph(np.zeros((2, 0)), NodeIds.of(["a", "b"]))
    assert from_pyg(to_pyg(lonely)).ids == lonely.ids
    assert from_dgl(to_dgl(lonely)).ids == lonely.ids
