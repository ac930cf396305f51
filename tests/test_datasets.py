"""The registry of public data sets: its table and cards, fetching, and what each set holds once read."""

import dataclasses
import hashlib
import http.server
import io
import pickle
import re
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from graphtune.check import ArgumentError, DataError
from graphtune.datasets import dataset_info, fetch, list_datasets, load_dataset
from graphtune.datasets.info import DatasetInfo, File
from graphtune.datasets.load import LOADERS, _TrustedUnpickler
from graphtune.datasets.table import TABLE

CARDS = Path(__file__).parents[1] / "datasets"
CONTENT = b"a b\nb c\n" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


def test_table_loaders_and_cards_are_about_the_same_sets():
    cards = {path.stem for path in CARDS.glob("*.md")} - {"README"}
    assert set(list_datasets()) == set(LOADERS) == cards


@pytest.mark.parametrize("name", list_datasets())
def test_card_states_what_the_table_knows(name):
    info, card = dataset_info(name), (CARDS / f"{name}.md").read_text()
    assert info.name == name
    assert info.licence in card and f"<{info.page}>" in card
    for count, value in info.counts.items():
        assert f"| {count} | {value:,} |" in card
    for file in info.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.sha256 in card and file.path in card
        assert (file.url or "no public file") in card


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ArgumentError, match=r"'cora'.*Got 'corra'"):
        dataset_info("corra")


# --- what is in each set ---


@pytest.mark.parametrize("name", list_datasets())
def test_counts_are_those_of_the_table(name, data):
    if missing := [file.path for file in dataset_info(name).files if not (data / file.path).exists()]:
        pytest.skip(f"{missing[0]} is not there")
    loaded = load_dataset(name, data)
    graph, counts = loaded.graph, dict(dataset_info(name).counts)
    found = {"nodes": graph.num_nodes, "entities": graph.num_nodes, "edges": graph.num_edges}
    found["relations"] = graph.num_relations
    if graph.is_bipartite_events:
        found["users"], found["items"] = map(len, graph.ids.blocks)
    if graph.features is not None:
        found["features"] = graph.features.shape[1]
    if graph.label_names is not None:
        found["classes"] = found["labels"] = len(graph.label_names)
    if loaded.split is not None:
        summary, unit = loaded.split.summary(), f"{loaded.split.unit}s"
        found |= {part: summary[f"{part} {unit}"] for part in ("train", "valid", "test")}
        found["test with an unseen entity"] = summary.get("test edges with an unseen node", 0)
    assert {count: found[count] for count in counts} == counts
    assert loaded.name == name and loaded.report.summary["edges"] == graph.num_edges
    assert (loaded.split is not None) == ("test" in counts)


def test_labels_and_texts_say_what_the_nodes_are(data):
    football = load_dataset("football", data).graph
    conference = dict(zip(football.ids.values(range(115)), football.labels))
    known = {
        "ArizonaState": "Pacific Ten",
        "Cincinnati": "Conference USA",
        "Florida": "Southeastern",
        "FloridaState": "Atlantic Coast",
        "FresnoState": "Western Athletic",
        "NorthTexas": "Sun Belt",
        "NotreDame": "Independents",
        "Syracuse": "Big East",
        "Toledo": "Mid-American",
    }
    assert {team: football.label_names[conference[team]] for team in known} == known
    books = load_dataset("polbooks", data).graph
    assert sorted(np.bincount(books.labels)) == [13, 43, 49]
    assert books.label_names == ("conservative", "liberal", "neutral")
    blogs = load_dataset("blogcatalog", data).graph
    assert round(blogs.labels.sum() / blogs.num_nodes, 3) == 1.404
    cornell = load_dataset("cornell", data).graph
    assert cornell.texts[0].startswith("Patty Hough") and cornell.label_names[cornell.labels[0]] == "student"
    assert 166 in cornell.edges[1, cornell.edges[0] == 0]
    wordnet = load_dataset("wn18rr", data).graph
    assert wordnet.texts[wordnet.ids.index(["08769179"])[0]].startswith("saxony")


