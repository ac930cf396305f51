"""`--start` of embed, finetune and run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file

import graphtune
from cli_help import QUICK, done, run, working_in, write_files

FROZEN = ("--dim", "8", "--quiet", "--set", "epochs=1", "--set", "lr=1e-12")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the files of `cli_help` and a model of friends.csv."""
    at = tmp_path_factory.mktemp("start")
    with working_in(at):
        write_files(at)
        done("embed", "friends.csv", "--out", "friends", *QUICK)
        yield at


def started(out: Path, *options: object) -> dict:
    """What `embed` says of the start; --out is removed by no one, so it is new each time."""
    return done("embed", "friends.csv", *options, "--out", out, *FROZEN, "--json").json["start"]


def test_known_vectors(place: Path, tmp_path: Path) -> None:
    done("export", "friends", "--format", "parquet", "--out", tmp_path / "all.parquet")
    table = pl.read_parquet(tmp_path / "all.parquet").head(20)
    table.write_parquet(tmp_path / "some.parquet")
    found = started(tmp_path / "new", "--start", tmp_path / "some.parquet", "--missing", "random")
    assert found == {
        "known": 20, "filled": 0, "new": 4, "ignored": 0, "from_dim": 8, "to_dim": 8, "skipped": [],
    }  # fmt: skip
    ids = table["id"].to_list()
    np.testing.assert_allclose(graphtune.load(tmp_path / "new").encode(ids), table.drop("id").to_numpy(), atol=1e-6)
    filled = started(tmp_path / "filled", "--start", tmp_path / "some.parquet")
    assert (filled["known"], filled["filled"] + filled["new"]) == (20, 4) and filled["filled"] > 0
    start = json.loads((tmp_path / "filled" / "run.json").read_text())["notes"]["start"]
    assert start.startswith(f"{tmp_path / 'some.parquet'}: 20 rows known, ") and "from their neighbours" in start
    assert f"- start: {start}\n" in (tmp_path / "filled" / "README.md").read_text()


def test_a_model_directory(place: Path, tmp_path: Path) -> None:
    assert started(tmp_path / "twin", "--start", "friends")["known"] == 24
    np.testing.assert_allclose(
        graphtune.load(tmp_path / "twin").encode(), graphtune.load("friends").encode(), atol=1e-6
    )
    found = started(tmp_path / "line", "--start", "friends", "--model", "line", "--set", "batch_size=64")
    assert (found["known"], found["from_dim"], found["to_dim"]) == (24, 8, 8)


@pytest.mark.parametrize("name", ["xavier", "normal", "orthogonal", "spectral", "svd"])
def test_starts_by_name(place: Path, tmp_path: Path, name: str) -> None:
    found = started(tmp_path / "m", "--start", name)
    assert found["known"] + found["new"] + found["filled"] == 24
    assert (found["known"] > 20) == (name in ("spectral", "svd"))
    started(tmp_path / "again", "--start", name)
    first, again = (graphtune.load(tmp_path / place) for place in ("m", "again"))
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), again.parameters()))


def test_the_dim_is_changed_or_refused(place: Path, tmp_path: Path) -> None:
    wide = ("embed", "friends.csv", "--dim", "4", "--set", "epochs=1", "--quiet", "--start", "friends")
    assert "must be of dim 4" in run(*wide, "--out", tmp_path / "m", "--resize", "refuse").error
    found = done(*wide, "--out", tmp_path / "m", "--json").json["start"]
    assert (found["from_dim"], found["to_dim"]) == (8, 4)


def test_a_state_of_pyg(place: Path, tmp_path: Path) -> None:
    weights = {"embedding.weight": torch.randn(24, 8), "lin.weight": torch.zeros(2, 8)}
    save_file(weights, tmp_path / "state.safetensors")
    found = started(tmp_path / "m", "--start", tmp_path / "state.safetensors")
    assert found["known"] == 24 and found["skipped"] == ["lin.weight"]
    torch.save(weights, tmp_path / "state.pt")
    outcome = run("embed", "friends.csv", "--start", tmp_path / "state.pt", "--out", tmp_path / "n", *QUICK)
    assert outcome.code == 2 and "safetensors.torch.save_file" in outcome.error and not (tmp_path / "n").exists()


def test_vectors_of_the_size_of_the_rows_they_replace(place: Path, tmp_path: Path) -> None:
    """All are known, so one factor lies between the two starts; FROZEN trains nothing visible."""
    done("export", "friends", "--format", "parquet", "--out", tmp_path / "all.parquet")
    vectors = {}
    for scale in ("keep", "own"):
        started(tmp_path / scale, "--start", tmp_path / "all.parquet", "--scale", scale)
        vectors[scale] = graphtune.load(tmp_path / scale).embeddings().numpy()
    factors = vectors["own"] / vectors["keep"]
    np.testing.assert_allclose(factors, factors.mean(), rtol=1e-3)
    assert abs(factors.mean() - 1) > 0.01


