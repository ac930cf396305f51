"""`graphtune extend`: new nodes for a saved model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import graphtune
from cli_help import QUICK, done, make_models, run, snapshot, working_in, write_files
from graphtune.split import UNUSED


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the files and models of `cli_help`, and with new edges for them."""
    at = tmp_path_factory.mktemp("extend")
    with working_in(at):
        write_files(at)
        make_models(at)
        (at / "new.tsv").write_text(
            "new1\tknows\tp3\nnew1\tlives_in\tc2\nnew2\tknows\tnew1\np0\tlives_in\tc0\nq\tknows\tr\n"
        )
        (at / "later.csv").write_text("source,target,weight\nm1,n3,2\nm1,n4,1\n")
        (at / "tomorrow.csv").write_text("user,item,time\n77,3,9000\n77,4,9001\n5,88,9002\n")
        yield at


def test_extend(place: Path, tmp_path: Path) -> None:
    before = snapshot(place / "facts")
    out = tmp_path / "and more"
    shown = done("extend", "facts", "new.tsv", "--out", out)
    assert snapshot(place / "facts") == before
    assert "ComplEx: 4 new nodes, 1 to 3 edges each; 2 of them without a way to a known node" in shown.out
    assert "1 known or repeated edges left out" in shown.out
    assert "new1" in shown.out and f"graphtune neighbors '{out}' new1" in shown.out
    small, stored = graphtune.load(place / "facts"), graphtune.open_directory(out)
    ids = small.ids.values(np.arange(len(small.ids)))
    np.testing.assert_array_equal(stored.model.encode(ids), small.encode())
    assert stored.record.split.audit() == ()
    assert stored.record.metrics == {}
    assert "new.tsv" in (out / "run.json").read_text()
    assert "answers" in done("predict", out, "new1", "lives_in", "?", "--json").json
    assert done("evaluate", out, "--task", "triple-completion", "--json").json["metrics"]["mrr"]["n"] > 0
    tuned = done(
        "finetune", out, "--task", "triple-completion", "--out", tmp_path / "tuned", "--set", "epochs=1", "--quiet"
    )
    assert tuned.code == 0


def test_extend_in_json_and_with_training(place: Path, tmp_path: Path) -> None:
    found = done(
        "extend", "facts", "new.tsv", "--out", tmp_path / "a", "--set", "epochs=2", "--seed", "3", "--json"
    ).json
    assert found["new_nodes"] == 4 and found["untold"] == ["q", "r"] and found["known"] == 1
    assert {"id": "new1", "edges": 3} in found["nodes"]
    closed = done("extend", "facts", "new.tsv", "--out", tmp_path / "b", "--quiet")
    assert closed.err == ""
    first, second = (graphtune.load(tmp_path / name) for name in "ab")
    moved = np.abs(first.encode() - second.encode()).max(axis=1) > 0
    assert first.ids.values(np.flatnonzero(moved))[:2] == ["new1", "new2"] and moved.sum() <= 4


def test_extend_edges_and_events(place: Path, tmp_path: Path) -> None:
    done("embed", "friends.csv", "--weight", "weight", "--out", tmp_path / "friends", *QUICK)
    found = done(
        "extend", tmp_path / "friends", "later.csv", "--weight", "weight", "--out", tmp_path / "f", "--json"
    ).json
    assert found["nodes"] == [{"id": "m1", "edges": 2}]
    done("neighbors", tmp_path / "f", "m1")
    found = done("extend", "log", "tomorrow.csv", "--events", "user,item,time", "--out", tmp_path / "l", "--json").json
    assert [node["id"] for node in found["nodes"]] == [77, 88] or found["new_nodes"] == 2
    assert done("recommend", tmp_path / "l", "77", "--json").json["items"]


def test_extend_keeps_the_parts_of_nodes(place: Path, tmp_path: Path) -> None:
    tuned = ("finetune", "friends-all", "--task", "node-classification", "--labels", "clubs.csv", "--set", "epochs=1")
    done(*tuned, "--out", tmp_path / "tuned", "--quiet")
    (tmp_path / "later.csv").write_text("source,target\nm1,n3\n")
    done("extend", tmp_path / "tuned", tmp_path / "later.csv", "--out", tmp_path / "more", "--quiet")
    before, after = (graphtune.open_directory(tmp_path / name) for name in ("tuned", "more"))
    assert after.record.split.part.tolist() == [*before.record.split.part.tolist(), UNUSED]
    assert done("predict", tmp_path / "more", "--nodes", "m1", "--json").json["nodes"][0]["id"] == "m1"
    done("evaluate", tmp_path / "more", "--task", "node-classification")


