"""Model directories and vector files: bit for bit back, and never half there."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import graphtune as gt
from graphtune import store
from graphtune.files import exchange
from graphtune.models import HeadSpec
from graphtune.start import start_from
from graphtune.vectors import read_vectors, vectors_of, write_vectors

RING = np.stack([np.arange(12), (np.arange(12) + 1) % 12])
NAMES = [f"n {i}" for i in range(12)]


def ring(**fields: object) -> gt.Graph:
    return gt.Graph(RING, gt.NodeIds.of(NAMES), **fields)  # type: ignore[arg-type]


def triples() -> gt.Graph:
    relation = np.arange(12) % 2
    return ring(directed=True, relation=relation, relation_ids=gt.NodeIds.of(["next", "after"]))


def events() -> gt.Graph:
    ids = gt.NodeIds.of(range(4), range(6), kinds=("user", "item"))
    edges = np.array([[0, 0, 1, 1, 2, 2, 3, 3], [4, 5, 5, 6, 7, 8, 8, 9]])
    return gt.Graph(edges, ids, directed=True, time=np.arange(8))


def rich() -> gt.Graph:
    return ring(
        weight=np.linspace(1, 2, 12),
        features=sp.csr_array(np.eye(12, dtype=np.float32)),
        labels=np.arange(12) % 3,
        label_names=("a", "b", "c"),
        targets=np.linspace(0, 1, 12),
        texts=tuple(f"text {i}" for i in range(12)),
    )


MODELS = {
    "deepwalk": (gt.DeepWalk(dim=4), ring),
    "node2vec": (gt.Node2Vec(dim=4), ring),
    "line": (gt.LINE(dim=4), ring),
    "line in half tables": (gt.LINE(dim=4, table_dtype="bfloat16"), ring),
    "gcn": (gt.GCN(dim=4, hidden=4), rich),
    "gat without features": (gt.GAT(dim=4, hidden=4, heads=2), ring),
    "graphsage": (gt.GraphSAGE(dim=4, hidden=4), rich),
    "complex": (gt.ComplEx(dim=4), triples),
    "distmult": (gt.DistMult(dim=4), triples),
    "transe": (gt.TransE(dim=4), triples),
    "rotate": (gt.RotatE(dim=4), triples),
    "rescal": (gt.RESCAL(dim=4), triples),
    "tucker": (gt.TuckER(dim=4, relation_dim=3), triples),
    "conve": (gt.ConvE(dim=4, channels=2, kernel=2), triples),
    "quate": (gt.QuatE(dim=4), triples),
    "cp": (gt.CP(dim=4), triples),
    "simple": (gt.SimplE(dim=4), triples),
    "bprmf": (gt.BPRMF(dim=4), events),
    "lightgcn": (gt.LightGCN(dim=4), events),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_family_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    recipe, graph = MODELS[name]
    model = recipe.build(graph(), seed=3)
    model.add_head("roles", HeadSpec(4, 2), seed=1)
    model.outputs["roles"] = {"classes": ["x", "y"]}
    store.save(tmp_path / "m", model)
    again = store.load(tmp_path / "m")
    assert again.recipe == recipe
    assert again.outputs == model.outputs
    assert again.ids == model.ids
    ours, theirs = model.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    for side in ("source", "target"):
        assert np.array_equal(model.encode(side=side), again.encode(side=side))


def test_graph_split_and_record_come_back(tmp_path: Path) -> None:
    split = gt.split_edges(rich(), seed=1)
    record = gt.Record(split, {"epochs": 2}, {}, [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "auc": 0.5}], {"by": "me"})
    store.save(tmp_path / "m", gt.GCN(dim=4, hidden=4).build(split.train), record)
    found = store.open_directory(tmp_path / "m")
    assert found.record.split is not None
    assert found.record.split.graph.fingerprint == split.graph.fingerprint
    assert np.array_equal(found.record.split.part, split.part)
    assert (found.record.split.kind, found.record.split.seed) == (split.kind, 1)
    assert found.model.graph.num_edges == split.train.num_edges
    assert found.record.history == record.history
    assert found.record.notes == {"by": "me"}
    assert found.record.training == {"epochs": 2}
    assert "GCN" in (tmp_path / "m" / "README.md").read_text()


def test_integer_ids_and_kinds_come_back(tmp_path: Path) -> None:
    store.save(tmp_path / "m", gt.BPRMF(dim=2).build(events()))
    again = store.load(tmp_path / "m")
    assert again.ids.kinds == ("user", "item")
    assert again.ids.values(np.array([0, 4])) == [0, 0]
    assert again.graph.time.tolist() == list(range(8))  # type: ignore[union-attr]


def damage_cut(path: Path) -> str:
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-20])
    return "model.safetensors"


def damage_flip(path: Path) -> str:
    content = bytearray((path / "graph.safetensors").read_bytes())
    content[-1] ^= 1
    (path / "graph.safetensors").write_bytes(bytes(content))
    return "graph.safetensors"


def damage_missing_file(path: Path) -> str:
    (path / "nodes.parquet").unlink()
    return "nodes.parquet"


def damage_missing_manifest(path: Path) -> str:
    (path / "run.json").unlink()
    return "run.json"


def damage_not_json(path: Path) -> str:
    (path / "run.json").write_text("{")
    return "run.json"


def damage_other_format(path: Path) -> str:
    run = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(run | {"format": 99}))
    return "format 1"


DAMAGES = [damage_cut, damage_flip, damage_missing_file, damage_missing_manifest, damage_not_json, damage_other_format]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_named(damage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store.save(tmp_path / "m", gt.DeepWalk(dim=4).build(ring()))
    named = damage(tmp_path / "m")
    with pytest.raises(gt.DataError, match=named) as caught:
        store.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


def test_foreign_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(gt.ArgumentError, match="must be a model directory"):
        store.load(tmp_path / "nothing")
    with pytest.raises(gt.DataError, match=r"run\.json"):
        store.load(tmp_path)


def test_what_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    model = gt.DeepWalk(dim=4).build(ring())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(gt.ArgumentError, match="other files"):
            store.save(tmp_path / "other", model, overwrite=overwrite)
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"
    store.save(tmp_path / "m", model)
    with pytest.raises(gt.ArgumentError, match="--overwrite"):
        store.save(tmp_path / "m", model)
    store.save(tmp_path / "m", gt.DeepWalk(dim=4).build(ring(), seed=9), overwrite=True)
    assert not np.array_equal(store.load(tmp_path / "m").encode(), model.encode())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "other"]


def test_a_failed_save_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = gt.DeepWalk(dim=4).build(ring())
    store.save(tmp_path / "m", model)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(gt.DataError, match="No space left"):
        store.save(tmp_path / "m", gt.DeepWalk(dim=4).build(ring(), seed=9), overwrite=True)
    monkeypatch.undo()
    assert np.array_equal(store.load(tmp_path / "m").encode(), model.encode())
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_kill_while_saving_leaves_the_old_model(tmp_path: Path) -> None:
    model = gt.DeepWalk(dim=4).build(ring())
    store.save(tmp_path / "m", model)
    script = (
        "import os, signal, sys, graphtune as gt\n"
        "from graphtune.store import load, write\n"
        "model = load(sys.argv[1])\n"
        "write.commit_text = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write.save(sys.argv[1], model, overwrite=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "m")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert np.array_equal(store.load(tmp_path / "m").encode(), model.encode())


@pytest.mark.parametrize("swaps", [True, False])
def test_directories_change_places(swaps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("new", "place"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    if not swaps:
        monkeypatch.setattr("graphtune.files._swap", lambda *paths: False)
    exchange(tmp_path / "new", tmp_path / "place")
    assert (tmp_path / "place" / "content").read_text() == "new"
    assert (tmp_path / "new" / "content").read_text() == "place"
    assert len(list(tmp_path.iterdir())) == 2


def test_others_may_read_what_is_saved(tmp_path: Path) -> None:
    store.save(tmp_path / "m", gt.DeepWalk(dim=4).build(ring()))
    mask = os.umask(0o022)
    os.umask(mask)
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "m").iterdir()} == {0o666 & ~mask}


def test_a_model_of_ones_own_is_named_by_the_caller(tmp_path: Path) -> None:
    class Mine(gt.DeepWalk):
        """A recipe that graphtune does not know."""

    store.save(tmp_path / "m", Mine(dim=4).build(ring()))
    with pytest.raises(gt.DataError, match="Mine"):
        store.load(tmp_path / "m")
    assert type(store.load(tmp_path / "m", recipes=[Mine]).recipe).__name__ == "Mine"


def test_nothing_saved_can_run_code(tmp_path: Path) -> None:
    store.save(tmp_path / "m", gt.GCN(dim=4, hidden=4).build(rich()))
    suffixes = {p.suffix for p in (tmp_path / "m").iterdir()}
    assert suffixes == {".safetensors", ".parquet", ".json", ".md"}


@pytest.mark.parametrize("format, suffix", [("parquet", ".parquet"), ("word2vec", ".txt"), ("npz", ".npz")])
def test_vectors_come_back(format: str, suffix: str, tmp_path: Path) -> None:
    graph = gt.Graph(RING, gt.NodeIds.of(range(100, 112)))
    model = gt.DeepWalk(dim=4).build(graph, seed=5)
    path = tmp_path / f"v{suffix}"
    write_vectors(path, vectors_of(model), format)
    other = gt.DeepWalk(dim=4).build(graph, seed=6)
    report = start_from(other, read_vectors(path))
    assert (report.known, report.new, report.ignored) == (12, 0, 0)
    assert np.allclose(other.encode(), model.encode(), atol=1e-6)


def test_word2vec_keeps_users_and_items_apart(tmp_path: Path) -> None:
    ids = gt.NodeIds.of([7, 8], [7, 9], kinds=("user", "item"))
    graph = gt.Graph(np.array([[0, 1], [2, 3]]), ids, directed=True)
    model, other = (gt.BPRMF(dim=4).build(graph, seed) for seed in (1, 2))
    write_vectors(tmp_path / "v.txt", vectors_of(model), "word2vec")
    report = start_from(other, read_vectors(tmp_path / "v.txt"))
    assert (report.known, report.new, report.ignored) == (4, 0, 0)
    assert np.allclose(other.encode(), model.encode(), atol=1e-6)


def test_npy_is_the_matrix_in_row_order(tmp_path: Path) -> None:
    model = gt.DeepWalk(dim=4).build(ring())
    write_vectors(tmp_path / "v.npy", vectors_of(model), "npy")
    assert np.array_equal(np.load(tmp_path / "v.npy"), model.encode())


def test_word2vec_file_is_gensims(tmp_path: Path) -> None:
    from gensim.models import KeyedVectors

    graph = gt.Graph(RING, gt.NodeIds.of([f"n{i}" for i in range(12)]))
    model = gt.DeepWalk(dim=4).build(graph)
    write_vectors(tmp_path / "v.txt", vectors_of(model), "word2vec")
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"))
    assert np.allclose(keyed["n7"], model.encode(["n7"])[0], atol=1e-6)
    keyed.save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    assert np.allclose(read_vectors(tmp_path / "v.bin").matrix, model.encode(), atol=1e-6)


def test_ids_with_spaces_do_not_go_to_word2vec(tmp_path: Path) -> None:
    with pytest.raises(gt.ArgumentError, match="n 0"):
        write_vectors(tmp_path / "v.txt", vectors_of(gt.DeepWalk(dim=4).build(ring())), "word2vec")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, content", [("v.parquet", b"no"), ("v.txt", b"a b\nc"), ("v.npz", b"PK"), ("v.doc", b"")]
)
def test_broken_vector_files(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(gt.GraphtuneError, match=name.replace(".", r"\.")) as caught:
        read_vectors(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_target(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(gt.ArgumentError, match="can be written"):
        store.check_target(tmp_path / "m")
