"""Every command from end to end on small graphs, as text and as JSON, and the guide to them."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import graphtune
from cli_help import QUICK, done, make_models, run, snapshot, working_in, write_files
from graphtune.cli import room
from graphtune.cli.app import app
from graphtune.cli.data import OF_EVENTS, RELATIONAL
from graphtune.cli.settings import parse_settings, read
from graphtune.cli.talk import plain, waiting
from graphtune.models import RECIPES
from graphtune.train.checkpoint import Checkpoints

GUIDE = Path(__file__).parents[1] / "docs" / "cli.md"
COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]
GCN = ("--model", "gcn", "--dim", "8", "--set", "hidden=8", "--quiet")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the files and models of `cli_help`, which is the current one while this file runs."""
    at = tmp_path_factory.mktemp("cli")
    with working_in(at):
        write_files(at)
        make_models(at)
        yield at


# --- inspect ---


def test_inspect(place: Path) -> None:
    text = done("inspect", "friends.csv", "--weight", "weight").out
    assert "edges, undirected: 24 nodes" in text
    assert "Degrees of nodes" in text
    assert "deepwalk, dim 128" in text
    found = done("inspect", "log.csv", "--events", "user,item,time", "--json").json
    assert found["kind"] == "events"
    assert found["size"] == {"nodes": 35, "users": 20, "items": 15, "edges": 120, "components": 1}
    assert found["has"] == ["time"]
    assert found["degrees"]["user"] == {
        "least": 6, "median": 6.0, "mean": 6.0, "most": 6, "highest": found["degrees"]["user"]["highest"],
    }  # fmt: skip
    assert found["patterns"] is None and found["leaks"] == []
    assert done("inspect", "facts.tsv", "--triples", "--json").json["embed"]["model"] == "complex"


def test_inspect_tells_patterns_of_relations(place: Path, tmp_path: Path) -> None:
    kin = [f"p{i}\tparent_of\tq{i}\nq{i}\tchild_of\tp{i}\nq{i}\tparent_of\tr{i}" for i in range(9)]
    kin += [f"p{i}\telder_of\tr{i}\nr{i}\tchild_of\tq{i}" for i in range(9)]
    (tmp_path / "kin.tsv").write_text("\n".join(kin) + "\n")
    asked = ("inspect", tmp_path / "kin.tsv", "--triples")
    text = done(*asked).out
    assert "parent_of is child_of read backwards in 100 % of its pairs (18)" in text
    assert "parent_of, then parent_of, gives elder_of in 100 % of the pairs that they join (9)" in text
    assert "warning: child_of is parent_of read backwards" in text and "Too many paths" not in text
    found = done(*asked, "--json").json["patterns"]
    rule = {"kind": "composition", "relations": ["parent_of"] * 2 + ["elder_of"], "support": 9, "confidence": 1.0}
    assert rule in found["found"] and found["walked_from"] == 1 and len(found["warnings"]) == 1
    assert "none that hold" not in done("inspect", "facts.tsv", "--triples").out


def test_inspect_asks_for_a_model() -> None:
    found = [
        done("inspect", "friends.csv", "--model", "line", "--dim", dim, *split, "--json").json["embed"]
        for dim in (16, 64)
        for split in ((), ("--split", "none"))
    ]
    assert [f["dim"] for f in found] == [16, 16, 64, 64] and all(f["model"] == "line" and f["fits"] for f in found)
    assert found[2]["bytes"] > found[0]["bytes"] and found[2]["bytes"] > found[3]["bytes"] > 0
    assert all(f["seconds"] >= 0 and f["bytes"] == max(f["bytes_at"].values()) for f in found)
    assert "evaluation" in found[0]["bytes_at"] and "evaluation" not in found[1]["bytes_at"]
    assert "--model" in run("inspect", "friends.csv", "--model", "complex").error


def test_what_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    free = types.SimpleNamespace(available=10_000)
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: free)
    assert "warning: this takes about" in done("inspect", "friends.csv").out
    told = done("embed", "friends.csv", "--out", "tight", *QUICK[:-1]).err
    assert "are free" in told and "--split none" in told