@pytest.mark.parametrize(
    "options, said",
    [
        (("--start", "xaver"), "xavier, normal, orthogonal, spectral, svd, a file or a model directory"),
        (("--start", "xavier", "--missing", "random"), "`--missing` of embed must be left out"),
        (("--start", "spectral", "--resize", "refuse"), "`--resize` of embed must be left out"),
        (("--start", "spectral", "--scale", "own"), "`--scale` of embed must be left out"),
        (("--missing", "random"), "`--missing` of embed must be left out"),
        (("--start", "friends", "--missing", "mean"), "'neighbours', 'random'"),
        (("--start", "friends", "--resize", "cut"), "'project', 'refuse'"),
        (("--start", "friends", "--scale", "unit"), "'keep', 'own'"),
        (("--start", "friends", "--model", "netmf"), "NetMF is solved, not trained"),
        (("--start", "clubs.csv"), "ends in .parquet"),
        (("--start", "strangers.npz"), "about nodes of the graph; strangers.npz knows none of them"),
    ],
)
def test_starts_that_are_none(place: Path, tmp_path: Path, options: tuple, said: str) -> None:
    np.savez(place / "strangers.npz", ids=np.array(["a"]), matrix=np.ones((1, 8)))
    outcome = run("embed", "friends.csv", "--out", tmp_path / "m", "--dim", "8", "--quiet", *options)
    assert outcome.code == 2 and said in outcome.error
    assert not (tmp_path / "m").exists()


def test_knowledge_graph_from_the_graph_without_relations(place: Path, tmp_path: Path) -> None:
    plain = ("--columns", "0,2", "--no-header", "--split", "none")
    done("embed", "facts.tsv", *plain, "--model", "line", "--out", tmp_path / "line", *QUICK)
    facts = ("embed", "facts.tsv", "--triples", "--model", "complex", "--start", tmp_path / "line", *QUICK)
    found = done(*facts, "--out", tmp_path / "complex", "--json").json["start"]
    assert (found["known"], found["new"], found["to_dim"]) == (35, 0, 8)


def test_finetune_from_elsewhere(place: Path, tmp_path: Path) -> None:
    tune = ("finetune", "friends", "--task", "link-prediction", "--set", "epochs=1", "--quiet", "--json")
    plain = done(*tune, "--out", tmp_path / "plain").json
    random = done(*tune, "--out", tmp_path / "random", "--start", "orthogonal").json
    assert plain["start"] is None and random["start"]["new"] == 24
    assert random["pretrained"] == plain["pretrained"] and random["fine_tuned"] != plain["fine_tuned"]
    same = done(*tune, "--out", tmp_path / "same", "--start", "friends").json
    assert same["start"]["known"] == 24 and same["fine_tuned"] == plain["fine_tuned"]


def test_resume_knows_the_start(place: Path, tmp_path: Path) -> None:
    begin = ("embed", "friends.csv", "--out", tmp_path / "m", *QUICK, "--resume")
    done(*begin, "--start", "spectral")
    assert "finished" in done(*begin, "--start", "spectral").out
    assert "start was 'spectral', is 'xavier'" in run(*begin, "--start", "xavier").error


def test_run_starts_by_name_and_by_file(place: Path, tmp_path: Path) -> None:
    text = '[data]\nedges = "friends.csv"\n[embed]\nout = "{out}"\ndim = 8\nstart = "{start}"\nset = {{ epochs = 1 }}\n'
    for start in ("xavier", "friends"):
        (place / "config.toml").write_text(text.format(out=tmp_path / start, start=start))
        found = done("run", "config.toml", "--quiet", "--json").json["embed"]["start"]
        assert found["known"] == (24 if start == "friends" else 0)


@pytest.mark.parametrize("model", ["bprmf", "lightgcn"])
def test_a_recommender_starts_from_walks_over_the_same_log(place: Path, tmp_path: Path, model: str) -> None:
    log = "log.csv", "--events", "user,item,time", *QUICK
    done("embed", *log, "--model", "node2vec", "--out", tmp_path / "walks")
    begin = "--model", model, "--start", tmp_path / "walks", "--scale", "own"
    found = done("embed", *log, *begin, "--out", tmp_path / "m", "--json").json
    assert found["start"]["known"] == len(graphtune.load(tmp_path / "walks").ids)
    assert found["metrics"]["recommendation"]["counts"]["users"] > 0
