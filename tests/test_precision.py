"""Precisions: products in eight bits by hand and by oracle, the loss scale by torch's own loop, and what is missing."""

import math
import re
from dataclasses import replace

import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import PRECISIONS, TrainConfig
from graphtune.models import RECIPES
from graphtune.models.bprmf import BPRMF
from graphtune.models.gnn import GCN
from graphtune.models.heads import HeadSpec
from graphtune.objectives import Classify, Losses
from graphtune.testing import checkerboard, equal, snapshot, two_cliques
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.failure import TrainingError
from graphtune.train.fit import Run, Training, fit
from graphtune.train.float8 import BACKWARD, FORWARD, Float8, Product, quantise
from graphtune.train.precision import Scaled, make_precision, try_out
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep
from recipes import TRAINED, bare, graph_of

CPU = torch.device("cpu")
QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=30, batch_size=32, lr=0.05, patience=0, device="cpu", deterministic=True)
LOW = [name for name in PRECISIONS if name != "fp32"]
HERE = {name: not try_out(name, CPU) for name in PRECISIONS}


def has(name):
    return pytest.param(name, marks=pytest.mark.skipif(not HERE[name], reason=f"no {name} here"))


needs_fp8 = pytest.mark.skipif(not HERE["fp8"], reason="no fp8 here")
needs_fp16 = pytest.mark.skipif(not HERE["fp16"], reason="no fp16 here")


def train(recipe, graph, config, run=QUIET, wrap=lambda objective: objective, sampler=lambda sampler: sampler):
    batches, objective = recipe.pretraining(graph, config)
    training = Training("test", sampler(batches), wrap(objective))
    return fit(recipe.build(graph, config.seed).float(), training, config, run)


# ---- every precision, every family --------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [has(name) for name in LOW])
@pytest.mark.parametrize("name", TRAINED)
def test_every_family_learns(name, precision):
    recipe, graph = bare(RECIPES[name](), dim=8), graph_of(name)
    result = train(recipe, graph, replace(SHORT, epochs=5, lr=0.02, batch_size=16, precision=precision))
    losses = [row["loss"] for row in result.history]
    assert losses[-1] < losses[0]
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in result.model.parameters())


@pytest.mark.parametrize("precision", [has(name) for name in LOW])
@pytest.mark.parametrize("recipe", [BPRMF(dim=4, loss="full-softmax"), GCN(dim=4, hidden=4, dropout=0.0)], ids=repr)
def test_the_precision_is_used_and_learns_as_float32_does(recipe, precision):
    graph = checkerboard() if isinstance(recipe, BPRMF) else two_cliques()
    exact, low = (train(recipe, graph, replace(SHORT, precision=p)) for p in ("fp32", precision))
    losses = [result.history[-1]["loss"] for result in (exact, low)]
    assert losses[0] < exact.history[0]["loss"] - 0.1
    assert losses[1] == pytest.approx(losses[0], abs=0.1)
    assert not equal(exact.model, low.model)


