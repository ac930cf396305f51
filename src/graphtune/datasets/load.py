"""Reading each public data set into a graph, with its published split where there is one.

Axes: N nodes, E edges.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from graphtune.cleaning import LOOK_ONLY, clean
from graphtune.datasets.download import fetch
from graphtune.findings import Finding, Report
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io import (
    read_adjacency_lists,
    read_edges,
    read_event_files,
    read_events,
    read_features,
    read_labels,
    read_social,
    read_texts,
    read_triple_files,
)
from graphtune.split import TEST, TRAIN, UNUSED, VALID, Split, given_split
from graphtune.split.deal import deal_within

HELD_OUT = 0.1
SEED = 0
CONFERENCES = (
    "Atlantic Coast", "Big East", "Big Ten", "Big Twelve", "Conference USA", "Independents", "Mid-American",
    "Mountain West", "Pacific Ten", "Southeastern", "Sun Belt", "Western Athletic",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Dataset:
    """A public data set, read.

    Attributes:
        name: as `load_dataset` took it.
        graph: all of it, with features, labels, targets and texts where the set has them.
        split: the published one, or None; the data set's card says where a validation part was held out here.
        report: what was found in reading it.
    """

    name: str
    graph: Graph
    split: Split | None
    report: Report


def load_dataset(name: str, root: str | Path | None = None) -> Dataset:
    """Read a public data set, after downloading it where it is not on this machine.

    Published parts stay as they are: no triple is dropped because an entity is unseen in training.

    Args:
        name: one of `list_datasets()`.
        root: where its files are, or will be put; see `fetch`.

    Raises:
        ArgumentError: there is no data set of this name; the error lists those there are.
        DataError: a file is missing and cannot be downloaded, or is not the known one.
    """
    files = fetch(name, root)
    graph, split, report = LOADERS[name](name, tuple(files.values()))
    return Dataset(name, graph, split, report)


Loaded = tuple[Graph, Split | None, Report]
Loader = Callable[[str, tuple[Path, ...]], Loaded]


def _blogcatalog(name: str, files: tuple[Path, ...]) -> Loaded:
    graph, report = read_edges(files[0])
    return graph, None, report


def _bare_edges(name: str, files: tuple[Path, ...]) -> Loaded:
    graph, report = read_edges(files[0], delimiter=" ", header=False, source=0, target=1)
    return graph, None, report


def _lastfm_asia(name: str, files: tuple[Path, ...]) -> Loaded:
    graph, report = read_edges(files[0])
    graph, more = read_labels(files[1], graph, label="target")
    return graph, None, _both(report, more)


def _football(name: str, files: tuple[Path, ...]) -> Loaded:
    graph, report = read_edges(files[0], label="value")
    return graph.replace(label_names=CONFERENCES), None, report


def _polbooks(name: str, files: tuple[Path, ...]) -> Loaded:
    graph, report = read_edges(files[0], label="value")
    whole = {"c": "conservative", "l": "liberal", "n": "neutral"}
    return graph.replace(label_names=tuple(whole[letter] for letter in graph.label_names or ())), None, report


def _triples(name: str, files: tuple[Path, ...]) -> Loaded:
    """train, valid, test and, where there is one, a file of texts."""
    graph, part, report = read_triple_files(dict(zip(("train", "valid", "test"), files)), header=False)
    if len(files) > 3:
        graph, more = read_texts(files[3], graph, header=False)
        report = _both(report, more)
    return graph, given_split(graph, part, "edge"), report


def _codex(name: str, files: tuple[Path, ...]) -> Loaded:
    """train, valid and test, and false triples of valid and test that people have checked."""
    graph, split, report = _triples(name, files[:3])
    assert split is not None
    false_valid, false_test = (_false_triples(file, graph) for file in files[3:])
    return graph, replace(split, false_valid=false_valid, false_test=false_test), report


def _false_triples(file: Path, graph: Graph) -> np.ndarray:
    """[3, M] head, tail and relation of triples whose entities and relations are all of `graph`."""
    assert graph.relation_ids is not None
    head, relation, tail = pl.read_csv(file, separator="\t", has_header=False).get_columns()
    return np.stack([graph.ids.index(head), graph.ids.index(tail), graph.relation_ids.index(relation)])


def _gowalla(name: str, files: tuple[Path, ...]) -> Loaded:
    """LightGCN's train part from its adjacency matrix [users + items] squared, its test part from lists."""
    matrix = sp.csr_array(sp.load_npz(files[0])).tocoo()
    test, _, _ = read_adjacency_lists(files[1])
    users = len(test.ids.blocks[0])
    forward = matrix.row < users
    train = np.stack([matrix.row[forward], matrix.col[forward]])
    user, item = (np.array(block) for block in test.ids.blocks)
    edges = np.concatenate([train, np.stack([user[test.edges[0]], item[test.edges[1] - users] + users])], axis=1)
    ids = NodeIds.of(range(users), range(matrix.shape[0] - users), kinds=("user", "item"))
    graph, report = clean(Graph(edges, ids, directed=True), LOOK_ONLY, source=", ".join(f.name for f in files))
    return _with_validation(graph, train.shape[1], report)


