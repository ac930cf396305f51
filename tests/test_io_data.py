"""The real data sets read to the counts that their sources state."""

import csv

import numpy as np
import pytest

from graphtune.check import DataError
from graphtune.cleaning import Cleaning
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io import (
    read_adjacency_lists,
    read_edges,
    read_event_files,
    read_features,
    read_labels,
    read_texts,
    read_triple_files,
)

pytestmark = pytest.mark.data
KNOWLEDGE_GRAPHS = [
    ("FB15k-237", 14_541, 237, (272_115, 17_535, 20_466)),
    ("WN18RR", 40_943, 11, (86_835, 3_034, 3_134)),
    ("CoDEx-S", 2_034, 42, (32_888, 1_827, 1_828)),
    ("UMLS", 135, 46, (5_216, 652, 661)),
    ("Kinship", 104, 25, (8_544, 1_068, 1_074)),
    ("Nations", 14, 55, (1_592, 199, 201)),
]
PARTS = ("train", "valid", "test")


def size(graph) -> tuple[int, int]:
    return graph.num_nodes, graph.num_edges


def changes(report) -> dict[str, int]:
    return {finding.what: finding.count for finding in report.findings if finding.changed_data}


def test_ego_facebook_with_its_two_malformed_lines_and_both_directions(data):
    graph, report = read_edges(data / "node/facebook_combined.txt")
    assert size(graph) == (4_039, 88_234)
    assert graph.ids.values([0, 4_038]) == [0, 4_038]
    assert changes(report) == {"lines without 3 columns": 2, "edges given in both directions": 88_234}
    malformed = next(finding for finding in report.findings if "lines without" in finding.what)
    assert malformed.examples == ("line 1: 4039", "line 176470: -1")
    with pytest.raises(DataError, match="2 lines without 3 columns"):
        read_edges(data / "node/facebook_combined.txt", strict=True)


def test_ca_astroph(data):
    graph, report = read_edges(data / "node/ca-AstroPh.txt", strict=True)
    assert size(graph) == (17_903, 196_972)
    assert report.summary["components"] == 1


def test_lastfm_asia_with_countries(data):
    graph, _ = read_edges(data / "node/karateclub_lastfm_edges.csv", strict=True)
    graph, report = read_labels(data / "node/karateclub_lastfm_target.csv", graph, strict=True)
    assert size(graph) == (7_624, 27_806)
    assert report.summary == {"nodes": 7_624, "labelled": 7_624, "classes": 18}


def test_football_and_polbooks(data):
    football, _ = read_edges(data / "node/football.gml", label="value", strict=True)
    assert (size(football), len(football.label_names)) == ((115, 613), 12)
    assert football.ids.values([0]) == ["BrighamYoung"]
    assert football.label_names[football.labels[0]] == "7"
    polbooks, _ = read_edges(data / "node/polbooks.gml", label="value", strict=True)
    assert (size(polbooks), polbooks.label_names) == ((105, 441), ("c", "l", "n"))


def test_blogcatalog(data):
    graph, _ = read_edges(data / "node/blogcatalog.mat", strict=True)
    assert size(graph) == (10_312, 333_983)
    assert graph.labels.shape == (10_312, 39)
    assert graph.labels.sum() / len(graph.labels) == pytest.approx(1.404, abs=5e-4)
    assert graph.weight is None


@pytest.mark.parametrize(("name", "entities", "relations", "sizes"), KNOWLEDGE_GRAPHS)
def test_knowledge_graphs(data, name, entities, relations, sizes):
    files = {part: data / f"kg/{name}/{part}.txt" for part in PARTS}
    graph, part, report = read_triple_files(files, strict=True)
    assert (graph.num_nodes, graph.num_relations) == (entities, relations)
    assert tuple(np.bincount(part)) == sizes == tuple(report.summary[name] for name in PARTS)
    head, relation, tail = (data / f"kg/{name}/test.txt").read_text().splitlines()[-1].split("\t")
    assert graph.ids.values(graph.edges[:, -1]) == [head, tail]
    assert graph.relation_ids.values(graph.relation[-1:]) == [relation]


