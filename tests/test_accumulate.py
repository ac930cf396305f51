"""Steps made in parts: the loss and the gradient of the whole batch, whatever memory there is."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.models import RECIPES
from graphtune.models.bprmf import BPRMF
from graphtune.models.gnn import GCN
from graphtune.models.heads import HeadSpec
from graphtune.objectives import BPR, Classify, EdgeProximity, OneVsAll, Regress, SampledSoftmax
from graphtune.testing import checkerboard, equal, two_cliques
from graphtune.train.accumulate import out_of_memory
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.failure import TrainingError
from graphtune.train.fit import Run, Training, fit
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep
from recipes import TRAINED, bare, graph_of

PENALTIES = {"l1": 0.01, "l2": 0.02, "n3": 0.03}
SGD = TrainConfig(optimizer="sgd", lr=0.5, batch_size=11, **PENALTIES)


def steps_agree(model, objective, batch, config=SGD, parts=(2, 3, 100)):
    """One step on the whole, and one in parts: the same loss, and the same weights after it."""
    whole = model.copy()
    loss = AutogradStep(whole, objective, config)(batch, Clock())
    for count in parts:
        twin = model.copy()
        again = AutogradStep(twin, objective, replace(config, accumulate=count))(batch, Clock())
        assert again == pytest.approx(loss, rel=1e-5)
        for (name, a), b, start in zip(twin.named_parameters(), whole.parameters(), model.parameters()):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)
            assert a.grad is None or torch.equal(a, start) == torch.equal(b, start)


# ---- against the whole batch --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINED)
def test_every_family_steps_in_parts_as_on_the_whole(name):
    recipe, graph = bare(RECIPES[name](), dim=8), graph_of(name)
    model = recipe.build(graph).float()
    sampler, objective = recipe.pretraining(graph, SGD)
    steps_agree(model, objective, next(iter(sampler.batches(0))))


@pytest.mark.parametrize("objective", [BPR(), EdgeProximity(), SampledSoftmax(), OneVsAll()], ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("negatives", [(13, 3), (7, 3), (5,)])
def test_objectives_in_parts(objective, weighted, negatives):
    """An odd number of examples, weights of which some are 0, negatives of one, of two and of all."""
    rng = torch.Generator().manual_seed(0)
    graph = checkerboard()
    draw = lambda *shape: torch.randint(graph.num_nodes, shape, generator=rng)  # noqa: E731
    weight = torch.rand(13, generator=rng).round(decimals=1) * (torch.arange(13) % 4 > 0) if weighted else None
    batch = Batch(draw(13), draw(13), draw(*negatives), weight=weight)
    steps_agree(BPRMF(dim=4).build(graph), objective, batch)


@pytest.mark.parametrize("objective, outputs", [(Classify("task"), 3), (Regress("task"), 1)])
def test_heads_in_parts(objective, outputs):
    model = GCN(dim=4, hidden=6, dropout=0.0).build(two_cliques())
    model.add_head("task", HeadSpec(4, outputs))
    label = torch.tensor([0, 1, 2, 1, 0]) if outputs == 3 else torch.tensor([0.3, -1.0, 2.0, 0.0, 1.0])
    weight = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0])
    steps_agree(model, objective, Batch(torch.arange(5), label=label, weight=weight))


def test_weights_that_are_all_zero_give_the_penalties_only():
    batch = Batch(torch.arange(6), torch.arange(6) + 18, torch.tensor([17]), weight=torch.zeros(6))
    steps_agree(BPRMF(dim=4).build(checkerboard()), BPR(), batch)


def test_clipping_sees_the_whole_gradient():
    config = replace(SGD, clip_norm=1e-3, clip_value=1e-3)
    sampler, objective = BPRMF(dim=4).pretraining(checkerboard(), config)
    steps_agree(BPRMF(dim=4).build(checkerboard()), objective, next(iter(sampler.batches(0))), config)


def test_batches_that_cannot_be_split_are_refused():
    class Odd:
        source = torch.tensor([0])

    model = BPRMF(dim=4).build(two_cliques())
    step = AutogradStep(model, lambda m, b: None, TrainConfig(accumulate=2))
    with pytest.raises(ArgumentError, match="`accumulate` of TrainConfig must be 1 for batches that have no `split`"):
        step(Odd(), Clock())
    with pytest.raises(ArgumentError, match="accumulate"):
        TrainConfig(accumulate=0)


# ---- out of memory ------------------------------------------------------------------------------------------


class Greedy:
    """A real objective that also asks torch for a petabyte where a part has more than `most` examples."""

    def __init__(self, objective, most):
        self.objective, self.most = objective, most

    def __call__(self, model, batch):
        if len(batch) > self.most:
            torch.empty(1 << 50, dtype=torch.uint8)
        return self.objective(model, batch)


def greedy(most, **options):
    config = TrainConfig(epochs=3, batch_size=32, lr=0.05, patience=0, device="cpu", deterministic=True, **options)
    sampler, objective = BPRMF(dim=4).pretraining(checkerboard(), config)
    return Training("test", sampler, Greedy(objective, most)), config


def test_a_step_that_does_not_fit_is_made_in_more_parts(capsys):
    """As if so many parts had been asked for; one line is said each time that parts are halved."""
    training, config = greedy(9)
    found = fit(BPRMF(dim=4).build(checkerboard()), training, config, Run(checkpoints=None))
    said = [line for line in capsys.readouterr().err.splitlines() if "memory" in line]
    assert said == [
        "Out of memory: each step is made in 2 parts from now on, of the same batch_size.",
        "Out of memory: each step is made in 4 parts from now on, of the same batch_size.",
    ]
    training, config = greedy(9, accumulate=4)
    asked = fit(BPRMF(dim=4).build(checkerboard()), training, config, Run(quiet=True))
    assert equal(found.model, asked.model)


def test_the_number_of_parts_is_resumed(tmp_path):
    """After the break there is memory enough, and still the parts are those found before."""
    training, config = greedy(9)
    recipe, graph = BPRMF(dim=4), checkerboard()
    whole = fit(recipe.build(graph), training, config, Run(quiet=True))

    class Breaking:
        num_batches = training.sampler.num_batches

        def batches(self, epoch, first=0):
            for number, batch in enumerate(training.sampler.batches(epoch, first), first):
                if (epoch, number) == (1, 2):
                    raise KeyboardInterrupt
                yield batch

    broken = replace(training, sampler=Breaking())
    with pytest.raises(KeyboardInterrupt):
        fit(recipe.build(graph), broken, config, Run(tmp_path, save_steps=1, quiet=True))
    assert Checkpoints(tmp_path).latest().state["step"]["parts"] == {"count": 4}
    roomy, _ = greedy(1000)
    resumed = fit(recipe.build(graph), roomy, config, Run(tmp_path, resume=True, quiet=True))
    assert equal(whole.model, resumed.model)
    assert not equal(whole.model, fit(recipe.build(graph), roomy, config, Run(quiet=True)).model)


def test_a_part_that_cannot_be_smaller_is_refused():
    training, config = greedy(1)
    with pytest.raises(TrainingError, match=r"memory must hold a step on 2 examples.*can't allocate memory"):
        fit(BPRMF(dim=4).build(checkerboard()), training, config, Run(quiet=True))


def test_other_errors_are_not_taken_for_it():
    step = AutogradStep(BPRMF(dim=4).build(two_cliques()), lambda m, b: m.encoder.weight @ torch.ones(3), TrainConfig())
    with pytest.raises(RuntimeError, match="size mismatch"):
        step(Batch(torch.arange(4)), Clock())
    assert out_of_memory(MemoryError()) and out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(MemoryError) as numpy_error:
        np.empty(1 << 60, dtype=np.uint8)
    assert out_of_memory(numpy_error.value)
    assert not out_of_memory(RuntimeError("size mismatch"))


SMALL_MEMORY = """
import resource, sys, torch
from graphtune.batch import Batch
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.bprmf import BPRMF
from graphtune.objectives import OneVsAll
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep

