"""Where a run's time goes: it is found, it adds up, and the run is the same run."""

import gc
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.optim import optimizer

import graphtune as gt
from cli_help import done, run, working_in, write_files
from graphs import planted
from graphtune.config import TrainConfig
from graphtune.models import GCN, DeepWalk
from graphtune.objectives import Losses
from graphtune.testing import equal
from graphtune.train import light
from graphtune.train.fit import Run, Training, fit
from graphtune.train.loggers import CSVLogger
from graphtune.train.profile import STAGES, TRACE_FROM, TRACE_STEPS, Profile, Tracer, Watch, profiled

PAUSE = 0.01
CONFIG = TrainConfig(epochs=3, batch_size=128, patience=0, clip_norm=1.0, deterministic=True)


@pytest.fixture(scope="module")
def graph():
    return planted(size=20)


def train(graph, config=CONFIG, recipe=GCN(dim=4, hidden=4, dropout=0.5), change=lambda x: x, **around):  # noqa: B008
    sampler, objective = recipe.pretraining(graph, config)
    training = change(Training("test", sampler, objective))
    return fit(recipe.build(graph, 0), training, config, Run(quiet=True, **around))


def by_stage(profile):
    return {row["stage"]: row for row in profile["stages"]}


# --- the run is the same ---


@pytest.mark.parametrize(
    "recipe", [GCN(dim=4, hidden=4, dropout=0.5), DeepWalk(dim=4, walks_per_node=2, walk_length=10)]
)
def test_a_profile_changes_no_bit(graph, recipe):
    config = replace(CONFIG, optimizer="sgd", clip_norm=0.0) if isinstance(recipe, DeepWalk) else CONFIG
    plain, timed = train(graph, config, recipe), train(graph, config, recipe, profile=Profile())
    assert equal(plain.model, timed.model)
    assert [row["loss"] for row in plain.history] == [row["loss"] for row in timed.history]


def test_nothing_is_wrapped_without_a_profile(graph):
    sampler, objective = GCN(dim=4).pretraining(graph, CONFIG)
    training, around = Training("test", sampler, objective), Run(quiet=True)
    assert profiled(training, around) == (training, around)
    assert profiled(training, around)[0] is training and profiled(training, around)[1] is around


def test_no_hook_is_left_behind(graph):
    train(graph, profile=Profile())
    assert not optimizer._global_optimizer_pre_hooks and not optimizer._global_optimizer_post_hooks

    def breaks(training):
        def objective(model, batch):
            raise KeyboardInterrupt

        return replace(training, objective=objective)

    with pytest.raises(KeyboardInterrupt):
        train(graph, change=breaks, profile=Profile())
    gc.collect()
    assert not optimizer._global_optimizer_pre_hooks and not optimizer._global_optimizer_post_hooks


def test_a_profiled_run_goes_on(graph, tmp_path):
    """Its checkpoints are those of any run, and profile.json is of the last process."""

    def breaks(training):
        return replace(training, validate=Ends(2), monitor="score")

    whole = train(graph, change=lambda training: replace(training, validate=Ends(9), monitor="score"))
    with pytest.raises(KeyboardInterrupt):
        train(graph, change=breaks, checkpoints=tmp_path, profile=Profile())
    profile = Profile(tmp_path / "logs" / "profile.json")
    rest = train(
        graph, change=lambda training: replace(training, validate=Ends(9), monitor="score"),
        checkpoints=tmp_path, resume=True, profile=profile,
    )  # fmt: skip
    assert equal(whole.model, rest.model)
    profile.close()
    found = json.loads((tmp_path / "logs" / "profile.json").read_text())
    assert found == profile.as_dict()
    assert by_stage(found)["validation"]["calls"] == by_stage(found)["saving"]["calls"] == 2


class Ends:
    """A validation that ends the run when it is called for the `last` time."""

    def __init__(self, last):
        self.last = last

    def __call__(self, model):
        self.last -= 1
        if not self.last:
            raise KeyboardInterrupt
        return {"score": 0.5}


# --- what is found ---


def test_stages_add_up(graph, tmp_path):
    profile = Profile()
    begun = time.perf_counter()
    result = train(graph, profile=profile, loggers=(CSVLogger(tmp_path),))
    passed = time.perf_counter() - begun
    found = profile.as_dict()
    rows = by_stage(found)
    assert tuple(rows) == tuple(stage for stage in STAGES if stage in rows)
    assert sum(row["seconds"] for row in rows.values()) == pytest.approx(found["seconds"])
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    assert sum(row["share_step"] for row in rows.values()) == pytest.approx(1)
    assert 0.5 * passed < found["seconds"] <= passed + 0.1
    steps = result.history[-1]["step"]
    assert found["steps"] == steps and rows["logging"]["calls"] == 3
    timed = steps - 1 - found["traced_steps"]
    for stage in ("moving", "forward", "backward", "clipping", "optimiser"):
        assert rows[stage]["calls"] == timed and rows[stage]["median_step"] > 0, stage
    assert rows["sampling"]["calls"] >= timed  # and once an epoch to find that there is no more


