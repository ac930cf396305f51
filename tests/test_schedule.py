"""Rates: restarts, steps and plateaus against hand numbers and torch's schedulers; what holds for all of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from graphtune.check import ArgumentError
from graphtune.config import SCHEDULES, TrainConfig
from graphtune.models import BPRMF
from graphtune.tasks import pretrain
from graphtune.testing import checkerboard, equal
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.fit import Run
from graphtune.train.schedule import count_reductions, rate
from test_resume import break_off, train

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=6, batch_size=32, lr=0.05, patience=0, deterministic=True)


def rates(config, total, first=0):
    return [rate(config, step, total) for step in range(first, total)]


def torch_rates(make, count, **step):
    """The rates of a scheduler of torch over an optimiser whose rate is 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(optimizer), []
    for number in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(**{name: values[number] for name, values in step.items()})
    return found


# ---- cosine with restarts -----------------------------------------------------------------------------------


def test_restarts_by_hand():
    config = TrainConfig(schedule="cosine", cycles=2, lr_end=0.5)
    half = [1, 0.5 + (1 + math.sqrt(0.5)) / 4, 0.75, 0.5 + (1 - math.sqrt(0.5)) / 4]
    assert rates(config, 8) == pytest.approx(half + half)
    assert rate(config, 8, 8) == rate(config, 9, 8) == 0.5, "the end is the end of the last cycle"
    growing = TrainConfig(schedule="cosine", cycles=3, cycle_growth=2.0)  # 2, 4 and 8 steps
    assert rates(growing, 14) == pytest.approx(
        [(1 + math.cos(math.pi * k / length)) / 2 for length in (2, 4, 8) for k in range(length)]
    )


@pytest.mark.parametrize("length, growth, cycles", [(10, 2, 3), (25, 1, 4), (7, 3, 3), (2, 1, 49), (1, 1, 10)])
@pytest.mark.parametrize("end", [0.0, 0.1])
def test_restarts_are_those_of_torch(length, growth, cycles, end):
    total = sum(length * growth**i for i in range(cycles))
    config = TrainConfig(schedule="cosine", cycles=cycles, cycle_growth=growth, lr_end=end)
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, length, growth, end), total)
    assert rates(config, total) == pytest.approx(theirs, abs=1e-9)


def test_restarts_come_after_the_warm_up():
    config = TrainConfig(schedule="cosine", cycles=2, warmup=0.2)
    assert rates(config, 10)[:2] == pytest.approx([1 / 3, 2 / 3])
    assert rates(config, 10, first=2) == pytest.approx(rates(replace(config, warmup=0.0), 8))


# ---- steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every, factor", [(0.1, 0.5), (0.3, 0.1), (0.07, 0.9), (1.0, 0.1)])
def test_steps_are_those_of_torch(every, factor):
    config = TrainConfig(schedule="step", step_every=every, step_factor=factor)
    theirs = torch_rates(lambda o: lr_scheduler.StepLR(o, round(every * 100), factor), 100)
    assert rates(config, 100) == pytest.approx(theirs)


def test_steps_by_hand():
    config = TrainConfig(schedule="step", step_every=0.25, step_factor=0.1, lr_end=0.05)
    assert rates(config, 8) == pytest.approx([1, 1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    late = replace(config, warmup=0.2)
    assert rates(late, 10)[:2] == pytest.approx([1 / 3, 2 / 3])
    assert rates(late, 10, first=2) == rates(config, 8)


# ---- plateaus -----------------------------------------------------------------------------------------------


def history_of(scores, every=1):
    """Rows of epochs, of which each `every`-th was validated."""
    rows = []
    for number, score in enumerate(scores, 1):
        rows += [{"epoch": every * (number - 1) + k} for k in range(1, every)]
        rows.append({"epoch": every * number, "score": score})
    return rows


def test_reductions_by_hand():
    config = TrainConfig(schedule="plateau", plateau_patience=2)
    scores = [0.1, 0.3, 0.3, 0.2, 0.2, 0.4, 0.4, 0.4, 0.4, 0.4]
    counts = [count_reductions(config, history_of(scores[:n]), "score") for n in range(len(scores) + 1)]
    assert counts == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3], "an equal score is no gain; what is waited for starts anew"
    assert count_reductions(config, history_of(scores, every=3), "score") == 3, "validations count, not epochs"
    assert count_reductions(TrainConfig(), history_of(scores), "score") == 0


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("end", [0.0, 0.2])
def test_plateaus_are_those_of_torch(patience, end):
    """torch waits for one validation more than it is told to."""
    scores = np.random.default_rng(0).random(80).round(2).cumsum() * np.linspace(1, -0.5, 80)
    scores[[3, 40]] = np.nan
    config = TrainConfig(schedule="plateau", plateau_patience=patience, plateau_factor=0.7, lr_end=end)

    def make(o):
        return lr_scheduler.ReduceLROnPlateau(o, "max", 0.7, patience - 1, threshold=0.0, min_lr=end, eps=0.0)

    theirs = torch_rates(make, 80, metrics=scores)
    ours = [rate(config, 50, 100, count_reductions(config, history_of(scores[:n]), "score")) for n in range(80)]
    assert ours == pytest.approx(theirs) and min(ours) < 0.3


class Falling:
    """A validation whose first score is the best."""

    def __init__(self):
        self.calls = 0

    def __call__(self, model):
        self.calls += 1
        return {"score": -float(self.calls)}


PLATEAU = replace(SHORT, schedule="plateau", plateau_patience=2, plateau_factor=0.5)


def test_plateaus_reach_the_steps():
    result = train(PLATEAU, validate=Falling(), monitor="score")
    shares = [row["lr"] / PLATEAU.lr for row in result.history]
    assert shares == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25]), "lowered for the epochs after the validation"
    constant = train(replace(PLATEAU, schedule="constant"), validate=Falling(), monitor="score")
    losses, others = ([row["loss"] for row in r.history] for r in (result, constant))
    assert losses[:3] == others[:3] and losses[3] != others[3]


