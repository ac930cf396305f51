"""Runs that are broken off and go on: bit for bit, from any step, whatever happened to the files."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cli_help import done, run, working_in
from graphtune.check import ArgumentError, DataError
from graphtune.config import TrainConfig
from graphtune.files import sweep_beside
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import BPRMF, GAT, GCN, LINE, RECIPES, RGCN, CompGCN, ComplEx, ConvE, DeepWalk, LightGCN, TransE
from graphtune.sampling import Sampler
from graphtune.split import split_nodes
from graphtune.store import load, open_directory
from graphtune.tasks import NodeClassification
from graphtune.testing import checkerboard, equal, inverse_relations, snapshot, two_cliques
from graphtune.train import progress
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.fit import Run, Training, fit
from graphtune.train.loggers import CSVLogger, TensorBoardLogger
from graphtune.train.steps import AutogradStep
from recipes import TRAINED

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=4, batch_size=32, lr=0.05, patience=0, deterministic=True)


def training_of(recipe, graph, config, **more):
    sampler, objective = recipe.pretraining(graph, config)
    return Training("test", sampler, objective, **more)


def train(config=SHORT, run=QUIET, recipe=BPRMF(dim=4), graph=checkerboard(), **more):  # noqa: B008
    return fit(recipe.build(graph, config.seed), training_of(recipe, graph, config, **more), config, run)


class Breaking:
    """A sampler that breaks a run off before some step."""

    def __init__(self, sampler: Sampler, step: int):
        self.sampler, self.num_batches, self.step = sampler, sampler.num_batches, step

    def batches(self, epoch, first=0):
        for number, batch in enumerate(self.sampler.batches(epoch, first), first):
            if epoch * self.num_batches + number == self.step:
                raise KeyboardInterrupt
            yield batch


def break_off(step, config=SHORT, run=QUIET, recipe=BPRMF(dim=4), graph=checkerboard(), **more):  # noqa: B008
    """`train`, until `step` steps are made."""
    training = training_of(recipe, graph, config, **more)
    with pytest.raises(KeyboardInterrupt):
        fit(
            recipe.build(graph, config.seed),
            replace(training, sampler=Breaking(training.sampler, step)),
            config,
            run,
        )


class DiesAt:
    """A logger that ends the run at an epoch: its row is logged, its checkpoint not written."""

    def __init__(self, epoch):
        self.epoch = epoch

    def begin(self, history):
        self.began_with = len(history)

    def log(self, row):
        if row["epoch"] == self.epoch:
            raise KeyboardInterrupt

    def close(self):
        pass


class Script:
    """A validation that gives the numbers it was told to."""

    def __init__(self, *scores):
        self.scores, self.calls = list(scores), 0

    def __call__(self, model):
        self.calls += 1
        return {"score": self.scores[self.calls - 1]}


def distance_from_three(model):
    """A score that falls after a while, so that the best weights are not the last ones."""
    return {"score": -abs(model.embeddings().norm().item() - 3.0)}


def place_in(directory):
    """Where the newest checkpoint is."""
    return Checkpoints(directory).latest().state["place"]


# ---- bit for bit --------------------------------------------------------------------------------------------


CASES = {
    "deepwalk": (
        DeepWalk(dim=4, walks_per_node=2, walk_length=6, window=2, negatives=2),
        two_cliques(),
        TrainConfig(epochs=6, batch_size=5, lr=0.1, optimizer="sgd", schedule="linear", patience=0),
    ),
    "node2vec by adagrad": (
        RECIPES["node2vec"](dim=4, walks_per_node=2, walk_length=6, window=2, q=2.0),
        two_cliques(),
        TrainConfig(epochs=6, batch_size=5, lr=0.1, optimizer="adagrad", patience=0),
    ),
    "line": (
        LINE(dim=4),
        two_cliques(),
        TrainConfig(epochs=6, batch_size=7, lr=0.1, optimizer="sgd", schedule="linear", patience=0),
    ),
    "line by weight": (
        LINE(dim=4, order="both"),
        two_cliques().replace(weight=np.arange(31) + 1.0),
        TrainConfig(epochs=6, batch_size=7, lr=0.1, optimizer="sgd", patience=0),
    ),
    "bpr by visits": (
        BPRMF(dim=4),
        checkerboard(),
        TrainConfig(epochs=6, batch_size=30, lr=0.1, l2=0.01, optimizer="sgd", schedule="linear", patience=0),
    ),
    "gcn with dropout": (
        GCN(dim=4, hidden=6, dropout=0.5),
        two_cliques(),
        TrainConfig(epochs=6, batch_size=16, lr=0.05, weight_decay=0.1, clip_norm=1.0, warmup=0.2, patience=0),
    ),
    "gat": (GAT(dim=4, hidden=8), two_cliques(), TrainConfig(epochs=6, batch_size=16, lr=0.05, patience=0)),
    "complex": (
        ComplEx(dim=6),
        inverse_relations(),
        TrainConfig(epochs=6, batch_size=8, lr=0.1, optimizer="adagrad", n3=0.01, schedule="cosine", patience=0),
    ),
    "transe": (TransE(dim=6), inverse_relations(), TrainConfig(epochs=6, batch_size=8, lr=0.1, patience=0)),
    "conve with batch norm and dropout": (
        ConvE(dim=8, channels=2),
        inverse_relations(),
        TrainConfig(epochs=6, batch_size=8, lr=0.01, patience=0),
    ),
    "rgcn": (
        RGCN(dim=4, bases=2, layers=2),
        inverse_relations(),
        TrainConfig(epochs=6, batch_size=8, lr=0.05, edge_dropout=0.2, patience=0),
    ),
    "compgcn": (
        CompGCN(dim=4, layers=2),
        inverse_relations(),
        TrainConfig(epochs=6, batch_size=8, lr=0.05, n3=0.01, patience=0),
    ),
    "bprmf": (BPRMF(dim=4), checkerboard(), TrainConfig(epochs=6, batch_size=32, lr=0.05, l2=0.1, patience=0)),
    "lightgcn": (LightGCN(dim=4), checkerboard(), TrainConfig(epochs=6, batch_size=32, lr=0.05, patience=0)),
    "lightgcn in contrast": (
        LightGCN(dim=4, contrast=0.2, loss="softmax", negatives=8, temperature=0.2),
        checkerboard(),
        TrainConfig(epochs=6, batch_size=32, lr=0.05, patience=0),
    ),
    "bprmf of ccl": (
        BPRMF(dim=4, loss="ccl", negatives=8),
        checkerboard(),
        TrainConfig(epochs=6, batch_size=32, lr=0.05, patience=0),
    ),
}


def check_resuming(tmp_path, whole, begin, break_at, **run):
    """Break a run off and let it go on: weights, history and best epoch are those of `whole`.

    Args:
        begin: trains, given a run and what wraps the sampler.
        break_at: the step that is not made any more.
    """
    with pytest.raises(KeyboardInterrupt):
        begin(Run(tmp_path, quiet=True, **run), lambda sampler: Breaking(sampler, break_at))
    found = place_in(tmp_path)
    torch.rand(7)  # another state of the generator must not matter
    resumed = begin(Run(tmp_path, resume=True, quiet=True), lambda sampler: sampler)
    assert equal(whole.model, resumed.model)
    assert resumed.best_epoch == whole.best_epoch
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    return found


@pytest.mark.parametrize("eval_every", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_resuming_is_bit_identical(tmp_path, case, eval_every):
    """At the end of an epoch, and within one: after every step, and after every third."""
    recipe, graph, config = CASES[case]
    config = replace(config, deterministic=True, eval_every=eval_every)
    training = training_of(recipe, graph, config, validate=distance_from_three, monitor="score")
    batches = training.sampler.num_batches
    assert batches > 2, "there must be a middle of an epoch"

    def begin(run, wrap):
        return fit(recipe.build(graph), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    ended = check_resuming(tmp_path / "ended", whole, begin, 4 * batches + 1)
    assert (ended["epoch"], ended["batch"]) == (4, 0)
    within = check_resuming(tmp_path / "within", whole, begin, 4 * batches + 2, save_steps=1)
    assert (within["epoch"], within["batch"]) == (4, 1)
    last = check_resuming(tmp_path / "last", whole, begin, -1, save_steps=1, loggers=(DiesAt(5),))
    assert (last["epoch"], last["batch"]) == (4, batches - 1)
    check_resuming(tmp_path / "third", whole, begin, 5 * batches - 1, save_steps=3)


def test_a_task_with_a_head_resumes_bit_identically(tmp_path):
    graph = two_cliques().replace(labels=np.repeat([0, 1], 6), label_names=("a", "b"))
    task = NodeClassification(split_nodes(graph, (4, 1, 1)), hidden=4)
    config = TrainConfig(epochs=6, batch_size=3, lr=0.05, weight_decay=0.1, patience=0, deterministic=True)
    recipe = GCN(dim=4, hidden=6, dropout=0.5)

    def begin(run, wrap):
        model = recipe.build(graph)
        training = task.training(model, config)
        return fit(model, replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    found = check_resuming(tmp_path, whole, begin, 11, save_steps=1)
    assert (found["step"], found["batch"]) == (10, 1)


def test_every_family_that_trains_has_a_case():
    """Those of one sampler and one kind of step stand for each other."""
    covered = {type(recipe).__name__ for recipe, _, _ in CASES.values()}
    same = {"GraphSAGE": "GCN", "RotatE": "TransE", "TuckER": "ConvE"}
    same |= dict.fromkeys(("DistMult", "RESCAL", "QuatE", "CP", "SimplE"), "ComplEx")
    trained = {RECIPES[name].__name__ for name in TRAINED}
    assert {same.get(name, name) for name in trained} <= covered


def test_a_run_can_be_broken_off_again_and_again(tmp_path):
    whole = train()
    for step in (1, 2, 6, 7, 11):
        break_off(step, run=Run(tmp_path, resume=True, save_steps=1, quiet=True))
    assert equal(train(run=Run(tmp_path, resume=True, quiet=True)).model, whole.model)


@pytest.mark.parametrize(
    "case, owner, name", [("complex", AutogradStep, "load_state_dict"), ("gcn with dropout", torch, "set_rng_state")]
)
def test_resuming_needs_all_of_the_state(tmp_path, monkeypatch, case, owner, name):
    """Without the optimiser's state, or the random numbers', another model comes out: the tests above can fail."""
    recipe, graph, config = CASES[case]
    config = replace(config, deterministic=True)
    whole = train(config, QUIET, recipe, graph)
    steps = training_of(recipe, graph, config).sampler.num_batches
    break_off(4 * steps + 1, config, Run(tmp_path, quiet=True), recipe, graph)
    monkeypatch.setattr(owner, name, lambda *state: None)
    assert not equal(train(config, Run(tmp_path, resume=True, quiet=True), recipe, graph).model, whole.model)


def test_seconds_between_checkpoints(tmp_path):
    """The state is saved within an epoch when the time has come, and not before."""
    config = replace(SHORT, epochs=1)
    break_off(3, config, Run(tmp_path / "soon", save_every=1e-9, quiet=True))
    assert place_in(tmp_path / "soon")["batch"] == 2, "between the second step and the third, which was never made"
    break_off(3, config, Run(tmp_path / "late", save_every=3600, quiet=True))
    break_off(3, config, Run(tmp_path / "never", save_every=0, quiet=True))
    assert Checkpoints(tmp_path / "late").latest() is Checkpoints(tmp_path / "never").latest() is None


def test_seconds_of_an_epoch_count_both_parts(tmp_path):
    def slow(model):
        time.sleep(0.2)
        return {"score": 1.0}

    config = replace(SHORT, epochs=2, eval_every=1)
    break_off(6, config, Run(tmp_path, save_steps=1, quiet=True), validate=slow)
    store = Checkpoints(tmp_path)
    found = store.latest()
    found.state["place"]["seconds"] = 5.0
    with store:
        store.save(found.step, found.state)
    resumed = train(config, Run(tmp_path, resume=True, quiet=True), validate=slow)
    assert 0.2 <= resumed.history[0]["seconds"] < 5 and 5.2 <= resumed.history[1]["seconds"] < 10


@pytest.mark.parametrize("bad", [{"save_every": -1.0}, {"save_steps": 1.5}])
def test_bad_intervals_are_refused(bad):
    with pytest.raises(ArgumentError, match=f"`{next(iter(bad))}` of Run"):
        Run(**bad)


# ---- damage -------------------------------------------------------------------------------------------------


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def damage_flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def damage_digit(path):
    """Another loss: JSON still, and a state that could be used."""
    text = path.read_text()
    at = text.index('"loss": 0.') + len('"loss": 0.')
    path.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])


@pytest.mark.parametrize(
    "suffix, damage",
    [
        (".safetensors", damage_cut),
        (".safetensors", damage_flip),
        (".safetensors", lambda path: path.unlink()),
        (".json", damage_cut),
        (".json", damage_digit),
        (".json", lambda path: path.write_bytes(b"")),
        (".json", lambda path: path.write_text("[]")),
        (".json", lambda path: path.write_text("{}")),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path, capsys, suffix, damage):
    whole = train()
    break_off(15, run=Run(tmp_path, quiet=True))
    files = sorted(tmp_path.glob("*" + suffix))
    assert len(files) == 2, "two are kept"
    damage(files[-1])
    assert place_in(tmp_path)["epoch"] == 2
    assert equal(train(run=Run(tmp_path, resume=True)).model, whole.model)
    said = capsys.readouterr().err
    assert "Passed over a damaged checkpoint" in said and files[-1].stem in said
    again = [path.stem for path in sorted(tmp_path.glob("*.json"))]
    assert again == ["000000000012", "000000000016"], "the damaged one is gone, and two whole ones are kept"


def test_no_flipped_bit_goes_unnoticed(tmp_path):
    """Any bit of any file: the checkpoint is passed over, or means the very same."""
    break_off(9, run=Run(tmp_path, quiet=True))
    told = json.dumps(Checkpoints(tmp_path).latest().state["place"])
    rng = np.random.default_rng(0)
    for path in (tmp_path / "000000000008.json", tmp_path / "000000000008.safetensors"):
        whole = path.read_bytes()
        for at in rng.integers(0, len(whole), 150):
            content = bytearray(whole)
            content[at] ^= 1 << rng.integers(8)
            path.write_bytes(bytes(content))
            found = Checkpoints(tmp_path).latest()
            assert found.step == 4 or json.dumps(found.state["place"]) == told
            assert found.step == 4 or path.suffix == ".json", "weights are never read in part"
        path.write_bytes(whole)
    assert Checkpoints(tmp_path).latest().step == 8


def test_checkpoints_all_damaged_are_an_error(tmp_path):
    break_off(9, run=Run(tmp_path, quiet=True))
    for path in tmp_path.glob("*.safetensors"):
        damage_flip(path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"must hold a whole checkpoint\. Found 2, all damaged"):
        train(run=Run(tmp_path, resume=True, quiet=True))
    assert sorted(tmp_path.iterdir()) == before, "they may yet be mended"


def test_what_killed_runs_left_is_swept(tmp_path):
    break_off(9, run=Run(tmp_path, quiet=True))
    (tmp_path / ".000000000012.safetensors.4711.tmp").write_bytes(b"half")
    (tmp_path / "000000000012.safetensors").write_bytes(b"weights without their JSON")
    (tmp_path / "000000000004.json").unlink()
    with Checkpoints(tmp_path):
        found = {path.name for path in tmp_path.iterdir()}
    assert found == {"lock", "000000000008.json", "000000000008.safetensors"}
    assert place_in(tmp_path)["step"] == 8


def test_what_killed_runs_staged_is_swept(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    stale, own, alive = (tmp_path / f".m.{pid}.tmp" for pid in (int(dead.stdout), os.getpid(), os.getppid()))
    other, another = tmp_path / f".mm.{int(dead.stdout)}.tmp", tmp_path / ".m.x.tmp"
    for path in (stale, own, alive, other, another):
        path.mkdir()
        (path / "config.json").write_text("{}")
    sweep_beside(tmp_path / "m")
    assert set(tmp_path.iterdir()) == {alive, other, another}


# ---- another run --------------------------------------------------------------------------------------------


def test_resume_without_checkpoints_starts_anew(tmp_path):
    resumed = train(run=Run(tmp_path / "none", resume=True, quiet=True))
    assert equal(resumed.model, train().model)


def test_resuming_a_finished_run_trains_no_more(tmp_path):
    script = Script(0.1, 0.9, 0.2, 0.3)
    whole = train(SHORT, Run(tmp_path, quiet=True), validate=script, monitor="score")
    again = train(SHORT, Run(tmp_path, resume=True, quiet=True), validate=Script(), monitor="score")
    assert equal(whole.model, again.model) and again.best_epoch == 2 and again.history == whole.history


def test_resuming_a_run_that_stopped_early_trains_no_more(tmp_path):
    config = replace(SHORT, patience=2)
    whole = train(config, Run(tmp_path, quiet=True), validate=Script(0.9, 0.1, 0.2), monitor="score")
    assert whole.stopped_early
    again = train(config, Run(tmp_path, resume=True, quiet=True), validate=Script(), monitor="score")
    assert again.stopped_early and equal(whole.model, again.model) and len(again.history) == 3


def test_resuming_with_other_options_is_refused(tmp_path):
    train(run=Run(tmp_path, quiet=True, plan={"data": "x"}))
    with pytest.raises(DataError, match=r"another value of lr, seed, data \(lr was 0.05, is 0.01; .*data was 'x'"):
        train(replace(SHORT, lr=0.01, seed=5), Run(tmp_path, resume=True, quiet=True, plan={"data": "y"}))


def test_resuming_another_model_is_refused(tmp_path):
    train(run=Run(tmp_path, quiet=True))
    with pytest.raises(DataError, match=r"must fit this model.*encoder\.weight of shape \[32, 4\].*\[32, 8\]"):
        train(run=Run(tmp_path, resume=True, quiet=True), recipe=BPRMF(dim=8))


def test_a_checkpoint_of_another_version_is_refused(tmp_path):
    break_off(9, run=Run(tmp_path, quiet=True))
    with Checkpoints(tmp_path) as store:
        found = store.latest()
        store.save(found.step, {name: state for name, state in found.state.items() if name != "best"})
    with pytest.raises(DataError, match="another version"):
        train(run=Run(tmp_path, resume=True, quiet=True))


def test_resuming_from_other_weights_is_refused(tmp_path):
    start = BPRMF(dim=4).build(checkerboard(), 1)
    training = training_of(BPRMF(dim=4), checkerboard(), SHORT)
    fit(start.copy(), training, SHORT, Run(tmp_path, quiet=True))
    with torch.no_grad():
        start.encoder.weight[3, 1] += 1e-6
    before = snapshot(start)
    with pytest.raises(DataError, match="started from the same weights"):
        fit(start, training, SHORT, Run(tmp_path, resume=True, quiet=True))
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())


@pytest.mark.parametrize("deterministic", [True, False])
def test_another_number_of_threads(tmp_path, deterministic):
    """It changes the last bit of sums, so it is refused where every bit is to be the same."""
    config = replace(SHORT, deterministic=deterministic)
    break_off(9, config, run=Run(tmp_path, quiet=True))
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        if deterministic:
            with pytest.raises(DataError, match=f"as many threads.*OMP_NUM_THREADS={before}"):
                train(config, Run(tmp_path, resume=True, quiet=True))
        else:
            assert len(train(config, Run(tmp_path, resume=True, quiet=True)).history) == 4
    finally:
        torch.set_num_threads(before)


def test_a_new_run_replaces_the_checkpoints_of_an_old_one(tmp_path):
    train(replace(SHORT, epochs=6), Run(tmp_path, quiet=True))
    break_off(7, run=Run(tmp_path, quiet=True))
    assert place_in(tmp_path)["epoch"] == 1, "that of the new run, which got less far"
    break_off(2, run=Run(tmp_path, quiet=True))
    assert Checkpoints(tmp_path).latest() is None, "and no old one is taken for the new run's"


def test_checkpoints_keep_nested_states(tmp_path):
    state = {
        "weights": {"w": torch.eye(2).T},
        "step": {0: {"sum": torch.arange(3.0), "step": torch.tensor(2.0)}, "groups": [{"lr": 0.1, "betas": (0.9, 1)}]},
        "best": {"score": float("-inf"), "weights": {}, "name": None},
    }
    with Checkpoints(tmp_path) as store:
        store.save(7, state)
        found = store.latest()
    assert found.step == 7 and list(found.state) == list(state)
    assert torch.equal(found.state["weights"]["w"], torch.eye(2)) and found.state["best"] == state["best"]
    assert torch.equal(found.state["step"][0]["sum"], state["step"][0]["sum"])
    assert found.state["step"]["groups"] == [{"lr": 0.1, "betas": [0.9, 1]}]


# ---- one run at a time --------------------------------------------------------------------------------------


HOLDER = """
import sys, time
from graphtune.train.checkpoint import Checkpoints
with Checkpoints(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_runs_in_one_directory(tmp_path):
    """The second is refused, naming the first, and nothing is lost; a kill frees the directory."""
    break_off(9, run=Run(tmp_path, quiet=True))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("0*")}
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        for resume in (True, False):
            with pytest.raises(DataError, match=f"one run at a time. Found process {first.pid} at work"):
                train(run=Run(tmp_path, resume=resume, quiet=True))
        with pytest.raises(DataError, match="one run at a time"):
            Checkpoints(tmp_path).check_free()
        assert {path.name: path.read_bytes() for path in tmp_path.glob("0*")} == before
        first.send_signal(signal.SIGKILL)
    assert equal(train(run=Run(tmp_path, resume=True, quiet=True)).model, train().model)