def test_embed_on_disk(place: Path) -> None:
    asked = ("embed", "friends.csv", "--weight", "weight", "--on-disk", "friends-graph", *QUICK)
    first = done(*asked, "--out", "from-disk", "--json").json
    assert first["split"] is None and first["edges_learned"] == first["edges"]
    again = done(*asked, "--out", "from-disk-2").err
    assert (place / "friends-graph" / "lists-both" / "indices.npy").exists() and "error" not in again
    third = done("embed", "friends-graph", "--out", "from-disk-3", *QUICK, "--json").json
    assert third["edges"] == first["edges"]
    models = [graphtune.load(f"from-disk{end}") for end in ("", "-2", "-3")]
    assert all(np.array_equal(models[0].encode(), m.encode()) for m in models[1:]) and models[0].graph.on_disk
    one = models[0].ids.values([0])[0]
    assert len(done("neighbors", "from-disk", one, "-k", 3, "--json").json["neighbors"]) == 3
    assert "graph on disk" in run(*asked, "--out", "x", "--split", "7:2:1").error
    for option in (("--directed",), ("--no-header",), ("--label-attribute", "club")):
        assert "left out for a graph in a directory" in run("embed", "friends-graph", *option, "--out", "x").error
    assert "--on-disk" in run("inspect", "facts.tsv", "--triples", "--on-disk", "facts-graph").error
    assert done("inspect", "friends-graph", "--json").json["size"]["edges"] == first["edges"]
    shutil.rmtree(place / "friends-graph")
    assert "must have its graph on disk" in run("neighbors", "from-disk", one).error


def test_inspect_and_help_are_quick() -> None:
    code = "import sys; from graphtune.cli.app import app; app(['--help'], standalone_mode=False)"
    found = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True)
    loaded = {line.rsplit("|", 1)[1].strip() for line in found.stderr.splitlines() if "|" in line}
    assert not {"torch", "numba", "numpy", "pyarrow", "polars", "sklearn"} & loaded
    assert "embed" in found.stdout
    code = "import sys; import graphtune.cli.inspect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_help_takes_less_than_a_second() -> None:
    times = []
    for _ in range(10):
        begin = time.monotonic()
        subprocess.run([sys.executable, "-m", "graphtune", "--help"], capture_output=True, check=True)
        times.append(time.monotonic() - begin)
        if times[-1] < 1:
            return
    pytest.fail(f"--help took {times} s")


# --- embed ---


def test_embed_learns_the_train_part_and_says_so(place: Path, tmp_path: Path) -> None:
    outcome = done("embed", "friends.csv", "--weight", "weight", "--out", tmp_path / "new", *QUICK[:4])
    assert "Split (edges)" in outcome.err
    assert "--split none learns all" in outcome.out
    assert "graphtune finetune" in outcome.out
    model = graphtune.load(tmp_path / "new")
    stored = graphtune.open_directory(tmp_path / "new").record
    assert model.graph.num_edges == stored.split.train.num_edges < stored.split.graph.num_edges
    assert stored.split.graph.weight is not None
    assert stored.metrics["link-prediction"]["part"] == "test"
    assert stored.training["epochs"] == 1
    assert stored.notes["command"] == "embed"
    assert "24 nodes" in stored.notes["report"][0]


def test_embed_in_json(place: Path, tmp_path: Path) -> None:
    found = done("embed", "friends.csv", "--out", tmp_path / "new", *QUICK, "--json").json
    assert found["model"] == "DeepWalk"
    assert found["dim"] == 8
    assert found["split"]["kind"] == "edges"
    assert 0 <= found["metrics"]["link-prediction"]["metrics"]["auc"]["mean"] <= 1
    assert found["next"][0].startswith("graphtune neighbors")


def test_embed_without_a_split_learns_every_edge(place: Path) -> None:
    stored = graphtune.open_directory(place / "friends-all")
    assert stored.record.split is None
    assert stored.record.metrics == {}
    assert stored.model.graph.num_edges == done("inspect", "friends.csv", "--json").json["size"]["edges"]


def test_embed_picks_the_model_by_the_data(place: Path, tmp_path: Path) -> None:
    assert graphtune.load(place / "friends").recipe == graphtune.DeepWalk(dim=8)
    assert isinstance(graphtune.load(place / "facts").recipe, graphtune.ComplEx)
    found = done("embed", "log.csv", "--events", "user,item,time", "--out", tmp_path / "new", *QUICK, "--json").json
    assert found["model"] == "LightGCN"


