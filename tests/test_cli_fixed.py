"""`--fixed`: nodes whose rows stay as they are."""

import json
from pathlib import Path

import numpy as np
import pytest

import graphtune
from cli_help import QUICK, done, run, working_in, write_files

LINE = ("--model", "line", "--set", "optimizer=adagrad")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    at = tmp_path_factory.mktemp("fixed")
    with working_in(at):
        write_files(at)
        done("embed", "friends.csv", *LINE, "--out", "friends", *QUICK)
        Path("known.txt").write_text("n3\n\nn7\n")
        yield at


def test_rows_of_known_nodes_stay(place):
    before = graphtune.load("friends")
    options = ("--start", "friends", "--fixed", "known.txt")
    done("embed", "friends.csv", *LINE, *options, "--out", "embedded", *QUICK)
    done("finetune", "friends", "--task", "link-prediction", "--fixed", "known.txt", "--out", "tuned", "--quiet",
         "--set", "epochs=1")  # fmt: skip
    for name in ("embedded", "tuned"):
        after = graphtune.load(name)
        assert np.array_equal(before.encode(["n3", "n7"]), after.encode(["n3", "n7"]))
        assert (before.encode() != after.encode()).any(1).sum() == 22
    assert json.loads(Path("tuned/run.json").read_text())["notes"]["options"]["fixed"] == "known.txt"


def test_ids_of_a_kind(place):
    Path("users.txt").write_text("3\n5\n")
    words = ("embed", "log.csv", "--events", "user,item,time", "--model", "bprmf", *QUICK)
    assert "Add --kind user or --kind item" in run(*words, "--fixed", "users.txt", "--out", "log").error
    done(*words, "--fixed", "users.txt", "--kind", "user", "--out", "log")


@pytest.mark.parametrize(
    "content, told",
    [(None, "`--fixed` of embed must be a file of ids"), ("", "It holds none"), ("n3\nm4\n", "node ids. Got 'm4'")],
)
def test_what_is_refused(place, tmp_path, content, told):
    if content is not None:
        (tmp_path / "ids.txt").write_text(content)
    failed = run("embed", "friends.csv", *LINE, "--fixed", tmp_path / "ids.txt", "--out", tmp_path / "new", *QUICK)
    assert failed.code == 2 and told in failed.error
    assert not (tmp_path / "new").exists()