def test_extend_refuses(place: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x")
    (tmp_path / "hates.tsv").write_text("new1\thates\tp3\n")
    assert "relations that the model knows" in run("extend", "facts", tmp_path / "hates.tsv", *out).error
    (tmp_path / "apart.tsv").write_text("a\tknows\tb\n")
    assert "about nodes that the model knows, too" in run("extend", "facts", tmp_path / "apart.tsv", *out).error
    (tmp_path / "old.tsv").write_text("p1\tknows\tp2\n")
    assert "about a node that the model does not know" in run("extend", "facts", tmp_path / "old.tsv", *out).error
    assert "`--events` of extend" in run("extend", "log", "tomorrow.csv", *out).error
    assert "It holds a model" in run("extend", "facts", "new.tsv", "--out", "facts").error
    assert "Did you mean 'epochs'" in run("extend", "facts", "new.tsv", *out, "--set", "epoch=2").error
    assert not (tmp_path / "x").exists()


def test_extend_a_log_of_events(place: Path, tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("user,item,time\n77,88,9000\n77,3,9001\n78,88,9002\n5,88,9003\n5,4,9004\n")
    done("embed", "log.csv", "--events", "user,item,time", "--model", "lightgcn", "--out", tmp_path / "lg", *QUICK)
    out = tmp_path / "more"
    shown = done("extend", tmp_path / "lg", tmp_path / "day.csv", "--events", "user,item,time", "--out", out).out
    assert "LightGCN: 2 new users, 1 to 2 events each; 1 new items, 3 events each" in shown
    assert f"graphtune recommend {out} 77" in shown
    small, big = graphtune.load(tmp_path / "lg"), graphtune.load(out)
    for kind, block in zip(small.ids.kinds, small.ids.blocks):
        names = block.to_pylist()
        np.testing.assert_array_equal(big.encode(names, kind=kind), small.encode(names, kind=kind))
    options = ("--events", "user,item,time", "--rows", "solve", "--json")
    found = done("extend", "log", tmp_path / "day.csv", *options, "--out", tmp_path / "solved").json
    assert found["of_kind"] == {"user": 2, "item": 1}
    assert {"id": "88", "edges": 3, "kind": "item"} in [{**node, "id": str(node["id"])} for node in found["nodes"]]
    refused = run("extend", tmp_path / "lg", tmp_path / "day.csv", *options, "--out", tmp_path / "no").error
    assert "`rows` of add_nodes must be 'mean'" in refused


def test_a_split_without_validation_is_told(tmp_path: Path) -> None:
    """All users come in the first days, so the newest ones of the ratios leave nothing between."""
    events = [f"{u},{(u + 7 * k) % 15},{u + 100 * k}" for u in range(20) for k in range(6)]
    (tmp_path / "early.csv").write_text("\n".join(["user,item,time", *events]) + "\n")
    log = (tmp_path / "early.csv", "--events", "user,item,time", "--model", "bprmf", "--dim", "8", "--set", "epochs=1")
    assert "no edge is left to validate on" in done("embed", *log, "--by", "new-users", "--out", tmp_path / "new").err
    assert "no edge is left to validate on" not in done("embed", *log, "--out", tmp_path / "user").err


@pytest.mark.parametrize("by", ["time", "cold-users", "new-users"])
def test_extend_a_log_divided_by_time(by: str, place: Path, tmp_path: Path) -> None:
    done("embed", "log.csv", "--events", "user,item,time", "--by", by, "--out", tmp_path / "lg", *QUICK)
    found = ("--events", "user,item,time", "--out", tmp_path / "more", "--quiet")
    done("extend", tmp_path / "lg", "tomorrow.csv", *found)
    assert graphtune.open_directory(tmp_path / "more").record.split.kind == "updated"