@pytest.mark.parametrize(
    "name",
    [n for n in RECIPES if n not in ("deepwalk", "complex", "lightgcn", "text", "pathranking", *OF_EVENTS)],
)
def test_every_model_by_its_name(name: str, place: Path, tmp_path: Path) -> None:
    triples = ("facts.tsv", "--triples") if name in RELATIONAL else ("friends.csv",)
    options = ("--dim", "8", "--quiet") if hasattr(RECIPES[name], "solve") else QUICK
    found = done("embed", *triples, "--model", name, "--out", tmp_path / "new", *options, "--json").json
    assert found["model"] == RECIPES[name].__name__
    assert graphtune.load(tmp_path / "new").dim == 8


def test_path_ranking(place: Path, tmp_path: Path) -> None:
    """From triples to answers, alone and fused with ComplEx; there is nothing to export or to fine-tune."""
    out = tmp_path / "paths"
    made = done("embed", "facts.tsv", "--triples", "--model", "pathranking", "--set", "epochs=2", "--out", out)
    assert "export" not in made.out and "finetune" not in made.out and "graphtune predict" in made.out
    assert graphtune.load(out).recipe == graphtune.PathRanking(epochs=2)
    predict = next(line.strip() for line in made.out.splitlines() if "graphtune predict" in line)
    assert done(*shlex.split(predict)[1:]).out
    assert done("evaluate", out, "--task", "triple-completion", "--json").json
    assert "complete(head, relation)" in (out / "README.md").read_text()
    tuned = run("finetune", out, "--task", "triple-completion", "--out", tmp_path / "tuned")
    assert tuned.code != 0 and "or train ComplEx" in tuned.err
    wrong = run("export", out, "--format", "parquet")
    assert wrong.code != 0 and "one with embeddings" in wrong.err and "Traceback" not in wrong.err
    done("fuse", out, out, "--by", "weights", "--out", tmp_path / "both")


@pytest.mark.parametrize("name", OF_EVENTS)
def test_models_that_score_histories(name: str, place: Path, tmp_path: Path) -> None:
    """From a log of events to answers; there is nothing to fine-tune, and of most nothing to export."""
    recipe = RECIPES[name]()
    options = ("--set", "dim=4") if recipe.dim else ()
    log = ("log.csv", "--events", "user,item,time", "--model", name)
    found = done("embed", *log, "--out", tmp_path / "new", *options, "--quiet", "--json").json
    assert found["model"] == type(recipe).__name__ and found["dim"] == (4 if recipe.dim else 0)
    assert not any("finetune" in line for line in found["next"])
    assert any("export" in line for line in found["next"]) == bool(recipe.dim)
    judged = done("evaluate", tmp_path / "new", "--task", "recommendation", "--json").json
    assert judged["metrics"] == found["metrics"]["recommendation"]["metrics"]
    user, item = (line.split(",")[i] for i, line in enumerate(Path("log.csv").read_text().splitlines()[1:3]))
    assert len(done("recommend", tmp_path / "new", user, "-k", 3, "--json").json["items"]) == 3
    similar = ("neighbors", tmp_path / "new", item, "--kind", "item", "-k", 2, "--json")
    assert len(done(*similar).json["neighbors"]) == 2
    tune = run("finetune", tmp_path / "new", "--task", "recommendation", "--out", tmp_path / "tuned")
    assert tune.code != 0 and "one with weights to train" in tune.err
    if not recipe.dim:
        assert "one with embeddings" in run("export", tmp_path / "new", "--format", "parquet").err
    assert "one for edges" in run("embed", "friends.csv", "--model", name, "--out", tmp_path / "other").err


def test_embed_takes_features_labels_and_directions(place: Path, tmp_path: Path) -> None:
    lines = ["id,a,b", *(f"n{i},{i},{i % 3}" for i in range(24))]
    (tmp_path / "features.csv").write_text("\n".join(lines))
    data = ("--directed", "--labels", "clubs.csv", "--features", tmp_path / "features.csv")
    done("embed", "friends.csv", *data, "--out", tmp_path / "new", *GCN, "--set", "epochs=2")
    graph = graphtune.open_directory(tmp_path / "new").record.split.graph
    assert graph.directed
    assert graph.features.shape == (24, 2)
    assert graph.label_names == ("left", "right")


