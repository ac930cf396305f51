"""`graphtune finetune --task A,B`: several tasks on one model, and what comes of it."""

from pathlib import Path

import numpy as np
import pytest

import graphtune
from cli_help import done, run, working_in, write_files
from graphtune.split import TRAIN

BOTH = "link-prediction,node-classification"
GCN = ("--model", "gcn", "--dim", "8", "--set", "hidden=8", "--quiet")
SHORT = ("--set", "epochs=3", "--set", "batch_size=64", "--quiet")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Files, and a model embedded on the train part of their edges."""
    at = tmp_path_factory.mktemp("shared")
    write_files(at)
    with working_in(at):
        done("embed", "friends.csv", *GCN, "--set", "epochs=5", "--out", "friends")
        done("finetune", "friends", "--task", BOTH, "--labels", "clubs.csv", *SHORT, "--out", "both")
        yield at


def test_each_task_has_its_table_and_its_record(place: Path, tmp_path: Path) -> None:
    options = ("--task", BOTH, "--labels", "clubs.csv", "--set", "balance=uncertainty", *SHORT)
    found = done("finetune", "friends", *options, "--out", tmp_path / "tuned", "--json").json
    assert found["task"] == BOTH
    assert list(found["tasks"]) == BOTH.split(",")
    assert found["tasks"]["link-prediction"]["pretrained_by"] == "its own scores"
    assert found["tasks"]["node-classification"]["pretrained_by"] == "a linear model on its embeddings"
    stored = graphtune.open_directory(tmp_path / "tuned")
    for name, told in found["tasks"].items():
        assert stored.record.metrics[name]["metrics"] == told["fine_tuned"]
        assert stored.record.metrics[f"{name} (pretrained)"]["metrics"] == told["pretrained"]
        assert done("evaluate", tmp_path / "tuned", "--task", name, "--json").json["metrics"] == told["fine_tuned"]
    assert {"link-prediction/auc", "node-classification/f1_micro", "mean"} <= set(stored.record.history[-1])
    shown = done("finetune", "friends", *options, "--out", tmp_path / "again").out
    assert "GCN: link-prediction, test part" in shown
    assert "GCN: node-classification, test part" in shown
    assert "--task node-classification" in shown


def test_the_model_answers_for_every_task(place: Path) -> None:
    (node,) = done("predict", "both", "--nodes", "n0", "--json").json["nodes"]
    assert {c["class"] for c in node["classes"]} == {"left", "right"}
    assert len(done("predict", "both", "n0", "n1", "--json").json["scores"]) == 1
    assert done("recommend", "both", "n0", "-k", "3", "--json").json["items"]


def test_the_model_has_seen_no_hidden_edge(place: Path) -> None:
    """Labels lie on the edges that the first model learned from; the parts of both are kept."""
    before, after = graphtune.open_directory("friends"), graphtune.open_directory("both")
    np.testing.assert_array_equal(before.record.split.part, after.record.split.part)
    assert after.model.graph.num_edges == (after.record.split.part == TRAIN).sum()
    split = after.record.node_splits["node-classification"]
    assert split.graph.num_edges == after.model.graph.num_edges
    assert split.summary()["train nodes"] in (16, 17, 18)


def test_parts_stay_when_one_task_goes_on(place: Path, tmp_path: Path) -> None:
    """Trained on for one of its tasks, a model is judged on the same parts by the other."""
    kept = graphtune.open_directory("both").record
    for name in BOTH.split(","):
        out = tmp_path / name
        done("finetune", "both", "--task", name, "--seed", 3, *SHORT, "--out", out)
        record = graphtune.open_directory(out).record
        np.testing.assert_array_equal(record.split.part, kept.split.part)
        own = record.node_splits["node-classification"]
        np.testing.assert_array_equal(own.part, kept.node_splits["node-classification"].part)
        for other in BOTH.split(","):
            done("evaluate", out, "--task", other, "--json")


def test_a_task_on_nodes_keeps_the_parts_of_the_edges(place: Path, tmp_path: Path) -> None:
    options = ("--task", "node-classification", "--labels", "clubs.csv", *SHORT)
    done("finetune", "friends", *options, "--out", tmp_path / "tuned")
    assert done("evaluate", tmp_path / "tuned", "--task", "link-prediction", "--json").json["metrics"]["auc"]
    done("evaluate", tmp_path / "tuned", "--task", "node-classification", "--json")


def test_three_tasks_with_labels_from_two_files(place: Path, tmp_path: Path) -> None:
    """Labels go to the tasks that have none yet: values came with the first model, classes come now."""
    ages = ("--task", "node-regression", "--labels", "ages.csv", *SHORT)
    done("finetune", "friends", *ages, "--out", tmp_path / "aged")
    before = graphtune.open_directory(tmp_path / "aged").record.node_splits["node-regression"]
    three = ("--task", f"{BOTH},node-regression", "--labels", "clubs.csv", *SHORT)
    found = done("finetune", tmp_path / "aged", *three, "--out", tmp_path / "three", "--json").json
    assert len(found["tasks"]) == 3
    after = graphtune.open_directory(tmp_path / "three").record
    assert set(after.node_splits) == {"node-classification", "node-regression"}
    np.testing.assert_array_equal(after.node_splits["node-regression"].part, before.part)
    both = done("predict", tmp_path / "three", "--nodes", "n0", "--task", "node-regression", "--json").json
    assert 0 < both["nodes"][0]["value"] < 100
    for name in found["tasks"]:
        again = done("evaluate", tmp_path / "three", "--task", name, "--json").json["metrics"]
        assert again == found["tasks"][name]["fine_tuned"]


def test_tasks_on_nodes_alone_share_a_model_that_learned_every_edge(place: Path, tmp_path: Path) -> None:
    done("embed", "friends.csv", "--split", "none", *GCN, "--set", "epochs=2", "--out", tmp_path / "all")
    both = ("--task", "node-classification,node-regression", "--labels", "ages.csv", *SHORT)
    found = done("finetune", tmp_path / "all", *both, "--out", tmp_path / "tuned", "--json").json
    for name in found["tasks"]:
        again = done("evaluate", tmp_path / "tuned", "--task", name, "--json").json["metrics"]
        assert again == found["tasks"][name]["fine_tuned"]


def test_settings_of_one_task_carry_its_name(place: Path, tmp_path: Path) -> None:
    asked = ("node-classification.hidden=5", "link-prediction.negatives=7", "mix=by-size", "shares=1,2", "lr=0.02")
    options = [part for setting in asked for part in ("--set", setting)]
    start = ("friends", "--task", BOTH, "--labels", "clubs.csv", *SHORT)
    done("finetune", *start, *options, "--out", tmp_path / "tuned")
    stored = graphtune.open_directory(tmp_path / "tuned")
    assert stored.model.heads["node-classification"].spec.hidden == 5
    assert stored.record.training["lr"] == 0.02


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--task", "link-prediction,links"), "one of link-prediction"),
        (("--task", "link-prediction,link-prediction"), "different names"),
        (("--task", "link-prediction,community-detection"), "something to learn from"),
        (("--task", BOTH), "--labels"),
        (("--task", "link-prediction,recommendation", "--labels", "clubs.csv"), "left out"),
        (("--task", BOTH, "--labels", "clubs.csv", "--set", "node-classification.negatives=3"), "NodeClassification"),
        (("--task", BOTH, "--labels", "clubs.csv", "--set", "balanced=pcgrad"), "Did you mean 'balance'"),
        (("--task", BOTH, "--labels", "clubs.csv", "--set", "weights=1,x"), "numbers with commas"),
        (("--task", BOTH, "--labels", "clubs.csv", "--set", "weights=1"), "one for each task"),
        (("--task", "link-prediction", "--set", "balance=pcgrad"), "setting of LinkPrediction"),
    ],
)
def test_what_makes_no_sense_is_said(options, word, place: Path, tmp_path: Path) -> None:
    outcome = run("finetune", "friends", *options, "--quiet", "--out", tmp_path / "tuned")
    assert outcome.code == 2
    assert word in outcome.error
    assert not (tmp_path / "tuned").exists()


def test_a_run_of_several_tasks_is_resumed(place: Path, tmp_path: Path, monkeypatch) -> None:
    """Broken off in the middle, the same command with --resume ends with the same bits; other settings are refused."""
    from graphtune.cli import several

    options = ["--task", BOTH, "--labels", "clubs.csv", "--set", "deterministic=true", *SHORT]
    learned = ["--set", "balance=uncertainty"]
    done("finetune", "friends", *options, *learned, "--out", tmp_path / "whole")

    class Stops(several.Shared):
        calls = 0

        def validate(self, model):
            Stops.calls += 1
            if Stops.calls == 2:
                raise KeyboardInterrupt
            return super().validate(model)

    with monkeypatch.context() as patch:
        patch.setattr(several, "Shared", Stops)
        assert run("finetune", "friends", *options, *learned, "--out", tmp_path / "parts").code == 130
    other = run("finetune", "friends", *options, "--out", tmp_path / "parts", "--resume")
    assert "another value of task" in other.error
    done("finetune", "friends", *options, *learned, "--out", tmp_path / "parts", "--resume")
    a, b = (graphtune.load(tmp_path / name) for name in ("whole", "parts"))
    assert all((x == y).all() for x, y in zip(a.state_dict().values(), b.state_dict().values()))