def test_movielens_by_hand(tmp_path):
    """Two ratings in a package that is laid out as the one that is fetched."""
    parts = {
        "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t20\n186\t5\t4\t10\n",
        "item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "5\tToy Story\t1995\tComedy Children's\n242\tKolya\t1996\tComedy\n",
        "user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "186\t39\tF\texecutive\t00000\n196\t49\tM\twriter\t55105\n",
    }
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as package:
        for part, text in parts.items():
            package.writestr(f"recbole/dataset_example/ml-100k/ml-100k.{part}", text)
    graph, split, _ = LOADERS["movielens-100k"]("movielens-100k", (tmp_path / "package.whl",))
    assert split is None and graph.ids.kinds == ("user", "item")
    assert [graph.ids.values(side) for side in graph.edges] == [[196, 186], [242, 5]]
    assert graph.weight.tolist() == [3, 4] and graph.time.tolist() == [20, 10]
    features = graph.features.toarray()
    of = {(kind, node): features[graph.ids.index([node], kind)[0]] for kind, node in (("item", 5), ("item", 242))}
    assert of["item", 5][:4].tolist() == [1, 0, 1, 1] and of["item", 242][:4].tolist() == [0, 1, 0, 1]
    assert features[graph.ids.index([196], "user")[0]][4:].tolist() == [49, 0, 1, 0, 1]


def test_planetoid_against_torch_geometric(data):
    from torch_geometric.io import read_planetoid_data

    loaded = load_dataset("citeseer", data)
    theirs = read_planetoid_data(str(data / "gnn/planetoid/CiteSeer/raw"), "citeseer")
    assert 2 * loaded.graph.num_edges == theirs.edge_index.shape[1]
    assert np.array_equal(loaded.graph.features.toarray(), theirs.x.numpy())
    assert np.array_equal(loaded.split.test_nodes, np.flatnonzero(theirs.test_mask.numpy()))
    absent = loaded.graph.labels < 0
    assert absent.sum() == 15 and not loaded.graph.features.toarray()[absent].any()
    assert np.array_equal(loaded.graph.labels[~absent], theirs.y.numpy()[~absent])


def test_gowalla_train_is_that_of_the_lists_and_validation_comes_from_it(data):
    loaded = load_dataset("gowalla", data)
    graph, part = loaded.graph, loaded.split.part
    listed = [line.split() for line in (data / "rec/gowalla/train.txt").read_text().splitlines()]
    theirs = {(int(user), int(item)) for user, *items in listed for item in items}
    user, item = graph.edges[:, part < 2]
    assert set(zip(user.tolist(), (item - 29858).tolist())) == theirs
    assert (loaded.split.train.adjacency("out").degree[:29858] > 0).all()
    again = load_dataset("gowalla", data).split.part
    assert np.array_equal(part, again)


def test_lastfm_users_without_train_events(data):
    loaded = load_dataset("lastfm", data)
    whole = loaded.graph.take_edges(loaded.split.part < 2)
    users = loaded.graph.ids.rows("user")
    assert 1892 - (whole.adjacency("out").degree[users] > 0).sum() == 14


def test_chameleon_targets_are_logarithms(data):
    graph = load_dataset("chameleon", data).graph
    assert graph.targets[graph.ids.index(["0", "3"])] == pytest.approx(np.log([171, 47178]))


def test_unpickler_refuses_programs():
    class Program:
        def __reduce__(self):
            return print, ("run",)

    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.print"):
        _TrustedUnpickler(io.BytesIO(pickle.dumps(Program()))).load()


# --- fetching ---


@pytest.fixture
def registered(monkeypatch, tmp_path):
    """Puts a data set of one file, to be served by `url`, into the table for a test."""
    monkeypatch.delenv("GRAPHTUNE_DATA", raising=False)
    monkeypatch.setenv("GRAPHTUNE_CACHE", str(tmp_path / "cache"))

    def register(url, sha256=SHA):
        info = DatasetInfo(
            "small", "a test", "none", "https://example.org/small", "none", {}, (File("a/b.txt", sha256, url),)
        )
        monkeypatch.setitem(TABLE, "small", info)
        return tmp_path / "cache" / "a" / "b.txt"

    return register