@pytest.mark.parametrize("precision", [has(name) for name in LOW])
def test_sparse_features_and_heads(precision):
    """torch cannot multiply sparse matrices in less than 32 bits, so their product stays."""
    graph = two_cliques(features=True)
    graph = graph.replace(features=sp.csr_array(graph.features))
    model = GCN(dim=4, hidden=6, dropout=0.0).build(graph)
    assert model.encoder.features.layout == torch.sparse_csr
    model.add_head("task", HeadSpec(4, 2))
    step = AutogradStep(model, Classify("task"), TrainConfig(lr=0.05, precision=precision), tell=lambda text: None)
    nodes = torch.arange(graph.num_nodes)
    losses = [step(Batch(nodes, label=nodes // 6), Clock()) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]


# ---- eight bits ---------------------------------------------------------------------------------------------


def test_quantised_numbers_by_hand():
    q, scale = quantise(torch.tensor([[896.0, -448.0, 2.0], [0.0, 100.0, -1.0]]), FORWARD)
    assert scale == 2.0 and q.shape == (16, 16) and q.dtype == FORWARD
    assert q.float()[:2, :3].tolist() == [[448.0, -224.0, 1.0], [0.0, 48.0, -0.5]], "50 lies between 48 and 52"
    assert not q.float()[2:].any() and not q.float()[:, 3:].any()
    assert quantise(torch.zeros(1, 1), FORWARD)[0].float().abs().max() == 0
    assert quantise(torch.full((1, 1), 1e-3), BACKWARD)[0].float()[0, 0] == torch.finfo(BACKWARD).max
    for wild in (torch.nan, torch.inf):
        q, scale = quantise(torch.tensor([[wild, 1.0]]), FORWARD)
        assert (q.float() * scale).isnan().any()


@needs_fp8
@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (3, 5, 7), (16, 32, 16), (17, 33, 40)])
def test_products_in_eight_bits_against_the_same_numbers_in_float32(m, n, k):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(rows, k, generator=generator, requires_grad=True) for rows in (m, n))
    slope = torch.randn(m, n, generator=generator)
    product = Product.apply(x, y)
    product.backward(slope)

    def rounded(z, kind):
        q, scale = quantise(z.detach(), kind)
        return q.float()[: len(z), : z.shape[1]] * scale

    low_x, low_y, low_slope = rounded(x, FORWARD), rounded(y, FORWARD), rounded(slope, BACKWARD)
    torch.testing.assert_close(product, low_x @ low_y.T, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad, low_slope @ low_y, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(y.grad, low_slope.T @ low_x, rtol=1e-4, atol=1e-4)
    bound = 2**-4 * (x.detach().abs() @ y.detach().abs().T) * 2.1  # half of e4m3's last bit, of each factor
    assert (product - x @ y.T).abs().le(bound + 1e-2).all()


@needs_fp8
def test_which_products_are_in_eight_bits():
    generator = torch.Generator().manual_seed(0)
    x, w, b = (torch.randn(*shape, generator=generator) for shape in ((2, 3, 5), (4, 5), (4,)))
    flat = x.reshape(-1, 5)
    with Float8():
        linear, product, other = F.linear(x, w, b), flat @ w.T, torch.mm(flat, w.T)
        whole, vector = flat.double() @ w.T.double(), flat @ w[0]
        sparse = F.linear(flat.to_sparse_csr(), w, b)
    expected = Product.apply(flat, w)
    assert torch.equal(product, expected) and torch.equal(other, expected)
    assert torch.equal(linear, (expected + b).view(2, 3, 4))
    assert not torch.equal(expected, flat @ w.T)
    assert torch.equal(whole, flat.double() @ w.T.double()) and torch.equal(vector, flat @ w[0])
    torch.testing.assert_close(sparse, flat @ w.T + b)


@needs_fp8
def test_only_asked_gradients_are_made():
    x, y = torch.ones(3, 4, requires_grad=True), torch.ones(5, 4)
    Product.apply(x, y).sum().backward()
    assert y.grad is None
    torch.testing.assert_close(x.grad, torch.full((3, 4), 5.0))


# ---- fp16's loss scale --------------------------------------------------------------------------------------


class Times:
    """A real objective, its losses a number of times as large."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, objective):
        return lambda model, batch: Losses(objective(model, batch).values * self.factor, ())


@needs_fp16
@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_fp16_is_torch_s_own_loop(factor):
    """Bit for bit, steps that overflow and are left out among them."""
    recipe, config = BPRMF(dim=4, loss="full-softmax"), replace(SHORT, precision="fp16", clip_norm=1.0)
    sampler, objective = recipe.pretraining(checkerboard(), config)
    objective = Times(factor)(objective)
    model = recipe.build(checkerboard())
    twin = model.copy()
    step, scaler = AutogradStep(model, objective, config, tell=lambda text: None), torch.amp.GradScaler("cpu")
    optimizer, skipped = torch.optim.AdamW(twin.parameters(), lr=config.lr, weight_decay=0.0, fused=True), 0
    for epoch in range(4):
        for batch in sampler.batches(epoch):
            before = snapshot(model)
            step(batch, Clock())
            with torch.autocast("cpu", torch.float16):
                losses = objective(twin, batch)
            optimizer.zero_grad()
            scaler.scale(losses.values.float().mean()).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(twin.parameters(), config.clip_norm)
            scaler.step(optimizer)
            scaler.update()
            assert equal(model, twin)
            skipped += all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert step.precision.scaler.get_scale() == scaler.get_scale()
    assert (skipped > 0) == (factor > 1)


@needs_fp16
def test_a_step_left_out_leaves_everything_as_it_was():
    """The anchor and decay too, and the optimiser's moments."""
    model = BPRMF(dim=4, loss="full-softmax").build(checkerboard())
    config = TrainConfig(precision="fp16", l2_sp=0.5, weight_decay_table=0.5)
    sampler, objective = BPRMF(dim=4, loss="full-softmax").pretraining(checkerboard(), config)
    step = AutogradStep(model, Times(1e6)(objective), config, tell=lambda text: None)
    with torch.no_grad():
        model.encoder.weight += 0.1
    before = snapshot(model)
    loss = step(next(iter(sampler.batches(0))), Clock())
    assert math.isfinite(loss) and step.precision.scaler.get_scale() == 32768.0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not step.optimizer.state


@needs_fp16
def test_the_loss_scale_is_resumed_bit_for_bit(tmp_path, monkeypatch):
    recipe, graph, config = BPRMF(dim=4, loss="full-softmax"), checkerboard(), replace(SHORT, epochs=4)
    config = replace(config, precision="fp16")

    class Breaking:
        def __init__(self, sampler):
            self.sampler, self.num_batches = sampler, sampler.num_batches

        def batches(self, epoch, first=0):
            for number, batch in enumerate(self.sampler.batches(epoch, first), first):
                if (epoch, number) == (2, 2):
                    raise KeyboardInterrupt
                yield batch

    whole = train(recipe, graph, config, wrap=Times(100.0))
    for place in ("first", "second"):
        run = Run(tmp_path / place, save_steps=1, quiet=True)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, graph, config, run, Times(100.0), Breaking)
    state = Checkpoints(tmp_path / "first").latest().state["step"]["precision"]
    assert state["scale"] < 65536 and state["_growth_tracker"] > 0
    resume = Run(tmp_path / "first", resume=True, quiet=True)
    assert equal(train(recipe, graph, config, resume, Times(100.0)).model, whole.model)
    monkeypatch.setattr(Scaled, "load_state_dict", lambda self, state: None)
    without = train(recipe, graph, config, Run(tmp_path / "second", resume=True, quiet=True), Times(100.0))
    assert not equal(without.model, whole.model), "the test above must be able to fail"