def _gowalla_lightgcnpp(name: str, files: tuple[Path, ...]) -> Loaded:
    graph, part, report = read_adjacency_lists(dict(zip(("train", "valid", "test"), files)))
    return graph, given_split(graph, part, "edge"), report


def _lastfm(name: str, files: tuple[Path, ...]) -> Loaded:
    """The events, and who is whose friend as side edges."""
    parts = dict(zip(("train", "test"), files))
    graph, part, report = read_event_files(parts, delimiter="\t", header=False, user=0, item=1)
    graph, more = read_social(files[2], graph, name="trust", delimiter="\t", header=False)
    return _with_validation(graph, int((part == 0).sum()), _both(report, more))


def _movielens(name: str, files: tuple[Path, ...]) -> Loaded:
    """MovieLens as RecBole packs it: ratings with times, films of a year and genres, users of an age and so on."""
    with zipfile.ZipFile(files[0]) as package, TemporaryDirectory() as folder:
        paths = {}
        for part in ("inter", "item", "user"):
            content = package.read(f"recbole/dataset_example/ml-100k/ml-100k.{part}").decode()
            paths[part] = Path(folder, f"ml-100k.{part}.tsv")
            paths[part].write_text(_one_genre_a_bar(content) if part == "item" else content)
        named: dict[str, Any] = {"delimiter": "\t", "header": True}
        graph, report = read_events(paths["inter"], user=0, item=1, weight=2, time=3, **named)
        graph, more = read_features(paths["item"], graph, columns=[2, 3], categories=[2], node_kind="item", **named)
        graph, yet_more = read_features(paths["user"], graph, columns=[1, 2, 3], node_kind="user", **named)
    return graph, None, _both(_both(report, more), yet_more)


def _one_genre_a_bar(films: str) -> str:
    """Genres that stand apart by spaces, by bars."""
    rows = (line.rpartition("\t") for line in films.splitlines())
    return "\n".join(f"{front}\t{genres.replace(' ', '|')}" for front, _, genres in rows)


def _planetoid(name: str, files: tuple[Path, ...]) -> Loaded:
    """Planetoid's files are pickles, which can run any program: they are opened because `fetch` knows their sha256."""
    from torch_geometric.io import read_planetoid_data

    data = read_planetoid_data(str(files[0].parent), name)
    u, v = data.edge_index.numpy()
    part = np.full(data.num_nodes, UNUSED, dtype=np.uint8)
    for number, mask in ((TRAIN, data.train_mask), (VALID, data.val_mask), (TEST, data.test_mask)):
        part[mask.numpy()] = number
    labels = data.y.numpy().copy()
    first_test = int(np.flatnonzero(part == TEST)[0])
    missing = np.flatnonzero(part[first_test:] != TEST) + first_test  # CiteSeer: absent from the files, all zeros
    labels[missing] = -1
    graph = Graph(
        np.stack([u, v])[:, u < v],
        NodeIds.range(data.num_nodes),
        features=sp.csr_array(data.x.numpy()),
        labels=labels,
        label_names=tuple(map(str, range(labels.max() + 1))),
    )
    graph, report = clean(graph, LOOK_ONLY, source=f"ind.{name}.*")
    if missing.size:
        found = Finding("nodes without features or label", len(missing), "kept", tuple(map(str, missing[:3])))
        report = report.add([found])
    return graph, given_split(graph, part, "node"), report