def test_embed_by_time_and_by_last(place: Path, tmp_path: Path) -> None:
    for by, kind in (("time", "by-time"), ("last", "leave-last-out")):
        data = ("log.csv", "--events", "user,item,time", "--by", by, "--model", "bprmf")
        found = done("embed", *data, "--out", tmp_path / by, *QUICK, "--json").json
        assert found["split"]["kind"] == kind


def test_embed_reads_columns_by_name_and_place(place: Path, tmp_path: Path) -> None:
    swapped = [f"{w};{b};{a}" for a, b, w in csv.reader((place / "friends.csv").open())]
    (tmp_path / "swapped.txt").write_text("\n".join(swapped))
    whole = done("inspect", "friends.csv", "--weight", "weight", "--json").json
    for columns, header in (("source,target", "--header"), ("2,1", "--header")):
        options = ("--columns", columns, "--weight", "weight", header, "--delimiter", ";")
        assert done("inspect", tmp_path / "swapped.txt", *options, "--json").json["degrees"] == whole["degrees"]


def test_embed_replaces_only_when_told(place: Path, tmp_path: Path) -> None:
    shutil.copytree("facts", tmp_path / "model")
    done("embed", "friends.csv", "--overwrite", "--out", tmp_path / "model", *QUICK)
    assert isinstance(graphtune.load(tmp_path / "model").recipe, graphtune.DeepWalk)


def test_embed_logs(place: Path, tmp_path: Path) -> None:
    options = ("--log", "csv", "--tensorboard", "--out", tmp_path / "new")
    done("embed", "friends.csv", *options, *GCN, "--set", "epochs=3")
    rows = list(csv.DictReader((tmp_path / "new" / "logs" / "history.csv").open()))
    assert {row["epoch"] for row in rows} == {"1", "2", "3"}
    assert list((tmp_path / "new" / "logs").glob("events.out.tfevents*"))
    assert graphtune.load(tmp_path / "new").dim == 8


def test_quiet_is_quiet(place: Path, tmp_path: Path) -> None:
    assert done("embed", "friends.csv", "--out", tmp_path / "new", *QUICK).err == ""


MINE = """
from dataclasses import dataclass
from graphtune import Model, TrainConfig
from graphtune.models import Dot, Lookup
from graphtune.objectives import EdgeProximity
from graphtune.sampling import EdgeSampler, Negatives

@dataclass(frozen=True)
class Mine:
    dim: int = 8
    negatives: int = 2
    def build(self, graph, seed=0):
        return Model(self, Lookup(graph.num_nodes, self.dim, seed=seed), Dot(), graph)
    def training(self):
        return TrainConfig(epochs=2)
    def pretraining(self, graph, config):
        return EdgeSampler(graph, config.batch_size, Negatives(self.negatives), seed=config.seed), EdgeProximity()
"""