def test_test_triples_of_fb15k_237_with_unseen_entities_are_kept(data):
    graph, part, _ = read_triple_files({part: data / f"kg/FB15k-237/{part}.txt" for part in PARTS})
    seen = np.zeros(graph.num_nodes, dtype=bool)
    seen[graph.edges[:, part == 0]] = True
    assert (~seen[graph.edges[:, part == 2]]).any(axis=0).sum() == 28


def test_texts_of_wn18rr(data):
    graph, _, _ = read_triple_files({"train": data / "kg/WN18RR/train.txt"})
    graph, report = read_texts(data / "kg/WN18RR/entity2text.txt", graph)
    assert report.summary["texts"] == graph.num_nodes
    assert (
        graph.texts[graph.ids.index(["10227266"])[0]]
        == 'junior, the younger of two persons; "she is two years my junior"'
    )


def test_gowalla(data):
    files = {part: data / f"rec/gowalla/{part}.txt" for part in ("train", "test")}
    _, part, report = read_adjacency_lists(files, strict=True)
    assert (report.summary["users"], report.summary["items"]) == (29_858, 40_981)
    assert np.bincount(part).tolist() == [810_128, 0, 217_242]
    lightgcnpp = {part: data / f"rec/gowalla/lightgcnpp/{part}.txt" for part in PARTS}
    assert np.bincount(read_adjacency_lists(lightgcnpp)[1]).tolist() == [719_081, 91_047, 217_242]


def test_gowallas_matrix_of_users_and_items(data):
    assert size(read_edges(data / "rec/gowalla/s_adj_mat.npz", strict=True)[0]) == (29_858 + 40_981, 810_128)


def test_lastfm(data):
    files = {"train": data / "rec/lastfm/data1.txt", "test": data / "rec/lastfm/test1.txt"}
    graph, part, report = read_event_files(files, strict=True)
    assert np.bincount(part).tolist() == [42_135, 0, 10_533]
    assert report.summary["items"] == 4_489
    assert report.summary["users"] == 1_880  # of the 1,892 that are numbered; the others have no event
    assert str(graph.ids.blocks[0].type) == "int64"


def test_chameleon_with_features_and_traffic(data):
    raw, _ = read_edges(data / "gnn/musae/chameleon_edges.csv", cleaning=Cleaning("keep", drop_self_loops=False))
    assert size(raw) == (2_277, 36_101)
    graph, report = read_edges(data / "gnn/musae/chameleon_edges.csv")
    assert changes(report) == {"self-loops": 50, "edges given in both directions": 4_680}
    graph, _ = read_features(data / "gnn/musae/chameleon.json", graph, strict=True)
    assert graph.features.shape == (2_277, 3_132)
    graph, _ = read_labels(data / "gnn/musae/chameleon_target.csv", graph, kind="target", strict=True)
    assert graph.targets[graph.ids.index([0, 1])].tolist() == [171, 8_089]


def test_webkb_texts_and_labels(data):
    nodes = Graph(np.array([[0], [1]]), NodeIds.range(191))
    nodes, report = read_texts(data / "gnn/webkb/Cornell.csv", nodes, id="node_id", text="raw_text", strict=True)
    assert report.summary == {"nodes": 191, "texts": 191}
    with open(data / "gnn/webkb/Cornell.csv", newline="") as file:
        texts = {int(row["node_id"]): row["raw_text"] for row in csv.DictReader(file)}
    assert dict(enumerate(nodes.texts)) == texts
    _, report = read_labels(data / "gnn/webkb/Cornell.csv", nodes, id="node_id", label="category", strict=True)
    assert report.summary == {"nodes": 191, "labelled": 191, "classes": 5}


def test_pickled_coauthors_are_refused(data):
    with pytest.raises(DataError, match=r"\['adj_matrix', 'node_attr', 'metadata'\], which are pickled"):
        read_edges(data / "gnn/coauthor_cs.npz")