def test_plateaus_go_on_where_they_were(tmp_path):
    """The count comes from the history, so a broken run needs nothing else."""

    def by_size(model):
        return {"score": -model.embeddings().norm().item()}

    whole = train(PLATEAU, validate=by_size, monitor="score")
    assert whole.history[-1]["lr"] < PLATEAU.lr
    break_off(4 * 4 + 2, PLATEAU, Run(tmp_path, save_steps=1, quiet=True), validate=by_size, monitor="score")
    assert Checkpoints(tmp_path).latest().state["place"]["batch"] == 1
    again = train(PLATEAU, Run(tmp_path, resume=True, quiet=True), validate=by_size, monitor="score")
    assert equal(again.model, whole.model)
    assert [row["lr"] for row in again.history] == [row["lr"] for row in whole.history]


def test_a_plateau_needs_a_metric(tmp_path):
    train(SHORT, Run(tmp_path, quiet=True))
    held = sorted(tmp_path.iterdir())
    with pytest.raises(ArgumentError, match="`schedule` of TrainConfig must be another one where no"):
        pretrain(BPRMF(dim=4), checkerboard(), PLATEAU, run=Run(tmp_path, quiet=True))
    assert sorted(tmp_path.iterdir()) == held, "refused before anything is cleared away"


# ---- all of them --------------------------------------------------------------------------------------------

CONFIGS = st.builds(
    TrainConfig,
    schedule=st.sampled_from(SCHEDULES),
    lr_end=st.floats(1e-3, 1),
    warmup=st.floats(0, 1),
    cycles=st.integers(1, 9),
    cycle_growth=st.floats(1, 4),
    step_every=st.floats(0.05, 1),
    step_factor=st.floats(0, 1),
    plateau_factor=st.floats(0, 1),
)


@settings(max_examples=200, deadline=None)
@given(CONFIGS, st.integers(1, 300), st.integers(0, 5))
def test_a_rate_is_a_share(config, total, reductions):
    reductions = reductions if config.schedule == "plateau" else 0
    found = [rate(config, step, total, reductions) for step in range(total + 3)]
    assert all(0 <= value <= 1 for value in found)
    assert len(set(found[total + 1 :])) == 1, "past the end the rate stays"
    after = found[math.ceil(config.warmup * total) : total]
    assert all(value >= config.lr_end - 1e-12 for value in after)


@pytest.mark.parametrize(
    "options, jumps, way",
    [
        ({"schedule": "constant"}, 0, 0),
        ({"schedule": "linear"}, 0, 0),
        ({"schedule": "cosine"}, 0, 0),
        ({"schedule": "cosine", "cycles": 4, "cycle_growth": 1.5}, 3, 1),
        ({"schedule": "exponential", "lr_end": 0.01}, 0, 0),
        ({"schedule": "step", "step_every": 0.3}, 3, -1),
        ({"schedule": "plateau"}, 0, 0),
    ],
)
@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_a_rate_jumps_only_at_restarts_and_steps(options, jumps, way, warmup):
    config = TrainConfig(warmup=warmup, **options)
    lowered = int(config.schedule == "plateau")
    found = np.array([rate(config, step, 10_000, lowered) for step in range(10_000)])
    moves = np.diff(found)
    far = moves[np.abs(moves) > 0.003]
    assert len(far) == jumps and (np.sign(far) == way).all()
    if way > 0:
        assert found[1:][moves > 0.003] == pytest.approx(1)


@pytest.mark.parametrize(
    "options",
    [
        {"cycles": 0},
        {"cycles": 101},
        {"cycle_growth": 0.5},
        {"step_every": 0.0},
        {"step_every": 1.5},
        {"step_factor": 1.5},
        {"plateau_patience": 0},
        {"plateau_factor": -0.1},
    ],
)
def test_bad_schedules_are_refused(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` of TrainConfig must be"):
        TrainConfig(**options)