torch.set_num_threads(1)
N, B = 20_000, 1024
graph = Graph([[0], [1]], NodeIds.range(N))
model = BPRMF(dim=8).build(graph)
twin = model.copy()
config = TrainConfig(optimizer="sgd", lr=1.0, batch_size=B)
batch = Batch(torch.arange(B), torch.arange(B) + 1)
said = []
step = AutogradStep(model, OneVsAll(), config, tell=said.append)
AutogradStep(model.copy(), OneVsAll(), config)(batch.split(64)[0], Clock())  # what is loaded once
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 75 * 2**20, -1))  # the scores alone are 78 MiB, their gradient too
loss = step(batch, Clock())
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
assert step.parts.count in (2, 4, 8, 16), step.parts.count
assert len(said) == step.parts.count.bit_length() - 1
whole = AutogradStep(twin, OneVsAll(), config)
assert abs(whole(batch, Clock()) - loss) < 1e-4
torch.testing.assert_close(twin.encoder.weight, model.encoder.weight, rtol=1e-4, atol=1e-6)
print("parts", step.parts.count)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_a_process_with_little_memory_makes_the_step_of_one_with_much():
    """The real allocator under a real limit."""
    made = subprocess.run([sys.executable, "-c", SMALL_MEMORY], capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("parts")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_with_little_memory_makes_the_step_of_one_with_much():
    model = BPRMF(dim=8).build(two_cliques()).to("cuda")
    batch = Batch(torch.zeros(4096, dtype=torch.int64), torch.ones(4096, dtype=torch.int64)).to(torch.device("cuda"))

    def wide(model, batch):  # 1 MiB an example
        losses = OneVsAll()(model, batch)
        return losses._replace(values=losses.values + torch.zeros(len(batch), 1 << 18, device="cuda").sum(1))

    step = AutogradStep(model, wide, TrainConfig(batch_size=4096))
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2**30 / total))
    try:
        assert np.isfinite(step(batch, Clock()))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert step.parts.count > 1