def served(tmp_path: Path) -> str:
    (tmp_path / "source.txt").write_bytes(CONTENT)
    return (tmp_path / "source.txt").as_uri()


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def test_fetch_downloads_once_and_verifies(registered, tmp_path):
    target = registered(served(tmp_path))
    assert fetch("small") == {"a/b.txt": target}
    assert target.read_bytes() == CONTENT and left(tmp_path / "cache") == ["b.txt"]
    (tmp_path / "source.txt").unlink()
    assert fetch("small") == {"a/b.txt": target}


def test_fetch_refuses_other_content_and_leaves_nothing(registered, tmp_path):
    url = served(tmp_path)
    registered(url, sha256="0" * 64)
    with pytest.raises(DataError, match=rf"The file {url} must have sha256 000000000000. Found {SHA[:12]}"):
        fetch("small")
    assert left(tmp_path / "cache") == []


def test_fetch_refuses_a_file_that_was_changed_on_disk(registered, tmp_path):
    target = registered(served(tmp_path))
    fetch("small")
    target.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"was cut or changed\. Remove it to fetch it again"):
        fetch("small")


def test_fetch_without_network_says_so_in_one_line(registered, tmp_path):
    registered("http://127.0.0.1:9/nothing")
    with pytest.raises(
        DataError, match=r"must be downloaded from http://127.0.0.1:9/nothing\. Got: .*refused.*Check the"
    ) as error:
        fetch("small")
    assert "\n" not in str(error.value) and left(tmp_path / "cache") == []


def test_fetch_of_a_missing_page_names_what_the_server_says(registered, tmp_path):
    registered((tmp_path / "absent.txt").as_uri())
    with pytest.raises(DataError, match="must be downloaded"):
        fetch("small")


def test_fetch_without_public_source_names_page_and_place(registered):
    target = registered(None)
    with pytest.raises(DataError, match=rf"See https://example.org/small, and put the file at {target}"):
        fetch("small")


def test_fetch_looks_in_the_named_directory_first(registered, tmp_path, monkeypatch):
    cached = registered(served(tmp_path))
    fetch("small")
    shared = tmp_path / "shared" / "a" / "b.txt"
    monkeypatch.setenv("GRAPHTUNE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ArgumentError, match="GRAPHTUNE_DATA"):
        fetch("small")
    shared.parent.mkdir(parents=True)
    monkeypatch.setenv("GRAPHTUNE_DATA", str(tmp_path / "shared"))
    assert fetch("small") == {"a/b.txt": cached}
    shared.write_bytes(CONTENT)
    assert fetch("small") == {"a/b.txt": shared}
    assert fetch("small", tmp_path / "own") == {"a/b.txt": tmp_path / "own" / "a" / "b.txt"}


class _Slow(http.server.BaseHTTPRequestHandler):
    """Serves the content, or with /cut half of what it promises."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path == "/cut" else CONTENT)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    running = http.server.HTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_fetch_over_http_shows_progress(registered, server, monkeypatch, capsys):
    monkeypatch.setattr("graphtune.datasets.download.FIRST_LINE", 0.0)
    target = registered(f"{server}/whole")
    fetch("small")
    assert target.read_bytes() == CONTENT
    output = capsys.readouterr()
    assert output.out == "" and re.search(r"b.txt: 0.0 of 0.0 MB, ETA 0 s", output.err)


def test_fetch_notices_a_cut_connection(registered, server, tmp_path):
    registered(f"{server}/cut")
    with pytest.raises(DataError, match="must be downloaded"):
        fetch("small")
    assert left(tmp_path / "cache") == []


def test_load_reads_what_fetch_brought(monkeypatch, tmp_path):
    info = dataset_info("ego-facebook")
    content = b"3\n0 1 1\n1 0 1\n1 2 1\n-1"
    (tmp_path / "node").mkdir()
    (tmp_path / info.files[0].path).write_bytes(content)
    with pytest.raises(DataError, match="must have sha256"):
        load_dataset("ego-facebook", tmp_path)
    file = File(info.files[0].path, hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(TABLE, "ego-facebook", dataclasses.replace(info, files=(file,)))
    graph = load_dataset("ego-facebook", tmp_path).graph
    assert (graph.num_nodes, graph.num_edges) == (3, 2)