class Slow:
    """A part of a run that takes a moment more."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def batches(self, epoch, first=0):
        for batch in self.inner.batches(epoch, first):
            time.sleep(PAUSE)
            yield batch

    def __call__(self, model, batch):
        time.sleep(PAUSE)
        return self.inner(model, batch)


class SlowBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        time.sleep(PAUSE)
        return gradient


def slow_backward(objective):
    def slower(model, batch):
        losses = objective(model, batch)
        return Losses(SlowBackward.apply(losses.values), losses.factors)

    return slower


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("sampling", lambda training: replace(training, sampler=Slow(training.sampler))),
        ("forward", lambda training: replace(training, objective=Slow(training.objective))),
        ("backward", lambda training: replace(training, objective=slow_backward(training.objective))),
    ],
)
def test_a_slow_stage_is_found(graph, stage, change):
    profile = Profile()
    train(graph, change=change, profile=profile)
    rows = by_stage(profile.as_dict())
    assert rows[stage]["median_step"] >= PAUSE
    assert max(rows, key=lambda name: rows[name]["median_step"]) == stage


def test_a_slow_optimiser_and_a_slow_validation_are_found(graph, monkeypatch):
    step = light.AdamW.step

    def slower(self, *more):
        time.sleep(PAUSE)
        return step(self, *more)

    monkeypatch.setattr(light.AdamW, "step", slower)

    def validate(model):
        time.sleep(10 * PAUSE)
        return {"score": 0.5}

    profile = Profile()
    train(graph, change=lambda training: replace(training, validate=validate, monitor="score"), profile=profile)
    rows = by_stage(profile.as_dict())
    assert rows["optimiser"]["median_step"] >= PAUSE > rows["clipping"]["median_step"]
    assert rows["validation"]["seconds"] >= 30 * PAUSE and rows["validation"]["median_step"] == 0


def test_a_fused_step_is_a_stage(graph):
    profile = Profile()
    config = replace(CONFIG, optimizer="sgd", clip_norm=0.0, batch_size=8)
    train(graph, config, DeepWalk(dim=4, walks_per_node=2, walk_length=10), profile=profile)
    rows = by_stage(profile.as_dict())
    assert rows["fused step"]["median_step"] > 0
    assert not {"forward", "backward", "clipping", "optimiser"} & set(rows)


def test_operators_of_a_few_steps(graph):
    profile = Profile()
    train(graph, replace(CONFIG, epochs=8), profile=profile)
    found = profile.as_dict()
    assert found["traced_steps"] == TRACE_STEPS
    operators = {row["operator"]: row for row in found["operators"]}
    times = [row["seconds_step"] for row in operators.values()]
    assert times == sorted(times, reverse=True) and times[-1] >= 0
    assert 0 < sum(row["share"] for row in operators.values()) <= 1.000001
    assert any(name.startswith("aten::") for name in operators)
    sums = profile.tracer.sums
    assert sums["Optimizer.step#AdamW.step"][0] == TRACE_STEPS
    assert sums["aten::addmm" if "aten::addmm" in sums else "aten::mm"][0] % TRACE_STEPS == 0


def test_a_run_of_few_steps_is_not_traced(graph):
    profile = Profile()
    result = train(graph, replace(CONFIG, batch_size=10**6), profile=profile)
    assert result.history[-1]["step"] == 3 < TRACE_FROM
    found = profile.as_dict()
    assert found["operators"] == [] and found["traced_steps"] == 0 and found["steps"] == 3


def test_a_profile_that_saw_nothing_is_not_written(tmp_path):
    Profile(tmp_path / "profile.json").close()
    assert list(tmp_path.iterdir()) == []


def test_a_watch_by_hand(monkeypatch):
    """The clock is read at each mark: 0, 1, 2, ... seconds."""
    seconds = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(seconds)))
    watch = Watch()  # at 0
    watch.wait = lambda: None
    watch.end_step()  # starting: 1
    with watch.stage("sampling"):  # first step, as all until the step ends
        watch.begin_step()
    watch.end_step()  # at 4
    with watch.stage("sampling"):  # other: 4 to 5
        pass  # 5 to 6
    watch.begin_step()
    watch.enter("forward")  # other: 6 to 7
    watch.enter("backward")  # 7 to 8
    watch.end_step()  # 8 to 9
    assert dict(watch.totals) == {
        "starting": 1, "first step": 3, "other": 2, "sampling": 1, "forward": 1, "backward": 1,
    }  # fmt: skip
    assert [dict(step) for step in watch.steps] == [{"other": 2, "sampling": 1, "forward": 1, "backward": 1}]
    assert watch.step == 2 and watch.calls["sampling"] == watch.calls["forward"] == 1


def test_a_tracer_that_saw_no_step_has_no_operators():
    assert Tracer().operators() == []


# --- the command line ---


@pytest.fixture
def place(tmp_path):
    with working_in(tmp_path):
        write_files(tmp_path)
        yield tmp_path


def test_profile_on_the_command_line(place):
    text = done("embed", "friends.csv", "--out", "friends", "--model", "gcn", "--set", "epochs=4", "--profile").out
    assert re_table(text, "sampling") and re_table(text, "backward") and "share of a step" in text
    saved = json.loads(Path("friends/logs/profile.json").read_text())
    told = done(
        "finetune", "friends", "--task", "link-prediction", "--out", "tuned", "--set", "epochs=8",
        "--set", "patience=0", "--quiet", "--profile", "--json",
    ).json["profile"]  # fmt: skip
    assert told == json.loads(Path("tuned/logs/profile.json").read_text()) and told["steps"] == 8
    assert {row["stage"] for row in saved["stages"]} <= set(STAGES)
    page = gt.report("tuned").read_text()
    assert "Where the time went" in page and told["operators"][0]["operator"] in page
    gt.load("tuned")


def re_table(text, stage):
    return [line for line in text.splitlines() if line.startswith(stage) and "%" in line]


def test_a_closed_form_has_no_steps_to_profile(place):
    error = run("embed", "friends.csv", "--out", "net", "--model", "netmf", "--profile").error
    assert "`--profile` of embed must be left out: NetMF is solved, not trained. Got True." in error
    assert not Path("net").exists()