@needs_fp16
def test_a_scale_that_falls_and_falls_ends_the_run():
    recipe, config = BPRMF(dim=4, loss="full-softmax"), replace(SHORT, precision="fp16")
    model = recipe.build(checkerboard())
    before = snapshot(model)
    sampler, objective = recipe.pretraining(checkerboard(), config)
    training = Training("test", sampler, Times(1e20)(objective))
    with pytest.raises(TrainingError, match=r"loss scale of fp16 must stay above 0.0001. Got 6.1e-05 in epoch"):
        fit(model, training, config, QUIET)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# ---- numbers that are not finite ----------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [has(name) for name in ("fp32", "bf16", "fp8")])
def test_a_gradient_that_is_not_finite_is_not_clipped_but_ends_the_run(precision):
    model = BPRMF(dim=4).build(checkerboard())
    before = snapshot(model)
    config = replace(SHORT, precision=precision, clip_norm=1.0, weight_decay_table=0.1)
    with pytest.raises(TrainingError, match=r"gradient must stay finite. Got a norm of nan in epoch 1, step 1;"):
        fit(model, Training("test", batches(config), root), config, QUIET)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("epochs", [1, 3])
def test_weights_that_are_not_finite_are_neither_saved_nor_given_back(tmp_path, epochs):
    """Of one step and of several, without validation and without clipping."""
    config = replace(SHORT, epochs=epochs, batch_size=1000)
    run = Run(checkpoints=tmp_path, save_steps=1, quiet=True)
    with pytest.raises(TrainingError, match=r"weights of test must stay finite. Got some that are not after step 1\."):
        fit(BPRMF(dim=4).build(checkerboard()), Training("test", batches(config), root), config, run)
    assert Checkpoints(tmp_path).latest() is None


def batches(config):
    return BPRMF(dim=4).pretraining(checkerboard(), config)[0]


def root(model, batch):
    """A loss of 0, whose slope is that of a root at 0."""
    (z,) = model.rows(batch.source)
    return Losses((z - z.detach()).square().sum(-1).sqrt(), ())


# ---- what a device has --------------------------------------------------------------------------------------


def test_this_processor_has_what_torch_promises():
    assert HERE["fp32"] and HERE["bf16"], "torch has bf16 on every processor"
    with pytest.raises(ArgumentError, match="`precision` of TrainConfig must be one of"):
        TrainConfig(precision="fp4")


def test_a_precision_that_is_missing_is_refused_with_those_there_are(monkeypatch):
    monkeypatch.delattr(torch, "_scaled_mm")  # as in a torch without it
    pattern = r"`precision` of TrainConfig must be one that this device has \(fp32, bf16.*\)\. Got 'fp8'\. .*_scaled_mm"
    with pytest.raises(ArgumentError, match=pattern):
        train(BPRMF(dim=4), checkerboard(), replace(SHORT, precision="fp8"))


def test_a_precision_with_wrong_results_is_refused(monkeypatch):
    monkeypatch.setattr(torch, "_scaled_mm", lambda x, y, *scales, out_dtype: torch.zeros(len(x), y.shape[1]))
    assert try_out("fp8", CPU) == "it was off by 100%."


@pytest.mark.parametrize("precision", [has(name) for name in LOW])
def test_the_user_is_told_where_a_precision_is_slow(precision, monkeypatch):
    said = []
    monkeypatch.setattr("graphtune.train.precision.SLOWER", 1e9)
    make_precision(precision, CPU, said.append)
    assert not said
    monkeypatch.setattr("graphtune.train.precision.SLOWER", 0.0)
    make_precision(precision, CPU, said.append)
    make_precision("fp32", CPU, said.append)
    (line,) = said
    assert re.fullmatch(rf"{precision}: this processor takes [\d.]+ times as long for a product .* fp32\.", line)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", LOW)
def test_a_gpu_learns_in_every_precision_it_has(precision):
    cuda = torch.device("cuda")
    if why := try_out(precision, cuda):
        with pytest.raises(ArgumentError, match="one that this device has"):
            make_precision(precision, cuda, print)
        pytest.skip(why)
    for recipe, graph in ((BPRMF(dim=4, loss="full-softmax"), checkerboard()), (GCN(dim=4, hidden=4), two_cliques())):
        losses = [
            row["loss"] for row in train(recipe, graph, replace(SHORT, precision=precision, device="cuda")).history
        ]
        assert losses[-1] < losses[0]