def test_checkpoints_may_be_entered_twice_by_their_owner(tmp_path):
    with Checkpoints(tmp_path) as store:
        train(run=Run(store, quiet=True))
        assert store.latest().step == 16
        with pytest.raises(DataError, match="one run at a time"), Checkpoints(tmp_path):
            pass
    with Checkpoints(tmp_path):
        pass


# ---- no room, no right --------------------------------------------------------------------------------------


GCN8 = ("--model", "gcn", "--dim", "8", "--set", "hidden=8", "--set", "deterministic=true", "--quiet")
EMBED = ("embed", "friends.csv", *GCN8, "--set", "epochs=4")


@contextmanager
def room_for(size):
    """No file may grow beyond `size` bytes: the system refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def friends(tmp_path, monkeypatch):
    """A current directory with friends.csv, two groups; one thread here and in children, as bits are compared."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rng = np.random.default_rng(0)
    pairs = [(i, j) for i in range(24) for j in range(i) if rng.random() < (0.5 if i // 12 == j // 12 else 0.03)]
    with working_in(tmp_path):
        Path("friends.csv").write_text("source,target\n" + "".join(f"n{i},n{j}\n" for i, j in pairs))
        yield tmp_path


def test_a_full_disk_leaves_what_there_was(friends):
    """The command ends with a clear error, and goes on when there is room."""
    done(*EMBED, "--out", "whole")
    old = load(friends / "whole")
    for size in (1000, 9000):  # too little for the first checkpoint, and for the model
        with room_for(size):
            failed = run("embed", "friends.csv", *GCN8, "--set", "epochs=5", "--out", "whole", "--overwrite")
        assert failed.code == 1
        assert "could not be written" in failed.error and "File too large" in failed.error
        assert equal(old, load(friends / "whole")), "the finished model is untouched"
    done("embed", "friends.csv", *GCN8, "--set", "epochs=5", "--out", "whole", "--overwrite", "--resume")
    assert len(open_directory(friends / "whole").record.history) == 5
    assert sorted(path.name for path in friends.iterdir()) == ["friends.csv", "whole"]


def test_a_disk_that_fills_up_later_keeps_the_checkpoints(tmp_path):
    whole = train()
    break_off(9, run=Run(tmp_path, quiet=True))
    before = sorted(path.name for path in tmp_path.iterdir())
    with room_for(1000), pytest.raises(DataError, match=r"could not be written: .*What was there before is untouched"):
        train(run=Run(tmp_path, resume=True, quiet=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert equal(train(run=Run(tmp_path, resume=True, quiet=True)).model, whole.model)


WITHOUT_RIGHTS = """
import os, sys
from graphtune.check import DataError
from graphtune.train.checkpoint import Checkpoints
os.setuid(65534)
for place in sys.argv[1:]:
    try:
        Checkpoints(place).__enter__()
    except DataError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")
def test_a_directory_without_the_right_to_write(friends):
    """As a user who may read but not write: an error at once, and nothing is changed."""
    for path in [*friends.parents, friends]:
        if path.stat().st_uid == os.geteuid() and path.is_relative_to("/tmp/pytest-of-root"):
            path.chmod(0o755)
    (friends / "out" / "checkpoints").mkdir(parents=True)
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, friends / "out/checkpoints", friends / "out/new"],
        capture_output=True,
        text=True,
    )
    assert told.stdout.count("could not be written: Permission denied. Choose another one.") == 2, told
    assert [path.name for path in (friends / "out").iterdir()] == ["checkpoints"]
    assert not list((friends / "out" / "checkpoints").iterdir())


def test_a_place_where_nothing_can_be_made():
    with pytest.raises(DataError, match="directory /proc/nowhere/deep could not be written"):
        train(run=Run("/proc/nowhere/deep", quiet=True))


# ---- the command line ---------------------------------------------------------------------------------------


def test_a_killed_command_goes_on(friends):
    """Killed within an epoch, when two checkpoints are there; the same command with --resume ends alike."""
    words = ["embed", "friends.csv", *GCN8, "--set", "epochs=50", "--set", "batch_size=16"]
    done(*words, "--out", "whole")
    words += ["--out", "killed", "--save-every", "0.001"]
    with subprocess.Popen([sys.executable, "-m", "graphtune", *words]) as process:
        deadline = time.monotonic() + 120
        while len(list(friends.glob("killed/checkpoints/0*.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and not (friends / "killed" / "run.json").exists()
    assert "--resume goes on with it" in run(*words).error
    done(*words, "--resume")
    assert equal(load(friends / "whole"), load(friends / "killed"))
    assert "killed is finished" in done(*words, "--resume").out
    other = run(*words, "--resume", "--seed", "3")
    assert other.code == 2 and "seed was 0, is 3" in other.error
    assert sorted(path.name for path in friends.iterdir()) == ["friends.csv", "killed", "whole"]


def test_a_finished_run_of_other_options_may_be_overwritten(friends):
    done(*EMBED, "--out", "new")
    again = ("--seed", "3", "--out", "new", "--resume")
    assert "other options (seed was 0, is 3)" in run(*EMBED, *again).error
    done(*EMBED, *again, "--overwrite")
    assert "finished" in done(*EMBED, *again, "--overwrite").out, "the same command again has nothing to do"


def test_a_command_killed_before_its_first_checkpoint_is_not_taken_for_finished(friends):
    """Beside the old model stands the empty directory of the run that was to replace it."""
    done(*EMBED, "--out", "new")
    (friends / "new" / "checkpoints").mkdir()
    (friends / "new" / "checkpoints" / "lock").touch()
    assert "finished" not in done(*EMBED, "--out", "new", "--overwrite", "--resume").out
    assert not (friends / "new" / "checkpoints").exists()


def test_two_commands_in_one_directory(friends):
    with Checkpoints("new/checkpoints"):
        for more in ((), ("--resume",), ("--overwrite",)):
            second = run(*EMBED, "--out", "new", *more)
            assert second.code == 1 and f"Found process {os.getpid()} at work" in second.error
    done(*EMBED, "--out", "new")


# ---- logs ---------------------------------------------------------------------------------------------------


def test_rows_beyond_the_checkpoint_are_logged_once(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resume, dies in ((False, 3), (True, 4), (True, 9)):
        loggers = CSVLogger(tmp_path / "csv"), TensorBoardLogger(tmp_path / "tb"), DiesAt(dies)
        run = Run(tmp_path / "state", resume, loggers=loggers, quiet=True)
        if dies < 9:
            with pytest.raises(KeyboardInterrupt):
                train(run=run)
        else:
            result = train(run=run)
        for logger in loggers:
            logger.close()
    assert loggers[-1].began_with == 3
    with open(tmp_path / "csv" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], float(row["loss"])) for row in rows] == [
        (str(row["epoch"]), row["loss"]) for row in result.history
    ]
    losses = EventAccumulator(str(tmp_path / "tb")).Reload().Scalars("loss")
    assert [(e.step, e.value) for e in losses] == [(r["step"], pytest.approx(r["loss"])) for r in result.history]


def test_a_line_that_a_kill_tore_is_written_anew(tmp_path):
    run = Run(tmp_path / "state", loggers=(CSVLogger(tmp_path),), quiet=True)
    break_off(9, run=run)
    with open(tmp_path / "history.csv", "a") as file:
        file.write("3,12,0.6")
    run = replace(run, resume=True, loggers=(CSVLogger(tmp_path),))
    train(run=run)
    with open(tmp_path / "history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]


def test_progress_of_a_resumed_run_counts_from_where_it_was(monkeypatch, capsys, tmp_path):
    break_off(10, run=Run(tmp_path, save_steps=1, quiet=True))
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    train(run=Run(tmp_path, resume=True))
    assert capsys.readouterr().err.startswith("test: 10/16 steps")


def test_an_empty_graph_is_refused_before_anything_is_written(tmp_path):
    empty = Graph(np.empty((2, 0)), NodeIds.range(5))
    with pytest.raises(ArgumentError, match="learn from"):
        train(run=Run(tmp_path / "new", quiet=True), recipe=GCN(dim=4), graph=empty)
    assert not (tmp_path / "new").exists()
