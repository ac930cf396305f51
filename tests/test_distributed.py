"""Two processes that train together: the weights of one, and of a run that goes on after a worker was killed."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from cli_help import done, run, working_in
from graphs import planted
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.launch import launch
from graphtune.models import BPRMF, GCN, ComplEx, DeepWalk, HeadSpec
from graphtune.objectives import Classify
from graphtune.sampling import NodeSampler
from graphtune.store import load, open_directory
from graphtune.testing import checkerboard, inverse_relations, two_cliques
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.distributed import Group, workers
from graphtune.train.fit import Run, Training, TrainingError, fit
from graphtune.train.loggers import CSVLogger
from graphtune.train.state import Machine, MismatchError

WORLD = 2
COMMON = TrainConfig(epochs=4, lr=0.02, patience=0)
CASES = {
    "bprmf": (BPRMF(dim=4), checkerboard(), replace(COMMON, batch_size=55, l2=0.1)),
    "complex": (ComplEx(dim=6), inverse_relations(), replace(COMMON, optimizer="adagrad", batch_size=8, n3=0.01)),
    "gcn": (
        GCN(dim=4, hidden=6, dropout=0.0),
        two_cliques(),
        replace(COMMON, batch_size=15, clip_norm=0.1, weight_decay=0.1, edge_dropout=0.2, unfreeze=0.2),
    ),
    "deepwalk": (
        DeepWalk(dim=4, walks_per_node=2, walk_length=6, window=2, negatives=2),
        two_cliques(),
        replace(COMMON, optimizer="adagrad", batch_size=11, l1=0.01),
    ),
}
DROPPED = (GCN(dim=4, hidden=6, dropout=0.5), two_cliques(), replace(COMMON, batch_size=15, row_dropout=0.1))


def train(recipe, graph, config, run=Run(quiet=True), wrap=lambda sampler: sampler, **more):
    sampler, objective = recipe.pretraining(graph, config)
    return fit(recipe.build(graph), Training("test", wrap(sampler), objective, **more), config, run)


def train_weighted():
    """A head on nodes that count differently, in batches of which the last has one node."""
    graph = planted(groups=2, size=8, inside=0.6, outside=0.1)
    config = replace(COMMON, batch_size=5, l2=0.05)
    model = GCN(dim=4, hidden=6, dropout=0.0).build(graph)
    model.add_head("group", HeadSpec(4, 2))
    sampler = NodeSampler(np.arange(16), graph.labels, 5, np.arange(16, dtype=np.float32))
    return fit(model, Training("test", sampler, Classify("group")), config, Run(quiet=True))


class Breaks:
    """A sampler that ends the run before a step."""

    def __init__(self, sampler, step):
        self.sampler, self.num_batches, self.step = sampler, sampler.num_batches, step

    def batches(self, epoch, first=0):
        for number, batch in enumerate(self.sampler.batches(epoch, first), first):
            if epoch * self.num_batches + number == self.step:
                raise KeyboardInterrupt
            yield batch


# ---- what each of the processes does ------------------------------------------------------------------------


def work(rank: int, place: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/store", rank=rank, world_size=WORLD)
    told = {"deepwalk by sgd": refusal(), "not finite": overflow(rank)}

    def keep(name, result):
        save_file(result.model.state_dict(), place / f"{name}-{rank}.safetensors")
        told[name] = [{**row, "seconds": 0} for row in result.history]

    for name, case in CASES.items():
        keep(name, train(*case))
    keep("weighted", train_weighted())
    for name in ("dropped", "again"):
        keep(name, train(*DROPPED))
    keep("resumed", broken_off(place / "state", CSVLogger(place / f"log-{rank}")))
    keep("watched", watched(rank))
    told["sums"] = sums(rank)
    (place / f"told-{rank}.json").write_text(json.dumps(told))
    dist.destroy_process_group()


def refusal() -> str:
    recipe, graph, _ = CASES["deepwalk"]
    with pytest.raises(ArgumentError) as caught:
        train(recipe, graph, replace(COMMON, optimizer="sgd"))
    return str(caught.value)


def overflow(rank: int) -> str:
    """One process has a loss that is not finite, and all of them end."""

    def objective(model, batch):
        losses = bpr(model, batch)
        return losses._replace(values=losses.values * float("nan")) if rank else losses

    recipe, graph, config = CASES["bprmf"]
    sampler, bpr = recipe.pretraining(graph, config)
    with pytest.raises(TrainingError) as caught:
        fit(recipe.build(graph), Training("test", sampler, objective), config, Run(quiet=True))
    return str(caught.value)


def broken_off(state: Path, logger: CSVLogger):
    with pytest.raises(KeyboardInterrupt):
        train(*DROPPED, Run(state, save_steps=1, quiet=True), lambda sampler: Breaks(sampler, 7))
    torch.rand(3)  # the state of the generator must not matter
    return train(*DROPPED, Run(state, resume=True, loggers=(logger,), quiet=True))


def watched(rank: int):
    """Stopped early by scores that the first process alone knows."""
    scores = iter([0.5, 0.7, 0.6, 0.6, 0.9, 0.9])

    def validate(model):
        assert rank == 0
        return {"score": np.float32(next(scores))}

    recipe, graph, config = CASES["bprmf"]
    config = replace(config, epochs=6, patience=2, schedule="plateau", plateau_patience=1)
    return train(recipe, graph, config, validate=validate, monitor="score")


def sums(rank: int) -> dict[str, list]:
    """Gradients of a sparse table, of one that only a process has, of a large one and of one that nobody has."""
    shapes = {"sparse": (5, 2), "one": (3,), "one sparse": (4, 1), "large": (300, 300), "nobody": (2,)}
    parameters = {name: torch.nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()}
    rows = torch.tensor([[0, 3, 3]] if rank else [[3, 1]])
    values = torch.arange(1.0, 2 * rows.shape[1] + 1).view(-1, 2) * (10 if rank else 1)
    parameters["sparse"].grad = torch.sparse_coo_tensor(rows, values, (5, 2))
    if rank:
        parameters["one"].grad = torch.tensor([1.0, 2.0, 3.0])
        parameters["one sparse"].grad = torch.sparse_coo_tensor([[2]], torch.tensor([[7.0]]), (4, 1))
    parameters["large"].grad = torch.full((300, 300), rank + 1.0)
    Group().add_gradients(list(parameters.values()))
    assert parameters["sparse"].grad.is_sparse and parameters["one sparse"].grad.is_sparse
    assert parameters["nobody"].grad is None
    return {name: p.grad.to_dense().tolist() for name, p in parameters.items() if p.numel() < 100 and name != "nobody"}


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    """What two processes left behind."""
    place = tmp_path_factory.mktemp("together")
    torch.multiprocessing.spawn(work, (place,), WORLD)
    return place


def told(place: Path, rank: int = 0) -> dict:
    return json.loads((place / f"told-{rank}.json").read_text())


def weights(place: Path, name: str, rank: int = 0) -> dict[str, torch.Tensor]:
    return load_file(place / f"{name}-{rank}.safetensors")


def same_bits(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---- as one process -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CASES, "weighted"])
def test_two_processes_take_the_steps_of_one(together, name):
    alone = train_weighted() if name == "weighted" else train(*CASES[name])
    for key, tensor in weights(together, name).items():
        torch.testing.assert_close(tensor, alone.model.state_dict()[key], rtol=1e-4, atol=1e-5)
    for row, other in zip(alone.history, told(together)[name], strict=True):
        assert other["loss"] == pytest.approx(row["loss"], rel=1e-5)


@pytest.mark.parametrize("name", [n for n in CASES if n != "deepwalk"])
def test_some_batch_is_too_small_for_two(name):
    """So the tests above have a process that is left without a part."""
    recipe, graph, config = CASES[name]
    sampler, _ = recipe.pretraining(graph, config)
    assert min(len(batch.split(WORLD)) for batch in sampler.batches(0)) == 1


@pytest.mark.parametrize("name", [*CASES, "weighted", "dropped", "resumed", "watched"])
def test_processes_keep_the_same_weights(together, name):
    assert same_bits(weights(together, name, 0), weights(together, name, 1))
    assert told(together, 0)[name] == told(together, 1)[name]


def test_dropout_differs_between_processes_and_comes_again(together):
    assert same_bits(weights(together, "dropped"), weights(together, "again"))
    assert not same_bits(weights(together, "dropped"), train(*DROPPED).model.state_dict())


def test_a_run_of_two_resumes_bit_for_bit(together):
    assert same_bits(weights(together, "resumed"), weights(together, "dropped"))
    assert told(together)["resumed"] == told(together)["dropped"]
    assert (together / "log-0" / "history.csv").exists() and not (together / "log-1").exists(), "the first one logs"


def test_another_number_of_processes_is_refused(together):
    state = Checkpoints(together / "state").latest().state["machine"]
    assert state["processes"] == WORLD
    with pytest.raises(MismatchError, match="as many processes"):
        Machine(torch.device("cpu"), deterministic=True).load_state_dict(state)


def test_the_first_process_alone_validates(together):
    history = told(together, 1)["watched"]
    assert [row["score"] for row in history] == pytest.approx([0.5, 0.7, 0.6, 0.6]), "the run stopped early"
    assert history[3]["lr"] < history[0]["lr"], "and its rate fell"


def test_gradients_are_added(together):
    expected = {
        "sparse": [[10, 20], [3, 4], [0, 0], [81, 102], [0, 0]],
        "one": [1, 2, 3],
        "one sparse": [[0], [0], [7], [0]],
    }
    assert told(together, 0)["sums"] == told(together, 1)["sums"] == expected


def test_fused_steps_are_refused(together):
    assert (
        "`optimizer` of TrainConfig must be 'adagrad' or 'adamw' for DeepWalk in 2 processes"
        in told(together)["deepwalk by sgd"]
    )


def test_a_loss_that_one_process_finds_infinite_ends_all(together):
    assert all("must stay finite" in told(together, rank)["not finite"] for rank in range(WORLD))


# ---- torchrun -----------------------------------------------------------------------------------------------


TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}


def test_what_torchrun_says(monkeypatch):
    assert launch().world == 1 and launch().is_first and workers().count == 1
    for name, value in {**TORCHRUN, "TORCHELASTIC_RESTART_COUNT": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", "/logs/run/attempt_3/1/error.json")
    said = launch()
    assert (said.rank, said.world, said.restarts, said.is_first) == (1, 2, 3, False)
    assert said.store == Path("/logs/run/attempt_3/graphtune-store-3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ArgumentError, match="processes of one machine"):
        launch()


def test_commands_that_do_not_train_are_for_one_process():
    refused = run("datasets", "list", env=TORCHRUN)
    assert refused.code == 2 and "1 but for embed, finetune and run" in refused.error


@pytest.fixture
def friends(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    graph = planted(groups=2, size=20, inside=0.4, outside=0.03)
    with working_in(tmp_path):
        Path("friends.csv").write_text("source,target\n" + "".join(f"n{u},n{v}\n" for u, v in graph.edges.T))
        yield tmp_path


CONFIG = """
[data]
edges = "friends.csv"
[embed]
model = "gcn"
dim = 8
out = "base"
set = { epochs = 1, dropout = 0.0 }
[finetune]
task = "link-prediction"
out = "killed"
set = { epochs = 40, patience = 0 }
"""


def test_a_killed_worker_is_started_again_and_goes_on(friends):
    """One of two workers is killed mid-run: torchrun starts both again, they go on from the last checkpoint and end
    with the weights of a run that nobody disturbed."""
    Path("both.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", "3", "-m", "graphtune", "run", "both.toml", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 200
        while not [*friends.glob("killed/checkpoints/0*.json")] and time.monotonic() < deadline:
            time.sleep(0.005)
        psutil.Process(process.pid).children()[-1].kill()
        first_epoch = Checkpoints("killed/checkpoints").latest().state["place"]["history"][0]
        told, error = process.communicate(timeout=200)
    assert process.returncode == 0, error[-3000:]
    assert "failed (exitcode: -" in error and "unexpected" not in error, error[-3000:]
    assert told.count("base is finished") == told.count("Saved in killed") == 1, "one process speaks for all"
    killed = open_directory(friends / "killed")
    assert killed.record.history[0] == first_epoch, "down to the seconds: it was not begun anew"
    words = ("--task", "link-prediction", "--set", "epochs=40", "--set", "patience=0", "--quiet")
    done("finetune", "base", *words, "--out", "alone")
    alone = load(friends / "alone")
    for name, tensor in killed.model.state_dict().items():
        torch.testing.assert_close(tensor, alone.state_dict()[name], rtol=1e-2, atol=1e-3)
    names = ["alone", "base", "both.toml", "friends.csv", "killed"]
    assert sorted(path.name for path in friends.iterdir()) == names