def test_a_model_of_ones_own(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_for_test.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    own = ("--model", "mine_for_test:Mine")
    done("embed", "friends.csv", *own, "--set", "negatives=3", "--out", tmp_path / "new", "--quiet")
    assert "--model package.module:Class" in run("neighbors", tmp_path / "new", "n0").error
    assert len(done("neighbors", tmp_path / "new", "n0", *own, "--json").json["neighbors"]) == 10
    tuned = ("--task", "link-prediction", "--out", tmp_path / "tuned", "--set", "epochs=1", "--quiet")
    done("finetune", tmp_path / "new", *own, *tuned)


# --- resuming ---


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in the background with Ctrl-C ignored; here it arrives."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("command", ["embed", "finetune"])
def test_ctrl_c_and_resume(command: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is broken off and resumed ends with the weights of one that was not."""
    start = {
        "embed": ("embed", "friends.csv", *GCN, "--set", "epochs=6"),
        "finetune": ("finetune", "log", "--task", "recommendation", "--set", "epochs=6", "--quiet"),
    }[command]
    done(*start, "--out", tmp_path / "whole")
    save, saved = Checkpoints.save, []

    def save_and_break_off(self: Checkpoints, *args: object) -> None:
        save(self, *args)  # type: ignore[arg-type]
        saved.append(args)
        if len(saved) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Checkpoints, "save", save_and_break_off)
    out = tmp_path / "broken"
    outcome = run(*start, "--out", out)
    monkeypatch.undo()
    assert outcome.code == 130
    assert "--resume" in outcome.error
    assert "Found none" in run("neighbors", out, "n0").error
    assert "unfinished run" in run(*start, "--out", out).error
    other = run(*start, "--out", out, "--resume", "--set", "lr=0.5")
    assert "another value of lr" in other.error and "--overwrite" in other.error
    found = done(*start, "--out", out, "--resume", "--json").json
    assert found["epochs"] == 6
    np.testing.assert_array_equal(graphtune.load(out).encode(), graphtune.load(tmp_path / "whole").encode())
    assert not (out / "checkpoints").exists()
    before = snapshot(out)
    assert "finished" in done(*start, "--out", out, "--resume").out
    assert done(*start, "--out", out, "--resume", "--json").json["finished"]
    assert "lr=0.5" in run(*start, "--out", out, "--resume", "--set", "lr=0.5").error
    assert snapshot(out) == before


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_overwrite_begins_an_unfinished_run_anew(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpoints.save

    def save_and_break_off(self: Checkpoints, *args: object) -> None:
        save(self, *args)  # type: ignore[arg-type]
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Checkpoints, "save", save_and_break_off)
    assert run("embed", "friends.csv", *GCN, "--out", tmp_path / "new").code == 130
    monkeypatch.undo()
    found = done("embed", "friends.csv", *GCN, "--set", "epochs=2", "--overwrite", "--out", tmp_path / "new", "--json")
    assert found.json["epochs"] == 2


# --- finetune and evaluate ---


@pytest.mark.parametrize(
    ("model", "task"),
    [("friends", "link-prediction"), ("log", "recommendation"), ("facts", "triple-completion")],
)
def test_finetune_to_edges(model: str, task: str, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned model"
    options = ("--task", task, "--set", "epochs=3", "--quiet")
    found = done("finetune", model, *options, "--out", out, "--json").json
    assert found["next"][0] == f"graphtune evaluate '{out}' --task {task}"
    assert set(found["pretrained"]) == set(found["fine_tuned"])
    assert 0 <= found["significance"]["p_value"] <= 1
    again = done("evaluate", out, "--task", task, "--json").json
    assert again["metrics"] == found["fine_tuned"]
    assert done("evaluate", model, "--task", task, "--json").json["metrics"] == found["pretrained"]
    assert set(graphtune.open_directory(out).record.metrics) == {task, f"{task} (pretrained)"}


def test_finetune_to_classes(place: Path, tmp_path: Path) -> None:
    done("embed", "friends.csv", "--split", "none", *GCN, "--set", "epochs=20", "--out", tmp_path / "model")
    options = ("--task", "node-classification", "--labels", "clubs.csv", "--set", "epochs=20", "--set", "hidden=4")
    outcome = done("finetune", tmp_path / "model", *options, "--out", tmp_path / "tuned")
    assert "pretrained" in outcome.out
    assert "paired" in outcome.out
    found = done("evaluate", tmp_path / "tuned", "--task", "node-classification", "--json").json
    saved = graphtune.open_directory(tmp_path / "tuned").record
    assert saved.metrics["node-classification"]["metrics"] == found["metrics"]
    assert saved.split.summary()["train nodes"] == 18 or saved.split.summary()["train nodes"] == 17
    nodes = done("predict", tmp_path / "tuned", "--nodes", "n0", "n23", "--json").json["nodes"]
    assert [n["id"] for n in nodes] == ["n0", "n23"]
    assert sum(c["probability"] for c in nodes[0]["classes"]) == pytest.approx(1)
    assert {c["class"] for c in nodes[0]["classes"]} == {"left", "right"}
    assert "left" in done("predict", tmp_path / "tuned", "--nodes", "n0").out


def test_finetune_to_several_classes_a_node(place: Path, tmp_path: Path) -> None:
    lines = ["id,label", *(f"n{i},g{i % 2}" for i in range(24)), *(f"n{i},even" for i in range(0, 24, 2))]
    (tmp_path / "groups.csv").write_text("\n".join(lines))
    options = ("--labels", tmp_path / "groups.csv", "--label-type", "multi", "--set", "epochs=2", "--quiet")
    done("finetune", "friends", "--task", "node-classification", *options, "--out", tmp_path / "tuned")
    (node,) = done("predict", tmp_path / "tuned", "--nodes", "n0", "--json").json["nodes"]
    assert len(node["classes"]) == 3
    assert sum(c["probability"] for c in node["classes"]) != pytest.approx(1)


def test_finetune_to_values(place: Path, tmp_path: Path) -> None:
    options = ("--task", "node-regression", "--labels", "ages.csv", "--set", "epochs=30", "--quiet")
    found = done("finetune", "friends", *options, "--out", tmp_path / "tuned", "--json").json
    assert set(found["fine_tuned"]) == {"mse", "mae", "r2"}
    (node,) = done("predict", tmp_path / "tuned", "--nodes", "n0", "--json").json["nodes"]
    assert 0 < node["value"] < 100
    assert re.search(r"n0 +\d", done("predict", tmp_path / "tuned", "--nodes", "n0").out)


def test_evaluate_shows_metrics_and_intervals(place: Path) -> None:
    text = done("evaluate", "friends", "--task", "link-prediction", "--part", "valid").out
    assert "valid part" in text
    assert re.search(r"auc +0\.\d{4} +\[0\.\d{4}, [01]\.\d{4}\]", text)
    stored = graphtune.open_directory("friends")
    task = graphtune.LinkPrediction(stored.record.split)
    shown = done("evaluate", "friends", "--task", "link-prediction", "--json").json["metrics"]["auc"]["mean"]
    assert shown == task.evaluate(stored.model)["auc"]


def test_evaluate_takes_settings_of_the_task(place: Path) -> None:
    of_training = run("evaluate", "log", "--task", "recommendation", "--set", "loss=softmax").error
    assert "left out, as it is of training" in of_training and "depend on k." in of_training
    assert "depend on no setting" in run("evaluate", "friends", "--task", "link-prediction", "--set", "focal=1").error
    found = done("evaluate", "log", "--task", "recommendation", "--set", "k=5", "--json").json
    assert "ndcg_5" in found["metrics"]


def test_evaluate_communities(place: Path) -> None:
    options = ("--task", "community-detection", "--labels", "clubs.csv", "--quiet", "--json")
    found = done("evaluate", "friends", *options).json
    assert found["metrics"]["nmi_leiden"]["mean"] > 0.5
    assert "modularity_kmeans" in found["metrics"]
    assert "modularity_kmeans" in done("evaluate", "friends-all", "--task", "community-detection").out


# --- asking ---


def test_neighbors(place: Path) -> None:
    found = done("neighbors", "friends", "n3", "-k", "4", "--json").json
    expected = graphtune.load("friends").most_similar("n3", 4)
    assert [(n["id"], n["cosine"]) for n in found["neighbors"]] == expected
    assert expected[0][0] in done("neighbors", "friends", "n3").out
    of_kind = done("neighbors", "log", "3", "--kind", "item", "--json").json["neighbors"]
    assert len(of_kind) == 10
    assert all(0 <= n["id"] < 15 for n in of_kind)


def test_predict_scores_of_pairs_and_triples(place: Path) -> None:
    found = done("predict", "friends", "n0", "n1", "n0", "n20", "--json").json["scores"]
    expected = graphtune.load("friends").score(["n0", "n0"], ["n1", "n20"])
    assert [s["edge"] for s in found] == [["n0", "n1"], ["n0", "n20"]]
    np.testing.assert_array_equal(np.float32([s["score"] for s in found]), expected)
    assert "n0 n1" in done("predict", "friends", "n0", "n1").out
    (score,) = done("predict", "facts", "p0", "knows", "p5", "--json").json["scores"]
    assert score["score"] == pytest.approx(float(graphtune.load("facts").score(["p0"], ["p5"], ["knows"])[0]))


def test_predict_the_missing_part_of_a_triple(place: Path) -> None:
    tails = done("predict", "facts", "p0", "knows", "?", "-k", "100", "--json").json
    assert tails["known"] == 1 and len(tails["answers"]) == 35
    assert [a["id"] for a in tails["answers"] if a["known"]] == ["p5"]
    new = done("predict", "facts", "p0", "knows", "?", "-k", "100", "--new", "--json").json
    assert new["answers"] == [a for a in tails["answers"] if a["known"] is None] and new["known"] == 1
    model = graphtune.load("facts")
    expected = model.score(["p0"] * 35, [a["id"] for a in tails["answers"]], ["knows"] * 35)
    np.testing.assert_allclose([a["score"] for a in tails["answers"]], expected, atol=1e-6)
    heads = done("predict", "facts", "?", "lives_in", "c0", "-k", "3", "--json").json
    assert heads["known"] == 6
    assert len(heads["answers"]) == 3
    relations = done("predict", "facts", "p0", "?", "c0", "--json").json
    assert {a["id"]: a["known"] is None for a in relations["answers"]} == {"lives_in": False, "knows": True}
    assert relations["answers"][0]["known"] in ("train", "valid", "test", None)
    told = done("predict", "facts", "?", "lives_in", "c0").out
    assert "6 known answers; --new leaves them out." in told and "scores are not calibrated" in told


def test_new_is_for_missing_parts(place: Path) -> None:
    for asked in (("facts", "p0", "knows", "p5"), ("friends", "n0", "n1")):
        assert "`--new` of predict must be left out" in run("predict", *asked, "--new").error


# --- files ---


@pytest.mark.parametrize("method", ["combined", "kmeans", "leiden"])
def test_communities(method: str, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "communities.csv"
    text = done("communities", "friends", "--method", method, "--out", out).out
    assert "modularity" in text
    rows = list(csv.DictReader(out.open()))
    assert {row["id"] for row in rows} == {f"n{i}" for i in range(24)}
    found = done("communities", "log", "-k", "3", "--out", out, "--overwrite", "--json").json
    assert found["communities"] == 3
    assert sum(found["sizes"]) == 35
    assert set(csv.DictReader(out.open()).fieldnames or ()) == {"id", "kind", "community"}


@pytest.mark.parametrize("side", ["source", "target"])
def test_export(side: str, place: Path, tmp_path: Path) -> None:
    matrix = graphtune.load("friends").encode(side=side)
    shutil.copytree("friends", tmp_path / "model")
    done("export", tmp_path / "model", "--format", "word2vec", "--side", side)
    assert (tmp_path / "model.vec").is_file()
    names = {"parquet": "e.parquet", "word2vec": "e.vec", "npz": "e.npz", "npy": "e.npy"}
    for format, name in names.items():
        done("export", "friends", "--format", format, "--side", side, "--out", tmp_path / name)
        if format == "npy":
            np.testing.assert_array_equal(np.load(tmp_path / name, allow_pickle=False), matrix)
        else:
            vectors = graphtune.read_vectors(tmp_path / name)
            np.testing.assert_allclose(vectors.matrix, matrix, atol=1e-6)
            assert vectors.ids == graphtune.load("friends").ids.values(range(24))


# --- run ---


CONFIG = """
[data]
edges = "friends.csv"
weight = "weight"

[embed]
model = "gcn"
dim = 8
out = "FROM_CONFIG"
[embed.set]
epochs = 3
hidden = 8

[finetune]
task = "node-classification"
labels = "clubs.csv"
out = "FROM_CONFIG-tuned"
set = { epochs = 3, deterministic = true }
"""


def test_run_does_the_same_as_the_commands(place: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    (place / "config.toml").write_text(CONFIG.replace("FROM_CONFIG", str(made)))
    found = done("run", "config.toml", "--quiet", "--json").json
    options = ("--weight", "weight", *GCN, "--set", "epochs=3", "--out", tmp_path / "typed", "--json")
    typed = done("embed", "friends.csv", *options).json
    assert found["embed"]["metrics"] == typed["metrics"]
    options = ("--labels", "clubs.csv", "--set", "epochs=3", "--set", "deterministic=true", "--quiet", "--json")
    task = ("--task", "node-classification", "--out", tmp_path / "typed-tuned")
    assert found["finetune"]["fine_tuned"] == done("finetune", tmp_path / "typed", *task, *options).json["fine_tuned"]
    before = snapshot(made)
    assert "FROM" not in done("run", "config.toml", "--resume", "--quiet").out
    assert snapshot(made) == before
    assert "--overwrite" in run("run", "config.toml").error
    assert "fine-tuned" in done("run", "config.toml", "--overwrite", "--quiet").out


# --- data sets ---


def test_datasets_list_and_info() -> None:
    names = [d["name"] for d in done("datasets", "list", "--json").json["datasets"]]
    assert "umls" in names
    assert "umls" in done("datasets", "list").out
    found = done("datasets", "info", "UMLS", "--json").json
    assert found["counts"]["relations"] == 46
    assert len(found["files"][0]["sha256"]) == 64
    assert "licence" in done("datasets", "info", "umls").out
    assert "Did you mean 'umls'" in run("datasets", "info", "umlz").error


def test_datasets_by_name(data: Path, tmp_path: Path) -> None:
    assert "train" in done("datasets", "fetch", "nations").out
    found = done("embed", "dataset:Nations", "--out", tmp_path / "new", *QUICK, "--json").json
    assert found["model"] == "ComplEx"
    assert found["split"]["kind"] == "public"
    assert (found["edges"], found["edges_learned"]) == (1992, 1592)
    assert "left out for a data set" in run("embed", "dataset:nations", "--triples", "--out", tmp_path / "x").error


def test_a_data_set_whose_nodes_are_divided(data: Path, tmp_path: Path) -> None:
    options = ("--set", "walks_per_node=1", *QUICK)
    outcome = done("embed", "dataset:cora", "--out", tmp_path / "new", *options)
    assert "Every edge was learned; the parts are of the labelled nodes" in outcome.out
    assert "--task node-classification" in outcome.out
    stored = graphtune.open_directory(tmp_path / "new").record
    assert stored.split.summary()["test nodes"] == 1000
    found = done("evaluate", tmp_path / "new", "--task", "node-classification", "--json").json["metrics"]
    assert found == stored.metrics["node-classification"]["metrics"]
    assert "divided" in run("evaluate", tmp_path / "new", "--task", "link-prediction").error


# --- the rest ---


def test_demo_hands_on_its_options_and_keeps_stdout_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_demo(out: Path, quick: bool) -> dict[str, object]:
        print("a story")
        return {"out": str(out), "quick": quick}

    demo = types.ModuleType("graphtune.demo")
    demo.run_demo = run_demo  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "graphtune.demo", demo)
    assert done("demo", "--out", "there", "--quick", "--json").json == {"out": "there", "quick": True}
    assert done("demo").out == "a story\n"


def test_settings_are_read_by_type() -> None:
    assert read("epochs", "5", int) == 5
    assert read("lr", "1e-3", float) == 1e-3
    assert read("deterministic", "True", bool) is True
    assert read("lr_table", "none", float | None) is None
    assert read("lr_table", "0.5", float | None) == 0.5
    assert read("schedule", "cosine", str) == "cosine"
    for text, hint in (("1.5", int), ("maybe", bool), ("none", int), ("__import__('os')", float)):
        with pytest.raises(graphtune.ArgumentError):
            read("x", text, hint)
    assert parse_settings(["a=b=c"], "test", {"dim": None}).values == {"a": "b=c"}


def test_json_is_strict() -> None:
    value = {
        "a": np.float32(1.5),
        "b": [float("nan"), float("inf"), np.int64(3)],
        "c": (True, None, "x"),
        4: np.bool_(1),
    }
    assert plain(value) == {"a": 1.5, "b": [None, None, 3], "c": [True, None, "x"], "4": True}


def test_long_waits_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("working", seconds=0.01):
        time.sleep(0.5)
    with waiting("quick", seconds=60):
        pass
    assert capsys.readouterr().err == "working\n"


def test_version_and_help(place: Path) -> None:
    assert graphtune.__version__ in done("--version").out
    for name in COMMANDS:
        assert "Usage" in done(name, "--help").out
    assert run().code == 2
    assert "[embed.set]" in done("run", "--help").out, "not taken for markup"


def test_the_guide_names_every_command_and_no_other_option() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for name in (*COMMANDS, "datasets"):
        assert f"## `graphtune {name}" in text
    known = {"--help", "--version", "--debug", "--install"}
    for name in COMMANDS:
        known |= set(re.findall(r"--[a-z][a-z-]*", done(name, "--help").out))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= known
