"""Optimisers of touched rows: against torch, kernel against torch ops, and in the engine with all they must go with."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.kernels.optimizers import touched
from graphtune.models import BPRMF, GCN, LINE, DeepWalk, LightGCN, TransE
from graphtune.testing import checkerboard, equal, inverse_relations, snapshot, two_cliques
from graphtune.train import rowwise
from graphtune.train.fit import fit
from graphtune.train.rowwise import RowAdagrad, RowAdam, RowSGD, tables_by_rows, without
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep
from test_hold import batches
from test_resume import QUIET, check_resuming, train, training_of

ROWS = TrainConfig(epochs=3, batch_size=32, lr=0.05, patience=0, table_updates="rows")
OPTIMIZERS = {"adamw": RowAdam, "adagrad": RowAdagrad, "sgd": RowSGD}


def gradients(steps=4, rows=50, dim=6, most=40, dtype=torch.float32):
    """Sparse gradients with repeated rows, some of which no gradient has."""
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        indices = torch.randint(0, rows // 2 + step, (most,), generator=generator)
        values = torch.randn(most, dim, generator=generator, dtype=dtype)
        yield torch.sparse_coo_tensor(indices[None], values, (rows, dim), check_invariants=True)


def after(optimizer, table, given):
    for gradient in given:
        table.grad = gradient.clone()
        optimizer.step()
    return table.detach()


def table_of(dtype=torch.float32):
    return torch.nn.Parameter(torch.randn(50, 6, generator=torch.Generator().manual_seed(1), dtype=dtype))


def group(table, decay=0.0):
    return [{"params": [table], "lr": 0.1, "weight_decay": decay}]


# ---- against torch, and the kernel against torch ops ---------------------------------------------------------


def test_touched_rows():
    indices = np.array([7, 2, 7, 0, 2, 7])
    rows, starts, order = touched(indices)
    assert rows.tolist() == [0, 2, 7]
    assert [order[a:b].tolist() for a, b in pairwise(starts)] == [[3], [1, 4], [0, 2, 5]]
    assert [len(part) for part in touched(np.empty(0, np.int64))] == [0, 1, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernel", "torch"])
def test_adam_is_torchs_sparse_adam(dtype):
    ours, theirs = table_of(dtype), table_of(dtype)
    reference = torch.optim.SparseAdam([theirs], lr=0.1)
    given = list(gradients(dtype=dtype))
    found, expected = after(RowAdam(group(ours)), ours, given), after(reference, theirs, given)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    never = torch.ones(50, dtype=torch.bool)
    never[torch.cat([g._indices()[0] for g in given])] = False
    assert never.any() and torch.equal(found[never], table_of(dtype)[never])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernel", "torch"])
@pytest.mark.parametrize("name, decay", [("adamw", 0.3), ("adagrad", 0), ("adagrad", 0.3), ("sgd", 0), ("sgd", 0.3)])
def test_with_all_rows_touched_it_is_the_dense_optimiser(name, decay, dtype):
    ours, theirs = table_of(dtype), table_of(dtype)
    plain = {"adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad, "sgd": torch.optim.SGD}[name]
    given = [g.to_dense() + 0.1 for g in gradients(dtype=dtype)]
    expected = after(plain([theirs], lr=0.1, weight_decay=decay), theirs, given)
    found = after(OPTIMIZERS[name](group(ours, decay)), ours, given)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["adagrad", "sgd"])
def test_rows_without_gradient_rest_in_the_dense_optimiser_too(name):
    ours, theirs = table_of(), table_of()
    plain = {"adagrad": torch.optim.Adagrad, "sgd": torch.optim.SGD}[name]([theirs], lr=0.1)
    given = list(gradients())
    expected = after(plain, theirs, [g.to_dense() for g in given])
    torch.testing.assert_close(after(OPTIMIZERS[name](group(ours)), ours, given), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_kernel_and_torch_ops_agree_with_decay(name):
    ours, plain = table_of(), table_of(torch.float64)
    plain.data.copy_(ours.data)
    found = after(OPTIMIZERS[name](group(ours, 0.2)), ours, gradients())
    expected = after(OPTIMIZERS[name](group(plain, 0.2)), plain, [g.double() for g in gradients()])
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_threads_change_no_bit(name, monkeypatch):
    monkeypatch.setattr("graphtune.kernels.optimizers.ROWS_A_BLOCK", 4)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        table = table_of()
        results.append(after(OPTIMIZERS[name](group(table)), table, gradients()))
    assert torch.equal(*results)


def test_a_gradient_without_some_rows():
    (gradient,) = gradients(1)
    held = torch.zeros(50, dtype=torch.bool)
    held[[3, 5]] = True
    expected = gradient.to_dense()
    expected[[3, 5]] = 0
    torch.testing.assert_close(without(gradient, held).to_dense(), expected)


# ---- in the engine ------------------------------------------------------------------------------------------


def stepped(config, recipe, graph, fixed=None, steps=3):
    model = recipe.build(graph)
    training = training_of(recipe, graph, config)
    step = AutogradStep(model, training.objective, config, fixed)
    for batch in list(training.sampler.batches(0))[:steps]:
        step(batch, Clock(rate=0.5))
    return model, step


@pytest.mark.parametrize("optimizer", ["adagrad", "sgd"])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.01, "l2": 0.1}, {"precision": "bf16", "n3": 0.1}], ids=str)
@pytest.mark.parametrize("recipe", [DeepWalk(dim=4), LINE(dim=4, order="both")], ids=lambda r: type(r).__name__)
def test_rows_and_dense_give_the_same_steps(recipe, optimizer, options):
    config = replace(ROWS, optimizer=optimizer, **options)
    ours, _ = stepped(config, recipe, two_cliques())
    dense, _ = stepped(replace(config, table_updates="dense"), recipe, two_cliques())
    assert all(p.grad.is_sparse for p in ours.table_parameters().values())
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(weight, dense.state_dict()[name], rtol=1e-4, atol=1e-6, msg=name)


def test_only_touched_rows_move_and_the_groups_keep_their_rates():
    config = replace(ROWS, lr_table=0.2, lr_encoder=0.01)
    recipe, graph = BPRMF(dim=4), checkerboard()
    model = recipe.build(graph)
    before = snapshot(model)["encoder.weight"]
    step = AutogradStep(model, training_of(recipe, graph, config).objective, config)
    step(Batch(torch.tensor([1, 2]), torch.tensor([20, 20]), torch.tensor([[21], [22]])), Clock(rate=0.5))
    moved = (model.encoder.weight != before).any(1)
    assert moved.nonzero().flatten().tolist() == [1, 2, 20, 21, 22]
    assert (model.encoder.weight - before).abs().max().item() == pytest.approx(0.1, rel=1e-3), "Adam's first step"
    both, _ = stepped(config, LINE(dim=4, order="both"), two_cliques())
    groups = AutogradStep(both, None, config).groups
    assert [(g.by_rows, g.peak, len(g.parameters)) for g in groups] == [(True, 0.2, 3), (False, 0.01, 1)]


def test_fixed_rows_keep_their_bits_and_have_no_moments():
    fixed = np.array([0, 4, 7])
    config = replace(ROWS, weight_decay_table=0.3, clip_norm=0.1)
    model, step = stepped(config, DeepWalk(dim=4), two_cliques(), fixed)
    before = DeepWalk(dim=4).build(two_cliques())
    for name, table in model.table_parameters().items():
        assert torch.equal(table[fixed], before.table_parameters()[name][fixed])
        state = step.optimizer.optimizers["rows"].state[table]
        assert not state["square"][fixed].any() and state["square"].any()


@pytest.mark.parametrize("optimizer", ["adamw", "adagrad"])
@pytest.mark.parametrize("recipe", [BPRMF(dim=4), LINE(dim=4, order="both")], ids=lambda r: type(r).__name__)
def test_resuming_is_bit_identical(tmp_path, recipe, optimizer):
    graph = checkerboard() if isinstance(recipe, BPRMF) else two_cliques()
    config = replace(ROWS, optimizer=optimizer, deterministic=True)
    training = training_of(recipe, graph, config)
    last = config.epochs * training.sampler.num_batches - 1

    def begin(run, wrap):
        return fit(recipe.build(graph), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    check_resuming(tmp_path, whole, begin, last, save_steps=1)


def test_auto_takes_rows_for_big_tables_only(monkeypatch):
    recipe, graph = BPRMF(dim=4), checkerboard()
    model, config = recipe.build(graph), replace(ROWS, table_updates="auto")
    objective = training_of(recipe, graph, config).objective
    assert not tables_by_rows(model, objective, config)
    monkeypatch.setattr(rowwise, "BIG", len(model.encoder.weight))
    assert tables_by_rows(model, objective, config) == {"encoder.weight"} and model.encoder.sparse
    for options in ({"weight_decay_table": 0.1}, {"average": "ema"}, {"l2_sp": 0.1}, {"table_updates": "dense"}):
        assert not tables_by_rows(model, objective, replace(config, **options)) and not model.encoder.sparse
    full = training_of(BPRMF(dim=4, loss="full-softmax"), graph, config).objective
    assert not tables_by_rows(model, full, config)
    assert not tables_by_rows(LightGCN(dim=4).build(graph), objective, config)


def test_rows_are_refused_where_all_are_needed():
    recipe, graph = BPRMF(dim=4), checkerboard()
    with pytest.raises(ArgumentError, match=r"`table_updates` of TrainConfig .*LightGCN"):
        train(ROWS, recipe=LightGCN(dim=4), graph=graph)
    with pytest.raises(ArgumentError, match="OneVsAll reads all rows"):
        train(ROWS, recipe=BPRMF(dim=4, loss="full-softmax"), graph=graph)
    with pytest.raises(ArgumentError, match="l2_sp pulls all rows"):
        train(replace(ROWS, l2_sp=0.1), recipe=recipe, graph=graph)
    with pytest.raises(ArgumentError, match="table_updates"):
        TrainConfig(table_updates="some")
    with pytest.raises(ArgumentError, match="does not read rows of a table"):
        train(ROWS, recipe=GCN(dim=4, hidden=4), graph=two_cliques(features=True))


def test_a_dense_gradient_touches_all_rows():
    """An objective of a user's own may read all rows without saying so."""
    recipe, graph = BPRMF(dim=4, loss="full-softmax"), checkerboard()
    dense, _ = stepped(replace(ROWS, table_updates="dense"), recipe, graph)
    config = replace(ROWS, table_updates="rows")
    objective = training_of(recipe, graph, config).objective
    model = recipe.build(graph)
    step = AutogradStep(model, lambda m, b: objective(m, b), config)
    for batch in batches(recipe, graph, config)[:3]:
        step(batch, Clock(rate=0.5))
    assert not model.encoder.weight.grad.is_sparse
    torch.testing.assert_close(model.encoder.weight, dense.encoder.weight, rtol=1e-4, atol=1e-5)
    assert not equal(model, recipe.build(graph))


@pytest.mark.parametrize("optimizer", ["adagrad", "sgd"])
def test_auto_takes_rows_of_triples_where_both_ways_are_the_same(optimizer):
    recipe, graph = TransE(dim=4), inverse_relations()
    config = replace(ROWS, optimizer=optimizer, batch_size=4, table_updates="auto")
    objective = training_of(recipe, graph, config).objective
    model = recipe.build(graph)
    assert tables_by_rows(model, objective, config) == {"encoder.weight"}
    assert not tables_by_rows(model, objective, replace(config, optimizer="adamw"))
    assert not tables_by_rows(model, objective, replace(config, batch_size=graph.num_nodes))
    one, other = (train(replace(config, table_updates=how), recipe=recipe, graph=graph) for how in ("auto", "dense"))
    torch.testing.assert_close(one.model.encoder.weight, other.model.encoder.weight, rtol=1e-4, atol=1e-5)
