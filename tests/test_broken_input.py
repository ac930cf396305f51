"""Broken input of every kind: one line that says what to do, an exit code, no traceback, earlier results intact."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import graphtune
from cli_help import QUICK, Outcome, done, make_models, run, snapshot, working_in, write_files
from graphtune.cli import shell

NEW = ("--out", "new", *QUICK)
TUNE = ("finetune", "friends", "--out", "new", "--task")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the files and models of `cli_help`, which is the current one while this file runs."""
    at = tmp_path_factory.mktemp("broken")
    with working_in(at):
        write_files(at)
        write_broken(at)
        make_models(at)
        yield at


def write_broken(at: Path) -> None:
    """The broken files; friends.csv with a fault, where it says no more."""
    whole = (at / "friends.csv").read_text()
    files = {
        "one-column.csv": "id\na\nb\n",
        "mixed.csv": whole.replace("n9,n8,1", "n9,n8,heavy") + "n0,n23,light\n",
        "nan.csv": whole + "n0,n23,nan\nn0,n22,inf\n",
        "negative.csv": whole + "n0,n23,-1\n",
        "empty.csv": "",
        "one-node.csv": "source,target\na,a\n",
        "no-edges.csv": "source,target\n",
        "loops.csv": "source,target\na,a\nb,b\nc,c\n",
        "two-edges.csv": "source,target\na,b\nb,c\n",
        "twice.csv": "source,source,target\na,b,c\nb,c,d\n",
        "crlf.csv": whole.replace("\n", "\r\n"),
        "ragged.csv": whole + "n0\nn1,n2,1,extra\n",
        "strangers.csv": "id,label\nx1,a\nx2,b\n",
        "one-class.csv": "id,label\n" + "".join(f"n{i},a\n" for i in range(24)),
        "few-labels.csv": "id,label\nn0,a\nn1,b\n",
        "text-time.csv": "user,item,time\na,b,noon\nb,c,late\n",
        "no.toml": "[embed\n",
        "section.toml": "[embd]\nout = 'new'\n",
        "key.toml": "[data]\nedges = 'friends.csv'\n[embed]\nout = 'new'\nepochs = 3\n",
        "type.toml": "[data]\nedges = 'friends.csv'\n[embed]\nout = 'new'\ndim = 'big'\n",
        "wordy.vec": "2 3\nx1 1 2 3\nx2 4 5 6\n",
        "cut.parquet": "PAR1",
        "cut.csv.gz": "no gzip",
    }
    for name, text in files.items():
        (at / name).write_bytes(text.encode())
    (at / "bom.csv").write_bytes(b"\xef\xbb\xbf" + whole.encode())
    (at / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (at / "latin1.csv").write_bytes("source,target\nm\xfcller,b\nb,c\n".encode("latin1"))
    (at / "utf16.csv").write_bytes(whole.encode("utf-16"))
    (at / "kept").mkdir()
    (at / "kept" / "thesis.txt").write_text("years of work")


# Each: the arguments, the exit code, and what the one line must hold: the fault, and the way out.
CASES: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "missing column": (("embed", "friends.csv", "--weight", "cost", *NEW), 2, ("'cost'", "source, target, weight")),
    "missing ends": (("embed", "friends.csv", "--columns", "a,b", *NEW), 2, ("'a'", "source, target, weight")),
    "one column": (("embed", "one-column.csv", *NEW), 1, ("two columns", "--delimiter")),
    "two columns for triples": (("embed", "clubs.csv", "--triples", *NEW), 1, ("3 columns", "head, relation, tail")),
    "mixed types, strict": (
        ("embed", "mixed.csv", "--weight", "weight", "--strict", *NEW), 1, ("'heavy'", "without --strict"),
    ),
    "NaN weight, strict": (("embed", "nan.csv", "--weight", "weight", "--strict", *NEW), 1, ("not finite", "Mend")),
    "negative weight, strict": (
        ("embed", "negative.csv", "--weight", "weight", "--strict", *NEW), 1, ("below zero", "Mend"),
    ),
    "ragged lines, strict": (("embed", "ragged.csv", "--strict", *NEW), 1, ("without 3 columns", "Mend")),
    "empty file": (("embed", "empty.csv", *NEW), 1, ("empty.csv", "an empty file")),
    "binary file": (("embed", "binary.csv", *NEW), 1, ("binary", "UTF-8 text")),
    "not UTF-8": (("embed", "latin1.csv", *NEW), 1, ("UTF-8", "iconv")),
    "UTF-16": (("embed", "utf16.csv", *NEW), 1, ("Got utf-16", "iconv -f utf-16")),
    "a device": (("embed", "/dev/null", *NEW), 1, ("Got a device", "Save it first")),
    "a seed beyond 64 bits": (("embed", "friends.csv", "--seed", "9" * 20, *NEW), 2, ("`seed` of TrainConfig", "9999")),
    "parts of no split": (
        ("embed", "log.csv", "--events", "user,item", "--by", "last", "--split", "none", *NEW), 2, ("--by", "7:2:1"),
    ),
    "cut Parquet": (("embed", "cut.parquet", *NEW), 1, ("cut.parquet", "must be a Parquet file")),
    "cut gzip": (("embed", "cut.csv.gz", *NEW), 1, ("cut.csv.gz", "must be a readable file")),
    "one node": (("embed", "one-node.csv", *NEW), 1, ("at least one edge", "1 self-loops")),
    "no edges": (("embed", "no-edges.csv", *NEW), 1, ("at least one edge", "no rows")),
    "only self-loops": (("embed", "loops.csv", *NEW), 1, ("at least one edge", "3 self-loops")),
    "too few to split": (("embed", "two-edges.csv", *NEW), 2, ("at least 3 edges", "--split none")),
    "too few in a session": (
        ("embed", "log.csv", "--events", "user,item,time", "--session-gap", "0", *NEW), 2, ("--split none",),
    ),
    "duplicate header": (("embed", "twice.csv", *NEW), 1, ("'source' twice", "--no-header")),
    "missing file": (("embed", "nope.csv", *NEW), 1, ("nope.csv", "Check the name")),
    "a directory as file": (("embed", "kept", *NEW), 1, ("Got a directory", "Name a file in it")),
    "unknown data set": (("embed", "dataset:Kora", *NEW), 2, ("Did you mean 'cora'",)),
    "times that are text": (("embed", "text-time.csv", "--events", "user,item,time", *NEW), 1, ("'noon'",)),
    "one event column": (("embed", "log.csv", "--events", "user", *NEW), 2, ("user, item",)),
    "no times to split by": (
        ("embed", "log.csv", "--events", "user,item", "--by", "time", *NEW), 2, ("times", "--by user"),
    ),
    "--by for edges": (("embed", "friends.csv", "--by", "time", *NEW), 2, ("--by", "--events")),
    "ratios that are none": (("embed", "friends.csv", "--split", "a:b", *NEW), 2, ("7:2:1", "none")),
    "no test part": (("embed", "friends.csv", "--split", "8:2:0", *NEW), 2, ("above 0", "'8:2:0'")),
    "dim 0": (("embed", "friends.csv", "--out", "new", "--dim", "0"), 2, ("`dim` of DeepWalk", ">= 1", "Got 0")),
    "odd dim": (("embed", "facts.tsv", "--triples", "--out", "new", "--dim", "7"), 2, ("even", "Got 7")),
    "unknown model": (("embed", "friends.csv", "--model", "deepwlk", *NEW), 2, ("Did you mean 'deepwalk'",)),
    "model that is no class": (("embed", "friends.csv", "--model", "os:nope", *NEW), 2, ("imported", "'os:nope'")),
    "model that is no recipe": (("embed", "friends.csv", "--model", "pathlib:Path", *NEW), 2, ("pretraining",)),
    "unknown key": (
        ("embed", "friends.csv", "--set", "epoch=3", *NEW[:2]), 2, ("Did you mean 'epochs'", "walk_length", "seed"),
    ),
    "bad value": (("embed", "friends.csv", "--set", "epochs=three", *NEW[:2]), 2, ("whole number", "'three'")),
    "value out of range": (("embed", "friends.csv", "--set", "lr=-1", *NEW[:2]), 2, ("lr", "> 0", "-1")),
    "NaN rate": (("embed", "friends.csv", "--set", "lr=nan", *NEW[:2]), 2, ("finite", "nan")),
    "no value": (("embed", "friends.csv", "--set", "epochs", *NEW[:2]), 2, ("key=value", "epochs=5")),
    "a key twice": (("embed", "friends.csv", "--set", "dim=4", *NEW), 2, ("once for each key", "'dim'")),
    "triple model on edges": (("embed", "friends.csv", "--model", "complex", *NEW), 2, ("deepwalk", "--triples")),
    "walk model on triples": (
        ("embed", "facts.tsv", "--triples", "--model", "deepwalk", *NEW), 2, ("complex", "--columns head,tail"),
    ),
    "events model on triples": (("embed", "facts.tsv", "--triples", "--model", "lightgcn", *NEW), 2, ("complex",)),
    "start that is missing": (("embed", "friends.csv", "--start", "no.vec", *NEW), 2, ("--start", "'no.vec'")),
    "start of another dim": (
        ("embed", "friends.csv", "--start", "wordy.vec", "--resize", "refuse", *NEW), 2, ("dim 8", "Got 3"),
    ),
    "start that knows no id": (
        ("embed", "friends.csv", "--start", "wordy.vec", *NEW[:2], "--dim", "3"), 2, ("knows none", "n2"),
    ),
    "unknown node": (("neighbors", "friends", "n99"), 2, ("'n99'", "Did you mean n9")),
    "unknown user": (("recommend", "log", "u99"), 2, ("user ids", "'u99'", "Ids look like")),
    "unknown end of a pair": (("predict", "friends", "n0", "n99"), 2, ("'n99'", "Did you mean n9")),
    "unknown relation": (("predict", "facts", "p0", "hates", "?"), 2, ("'hates'", "'lives_in'")),
    "an id of two kinds": (("neighbors", "log", "3"), 2, ("--kind user",)),
    "half a pair": (("predict", "friends", "n0"), 2, ("pairs of ids",)),
    "a pair with a gap": (("predict", "friends", "n0", "?"), 2, ("graphtune recommend",)),
    "a triple with two gaps": (("predict", "facts", "?", "knows", "?"), 2, ("One triple may have a ?",)),
    "labels without a head": (("predict", "friends", "--nodes", "n0"), 2, ("graphtune finetune",)),
    "recommending in triples": (("recommend", "facts", "p0"), 2, ("Use `predict`",)),
    "negative k": (("neighbors", "friends", "n0", "-k", "-3"), 2, ("`-k`", ">= 1", "-3")),
    "k that is no number": (("neighbors", "friends", "n0", "-k", "many"), 2, ("-k", "graphtune neighbors --help")),
    "more communities than nodes": (("communities", "friends", "-k", "100", "--out", "c.csv"), 2, ("[1, 24]", "100")),
    "unknown format": (("export", "friends", "--format", "csv", "--out", "e.csv"), 2, ("'word2vec'", "'csv'")),
    "unknown side": (("export", "friends", "--format", "npy", "--side", "left", "--out", "e"), 2, ("'target'",)),
    "labels of strangers": ((*TUNE, "node-classification", "--labels", "strangers.csv"), 1, ("'x1'", "'n2'")),
    "label file with one column": ((*TUNE, "node-classification", "--labels", "one-column.csv"), 1, ("two columns",)),
    "label column that is missing": (
        (*TUNE, "node-classification", "--labels", "clubs.csv", "--label-columns", "id,club"), 2, ("'club'",),
    ),
    "label file that is missing": ((*TUNE, "node-classification", "--labels", "no.csv"), 2, ("--labels", "'no.csv'")),
    "no labels": ((*TUNE, "node-classification"), 2, ("--labels FILE",)),
    "one class": ((*TUNE, "node-classification", "--labels", "one-class.csv"), 2, ("two classes",)),
    "two labels": ((*TUNE, "node-classification", "--labels", "few-labels.csv"), 2, ("at least 3 nodes",)),
    "classes to regress on": ((*TUNE, "node-regression", "--labels", "clubs.csv"), 2, ("numbers", "classification")),
    "task of other data": ((*TUNE, "triple-completion"), 2, ("link-prediction or recommendation",)),
    "link task on triples": (("evaluate", "facts", "--task", "link-prediction"), 2, ("or triple-classification for",)),
    "unknown task": ((*TUNE, "link-predict"), 2, ("Did you mean 'link-prediction'",)),
    "task without training": ((*TUNE, "community-detection"), 2, ("graphtune evaluate",)),
    "unknown part": (("evaluate", "friends", "--task", "link-prediction", "--part", "train"), 2, ("'valid'",)),
    "no edges kept to test": (("evaluate", "friends-all", "--task", "link-prediction"), 2, ("--split none",)),
    "no model directory": (("neighbors", "nope", "n0"), 2, ("'nope'", "model directory")),
    "foreign directory": (("neighbors", "kept", "thesis"), 1, ("run.json", "no model")),
    "--out is a file": (("embed", "friends.csv", "--out", "clubs.csv"), 2, ("a directory", "a file of that name")),
    "--out holds a model": (("embed", "friends.csv", "--out", "facts"), 2, ("--overwrite",)),
    "--out holds other files": (("embed", "friends.csv", "--out", "kept", "--overwrite"), 2, ("other files",)),
    "--out exists": (("export", "friends", "--format", "npy", "--out", "clubs.csv"), 2, ("--overwrite",)),
    "--out is a directory": (("communities", "friends", "--out", "kept"), 2, ("name of a file",)),
    "--out in no directory": (("communities", "friends", "--out", "no/c.csv"), 2, ("can be written",)),
    "resume of a finished run": (("embed", "friends.csv", "--out", "friends", "--resume"), 2, ("finished",)),
    "unknown logger": (("embed", "friends.csv", "--log", "neptune", *NEW), 2, ("'csv'", "'neptune'")),
    "config that is missing": (("run", "nope.toml"), 2, ("'nope.toml'",)),
    "config that is no TOML": (("run", "no.toml"), 2, ("TOML", "line 1")),
    "config with a strange section": (("run", "section.toml"), 2, ("[embed]", "'embd'")),
    "config with a strange key": (("run", "key.toml"), 2, ("'epochs'", "set")),
    "config with a strange value": (("run", "type.toml"), 2, ("dim", "int", "'big'")),
    "missing argument": (("embed", "friends.csv"), 2, ("--out", "graphtune embed --help")),
    "unknown option": (("embed", "friends.csv", "--ouch", "x"), 2, ("--ouch", "--out")),
    "unknown command": (("embedd",), 2, ("Did you mean 'embed'",)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_line_with_the_fix(case: str, place: Path) -> None:
    arguments, code, said = CASES[case]
    before = snapshot(place)
    outcome = run(*arguments)
    assert outcome.code == code, outcome.err
    assert all(text in outcome.error for text in said), outcome.error
    assert outcome.out == ""
    assert snapshot(place) == before
    assert not (place / "new").exists()


FAULTS = {
    "mixed.csv": ("rows whose weight is no number", 2),
    "nan.csv": ("edges with a weight that is not finite", 2),
    "negative.csv": ("edges with a weight below zero", 1),
    "ragged.csv": ("lines without 3 columns", 2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faulty_lines_are_counted_and_shown(name: str, place: Path) -> None:
    report = done("inspect", name, "--weight", "weight", "--json").json["reports"][0]
    found = {f["what"]: f for f in report["findings"]}
    what, count = FAULTS[name]
    assert found[what]["count"] == count
    assert found[what]["action"] == "dropped"
    assert len(found[what]["examples"]) == count


@pytest.mark.parametrize("name", ["bom.csv", "crlf.csv"])
def test_marks_and_line_ends_change_nothing(name: str, place: Path) -> None:
    whole = done("inspect", "friends.csv", "--weight", "weight", "--json").json
    same = done("inspect", name, "--weight", "weight", "--strict", "--json").json
    assert {k: same[k] for k in ("size", "has", "degrees")} == {k: whole[k] for k in ("size", "has", "degrees")}


def test_a_faulty_file_still_embeds_and_says_what_it_left_out(place: Path, tmp_path: Path) -> None:
    outcome = done("embed", "nan.csv", "--weight", "weight", "--out", tmp_path / "new", *QUICK[:4])
    assert "2 edges with a weight that is not finite: dropped" in outcome.err
    assert "n0 - n23: nan" in outcome.err


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _other_format(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "cut weights": ("model.safetensors", _cut, "sha256"),
    "a flipped bit in the weights": ("model.safetensors", _flip, "sha256"),
    "a flipped bit in the graph": ("graph.safetensors", _flip, "sha256"),
    "edited configuration": ("config.json", _cut, "sha256"),
    "no ids": ("nodes.parquet", Path.unlink, "no file"),
    "no run.json": ("run.json", Path.unlink, "Found none"),
    "half a run.json": ("run.json", _cut, "JSON"),
    "a run.json of another format": ("run.json", _other_format, "99"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_model_directories(damage: str, place: Path, tmp_path: Path) -> None:
    name, harm, said = DAMAGES[damage]
    shutil.copytree(place / "friends", tmp_path / "model")
    harm(tmp_path / "model" / name)
    for command in (("neighbors", "n0"), ("evaluate", "--task", "link-prediction")):
        outcome = run(command[0], tmp_path / "model", *command[1:])
        assert outcome.code == 1
        assert name in outcome.error
        assert said in outcome.error


def test_ids_and_labels_of_a_tuned_model(place: Path, tmp_path: Path) -> None:
    tuned = tmp_path / "tuned"
    done(*TUNE[:2], "--task", "node-classification", "--labels", "clubs.csv", "--out", tuned, "--set", "epochs=2")
    assert "'n99'" in run("predict", tuned, "--nodes", "n0", "n99").error
    again = run("evaluate", tuned, "--task", "node-classification", "--labels", "clubs.csv")
    assert again.code == 2
    assert "Leave out --labels" in again.error
    assert run("evaluate", tuned, "--task", "link-prediction").code == 0  # the parts of its edges are still known


def test_a_diverging_run_names_the_epoch_and_leaves_nothing(place: Path, tmp_path: Path) -> None:
    options = ("--model", "gcn", "--dim", "8", "--set", "lr=1e30", "--set", "eval_every=50", "--quiet")
    outcome = run("embed", "friends.csv", "--out", tmp_path / "new", *options)
    assert outcome.code == 1
    assert "in epoch 2" in outcome.error
    assert "smaller `lr`" in outcome.error
    assert not (tmp_path / "new").exists()


def test_a_target_that_cannot_be_written(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o555)
    out = closed / "new" if os.geteuid() else Path("/sys/graphtune-test")  # modes do not stop root
    for command in (("embed", "friends.csv", *QUICK), ("finetune", "friends", "--task", "link-prediction", "--quiet")):
        outcome = run(*command, "--out", out)
        assert outcome.code in (1, 2)
        assert "graphtune-test" in outcome.error or "can be written" in outcome.error
    closed.rmdir()


def test_the_unexpected_is_one_line_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphtune.cli.ask.open_directory", lambda *_: 1 / 0)
    outcome = run("neighbors", "friends", "n0")
    assert outcome.code == 1
    assert "ZeroDivisionError" in outcome.error
    assert "report" in outcome.error
    assert "Traceback" in run("neighbors", "friends", "n0", "--debug").err
    assert "Traceback" in run("neighbors", "friends", "n0", env={shell.DEBUG: "1"}).err


def test_system_errors_are_readable() -> None:
    code, text = shell.explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/file"))
    assert code == 1
    assert "No space left" in text
    assert "Free some space" in text
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")):
        assert "--dim" in shell.explain(error)[1]


# In processes of their own: the disk that fills, and the process that dies.

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
MAIN = "import sys; from graphtune.cli import main; main()"
REFUSED_THEN_KILLED = """
import os, resource, signal
from graphtune.cli import main
from graphtune.store import write

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
try:
    main()
except SystemExit as end:
    print(end.code, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

commit = write.commit_json
def commit_or_die(path, value):
    if path.name == "run.json":
        os.kill(os.getpid(), signal.SIGKILL)
    return commit(path, value)
write.commit_json = commit_or_die
main()
"""
BIG = ("--dim", "512", "--set", "epochs=1", "--overwrite", "--quiet")


def _intact(model: Path, original: Path) -> bool:
    loaded = graphtune.load(model).encode()
    kept = {k: v for k, v in snapshot(model).items() if not k.startswith("checkpoints")}
    return kept == snapshot(original) and loaded.shape == (24, 8)


def test_a_file_that_may_not_grow_and_a_kill_in_the_middle_of_saving(place: Path, tmp_path: Path) -> None:
    """The model that was there before survives both, one after the other; so does what was trained until the kill."""
    model = tmp_path / "model"
    shutil.copytree(place / "friends", model)
    command = [sys.executable, "-c", REFUSED_THEN_KILLED, "embed", place / "friends.csv", "--out", model, *BIG]
    ended = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    outcome = Outcome(ended.returncode, ended.stdout, ended.stderr)
    assert outcome.out == "1\n"
    assert "could not be written" in outcome.error
    assert "free some space" in outcome.error
    assert outcome.code == -signal.SIGKILL
    assert _intact(model, place / "friends")
    assert list(tmp_path.glob(".model.*.tmp")), "it was not killed in the middle of saving"
    done("embed", place / "friends.csv", "--out", model, *BIG, "--resume")
    assert graphtune.load(model).dim == 512


def _on_a_small_disk(directory: Path) -> tuple[str, ...]:
    """What runs a command with a disk of 256 kB at `directory`; what is on it then is copied to `directory`.after."""
    mount = 'cp -r "$0" "$0.copy" && mount -t tmpfs -o size=256k tmpfs "$0" && cp -r "$0.copy"/. "$0"'
    return "unshare", "-m", "sh", "-c", f'{mount} && "$@"; code=$?; cp -r "$0" "$0.after"; exit $code', str(directory)


def test_a_full_disk(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "friends", tmp_path / "disk" / "model")
    probe = tmp_path / "probe"
    probe.mkdir()
    if shutil.which("unshare") is None or subprocess.run([*_on_a_small_disk(probe), "true"]).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    disk = tmp_path / "disk"
    command = [sys.executable, "-c", MAIN, "embed", place / "friends.csv", "--out", disk / "model", *BIG]
    ended = subprocess.run([*_on_a_small_disk(disk), *command], capture_output=True, text=True, env=ENVIRONMENT)
    outcome = Outcome(ended.returncode, ended.stdout, ended.stderr)
    assert outcome.code == 1
    assert "No space left" in outcome.error
    assert "free some space" in outcome.error
    assert _intact(tmp_path / "disk.after" / "model", place / "friends")