def _coauthor(name: str, files: tuple[Path, ...]) -> Loaded:
    """Three of the file's arrays are pickled; they are opened by `_TrustedUnpickler`, after `fetch` knew the sha256."""
    with zipfile.ZipFile(files[0]) as archive:
        matrix, features, about = (
            _unpickled(archive.read(f"{entry}.npy")) for entry in ("adj_matrix", "node_attr", "metadata")
        )
        labels = np.load(io.BytesIO(archive.read("node_label.npy")), allow_pickle=False)
    entries = sp.triu(sp.csr_array(matrix), k=1).tocoo()
    graph = Graph(
        np.stack([entries.row, entries.col]),
        NodeIds.range(matrix.shape[0]),
        features=features,
        labels=labels,
        label_names=tuple(map(str, about["class_names"])),
    )
    graph, report = clean(graph, LOOK_ONLY, source=files[0].name)
    return graph, None, report


def _chameleon(name: str, files: tuple[Path, ...]) -> Loaded:
    """Links in both directions and to a page itself stay as published; targets are the log of the traffic."""
    graph, report = read_edges(files[0], directed=True, cleaning=LOOK_ONLY)
    graph, more = read_features(files[1], graph)
    graph, yet_more = read_labels(files[2], graph, kind="target")
    assert graph.targets is not None
    return graph.replace(targets=np.log(graph.targets)), None, _both(_both(report, more), yet_more)


def _webkb(name: str, files: tuple[Path, ...]) -> Loaded:
    table = pl.read_csv(files[0]).sort("node_id")
    targets = table["neighbor_ids"].str.strip_chars("[]").str.split(", ")
    links = table.select("node_id", target=targets).explode("target").filter(pl.col("target") != "")
    names = table["category"].unique().sort()
    graph = Graph(
        links.select("node_id", pl.col("target").cast(pl.Int64)).to_numpy().T,
        NodeIds.of(table["node_id"]),
        directed=True,
        labels=names.search_sorted(table["category"]).to_numpy(),
        label_names=tuple(names),
        texts=tuple(table["raw_text"]),
    )
    graph, report = clean(graph, LOOK_ONLY, source=files[0].name)
    return graph, None, report


def _with_validation(graph: Graph, num_train: int, report: Report) -> Loaded:
    """The split whose first `num_train` edges were published as train and the others as test.

    There is no published validation part: a tenth of each user's train events is held out for it, seeded, and every
    user keeps one at least.
    """
    part = np.full(graph.num_edges, TEST, dtype=np.uint8)
    rng = np.random.default_rng(SEED)
    user = graph.edges[0, :num_train]
    part[:num_train] = deal_within(user, (1 - HELD_OUT, HELD_OUT, 0.0), rng, "load_dataset")
    held = int((part == VALID).sum())
    found = Finding("train events held out for validation", held, "noted")
    return graph, given_split(graph, part, "edge"), report.add([found])


def _both(first: Report, second: Report) -> Report:
    """What two readers found, the second having added to the graph of the first."""
    findings = [*first.findings, *second.findings]
    return Report(f"{first.source}, {second.source}", tuple(findings), {**first.summary, **second.summary})


class _TrustedUnpickler(pickle.Unpickler):
    """Opens pickles of NumPy arrays and SciPy CSR matrices and refuses whatever else they name."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "_reconstruct": np.ndarray([], dtype=object).__reduce__()[0],
            "ndarray": np.ndarray,
            "dtype": np.dtype,
            "csr_matrix": sp.csr_matrix,
        }
        if module.split(".")[0] not in ("numpy", "scipy") or name not in known:
            raise pickle.UnpicklingError(f"the file names {module}.{name}")
        return known[name]


def _unpickled(content: bytes) -> Any:
    """The one object in an .npy file of an object array."""
    file = io.BytesIO(content)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return _TrustedUnpickler(file).load().item()


LOADERS: dict[str, Loader] = {
    "blogcatalog": _blogcatalog,
    "ego-facebook": _bare_edges,
    "ca-astroph": _bare_edges,
    "lastfm-asia": _lastfm_asia,
    "football": _football,
    "polbooks": _polbooks,
    "fb15k-237": _triples,
    "wn18rr": _triples,
    "codex-s": _codex,
    "umls": _triples,
    "kinship": _triples,
    "nations": _triples,
    "gowalla": _gowalla,
    "gowalla-lightgcnpp": _gowalla_lightgcnpp,
    "lastfm": _lastfm,
    "movielens-100k": _movielens,
    "cora": _planetoid,
    "citeseer": _planetoid,
    "coauthor-cs": _coauthor,
    "chameleon": _chameleon,
    "cornell": _webkb,
    "wisconsin": _webkb,
}
